"""Capacity: the highest load shown to be kept, and the lowest shown not to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchbench.reports.evidence import named
from benchbench.reports.figures import alt
from benchbench.reports.figures.rows import numbered
from benchbench.reports.figures.sheet import Page, Plate, Sheet
from benchbench.reports.figures.style import BOTTOM, INK, LEFT, MUTED, TOP, WIDTH
from benchbench.reports.grouping import finite
from benchbench.reports.load import asked, bound
from benchbench.view import CellView

MOST_ROWS = 9
_NOTE = (
    "Filled: highest level shown to be kept; hollow: lowest shown not to (at 99 %). Ticks: other "
    "levels tried."
)


@dataclass(frozen=True, slots=True)
class Bracket:
    """Where the capacity of one cell lies, in queries a second or cameras."""

    cell: CellView
    asked: str
    unit: str
    met: float | None
    missed: float | None
    tried: tuple[float, ...]

    @property
    def text(self) -> str:
        """Return ``84 met, 96 missed``."""
        told = [f"{self.met:.4g} met"] if self.met is not None else ["none met"]
        told += [f"{self.missed:.4g} missed"] if self.missed is not None else ["none missed"]
        return ", ".join(told)


def capacities(sheet: Sheet) -> Iterator[Plate]:
    """Yield the pages of the cells whose capacity was sought: server, then cameras."""
    for name, found in (
        ("Server capacity", servers(sheet.group.cells)),
        ("Cameras at once", cameras(sheet.group.cells)),
    ):
        pages = [found[at : at + MOST_ROWS] for at in range(0, len(found), MOST_ROWS)]
        for index, rows in enumerate(pages, 1):
            title = numbered(name, index, len(pages))
            told = alt.capacity(
                [(f"{named(b.cell)}, {b.asked}", f"{b.text}, {b.unit}") for b in rows]
            )
            draw = partial(_page, sheet, title, rows, _reach(found))
            yield Plate("capacity", title, _NOTE, told, draw, tuple(b.cell for b in rows))


def servers(cells: Sequence[CellView]) -> list[Bracket]:
    """Return the brackets of the server scenario."""
    return [
        Bracket(cell, bound(view), "queries/s", finite(view.highest_met_qps),
                finite(view.lowest_missed_qps), tuple(p.level for p in view.probes))
        for cell in cells
        for view in cell.server
    ]  # fmt: skip


def cameras(cells: Sequence[CellView]) -> list[Bracket]:
    """Return the brackets of the cameras scenario."""
    return [
        Bracket(cell, asked(view), "cameras", view.highest_met, view.lowest_missed,
                tuple(p.level for p in view.probes))
        for cell in cells
        for view in cell.cameras
    ]  # fmt: skip


def _reach(found: Sequence[Bracket]) -> float:
    known = [v for b in found for v in (b.met, b.missed, *b.tried) if v is not None]
    return max(known, default=1.0) * 1.1 or 1.0


def _page(sheet: Sheet, title: str, rows: Sequence[Bracket], reach: float) -> Any:
    page = sheet.page(title, _NOTE)
    sheet.legend(page, [row.cell for row in rows])
    pitch = min(40.0, (TOP - BOTTOM) / len(rows))
    axes = page.axes(178, TOP - pitch * len(rows), WIDTH - 112, TOP)
    axes.set(ylim=(len(rows), 0), yticks=[], xlim=(0, reach))
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel(rows[0].unit)
    for at, row in enumerate(rows):
        _row(axes, at + 0.5, row, sheet.shade(row.cell))
        _names(sheet, page, row, TOP - pitch * (at + 0.5))
    return page.figure


def _row(axes: Any, y: float, row: Bracket, shade: str) -> None:
    ends = [value for value in (row.met, row.missed) if value is not None]
    axes.plot(ends, [y] * len(ends), color=shade, lw=1.0, zorder=2)
    axes.scatter(row.tried, [y] * len(row.tried), s=5, marker="|", color=MUTED, zorder=2)
    for value, face in ((row.met, shade), (row.missed, "white")):
        if value is not None:
            axes.scatter([value], [y], s=26, facecolor=face, edgecolor=shade, zorder=3)


def _names(sheet: Sheet, page: Page, row: Bracket, y: float) -> None:
    page.write(LEFT, y + 1.5, sheet.hand.fit(named(row.cell), 7, 160), size=7)
    page.write(LEFT, y - 7, sheet.hand.fit(row.asked, 6, 160), size=6, color=MUTED)
    text = sheet.hand.fit(row.text, 6.5, 100)
    page.write(WIDTH - 106, y, text, size=6.5, va="center_baseline", color=INK)
