"""Figures over the runs of the suite, as the page draws them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchbench.history_view import Point, SeriesView
from benchbench.reports.trends import Trend, trends
from benchbench.trends import placing, words
from benchbench.view import RunView

MOST_ROWS = 30
"""Runs in the table of a cell; the chart has all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell over the runs."""

    series: SeriesView
    chart: placing.Placed | None
    points: tuple[Point, ...]
    """The last runs."""


def trending(run: RunView) -> Mapping[str, Any] | None:
    """Return what the section prints; None if no trend was asked for."""
    if not run.trends:
        return None
    found = [(one, tuple(_cells(one))) for one in trends(run)]
    return {"words": words, "box": placing.BOX, "figures": found}


def _cells(found: Trend) -> Iterator[Cell]:
    for series in found.series:
        yield Cell(series, placing.placed(series), series.points[-MOST_ROWS:])
