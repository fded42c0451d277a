"""Conversion of torch modules to Core ML programs; it works on Linux, running them does not."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from benchbench.conversions.quiet import quiet
from benchbench.conversions.torch_programs import (
    Flat,
    example,
    exported,
    flat,
    head,
    open_module,
)
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Precision, Record, Variant

Target = Literal["iOS15", "iOS16", "iOS17", "iOS18"]

_PACKAGES: Packages = (("coremltools",), ("torch",))
_MODULE = Variant(format="torch-module")
_SOURCES = frozenset({_MODULE, Variant(format="pt2"), Variant(format="torchscript")})
_FAULTS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)
_LOGGERS = ("", "coremltools", "torch")
_NEVER = 10**9
"""A milestone that no number of calibration images reaches."""


class TorchCoreml(Record):
    """Converts with ``coremltools`` to an ML program that computes in fp32 or fp16.

    The batch is the cell's; inputs and outputs are float32 arrays.
    """

    packages: ClassVar[Packages] = _PACKAGES
    extra: ClassVar[str] = "coreml"
    calibrates: ClassVar[bool] = False

    deployment_target: Target = "iOS17"
    """Oldest system that the program runs on; iOS17 stands for macOS 14 too."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return Core ML at fp16 and fp32 for a module, an exported program or TorchScript."""
        made: tuple[Precision, ...] = ("fp16", "fp32") if source in _SOURCES else ()
        return tuple(Variant(format="coreml", precision=one) for one in made)

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.mlpackage`` and return its manifest.

        Raises ConversionError if the model cannot be converted, ModelError if it cannot be read.
        """
        precision = job.target.precision if job.target else "fp16"
        with quiet(job.log, *_LOGGERS):
            ct = _library()
            made = _converted(ct, _program(model, job), job, precision, self.deployment_target)
            _record(job, ct, "W32A32" if precision == "fp32" else "W16A16")
            return _saved(made, job.folder)


class CoremlInt8(Record):
    """Quantizes weights by channel and activations by tensor, calibrated in torch.

    Chips before the A17 Pro and the M4 compute such a program in fp16.
    """

    packages: ClassVar[Packages] = _PACKAGES
    extra: ClassVar[str] = "coreml"
    calibrates: ClassVar[bool] = True

    activations: bool = True
    """Quantize activations too (W8A8); otherwise weights alone, and fp16 is computed (W8A16)."""
    scheme: Literal["symmetric", "affine"] = "symmetric"
    """Whether the zero of activations is fixed or shifted; weights are symmetric."""
    deployment_target: Literal["iOS17", "iOS18"] = "iOS17"
    """Oldest system that the program runs on; older ones have no quantized activations."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return Core ML at int8; of a module alone if activations are quantized."""
        known = source == _MODULE if self.activations else source in _SOURCES
        return (Variant(format="coreml", precision="int8"),) if known else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.mlpackage`` and return its manifest.

        Raises ConversionError if the model cannot be converted, ModelError if it cannot be read,
        or CalibrationError without images.
        """
        if self.activations and not any(True for _ in (job.feeds or tuple)()):
            raise CalibrationError(
                "no calibration images", hint="give the suite a calibration set with images"
            )
        with quiet(job.log, *_LOGGERS):
            ct = _library()
            made = (self._both if self.activations else self._weights)(ct, model, job)
            _record(job, ct, "W8A8" if self.activations else "W8A16")
            return _saved(made, job.folder)

    def _weights(self, ct: Any, model: ModelFile, job: ConversionJob) -> Any:
        from coremltools.optimize import coreml as optimize

        made = _converted(ct, _program(model, job), job, "fp16", self.deployment_target)
        settings = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
        with _faults("the weights could not be quantized"):
            return optimize.linear_quantize_weights(
                made, optimize.OptimizationConfig(global_config=settings)
            )

    def _both(self, ct: Any, model: ModelFile, job: ConversionJob) -> Any:
        import torch

        image = example(job.input, job.seed)
        source = flat(open_module(model), image)
        with _faults("torch could not quantize the module"), torch.no_grad():
            quantized, images = _calibrated(source.module, image, job, self.scheme)
            cosines = _cosines(source.module, quantized, job)
        job.record("calibration", {"method": "minmax", "images": images, "seed": job.seed})
        job.record("cosine", dict(zip(source.names, cosines, strict=True)))
        program = source._replace(module=_traced(quantized, image))
        return _converted(ct, program, job, "fp16", self.deployment_target)


# --- torch -------------------------------------------------------------------------------


def _program(model: ModelFile, job: ConversionJob) -> Flat:
    """Return what coremltools converts, with what is known of its outputs."""
    image = example(job.input, job.seed)
    if model.variant.format == "torchscript":
        script = _script(model)
        return flat(script, image)._replace(module=script)
    source = flat(open_module(model), image)
    with _faults("torch could not decompose the module"):
        return source._replace(module=exported(source.module, image).run_decompositions({}))


def _script(model: ModelFile) -> Any:
    import torch

    try:
        return torch.jit.load(str(model.path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"{model.path}: not a readable TorchScript file: {head(error)}",
            hint="it may be truncated; save or download it again",
        ) from error


def _calibrated(module: Any, image: Any, job: ConversionJob, scheme: str) -> tuple[Any, int]:
    """Return *module* quantized from the calibration images, and their number."""
    import torch
    from coremltools.optimize.torch import quantization

    # From the first milestone on ranges are taken; weights are never trained.
    settings = quantization.ModuleLinearQuantizerConfig(
        quantization_scheme=scheme,
        milestones=[0, _NEVER, _NEVER, 0],
        activation_observer="min_max",
        weight_observer="min_max",
        weight_per_channel=True,
    )
    quantizer = quantization.LinearQuantizer(
        module, quantization.LinearQuantizerConfig(global_config=settings)
    )
    prepared = quantizer.prepare(example_inputs=(image,))
    quantizer.step()
    images = 0
    for one in job.feeds() if job.feeds else ():
        prepared(torch.from_numpy(np.repeat(one, image.shape[0], axis=0)))
        images += 1
    return quantizer.finalize().eval(), images


def _cosines(module: Any, quantized: Any, job: ConversionJob) -> list[float | None]:
    """Return the cosine of each output with the float module's, on the first image."""
    import torch

    assert job.feeds is not None
    first = torch.from_numpy(np.repeat(next(iter(job.feeds())), job.input.shape[0], axis=0))
    pairs = zip(module(first), quantized(first), strict=True)
    return [_cosine(left.double().flatten(), right.double().flatten()) for left, right in pairs]


