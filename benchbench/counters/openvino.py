"""Counts OpenVINO IR files: fp32, fp16 and those that NNCF quantized."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from benchbench.complexity import per_image, without_shapes
from benchbench.definitions_view import Complexity
from benchbench.errors import ModelError
from benchbench.types import InputShape, ModelFile, Record

_UNCOUNTED = frozenset({
    "LSTMSequence", "LSTMCell", "GRUSequence", "GRUCell", "RNNSequence", "RNNCell",
    "DeformableConvolution", "BinaryConvolution", "Einsum", "TensorIterator", "Loop", "If",
})  # fmt: skip
_NOT_WEIGHTS: Mapping[str, frozenset[int]] = {
    "FakeQuantize": frozenset({1, 2, 3, 4}),
    "Interpolate": frozenset({1, 2, 3}),
    "Pad": frozenset({1, 2, 3}),
}
_STORED = frozenset({"f32", "f16", "bf16", "f64", "i8", "u8", "i4", "u4", "f8e4m3", "f8e5m2"})
_LOW = frozenset({"i8", "u8", "i4", "u4", "f8e4m3", "f8e5m2"})


class OpenVinoCounter(Record):
    """Counts ``openvino-ir`` files, through OpenVINO's own graph."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("openvino",),)
    extra: ClassVar[str] = "openvino"

    def count(self, model: ModelFile, shape: InputShape) -> Complexity:
        """Count the graph at one image; a file of a fixed batch is counted at it, and divided.

        Raises ModelError for a file that OpenVINO cannot read or reshape.
        """
        import openvino

        graph, batch = _opened(model, shape)
        nodes = graph.get_ordered_ops()
        heavy = [node for node in nodes if node.get_type_name() in _RULES]
        total = sum(_RULES[node.get_type_name()](node) for node in heavy if _is_static(node))
        uncounted = {node.get_type_name() for node in nodes} & _UNCOUNTED
        by = f"openvino {openvino.__version__.partition('-')[0]}"
        found = per_image(total, batch, _parameters(graph), by, uncounted)
        return without_shapes(
            found, [node.get_friendly_name() for node in heavy if not _is_static(node)]
        )


def _opened(model: ModelFile, shape: InputShape) -> tuple[Any, int]:
    """Return the graph with open dimensions filled at one image, and its batch."""
    import openvino

    try:
        graph = openvino.Core().read_model(str(model.path))
        fed = {place: _filled(port, shape, place) for place, port in enumerate(graph.inputs)}
        graph.reshape(fed)
    except RuntimeError as error:
        raise ModelError(
            f"{model.path}: the operations cannot be counted: {str(error).splitlines()[0][:200]}",
            hint="read the file with openvino.Core().read_model",
        ) from error
    return graph, graph.inputs[0].get_shape()[0] if graph.inputs else 1


def _filled(port: Any, shape: InputShape, place: int) -> Any:
    """Return the shape of an input, its open dimensions as fed: the image first, at batch 1."""
    beside = {name: one for one in shape.companions for name in (one.name,)}
    found = next((beside[name] for name in port.get_names() if name in beside), None)
    size = shape.shape if found is None else found.example.shape
    batched = found is None or found.batched
    fed = (1, *size[1:]) if batched else size
    partial = port.get_partial_shape()
    if partial.rank.is_dynamic or (place and found is None):
        return partial
    return [d if d.is_static else fed[i] for i, d in enumerate(partial)]


def _is_static(node: Any) -> bool:
    ports = [*node.inputs(), *node.outputs()]
    return all(port.get_partial_shape().is_static for port in ports)


def _shape(node: Any, place: int) -> tuple[int, ...]:
    return tuple(node.input(place).get_shape())


def _out(node: Any) -> int:
    return math.prod(node.output(0).get_shape())


def _product(node: Any) -> int:
    turned = node.get_attributes().get("transpose_a", False)
    left = _shape(node, 0)
    return _out(node) * left[-2 if turned and len(left) > 1 else -1]


def _attention(node: Any) -> int:
    keys = _shape(node, 1)[-2]
    return keys * (math.prod(_shape(node, 0)) + _out(node))


# Filters are (outputs, inputs, …); of groups (groups, outputs, inputs, …); of transposed
# convolutions with inputs and outputs exchanged.
_RULES: Mapping[str, Callable[[Any], int]] = {
    "Convolution": lambda node: _out(node) * math.prod(_shape(node, 1)[1:]),
    "GroupConvolution": lambda node: _out(node) * math.prod(_shape(node, 1)[2:]),
    "ConvolutionBackpropData": lambda node: (
        math.prod(_shape(node, 0)) * math.prod(_shape(node, 1)[1:])
    ),
    "GroupConvolutionBackpropData": lambda node: (
        math.prod(_shape(node, 0)) * math.prod(_shape(node, 1)[2:])
    ),
    "MatMul": _product,
    "ScaledDotProductAttention": _attention,
}


def _parameters(graph: Any) -> int:
    """Return the elements of the constants that are weights, each once."""
    constants = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Constant"]
    return sum(
        math.prod(node.output(0).get_shape())
        for node in constants
        if node.output(0).get_element_type().get_type_name() in _STORED and _is_weight(node)
    )


def _is_weight(constant: Any) -> bool:
    """Return whether a constant is more than a number and no scale, zero point or bound."""
    uses = [(one.get_node(), one.get_index()) for one in constant.output(0).get_target_inputs()]
    if math.prod(constant.output(0).get_shape()) <= 1 and not any(_adds(node) for node, _ in uses):
        return False
    return any(
        place not in _NOT_WEIGHTS.get(node.get_type_name(), ()) and not _decodes(node, place)
        for node, place in uses
    )


def _adds(node: Any) -> bool:
    """Return whether *node* adds a bias to a convolution or product."""
    return node.get_type_name() == "Add" and any(
        port.get_source_output().get_node().get_type_name() in _RULES for port in node.inputs()
    )


def _decodes(node: Any, place: int) -> bool:
    """Return whether the constant at *place* is a scale or zero point of stored low bits."""
    if node.get_type_name() == "Convert":  # a zero point, or a scale in half precision
        after = [one for port in node.outputs() for one in port.get_target_inputs()]
        return any(_decodes(one.get_node(), one.get_index()) for one in after)
    if node.get_type_name() not in {"Multiply", "Subtract"}:
        return False
    return _is_low(node.input(1 - place).get_source_output().get_node())


def _is_low(node: Any) -> bool:
    """Return whether *node* gives stored low-bit numbers, converted and perhaps shifted."""
    kind = node.get_type_name()
    if kind == "Constant":
        return node.output(0).get_element_type().get_type_name() in _LOW
    if kind not in {"Convert", "Subtract", "Reshape"}:
        return False
    return _is_low(node.input(0).get_source_output().get_node())
