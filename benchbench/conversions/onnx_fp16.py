"""ONNX files in half precision, with inputs and outputs left in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.conversions.graphs import (
    constants,
    heavy,
    holds_integers,
    without_shadow_inputs,
)
from benchbench.conversions.onnx_calibrate import faults
from benchbench.conversions.quiet import quiet
from benchbench.errors import ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)


class OnnxFp16(Record):
    """Casts the graph to float16 with ``onnxconverter-common``, except what must stay in float32.

    For runtimes that compute what the file says: TensorRT, CUDA. ONNX Runtime's CPU provider
    computes such a file in float32, with rounded weights.
    """

    packages: ClassVar[Packages] = (
        ("onnx",),
        ("onnxconverter-common",),
        ("onnxruntime", "onnxruntime-gpu"),
    )
    extra: ClassVar[str] = "ort"
    calibrates: ClassVar[bool] = False
    several_inputs: ClassVar[bool] = True

    keep: tuple[str, ...] = ()
    """Operation types to leave in float32, beside those that have no float16 form."""
    clamp: bool = False
    """Clamp constants beyond ±65504, float16's largest, instead of refusing them."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return fp16 onnx, of fp32 onnx."""
        made = Variant(format="onnx", precision="fp16")
        return (made,) if source == Variant(format="onnx") else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx``; raise ConversionError, ModelError for an unreadable file."""
        try:
            import onnx
            import onnxconverter_common  # noqa: F401 - told missing before any work is done
            import onnxruntime  # noqa: F401 - its errors are told apart
        except ImportError as error:
            raise MissingDependency(error.name or "onnxconverter-common", "ort") from error
        target = job.folder / "model.onnx"
        with quiet(job.log, ""), faults(model.path):
            proto = without_shadow_inputs(onnx.load(str(model.path)))
            self._check(proto.graph, model.path)
            held = constants(proto.graph)
            wide = {name: _array(tensor) for name, tensor in held if _single(tensor)}
            half = self._cast(proto)
            onnx.checker.check_model(half, full_check=True)
            target.write_bytes(half.SerializeToString(deterministic=True))
            typed = onnx.shape_inference.infer_shapes(half).graph
        self._verify(typed, wide, job)
        return target

    def _check(self, graph: Any, path: Path | None) -> None:
        if holds_integers(graph):
            raise ConversionError(
                f"{path}: holds quantized operations",
                hint="declare the source's 'precision: int8'; a quantized model is used as it is",
            )
        idle = sorted(set(self.keep) - {node.op_type for node in graph.node})
        if idle:
            raise ConversionError(
                f"'keep' names operations that the model lacks: {', '.join(idle)}",
                hint=f"it has {', '.join(sorted({node.op_type for node in graph.node}))}",
            )

    def _cast(self, proto: Any) -> Any:
        from onnxconverter_common import float16

        return float16.convert_float_to_float16(
            proto,
            # The converter's own limits, 1e-7 and 1e4, are narrower than float16.
            min_positive_val=_SMALLEST,
            max_finite_val=_LARGEST,
            keep_io_types=True,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *self.keep],
            check_fp16_ready=False,
        )

    def _verify(self, graph: Any, wide: dict[str, NDArray[Any]], job: ConversionJob) -> None:
        halved = [name for name, tensor in constants(graph) if name in wide and _half(tensor)]
        over = {name: count for name in halved if (count := _beyond(wide[name]))}
        cast, all_heavy = _in_half(graph)
        facts = {
            "convolutions_and_products": all_heavy,
            "in_float16": cast,
            "clamped_values": sum(over.values()),
        }
        job.record("fp16", facts)
        job.log(f"{cast} of {all_heavy} convolutions and products are float16")
        if over and not self.clamp:
            raise ConversionError(
                f"{sum(over.values())} constants in {', '.join(sorted(over))[:200]} are beyond "
                f"±{_LARGEST:.0f} and would be clamped",
                hint="leave their operations in float32 with 'keep', or set 'clamp: true'",
            )
        if not cast:
            raise ConversionError(
                f"none of the {all_heavy} convolutions and products became float16",
                hint="check 'keep'; a model of other operations gains nothing from float16",
            )


def _array(tensor: Any) -> NDArray[Any]:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(tensor))


def _single(tensor: Any) -> bool:
    return bool(tensor.data_type == tensor.FLOAT)


def _half(tensor: Any) -> bool:
    return bool(tensor.data_type == tensor.FLOAT16)


def _beyond(array: NDArray[Any]) -> int:
    """Return how many finite values float16 cannot hold."""
    return int((np.isfinite(array) & (np.abs(array) > _LARGEST)).sum())


def _in_half(graph: Any) -> tuple[int, int]:
    """Return (heavy nodes whose activation and weight are float16, all heavy nodes)."""
    names = set(_halves(graph))
    nodes = heavy(graph)
    return sum(set(node.input[:2]) <= names for node in nodes), len(nodes)


def _halves(graph: Any) -> Iterator[str]:
    """Yield the names of float16 tensors."""
    from onnx import TensorProto

    yield from (name for name, tensor in constants(graph) if _half(tensor))
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            yield value.name
