"""Curves: precision over recall, ROC, reliability and any other that a metric gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from benchbench.reports import curves
from benchbench.reports.evidence import signs
from benchbench.reports.figures import alt
from benchbench.reports.figures.panels import Pen, batches, dash_of, legend, panel_axes, pen
from benchbench.reports.figures.sheet import Plate, Sheet
from benchbench.reports.figures.style import INK, MUTED
from benchbench.reports.grouping import variant
from benchbench.view import CellView


def curve_pages(sheet: Sheet) -> Iterator[Plate]:
    """Yield a page for every three curves of a model."""
    found = sorted(curves.panels([sheet.group]), key=lambda panel: panel.model)
    for model, own in groupby(found[: curves.MOST_PANELS], key=lambda panel: panel.model):
        for panels in batches(list(own)):
            title, note = f"Curves · {model}", _note(panels)
            draw = partial(_page, sheet, (title, note), panels)
            yield Plate("curves", title, note, alt.curves(panels), draw)


def _note(panels: Sequence[curves.Panel]) -> str:
    note = "A gap is where the function is not defined."
    told = {panel.diagonal for panel in panels if panel.diagonal}
    note += f" Dotted: {', '.join(sorted(told))}." if told else ""
    more = max(panel.more for panel in panels)
    return note + (f" Not drawn: {more:,} more cells." if more else "")


def _page(sheet: Sheet, heads: tuple[str, str], panels: Sequence[curves.Panel]) -> Any:
    page = sheet.page(sheet.hand.fit(heads[0], 9.5, 200), heads[1])
    pens: list[Pen] = []
    for at, panel in enumerate(panels):
        axes = panel_axes(page, at, len(panels))
        room = 95 if len(panels) > 2 else 160
        axes.set_title(sheet.hand.fit(curves.title(panel.name), 8, room), size=8, color=INK)
        pens += _draw(sheet, axes, panel, room)
    legend(sheet, page, pens)
    return page.figure


def _draw(sheet: Sheet, axes: Any, panel: curves.Panel, room: float) -> list[Pen]:
    x, y = curves.spans([curve for _, curve in panel.lines])
    axes.set(xlim=x, ylim=y)
    axes.set_xlabel(sheet.hand.fit(panel.x_name, 7, room), size=7)
    axes.set_ylabel(sheet.hand.fit(panel.y_name, 7, 120), size=7)
    axes.tick_params(labelsize=6.5)
    if panel.diagonal and (*x, *y) == (0, 1, 0, 1):
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.7, linestyle=(0, (1, 2)))
    pens = []
    for cell, curve in panel.lines:
        pens.append(drawn := _pen(sheet, cell))
        marker = "o" if len(curve.x) <= curves.DOTTED else ""
        for points in curves.runs(curve):
            axes.plot(*zip(*points, strict=True), color=drawn.shade, linestyle=drawn.style, lw=1.0,
                      marker=marker, markersize=2)  # fmt: skip
    return pens


def _pen(sheet: Sheet, cell: CellView) -> Pen:
    name = f"{variant(cell)} {signs(cell)}".rstrip()
    return pen(name, sheet.runtimes.index(cell.runtime), dash_of(cell.precision))
