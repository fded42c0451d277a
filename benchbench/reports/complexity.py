"""What a model costs on paper, and from nothing to its first result."""

from __future__ import annotations

from benchbench.definitions_view import Complexity
from benchbench.folding import kept
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Section,
    Value,
    columns,
    number,
    row,
    section,
    table,
    words,
)
from benchbench.reports.wording import short, significant, size, unfiled
from benchbench.view import CellView, ColdStart, RunView

_HEADS = (
    "model",
    "Model and cold start",
    (
        "Parameters and arithmetic for one image: convolutions and matrix products alone, two "
        "operations a multiply-accumulate. Cold start is one fresh process: until the model "
        "is open, and the very first query."
    ),
)
_UNTAKEN = "not asked for"


def complexity(run: RunView) -> Section | None:
    """Return the section; None if neither complexity nor a cold start is known."""
    cells = kept(run.cells)
    heads = columns(
        "Parameters", "FLOPs (2 × MAC)", Head("Counted by", "text"), "Artifact",
        "Load, s", "First query, ms",
    )  # fmt: skip
    rows = [
        row(cell, cells, *_counts(cell.complexity), _bytes(cell), *_cold(cell.cold))
        for cell in cells
        if cell.complexity or cell.cold
    ]
    return section(_HEADS, [table("What was counted, and the cold start", heads, rows)])


def large(value: float | None) -> str:
    """Return a count with a prefix: ``1.17 M``, ``8.97 G``."""
    if (known := finite(value)) is None:
        return significant(None)
    for prefix, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if known >= scale:
            return f"{significant(known / scale)} {prefix}"
    return f"{known:,.0f}"


def _counts(found: Complexity | None) -> tuple[Value, ...]:
    if found is None:
        return number(None, _UNTAKEN), number(None, _UNTAKEN), words("", reason=_UNTAKEN)
    uncounted = ", ".join(short(name, 40) for name in found.uncounted[:5])
    more = " and others" if len(found.uncounted) > 5 else ""
    lower = f"at least: {uncounted}{more} not counted" if uncounted else ""
    return (
        number(found.parameters, found.reason, text=large(found.parameters)),
        number(found.flops, found.reason, text=large(found.flops), detail=lower),
        words(
            short(found.counted_by, 60),
            short(found.counted_in, 120),
            reason=found.reason or "nothing was counted",
        ),
    )


def _bytes(cell: CellView) -> Value:
    count = cell.artifact.bytes if cell.artifact else None
    return number(count, unfiled(cell), text=size(count))


def _cold(found: ColdStart | None) -> tuple[Value, ...]:
    reason = found.reason if found else _UNTAKEN
    load, first = (found.load_s, found.first_ms) if found else (None, None)
    return number(load, reason), number(first, reason)
