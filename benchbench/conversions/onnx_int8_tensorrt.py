"""Int8 ONNX files from a calibration, in the form that TensorRT accepts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from benchbench.conversions.graphs import unsigned_or_biased
from benchbench.conversions.onnx_calibrate import CALIBRATED, libraries
from benchbench.conversions.onnx_int8 import Form, all_but, layers_of, quantize
from benchbench.errors import ConversionError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_OPTIONS = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}


class OnnxInt8Tensorrt(Record):
    """Q/DQ with s8 symmetric activations, s8 symmetric weights by channel, and float biases.

    ONNX Runtime's CPU provider runs it too, but keeps many convolutions in float: a row of it on a
    CPU stands for TensorRT's accuracy at most, never for its speed.
    """

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu"), ("onnx",))
    extra: ClassVar[str] = "ort"
    calibrates: ClassVar[bool] = False

    float_tail: bool = True
    """Leave what follows the output convolutions (activations, Concat) in float."""
    exclude: tuple[str, ...] = ()
    """Globs of node names to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 onnx for TensorRT, of calibrated onnx."""
        made = Variant(format="onnx", precision="int8", target="tensorrt")
        return (made,) if source == CALIBRATED else ()

    def layers(self, model: ModelFile) -> Sequence[str]:
        """Return the convolutions and products that it quantizes, in graph order."""
        return layers_of(model, self.exclude)

    def only(self, model: ModelFile, layers: Sequence[str]) -> Self:
        """Return this conversion limited to *layers*: every other node stays in float."""
        return self.model_copy(update={"exclude": all_but(model, layers)})

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx``; raise ConversionError, ModelError for unreadable files."""
        form = Form("QInt8", self.exclude, self.float_tail, options=_OPTIONS)
        target = quantize(model, job, form)
        onnx, _ = libraries()
        refused = unsigned_or_biased(onnx.load(str(target)).graph)
        if refused:
            raise ConversionError(
                f"TensorRT would refuse {len(refused)} quantizers: {'; '.join(refused[:3])}",
                hint="name their nodes in 'exclude'",
            )
        return target
