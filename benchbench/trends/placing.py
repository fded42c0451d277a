"""A chart as plain numbers in a box, for pages that draw it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchbench.history_view import Point, SeriesView
from benchbench.trends import words
from benchbench.trends.chart import Chart, chart

WIDTH, HEIGHT = 1000.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 78.0, 14.0, 22.0, 34.0
BOX: Mapping[str, float] = {
    "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: where it is, its interval bar, and what a pointer resting on it is told."""

    x: float
    y: float | None
    low: float | None
    high: float | None
    title: str
    baselines: str


@dataclass(frozen=True, slots=True)
class Level:
    """The typical figure between two changes."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical line: a change, or the beginning of a part."""

    x: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A series as plain numbers in a box of WIDTH × HEIGHT, y from above."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    dates: tuple[tuple[float, str], ...]
    levels: tuple[Level, ...]
    rules: tuple[Rule, ...]
    description: str


def placed(series: SeriesView) -> Placed | None:
    """Return the chart of *series* in its box; None where no run has a figure."""
    found = chart(series)
    if found is None:
        return None
    return Placed(
        marks=tuple(_mark(found, at) for at in range(len(found.points))),
        ticks=tuple((_y(found, value), text) for value, text in found.ticks),
        dates=tuple((_x(found, at), text) for at, text in found.dates),
        levels=tuple(
            Level(_x(found, one.first), _x(found, one.last), _y(found, one.value))
            for one in found.levels
        ),
        rules=tuple(Rule(_x(found, one.at), one.kind, one.label) for one in found.rules),
        description=found.description,
    )


def _x(found: Chart, at: float) -> float:
    share = (at + 0.5) / len(found.points)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(found: Chart, value: float) -> float:
    share = (value - found.low) / (found.high - found.low)
    return round(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM), 1)


def _mark(found: Chart, at: int) -> Mark:
    point = found.points[at]
    low, high = (
        None if end is None or point.value is None else _y(found, end)
        for end in (point.low, point.high)
    )
    return Mark(
        x=_x(found, at),
        y=None if point.value is None else _y(found, point.value),
        low=low,
        high=high,
        title=_title(found.series, point),
        baselines=", ".join(point.baselines),
    )


def _title(series: SeriesView, point: Point) -> str:
    told = [
        words.moment(point),
        words.line(point.run, 60),
        f"commit {words.commit(point)}",
        words.value(series, point),
        words.interval(series, point),
        words.remark(point),
    ]
    return " · ".join(text for text in told if text and text != words.ABSENT)
