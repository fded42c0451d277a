"""Static int8 quantization with NNCF, for OpenVINO."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.openvino_ir import IR, library, read, without_telemetry
from benchbench.conversions.quiet import quiet
from benchbench.errors import CalibrationError, ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_HEAVY = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"})
_QUANTIZERS = frozenset({"FakeQuantize", "FakeConvert"})
_BETWEEN = frozenset({"Convert", "Multiply", "Subtract", "Reshape", "Transpose"})
Item = tuple[NDArray[Any], list[NDArray[np.float64]]]
"""An image and what the fp32 model makes of it: its floating-point outputs, in order."""


class OpenVinoInt8(Record):
    """Quantizes with NNCF; writes ``model.xml`` and ``model.bin``, what stays float in f32."""

    packages: ClassVar[Packages] = (("openvino",), ("nncf",))
    extra: ClassVar[str] = "openvino"
    calibrates: ClassVar[bool] = True

    method: Literal["mean-minmax", "minmax", "percentile"] = "mean-minmax"
    """Activation ranges: mean of the images' extremes, extremes of all, mean of quantiles."""
    percentile: float = Field(99.99, gt=50, lt=100)
    """Share of the values of an image kept, in percent, for the method ``percentile``."""
    preset: Literal["mixed", "performance"] = "mixed"
    """``mixed``: asymmetric activations where they help; ``performance``: symmetric throughout."""
    fast_bias_correction: bool = True
    """Correct the biases from statistics alone; False is slower and somewhat more accurate."""
    exclude: tuple[str, ...] = ()
    """Globs of node names to leave in float."""
    accuracy_aware: bool = False
    """Put layers back into float until no output loses more than ``max_drop``."""
    max_drop: float = Field(0.01, gt=0, lt=1)
    """Error power that an output may have, as a share of its power: 0.01 is 20 dB."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 IR, of fp32 onnx or IR."""
        readable = source in {Variant(format="onnx"), IR}
        return (Variant(format="openvino-ir", precision="int8"),) if readable else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.xml``; raise ConversionError, or CalibrationError without images."""
        with quiet(job.log, "nncf"):
            nncf, openvino = _libraries()
            network = read(openvino, model.path)
            _check_float(network, model.path)
            feeds = _feeds(job, network)
        # NNCF makes its own logger while it is imported, so that listening starts only now.
        with quiet(job.log, "nncf"):
            made = self._quantize(nncf, network, feeds, model.path)
            target = job.folder / "model.xml"
            openvino.save_model(made, str(target), compress_to_fp16=False)
        _verify(made, model.path, job)
        self._record(job, len(feeds))
        if self.accuracy_aware:
            self._measure(network, read(openvino, target), feeds, job)
        return target

    def _quantize(
        self, nncf: Any, network: Any, feeds: list[NDArray[Any]], path: Path | None
    ) -> Any:
        ignored = self._ignored(network)
        options = {
            "preset": nncf.QuantizationPreset(self.preset),
            "subset_size": len(feeds),
            "fast_bias_correction": self.fast_bias_correction,
            "ignored_scope": nncf.IgnoredScope(names=ignored) if ignored else None,
        }
        ranges = self._ranges(nncf)
        try:
            if self.accuracy_aware:
                options["advanced_quantization_parameters"] = ranges
                return self._restore(nncf, network, feeds, options)
            data = nncf.Dataset(feeds)
            return nncf.quantize(network, data, advanced_parameters=ranges, **options)
        except (RuntimeError, ValueError, TypeError, nncf.ValidationError) as error:
            raise ConversionError(
                f"{path}: NNCF failed: {type(error).__name__}: {str(error).strip()[:300]}",
                hint="check that the calibration images fit the model's input; "
                "'exclude' leaves a node in float",
            ) from error

    def _ranges(self, nncf: Any) -> Any:
        from nncf.quantization import range_estimator as ranges

        if self.method == "percentile":
            tail = (100 - self.percentile) / 200
            quantile = ranges.StatisticsCollectorParameters(
                ranges.StatisticsType.QUANTILE,
                ranges.AggregatorType.MEAN,
                quantile_outlier_prob=tail,
            )
            chosen = ranges.RangeEstimatorParameters(min=quantile, max=quantile)
        else:
            known = ranges.RangeEstimatorParametersSet
            chosen = known.MINMAX if self.method == "minmax" else None
        if chosen is None:
            return None
        return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=chosen)

    def _restore(
        self, nncf: Any, network: Any, feeds: list[NDArray[Any]], options: dict[str, Any]
    ) -> Any:
        """Quantize, then put the layers that cost most back into float."""
        items = list(zip(feeds, _expected(network, feeds), strict=True))
        return nncf.quantize_with_accuracy_control(
            network,
            nncf.Dataset(feeds),
            nncf.Dataset(items, lambda item: item[0]),
            validation_fn=fidelity,
            max_drop=self.max_drop,
            drop_type=nncf.DropType.ABSOLUTE,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                num_ranking_workers=1
            ),
            **options,
        )

    def _record(self, job: ConversionJob, images: int) -> None:
        facts: dict[str, Any] = {"method": self.method, "images": images, "seed": job.seed}
        if self.method == "percentile":
            facts["percentile"] = self.percentile
        job.record("calibration", facts)

    def _measure(
        self, network: Any, made: Any, feeds: list[NDArray[Any]], job: ConversionJob
    ) -> None:
        """Record what the written file loses, rather than what NNCF had in memory."""
        items = zip(feeds, _expected(network, feeds), strict=True)
        drop = 1 - fidelity(_compiled(made), items)[0]
        job.record("accuracy_aware", {"max_drop": self.max_drop, "drop": drop})
        job.log(f"error power of the worst output: {drop:.2e} of its power")

    def _ignored(self, network: Any) -> list[str]:
        names = [op.get_friendly_name() for op in network.get_ops()]
        hits = {glob: fnmatch.filter(names, glob) for glob in self.exclude}
        idle = [glob for glob, found in hits.items() if not found]
        if idle:
            raise ConversionError(
                f"'exclude' matches no node: {', '.join(idle)}",
                hint=f"nodes are named like '{names[0]}'",
            )
        return sorted({name for found in hits.values() for name in found})


def fidelity(compiled: Any, items: Iterable[Item]) -> tuple[float, list[float]]:
    """Return 1 - the error power of the worst output as a share of its power, and per image.

    1.0 where the outputs equal the fp32 model's; the first is the mean over the images.
    """
    each = []
    for image, wanted in items:
        got = _floats(compiled([image]).values())
        losses = [_loss(one, want) for one, want in zip(got, wanted, strict=True)]
        each.append(1.0 - max(losses))
    return float(np.mean(each)), each


def _loss(got: NDArray[np.float64], want: NDArray[np.float64]) -> float:
    power = float((want**2).sum())
    error = float(((got - want) ** 2).sum())
    return error / power if power else float(error > 0)


def _expected(network: Any, feeds: list[NDArray[Any]]) -> list[list[NDArray[np.float64]]]:
    compiled = _compiled(network)
    return [_floats(compiled([image]).values()) for image in feeds]


def _compiled(network: Any) -> Any:
    # Left alone, OpenVINO would compute the reference in bf16 on CPUs that can.
    return library().Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _floats(arrays: Iterable[Any]) -> list[NDArray[np.float64]]:
    return [np.asarray(one, np.float64) for one in arrays if np.asarray(one).dtype.kind == "f"]


def _libraries() -> tuple[Any, Any]:
    openvino = library()
    try:
        with without_telemetry():
            import nncf
    except ImportError as error:
        raise MissingDependency(error.name or "nncf", "openvino") from error
    return nncf, openvino


def _check_float(network: Any, path: Path | None) -> None:
    if any(op.get_type_name() in _QUANTIZERS for op in network.get_ops()):
        raise ConversionError(
            f"{path}: holds quantized operations already",
            hint="declare the source's 'precision: int8'; a quantized model is used as it is",
        )


def _feeds(job: ConversionJob, network: Any) -> list[NDArray[Any]]:
    batch = network.inputs[0].get_partial_shape()[0]
    copies = 1 if batch.is_dynamic else batch.get_length()
    feeds = [np.repeat(one, copies, axis=0) for one in (job.feeds() if job.feeds else ())]
    if not feeds:
        raise CalibrationError(
            "no calibration images", hint="give the suite a calibration set with images"
        )
    return feeds


def _verify(network: Any, path: Path | None, job: ConversionJob) -> None:
    operations = list(network.get_ops())
    heavy = [op for op in operations if op.get_type_name() in _HEAVY]
    left = sorted(op.get_friendly_name() for op in heavy if not _in_integers(op))
    facts = {
        "convolutions_and_products": len(heavy),
        "quantized": len(heavy) - len(left),
        "in_float": left,
    }
    job.record("int8", facts)
    job.log(
        f"{len(heavy) - len(left)} of {len(heavy)} convolutions and products are int8; "
        f"in float: {', '.join(left) or 'none'}"
    )
    if len(left) == len(heavy):
        raise ConversionError(
            f"{path}: none of the {len(heavy)} convolutions and products was quantized",
            hint="a model without them gains nothing from int8; check 'exclude' and 'max_drop'",
        )


def _in_integers(op: Any) -> bool:
    """Whether the second operand, the weights, comes from a quantizer or from stored integers."""
    node = op.input_value(1).get_node()
    while node.get_type_name() in _BETWEEN:
        node = node.input_value(0).get_node()
    stored = node.get_element_type().get_type_name() if node.get_type_name() == "Constant" else ""
    return node.get_type_name() in _QUANTIZERS or stored in {"i8", "u8"}
