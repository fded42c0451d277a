"""A table on a slide: the rows that fit, the best first, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchbench.reports.document.model import Column, Grid, Line, Place, Span
from benchbench.reports.office import fit
from benchbench.reports.office.common import MUTED, TONES, library, one_line
from benchbench.reports.office.deck import (
    LEFT,
    TALL,
    TOP,
    WIDE,
    Deck,
    box,
    described,
    inches,
    write,
)

MOST_COLUMNS = 7
"""Beside the names."""
FIRST = 1.9
SIZES = (14.0, 12.0, 11.0)
"""Points of the type: the first at which all rows fit, else the last."""
FOOT = 10.0
_SMALLER = 2.0
"""Points that second lines are smaller."""
_MOST_LINES = 3
_MOST_REASONS = 3
_MARGIN_IN = 0.05
_PAD = 8.0
"""Points above and below the text of a row together."""
_FOOT_IN = 0.8
"""Height of the lines under the table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table's rows in one size of type."""

    grid: Grid
    size: float

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns, that of the names first."""
        return (Column(self.grid.first, "left", FIRST), *self.grid.columns)

    @property
    def shares(self) -> list[float]:
        """Return the inches of the columns by their weights."""
        whole = sum(column.weight for column in self.columns)
        return [WIDE * column.weight / whole for column in self.columns]

    def height(self, places: Sequence[Place]) -> float:
        """Return the points of height of a row."""
        found = zip(places, self.shares, strict=True)
        return max(self._place(place, wide) for place, wide in found) * fit.LINE + _PAD

    def _place(self, place: Place, wide: float) -> float:
        own = _lines(self.grid.shown(place), self.size, wide)
        small = self.size - _SMALLER
        return own + (_lines(place.detail, small, wide) if place.detail else 0.0)

    @property
    def head(self) -> tuple[Place, ...]:
        """Return the row of heads."""
        return tuple(Place(one_line(column.title), strong=True) for column in self.columns)

    @property
    def heights(self) -> list[float]:
        """Return the points of height of each row, that of the heads first."""
        return [self.height(row) for row in (self.head, *map(places, self.grid.lines))]


def slide(deck: Deck, title: str, grid: Grid, notes: Sequence[str] = ()) -> None:
    """Add a slide with as many rows of *grid* as it has room for."""
    left_out = [column.title for column in grid.columns[MOST_COLUMNS:]]
    layout = fitted(grid)
    told = [f"Table: {grid.caption}", *notes, *grid.foot]
    told += [f"Columns in the document alone: {', '.join(left_out)}"] if left_out else []
    made = deck.slide(title, told)
    _table(made, layout)
    _foot(made, layout)


def fitted(grid: Grid) -> Layout:
    """Return *grid* in the largest type at which all its rows fit; else with those that fit."""
    lines = tuple(replace(line, places=line.places[:MOST_COLUMNS]) for line in grid.lines)
    narrow = replace(grid, columns=grid.columns[:MOST_COLUMNS], lines=lines)
    for size in SIZES:
        layout = Layout(narrow, size)
        if sum(layout.heights) <= _room():
            return layout
    return _short(layout)


def _room() -> float:
    return (TALL - _FOOT_IN) * 72


def _short(layout: Layout) -> Layout:
    """Return *layout* with the rows that fit: those in bold before the others, in their order."""
    grid, (head, *heights) = layout.grid, layout.heights
    room, kept = _room() - head, []
    for at in sorted(range(len(heights)), key=lambda at: not _strong(grid.lines[at])):
        room -= heights[at]
        if room < 0:
            break
        kept.append(at)
    lines = tuple(grid.lines[at] for at in sorted(kept))
    more = grid.more + len(grid.lines) - len(lines)
    return replace(layout, grid=replace(grid, lines=lines, more=more))


def _strong(line: Line) -> bool:
    return any(place.strong for place in line.places)


def _lines(words: str, size: float, wide: float) -> float:
    """Return the points of *words* in a column of *wide* inches, cut as they are printed."""
    return min(len(fit.lines(one_line(words), size, _across(wide))), _MOST_LINES) * size


def _across(wide: float) -> float:
    return (wide - 2 * _MARGIN_IN) * 72


def places(line: Line) -> tuple[Place, ...]:
    """Return the row of *line*, its name first."""
    return (Place(line.name, detail=line.detail, tone=line.tone), *line.places)


def _table(slide_: Any, layout: Layout) -> None:
    heights, grid = layout.heights, layout.grid
    frame = slide_.shapes.add_table(
        len(heights), len(layout.columns), inches(LEFT), inches(TOP), inches(WIDE),
        inches(sum(heights) / 72),
    )  # fmt: skip
    described(frame, f"Table: {grid.caption}")
    made = frame.table
    for column, wide in zip(made.columns, layout.shares, strict=True):
        column.width = inches(wide)
    for row, tall in zip(made.rows, heights, strict=True):
        row.height = inches(tall / 72)
    _row(made.rows[0], layout, layout.head, "FFFFFF")
    for row, line in zip(list(made.rows)[1:], grid.lines, strict=True):
        _row(row, layout, places(line))


def _row(row: Any, layout: Layout, told: Sequence[Place], colour: str = "") -> None:
    found = zip(row.cells, told, layout.columns, layout.shares, strict=True)
    sides = library("pptx.enum.text", "python-pptx").PP_ALIGN
    for cell, place, column, wide in found:
        shown = replace(place, text=layout.grid.shown(place))
        cell.margin_left = cell.margin_right = inches(_MARGIN_IN)
        cell.margin_top = cell.margin_bottom = inches(_PAD / 2 / 72)
        _cell(cell.text_frame, shown, layout.size, wide, colour or TONES[place.tone])
        for line in cell.text_frame.paragraphs:
            line.alignment = getattr(sides, column.align.upper())


def _cell(frame: Any, place: Place, size: float, wide: float, colour: str) -> None:
    words = fit.trimmed(one_line(place.text), size, _across(wide), _MOST_LINES)
    write(frame.paragraphs[0], (Span(words, "strong" if place.strong else "plain"),), size, colour)
    if place.detail:
        small = size - _SMALLER
        words = fit.trimmed(one_line(place.detail), small, _across(wide), _MOST_LINES)
        write(frame.add_paragraph(), (Span(words),), small, MUTED)


def _foot(slide_: Any, layout: Layout) -> None:
    grid = layout.grid
    reasons, rest = grid.foot[: len(grid.notes)], grid.foot[len(grid.notes) :]
    told = [*reasons[:_MOST_REASONS], *rest]
    if len(reasons) > _MOST_REASONS:
        told[_MOST_REASONS:] = ["; ".join(("further reasons in the notes", *rest))]
    if not told:
        return
    top = TOP + sum(layout.heights) / 72 + 0.05
    frame = box(slide_, (LEFT, top, WIDE, _FOOT_IN - 0.05), "Notes of the table")
    frame.margin_top = frame.margin_bottom = 0
    for at, words in enumerate(told):
        line = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        cut = fit.trimmed(one_line(words), FOOT, (WIDE - 0.2) * 72, 1)
        write(line, (Span(cut),), FOOT, MUTED)
