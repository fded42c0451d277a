"""Accuracy against severity: cells that differ in nothing but how their images were damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchbench.folding import SEVERITIES, Damage, Series, damage, series
from benchbench.reports.evidence import signs
from benchbench.reports.grouping import accuracy, variant
from benchbench.reports.sureness import half
from benchbench.reports.wording import absence, accuracy_absence, short
from benchbench.view import CellView, Interval

__all__ = ["SEVERITIES", "Damage", "Line", "Panel", "Point", "damage", "panels"]

MOST_LINES = 12
"""Cells that are drawn in one panel; the table has all of them."""
MOST_PANELS = 24
"""Corruptions that are drawn; each has its table."""


@dataclass(frozen=True, slots=True)
class Point:
    """A cell's accuracy at one severity, or why there is none."""

    severity: int
    value: float | None
    interval: Interval | None = None
    reason: str = ""
    asked: bool = True
    """False if the run has no cell at this severity."""


@dataclass(frozen=True, slots=True)
class Line:
    """One model, runtime, precision and device over all severities."""

    cell: CellView
    """The first of its cells; their names are the same."""
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """Model, runtime and precision, with the signs of the first cell."""
        told = f"{short(self.cell.model, 40)} · {short(variant(self.cell), 50)}"
        return f"{told} {signs(self.cell)}".rstrip()


@dataclass(frozen=True, slots=True)
class Panel:
    """One corruption of one dataset."""

    damage: Damage
    dataset: str
    """Name of the undamaged dataset, or else of the first damaged one."""
    split: str
    metric: str
    lower_is_better: bool
    rows: tuple[Line, ...]
    """Every line; a table shows all of them."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that are drawn."""
        return self.rows[:MOST_LINES]

    @property
    def more(self) -> int:
        """How many lines are not drawn."""
        return len(self.rows) - len(self.lines)

    @property
    def title(self) -> str:
        """Corruption and dataset; the seed where it is not 0."""
        return f"{self.damage.title} · {self.dataset} {self.split}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why points or intervals are absent, each reason once with where it holds."""
        told = [(line.name, _gaps(line)) for line in self.rows]
        found: dict[tuple[str, str], list[str]] = {}
        for name, gaps in told:
            for why, at in gaps.items():
                found.setdefault((", ".join(at), why), []).append(name)
        return tuple(
            f"{'Every cell' if len(names) == len(self.rows) else ', '.join(names)}, "
            f"severity {at}: {why}."
            for (at, why), names in found.items()
        )


def _gaps(line: Line) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for point in line.points:
        why = point.reason or ("" if half(point.interval) else _unsure(point))
        if why:
            found.setdefault(why, []).append(str(point.severity))
    return found


def _unsure(point: Point) -> str:
    return (point.interval and point.interval.reason) or "no interval is given"


def panels(cells: Iterable[CellView]) -> tuple[Panel, ...]:
    """Return a panel a corruption, in order of appearance; empty without corrupted datasets."""
    return tuple(_panel(one) for one in series(cells))


def _panel(found: Series) -> Panel:
    first, metric = found.cells[0], found.metric
    return Panel(
        damage=found.damage,
        dataset=short(first.dataset, 60),
        split=short(first.split, 40),
        metric=metric,
        lower_is_better=any(metric in cell.lower_is_better for cell in found.cells),
        rows=tuple(_line(own, metric) for own in found.lines),
    )


def _line(own: Mapping[int, CellView], metric: str) -> Line:
    points = tuple(_point(severity, own.get(severity), metric) for severity in SEVERITIES)
    return Line(next(iter(own.values())), points)


def _point(severity: int, cell: CellView | None, metric: str) -> Point:
    if cell is None:
        return Point(severity, None, reason="the run has no such cell", asked=False)
    if cell.status != "measured":
        return Point(severity, None, reason=absence(cell))
    if cell.primary != metric:
        return Point(severity, None, reason="scored by another metric")
    value = accuracy(cell)
    reason = "" if value is not None else accuracy_absence(cell)
    return Point(severity, value, cell.intervals.get(metric), reason)
