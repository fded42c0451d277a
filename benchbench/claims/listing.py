"""The claims that a run supports."""

from __future__ import annotations

from collections.abc import Iterator

from benchbench.claims.asking import Wanted
from benchbench.claims.making import make
from benchbench.claims_view import Claim
from benchbench.compare_view import Delta
from benchbench.comparing import Source, delta
from benchbench.comparing.conclusions import concluded
from benchbench.errors import UsageError
from benchbench.quantities import Named
from benchbench.view import CellView


def supported(source: Source) -> Iterator[Claim]:
    """Yield one claim a cell for accuracy, latency and energy, then every comparison shown.

    A comparison is shown if it is after Holm's correction over all of its kind in the run.
    """
    for cell in source.cells:
        for name in (cell.primary, "latency.p50", "energy"):
            claim = _tried(source, Wanted(Named(name), cell)) if name else None
            if claim is not None:
                yield claim
    for wanted in _shown(source):
        claim = _tried(source, wanted)
        if claim is not None:
            yield claim


def _tried(source: Source, wanted: Wanted) -> Claim | None:
    try:
        return make(source, wanted)
    except UsageError:
        return None


def _shown(source: Source) -> Iterator[Wanted]:
    asked = list(dict.fromkeys(_pairs(source)))
    cells = {cell.id: cell for cell in source.cells}
    ends = [(Named(name), cells[b], cells[a]) for name, a, b in asked if {a, b} <= cells.keys()]
    found: list[Delta] = [delta(source, a, source, b, name) for name, b, a in ends]
    for (name, b, a), one in zip(ends, concluded(found), strict=True):
        if one.outcome in ("better", "worse") and one.low is not None:
            yield Wanted(name, b, a)


def _pairs(source: Source) -> Iterator[tuple[str, str, str]]:
    """Yield figure, baseline and candidate of what the run compared."""
    for cell in source.cells:
        if cell.comparison is not None:
            yield cell.comparison.metric, cell.comparison.a, cell.id
    for turns in (one for one in source.view.turns if one.elsewhere is None):
        yield "latency.p50", turns.a, turns.b
        if turns.energy is not None:
            yield "energy", turns.a, turns.b
    for cell in source.cells:
        base = _base(cell, source.cells)
        if base is not None:
            yield from ((name, base.id, cell.id) for name in ("latency.p50", "energy"))


def _base(cell: CellView, others: tuple[CellView, ...]) -> CellView | None:
    """Return the fp32 cell that differs from *cell* in nothing else."""
    if cell.precision == "fp32" or cell.status != "measured":
        return None
    keys = ("model", "runtime", "device", "batch", "dataset", "split")
    alike = (
        one
        for one in others
        if one.precision == "fp32" and all(getattr(one, k) == getattr(cell, k) for k in keys)
    )
    return next(alike, None)
