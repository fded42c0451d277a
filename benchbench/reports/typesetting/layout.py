"""How a table fits a page: the widths of its columns, the size of its text, and turned pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Literal

from benchbench.reports.document.model import Grid, Line
from benchbench.reports.typesetting.words import BOLD, HEAD, bound, need, width

Paper = Literal["a4", "us-letter"]
PAPERS: Mapping[Paper, tuple[float, float]] = {"a4": (595.28, 841.89), "us-letter": (612.0, 792.0)}
"""Width and height in points."""
MARGIN = 56.0
"""Left and right, points."""
INSET = 3.0
"""Beside the text of a place, points."""
SMALLER = 0.85
"""Size of a second line, as a share of the first."""
_SIZES, _LEAST = (8.5, 7.5, 7.0), 6.0
_WORD, _LINE = 16.0, 36.0
"""The widest word that is not broken, and the longest line that a column is widened for; ems."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A table on a page."""

    widths: tuple[float, ...]
    """Of the columns, that of names first; points. Together they are the page's width."""
    size: float
    """Of its text, points."""
    turned: bool
    """Whether it stands on pages in landscape."""

    def room(self, at: int) -> float:
        """Return how many ems fit into a line of a column."""
        return (self.widths[at] - 2 * INSET) / (BOLD * self.size)

    def rows(self, grid: Grid) -> list[float]:
        """Return about how high each row of *grid* is, points; the head is the first."""
        heads = [(grid.first, ""), *((column.title, "") for column in grid.columns)]
        rows = [heads, *map(partial(_row, grid), grid.lines)]
        return [max(self._high(at, *two) for at, two in enumerate(row)) + 6.4 for row in rows]

    def _high(self, at: int, words: str, detail: str) -> float:
        room = max(self.widths[at] - 2 * INSET, 1.0)
        lines = max(ceil(1.1 * width(words) * self.size / room), 1)
        small = ceil(1.1 * width(detail) * self.size * SMALLER / room)
        return (lines + small * SMALLER) * self.size * 1.2

    def high(self, grid: Grid) -> float:
        """Return about how high *grid* is with its caption and what stands under it, points."""
        beside = (grid.caption, *grid.foot)
        room = sum(self.widths)
        return sum(self.rows(grid)) + sum(12.0 * (1 + width(one) * 8.5 // room) for one in beside)


def fit(grid: Grid, paper: Paper) -> Fit:
    """Return the largest text at which no word is broken, on an upright page if there is one."""
    columns = list(_columns(grid))
    needs = [max(need(one, _WORD) for one in texts) for texts in columns]
    wants = [max(min(width(one), _LINE) for one in texts) for texts in columns]
    weights = [1.9, *(column.weight for column in grid.columns)]
    upright, across = (side - 2 * MARGIN for side in PAPERS[paper])
    for room, size in ((room, size) for room in (upright, across) for size in _SIZES):
        if _points(needs, size) <= room:
            return Fit(_shared(needs, wants, weights, (room, size)), size, room == across)
    return Fit(_squeezed(needs, across), _LEAST, turned=True)


def _row(grid: Grid, line: Line) -> list[tuple[str, str]]:
    return [(line.name, line.detail), *((grid.shown(one), one.detail) for one in line.places)]


def _columns(grid: Grid) -> Iterator[tuple[str, ...]]:
    """Yield the texts of each column, that of names first; second lines as long as they look."""
    rows = [_row(grid, line) for line in grid.lines]
    for at, head in enumerate((grid.first, *(column.title for column in grid.columns))):
        texts = (text for row in rows for text in (row[at][0], _small(row[at][1])))
        yield (bound(head, HEAD), *map(bound, texts))


def _small(words: str) -> str:
    return words[: round(len(words) * SMALLER)]


def _points(needs: Sequence[float], size: float) -> float:
    return sum(ems * size + 2 * INSET for ems in needs)


def _shared(
    needs: Sequence[float],
    wants: Sequence[float],
    weights: Sequence[float],
    on: tuple[float, float],
) -> tuple[float, ...]:
    """Return widths that hold each longest word and share what is left by what lines would take."""
    room, size = on
    left = room - _points(needs, size)
    more = [max(w - n, 0.0) * k for n, w, k in zip(needs, wants, weights, strict=True)]
    even = sum(more) <= 0
    shares = [weight / sum(weights) if even else one / sum(more)
              for one, weight in zip(more, weights, strict=True)]  # fmt: skip
    return tuple(n * size + 2 * INSET + left * s for n, s in zip(needs, shares, strict=True))


def _squeezed(needs: Sequence[float], room: float) -> tuple[float, ...]:
    """Return widths where not even single words fit: each its share, none without room."""
    least = min(room / len(needs), 2 * INSET + 3 * _LEAST)
    over = [max(ems * _LEAST + 2 * INSET - least, 0.0) for ems in needs]
    left = room - least * len(needs)
    whole = sum(over) or 1.0
    return tuple(least + left * one / whole for one in over)
