"""Tables in Word: a repeated header row, rows that stay whole, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchbench.reports.document.model import Column, Grid, Line, Place
from benchbench.reports.office.common import one_line
from benchbench.reports.office.word_styles import TABLE
from benchbench.reports.office.word_xml import element, paragraph, run

FIRST = 1.9
"""Width of the column of names beside one of numbers."""
_INDENT = 70
"""Of the style's cells: without it a table's edge stands left of the text."""
_SMALL = 6
"""Columns from which on type is smaller."""


def table(grid: Grid, name: str, width: int) -> Any:
    """Return *grid* as a table of *width* twentieths of a point; *name* is ``Table 1``."""
    columns = (Column(grid.first, "left", FIRST), *grid.columns)
    widths = shares(columns, width)
    style = "TableSmall" if len(columns) >= _SMALL else "TableText"
    rows = [_row(grid, line, columns, widths, style) for line in grid.lines]
    cells = [element("w:gridCol", {"w:w": share}) for share in widths]
    return element(
        "w:tbl", None, _looks(grid, name, width), element("w:tblGrid", None, *cells),
        _heads(columns, widths, style), *rows,
    )  # fmt: skip


def shares(columns: Sequence[Column], width: int) -> list[int]:
    """Return *width* shared among *columns* by their weights."""
    whole = sum(column.weight for column in columns)
    return [int(width * column.weight / whole) for column in columns]


def _looks(grid: Grid, name: str, width: int) -> Any:
    return element(
        "w:tblPr", None,
        element("w:tblStyle", {"w:val": TABLE}),
        element("w:tblW", {"w:w": width, "w:type": "dxa"}),
        element("w:tblInd", {"w:w": _INDENT, "w:type": "dxa"}),
        element("w:tblLayout", {"w:type": "fixed"}),
        element("w:tblLook", {"w:val": "00A0", "w:firstRow": 1, "w:lastRow": 0, "w:firstColumn": 1,
                              "w:lastColumn": 0, "w:noHBand": 1, "w:noVBand": 1}),
        element("w:tblCaption", {"w:val": name}),
        element("w:tblDescription", {"w:val": one_line(grid.caption)}),
    )  # fmt: skip


def _heads(columns: Sequence[Column], widths: Sequence[int], style: str) -> Any:
    cells = [
        _cell(width, paragraph(style, _head(column), align=_side(column)), foot=True)
        for column, width in zip(columns, widths, strict=True)
    ]  # fmt: skip
    return element("w:tr", None, _whole(head=True), *cells)


def _head(column: Column) -> Any:
    return run(one_line(column.title), named="TableHead")


def _row(
    grid: Grid, line: Line, columns: Sequence[Column], widths: Sequence[int], style: str
) -> Any:
    first = Place(line.name, detail=line.detail, tone=line.tone)
    cells = [
        _cell(width, *_place(grid, place, column, style))
        for place, column, width in zip((first, *line.places), columns, widths, strict=True)
    ]
    return element("w:tr", None, _whole(), *cells)


def _whole(*, head: bool = False) -> Any:
    """Return a row's properties: it is not split over pages, and a header row is repeated."""
    header = element("w:tblHeader") if head else None
    return element("w:trPr", None, element("w:cantSplit"), header)


def _cell(width: int, *paragraphs: Any, foot: bool = False) -> Any:
    looks = [element("w:tcW", {"w:w": width, "w:type": "dxa"})]
    looks += [element("w:vAlign", {"w:val": "bottom"})] if foot else []
    return element("w:tc", None, element("w:tcPr", None, *looks), *paragraphs)


def _place(grid: Grid, place: Place, column: Column, style: str) -> list[Any]:
    side = _side(column)
    told = run(one_line(grid.shown(place)), "strong" if place.strong else "plain", place.tone)
    lines = [paragraph(style, told, align=side)]
    if place.detail:
        lines.append(paragraph("TableDetail", run(one_line(place.detail)), align=side))
    return lines


def _side(column: Column) -> str:
    return "" if column.align == "left" else column.align
