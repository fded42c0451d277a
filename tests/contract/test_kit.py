"""The contract kit itself: a sound plug-in passes every check, each defect fails its own."""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field

from benchbench.errors import (
    CalibrationError,
    CompiledOnly,
    ModelError,
    PlacementError,
)
from benchbench.runtimes.contract import check_device, check_input
from benchbench.testing import ConversionCase, RuntimeCase, conversion_checks, runtime_checks
from benchbench.types import (
    ConversionJob,
    InputShape,
    ModelFile,
    Placement,
    Record,
    Request,
    Share,
    TensorSpec,
    Variant,
)

SHAPE = InputShape((1, 3, 8, 8))
NPY = Variant(format="npy")
WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4) - 4
_TIMES = itertools.count()


class Small(Record):
    """Multiplies the channels' means with a matrix; ``defect`` names what is wrong with it."""

    packages: ClassVar[Any] = (("numpy",),)
    extra: ClassVar[str] = ""
    defect: str = ""
    told: int = 0

    def accepts(self, precision: str, device: str) -> Sequence[Variant]:
        if self.defect == "announces nothing":
            return ()
        if self.defect == "announces everything" or precision == "fp32":
            return (NPY,)
        if precision == "fp16":
            hint = None if self.defect == "gives no hint" else "set half: true"
            raise PlacementError("fp16 is off", hint=hint)
        return ()

    def known_devices(self) -> Sequence[str]:
        return ("cpu", "cuda:*")

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[Any]:
        if self.defect != "runs anywhere":
            check_device("small", request.device, ("cpu",))
        if self.defect == "compiles only":
            placement = Session(self, request, WEIGHTS).placement()
            raise CompiledOnly(
                "no chip", placement.model_copy(update={"evidence": "compiled_only"})
            )
        try:
            weights = np.load(str(model.path))
        except (EOFError, ValueError) as error:
            if self.defect == "lets a library's error through":
                raise
            raise ModelError(f"{model.path}: truncated") from error
        taken = TensorSpec(name="x", shape=(None, 3, None, 8), dtype="float32")
        if self.defect != "takes any shape":
            check_input(model.path, [taken], request.input)
        yield Session(self, request, weights)


class Session:
    def __init__(self, runtime: Small, request: Request, weights: Any) -> None:
        self.defect, self._request, self._weights = runtime.defect, request, weights
        self.inputs = (TensorSpec(name="x", shape=request.input.shape, dtype="float32"),)
        self._kept = np.zeros((1, 4), np.float32)
        self._drift = next(_TIMES) if self.defect == "remembers" else 0

    def upload(self, feed: Any) -> Any:
        if self.defect == "wants to write":
            feed["x"][:] += 1
        if self.defect == "writes":
            feed["x"].flags.writeable = True
            feed["x"][:] += 1
        return feed["x"]

    def run(self, handle: Any) -> None:
        self._kept[:] = handle.mean(axis=(2, 3)) @ self._weights + self._drift

    def download(self, handle: Any) -> Any:
        scores = self._kept if self.defect == "reuses its buffer" else self._kept.copy()
        outputs = {"scores": scores, "best": scores.argmax(axis=1)}
        if self.defect == "swaps its outputs":
            return dict(reversed(outputs.items()))
        if self.defect == "returns doubles":
            outputs["scores"] = scores.astype(np.float64)
        if self.defect == "rounds":
            outputs["scores"] = scores.round(2) + np.float32(0.05)
        return outputs

    def placement(self) -> Placement:
        changes: dict[str, dict[str, Any]] = {
            "forgets the threads": {"threads": 2},
            "asks for another precision": {"requested_precision": "int8"},
            "counts half the work": {"coverage": {"fp32": 0.5}},
            "counts too much": {"on_device": Share(nodes=1.5)},
            "says what its figures deny": {"coverage": {"fp32": 0.2, "bf16": 0.8}},
            "runs in bf16": {"coverage": {"bf16": 1.0}, "precision": "bf16"},
            "says it did not run": {"evidence": "compiled_only"},
            "names no source": {"source": ""},
        }
        fine = Placement(
            requested_provider="numpy",
            provider="numpy",
            requested_device=self._request.device,
            device="cpu",
            requested_precision=self._request.precision,
            precision="fp32",
            threads=self._request.threads,
            coverage={"fp32": 1.0},
            source="it says so",
        )
        return fine.model_copy(update=changes.get(self.defect, {}))


class Forgetful(Small):
    """Loses an option on the way to a worker."""

    lost: str = Field("", exclude=True)


def reference(image: Any) -> list[Any]:
    scores = image.mean(axis=(2, 3)) @ WEIGHTS
    return [scores, scores.argmax(axis=1)]


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., RuntimeCase]:
    path = tmp_path / "model.npy"
    np.save(path, WEIGHTS)

    def make(runtime: Any) -> RuntimeCase:
        return RuntimeCase(
            runtime=runtime,
            request=Request("fp32", "cpu", 1, SHAPE),
            model=lambda: ModelFile(NPY, path=path),
            reference=reference,
            impossible=("int8", "fp16"),
            name="small",
        )

    return make


def failing(checks: Any) -> set[str]:
    """Return the names of the checks that fail, without the case's."""
    found = set()
    for check in checks:
        try:
            check()
        except AssertionError:
            found.add(str(check).partition(": ")[2])
        except unittest.SkipTest:
            continue
    return found


def test_a_sound_runtime_passes_every_check(case: Any) -> None:
    for check in runtime_checks(case(Small())):
        check()


