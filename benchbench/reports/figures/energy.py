"""Energy an image: gross and net of idle, with the intervals of the trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.energy_view import EnergyFigure, EnergyView
from benchbench.reports.energy import scope
from benchbench.reports.evidence import named
from benchbench.reports.figures import alt
from benchbench.reports.figures.ends import both
from benchbench.reports.figures.rows import numbered
from benchbench.reports.figures.sheet import Page, Plate, Sheet
from benchbench.reports.figures.style import BOTTOM, INK, LEFT, MUTED, TOP, WIDTH
from benchbench.reports.grouping import finite
from benchbench.reports.wording import significant
from benchbench.view import CellView

MOST_ROWS = 9
"""Figures on one page; each takes two lines of text."""
Seat = tuple[CellView, int]
"""A cell, and the number of one of its figures of energy."""
_NOTE = (
    "Bar: gross; mark: net of idle. Whiskers: 95 % interval over trials. Figures of different "
    "scopes do not compare."
)


def energies(sheet: Sheet) -> Iterator[Plate]:
    """Yield the pages of the cells whose energy was measured, least first within a scope."""
    found = measured(sheet.group.cells)
    pages = [found[at : at + MOST_ROWS] for at in range(0, len(found), MOST_ROWS)]
    for index, seats in enumerate(pages, 1):
        title = numbered("Energy an image", index, len(pages))
        draw = partial(_page, sheet, title, seats, _widest(found))
        cells = tuple(cell for cell, _ in seats)
        yield Plate("energy", title, _NOTE, alt.energy(seats), draw, cells)


def measured(cells: Sequence[CellView]) -> list[Seat]:
    """Return what has a gross figure, by meter and scope, least first."""
    found = [
        (cell, at)
        for cell in cells
        for at, view in enumerate(cell.energy)
        if finite(view.gross_j_per_image.value) is not None
    ]
    return sorted(found, key=_order)


def _order(seat: Seat) -> tuple[str, str, float]:
    view = _view(seat)
    return view.meter, view.scope or "", view.gross_j_per_image.value or 0.0


def _view(seat: Seat) -> EnergyView:
    return seat[0].energy[seat[1]]


def _widest(found: Sequence[Seat]) -> float:
    gross = [_view(seat).gross_j_per_image for seat in found]
    return max(v for one in gross for v in (one.value or 0.0, finite(one.high) or 0.0)) * 1.18


def _page(sheet: Sheet, title: str, seats: Sequence[Seat], widest: float) -> Any:
    page = sheet.page(title, _NOTE)
    sheet.legend(page, [cell for cell, _ in seats])
    pitch = min(40.0, (TOP - BOTTOM) / len(seats))
    axes = page.axes(172, TOP - pitch * len(seats), WIDTH - 60, TOP)
    axes.set(ylim=(len(seats), 0), yticks=[], xlim=(0, widest or 1.0))
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("J an image")
    for at, seat in enumerate(seats):
        _names(sheet, page, seat, TOP - pitch * (at + 0.5))
        view, shade = _view(seat), sheet.shade(seat[0])
        gross = view.gross_j_per_image
        axes.barh([at + 0.5], [gross.value], height=0.42, color=shade, alpha=0.45)
        _whisker(axes, at + 0.42, gross, shade)
        net = finite(view.net_j_per_image.value)
        if net is not None:
            axes.scatter([net], [at + 0.58], s=14, marker="D", color=shade, zorder=3)
            _whisker(axes, at + 0.58, view.net_j_per_image, shade)
        page.write(WIDTH - 54, TOP - pitch * (at + 0.5), f"{significant(gross.value)} J", size=7,
                   va="center_baseline", color=INK)  # fmt: skip
    return page.figure


def _names(sheet: Sheet, page: Page, seat: Seat, y: float) -> None:
    page.write(LEFT, y + 1.5, sheet.hand.fit(named(seat[0]), 7, 154), size=7)
    page.write(LEFT, y - 7, sheet.hand.fit(scope(_view(seat)), 6, 154), size=6, color=MUTED)


def _whisker(axes: Any, y: float, figure: EnergyFigure, shade: str) -> None:
    if ends := both(figure.low, figure.high):
        axes.plot(ends, [y, y], color=shade, lw=1.2, solid_capstyle="butt", zorder=4)
