"""Accuracy against latency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.reports import pareto
from benchbench.reports.drawing import LogScale, scale_of
from benchbench.reports.evidence import COMPILED, signs
from benchbench.reports.figures import alt
from benchbench.reports.figures.ends import accuracy_span, median_span
from benchbench.reports.figures.sheet import (
    RINGED,
    Key,
    Page,
    Plate,
    Sheet,
    log_axis,
    sign_keys,
    span,
)
from benchbench.reports.figures.style import BOTTOM, MUTED, TOP, WIDTH
from benchbench.reports.grouping import accuracy, front, median_ms
from benchbench.reports.wording import metric_name, plural
from benchbench.view import CellView

_MARKERS = {
    "circle": "o", "cross": "X", "triangle-up": "^", "square": "s", "diamond": "D",
    "triangle-right": ">", "triangle-down": "v", "triangle-left": "<",
}  # fmt: skip
PIXEL = 0.58
"""Points a pixel of :mod:`pareto`, so that the boxes it keeps for labels fit 7 pt text."""


def tradeoff(sheet: Sheet) -> Iterator[Plate]:
    """Yield the page of the cells that have both figures."""
    cells = sheet.group.plotted
    scale = scale_of([value for cell in cells for value in _reach(cell)], margin=0.12)
    if scale is None:
        return
    title, note = "Accuracy against p50 latency", _note(sheet, cells)
    draw = partial(_page, sheet, scale, (title, note))
    yield Plate("tradeoff", title, note, alt.tradeoff(sheet.group), draw, cells)


def _note(sheet: Sheet, cells: Sequence[CellView]) -> str:
    note = "Filled marks and line: Pareto front of the two point estimates. The vertical axis need"
    sure = any(accuracy_span(cell) or median_span(cell) for cell in cells)
    bars = " Bars: 95 % intervals." if sure else ""
    compiled = sum(cell.status == "compiled" for cell in sheet.group.cells)
    tail = f" {COMPILED} Not drawn: {plural(compiled, 'cell')} compiled only." if compiled else ""
    return f"{note} not start at 0.{bars}{tail}"


def _reach(cell: CellView) -> tuple[float, ...]:
    return (median_ms(cell) or 0.0, *(median_span(cell) or ()))


def _page(sheet: Sheet, scale: LogScale, heads: tuple[str, str]) -> Any:
    cells = sheet.group.plotted
    page = sheet.page(*heads)
    _tradeoff_legend(sheet, page, cells)
    low, high = span([v for c in cells for v in (accuracy(c) or 0.0, *(accuracy_span(c) or ()))])
    axes = page.axes(48, BOTTOM, WIDTH - 14, TOP)
    log_axis(axes, scale, 9)
    axes.set_ylim(low, high)
    axes.locator_params(axis="y", nbins=8)
    axes.grid(visible=True)
    axes.set_xlabel("p50 latency, ms (log scale)")
    axes.set_ylabel(sheet.hand.fit(metric_name(sheet.group.primary, sheet.group.lower), 8, 140))
    size = (round((WIDTH - 62) / PIXEL), round((TOP - BOTTOM) / PIXEL))
    _points(sheet, axes, pareto.Frame(*size, scale, low, high))
    return page.figure


def _tradeoff_legend(sheet: Sheet, page: Page, cells: Sequence[CellView]) -> None:
    kinds = [name for name in pareto.SHAPES if any(cell.precision == name for cell in cells)]
    keys = [Key(name, {"marker": marker(name), "color": MUTED}) for name in kinds]
    sheet.legend(page, cells, *sign_keys(cells), *keys)


def marker(precision: str) -> str:
    """Return matplotlib's marker of a precision."""
    return _MARKERS[pareto.SHAPES[precision]]


def _points(sheet: Sheet, axes: Any, frame: pareto.Frame) -> None:
    cells = sheet.group.plotted
    best = front(cells)
    on_front = {cell.id for cell in best}
    steps = [(median_ms(cell), accuracy(cell)) for cell in best]
    if steps:
        steps.append((frame.x.high, steps[-1][1]))
        axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color=MUTED, lw=0.8, zorder=2)
    for cell in cells:
        x, y, shade = median_ms(cell), accuracy(cell), sheet.shade(cell)
        face = shade if cell.id in on_front else "white"
        axes.scatter([x], [y], s=24, marker=marker(cell.precision), facecolor=face,
                     edgecolor=shade, linewidth=0.9, zorder=3)  # fmt: skip
        _bars(axes, cell, shade)
        for sign in signs(cell):
            axes.scatter([x], [y], **(dict(RINGED[sign].mark) | {"s": 105, "zorder": 3}))
    for cell, x, y, text, strong in pareto.labels(cells, best, frame):
        room = len(text) * (7.0 if strong else 6.2)  # what pareto kept free, in its pixels
        start = frame.x.at(x) * frame.width / 100
        share, side = _anchor(frame.place(cell)[0], start, room)
        size = 7.0 if strong else 6.5
        axes.annotate(
            sheet.hand.fit(text, size, room * PIXEL), (x, y), size=size,
            xytext=(room * share * PIXEL, 0), textcoords="offset points", zorder=4,
            color=sheet.shade(cell), ha=side, va="center",
        )  # fmt: skip


def _bars(axes: Any, cell: CellView, shade: str) -> None:
    """Draw the intervals of both figures, where there are any."""
    x, y = median_ms(cell), accuracy(cell)
    how = {"color": shade, "lw": 0.7, "alpha": 0.6, "zorder": 2.5, "solid_capstyle": "butt"}
    if ends := accuracy_span(cell):
        axes.plot([x, x], ends, **how)
    if ends := median_span(cell):
        axes.plot(ends, [y, y], **how)


def _anchor(point: float, start: float, room: float) -> tuple[float, str]:
    """Return where in its box a label is tied, as a share of its width: at the end by its point."""
    if start >= point:
        return 0.0, "left"
    return (1.0, "right") if start + room <= point else (0.5, "center")
