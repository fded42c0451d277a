"""Several fresh processes of a cell: their typical latency stands in place of one pass's p50."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.folding import kept
from benchbench.reports.chart import Axis
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Lane,
    Section,
    Value,
    columns,
    digits,
    number,
    row,
    section,
    span,
    spanned,
    table,
)
from benchbench.reports.wording import ABSENT, percent, plural, short, significant
from benchbench.turns_view import ProcessesView, ProcessFigure, ProcessPercentile
from benchbench.types import Caveat
from benchbench.view import CellView, RunView

_HEADS = (
    "processes",
    "Processes",
    (
        "The typical latency of a fresh process: geometric mean of the medians of several "
        "processes, with its t interval. Below 5 processes are too few to say much, below "
        "10 are exploratory."
    ),
)
UNEVEN = "uneven"
"""Processes whose medians spread widely; ``noisy`` is said of the queries of one pass."""
_DRAWING = (
    "Each dot is the median of one process; the upright line is their mean, the level one "
    "its interval."
)


@dataclass(frozen=True, slots=True)
class Typical:
    """The figure that stands for a cell's median latency."""

    text: str
    value: float
    detail: str
    """Its interval and the number of processes: ``[8.20, 8.43], 10 processes``."""

    @property
    def lines(self) -> str:
        """Return the detail on lines of their own, for a narrow column."""
        return self.detail.replace("], ", "]\n").replace(", exp", ",\nexp")

    def phrase(self, unit: str = "") -> str:
        """Return the whole: ``8.31 ms [8.20, 8.43], 10 processes``."""
        return f"{self.text}{unit}{' ' if self.detail.startswith('[') else ', '}{self.detail}"


def typical(cell: CellView) -> Typical | None:
    """Return the median over several processes; None if no processes were taken."""
    view = cell.processes
    value = finite(view.wall.median_ms) if view else None
    if view is None or value is None:
        return None
    ends = (view.wall.low_ms, view.wall.high_ms)
    told = ", ".join(text for text in (span(ends), graded(view)) if text)
    return Typical(significant(value, digits(ends)), value, told)


def graded(view: ProcessesView) -> str:
    """Return ``10 processes``; of fewer also what they are good for."""
    grade = "" if view.grade == "full" else f", {view.grade}"
    return f"{plural(view.processes, 'process', 'processes')}{grade}"


def doubts(cell: CellView) -> tuple[Caveat, ...]:
    """Return the cell's caveats, without that of a single process where several were taken."""
    several = cell.processes is not None and cell.processes.processes > 1
    return tuple(c for c in cell.caveats if not (several and c.code == "single_process"))


def settled(run: RunView) -> RunView:
    """Return *run* with :func:`doubts` as the caveats of its cells."""
    cells = tuple(cell.model_copy(update={"caveats": doubts(cell)}) for cell in run.cells)
    return run.model_copy(update={"cells": cells})


def processes(run: RunView) -> Section | None:
    """Return the section; None if no cell was taken in several processes."""
    cells = [(cell, cell.processes) for cell in kept(run.cells) if cell.processes]
    found = [(cell, view) for cell, view in cells if view is not None]
    views = [view for _, view in found]
    axis = _axis(views)
    names = sorted({p.percentile for view in views for p in view.percentiles} - {50.0})
    heads = columns(
        "Median, ms",
        Head("Processes over the cell’s own median", "lane", axis.ticks(5)),
        "Spread",
        "CPU median, ms",
        *(f"p{name:g}, ms" for name in names),
    )
    rows = [
        row(
            cell,
            run.cells,
            _figure(view.wall, graded(view)),
            _lane(view.wall, axis),
            _spread(view.wall),
            _figure(view.cpu),
            *(_percentile(view, name) for name in names),
        )
        for cell, view in found
    ]
    caption = "Wall time of a query over fresh processes; [95 % interval]"
    return section(_HEADS, [table(caption, heads, rows)], drawing=_DRAWING)


def _drawn(figure: ProcessFigure) -> Sequence[float]:
    """Return what is drawn of a cell, over its own median."""
    middle = finite(figure.median_ms)
    found = map(finite, (*figure.medians_ms, figure.low_ms, figure.high_ms))
    return [value / middle for value in found if value is not None] if middle else []


def _axis(views: Sequence[ProcessesView]) -> Axis:
    """Return an axis about 1 that holds all that is drawn."""
    reach = max((abs(v - 1) for view in views for v in _drawn(view.wall)), default=0.0)
    reach = min(max(reach * 1.1, 0.01), 5.0)
    return Axis(1 - reach, 1 + reach)


def _figure(figure: ProcessFigure, detail: str = "") -> Value:
    return spanned(figure.median_ms, (figure.low_ms, figure.high_ms), figure.reason, detail=detail)


def _lane(figure: ProcessFigure, axis: Axis) -> Value:
    middle = finite(figure.median_ms)
    if not middle:
        return Value(ABSENT)
    low, high = (
        None if (known := finite(v)) is None else axis.at(known / middle)
        for v in (figure.low_ms, figure.high_ms)
    )
    dots = tuple(axis.at(v / middle) for v in figure.medians_ms if finite(v) is not None)
    return Value("", drawn=Lane(axis.at(1.0), low, high, dots))


def _spread(figure: ProcessFigure) -> Value:
    detail = UNEVEN if figure.noisy else ""
    reason = figure.reason or "a spread needs two processes"
    return number(figure.cv, reason, text=percent(figure.cv), detail=detail)


def _percentile(view: ProcessesView, name: float) -> Value:
    found = next((p for p in view.percentiles if p.percentile == name), None)
    if found is None:
        return number(None, f"p{name:g} was not asked for")
    return spanned(found.value_ms, (found.low_ms, found.high_ms), found.reason, detail=_how(found))


def _how(found: ProcessPercentile) -> str:
    return "pooled" if found.method == "pooled processes" else short(found.method or "", 40)
