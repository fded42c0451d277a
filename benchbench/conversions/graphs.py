"""Small questions about ONNX graphs, asked of a loaded ``onnx.ModelProto``."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""The operations whose precision names the model's."""


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


def quantized(graph: Any) -> tuple[int, int]:
    """Return (heavy nodes whose activation and weight are both dequantized, all heavy nodes)."""
    dequantized = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    heavy = [node for node in graph.node if node.op_type in HEAVY]
    return sum(set(node.input[:2]) <= dequantized for node in heavy), len(heavy)


def batch_of(graph: Any) -> int:
    """Return the fixed batch of the graph's first input, or 1 where it is open."""
    dims = graph.input[0].type.tensor_type.shape.dim
    return int(dims[0].dim_value) or 1 if dims else 1
