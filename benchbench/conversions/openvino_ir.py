"""OpenVINO IR from ONNX, its weights stored in float32 or float16."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.conversions.quiet import quiet
from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

IR = Variant(format="openvino-ir")
IR_FP16 = Variant(format="openvino-ir", precision="fp16")
_ONNX = Variant(format="onnx")
_TELEMETRY = "openvino_telemetry"


class OpenVinoIr(Record):
    """Writes ``model.xml`` and ``model.bin``; float16 halves the file, not the arithmetic."""

    packages: ClassVar[Packages] = (("openvino",),)
    extra: ClassVar[str] = "openvino"
    calibrates: ClassVar[bool] = False
    several_inputs: ClassVar[bool] = True

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return IR in fp32 and with fp16 weights, of fp32 onnx; the latter, of fp32 IR."""
        return {_ONNX: (IR, IR_FP16), IR: (IR_FP16,)}.get(source, ())

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.xml``; raise ModelError for an unreadable file."""
        target = job.folder / "model.xml"
        wanted = job.target or IR
        with quiet(job.log):
            openvino = library()
            network = read(openvino, model.path)
            openvino.save_model(network, str(target), compress_to_fp16=wanted.precision == "fp16")
            facts = stored(read(openvino, target))
        job.record("stored_bytes", facts)
        job.log("bytes stored: " + ", ".join(f"{kind} {size}" for kind, size in facts.items()))
        return target


def library() -> Any:
    """Import OpenVINO without its telemetry; raise MissingDependency."""
    try:
        with without_telemetry():
            import openvino
    except ImportError as error:
        raise MissingDependency("openvino", "openvino") from error
    return openvino


@contextlib.contextmanager
def without_telemetry() -> Iterator[None]:
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


def read(openvino: Any, path: Path | None) -> Any:
    """Return the network in *path*; raise ModelError."""
    try:
        return openvino.Core().read_model(str(path))
    except RuntimeError as error:
        raise ModelError(
            f"{path}: OpenVINO cannot read the model: {str(error).strip().splitlines()[-1][:300]}",
            hint="it may be truncated; export or download it again",
        ) from error


def stored(network: Any) -> dict[str, int]:
    """Return element type → bytes of constants, largest first: ``{'f16': 1200, 'i64': 96}``."""
    sizes: dict[str, int] = {}
    for op in network.get_ops():
        if op.get_type_name() == "Constant":
            kind = op.get_element_type().get_type_name()
            sizes[kind] = sizes.get(kind, 0) + int(op.get_byte_size())
    return dict(sorted(sizes.items(), key=lambda one: (-one[1], one[0])))
