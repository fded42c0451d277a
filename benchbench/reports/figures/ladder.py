"""The precision ladder: each cell against fp32 in the same runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchbench.reports.evidence import signs
from benchbench.reports.figures.rows import Row, names_of, numbered, row_axes, row_pages
from benchbench.reports.figures.sheet import Page, Sheet, sign_keys
from benchbench.reports.figures.style import DASHES, INK, MUTED, WIDTH
from benchbench.reports.grouping import Rung, ladder
from benchbench.reports.wording import delta, metric_name, ratio


def ladders(sheet: Sheet) -> Iterator[Any]:
    """Yield the pages of the cells that have an fp32 cell to be compared with."""
    rungs = {
        rung.cell.id: rung
        for rung in ladder(sheet.group.cells)
        if rung.accuracy_delta is not None or rung.time_ratio is not None
    }
    pages = row_pages([rung.cell for rung in rungs.values()])
    for index, rows in enumerate(pages, 1):
        note = "A cell against fp32 of the same model, runtime and device."
        shown = [rungs[row.cell.id] for row in rows if row.cell]
        if any(_off(rung) for rung in shown):
            note += " Dashed: one of the two is not as asked, or a proxy."
        if any(rung.cell.speedup and rung.time_ratio is not None for rung in shown):
            note += " Whiskers: 95 % interval."
        title = numbered("Reduced precision against fp32", index, len(pages))
        page = sheet.page(title, note)
        cells = [rung.cell for rung in shown]
        sheet.legend(page, cells, *sign_keys(cells))
        names_of(sheet, page, rows, 142)
        _bars(sheet, page, rows, rungs)
        yield page.figure


def _off(rung: Rung) -> bool:
    return bool(signs(rung.cell)) or (rung.baseline is not None and bool(signs(rung.baseline)))


def _bars(sheet: Sheet, page: Page, rows: Sequence[Row], rungs: Mapping[str, Rung]) -> None:
    found = [rungs[row.cell.id] if row.cell else None for row in rows]
    left = row_axes(page, rows, 164, 302)
    right = row_axes(page, rows, 318, WIDTH - 14)
    metric = sheet.hand.fit(metric_name(sheet.group.primary, sheet.group.lower), 8, 90)
    left.set_xlabel(f"Δ {metric}")
    right.set_xlabel("p50 time, × fp32")
    deltas = [rung.accuracy_delta if rung else None for rung in found]
    ratios = [rung.time_ratio if rung else None for rung in found]
    _scale_bars(left, deltas, 0.005)
    _scale_bars(right, [*ratios, 1.0], 1.0)
    right.axvline(1.0, color=MUTED, lw=0.8, linestyle=(0, (4, 2)), zorder=1)
    left.axvline(0.0, color=MUTED, lw=0.6, zorder=4)
    for at, rung in enumerate(found):
        if rung is not None:
            _bar(sheet, left, at, rung, (rung.accuracy_delta, delta(rung.accuracy_delta)))
            _bar(sheet, right, at, rung, (rung.time_ratio, ratio(rung.time_ratio)))
            _whisker(right, at, rung)


def _whisker(axes: Any, at: int, rung: Rung) -> None:
    """Draw the interval of the time ratio: the inverse of that of the speed."""
    speed = rung.cell.speedup
    if speed is not None and rung.time_ratio is not None:
        axes.plot([1 / speed.high, 1 / speed.low], [at + 0.5] * 2, color=INK, lw=1.4, zorder=4,
                  solid_capstyle="butt")  # fmt: skip


def _scale_bars(axes: Any, values: Sequence[float | None], least: float) -> None:
    """Span 0 and *values*, with room for the numbers beside the bars."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    span = max(high - low, least)
    axes.set_xlim(low - span * (0.38 if low < 0 else 0.0), high + span * 0.38)
    axes.locator_params(axis="x", nbins=4)


def _bar(sheet: Sheet, axes: Any, at: int, rung: Rung, told: tuple[float | None, str]) -> None:
    value, text = told
    shade, off = sheet.shade(rung.cell), _off(rung)
    end = value or 0.0
    axes.barh([at + 0.5], [end], height=0.52, facecolor="white" if off else shade,
              edgecolor=shade, linewidth=0.8, linestyle=DASHES if off else "-",
              zorder=3)  # fmt: skip
    side = -1 if end < 0 else 1
    axes.annotate(text, (end, at + 0.5), xytext=(3 * side, 0), textcoords="offset points",
                  size=7, ha="right" if end < 0 else "left", va="center_baseline", zorder=5,
                  color=INK if value is not None else MUTED,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
