"""Cast an ONNX graph to bfloat16 for a builder that computes what the graph says.

``onnxconverter-common`` knows float16 only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.conversions.graphs import HEAVY, constants, tail
from benchbench.errors import ConversionError

_FLOAT, _BFLOAT16 = 1, 16  # onnx.TensorProto.DataType
_NATIVE = HEAVY | frozenset(
    {
        "Add", "AveragePool", "Clip", "Concat", "Div", "Dropout", "Elu", "Erf", "Flatten",
        "Gelu", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu",
        "MaxPool", "Mul", "Neg", "PRelu", "Relu", "Reshape", "Sigmoid", "Split", "Squeeze",
        "Sub", "Tanh", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operations that are cast; the others compute in float32 between two casts."""


def to_bfloat16(proto: Any) -> Any:
    """Return *proto*, changed in place, computing in bfloat16 up to its last heavy operations.

    What lies behind them (decoding of boxes, softmax) stays in float32, as do inputs and outputs:
    bfloat16 has 8 bits, too few for coordinates. Raises ConversionError for control flow.
    """
    import onnx

    for index, node in enumerate(proto.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
        if any(one.type in (one.GRAPH, one.GRAPHS) for one in node.attribute):
            raise ConversionError(
                f"the node '{node.name}' ({node.op_type}) holds a graph of its own, and control "
                "flow is not cast to bf16",
                hint="ask for fp16, or export the model without control flow",
            )
    typed = onnx.shape_inference.infer_shapes(proto).graph
    _Caster(proto.graph, typed).cast()
    return proto


class _Caster:
    """Rewrites one graph in place, node by node in its order."""

    def __init__(self, graph: Any, typed: Any) -> None:
        values = [*typed.input, *typed.value_info, *typed.output]
        types = {value.name: value.type.tensor_type.elem_type for value in values}
        self._fixed = {tensor.name: tensor for tensor in graph.initializer}
        types |= {name: tensor.data_type for name, tensor in constants(graph)}
        self._floats = {name for name, kind in types.items() if kind == _FLOAT}
        self._graph = graph
        self._wide = {value.name for value in graph.input} | set(self._fixed)
        self._narrow: set[str] = set()
        self._nodes: list[Any] = []

    def cast(self) -> None:
        """Cast every node that may be; put casts where the two kinds meet."""
        kept = set(tail(self._graph))
        for node in self._graph.node:
            if node.op_type in _NATIVE and node.name not in kept:
                self._narrowed(node)
            else:
                self._widened(node)
        for value in self._graph.output:
            self._widen(value.name)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]

    def _narrowed(self, node: Any) -> None:
        for index, name in enumerate(node.input):
            if name in self._floats:
                node.input[index] = self._narrow_name(name)
        for index, name in enumerate(node.output):
            if name in self._floats:
                node.output[index] = _brief(name)
                self._narrow.add(name)
        self._nodes.append(node)

    def _widened(self, node: Any) -> None:
        for name in node.input:
            self._widen(name)
        self._wide.update(node.output)
        self._nodes.append(node)

    def _narrow_name(self, name: str) -> str:
        """Return the bfloat16 twin of *name*, making it first if there is none."""
        if name not in self._narrow:
            self._narrow.add(name)
            if name in self._fixed:
                self._graph.initializer.append(_rounded(self._fixed[name], _brief(name)))
            else:
                self._put_cast(name, _brief(name), _BFLOAT16)
        return _brief(name)

    def _widen(self, name: str) -> None:
        if name in self._narrow and name not in self._wide:
            self._wide.add(name)
            self._put_cast(_brief(name), name, _FLOAT)

    def _put_cast(self, source: str, target: str, kind: int) -> None:
        from onnx import helper

        name = f"{target}.cast"
        self._nodes.append(helper.make_node("Cast", [source], [target], name=name, to=kind))


def _brief(name: str) -> str:
    return f"{name}.bf16"


def _rounded(tensor: Any, name: str) -> Any:
    from onnx import TensorProto, numpy_helper

    bits = round_to_bfloat16(np.asarray(numpy_helper.to_array(tensor), np.float32))
    return TensorProto(
        name=name, data_type=_BFLOAT16, dims=list(tensor.dims), raw_data=bits.tobytes()
    )


def round_to_bfloat16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16 values, ties to even; any shape, same shape."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(array), 0x7FC0, rounded).astype("<u2")
