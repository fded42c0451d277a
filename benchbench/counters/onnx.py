"""Counts ONNX files: fp32, fp16, with QDQ pairs, or of integer operators.

The multiply-accumulates of a convolution are its outputs times the weights that each one meets; of
a transposed one its inputs times the weights that each one feeds; of a product its outputs times
the length of the inner axis. Shapes come from ONNX's own inference, weights are not read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchbench.complexity import per_image, without_shapes
from benchbench.counters.onnx_shapes import Shape, inferred
from benchbench.counters.onnx_shapes import shapes as known_shapes
from benchbench.definitions_view import Complexity
from benchbench.errors import ModelError
from benchbench.types import InputShape, ModelFile, Record

_FAILING = (OSError, ValueError, RuntimeError)
Shapes = Mapping[str, Shape]

_UNCOUNTED = frozenset({"LSTM", "GRU", "RNN", "DeformConv"})
_DOMAINS = ("", "ai.onnx")
_PASSIVE = frozenset({
    "QuantizeLinear", "DequantizeLinear", "QLinearAdd", "QLinearMul", "QLinearConcat",
    "QLinearLeakyRelu", "QLinearSigmoid", "QLinearAveragePool", "QLinearGlobalAveragePool", "Gelu",
})  # fmt: skip
"""Of other domains, but neither convolutions nor products."""
_NOT_WEIGHTS: Mapping[str, frozenset[int]] = {
    "QuantizeLinear": frozenset({1, 2}),
    "DequantizeLinear": frozenset({1, 2}),
    "DynamicQuantizeLinear": frozenset(),
    "QLinearConv": frozenset({1, 2, 4, 5, 6, 7}),
    "QLinearMatMul": frozenset({1, 2, 4, 5, 6, 7}),
    "ConvInteger": frozenset({2, 3}),
    "MatMulInteger": frozenset({2, 3}),
    "BatchNormalization": frozenset({3, 4}),
    "Resize": frozenset({1, 2, 3}),
    "Upsample": frozenset({1}),
    "Clip": frozenset({1, 2}),
    "Pad": frozenset({1, 2, 3}),
}
"""Inputs that hold no weights: scales, zero points, bounds; the running mean and variance of batch
norm are left out as torch leaves them out."""
_WHOLE_NUMBERS = frozenset(
    {"INT64", "INT32", "INT16", "UINT64", "UINT32", "UINT16", "BOOL", "STRING"}
)
_INTEGER_BIAS: Mapping[str, int] = {"DequantizeLinear": 0, "QLinearConv": 8}
"""Where whole numbers are weights all the same: quantized biases."""


class OnnxCounter(Record):
    """Counts ``onnx`` files."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("onnx",),)
    extra: ClassVar[str] = "ort"

    def count(self, model: ModelFile, shape: InputShape) -> Complexity:
        """Count the graph at one image; a file of a fixed batch is counted at it, and divided.

        Raises ModelError for a file that is no ONNX graph.
        """
        import onnx

        assert model.path
        proto = _read(model.path)
        parameters = _parameters(proto.graph)  # before constants are folded
        graph, batch = _inferred(model.path, proto, shape)
        macs = _heavy(graph)
        uncounted = [_called(node) for node in graph.node if _is_uncounted(node)]
        total = sum(one or 0 for _, one in macs)
        found = per_image(total, batch, parameters, f"onnx {onnx.__version__}", uncounted)
        return without_shapes(found, [name for name, one in macs if one is None])


def _heavy(graph: Any) -> list[tuple[str, int | None]]:
    """Return each node's name and multiply-accumulates, None where its shapes are not known."""
    shapes = dict(known_shapes(graph))
    return [(node.name or node.output[0], _macs(node, shapes)) for node in graph.node]


def _called(node: Any) -> str:
    return f"{node.domain}.{node.op_type}".lstrip(".")


def _read(path: Path) -> Any:
    """Return the model with its functions written out; raise ModelError."""
    import onnx
    from onnx import inliner

    try:
        proto = onnx.load(str(path), load_external_data=False)
        return inliner.inline_local_functions(proto) if proto.functions else proto
    except Exception as error:
        # protobuf's own error has no base class that can be named without importing protobuf
        if type(error).__name__ != "DecodeError" and not isinstance(error, _FAILING):
            raise
        raise _unreadable(path, error) from error


def _inferred(path: Path, proto: Any, shape: InputShape) -> tuple[Any, int]:
    """Return the graph with its shapes, and the batch that they are of; raise ModelError."""
    from onnx import shape_inference

    batch = _fix_inputs(proto.graph, shape)
    del proto.graph.value_info[:]  # stale where the batch was open
    try:
        return inferred(proto).graph, batch
    except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelError:
    said = str(error).strip().splitlines()
    return ModelError(
        f"{path}: the operations cannot be counted: {said[0][:200] if said else error!r}",
        hint="'onnx.checker.check_model' tells what is wrong with the file",
    )


