"""What to measure, or to ask, where something cannot be claimed."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.claims.asking import Wanted
from benchbench.view import CellView

_APART = "claim each figure by itself, with its own conditions"
_ROUNDS = "measure rounds of fresh processes: benchbench run … --processes 10"
_KEYS = ("model", "runtime", "device", "batch", "dataset", "split")


def tied(quantity: str, family: str) -> str:
    """Return what ties two figures of a kind together, so that more than a trend is shown."""
    if quantity == "latency.p50":
        return f"let the two take turns ('comparisons' in the suite), or {_ROUNDS}"
    if quantity in ("latency.mean", "latency.p90", "latency.p95", "latency.p99", "throughput"):
        return _ROUNDS
    if family == "energy":
        return "let the two take turns with a meter ('comparisons' in the suite), or take trials"
    return f"nothing ties two figures of {quantity} together: {_APART}"


def more(family: str) -> str:
    """Return what gives a comparison its interval."""
    if family == "accuracy":
        return "score both on the same images with an evaluator that keeps a tally, or on more"
    return _APART if family not in ("latency", "energy") else f"{_ROUNDS}, or let them take turns"


def speedup(wanted: Wanted, cells: Sequence[CellView]) -> str:
    """Return the comparison to ask for in place of a speed-up, with labels of the run."""
    base = wanted.against or _base(wanted.cell, cells)
    if base is None:
        return "name the other cell: 'latency.p50 of … vs …'"
    return f"claim the comparison: 'latency.p50 of {wanted.cell.label} vs {base.label}'"


def _base(cell: CellView, cells: Sequence[CellView]) -> CellView | None:
    """Return the fp32 cell that differs in nothing else, or else another of the model."""
    others = [one for one in cells if one.id != cell.id and one.model == cell.model]
    alike = [
        one
        for one in others
        if one.precision == "fp32" and all(getattr(one, k) == getattr(cell, k) for k in _KEYS)
    ]
    return next(iter([*alike, *others]), None)
