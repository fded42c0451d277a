"""Every error a user can meet.

::

    BenchbenchError            exit 2   something is wrong; nothing was lost
    ├── UsageError             exit 2   the command line is wrong
    ├── SuiteError             exit 2   the YAML is wrong; carries file:line:column
    ├── DatasetError           exit 2   an annotation file, image or card is wrong
    │   └── ImageError         exit 2   one image cannot be read
    ├── ModelError             exit 2   a model file cannot be loaded
    │   └── DecoderMismatch    exit 2   the decoder does not fit the model's outputs
    ├── ConversionError        exit 2   an artifact could not be built
    ├── CalibrationError       exit 2   calibration images leak into the evaluation
    ├── MissingDependency      exit 2   an optional package is not installed
    ├── PluginError            exit 2   no such plug-in, or it cannot be loaded
    ├── PlacementError         exit 2   asked for one device or precision, got another
    ├── CompiledOnly           exit 2   built and checked; nothing here can run it
    ├── PredictionError        exit 2   predictions that cannot be scored
    ├── MeterError             exit 2   a meter cannot read energy or power
    └── StoreError             exit 2   the results store cannot be read or written

Inside a worker the same errors become a :class:`benchbench.types.Failure`: data, not death.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(
            str(part) for part in (self.file, self.line, self.column) if part is not None
        )


class BenchbenchError(Exception):
    """Says what is wrong, where, with which value, and what mends it."""

    exit_code = 2
    code = "error"

    def __init__(
        self, message: str, *, hint: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        return f"{head}\n hint: {self.hint}" if self.hint else head


class UsageError(BenchbenchError):
    """The command line asks for something that does not exist."""

    code = "usage"


class SuiteError(BenchbenchError):
    """One or more faults in a suite; ``problems`` lists them in file order."""

    code = "suite"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        place: Place | None = None,
        problems: tuple[SuiteError, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.problems = problems or (self,)


class DatasetError(BenchbenchError):
    """A dataset card, annotation file or image is unusable."""

    code = "dataset"


class ImageError(DatasetError):
    """One image is missing, truncated, too large or not an image."""

    code = "image"


class ModelError(BenchbenchError):
    """A model file is missing, corrupt or of another kind than declared."""

    code = "model"


class DecoderMismatch(ModelError):
    """The decoder does not fit the model's outputs."""

    code = "decoder_mismatch"


class ConversionError(BenchbenchError):
    """An export, quantization or compilation failed."""

    code = "conversion"


class CalibrationError(BenchbenchError):
    """Calibration data are absent or overlap the evaluation images."""

    code = "calibration"


class PluginError(BenchbenchError):
    """A plug-in is unknown or cannot be loaded."""

    code = "plugin"


class PlacementError(BenchbenchError):
    """The work ran elsewhere, or in another precision, than asked."""

    code = "placement"


class CompiledOnly(BenchbenchError):
    """The artifact is built and its precision checked, but nothing here can run it.

    Raised by a runtime's ``open``; the cell becomes ``compiled``: no figures, and no failure.
    *placement* is a :class:`benchbench.types.Placement` with the evidence ``compiled_only``.
    """

    code = "compiled_only"

    def __init__(self, message: str, placement: object, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.placement = placement


class PredictionError(BenchbenchError):
    """Predictions are not fit to be scored."""

    code = "predictions"


class MeterError(BenchbenchError):
    """A meter cannot read, or cannot any more; its message stands in place of the figure."""

    code = "meter"


class StoreError(BenchbenchError):
    """The results store cannot be read or written."""

    code = "store"


class MissingDependency(BenchbenchError):
    """An optional package is not installed."""

    code = "missing_dependency"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"the package '{package}' is not installed",
            hint=f"pip install 'benchbench[{extra}]'" if extra else f"pip install {package}",
        )
        self.package = package
        self.extra = extra
