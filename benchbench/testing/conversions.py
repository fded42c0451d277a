"""What every conversion owes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchbench.errors import CalibrationError
from benchbench.files import sha256_file
from benchbench.protocols import Conversion
from benchbench.testing.check import (
    Check,
    claim,
    described,
    imports_lightly,
    make_checks,
    options_round_trip,
    refusal,
)
from benchbench.types import ConversionJob, InputShape, ModelFile, Variant


@dataclass(frozen=True, slots=True)
class ConversionCase:
    """A conversion with one model and one target. Nothing is loaded until a check is called."""

    conversion: Conversion
    """The plug-in with its options."""
    model: Callable[[], ModelFile]
    """Returns the model that is converted, always the same; called by every check."""
    target: Variant
    """What is made of it."""
    input: InputShape
    feeds: Callable[[], Iterator[NDArray[Any]]] | None = None
    """Returns a fresh iterator over calibration inputs of one image each."""
    reproducible: bool = True
    """Whether two conversions of one model give equal files."""
    name: str = ""
    """Stands before each check's name; by default the class and the target."""


def conversion_checks(*cases: ConversionCase) -> list[Check]:
    """Return the checks of all *cases*, named ``case: what must be true``."""
    return [check for case in cases for check in _of(case)]


def _of(case: ConversionCase) -> list[Check]:
    facts: dict[str, Callable[[ConversionCase], None]] = {
        "its target is announced, and nothing for a strange source": _announced,
        "it writes inside its folder and leaves the source alone": _writes,
        "what it records is JSON": _records,
        "options survive JSON": lambda one: options_round_trip(one.conversion),
        "its module imports no heavy library": lambda one: imports_lightly(one.conversion),
        "packages and extra are declared": lambda one: described(
            one.conversion.packages, one.conversion.extra
        ),
    }
    if case.reproducible:
        facts["the same input gives the same files"] = _reproducible
    if case.conversion.calibrates:
        facts["no calibration images are an error"] = _uncalibrated
    prefix = case.name or f"{type(case.conversion).__name__} {case.target}"
    return make_checks(prefix, {name: partial(run, case) for name, run in facts.items()})


def _announced(case: ConversionCase) -> None:
    source = case.model().variant
    targets: Sequence[Variant] = case.conversion.targets(source)
    told = ", ".join(map(str, targets)) or "nothing"
    claim(case.target in targets, f"of {source} it announces {told}, not {case.target}")
    claim(source not in targets, f"it announces {source} of itself: a chain would have no end")
    claim(len(set(targets)) == len(targets), f"it announces a target twice: {told}")
    claim(list(targets) == list(case.conversion.targets(source)), "targets() changes its mind")
    strange = Variant(format="no-such-format")
    claim(not case.conversion.targets(strange), f"it announces something of {strange}")


@contextmanager
def _job(case: ConversionCase) -> Iterator[ConversionJob]:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("artifact", "cache"):
            (Path(folder) / name).mkdir()
        yield ConversionJob(
            folder=Path(folder) / "artifact",
            input=case.input,
            feeds=case.feeds,
            log=_ignore,
            target=case.target,
            cache=Path(folder) / "cache",
        )


def _ignore(_: str) -> None:
    """Log nowhere."""


def _writes(case: ConversionCase) -> None:
    source = case.model()
    before = sha256_file(source.path) if source.path else None
    with _job(case) as job:
        main = case.conversion.convert(source, job)
        claim(main.is_file() or main.is_dir(), f"convert returned {main}, which does not exist")
        inside = main.resolve().is_relative_to(job.folder.resolve())
        claim(inside, f"convert returned {main}, which is not inside {job.folder}")
        beside = {path.name for path in job.folder.parent.iterdir()} - {"artifact", "cache"}
        claim(not beside, f"convert wrote outside its folder: {', '.join(sorted(beside))}")
    claim(not source.path or sha256_file(source.path) == before, "convert changed its source")


def _records(case: ConversionCase) -> None:
    told: dict[str, Any] = {}
    with _job(case) as job:
        case.conversion.convert(case.model(), replace(job, record=told.__setitem__))
    for name, value in told.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"record({name!r}, …) got {value!r}: {error}") from error


def _reproducible(case: ConversionCase) -> None:
    first, second = _digests(case), _digests(case)
    differing = [name for name in first | second if first.get(name) != second.get(name)]
    claim(not differing, f"two conversions of one model differ in {', '.join(differing)}")


def _digests(case: ConversionCase) -> dict[str, str]:
    with _job(case) as job:
        case.conversion.convert(case.model(), job)
        files = [path for path in sorted(job.folder.rglob("*")) if path.is_file()]
        return {str(path.relative_to(job.folder)): sha256_file(path) for path in files}


def _uncalibrated(case: ConversionCase) -> None:
    with _job(case) as job, refusal(CalibrationError, of="a calibration set without images"):
        case.conversion.convert(case.model(), replace(job, feeds=lambda: iter(())))
