"""Quantities that the trade-off plot can be drawn over, and accuracies that it can be drawn of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchbench import units
from benchbench.quantities import Named, Quantity, quantity
from benchbench.reports.grouping import Group, accuracies, finite
from benchbench.reports.page.figures import both
from benchbench.reports.wording import metric_name, plural
from benchbench.view import CellView

SPEED = "latency.p50"
_TITLES: Mapping[str, str] = {
    SPEED: "p50 latency",
    "latency.p99": "p99 latency",
    "throughput": "throughput, single stream",
    "energy": "energy per image",
    "memory": "peak resident memory",
    "size": "size of the artifact",
    "parameters": "parameters",
    "cost.million": "cost of a million frames",
}
"""Quantity → its words; the plot offers those of which two cells have a positive figure."""
_SCALES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
    "parameters": (("G", 1e9), ("M", 1e6)),
    "J": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
}
_COUNTED: Mapping[str, tuple[str, str | None]] = {
    "images": ("image", None),
    "processes": ("process", "processes"),
    "trials": ("trial", None),
}


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of a cell on an axis, in the axis's unit."""

    value: float
    low: float | None
    high: float | None
    """What is drawn beside it: never the interval of one process alone, which tells nothing of a
    further process."""
    text: str
    """The figure with its unit, its interval, and what it rests on."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity of the cells of a group."""

    name: str
    title: str
    higher: bool
    """True if more is better."""
    points: Mapping[str, Point]
    """By the cell's id; a cell without the figure is not in it."""


def across(group: Group) -> tuple[Axis, ...]:
    """Return what the level axis may be, the median latency first."""
    cells = [cell for cell in group.cells if cell.status == "measured"]
    found = (_axis(name, title, cells) for name, title in _TITLES.items())
    return tuple(axis for axis in found if len(axis.points) > 1)


def upright(group: Group) -> tuple[Axis, ...]:
    """Return what the upright axis may be: accuracies, the primary one first."""
    cells = [cell for cell in group.cells if cell.status == "measured"]
    names = dict.fromkeys([group.primary, *(name for c in cells for name in accuracies(c))])
    found = (_metric(name, group.lower, cells) for name in names if name)
    return tuple(axis for axis in found if len(axis.points) > 1)


def _axis(name: str, title: str, cells: Sequence[CellView]) -> Axis:
    asked = [] if name == "energy" and not _one_meter(cells) else cells
    every = {cell.id: quantity(cell, Named(name)) for cell in asked}
    known = {id_: q for id_, q in every.items() if finite(q.value) and (q.value or 0) > 0}
    unit, size = _unit(list(known.values()))
    return Axis(
        name=name,
        title=f"{title}, {unit}" if unit and unit != title else title,
        higher=any(q.higher_is_better for q in known.values()),
        points={id_: _point(q, size) for id_, q in known.items()},
    )


def _metric(name: str, lower: Iterable[str], cells: Sequence[CellView]) -> Axis:
    scored = [cell for cell in cells if finite(cell.metrics.get(name)) is not None]
    points = {cell.id: _point(quantity(cell, Named(name)), 1.0) for cell in scored}
    return Axis(name, metric_name(name, tuple(lower)), name not in lower, points)


def _one_meter(cells: Iterable[CellView]) -> bool:
    """Return whether the energies of *cells* are of one meter and scope: others do not compare."""
    first = [cell.energy[0] for cell in cells if cell.energy]
    return len({(view.meter, view.scope) for view in first}) == 1


def _unit(known: Sequence[Quantity]) -> tuple[str, float]:
    """Return the unit that suits the largest figure, and its size."""
    if not known:
        return "", 1.0
    unit, largest = known[0].unit, max(q.value or 0.0 for q in known)
    for name, size in _SCALES.get(unit, ()):
        if largest >= size:
            return name, size
    return (known[0].currency if unit == "currency" else unit), 1.0


def _point(found: Quantity, size: float) -> Point:
    assert found.value is not None, "the caller asks only for figures that are known"
    ends = both(found.low, found.high)
    low, high = (None, None) if ends is None or found.basis == "one process" else ends
    return Point(
        found.value / size,
        None if low is None else low / size,
        None if high is None else high / size,
        f"{units.show(found.value, found.unit, found.currency)}{_rest(found)}",
    )


def _rest(found: Quantity) -> str:
    """Return the interval and what it rests on, in brackets; empty where there is none."""
    ends = both(found.low, found.high)
    if ends is None:
        return ""
    low, high = (units.show(end, found.unit, found.currency) for end in ends)
    words = _COUNTED.get(found.basis)
    basis = plural(found.n, *words) if words and found.n else found.basis
    level = f"{100 * found.level:g} % " if found.level else ""
    return f" ({level}interval {low} to {high}, {basis})"
