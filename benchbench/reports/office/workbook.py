"""The sheet behind a chart: its numbers and intervals, and no formula in it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.reports.document.model import Chart, Point, Series
from benchbench.reports.office.common import library

_NAME = "Sheet1"
Cells = dict[tuple[int, int], str | float | None]
_OPTIONS = {
    "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
    "strings_to_numbers": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bars:
    """Distances to the ends of intervals, and the cells that hold them."""

    direction: str
    """``x`` or ``y`` in a scatter; empty where the chart has but one."""
    plus: tuple[float | None, ...]
    minus: tuple[float | None, ...]
    plus_at: str
    minus_at: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A workbook, and the error bars of each series."""

    data: bytes
    bars: tuple[tuple[Bars, ...], ...]


def categories(chart: Chart) -> list[str]:
    """Return the names that bars stand at, each once; nothing of a scatter."""
    found = (point.x for one in chart.series for point in one.points)
    return list(dict.fromkeys(name for name in found if isinstance(name, str)))


def tabled(chart: Chart) -> Sheet:
    """Return the sheet of bars: names, a column a series, then two a series for its intervals."""
    names, cells = categories(chart), Cells()
    _column(cells, 0, 1, names)
    bars = []
    for number, one in enumerate(chart.series):
        found = {point.x: point for point in one.points}
        own = [found.get(name) for name in names]
        cells[0, 1 + number] = one.name
        _column(cells, 1 + number, 1, [point.y if point else None for point in own])
        at = 1 + len(chart.series) + 2 * number
        _heads(cells, 0, at, one.name)
        bars.append(tuple(_bars(cells, own, "", (1, at))))
    return Sheet(_written(cells), tuple(bars))


def scattered(chart: Chart) -> Sheet:
    """Return the sheet of points: the series one below the other, with a row between them."""
    cells, bars, row = Cells(), [], 0
    for one in chart.series:
        _points(cells, one, row)
        bars.append((*_bars(cells, one.points, "x", (row + 1, 3)),
                     *_bars(cells, one.points, "y", (row + 1, 5))))  # fmt: skip
        row += len(one.points) + 2
    return Sheet(_written(cells), tuple(bars))


def _points(cells: Cells, one: Series, row: int) -> None:
    cells[row, 1], cells[row, 2] = one.name, "name"
    _heads(cells, row, 3, "x")
    _heads(cells, row, 5, "y")
    _column(cells, 0, row + 1, [float(point.x) for point in one.points])
    _column(cells, 1, row + 1, [point.y for point in one.points])
    _column(cells, 2, row + 1, [point.label for point in one.points])


def _heads(cells: Cells, row: int, at: int, name: str) -> None:
    cells[row, at], cells[row, at + 1] = f"{name}: up to the end", f"{name}: down to the end"


def _column(cells: Cells, at: int, row: int, values: Iterable[str | float | None]) -> None:
    cells |= {(row + down, at): value for down, value in enumerate(values)}


def _bars(
    cells: Cells, points: Sequence[Point | None], direction: str, at: tuple[int, int]
) -> Iterable[Bars]:
    """Yield the error bars of *points*, whose cells begin *at*; nothing without an interval."""
    plus = tuple(_distance(point, direction, up=True) for point in points)
    minus = tuple(_distance(point, direction, up=False) for point in points)
    if not any(value is not None for value in (*plus, *minus)):
        return
    row, column = at
    _column(cells, column, row, plus)
    _column(cells, column + 1, row, minus)
    where = library("xlsxwriter.utility", "XlsxWriter").xl_range_abs
    ends = [
        f"{_NAME}!{where(row, own, row + len(points) - 1, own)}" for own in (column, column + 1)
    ]
    yield Bars(direction, plus, minus, *ends)


def _distance(point: Point | None, direction: str, *, up: bool) -> float | None:
    if point is None:
        return None
    ends = (point.x_low, point.x_high) if direction == "x" else (point.low, point.high)
    value = float(point.x) if direction == "x" else point.y
    end = ends[1] if up else ends[0]
    return None if end is None else max((end - value) * (1 if up else -1), 0.0)


def _written(cells: Cells) -> bytes:
    """Return the workbook; text that looks like a formula is marked as text for good."""
    out = io.BytesIO()
    book = library("xlsxwriter", "XlsxWriter").Workbook(out, _OPTIONS)
    sheet: Any = book.add_worksheet(_NAME)
    quoted = book.add_format({"quote_prefix": True})
    for (row, column), value in sorted(cells.items()):
        if isinstance(value, str):
            sheet.write_string(row, column, value, quoted)
        elif value is not None:
            sheet.write_number(row, column, value)
    book.close()
    return out.getvalue()
