"""What a LiteRT interpreter runs: by the profiler, or by what is in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchbench.runtimes.litert_profile import Kernel, Mode, ProfileError, profile
from benchbench.types import Evidence

XNNPACK, BUILTIN = "XNNPACK", "LiteRT's built-in kernels"

_HEAVY = re.compile(r"CONV|FULLY_CONNECTED|BATCH_MATMUL|LSTM|RNN")
_KERNEL = re.compile(
    r"(?:Convolution|Deconvolution|Fully Connected|Batch Matrix Multiply|Attention)"
    r" \([A-Z]+, (?P<dtype>\w+)"
)
_KERNEL_PRECISIONS = (
    (re.compile(r"Q[DP]"), "int8-dynamic"),
    (re.compile(r"P?Q"), "int8"),
    (re.compile(r"P?F16"), "fp16"),
    (re.compile(r"BF16"), "bf16"),
    (re.compile(r"P?F32"), "fp32"),
)
_LEAST_MS = 0.0005
"""What counts for a kernel of which the profiler says 0: half of its unit."""


class Ran(NamedTuple):
    """One kernel or operation, its provider, its weight, and its precision if it is heavy."""

    kind: str
    provider: str
    ms: float
    precision: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What ran, and how that is known."""

    evidence: Evidence
    source: str
    ran: list[Ran]
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Node:
    """One operation of the model's graph."""

    index: int
    kind: str
    precision: str | None
    """By the types of activations and weights; None for what is no convolution or product."""
    delegated: bool


def look(operations: list[dict[str, Any]], path: Path | None, threads: int, mode: Mode) -> Found:
    """Return what runs of the model in *path*, whose interpreter lists *operations*."""
    graph = _graph(operations)
    ran, why = _profiled(graph, path, threads, mode)
    if ran:
        return Found("measured", "LiteRT's profiler", ran, _details(graph, ran))
    ran = [
        Ran(node.kind, XNNPACK if node.delegated else BUILTIN, 1.0, node.precision)
        for node in graph
    ]
    source = "types of the tensors in the file, nodes taken by the delegate; no profile"
    return Found("proxy", source, ran, {**_details(graph, ran), "no_profile": why})


def _profiled(
    graph: list[_Node], path: Path | None, threads: int, mode: Mode
) -> tuple[list[Ran], str]:
    """Return what the profiler saw; nothing, and why, where it fails or cut the graph otherwise."""
    assert path is not None
    try:
        kernels = profile(path, threads, mode)
    except ProfileError as error:
        return [], str(error)
    own = {kernel.node for kernel in kernels if kernel.node is not None}
    if own != {node.index for node in graph if not node.delegated}:
        return [], "the profiled model gives XNNPACK other operations than the measured one"
    precisions = {node.index: node.precision for node in graph}
    return [_kernel(one, precisions) for one in kernels], ""


def _details(graph: list[_Node], ran: list[Ran]) -> dict[str, str]:
    return {
        "operations": _counted(one.kind for one in ran),
        "in_the_file": _counted(node.kind for node in graph),
    }


def _graph(operations: list[dict[str, Any]]) -> list[_Node]:
    """Return the model's own nodes, and whether a delegate took them.

    The interpreter lists the nodes of the file first, then one node a delegated part, with the
    tensors that go in and out of the part.
    """
    parts = [one for one in operations if one["op_name"] == "DELEGATE"]
    nodes = [one for one in operations if one["op_name"] != "DELEGATE"]
    makers = {int(tensor): one["index"] for one in nodes for tensor in one["outputs"]}
    taken: set[int] = set()
    for part in parts:
        edge, waiting = {int(tensor) for tensor in part["inputs"]}, list(part["outputs"])
        while waiting:
            maker = makers.get(int(waiting.pop()))
            if maker is not None and maker not in taken:
                taken.add(maker)
                waiting += [one for one in operations[maker]["inputs"] if int(one) not in edge]
    return [
        _Node(one["index"], one["op_name"], _precision(one), one["index"] in taken) for one in nodes
    ]


def _precision(operation: dict[str, Any]) -> str | None:
    if not _HEAVY.search(operation["op_name"]):
        return None
    kinds = [np.dtype(kind).name for kind in operation["operand_types"]]
    # A transposed convolution takes its output's shape first.
    kinds = [kind for kind in kinds if kind not in ("int32", "int64")][:2]
    if kinds == ["float32", "int8"]:
        return "int8-dynamic"
    names = {"float32": "fp32", "float16": "fp16", "int8": "int8", "uint8": "int8"}
    return names.get(kinds[0], kinds[0]) if kinds else "unknown"


def _kernel(kernel: Kernel, precisions: dict[int, str | None]) -> Ran:
    ms = max(kernel.ms, _LEAST_MS)
    if kernel.node is not None:
        return Ran(kernel.kind, BUILTIN, ms, precisions[kernel.node])
    return Ran(kernel.kind, XNNPACK, ms, kernel_precision(kernel.kind))


def kernel_precision(kind: str) -> str | None:
    """Return the precision that XNNPACK's kernel *kind* computes in.

    The first type in its name is the activations': ``QC8`` and ``QS8`` are int8, ``QD8`` is
    quantized while running. None for what is no convolution or product.
    """
    heavy = _KERNEL.search(kind)
    if heavy is None:
        return None
    named = (name for form, name in _KERNEL_PRECISIONS if form.match(heavy["dtype"]))
    return next(named, "unknown")


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(kinds).items()))
