"""The chart of a series: runs in the order measured, apart from how a format draws them.

Across, a place is the number of a run, from 0; a line between two runs stands at a half. Up, it is
the figure itself, in its unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchbench.history_view import Point, SeriesView
from benchbench.trends import words
from benchbench.units import show

_TICKS = 6
_DATES = 8
"""At most so many dates below a chart."""
_LEAST = 1e-9
"""An axis is at least twice as high, in the figure's unit."""


@dataclass(frozen=True, slots=True)
class Level:
    """The typical figure between two changes, from one run to another."""

    first: int
    last: int
    value: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical line before a run: a change, or the beginning of a part."""

    at: float
    kind: str
    """``worse``, ``better`` or ``break``."""
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn of a series."""

    series: SeriesView
    low: float
    high: float
    """Ends of the axis, with some air."""
    ticks: tuple[tuple[float, str], ...]
    dates: tuple[tuple[int, str], ...]
    levels: tuple[Level, ...]
    rules: tuple[Rule, ...]
    description: str

    @property
    def points(self) -> tuple[Point, ...]:
        """Return the runs, oldest first."""
        return self.series.points


def chart(series: SeriesView, ticks: int = _TICKS, dates: int = _DATES) -> Chart | None:
    """Return the chart of *series*; None where no run has a figure.

    There are about so many *ticks* and at most so many *dates* on its axes.
    """
    ends = _ends(series.points)
    if ends is None:
        return None
    count = len(series.points)
    step = -(-count // dates)
    return Chart(
        series=series,
        low=ends[0],
        high=ends[1],
        ticks=_labelled(series, ends, ticks),
        dates=tuple((at, words.day(series.points[at])) for at in range(0, count, step)),
        levels=tuple(_levels(series)),
        rules=_rules(series),
        description=f"{series.quantity} of {series.label} over {count} runs",
    )


def _ends(points: Sequence[Point]) -> tuple[float, float] | None:
    """Return the ends of the axis: figures and intervals, with some air."""
    ends = [
        end
        for point in points
        for end in (point.value, point.low, point.high)
        if end is not None and math.isfinite(end) and point.value is not None
    ]
    if not ends:
        return None
    low, high = min(ends), max(ends)
    air = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    # What differs by less is equal but for rounding.
    return low - max(air, _LEAST), high + max(air, _LEAST)


def _labelled(
    series: SeriesView, ends: tuple[float, float], count: int
) -> tuple[tuple[float, str], ...]:
    """Return ticks with their labels: so few that no label, as rounded, stands twice."""
    made: list[tuple[float, str]] = []
    for few in range(count, 0, -1):
        values = _ticks(*ends, few)
        made = [(v, words.line(show(v, series.unit, series.currency), 16)) for v in values]
        if len({label for _, label in made}) == len(made):
            break
    return tuple(made)


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Return round values within the axis: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    first = math.ceil(low / step)
    return [round(n * step, 12) for n in range(first, math.floor(high / step) + 1)]


def _levels(series: SeriesView) -> list[Level]:
    """Return the median figure of each stretch without a change, in parts with at least two."""
    found = []
    for part in series.parts:
        cuts = [made.at for made in series.changes if part.begin < made.at < part.end]
        bounds = [part.begin, *cuts, part.end]
        for begin, end in pairwise(bounds):
            values = sorted(p.value for p in series.points[begin:end] if p.value is not None)
            if len(values) > 1:
                middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
                found.append(Level(begin, end - 1, middle))
    return found


def _rules(series: SeriesView) -> tuple[Rule, ...]:
    breaks = [
        Rule(part.begin - 0.5, "break", "not comparable with what is before")
        for part in series.parts[1:]
    ]
    changes = [
        Rule(made.at - 0.5, made.outcome, f"{words.size(made)}, {made.outcome}")
        for made in series.changes
    ]
    return (*breaks, *changes)
