"""The intervals that are drawn beside a point."""

from __future__ import annotations

from benchbench.reports.grouping import finite, median_ms
from benchbench.view import CellView

Ends = tuple[float, float]


def both(low: float | None, high: float | None) -> Ends | None:
    """Return an interval, or None where an end is absent."""
    low, high = finite(low), finite(high)
    return None if low is None or high is None else (low, high)


def accuracy_span(cell: CellView) -> Ends | None:
    """Return the interval of the primary metric over sets of as many images, or None."""
    found = cell.intervals.get(cell.primary or "")
    return both(found.low, found.high) if found and finite(found.value) is not None else None


def median_span(cell: CellView) -> Ends | None:
    """Return the interval of the median over fresh processes (ms), or None.

    That of one process is no interval of what a further process would give.
    """
    wall = cell.processes.wall if cell.processes else None
    if wall is None or finite(wall.median_ms) != median_ms(cell):
        return None
    return both(wall.low_ms, wall.high_ms)
