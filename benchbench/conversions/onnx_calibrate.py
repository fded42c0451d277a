"""Activation ranges of an ONNX model: one calibration that every int8 form is made from."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.graphs import (
    batch_of,
    constants,
    flatten_biases,
    holds_integers,
    without_shadow_inputs,
)
from benchbench.conversions.quiet import quiet
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

CALIBRATED = Variant(format="onnx-calibrated")
"""A folder: ``model.onnx``, ready to be quantized, and ``ranges.json`` beside it."""
RANGES = "ranges.json"
BINS = 2048
"""Bins of the histograms of magnitudes."""
LEVELS = 128
"""Magnitudes that a signed 8-bit number tells apart."""
_STRIDE = 8
"""Bins between two limits that the entropy method tries: 0.4 % of the range."""
_EMPTY = 1e-4
"""What an empty bin counts."""
_OPSET = 13
"""The first whose DequantizeLinear takes a scale for each channel."""

Ranges = dict[str, tuple[float, float]]
Activations = Callable[[], Iterator[Mapping[str, NDArray[np.float32]]]]
"""Runs the model over all images anew; yields every activation of one image at a time."""


class OnnxCalibrate(Record):
    """Measures the range of every activation over the calibration images."""

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu"), ("onnx",))
    extra: ClassVar[str] = "ort"
    calibrates: ClassVar[bool] = True

    method: Literal["minmax", "entropy", "percentile"] = "minmax"
    """How ranges come from the values seen: all of them, least information lost, a share."""
    percentile: float = Field(99.999, gt=50, le=100)
    """Share of magnitudes kept, in percent, for the method ``percentile``."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return the calibrated form of fp32 onnx."""
        return (CALIBRATED,) if source == Variant(format="onnx") else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx`` and ``ranges.json``.

        Raises ConversionError, ModelError for an unreadable file, or CalibrationError without
        images.
        """
        libraries()
        target = job.folder / "model.onnx"
        scratch = tempfile.TemporaryDirectory(dir=job.folder)
        with quiet(job.log, ""), scratch as folder, faults(model.path):
            proto = _prepared(model.path, Path(folder))
            ranges, images = self._ranges(proto, Path(folder), job)
            target.write_bytes(proto.SerializeToString(deterministic=True))
        facts: dict[str, str | int | float] = {
            "method": self.method,
            "images": images,
            "seed": job.seed,
        }
        if self.method == "percentile":
            facts["percentile"] = self.percentile
        document = {**facts, "tensors": dict(sorted(ranges.items()))}
        (job.folder / RANGES).write_text(json.dumps(document, indent=1, allow_nan=False))
        job.record("calibration", facts)
        job.log(f"{self.method} ranges of {len(ranges)} activations from {images} images")
        return target

    def _ranges(self, proto: Any, scratch: Path, job: ConversionJob) -> tuple[Ranges, int]:
        activations = _observer(proto, scratch, job)
        extent, images = _extent(activations)
        if not images:
            raise CalibrationError(
                "no calibration images", hint="give the suite a calibration set with images"
            )
        _check_finite(extent)
        if self.method == "minmax":
            return extent, images
        histograms = _histograms(activations, extent)
        limits = {name: self._limit(hist) for name, hist in histograms.items()}
        return {
            name: _clipped(low, high, limits[name] * max(abs(low), abs(high)))
            for name, (low, high) in extent.items()
        }, images

    def _limit(self, histogram: NDArray[np.int64]) -> float:
        if self.method == "percentile":
            return percentile_limit(histogram, self.percentile)
        return entropy_limit(histogram)


def libraries() -> tuple[Any, Any]:
    """Return (onnx, onnxruntime); raise MissingDependency."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingDependency(error.name or "onnxruntime", "ort") from error
    return onnx, onnxruntime


def read_ranges(model: Path) -> Ranges:
    """Return the ranges beside a calibrated model; raise ModelError if they cannot be read."""
    path = model.with_name(RANGES)
    try:
        tensors = json.loads(path.read_text())["tensors"]
        return {name: (float(low), float(high)) for name, (low, high) in tensors.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: not readable ranges of a calibration: {error}",
            hint="remove the artifact from the cache, so that it is made again",
        ) from error


def percentile_limit(histogram: NDArray[np.int64], percentile: float) -> float:
    """Return the share (0..1) of the range that holds *percentile* of all magnitudes."""
    held = np.cumsum(histogram) / max(int(histogram.sum()), 1)
    return float(np.searchsorted(held, min(percentile / 100, held[-1])) + 1) / len(histogram)


def entropy_limit(histogram: NDArray[np.int64]) -> float:
    """Return the share (0..1) of the range whose quantization loses least information.

    Least Kullback-Leibler divergence between the magnitudes clipped there and the same in
    ``LEVELS`` levels, as TensorRT's calibrator had it.
    """
    counts = histogram.astype(np.float64)
    # Zeros cost nothing at any limit, and behind an activation they outweigh everything else.
    counts[0] = counts[1]
    sizes = list(range(LEVELS, len(counts) + 1, _STRIDE))
    losses = [_divergence(counts, size) for size in sizes]
    best = len(sizes) - 1 - int(np.argmin(losses[::-1]))
    return sizes[best] / len(counts)