def _cosine(left: Any, right: Any) -> float | None:
    norms = float(left.norm() * right.norm())
    return float(left @ right) / norms if norms else None


def _traced(module: Any, image: Any) -> Any:
    """Trace *module*: torch cannot export what coremltools' quantizer makes."""
    import torch

    silent = warnings.catch_warnings(action="ignore")
    with _faults("torch could not trace the quantized module"), torch.no_grad(), silent:
        return torch.jit.trace(module, image)


# --- Core ML -----------------------------------------------------------------------------


def _library() -> Any:
    try:
        import coremltools
        import torch  # noqa: F401 - coremltools converts without it only what is not torch's
    except ImportError as error:
        raise MissingDependency(error.name or "coremltools", "coreml") from error
    return coremltools


def _converted(
    ct: Any, program: Flat, job: ConversionJob, precision: Precision, target: str
) -> Any:
    """Return *program* as an ML program with float32 inputs and outputs."""
    units = ct.precision.FLOAT32 if precision == "fp32" else ct.precision.FLOAT16
    image = ct.TensorType(
        name=job.input.name or "images", shape=job.input.shape, dtype=np.dtype(job.input.dtype).type
    )
    # A name in an ML program holds no dots.
    outputs = [
        ct.TensorType(name=name.replace(".", "_"), dtype=np.float32 if real else None)
        for name, real in zip(program.names, program.floats, strict=True)
    ]
    with _faults("coremltools could not convert the module"):
        return ct.convert(
            program.module,
            convert_to="mlprogram",
            inputs=[image],
            outputs=outputs,
            compute_precision=units,
            minimum_deployment_target=ct.target[target],
            skip_model_load=True,
        )


def _saved(made: Any, folder: Path) -> Path:
    """Save the package so that equal models make equal files, and different ones do not."""
    package = folder / "model.mlpackage"
    made.save(str(package))
    parts = sorted(path for path in (package / "Data").rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()
    manifest = package / "Manifest.json"
    text = manifest.read_text()
    # The package names its parts by random numbers.
    for old, entry in json.loads(text)["itemInfoEntries"].items():
        text = text.replace(old, str(uuid.uuid5(uuid.NAMESPACE_OID, digest + entry["path"])))
    told = json.loads(text)
    manifest.write_text(json.dumps(told, indent=1, sort_keys=True))
    return manifest


def _record(job: ConversionJob, ct: Any, scheme: str) -> None:
    import torch

    job.record("versions", {"coremltools": ct.__version__, "torch": torch.__version__})
    job.record("scheme", scheme)


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn what the libraries raise into an error that says *what* failed."""
    try:
        yield
    except _FAULTS as error:
        raise ConversionError(
            f"{what}: {type(error).__name__}: {head(error)}",
            hint="the job's log holds its account; an operation may have no Core ML counterpart",
        ) from error
