"""What the page says beyond the tables of cells: slices, classes, severity, curves, confusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.folding import kept
from benchbench.reports import chart, confusion, curves, parts, severity
from benchbench.reports.evidence import signs
from benchbench.reports.grouping import Group, finite, variant
from benchbench.reports.pareto import SHAPES
from benchbench.reports.wording import metric_name, short
from benchbench.view import Interval, RunView


@dataclass(frozen=True, slots=True)
class Lane:
    """A value and its interval on a shared scale, in per cent."""

    middle: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """The parts of one cell with a dot and an interval each."""

    block: parts.Block
    axis: chart.Axis
    zero: float | None
    """Where no difference lies; None where values are drawn."""
    rows: tuple[tuple[parts.Part, Lane | None], ...]


def page(run: RunView, groups: Sequence[Group]) -> dict[str, Any]:
    """Return everything the templates of these sections print; what is absent is empty."""
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    found = [some for kind in parts.PLURALS if (some := parts.found(run, kind))]
    every = curves.panels(groups)
    damaged = severity.panels(run.cells)
    drawn, left_out = confusion.drawn(kept(run.cells))
    return {
        "parts": [(some, tuple(_table(block) for block in some.blocks)) for some in found],
        "curves": [curve_chart(panel, runtimes) for panel in every[: curves.MOST_PANELS]],
        "more_curves": max(len(every) - curves.MOST_PANELS, 0),
        "severity": damaged,
        "severity_charts": [severity_chart(panel) for panel in damaged[: severity.MOST_PANELS]],
        "more_severity": max(len(damaged) - severity.MOST_PANELS, 0),
        "severities": severity.SEVERITIES,
        "confusion": drawn,
        "more_matrices": left_out,
    }


# --- slices and classes ------------------------------------------------------------------


def _table(block: parts.Block) -> Table:
    lines = [_ends(part, block.compared) for part in block.parts]
    known = [value for ends in lines if ends for value in ends if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if block.compared:
        widest = max(abs(low), abs(high), 0.005) * 1.08
        axis = chart.Axis(-widest, widest)
    else:
        axis = chart.Axis(*chart.padded(low, high))
    rows = tuple(
        (part, ends and _lane(axis, ends)) for part, ends in zip(block.parts, lines, strict=True)
    )
    return Table(block, axis, axis.at(0.0) if block.compared else None, rows)


Ends = tuple[float, float | None, float | None]


def _ends(part: parts.Part, compared: bool) -> Ends | None:
    """Return what is drawn of a part: its difference where the cell is compared, else its value."""
    source = part.comparison if compared else part.interval
    if source is None:
        return None
    middle = source.value if isinstance(source, Interval) else source.difference
    if finite(middle) is None:
        return None
    return middle or 0.0, finite(source.low), finite(source.high)


def _lane(axis: chart.Axis, ends: Ends) -> Lane:
    middle, low, high = ends
    if low is None or high is None:
        return Lane(axis.at(middle), None, None)
    return Lane(axis.at(middle), axis.at(low), axis.at(high))


# --- curves ------------------------------------------------------------------------------


def curve_chart(panel: curves.Panel, runtimes: Sequence[str]) -> chart.Chart:
    """Return the panel of one curve: runtimes by colour, precisions by dash."""
    x, y = chart.axes(*curves.spans([curve for _, curve in panel.lines]))
    strokes = []
    for cell, curve in panel.lines:
        stretches = [[(x.at(a), y.at(b)) for a, b in points] for points in curves.runs(curve)]
        dots = [p for points in stretches for p in points if len(curve.x) <= curves.DOTTED]
        dash = list(SHAPES).index(cell.precision)
        name = f"{short(variant(cell), 60)} {signs(cell)}".rstrip()
        drawn = chart.key(name, runtimes.index(cell.runtime), dash)
        strokes.append(chart.Stroke(drawn, chart.path(stretches), tuple(dots)))
    square = (x.low, x.high, y.low, y.high) == (0, 1, 0, 1)
    diagonal = chart.path([[(x.at(0), y.at(0)), (x.at(1), y.at(1))]])
    told = [short(panel.group.title, 60)]
    told += [f"dotted: {panel.diagonal}"] if panel.diagonal and square else []
    told += [f"and {panel.more:,} more cells: report.json"] if panel.more else []
    return chart.Chart(
        panel.title, short(panel.x_name, 40), short(panel.y_name, 40), x, y, tuple(strokes),
        diagonal if panel.diagonal and square else "", "; ".join(told),
    )  # fmt: skip


# --- severity ----------------------------------------------------------------------------


def severity_chart(panel: severity.Panel) -> chart.Chart:
    """Return the panel of one corruption: a colour and dash for each cell."""
    known = [value for line in panel.lines for value in _reach(line.points)]
    low, high = chart.padded(min(known, default=0.0), max(known, default=1.0))
    x, y = chart.axes((-0.3, 5.3), (max(low, 0.0) if min(known, default=0) >= 0 else low, high))
    strokes = tuple(_falling(at, line, x, y) for at, line in enumerate(panel.lines))
    lower = (panel.metric,) if panel.lower_is_better else ()
    note = f"and {panel.more:,} more cells in the table" if panel.more else ""
    return chart.Chart(panel.title, "severity", metric_name(panel.metric, lower), x, y, strokes,
                       note=note)  # fmt: skip


def _reach(points: Iterable[severity.Point]) -> Iterable[float]:
    for point in points:
        if point.value is not None:
            yield point.value
            yield from (v for v in _bounds(point.interval) or () if v is not None)


def _bounds(found: Interval | None) -> tuple[float, float] | None:
    low, high = (finite(found.low), finite(found.high)) if found else (None, None)
    return None if low is None or high is None else (low, high)


def _falling(at: int, line: severity.Line, x: chart.Axis, y: chart.Axis) -> chart.Stroke:
    shift = (at % 7 - 3) * 0.035  # intervals of several cells must not lie on one another
    stretches: list[list[tuple[float, float]]] = [[]]
    bars = []
    for point in line.points:
        if point.value is None:
            stretches += [
                [] for _ in range(point.asked)
            ]  # a line may pass what was never asked for
            continue
        place = x.at(point.severity + shift)
        stretches[-1].append((place, y.at(point.value)))
        if ends := _bounds(point.interval):
            bars.append((place, y.at(ends[0]), y.at(ends[1])))
    known = [points for points in stretches if points]
    dots = tuple(p for points in known for p in points)
    drawn = chart.key(line.name, at % chart.COLOURS, at // chart.COLOURS)
    return chart.Stroke(drawn, chart.path(known), dots, tuple(bars))
