"""The precision ladder: each cell against fp32 in the same runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from benchbench.reports.evidence import signs
from benchbench.reports.figures import alt
from benchbench.reports.figures.ends import Ends, both
from benchbench.reports.figures.rows import Row, names_of, numbered, row_axes, row_pages
from benchbench.reports.figures.sheet import Page, Plate, Sheet, sign_keys
from benchbench.reports.figures.style import DASHES, INK, MUTED, WIDTH
from benchbench.reports.grouping import Rung, ladder
from benchbench.reports.wording import delta, metric_name, ratio


def ladders(sheet: Sheet) -> Iterator[Plate]:
    """Yield the pages of the cells that have an fp32 cell to be compared with."""
    rungs = {
        rung.cell.id: rung
        for rung in ladder(sheet.group.cells)
        if rung.accuracy_delta is not None or rung.time_ratio is not None
    }
    pages = row_pages([rung.cell for rung in rungs.values()])
    for index, rows in enumerate(pages, 1):
        note = "Against fp32 of the same model, runtime, device."
        shown = [rungs[row.cell.id] for row in rows if row.cell]
        if any(_off(rung) for rung in shown):
            note += " Dashed: not as asked, or proxy."
        if any(_time_ends(rung) or _delta_ends(rung) for rung in shown):
            note += " Whiskers: 95 % interval."
        note += _trend(shown)
        title = numbered("Reduced precision against fp32", index, len(pages))
        draw = partial(_page, sheet, (title, note), rows, rungs)
        cells = tuple(rung.cell for rung in shown)
        yield Plate("ladder", title, note, alt.ladder(shown, sheet.group), draw, cells)


def _page(
    sheet: Sheet, heads: tuple[str, str], rows: Sequence[Row], rungs: Mapping[str, Rung]
) -> Any:
    page = sheet.page(*heads)
    cells = [row.cell for row in rows if row.cell]
    sheet.legend(page, cells, *sign_keys(cells))
    names_of(sheet, page, rows, 142)
    _bars(sheet, page, rows, rungs)
    return page.figure


def _trend(rungs: Sequence[Rung]) -> str:
    """Return how many processes the times are of, where it is one a cell."""
    timed = [rung for rung in rungs if rung.time_ratio is not None]
    single = [rung for rung in timed if not (rung.cell.speedup and rung.cell.speedup.rounds)]
    if not single:
        return ""
    which = "Times" if len(single) == len(timed) else "Times, in part"
    return f" {which}: one process."


def _delta_ends(rung: Rung) -> Ends | None:
    """Return the interval of the difference from the very cell that the bar is drawn against."""
    found = rung.cell.comparison
    if found is None or rung.baseline is None or found.a != rung.baseline.id:
        return None
    return both(found.low, found.high)


def _time_ends(rung: Rung) -> Ends | None:
    """Return the interval of the time ratio: the inverse of that of the speed."""
    speed = rung.cell.speedup
    if speed is None or rung.time_ratio is None or not min(speed.low, speed.high) > 0:
        return None
    return both(1 / speed.high, 1 / speed.low)


def _off(rung: Rung) -> bool:
    return bool(signs(rung.cell)) or (rung.baseline is not None and bool(signs(rung.baseline)))


def _bars(sheet: Sheet, page: Page, rows: Sequence[Row], rungs: Mapping[str, Rung]) -> None:
    found = [rungs[row.cell.id] if row.cell else None for row in rows]
    left = row_axes(page, rows, 164, 302)
    right = row_axes(page, rows, 318, WIDTH - 14)
    metric = sheet.hand.fit(metric_name(sheet.group.primary, sheet.group.lower), 8, 90)
    left.set_xlabel(f"Δ {metric}")
    right.set_xlabel("p50 time, × fp32")
    own = [(at, rung) for at, rung in enumerate(found) if rung is not None]
    deltas = [(r.accuracy_delta, delta(r.accuracy_delta), _delta_ends(r)) for _, r in own]
    times = [(r.time_ratio, ratio(r.time_ratio), _time_ends(r)) for _, r in own]
    _scale_bars(left, _reach(deltas), 0.005)
    _scale_bars(right, [*_reach(times), 1.0], 1.0)
    right.axvline(1.0, color=MUTED, lw=0.8, linestyle=(0, (4, 2)), zorder=1)
    left.axvline(0.0, color=MUTED, lw=0.6, zorder=4)
    for (at, rung), change, time in zip(own, deltas, times, strict=True):
        _bar(sheet, left, at, rung, change)
        _bar(sheet, right, at, rung, time)


_Told = tuple[float | None, str, Ends | None]


def _reach(told: Sequence[_Told]) -> list[float | None]:
    """Return all that is drawn: values and the ends of their intervals."""
    return [one for value, _, ends in told for one in (value, *(ends or ()))]


def _scale_bars(axes: Any, values: Sequence[float | None], least: float) -> None:
    """Span 0 and *values*, with room for the numbers beside the bars."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    span = max(high - low, least)
    axes.set_xlim(low - span * (0.38 if low < 0 else 0.0), high + span * 0.38)
    axes.locator_params(axis="x", nbins=4)


def _bar(sheet: Sheet, axes: Any, at: int, rung: Rung, told: _Told) -> None:
    """Draw a bar with its interval, and its number beyond both."""
    value, text, ends = told
    shade, off = sheet.shade(rung.cell), _off(rung)
    end = value or 0.0
    axes.barh([at + 0.5], [end], height=0.52, facecolor="white" if off else shade,
              edgecolor=shade, linewidth=0.8, linestyle=DASHES if off else "-",
              zorder=3)  # fmt: skip
    if ends is not None:
        axes.plot(ends, [at + 0.5] * 2, color=INK, lw=1.4, zorder=6, solid_capstyle="butt")
    side = -1 if end < 0 else 1
    place = side * max(side * one for one in (end, *(ends or ())))
    axes.annotate(text, (place, at + 0.5), xytext=(3 * side, 0), textcoords="offset points",
                  size=7, ha="right" if end < 0 else "left", va="center_baseline", zorder=5,
                  color=INK if value is not None else MUTED,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
