"""What ONNX Runtime really did with a model: from its profile, its assignments and the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchbench import cuda
from benchbench.errors import MissingDependency, ModelError
from benchbench.runtimes.contract import Work, shares
from benchbench.types import Evidence, ModelFile, Request, Share

Node = dict[str, Any]
"""One event of a profile."""

_HEAVY = re.compile(r"Conv|Gemm|MatMul|Attention|Einsum|LSTM|GRU")
_INTEGER = re.compile(r"QLinear|Integer|^QGemm|DynamicQuant|QAttention")
_PRECISIONS = {
    "float": "fp32",
    "double": "fp64",
    "float16": "fp16",
    "bfloat16": "bf16",
    "uint8": "int8",
    "int8": "int8",
}
_STORED = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}  # onnx.TensorProto.DataType


def evidence(
    provider: str, nodes: Sequence[Node], model: ModelFile, request: Request
) -> tuple[list[Work], Evidence, str]:
    """Return the work by effective precision, what kind of evidence it is, and its source.

    Weights are microseconds for the provider ``cpu`` and counts for the others.
    """
    if provider == "cpu":
        return list(node_work(nodes)), "measured", "onnxruntime profile"
    if provider == "cuda":
        work = [(kind, 1.0) for kind, _ in node_work(nodes)]
        source = f"onnxruntime profile, use_tf32={int(request.precision == 'tf32')}"
        return _single(work, request), "measured", source
    # What a provider's own compiler makes of a subgraph does not show in the profile.
    work = _single(stored_work(model.path), request)
    if provider == "openvino" and request.precision == "fp16":
        work = [("fp16" if kind == "fp32" else kind, weight) for kind, weight in work]
    return (
        work,
        "proxy",
        "onnxruntime assignment info; precision as the file and the options have it",
    )


def _single(work: Iterable[Work], request: Request) -> list[Work]:
    """Name single precision as the chip computes it: tf32 if that was asked for and is there."""
    tf32 = request.precision == "tf32" and cuda.computes_tf32(request.device)
    return [("tf32" if tf32 and kind == "fp32" else kind, weight) for kind, weight in work]


def fastest(events: Iterable[Node]) -> list[Node]:
    """Return one event a node: the fastest of all runs in a profile."""
    found: dict[str, Node] = {}
    for event in events:
        key = event["name"]
        if event.get("cat") == "Node" and key.endswith("_kernel_time"):
            found[key] = min(found.get(key, event), event, key=lambda one: one["dur"])
    return list(found.values())


def node_work(nodes: Sequence[Node]) -> Iterator[Work]:
    """Yield (precision, microseconds) of each convolution and product in a profile."""
    for node in nodes:
        operation = node["args"]["op_name"]
        if _HEAVY.search(operation):
            kinds = [next(iter(one), "") for one in node["args"].get("input_type_shape", [])]
            precision = _PRECISIONS.get(kinds[0], kinds[0]) if kinds else "unknown"
            integer = bool(_INTEGER.search(operation))
            yield "int8" if integer else precision, _duration(node)


def stored_work(path: Path | None) -> list[Work]:
    """Return (precision, 1) of each convolution and product, as the file at *path* has it.

    Raises MissingDependency without ``onnx``, and ModelError for a file that it cannot read.
    """
    try:
        import onnx
        from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
            DecodeError,
        )
    except ImportError as error:
        raise MissingDependency("onnx", "ort") from error
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    except (DecodeError, OSError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{path}: not a readable ONNX model: {error}") from error
    graph = model.graph
    types = _types(graph)
    dequantized = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    return [
        (_stored(node, types, dequantized), 1.0)
        for node in graph.node
        if _HEAVY.search(node.op_type)
    ]


def _types(graph: Any) -> dict[str, int]:
    values = [*graph.input, *graph.value_info, *graph.output]
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {weight.name: weight.data_type for weight in graph.initializer}


def _stored(node: Any, types: Mapping[str, int], dequantized: set[str]) -> str:
    if set(node.input[:2]) <= dequantized or _INTEGER.search(node.op_type):
        return "int8"
    return _STORED.get(types.get(node.input[0], 0), "unknown")


def assigned(session: Any) -> dict[str, int]:
    """Return provider → nodes that it was given; empty where this version does not tell."""
    found: dict[str, int] = {}
    for part in _parts(session):
        found[part.ep_name] = found.get(part.ep_name, 0) + len(part.get_nodes())
    return found


def _parts(session: Any) -> Sequence[Any]:
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    return ask() if ask else ()


def left_out(session: Any, provider: str) -> str:
    """Name the kinds of nodes that *provider* was not given, e.g. ``2 NonZero, 1 Where``."""
    counts: dict[str, int] = {}
    for part in _parts(session):
        for node in part.get_nodes() if part.ep_name != provider else ():
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def on_provider(
    provider: str, nodes: Sequence[Node], given: Mapping[str, int], *, timed: bool
) -> Share:
    """Return the share of nodes, and of time where host times mean anything, on *provider*."""
    counts = shares(given.items()) or shares((one["args"]["provider"], 1.0) for one in nodes)
    times = shares((one["args"]["provider"], _duration(one)) for one in nodes)
    return Share(
        nodes=counts.get(provider, 0.0) if counts else None,
        time=times.get(provider, 0.0) if timed and times else None,
    )


def operations(nodes: Sequence[Node]) -> str:
    """Return how often each operation ran, e.g. ``Conv 2, Relu 1``."""
    counts: dict[str, int] = {}
    for node in nodes:
        name = node["args"]["op_name"]
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _duration(node: Node) -> float:
    # A profile rounds to whole microseconds; no kernel takes none at all.
    return max(float(node["dur"]), 0.5)
