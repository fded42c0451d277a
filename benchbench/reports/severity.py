"""Accuracy against severity: cells that differ in nothing but how their images were damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.reports.evidence import signs
from benchbench.reports.grouping import accuracy, variant
from benchbench.reports.sureness import half
from benchbench.reports.wording import absence, accuracy_absence, short
from benchbench.view import CellView, Interval

SEVERITIES = range(6)
"""0: the images as they are."""
MOST_LINES = 12
"""Cells in one panel; further ones stand in the JSON document."""
MOST_PANELS = 24


@dataclass(frozen=True, slots=True)
class Damage:
    """How the images of a cell were damaged; *severity* 0 for not at all."""

    name: str
    severity: int
    seed: int


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
    lines: tuple[Line, ...]
    more: int
    """How many lines are left out."""

    @property
    def title(self) -> str:
        """Corruption and dataset; the seed where it is not 0."""
        seed = f", seed {self.damage.seed}" if self.damage.seed else ""
        return f"{self.damage.name.replace('_', ' ')}{seed} · {self.dataset} {self.split}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why points or intervals are absent, each reason once with where it holds."""
        told = [(line.name, _gaps(line)) for line in self.lines]
        found: dict[tuple[str, str], list[str]] = {}
        for name, gaps in told:
            for why, at in gaps.items():
                found.setdefault((", ".join(at), why), []).append(name)
        return tuple(
            f"{'Every cell' if len(names) == len(self.lines) else ', '.join(names)}, "
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


def damage(cell: CellView) -> Damage | None:
    """Return how the protocol says that the images were damaged.

    Severity 0 if it names no corruption; None if it names one that cannot be read.
    """
    told = _under(cell.protocol, "corruption")
    if told is None:
        return Damage("", 0, 0)
    name, severity, seed = (_under(told, key) for key in ("name", "severity", "seed"))
    if not isinstance(name, str) or severity not in SEVERITIES or not isinstance(seed, int):
        return None
    return Damage(name, severity, seed)


def _under(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


Base = tuple[str, ...]


def _base(cell: CellView) -> Base | None:
    """Return what cells share whose images were the same before; None if it is not recorded."""
    card = _under(cell.protocol, "dataset")
    contents = _under(card, "content_sha256")
    if contents is None:
        return None
    return str(contents), str(_under(card, "images")), cell.split, cell.task


def _identity(cell: CellView) -> Base:
    return cell.model, cell.runtime, cell.precision, cell.device, str(cell.batch)


def panels(cells: Iterable[CellView]) -> tuple[Panel, ...]:
    """Return a panel a corruption, in order of appearance; empty without corrupted datasets."""
    bases: dict[Base, list[tuple[Damage, CellView]]] = {}
    for cell in cells:
        base, done = _base(cell), damage(cell)
        if base is not None and done is not None:
            bases.setdefault(base, []).append((done, cell))
    return tuple(panel for found in bases.values() for panel in _panels(found))


def _panels(found: Sequence[tuple[Damage, CellView]]) -> Iterable[Panel]:
    clean = [cell for done, cell in found if done.severity == 0]
    kinds = dict.fromkeys((done.name, done.seed) for done, _ in found if done.severity)
    for name, seed in kinds:
        own = [(d.severity, c) for d, c in found if d.severity and (d.name, d.seed) == (name, seed)]
        cells = [*((0, cell) for cell in clean), *own]
        first = next(cell for _, cell in cells)
        metric = _metric([cell for _, cell in cells])
        damaged = dict.fromkeys(_identity(cell) for _, cell in own)
        lines = [_line(identity, cells, metric) for identity in damaged]
        yield Panel(
            damage=Damage(name, 0, seed),
            dataset=short(first.dataset, 60),
            split=short(first.split, 40),
            metric=metric,
            lower_is_better=any(metric in cell.lower_is_better for _, cell in cells),
            lines=tuple(lines[:MOST_LINES]),
            more=max(len(lines) - MOST_LINES, 0),
        )


def _metric(cells: Sequence[CellView]) -> str:
    names = [cell.primary for cell in cells if cell.primary]
    return max(sorted(set(names)), key=names.count, default="")


def _line(identity: Base, cells: Sequence[tuple[int, CellView]], metric: str) -> Line:
    own: dict[int, CellView] = {}
    for severity, cell in cells:
        if _identity(cell) == identity:
            own.setdefault(severity, cell)
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
