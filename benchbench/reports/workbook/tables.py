"""The tables of the document as sheets: numbers as numbers, with what is printed beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from benchbench.reports.document.model import Grid, Line, Place
from benchbench.reports.workbook.book import Book, Value, put

_NEAR = 0.06
"""A printed number has three digits or fewer, and so is this near to the one behind it."""


def table_sheet(book: Book, grid: Grid, name: str) -> Any:
    """Write *grid* into a sheet of its own, its caption above and its notes under it."""
    sheet = book.sheet(name)
    book.title(put(sheet, 1, 1, f"{name}. {grid.caption}"))
    keys = list(dict.fromkeys(head for line in grid.lines for head, _ in line.keys))
    aspects = [_aspects(grid, at) for at in range(len(grid.columns))]
    detailed = any(line.detail for line in grid.lines)
    heads = [grid.first, *(["Beside"] if detailed else []), *keys]
    heads += [head for at, kinds in enumerate(aspects) for head in _heads(grid, at, kinds)]
    rows = []
    for line in grid.lines:
        found = dict(line.keys)
        beside = [line.detail] if detailed else []
        rows.append([line.name, *beside, *(found.get(key, "") for key in keys),
                     *_values(line, aspects)])  # fmt: skip
    end = book.table(sheet, 3, heads, rows)
    for at, note in enumerate(grid.foot, end + 1):
        put(sheet, at, 1, note)
    return sheet


def _aspects(grid: Grid, at: int) -> tuple[str, ...]:
    """Return what a column holds beside its values, such as ``low`` or ``printed``."""
    places = [line.places[at] for line in grid.lines]
    told = {
        "low": any(place.low is not None for place in places),
        "high": any(place.high is not None for place in places),
        "detail": any(place.detail for place in places),
        "printed": any(place.value is not None and not _same(place) for place in places),
        "why absent": any(place.reason for place in places),
    }
    return tuple(name for name, there in told.items() if there)


def _same(place: Place) -> bool:
    """Return whether the text is the number behind it."""
    try:
        shown = float(place.text.replace(",", "").replace("−", "-"))
    except ValueError:
        return False
    return place.value is not None and math.isclose(shown, place.value, rel_tol=_NEAR, abs_tol=6e-4)


def _heads(grid: Grid, at: int, aspects: Iterable[str]) -> Iterator[str]:
    column = grid.columns[at]
    unit = "" if not column.unit or column.title.endswith(column.unit) else f" ({column.unit})"
    yield f"{column.title}{unit}"
    yield from (f"{column.title}: {aspect}" for aspect in aspects)


def _values(line: Line, aspects: Iterable[tuple[str, ...]]) -> Iterator[Value]:
    for place, kinds in zip(line.places, aspects, strict=True):
        bare = None if place.reason else place.text
        yield place.value if place.value is not None else bare
        told = {
            "low": place.low,
            "high": place.high,
            "detail": place.detail or None,
            "printed": bare,
            "why absent": place.reason or None,
        }
        yield from (told[kind] for kind in kinds)
