"""What TensorRT's engine inspector says of each layer: which computes, and in which precision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from benchbench.runtimes.contract import Work

_HEAVY = re.compile(r"conv|gemm|matrix_?multiply|matmul|einsum|attention|mha", re.IGNORECASE)
_KERNEL = re.compile(r"gemm|fprop|dgrad|conv|cudnn|mma_|xmma", re.IGNORECASE)
_OPAQUE = re.compile(r"myelin|foreign", re.IGNORECASE)
_MOVES = re.compile(r"reformat|noop|shuffle|signal|wait|copy", re.IGNORECASE)
_FORMATS = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp8", re.compile(r"fp8|e4m3|e5m2", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat16", re.IGNORECASE)),
    ("fp16", re.compile(r"fp16|half", re.IGNORECASE)),
    ("fp32", re.compile(r"fp32|float", re.IGNORECASE)),
)
_TACTICS = (
    ("int8", re.compile(r"i8i8|i8f32|i8i32|int8|imma", re.IGNORECASE)),
    ("fp8", re.compile(r"e4m3|e5m2|fp8|qmma", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat", re.IGNORECASE)),
    ("fp16", re.compile(r"f16f16|fp16|hmma|h1688|h16816|h884|hgemm", re.IGNORECASE)),
    ("tf32", re.compile(r"tf32", re.IGNORECASE)),
    ("fp32", re.compile(r"f32f32|fp32|sgemm|scudnn", re.IGNORECASE)),
)


def layer_work(
    information: Mapping[str, Any], times: Mapping[str, float]
) -> tuple[list[str], list[Work], bool]:
    """Return kernels and (precision, weight) of convolutions and products, and if times weigh them.

    *information* is the inspector's JSON; *times* are milliseconds by layer name. Without any that
    belong to these layers, each weighs 1. A layer built without detail is ``unknown``.
    """
    named = [
        {"Name": layer} if isinstance(layer, str) else layer
        for layer in information.get("Layers", [])
    ]
    heavy = [layer for layer in named if is_heavy(layer)]
    taken = [times.get(str(layer.get("Name")), 0.0) for layer in heavy]
    timed = sum(taken) > 0
    weights = taken if timed else [1.0] * len(heavy)
    kernels = [str(one.get("TacticName") or one.get("LayerType") or one["Name"]) for one in heavy]
    return kernels, list(zip(map(precision_of, heavy), weights, strict=True)), timed


def is_heavy(layer: Mapping[str, Any]) -> bool:
    """Return whether *layer* holds a convolution or a product, or cannot be seen into."""
    kind = f"{layer.get('LayerType', '')} {layer.get('ParameterType', '')}"
    if _MOVES.search(kind):
        return False
    tactic = str(layer.get("TacticName", ""))
    plain = not kind.strip()
    return bool(_HEAVY.search(kind) or _OPAQUE.search(kind) or _KERNEL.search(tactic) or plain)


def precision_of(layer: Mapping[str, Any]) -> str:
    """Return the precision that *layer* multiplies in.

    The first input's type tells it, except that tf32 is a way to compute floats: only the kernel's
    name shows it.
    """
    tactic = str(layer.get("TacticName", ""))
    inputs = layer.get("Inputs") or [{}]
    stored = _first(_FORMATS, str(inputs[0].get("Format/Datatype", "")))
    by_name = _first(_TACTICS, tactic)
    if stored is None:
        weights = layer.get("Weights")
        held = str(weights.get("Type", "")) if isinstance(weights, Mapping) else ""
        return by_name or _first(_FORMATS, held) or "unknown"
    return "tf32" if stored == "fp32" and by_name == "tf32" else stored


def _first(patterns: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((name for name, pattern in patterns if pattern.search(text)), None)