ANNOUNCED = "what is opened was announced by accepts"
OUTPUTS = "outputs have the right number, shapes and dtypes"
AGREES = "outputs agree with the reference"
TWICE = "opening twice in a row gives the same outputs"
READ_ONLY = "an array that may not be written is accepted and left alone"
PLACEMENT = "the placement is consistent"


@pytest.mark.parametrize(
    ("defect", "found"),
    [
        ("announces nothing", {ANNOUNCED}),
        ("announces everything", {"a precision that it cannot run is refused"}),
        (
            "gives no hint",
            {
                "accepts returns variants or says why not",
                "a precision that it cannot run is refused",
            },
        ),
        ("swaps its outputs", {OUTPUTS, AGREES}),
        ("returns doubles", {OUTPUTS}),
        ("rounds", {AGREES}),
        ("reuses its buffer", {"downloaded arrays survive the next run"}),
        ("writes", {READ_ONLY, AGREES, OUTPUTS, TWICE}),
        ("wants to write", {READ_ONLY, AGREES, TWICE}),
        ("remembers", {TWICE, AGREES}),
        ("forgets the threads", {PLACEMENT}),
        ("asks for another precision", {PLACEMENT}),
        ("counts half the work", {PLACEMENT}),
        ("counts too much", {PLACEMENT}),
        ("says what its figures deny", {PLACEMENT}),
        ("runs in bf16", {PLACEMENT}),
        ("says it did not run", {PLACEMENT}),
        ("names no source", {PLACEMENT}),
        ("runs anywhere", {"an unknown device is an error that lists the known"}),
        ("takes any shape", {"a wrong shape is an error that names it"}),
        ("lets a library's error through", {"a truncated file is an error that names it"}),
    ],
)
def test_each_defect_of_a_runtime_fails_its_check(defect: str, found: set[str], case: Any) -> None:
    # Where the input is written before it is compared, more than one check sees it.
    assert failing(runtime_checks(case(Small(defect=defect)))) - found == set()
    assert failing(runtime_checks(case(Small(defect=defect)))) & found


def test_an_option_that_is_lost_on_the_way_to_a_worker_fails_a_check(case: Any) -> None:
    assert failing(runtime_checks(case(Forgetful(lost="x")))) == {"options survive JSON"}


def test_a_runtime_that_can_only_compile_is_skipped_where_it_would_run(case: Any) -> None:
    skipped, passed = set(), set()
    for check in runtime_checks(case(Small(defect="compiles only"))):
        name = str(check).partition(": ")[2]
        try:
            check()
        except unittest.SkipTest:
            skipped.add(name)
        except AssertionError:
            continue
        else:
            passed.add(name)
    assert {OUTPUTS, AGREES, TWICE, READ_ONLY} <= skipped
    assert PLACEMENT in passed


def test_a_heavy_import_at_the_top_of_a_plug_in_is_found(
    case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eager_plugin.py").write_text(
        "import hotcoco\n"
        "from tests.contract.test_kit import Small\n"
        "class Eager(Small):\n"
        "    packages = (('hotcoco',),)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    import eager_plugin

    checks = runtime_checks(case(eager_plugin.Eager()))
    (check,) = [one for one in checks if "heavy library" in str(one)]
    with pytest.raises(AssertionError, match="importing eager_plugin imports hotcoco"):
        check()


# --- conversions -------------------------------------------------------------------------

MADE = Variant(format="npy", precision="int8")


class Shrink(Record):
    """Writes how many images it saw; ``defect`` names what is wrong with it."""

    packages: ClassVar[Any] = ()
    extra: ClassVar[str] = ""
    calibrates: ClassVar[bool] = True
    defect: str = ""

    def targets(self, source: Variant) -> Sequence[Variant]:
        if self.defect == "announces nothing":
            return ()
        return (MADE,) if source == NPY or self.defect == "takes anything" else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        assert job.feeds
        count = sum(1 for _ in job.feeds())
        if not count and self.defect != "calibrates on nothing":
            raise CalibrationError("no calibration images")
        folder = job.folder.parent if self.defect == "writes elsewhere" else job.folder
        drift = next(_TIMES) if self.defect == "never the same" else 0
        job.record("count", np.float32(count) if self.defect == "records an array" else count)
        if self.defect == "changes its source":
            assert model.path
            model.path.write_bytes(model.path.read_bytes() + b"x")
        (folder / "small.txt").write_text(f"{count} {drift}")
        return folder / "small.txt"


@pytest.mark.parametrize(
    ("defect", "found"),
    [
        ("", set()),
        ("announces nothing", {"its target is announced, and nothing for a strange source"}),
        ("takes anything", {"its target is announced, and nothing for a strange source"}),
        ("calibrates on nothing", {"no calibration images are an error"}),
        ("changes its source", {"it writes inside its folder and leaves the source alone"}),
        ("writes elsewhere", {"it writes inside its folder and leaves the source alone"}),
        ("records an array", {"what it records is JSON"}),
        ("never the same", {"the same input gives the same files"}),
    ],
)
def test_each_defect_of_a_conversion_fails_its_check(
    defect: str, found: set[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "model.npy", WEIGHTS)
    conversion = ConversionCase(
        conversion=Shrink(defect=defect),
        model=lambda: ModelFile(NPY, path=tmp_path / "model.npy"),
        target=MADE,
        input=SHAPE,
        feeds=lambda: iter([np.zeros(SHAPE.shape, np.float32)] * 2),
    )
    assert failing(conversion_checks(conversion)) == found
