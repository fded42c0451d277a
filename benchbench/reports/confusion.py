"""Confusion matrices: as heat maps where they can be read, else the pairs confused most often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.reports.evidence import placed
from benchbench.reports.grouping import finite
from benchbench.reports.wording import short
from benchbench.types import Matrix
from benchbench.view import CellView

MOST_CLASSES = 30
"""Rows and columns of a heat map; of larger matrices the pairs are listed."""
MOST_PAIRS = 20
MOST_SQUARES = 4000
"""Squares of all heat maps of a page together."""
MOST_LISTS = 20
"""Lists of pairs on a page."""


@dataclass(frozen=True, slots=True)
class Square:
    """One entry: its number, and its share of the row (None in an empty row)."""

    count: float
    share: float | None
    hit: bool
    """True on the diagonal: row and column have the same name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its sum."""

    name: str
    total: float
    squares: tuple[Square, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes of which one is taken for the other."""

    row: str
    column: str
    count: float
    share: float | None
    """Of the row."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A matrix of a cell; ``rows`` or ``pairs`` is empty."""

    cell: CellView
    title: str
    """Of the cell, with its dataset where there are several, and of the matrix."""
    matrix: Matrix
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    more: int
    """How many confused pairs are left out."""

    @property
    def size(self) -> int:
        """Number of squares."""
        return sum(len(row.squares) for row in self.rows)


def drawn(cells: Iterable[CellView]) -> tuple[tuple[Drawn, ...], int]:
    """Return the matrices that a page holds, in order, and how many it leaves out."""
    own = [cell for cell in cells if cell.matrices]
    found = [
        _drawn(cell, f"{placed(cell, own)} · {title(name)}", matrix)
        for cell in own
        for name, matrix in cell.matrices.items()
    ]
    kept: list[Drawn] = []
    for one in found:
        room = MOST_SQUARES - sum(other.size for other in kept)
        lists = sum(not other.rows for other in kept)
        if one.size <= room if one.rows else lists < MOST_LISTS:
            kept.append(one)
    return tuple(kept), len(found) - len(kept)


def _drawn(cell: CellView, name: str, matrix: Matrix) -> Drawn:
    rows = read(matrix)
    if max(len(matrix.rows), len(matrix.columns)) <= MOST_CLASSES:
        return Drawn(cell, name, matrix, rows, (), 0)
    pairs = confused(matrix, rows)
    return Drawn(cell, name, matrix, (), pairs[:MOST_PAIRS], max(len(pairs) - MOST_PAIRS, 0))


def read(matrix: Matrix) -> tuple[Row, ...]:
    """Return the rows of *matrix* with shares; what is not finite counts as nothing."""
    return tuple(
        _row(name, matrix.columns, [finite(value) or 0.0 for value in values])
        for name, values in zip(matrix.rows, matrix.values, strict=False)
    )


def _row(name: str, columns: Sequence[str], values: Sequence[float]) -> Row:
    total = sum(values)
    return Row(
        name,
        total,
        tuple(
            Square(value, value / total if total > 0 else None, name == column)
            for column, value in zip(columns, values, strict=False)
        ),
    )


def confused(matrix: Matrix, rows: Sequence[Row]) -> tuple[Pair, ...]:
    """Return pairs off the diagonal that occur, the most frequent first."""
    found = [
        Pair(row.name, column, square.count, square.share)
        for row in rows
        for column, square in zip(matrix.columns, row.squares, strict=False)
        if not square.hit and square.count > 0
    ]
    return tuple(sorted(found, key=lambda pair: -pair.count))


def title(name: str) -> str:
    """Return a matrix's name in words."""
    return short(name, 60).replace("_", " ")


def count(value: float) -> str:
    """Return a number of objects or pixels, short enough for a square: ``1,312``, ``4.1 M``."""
    for unit, scale in (("G", 1e9), ("M", 1e6)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def share(value: float) -> str:
    """Return a share in whole per cent; nothing is a dot.

    What is neither nothing nor all never rounds to it: ``<1``, ``>99``.
    """
    if value == 0:
        return "·"
    if value < 0.01:
        return "<1"
    return ">99" if 0.99 < value < 1 else f"{value * 100:.0f}"
