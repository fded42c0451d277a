"""Which cells of a large run a document shows: the others are counted, never forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchbench.reports.grouping import Group, front, median_ms, merit
from benchbench.view import CellView

MOST_DRAWN = 24
"""Cells of a group that figures show."""
MOST_LISTED = 60
"""Rows of a table."""


def cut(group: Group, most: int) -> Group:
    """Return *group* with at most *most* cells, in their order.

    The Pareto front comes first (evenly thinned where it is longer), then the most accurate and
    the fastest cell of each model, then the most accurate ones.
    """
    if len(group.cells) <= most:
        return group
    best = front(group.cells)
    if len(best) >= most:
        step = (len(best) - 1) / (most - 1)
        ids = {best[round(at * step)].id for at in range(most)}
    else:
        ids = set(_first((cell.id for cell in _ranked(group.cells, best)), most))
    return replace(group, cells=tuple(cell for cell in group.cells if cell.id in ids))


def _ranked(cells: Sequence[CellView], best: Sequence[CellView]) -> Iterable[CellView]:
    by_merit = sorted((c for c in cells if merit(c) is not None), key=lambda c: -(merit(c) or 0.0))
    by_time = sorted((c for c in cells if median_ms(c)), key=lambda c: median_ms(c) or 0.0)
    yield from best
    yield from _one_a_model(by_merit)
    yield from _one_a_model(by_time)
    yield from by_merit
    yield from by_time
    yield from cells


def _one_a_model(cells: Iterable[CellView]) -> Iterable[CellView]:
    found: dict[str, CellView] = {}
    for cell in cells:
        found.setdefault(cell.model, cell)
    return found.values()


def _first(ids: Iterable[str], most: int) -> list[str]:
    found: dict[str, None] = {}
    for one in ids:
        found[one] = None
        if len(found) == most:
            break
    return list(found)


def told(shown: int, of: int) -> str:
    """Return what a cut leaves out, in words; empty where nothing is."""
    if shown >= of:
        return ""
    return (
        f"{shown:,} of {of:,} cells: the Pareto front, then the most accurate and the fastest of "
        "each model, then the most accurate. All are in report.json."
    )
