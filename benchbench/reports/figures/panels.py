"""Panels side by side, and the legend above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from benchbench.reports.figures.sheet import Page, Sheet
from benchbench.reports.figures.style import BOTTOM, HEIGHT, LEFT, SHADES, TOP, WIDTH
from benchbench.reports.pareto import SHAPES

ACROSS = 3
"""Panels on one page."""
_STYLES: tuple[Any, ...] = ("-", (0, (4, 1.8)), (0, (1.2, 1.4)), (0, (5, 1.4, 1.2, 1.4)))
Some = TypeVar("Some")


@dataclass(frozen=True, slots=True)
class Pen:
    """Colour and line style of a line, and what it stands for."""

    name: str
    shade: str
    style: Any


def pen(name: str, colour: int, dash: int) -> Pen:
    """Return how the line number *colour* of dash number *dash* is drawn."""
    return Pen(name, SHADES[min(colour, len(SHADES) - 1)], _STYLES[dash % len(_STYLES)])


def dash_of(precision: str) -> int:
    """Return the dash number of a precision, as in the HTML page."""
    return list(SHAPES).index(precision)


def batches(items: Sequence[Some], size: int = ACROSS) -> Iterator[Sequence[Some]]:
    """Yield *items* in runs of *size*."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def panel_axes(page: Page, at: int, count: int) -> Any:
    """Return the axes of panel number *at* of *count* on a page."""
    count = max(count, 2)  # a panel alone is not drawn as wide as a page
    wide = (WIDTH - 2 * LEFT) / count
    left = LEFT + at * wide
    axes = page.axes(left + 34, BOTTOM, left + wide - 8, TOP - 22)
    axes.grid(visible=True)
    return axes


def legend(sheet: Sheet, page: Page, pens: Sequence[Pen]) -> None:
    """Write the names of *pens* in two rows under the heading."""
    from matplotlib.lines import Line2D

    unique = list(dict.fromkeys(pens))[:8]
    columns = 2 if len(unique) <= 4 else 4
    room = (WIDTH - 2 * LEFT) / columns - 26
    page.figure.legend(
        [Line2D([], [], color=p.shade, linestyle=p.style, lw=1.2) for p in unique],
        [sheet.hand.fit(p.name, 6.5, room) for p in unique],
        loc="upper left", bbox_to_anchor=(LEFT / WIDTH, 234 / HEIGHT), ncols=columns, frameon=False,
        fontsize=6.5, borderpad=0, borderaxespad=0, handlelength=2.2, columnspacing=1.2,
        labelspacing=0.25,
    )  # fmt: skip
