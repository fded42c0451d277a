"""Int8 ONNX files from a calibration, in the form that is fast on a CPU."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from benchbench.conversions.graphs import heavy, matching, quantized, tail
from benchbench.conversions.onnx_calibrate import (
    CALIBRATED,
    Ranges,
    faults,
    libraries,
    read_ranges,
)
from benchbench.conversions.quiet import quiet
from benchbench.errors import ConversionError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant


@dataclass(frozen=True, slots=True)
class Form:
    """How a quantized file is written."""

    activations: str
    """Member of ``onnxruntime.quantization.QuantType``; weights are always ``QInt8``."""
    exclude: tuple[str, ...]
    float_tail: bool
    reduce_range: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class OnnxInt8(Record):
    """Q/DQ with u8 asymmetric activations and s8 weights by channel, for CPUs.

    TensorRT does not take this form; ``onnx-int8-tensorrt`` makes its own of the same calibration.
    """

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu"), ("onnx",))
    extra: ClassVar[str] = "ort"
    calibrates: ClassVar[bool] = False

    reduce_range: bool = False
    """Use 7 bits for weights: for CPUs without VNNI, whose products of u8 and s8 saturate."""
    float_tail: bool = True
    """Leave what follows the output convolutions (activations, Concat) in float."""
    exclude: tuple[str, ...] = ()
    """Globs of node names to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 onnx for a CPU, of calibrated onnx."""
        made = Variant(format="onnx", precision="int8", target="cpu")
        return (made,) if source == CALIBRATED else ()

    def layers(self, model: ModelFile) -> Sequence[str]:
        """Return the convolutions and products that it quantizes, in graph order."""
        return layers_of(model, self.exclude)

    def only(self, model: ModelFile, layers: Sequence[str]) -> Self:
        """Return this conversion limited to *layers*: every other node stays in float."""
        return self.model_copy(update={"exclude": all_but(model, layers)})

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx``; raise ConversionError, ModelError for unreadable files."""
        return quantize(
            model, job, Form("QUInt8", self.exclude, self.float_tail, self.reduce_range)
        )


def layers_of(model: ModelFile, exclude: Sequence[str]) -> list[str]:
    """Return the names of the convolutions and products that *exclude* leaves to quantize."""
    graph = _graph(model)
    left = set(matching(graph, exclude)[0])
    return [node.name for node in heavy(graph) if node.name not in left]


def all_but(model: ModelFile, layers: Sequence[str]) -> tuple[str, ...]:
    """Return globs of every node that is not among *layers*."""
    kept = set(layers)
    return tuple(glob.escape(node.name) for node in _graph(model).node if node.name not in kept)


def _graph(model: ModelFile) -> Any:
    onnx, _ = libraries()
    with faults(model.path):
        return onnx.load(str(model.path)).graph


def quantize(model: ModelFile, job: ConversionJob, form: Form) -> Path:
    """Write the calibrated *model* as ``model.onnx`` in *form*; return its path."""
    onnx, _ = libraries()
    target = job.folder / "model.onnx"
    with quiet(job.log, ""), faults(model.path):
        proto = onnx.load(str(model.path))
        left = _left_in_float(proto.graph, form)
        made = _quantizer(proto, read_ranges(Path(str(model.path))), left, form)
        target.write_bytes(made.SerializeToString(deterministic=True))
    _verify(made.graph, left, job)
    return target


def _left_in_float(graph: Any, form: Form) -> list[str]:
    named, idle = matching(graph, form.exclude)
    if idle:
        raise ConversionError(
            f"'exclude' matches no node: {', '.join(idle)}",
            hint=f"nodes are named like '{graph.node[0].name}'",
        )
    return sorted({*named, *(tail(graph) if form.float_tail else ())})


def _quantizer(proto: Any, ranges: Ranges, left: list[str], form: Form) -> Any:
    from onnxruntime import quantization as ort
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    quantizer = QDQQuantizer(
        proto,
        per_channel=True,
        reduce_range=form.reduce_range,
        weight_qType=ort.QuantType.QInt8,
        activation_qType=ort.QuantType[form.activations],
        tensors_range=_tensors(ranges),
        nodes_to_quantize=[],
        nodes_to_exclude=left,
        op_types_to_quantize=sorted({*QLinearOpsRegistry, *QDQRegistry}),
        extra_options=dict(form.options),
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()  # as ONNX wants it: the quantizer appends its nodes
    return quantizer.model.model


def _tensors(ranges: Ranges) -> Any:
    """Return the ranges as ONNX Runtime's quantizer holds them."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData

    held = {
        name: TensorData(
            lowest=np.array(low, dtype=np.float32), highest=np.array(high, dtype=np.float32)
        )
        for name, (low, high) in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, held)


def _verify(graph: Any, left: list[str], job: ConversionJob) -> None:
    done, heavy = quantized(graph)
    job.log(
        f"{done} of {heavy} convolutions and products are int8; "
        f"left in float on purpose: {', '.join(left) or 'none'}"
    )
    job.record("int8", {"convolutions_and_products": heavy, "quantized": done, "in_float": left})
    if not done:
        raise ConversionError(
            f"none of the {heavy} convolutions and products of the model was quantized",
            hint="check 'exclude'; a model of other operations gains nothing from int8",
        )
