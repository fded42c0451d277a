"""What binds, and what a small relaxation would buy; at the best estimates."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchbench.recommend_view import Relaxation
from benchbench.recommending.tabling import Table
from benchbench.stats.choice import kept_by
from benchbench.units import Unit

SURE = 0.95
MOST_STEPS = 3
"""Cells told of each requirement: the next, and those beyond it that are better still."""


def relaxations(table: Table, chosen: int | None) -> Iterator[Relaxation]:
    """Yield, of each requirement alone, the next cells that it keeps out and that are better."""
    for row in range(len(table.requirements)):
        others = np.delete(table.kept, row, axis=0).all(axis=0)
        held_out = others & ~table.kept[row] & ~np.isnan(table.values[row])
        best = None if chosen is None else float(table.objective[chosen])
        steps = 0
        for cell in _nearest_first(table, row, np.flatnonzero(held_out).tolist()):
            value = float(table.objective[cell])
            if steps == MOST_STEPS or math.isnan(value):
                continue
            if best is None or table.better(value, best):
                best, steps = value, steps + 1
                yield _relaxation(table, row, cell, chosen)


def _nearest_first(table: Table, row: int, cells: list[int]) -> list[int]:
    sign = -1 if table.at_least[row] else 1
    best = -1 if table.higher else 1
    return sorted(
        cells, key=lambda i: (sign * table.values[row][i], best * float(table.objective[i]))
    )


def _relaxation(table: Table, row: int, cell: int, chosen: int | None) -> Relaxation:
    asked, figure = table.requirements[row], table.figures[row][cell]
    at_least = bool(table.at_least[row])
    assert asked.limit is not None
    assert figure.draws is not None
    value = float(table.objective[cell])
    sure = kept_by(figure.draws, SURE, at_least=at_least)
    return Relaxation(
        requirement=asked.text,
        limit=asked.limit,
        relaxed=outward(float(table.values[row][cell]), asked.unit, at_least=at_least),
        surely=None if figure.note else outward(sure, asked.unit, at_least=at_least),
        cell=table.cells[cell].id,
        label=table.cells[cell].label,
        objective=value,
        change=_change(table, value, chosen),
        scale="difference" if table.aim.unit == "" else "ratio",
    )


def _change(table: Table, value: float, chosen: int | None) -> float | None:
    if chosen is None:
        return None
    base = float(table.objective[chosen])
    if table.aim.unit == "":
        return value - base
    return value / base - 1 if base > 0 else None


def outward(value: float, unit: Unit, *, at_least: bool) -> float:
    """Return *value* with three digits, rounded so that it keeps itself as a limit.

    Fractions have three decimals, everything else three significant digits.
    """
    if value == 0 or not math.isfinite(value):
        return value
    places = 3 if unit == "" else 2 - math.floor(math.log10(abs(value)))
    # Counts that are whole stay so: rounding would move them by whole cameras.
    if unit in ("cameras", "×") and value == round(value):
        return value
    size = 10.0**places
    near, step = round(value * size), -1 if at_least else 1
    made = (round((near + k * step) / size, max(places, 0)) for k in range(3))
    return next(one for one in made if (one <= value if at_least else one >= value))
