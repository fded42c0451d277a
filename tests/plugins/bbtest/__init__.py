"""A runtime that can be told to fail in every way, and what it needs: only numpy."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

import numpy as np

from benchbench.errors import CompiledOnly
from benchbench.protocols import Packages
from benchbench.types import (
    ConversionJob,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    Share,
    TensorSpec,
    Variant,
)

Fault = Literal[
    "none", "segfault", "abort", "hang", "raise", "memory", "hog", "exit", "sigkill", "vanish", "alarm"
]  # fmt: skip
RAW = Variant(format="bbtest-raw")
INT8 = Variant(format="bbtest-raw", precision="int8")


class Inline(Record):
    """A model that is nothing but its name."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    label: str = "a"

    def variants(self) -> Sequence[Variant]:
        return (RAW,)

    def fingerprint(self) -> Mapping[str, str]:
        return {"label": self.label}

    def open(self, variant: Variant) -> ModelFile:
        return ModelFile(variant=variant)


class Copy(Record):
    """An int8 'conversion' that writes how many calibration feeds it saw."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    calibrates: ClassVar[bool] = True
    fault: Fault = "none"
    count_file: str = ""

    def targets(self, source: Variant) -> Sequence[Variant]:
        return (INT8,) if source == RAW else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        commit(self.fault)
        main = job.folder / "model.txt"
        assert job.feeds is not None
        main.write_text(str(sum(1 for _ in job.feeds())))
        if self.count_file:
            with Path(self.count_file).open("a") as file:
                file.write("built\n")
        return main


class Fatal(Record):
    """A 'conversion' with one target for each way to die while it is made."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    calibrates: ClassVar[bool] = False
    markers: str = ""
    """If set, a folder: each way to die is taken but once."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        return tuple(dying(fault) for fault in get_args(Fault)) if source == RAW else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        assert job.target
        if not taken(self.markers and f"{self.markers}/built-{job.target.target}"):
            commit(cast("Fault", job.target.target))
        main = job.folder / "model.txt"
        main.write_text("alive")
        return main


def dying(fault: str) -> Variant:
    """Return the variant whose build commits *fault*."""
    return Variant(format="bbtest-raw", precision="fp16", target=fault)


def taken(marker: str) -> bool:
    """Return whether *marker* exists; make it, if it is a path."""
    if not marker:
        return False
    found = Path(marker).exists()
    Path(marker).touch()
    return found


class Faulty(Record):
    """Gives class 0 a probability of one, unless told to fail at a stage."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    fault: Fault = "none"
    stage: Literal["open", "run"] = "open"
    marker: str = ""
    """If set, fail only as long as this file does not exist, and make it."""
    effective: Precision | None = None
    slow_s: float = 0.0
    build: Fault = "none"
    """How the build of its fp16 file fails."""
    share: float = 1.0
    """Share of the nodes that it says to have run on the device."""
    off: float = 0.0
    """How far its scores are from what they should be."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        return {"fp32": (RAW,), "int8": (INT8,), "fp16": (dying(self.build),)}.get(precision, ())

    def known_devices(self) -> Sequence[str]:
        return ("cpu", "board", "card:*")

    def absent(self, device: str) -> str | None:
        return "no card is plugged in" if device.startswith("card") else None

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        if self.stage == "open":
            self.fail()
        session = _Session(self, request)
        if request.device == "board":
            said = session.placement().model_copy(update={"evidence": "compiled_only"})
            raise CompiledOnly("there is no board here", said)
        yield session

    def fail(self) -> None:
        if not taken(self.marker):
            commit(self.fault)


class Absent(Faulty):
    """Needs a package that nobody has."""

    packages: ClassVar[Packages] = (("bbtest-no-such-package",),)
    extra: ClassVar[str] = "absent"


def commit(fault: Fault) -> None:
    """Do *fault*."""
    if fault == "segfault":
        ctypes.string_at(0)
    elif fault == "abort":
        os.abort()
    elif fault == "hang":
        while True:
            time.sleep(3600)
    elif fault == "raise":
        raise ZeroDivisionError("told to")
    elif fault == "memory":
        raise MemoryError("told to")
    elif fault == "hog":
        np.ones(8 << 30, np.uint8)
    elif fault == "exit":
        os._exit(7)
    elif fault == "vanish":
        os._exit(0)
    elif fault == "alarm":
        os.kill(os.getpid(), signal.SIGRTMIN + 6)
    elif fault == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)


class _Session:
    def __init__(self, runtime: Faulty, request: Request) -> None:
        self._runtime, self._request = runtime, request
        self.inputs = [TensorSpec(name="x", shape=request.input.shape, dtype="float32")]

    def upload(self, feed: Mapping[str, Any]) -> Any:
        return feed["x"]

    def run(self, handle: Any) -> None:
        if self._runtime.stage == "run":
            self._runtime.fail()
        if self._runtime.slow_s:
            time.sleep(self._runtime.slow_s)

    def download(self, handle: Any) -> Mapping[str, Any]:
        scores = np.zeros((len(handle), 2), np.float32)
        scores[:, 0] = 1 - self._runtime.off
        scores[:, 1] = self._runtime.off
        return {"scores": scores}

    def placement(self) -> Placement:
        return Placement(
            requested_provider="bbtest",
            provider="bbtest",
            requested_device=self._request.device,
            device=self._request.device,
            requested_precision=self._request.precision,
            precision=self._runtime.effective or self._request.precision,
            threads=self._request.threads,
            on_device=Share(nodes=self._runtime.share),
            affinity=tuple(sorted(os.sched_getaffinity(0))),
            source="told so",
        )
