"""Shapes of ONNX graphs, where ONNX's own inference stops: at arithmetic on shapes.

Exporters write ``x.chunk(3)`` or ``x.reshape(n, h, -1)`` as a chain of Shape, Gather, Div, Slice.
ONNX propagates the values of some of these operations; here the rest are computed by its reference
implementation as soon as their inputs are known, and the inference is repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]

_ARITHMETIC = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal",
    "Expand", "Floor", "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg",
    "Not", "Or", "Pow", "Range", "ReduceProd", "ReduceSum", "Reshape", "ScatterND", "Slice",
    "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
_SMALL = 4096
"""Elements; larger tensors are data, not shapes."""
_ROUNDS = 200


def inferred(proto: Any) -> Any:
    """Return *proto*, without its weights, with all shapes that follow from its inputs' shapes."""
    from onnx import shape_inference

    _drop_weights(proto.graph)
    known: dict[str, NDArray[Any]] = {}
    refused: set[str] = set()
    for _ in range(_ROUNDS):
        proto = shape_inference.infer_shapes(proto, data_prop=True)
        before = len(known)
        _compute(proto, known, refused)
        found = dict(list(known.items())[before:])
        if not found:
            return proto
        _write(proto.graph, found)
    return proto


def _drop_weights(graph: Any) -> None:
    """Make the large initializers inputs: only their shapes matter, and copies of them cost."""
    from onnx import helper

    large = [one for one in graph.initializer if math.prod(one.dims) > _SMALL]
    small = [one for one in graph.initializer if math.prod(one.dims) <= _SMALL]
    listed = {one.name for one in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(one.name, one.data_type, list(one.dims))
        for one in large
        if one.name not in listed
    )
    del graph.initializer[:]
    graph.initializer.extend(small)


def shapes(graph: Any) -> Iterator[tuple[str, Shape]]:
    """Yield the name and shape of each tensor whose shape is known throughout."""
    for tensor in graph.initializer:
        yield tensor.name, tuple(tensor.dims)
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        dims = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
        if kind.HasField("shape") and min(dims, default=0) >= 0:
            yield value.name, dims


def _compute(proto: Any, known: dict[str, NDArray[Any]], refused: set[str]) -> None:
    """Add to *known* the values that follow from it and from the shapes in *proto*.

    *refused*: outputs of nodes that were tried in vain, not to be tried again.
    """
    opsets = {one.domain: one.version for one in proto.opset_import}
    sizes = dict(shapes(proto.graph))
    values = _constants(proto.graph) | known
    for node in proto.graph.node:
        names = set(node.output)
        if node.domain in {"", "ai.onnx"} and not names <= values.keys() and not names & refused:
            if not _is_computable(node, sizes, values):
                continue
            found = _results(node, sizes, values, opsets)
            values |= found
            known |= found
            refused |= names - found.keys()


def _is_computable(node: Any, sizes: Mapping[str, Shape], values: Mapping[str, Any]) -> bool:
    """Return whether all that *node* needs is known."""
    if node.op_type == "Shape":
        return node.input[0] in sizes
    return node.op_type in _ARITHMETIC and all(name in values for name in node.input if name)


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx import TensorProto, numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if math.prod(tensor.dims) <= _SMALL and tensor.data_location != TensorProto.EXTERNAL
    }


def _results(
    node: Any, sizes: Mapping[str, Shape], values: Mapping[str, Any], opsets: dict[str, int]
) -> dict[str, NDArray[Any]]:
    """Return the outputs of *node* that can be told and are small."""
    if node.op_type == "Shape":
        bounds = {one.name: one.i for one in node.attribute}
        whole = np.array(sizes[node.input[0]], np.int64)
        return {node.output[0]: whole[bounds.get("start", 0) : bounds.get("end", len(whole))]}
    inputs = [name for name in node.input if name]
    made = zip(node.output, _evaluated(node, inputs, values, opsets), strict=False)
    return {
        name: np.asarray(value)
        for name, value in made
        if isinstance(value, np.ndarray | np.generic) and np.size(value) <= _SMALL
    }


def _evaluated(
    node: Any, inputs: list[str], values: Mapping[str, Any], opsets: dict[str, int]
) -> list[Any]:
    """Return the outputs of *node*; none where the reference cannot compute it."""
    from onnx.reference import ReferenceEvaluator

    if node.op_type in {"Expand", "ConstantOfShape", "Range"} and _grows(node, inputs, values):
        return []
    try:
        return list(
            ReferenceEvaluator(node, opsets=opsets).run(None, {n: values[n] for n in inputs})
        )
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
        return []


def _grows(node: Any, inputs: list[str], values: Mapping[str, Any]) -> bool:
    """Return whether *node* would make a large tensor of a few numbers."""
    last = np.asarray(values[inputs[-1]])
    if node.op_type == "Range":
        start, limit, step = (float(np.asarray(values[name])) for name in inputs)
        return step == 0 or (limit - start) / step > _SMALL
    return float(np.prod(last.astype(np.float64))) > _SMALL


def _write(graph: Any, found: Mapping[str, NDArray[Any]]) -> None:
    """Put the values in the place of the nodes that make them."""
    from onnx import numpy_helper

    done = [set(node.output) <= set(found) for node in graph.node]
    kept = [node for node, gone in zip(graph.node, done, strict=True) if not gone]
    made = [n for node, gone in zip(graph.node, done, strict=True) if gone for n in node.output]
    graph.initializer.extend(numpy_helper.from_array(found[name], name) for name in made)
    del graph.node[:]
    graph.node.extend(kept)