def _fix_inputs(graph: Any, shape: InputShape) -> int:
    """Write what is fed into the open dimensions of the inputs, at one image; return the batch."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    image = next((one for one in inputs if one.name == shape.name), inputs[0] if inputs else None)
    if image is None:
        return 1
    batch = _fill(image, (1, *shape.shape[1:]))
    beside = {one.name: one for one in shape.companions}
    for one in inputs:
        if one.name in beside:
            size = beside[one.name].example.shape
            _fill(one, (1, *size[1:]) if beside[one.name].batched else size)
    for output in graph.output:
        _forget(output)
    return batch


def _fill(value: Any, fed: Shape) -> int:
    """Give the open dimensions of *value* the sizes of *fed*; return the first dimension."""
    dims = value.type.tensor_type.shape.dim
    for dim, size in zip(dims, fed, strict=False):
        if dim.dim_value <= 0:
            dim.dim_value = size
    return int(dims[0].dim_value) if dims else 1


def _forget(value: Any) -> None:
    """Leave the open dimensions of *value* to the inference."""
    for dim in value.type.tensor_type.shape.dim:
        if dim.dim_value <= 0:
            dim.Clear()


def _macs(node: Any, shapes: Shapes) -> int | None:
    """Return the multiply-accumulates of *node*, 0 for another operation, None if not known."""
    if node.domain not in _DOMAINS or node.op_type not in _RULES or _is_uncounted(node):
        return 0
    try:
        return _RULES[node.op_type](node, shapes)
    except KeyError:
        return None


def _convolution(weight: int) -> Callable[[Any, Shapes], int]:
    def macs(node: Any, shapes: Shapes) -> int:
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[weight]][1:])

    return macs


def _transposed(node: Any, shapes: Shapes) -> int:
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def _product(node: Any, shapes: Shapes) -> int:
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def _gemm(node: Any, shapes: Shapes) -> int:
    turned = any(one.name == "transA" and one.i for one in node.attribute)
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else 1]


def _attention(node: Any, shapes: Shapes) -> int:
    """Return the two products of attention: queries with keys, weights with values."""
    keys = shapes[node.input[1]][-2]
    return keys * (math.prod(shapes[node.input[0]]) + math.prod(shapes[node.output[0]]))


def _einsum(node: Any, shapes: Shapes) -> int:
    """Return the product of all axes of two factors, as their batched product has it."""
    sizes = {
        label: size
        for term, name in zip(_terms(node), node.input, strict=True)
        for label, size in zip(term, shapes[name], strict=True)
    }
    return math.prod(sizes.values())


def _terms(node: Any) -> list[str]:
    """Return the labels of each factor of an Einsum; none where it is not of two plain factors."""
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation")
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    return terms if len(terms) == 2 and "." not in equation else []


_RULES: Mapping[str, Callable[[Any, Shapes], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Attention": _attention,
}


def _is_uncounted(node: Any) -> bool:
    """Return whether *node* multiplies and no rule counts it."""
    if node.domain not in _DOMAINS:
        return node.op_type not in _PASSIVE
    if node.op_type in _UNCOUNTED or (node.op_type == "Einsum" and not _terms(node)):
        return True
    if node.op_type == "Attention" and any(node.input[4:]):  # keys of earlier calls
        return True
    inside = [one.g for one in node.attribute if one.HasField("g")]
    return any(
        one.op_type in _RULES or _is_uncounted(one) for graph in inside for one in graph.node
    )


def _parameters(graph: Any) -> int:
    """Return the elements of the constants that are weights, each once."""
    uses: dict[str, list[tuple[str, int]]] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            uses.setdefault(name, []).append((node.op_type, place))
    return sum(
        math.prod(tensor.dims)
        for name, tensor in _constants(graph)
        if any(_is_weight(tensor, operation, place) for operation, place in uses.get(name, ()))
    )


def _constants(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and tensor of each initializer and Constant node."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], one.t) for one in node.attribute if one.name == "value")


def _is_weight(tensor: Any, operation: str, place: int) -> bool:
    """Return whether *tensor* is a weight as that input of *operation*."""
    from onnx import TensorProto

    if TensorProto.DataType.Name(tensor.data_type) in _WHOLE_NUMBERS:
        return _INTEGER_BIAS.get(operation) == place
    if place in _NOT_WEIGHTS.get(operation, ()):
        return False
    # One number is a weight of a layer of one channel, and elsewhere a constant of the formula.
    return math.prod(tensor.dims) > 1 or operation in _RULES or operation == "DequantizeLinear"
