"""Curves of the cells of a group: one panel a curve and model, thinned for drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.reports.grouping import Group, finite
from benchbench.reports.wording import short
from benchbench.types import Curve
from benchbench.view import CellView

MOST_POINTS = 101
MOST_LINES = 8
"""Cells in one panel; further ones stand in the JSON document."""
MOST_PANELS = 24
"""Panels on a page."""
DOTTED = 30
"""Curves of at most so many points show each of them."""
_DIAGONAL = {"roc": "chance", "reliability": "perfect calibration",
             "calibration": "perfect calibration"}  # fmt: skip
_TITLES = {"roc": "ROC", "precision_recall": "Precision over recall"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve of the cells of one model."""

    group: Group
    model: str
    name: str
    x_name: str
    y_name: str
    lines: tuple[tuple[CellView, Curve], ...]
    more: int

    @property
    def title(self) -> str:
        """The curve's name in words, and the model."""
        return f"{title(self.name)} · {short(self.model, 40)}"

    @property
    def diagonal(self) -> str:
        """What the diagonal stands for; empty where it has no meaning."""
        return _DIAGONAL.get(self.name, "")


def title(name: str) -> str:
    """Return a curve's name as people write it."""
    return _TITLES.get(name, short(name, 60).replace("_", " "))


def panels(groups: Iterable[Group]) -> tuple[Panel, ...]:
    """Return every panel of *groups*; a curve whose axes are named otherwise is another."""
    return tuple(panel for group in groups for panel in _panels(group))


def _panels(group: Group) -> Iterable[Panel]:
    found: dict[tuple[str, str, str, str], list[tuple[CellView, Curve]]] = {}
    for cell in group.cells:
        for name, curve in cell.curves.items():
            if any(finite(value) is not None for value in curve.y):
                key = (name, curve.x_name, curve.y_name, cell.model)
                found.setdefault(key, []).append((cell, thin(curve)))
    for (name, x_name, y_name, model), lines in sorted(found.items(), key=lambda f: f[0][0]):
        yield Panel(group, model, name, x_name, y_name, tuple(lines[:MOST_LINES]),
                    max(len(lines) - MOST_LINES, 0))  # fmt: skip


def thin(curve: Curve) -> Curve:
    """Return *curve* with at most :data:`MOST_POINTS` of its own points, both ends among them."""
    last = min(len(curve.x), len(curve.y)) - 1
    if last < MOST_POINTS:
        return curve
    kept = [round(at * last / (MOST_POINTS - 1)) for at in range(MOST_POINTS)]
    x, y = tuple(curve.x[at] for at in kept), tuple(curve.y[at] for at in kept)
    return curve.model_copy(update={"x": x, "y": y})


def runs(curve: Curve) -> list[list[tuple[float, float]]]:
    """Split *curve* into stretches of points where it is defined."""
    made: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(curve.x, curve.y, strict=False):
        height, place = finite(y), finite(x)
        if height is None or place is None:
            made.append([])
        else:
            made[-1].append((place, height))
    return [stretch for stretch in made if stretch]


def spans(curves: Sequence[Curve]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the limits of both axes: 0 to 1 where all values lie there, else the values' own."""
    points = [point for curve in curves for stretch in runs(curve) for point in stretch]
    return limits([x for x, _ in points]), limits([y for _, y in points])


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return 0 and 1 if *values* lie between them, else their own range."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)
