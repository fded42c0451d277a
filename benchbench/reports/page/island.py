"""What the page's script reads: names, facets, doubts and figures of the cells, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchbench.reports import evidence, grouping, pareto, wording
from benchbench.reports.grouping import Group
from benchbench.reports.page import axes
from benchbench.reports.page.axes import Axis, Point
from benchbench.reports.page.plot import BOTTOM, LEFT, RIGHT, SIZES, TOP
from benchbench.reports.wording import short
from benchbench.view import CellView

FACETS = {"model": "Model", "runtime": "Runtime", "precision": "Precision", "set": "Dataset",
          "status": "Status"}  # fmt: skip
"""Name in the address → name on the page, in the order of a cell's ``of``."""
_ESCAPED = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""No text of the data can end the element that holds it, or begin a comment in it."""
MOST_NOTES = 12
"""Doubts of a cell that its point tells; its row has all of them."""


def facets(groups: Sequence[Group]) -> dict[str, tuple[str, ...]]:
    """Return the choices of every facet, in order of appearance."""
    found: dict[str, dict[str, None]] = {name: {} for name in FACETS}
    for group in groups:
        for cell in group.cells:
            for name, choice in zip(FACETS, _choices(cell, group), strict=True):
                found[name].setdefault(choice)
    return {name: tuple(choices) for name, choices in found.items()}


def _choices(cell: CellView, group: Group) -> tuple[str, ...]:
    names = (short(cell.model), short(cell.runtime), cell.precision, short(group.title, 120))
    return (*names, wording.STATUS[cell.status])


def island(groups: Sequence[Group], runtimes: Sequence[str], numbers: Mapping[str, int]) -> str:
    """Return the data as JSON that is safe inside a script element.

    *numbers* gives the place of each cell, by its id: the same number stands at its rows and
    points.
    """
    body = {
        "facets": facets(groups),
        "frame": {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM, "sizes": SIZES},
        **_cells(groups, runtimes, numbers),
        "plots": [_plot(group, numbers) for group in groups if len(group.plotted) > 1],
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, written in _ESCAPED.items():
        text = text.replace(character, written)
    return text


def _cells(
    groups: Sequence[Group], runtimes: Sequence[str], numbers: Mapping[str, int]
) -> dict[str, Any]:
    known = facets(groups).values()
    choices = [{choice: at for at, choice in enumerate(found)} for found in known]
    names, notes = _keys(list(numbers)), _Notes()
    made: list[dict[str, Any]] = [{} for _ in numbers]
    for group in groups:
        for cell in group.cells:
            place = zip(choices, _choices(cell, group), strict=True)
            made[numbers[cell.id]] = {
                "key": names[cell.id],
                "name": evidence.named(cell),
                "tag": f"{short(cell.model, 24)} · {short(grouping.variant(cell), 30)}",
                "of": [numbered[choice] for numbered, choice in place],
                "shade": min(runtimes.index(cell.runtime), pareto.COLOURS - 1),
                "signs": evidence.signs(cell),
                "odd": int(grouping.differs(cell)),
                "notes": notes.of(cell),
            }
    return {"cells": made, "notes": notes.texts}


class _Notes:
    """Doubts, each once: most cells share theirs."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Each in a word or two, and in full."""
        return list(self._numbers)

    def of(self, cell: CellView) -> list[int]:
        told = [(mark.text, mark.line) for mark in evidence.marks(cell)]
        own = [caveat for caveat in cell.caveats if caveat.code not in evidence.MARKED]
        told += [(wording.chip(caveat), wording.caveat_line(caveat)) for caveat in own]
        if cell.failure:
            told.append((wording.failure_title(cell.failure), wording.failure_line(cell.failure)))
        pairs = ((short(name, 60), short(text, 300)) for name, text in told[:MOST_NOTES])
        return [self._numbers.setdefault(pair, len(self._numbers)) for pair in pairs]


def _keys(ids: Sequence[str]) -> dict[str, str]:
    """Return what stands for each cell in the page's address: a short beginning of its id."""
    for length in (8, 16):
        if max(Counter(one[:length] for one in ids).values(), default=1) == 1:
            return {one: short(one[:length]) for one in ids}
    return {one: str(at) for at, one in enumerate(ids)}


def _plot(group: Group, numbers: Mapping[str, int]) -> dict[str, Any]:
    across, upright = axes.across(group), axes.upright(group)
    known = {id_ for axis in upright for id_ in axis.points}
    cells = [cell.id for cell in group.cells if cell.id in known]
    return {
        "title": short(group.title, 120),
        "cells": [numbers[id_] for id_ in cells],
        "x": [_axis(axis, cells) for axis in across],
        "y": [_axis(axis, cells) for axis in upright],
    }


def _axis(axis: Axis, cells: Sequence[str]) -> dict[str, Any]:
    points = [axis.points.get(id_) for id_ in cells]
    return {
        "name": short(axis.name),
        "title": axis.title,
        "higher": axis.higher,
        "points": [0 if point is None else _point(point) for point in points],
    }


def _point(found: Point) -> list[float | str]:
    """Return text, value and, where there are any, the ends of the interval."""
    figures = [v for v in (found.value, found.low, found.high) if v is not None]
    return [found.text, *(float(f"{value:.6g}") for value in figures)]