def _divergence(counts: NDArray[np.float64], size: int) -> float:
    """Return the loss of clipping at bin *size* and quantizing what is below."""
    kept = counts[:size]
    used = kept > 0
    level = np.arange(size) * LEVELS // size
    sums = np.bincount(level, weights=kept, minlength=LEVELS)
    members = np.maximum(np.bincount(level, weights=used, minlength=LEVELS), 1)
    coarse = np.where(used, (sums / members)[level], 0.0)
    fine = kept.copy()
    fine[-1] += counts[size:].sum()
    p, q = _smoothed(fine), _smoothed(coarse)
    return float((p * np.log(p / q)).sum())


def _smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *counts* as a distribution without zeros, whose logarithm would be infinite."""
    filled = np.where(counts > 0, counts, _EMPTY)
    return np.asarray(filled / filled.sum())


def _prepared(path: Path | None, scratch: Path) -> Any:
    """Return the model folded, with shapes, at an opset that can say int8 by channel."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source = without_shadow_inputs(onnx.load(str(path)))
    if holds_integers(source.graph):
        raise ConversionError(
            f"{path}: holds quantized operations already",
            hint="declare the source's 'precision: int8'; a quantized model is used as it is",
        )
    plain, ready = scratch / "plain.onnx", scratch / "ready.onnx"
    onnx.save(source, str(plain))
    # Symbolic shape inference needs sympy and gives up on an open batch.
    quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
    proto = onnx.load(str(ready))
    flatten_biases(proto.graph)
    opset = next(one.version for one in proto.opset_import if one.domain in {"", "ai.onnx"})
    if opset < _OPSET:
        proto = onnx.shape_inference.infer_shapes(
            onnx.version_converter.convert_version(proto, _OPSET)
        )
    return proto


def _observer(proto: Any, scratch: Path, job: ConversionJob) -> Activations:
    """Return a function that runs the images through the model with every activation shown."""
    onnx, onnxruntime = libraries()
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    names = _activations(proto.graph)
    outputs = {one.name for one in proto.graph.output}
    known = {one.name: one for one in (*proto.graph.value_info, *proto.graph.input)}
    shown.graph.output.extend(known[name] for name in names if name not in outputs)
    path = scratch / "shown.onnx"
    onnx.save(shown, str(path))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = job.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, batch = proto.graph.input[0].name, batch_of(proto.graph)

    def activations() -> Iterator[Mapping[str, NDArray[np.float32]]]:
        for image in job.feeds() if job.feeds else ():
            arrays = session.run(names, {name: np.repeat(image, batch, axis=0)})
            yield dict(zip(names, arrays, strict=True))

    return activations


def _activations(graph: Any) -> list[str]:
    """Return the names of all float tensors that are no constants, in the graph's order."""
    from onnx import TensorProto

    values = (*graph.input, *graph.value_info, *graph.output)
    floats = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    fixed = {name for name, _ in constants(graph)}
    flow = (name for node in graph.node for name in (*node.input, *node.output))
    return [name for name in dict.fromkeys(flow) if name in floats - fixed]


def _extent(activations: Activations) -> tuple[Ranges, int]:
    """Return name → (lowest, highest) value over all images, and the number of images."""
    extent: Ranges = {}
    images = 0
    for images, arrays in enumerate(activations(), 1):  # noqa: B007 - the count is returned
        for name, array in arrays.items():
            if array.size:
                low, high = extent.get(name, (np.inf, -np.inf))
                extent[name] = (min(low, float(array.min())), max(high, float(array.max())))
    return extent, images


def _check_finite(extent: Ranges) -> None:
    wild = [name for name, ends in extent.items() if not np.isfinite(ends).all()]
    if wild:
        raise CalibrationError(
            f"infinite or undefined values in the activation '{wild[0]}'"
            + (f" and {len(wild) - 1} more" if len(wild) > 1 else ""),
            hint="check the model in fp32 and its preprocessing; such a tensor has no range",
        )


def _histograms(activations: Activations, extent: Ranges) -> dict[str, NDArray[np.int64]]:
    """Return name → counts of magnitudes in ``BINS`` equal bins from 0 to the largest."""
    tops = {name: max(abs(low), abs(high)) or 1.0 for name, (low, high) in extent.items()}
    found = {name: np.zeros(BINS, np.int64) for name in extent}
    for arrays in activations():
        for name, array in arrays.items():
            if array.size:
                place = (np.abs(array).ravel() * (BINS / tops[name])).astype(np.int64)
                found[name] += np.bincount(np.minimum(place, BINS - 1), minlength=BINS)
    return found


def _clipped(low: float, high: float, limit: float) -> tuple[float, float]:
    return max(low, -limit), min(high, limit)


@contextlib.contextmanager
def faults(path: Path | None) -> Iterator[None]:
    """Turn what onnx and ONNX Runtime raise into errors that name the file."""
    from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
        DecodeError,
    )
    from onnx.checker import ValidationError
    from onnx.shape_inference import InferenceError
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, LookupError)
    errors += (ValidationError, InferenceError)
    errors += tuple(kind for kind in kinds if issubclass(kind, Exception))
    try:
        yield
    except (DecodeError, state.InvalidProtobuf, state.InvalidGraph, OSError) as error:
        raise ModelError(
            f"{path}: not a readable ONNX model: {head(error)}",
            hint="it may be truncated; export or download it again",
        ) from error
    except errors as error:
        raise ConversionError(
            f"{path}: conversion failed: {type(error).__name__}: {head(error)}",
            hint="check that the calibration images fit the model's input; 'exclude' leaves a "
            "node in float",
        ) from error


def head(error: Exception) -> str:
    """Return the first line of what *error* says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:300]
