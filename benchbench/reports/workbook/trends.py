"""Figures over the runs of the suite as rows: one for each cell and run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from benchbench.history_view import HistoryView, SeriesView
from benchbench.reports import trends
from benchbench.reports.workbook.book import Value
from benchbench.trends import words
from benchbench.view import RunView

HEADS = (
    "Figure", "Cell", "Dataset", "Measured", "Run", "Commit", "Machine", "Value", "Unit", "Low",
    "High", "Interval", "Part", "Change here", "Remarks",
)  # fmt: skip
MOST_ROWS = 50_000
"""Of the sheet; the rows that are left out are counted."""


def rows(run: RunView) -> Iterator[tuple[Value, ...]]:
    """Yield the rows under :data:`HEADS`, cell by cell, oldest first."""
    yield from islice(_all(run), MOST_ROWS)
    whole = sum(len(series.points) for view in run.trends for series in view.series)
    if whole > MOST_ROWS:
        yield (f"and {whole - MOST_ROWS:,} more: benchbench history",)


def _all(run: RunView) -> Iterator[tuple[Value, ...]]:
    return (row for view in run.trends for series in view.series for row in _series(view, series))


def _series(view: HistoryView, series: SeriesView) -> Iterator[tuple[Value, ...]]:
    heads = (
        trends.title(view), trends.label(series),
        f"{words.line(series.dataset, 60)} {words.line(series.split, 40)}",
    )  # fmt: skip
    unit = words.line(series.currency if series.unit == "currency" else series.unit, 10)
    parts = {at: n for n, part in enumerate(series.parts, 1) for at in range(part.begin, part.end)}
    changes = {made.at: words.change(made) for made in series.changes}
    for at, point in enumerate(series.points):
        both = point.low is not None and point.high is not None
        yield (
            *heads, words.moment(point), words.line(point.run, 60), words.commit(point),
            words.line(point.environment, 40), point.value, unit or "fraction of 1", point.low,
            point.high, words.basis(point) if both else None, parts.get(at),
            changes.get(at), words.remark(point),
        )  # fmt: skip
