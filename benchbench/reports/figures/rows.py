"""Pages that hold one row a cell: split over pages, named down the left side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.reports.evidence import signs
from benchbench.reports.figures.sheet import Page, Sheet
from benchbench.reports.figures.style import BOTTOM, INK, LEFT, MUTED, TOP
from benchbench.reports.grouping import variant
from benchbench.reports.wording import short
from benchbench.view import CellView

MOST_LINES = 15
"""Rows and model names on one page; longer lists go on over further pages."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: a model's name, or one of its cells."""

    text: str
    cell: CellView | None = None


def row_pages(cells: Sequence[CellView]) -> tuple[tuple[Row, ...], ...]:
    """Split *cells* into pages of at most MOST_LINES rows, each cell under its model's name."""
    pages: list[list[Row]] = [[]]
    for cell in sorted(cells, key=_model_order(cells)):
        page = pages[-1]
        named = [row.cell.model for row in page if row.cell]
        fresh = not named or named[-1] != cell.model
        if len(page) + 1 + fresh > MOST_LINES:
            pages.append(page := [])
            fresh = True
        page += [Row(cell.model)] * fresh + [Row(variant(cell), cell)]
    return tuple(tuple(page) for page in pages if page)


def _model_order(cells: Sequence[CellView]) -> Callable[[CellView], int]:
    order = {name: at for at, name in enumerate(dict.fromkeys(cell.model for cell in cells))}
    return lambda cell: order[cell.model]


def pitch_of(lines: int) -> float:
    """Return the distance of rows in points; the heading of the columns takes 8 pt."""
    return min(20.0, (TOP - 8 - BOTTOM) / lines)


def names_of(sheet: Sheet, page: Page, rows: Sequence[Row], room: float) -> None:
    """Write the rows' names down the left side."""
    pitch = pitch_of(len(rows))
    size = min(8.0, pitch * 0.72)
    for index, row in enumerate(rows):
        y = TOP - 8 - pitch * (index + 0.5)
        indent = 8.0 if row.cell else 0.0
        text = sheet.hand.fit(_told(row), size, room - indent)
        page.write(LEFT + indent, y, text, size=size, va="center_baseline",
                   color=MUTED if row.cell else INK)  # fmt: skip


def _told(row: Row) -> str:
    place = row.cell.placement if row.cell else None
    if row.cell is None:
        return row.text
    told = f"{row.text} {signs(row.cell)}".rstrip()
    if place is None or place.precision == row.cell.precision:
        return told
    return f"{told} (ran {short(place.precision, 12)})"


def row_axes(page: Page, rows: Sequence[Row], left: float, right: float) -> Any:
    """Return axes whose vertical unit is one row, counted from the top."""
    axes = page.axes(left, TOP - 8 - pitch_of(len(rows)) * len(rows), right, TOP - 8)
    axes.set_ylim(len(rows), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    return axes


def numbered(title: str, index: int, count: int) -> str:
    """Return *title* with its number where it has several pages."""
    return title if count == 1 else f"{title} ({index} of {count})"
