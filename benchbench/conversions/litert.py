"""Conversion of torch modules to LiteRT files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from benchbench.conversions.checking import INTEGER_AGREEMENT, ROUNDING
from benchbench.conversions.quiet import quiet
from benchbench.conversions.torch_programs import example, exported, flat, open_module
from benchbench.errors import ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_CHILD = Path(__file__).with_name("litert_child.py")
_LIBRARY, _EXTRA = "litert-torch", "litert-convert"
_SOURCES = frozenset({Variant(format="torch-module"), Variant(format="pt2")})


class TorchLitert(Record):
    """Converts with ``litert_torch``, in a process of its own, and compares the results.

    The batch is the cell's; the layout is the module's.
    """

    extra: ClassVar[str] = _EXTRA
    calibrates: ClassVar[bool] = False

    python: Path | None = None
    """Interpreter of another environment that has litert-torch; None if this one has it."""
    tolerance: float = Field(1e-3, gt=0)
    """Largest difference admitted beside rounding, as a share of the output's deviation."""

    @property
    def packages(self) -> Packages:
        """torch; litert-torch too, unless another environment has it."""
        return (("torch",),) if self.python else (("torch",), (_LIBRARY,))

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return tflite for a module or an exported program."""
        return (Variant(format="tflite"),) if source in _SOURCES else ()

    def chip(self, device: str) -> Mapping[str, str]:  # noqa: ARG002 - the same for every device
        """Return the version of litert-torch in the other environment, if one is named."""
        return {_LIBRARY: _version(self.python)} if self.python else {}

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.tflite``; raise ConversionError if it cannot be converted or is wrong."""
        try:
            import torch
        except ImportError as error:
            raise MissingDependency("torch", "torch") from error
        target = job.folder / "model.tflite"
        with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
            with quiet(job.log, "torch"):
                image = example(job.input, job.seed)
                module, names, _ = flat(open_module(model), image)
                program = Path(scratch) / "program.pt2"
                torch.export.save(exported(module, image), str(program))
            told = self._converted(program, names, target, job)
        job.record("versions", told["versions"])
        errors = told["errors"]
        job.record("largest_error", {name: one.get("worst") for name, one in errors.items()})
        for name, one in errors.items():
            self._check(name, one)
        return target

    def _converted(
        self, program: Path, names: list[str], target: Path, job: ConversionJob
    ) -> dict[str, Any]:
        """Let the interpreter with litert-torch convert *program*; return what it tells."""
        report = program.with_name("report.json")
        # Neither sees this package's folder as a place to import from; another environment does
        # not see this one's variables either.
        start = (str(self.python), "-I") if self.python else (sys.executable, "-P")
        command = [*start, str(_CHILD), str(program), json.dumps(names), str(target), str(report)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise _unusable(self.python, error) from error
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        for line in said:
            job.log(line.rstrip())
        if done.returncode or not report.is_file():
            raise self._failed(said, done.returncode)
        told: dict[str, Any] = json.loads(report.read_text())
        return told

    def _failed(self, said: list[str], code: int) -> Exception:
        last = said[-1].strip() if said else ""
        if "ModuleNotFoundError" in last and "litert_torch" in last:
            return _unusable(self.python, last) if self.python else _missing()
        return ConversionError(
            f"litert-torch could not convert the module (exit {code}): {last[:300]}",
            hint="the job's log holds its account; an operation may have no LiteRT counterpart",
        )

    def _check(self, name: str, error: Mapping[str, Any]) -> None:
        fault = _fault(error, self.tolerance)
        if fault:
            raise ConversionError(
                f"the output '{name}' of the LiteRT file differs from the module: {fault}",
                hint="the module may depend on its input's values; raise 'tolerance' only if you "
                "know why",
            )


def _fault(error: Mapping[str, Any], tolerance: float) -> str | None:
    if "shape" in error:
        return f"shape {error['shape']} instead of {error['wanted']}"
    if error.get("integer"):
        equal = error["equal"]
        return None if equal >= INTEGER_AGREEMENT else f"only {equal:.1%} of the integers agree"
    worst, deviation = error["worst"], error["deviation"]
    if worst <= tolerance * deviation + ROUNDING * error["size"]:
        return None
    return f"by up to {worst:.2e}, where its standard deviation is {deviation:.2e}"


def _missing() -> MissingDependency:
    return MissingDependency(_LIBRARY, _EXTRA)


def _unusable(python: Path | None, error: object) -> ConversionError:
    return ConversionError(
        f"python: {python} cannot convert: {error}",
        hint=f"make an environment for it: python -m venv DIR, DIR/bin/pip install {_LIBRARY}, "
        "and name DIR/bin/python",
    )


@cache
def _version(python: Path) -> str:
    """Return the version of litert-torch that *python* has, ``unknown`` if it has none."""
    ask = f"from importlib.metadata import version; print(version('{_LIBRARY}'))"
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", ask], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
