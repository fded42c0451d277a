"""Small questions about ONNX graphs, asked of a loaded ``onnx.ModelProto``."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""The operations whose precision names the model's."""
_INTEGER = ("QuantizeLinear", "DequantizeLinear", "QLinear", "MatMulInteger", "ConvInteger")


def tail(graph: Any) -> list[str]:
    """Return the names of the nodes behind the last convolutions or products of each output.

    Reshapes, activations and concatenations of the outputs: cheap, and harmful to quantize, as a
    concatenation gives scores and boxes, or levels of unlike range, one scale.
    """
    makers = {name: node for node in graph.node for name in node.output}
    found: dict[str, None] = {}
    waiting = [output.name for output in graph.output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op_type not in HEAVY and node.name not in found:
            found[node.name] = None
            waiting.extend(node.input)
    return list(found)


def matching(graph: Any, globs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (names of nodes that match any glob, globs that match no node)."""
    names = [node.name for node in graph.node]
    hits = {glob: fnmatch.filter(names, glob) for glob in globs}
    return sorted({name for found in hits.values() for name in found}), [
        glob for glob, found in hits.items() if not found
    ]


def heavy(graph: Any) -> list[Any]:
    """Return the convolutions and products."""
    return [node for node in graph.node if node.op_type in HEAVY]


def quantized(graph: Any) -> tuple[int, int]:
    """Return (heavy nodes whose activation and weight are both dequantized, all heavy nodes)."""
    dequantized = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    nodes = heavy(graph)
    return sum(set(node.input[:2]) <= dequantized for node in nodes), len(nodes)


def holds_integers(graph: Any) -> bool:
    """Return whether the graph is quantized already, in whatever form."""
    return any(node.op_type.startswith(_INTEGER) for node in graph.node)


def constants(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, ``TensorProto``) of each initializer and of each tensor of a Constant node."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], attribute.t


def without_shadow_inputs(proto: Any) -> Any:
    """Return *proto*, changed in place, with no weight listed among its inputs.

    Files of ONNX IR 3 had to list them; to a converter they look like images.
    """
    fixed = {tensor.name for tensor in proto.graph.initializer}
    own = [one for one in proto.graph.input if one.name not in fixed]
    if len(own) < len(proto.graph.input):
        del proto.graph.input[:]
        proto.graph.input.extend(own)
        proto.ir_version = max(proto.ir_version, 4)
    return proto


def flatten_biases(graph: Any) -> None:
    """Give each Gemm a bias of one dimension where it has (1, N).

    ONNX Runtime's quantizer stumbles over two dimensions.
    """
    uses = Counter(name for node in graph.node for name in node.input)
    biases = {node.input[2] for node in graph.node if node.op_type == "Gemm" and node.input[2:]}
    for tensor in graph.initializer:
        flat = len(tensor.dims) == 2 and tensor.dims[0] == 1
        if tensor.name in biases and flat and uses[tensor.name] == 1:
            tensor.dims[:] = tensor.dims[1:]


def unsigned_or_biased(graph: Any) -> list[str]:
    """Return the quantizers that a signed symmetric reader refuses: ``['Conv_3: int32', …]``.

    TensorRT takes int8 with zero point 0 only, and no quantized bias.
    """
    import numpy as np
    from onnx import numpy_helper

    known = {name: numpy_helper.to_array(tensor) for name, tensor in constants(graph)}
    faults = []
    for node in graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            zero = known.get(node.input[2]) if len(node.input) > 2 else None
            if zero is None or zero.dtype != np.int8 or zero.any():
                kind = "no zero point" if zero is None else f"{zero.dtype}, {zero.ravel()[0]}"
                faults.append(f"{node.name}: {kind}")
    return faults


def batch_of(graph: Any) -> int:
    """Return the fixed batch of the graph's first input, or 1 where it is open."""
    dims = graph.input[0].type.tensor_type.shape.dim
    return int(dims[0].dim_value) or 1 if dims else 1
