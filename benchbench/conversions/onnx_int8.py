"""Static int8 quantization of ONNX files, in the form that is fast on a CPU."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.graphs import batch_of, matching, quantized, tail
from benchbench.conversions.quiet import quiet
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant


class OnnxInt8(Record):
    """Quantizes with ``onnxruntime.quantization``: Q/DQ, u8 activations, s8 weights by channel.

    TensorRT does not take this form; it wants signed, symmetric activations.
    """

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu"), ("onnx",))
    extra: ClassVar[str] = "ort"
    calibrates: ClassVar[bool] = True

    method: Literal["minmax", "entropy", "percentile"] = "minmax"
    """How activation ranges come from the calibration images."""
    percentile: float = Field(99.999, gt=50, le=100)
    """Share of values kept, in percent, for the method ``percentile``."""
    reduce_range: bool = False
    """Use 7 bits for weights: for CPUs without VNNI, whose products of u8 and s8 saturate."""
    float_tail: bool = True
    """Leave what follows the output convolutions (activations, Concat) in float."""
    exclude: tuple[str, ...] = ()
    """Globs of node names to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 onnx for a CPU, of fp32 onnx."""
        made = Variant(format="onnx", precision="int8", target="cpu")
        return (made,) if source == Variant(format="onnx") else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx``; raise ConversionError, or CalibrationError without images."""
        try:
            import onnx
            from onnxruntime.quantization.shape_inference import quant_pre_process
        except ImportError as error:
            raise MissingDependency(error.name or "onnxruntime", "ort") from error
        target = job.folder / "model.onnx"
        with quiet(job.log, ""), tempfile.TemporaryDirectory(dir=job.folder) as scratch:
            ready = Path(scratch) / "ready.onnx"
            with _faults(model.path):
                # Symbolic shape inference needs sympy and gives up on an open batch.
                quant_pre_process(str(model.path), str(ready), skip_symbolic_shape=True)
                graph = onnx.load(str(ready)).graph
            left = self._left_in_float(graph)
            with _faults(model.path):
                self._quantize(ready, target, _Feeds(job, graph), left)
        _verify(onnx.load(str(target)).graph, left, job)
        return target

    def _left_in_float(self, graph: Any) -> list[str]:
        named, idle = matching(graph, self.exclude)
        if idle:
            raise ConversionError(
                f"'exclude' matches no node: {', '.join(idle)}",
                hint=f"nodes are named like '{graph.node[0].name}'",
            )
        return sorted({*named, *(tail(graph) if self.float_tail else ())})

    def _quantize(self, ready: Path, target: Path, feeds: _Feeds, left: list[str]) -> None:
        from onnxruntime import quantization as ort

        methods = {
            "minmax": ort.CalibrationMethod.MinMax,
            "entropy": ort.CalibrationMethod.Entropy,
            "percentile": ort.CalibrationMethod.Percentile,
        }
        ort.quantize_static(
            str(ready),
            str(target),
            feeds,
            quant_format=ort.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=self.reduce_range,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=left,
            calibrate_method=methods[self.method],
            # One image at a time: the collectors otherwise hold every activation of every image.
            extra_options={"CalibStridedMinMax": 1, "CalibPercentile": self.percentile},
        )


class _Feeds:
    """A calibration reader over the job's images, counted first as the quantizer asks."""

    def __init__(self, job: ConversionJob, graph: Any) -> None:
        images = job.feeds
        self._count = sum(1 for _ in images()) if images else 0
        if not images or not self._count:
            raise CalibrationError(
                "no calibration images", hint="give the suite a calibration set with images"
            )
        self._iterator: Iterator[NDArray[Any]] = iter(images())
        self._name, self._batch = graph.input[0].name, batch_of(graph)
        self._left = self._count

    def __len__(self) -> int:
        return self._count

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = end_index - start_index

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        if not self._left:
            return None
        self._left -= 1
        return {self._name: np.repeat(next(self._iterator), self._batch, axis=0)}


@contextlib.contextmanager
def _faults(path: Path | None) -> Iterator[None]:
    """Turn what ONNX Runtime raises into errors that name the file."""
    from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
        DecodeError,
    )
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, KeyError)
    errors += tuple(kind for kind in kinds if issubclass(kind, Exception))
    try:
        yield
    except (DecodeError, state.InvalidProtobuf, state.InvalidGraph, OSError) as error:
        raise ModelError(
            f"{path}: not a readable ONNX model: {_head(error)}",
            hint="it may be truncated; export or download it again",
        ) from error
    except errors as error:
        raise ConversionError(
            f"{path}: quantization failed: {type(error).__name__}: {_head(error)}",
            hint="check that the calibration images fit the model's input; 'exclude' leaves a "
            "node in float; histograms ('entropy', 'percentile') fail where an activation "
            "hardly varies, 'method: minmax' does not",
        ) from error


def _verify(graph: Any, left: list[str], job: ConversionJob) -> None:
    done, heavy = quantized(graph)
    job.log(
        f"{done} of {heavy} convolutions and products are int8; "
        f"left in float on purpose: {', '.join(left) or 'none'}"
    )
    if not done:
        raise ConversionError(
            f"none of the {heavy} convolutions and products of the model was quantized",
            hint="check 'exclude'; a model of other operations gains nothing from int8",
        )


def _head(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:300]
