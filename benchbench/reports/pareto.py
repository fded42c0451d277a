"""The trade-off plot: its scales, its marks, and where the names of its points stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchbench.reports.drawing import LogScale
from benchbench.reports.evidence import signs
from benchbench.reports.grouping import accuracy, median_ms, variant
from benchbench.reports.wording import short
from benchbench.view import CellView

SHAPES = {
    "fp32": "circle",
    "tf32": "cross",
    "bf16": "triangle-up",
    "fp16": "square",
    "fp8": "triangle-right",
    "int8": "diamond",
    "int8-dynamic": "triangle-down",
    "given": "triangle-left",
}
COLOURS = 8
"""The style sheet names so many colours, ``--s0`` …; further runtimes share the last."""
_TILE = 64
"""Boxes are sought by squares of so many pixels, so that a thousand of them stay quick."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The plotting area in pixels, and its scales."""

    width: int
    height: int
    x: LogScale
    y_low: float
    y_high: float

    def place(self, cell: CellView) -> tuple[float, float]:
        """Return the pixel of *cell*, from the upper left corner."""
        x = self.x.at(median_ms(cell) or self.x.low) * self.width / 100
        share = ((accuracy(cell) or 0.0) - self.y_low) / (self.y_high - self.y_low)
        return x, self.height * (1 - share)


def colour(runtime: str, runtimes: Sequence[str]) -> str:
    """Return the CSS variable of a runtime, by its place in *runtimes*."""
    return f"var(--s{min(runtimes.index(runtime), COLOURS - 1)})"


def labels(
    cells: Sequence[CellView], best: Sequence[CellView], frame: Frame
) -> Iterator[tuple[CellView, float, float, str, bool]]:
    """Place direct labels where they overlap neither a point nor one another, the front's first.

    Yields cell, x (ms) and y (fraction) of the label's left middle, text, and whether the cell is
    on the front. After the front come rows that carry a sign. A label that fits nowhere is left
    out: the table names every cell.
    """
    taken = Taken(_box(*frame.place(cell), 20 if signs(cell) else 12) for cell in cells)
    for step in _steps([frame.place(cell) for cell in best], frame.width):
        taken.add(step)
    on_front = {cell.id for cell in best}
    rest = sorted((cell for cell in cells if cell.id not in on_front), key=lambda c: not signs(c))
    order = [*best, *rest]
    one_model = len({cell.model for cell in cells}) == 1
    for cell in order:
        strong = cell.id in on_front
        texts = [_label(cell, full=False, one_model=one_model)]
        if frame.width >= 500:
            texts.insert(0, _label(cell, full=True))
        found = _placed(cell, texts, frame, taken, 7.0 if strong else 6.2)
        if found is None:
            continue
        text, box = found
        taken.add(box)
        left, middle = box[0], (box[1] + box[3]) / 2
        ms = frame.x.low * (frame.x.high / frame.x.low) ** (left / frame.width)
        share = 1 - middle / frame.height
        yield cell, ms, frame.y_low + share * (frame.y_high - frame.y_low), text, strong


def _placed(
    cell: CellView, texts: Iterable[str], frame: Frame, taken: Taken, letter: float
) -> tuple[str, Box] | None:
    """Return the first of *texts* that has room beside a cell's point, and where; None of none.

    *letter*: the width of one.
    """
    gap = 14 if signs(cell) else 10
    for text in texts:
        box = _free(frame, frame.place(cell), len(text) * letter, taken, gap=gap)
        if box is not None:
            return text, box
    return None


def _label(cell: CellView, *, full: bool, one_model: bool = False) -> str:
    """Return a cell's name; if not *full*, without what the colour or the rest of the plot says."""
    model, told = short(cell.model, 24), short(variant(cell), 30)
    brief = told if one_model else f"{model} · {cell.precision}"
    name = f"{model} · {told}" if full else brief
    ran = cell.placement.precision if cell.placement else cell.precision
    mark = f" {signs(cell)}" if signs(cell) else ""
    return name + mark + ("" if ran == cell.precision else f" (ran {short(ran, 12)})")


Box = tuple[float, float, float, float]


class Taken:
    """Boxes that a label must keep off."""

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self._tiles: dict[tuple[int, int], list[Box]] = {}
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Keep *box*."""
        for tile in _tiles(box):
            self._tiles.setdefault(tile, []).append(box)

    def meets(self, box: Box) -> bool:
        """Return whether *box* overlaps one that was kept."""
        return any(
            _overlap(box, other) for tile in _tiles(box) for other in self._tiles.get(tile, ())
        )


def _tiles(box: Box) -> Iterator[tuple[int, int]]:
    left, top, right, bottom = (math.floor(edge / _TILE) for edge in box)
    for column in range(left, right + 1):
        for line in range(top, bottom + 1):
            yield column, line


def _box(x: float, y: float, size: float) -> Box:
    return x - size / 2, y - size / 2, x + size / 2, y + size / 2


def _steps(corners: Sequence[tuple[float, float]], width: float) -> list[Box]:
    """Return thin boxes along the front's line, for labels to keep off."""
    made = []
    for (x, y), (next_x, next_y) in pairwise([*corners, *((width, y) for _, y in corners[-1:])]):
        made += [(x, y - 2, next_x, y + 2), (next_x - 2, next_y, next_x + 2, y)]
    return made


def _free(
    frame: Frame, point: tuple[float, float], width: float, taken: Taken, *, gap: int
) -> Box | None:
    x, y = point
    across = ((gap, 0), (-gap - width, 0), (8, -13), (8, 13), (-8 - width, -13), (-8 - width, 13))
    around = ((-width / 2, -17), (-width / 2, 17), (6, -26), (6, 26), (-6 - width, -26))
    for dx, dy in (*across, *around):
        box = (x + dx, y + dy - 7, x + dx + width, y + dy + 7)
        inside = box[0] >= 2 and box[2] <= frame.width and box[1] >= 0 and box[3] <= frame.height
        if inside and not taken.meets(box):
            return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
