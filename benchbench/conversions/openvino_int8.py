"""Static int8 quantization with NNCF, for OpenVINO."""

from __future__ import annotations

import contextlib
import fnmatch
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.conversions.quiet import quiet
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_TELEMETRY = "openvino_telemetry"


class OpenVinoInt8(Record):
    """Quantizes with ``nncf.quantize``; writes ``model.xml`` and ``model.bin``, the rest in f32."""

    packages: ClassVar[Packages] = (("openvino",), ("nncf",))
    extra: ClassVar[str] = "openvino"
    calibrates: ClassVar[bool] = True

    preset: Literal["mixed", "performance"] = "mixed"
    """``mixed``: asymmetric activations where they help; ``performance``: symmetric throughout."""
    fast_bias_correction: bool = True
    """Correct the biases from statistics alone; False is slower and somewhat more accurate."""
    exclude: tuple[str, ...] = ()
    """Globs of node names to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 IR, of fp32 onnx or IR."""
        readable = source in {Variant(format="onnx"), Variant(format="openvino-ir")}
        return (Variant(format="openvino-ir", precision="int8"),) if readable else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.xml``; raise ConversionError, or CalibrationError without images."""
        with quiet(job.log, "nncf"):
            nncf, openvino = _libraries()
            network = _read(openvino, model.path)
            feeds = _feeds(job, network)
        # NNCF makes its own logger while it is imported, so that listening starts only now.
        with quiet(job.log, "nncf"):
            quantized = self._quantize(nncf, network, feeds, model.path)
        target = job.folder / "model.xml"
        openvino.save_model(quantized, str(target), compress_to_fp16=False)
        _verify(quantized, model.path, job)
        return target

    def _quantize(
        self, nncf: Any, network: Any, feeds: list[NDArray[Any]], path: Path | None
    ) -> Any:
        presets = {
            "mixed": nncf.QuantizationPreset.MIXED,
            "performance": nncf.QuantizationPreset.PERFORMANCE,
        }
        ignored = self._ignored(network)
        try:
            return nncf.quantize(
                network,
                nncf.Dataset(feeds),
                preset=presets[self.preset],
                subset_size=len(feeds),
                fast_bias_correction=self.fast_bias_correction,
                ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
            )
        except (RuntimeError, ValueError, TypeError, nncf.ValidationError) as error:
            raise ConversionError(
                f"{path}: NNCF failed: {type(error).__name__}: {str(error).strip()[:300]}",
                hint="check that the calibration images fit the model's input; "
                "'exclude' leaves a node in float",
            ) from error

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


def _libraries() -> tuple[Any, Any]:
    try:
        with _without_telemetry():
            import nncf
            import openvino
    except ImportError as error:
        raise MissingDependency(error.name or "nncf", "openvino") from error
    return nncf, openvino


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """Hide the telemetry package while OpenVINO and NNCF are imported; they then take a stub.

    Both otherwise write an id into the home folder on import and report their use. NNCF's
    variable ``NNCF_CI`` is read only after that.
    """
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # import then raises ImportError
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        if before is not None:
            sys.modules[_TELEMETRY] = before


def _read(openvino: Any, path: Path | None) -> Any:
    try:
        return openvino.Core().read_model(str(path))
    except RuntimeError as error:
        raise ModelError(
            f"{path}: OpenVINO cannot read the model: {str(error).strip().splitlines()[-1][:300]}",
            hint="it may be truncated; export or download it again",
        ) from error


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
    kinds = [op.get_type_name() for op in network.get_ops()]
    count = kinds.count("FakeQuantize") + kinds.count("FakeConvert")
    job.log(f"{count} quantizers in {len(kinds)} operations")
    if not count:
        raise ConversionError(
            f"{path}: NNCF quantized nothing",
            hint="a model without convolutions or products gains nothing from int8",
        )
