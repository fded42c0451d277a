"""Latency of each cell: its median, of several processes where they were taken, and its pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchbench.reports.drawing import LogScale, scale_of
from benchbench.reports.evidence import signs
from benchbench.reports.figures import alt
from benchbench.reports.figures.ends import median_span
from benchbench.reports.figures.rows import Row, names_of, numbered, pitch_of, row_axes, row_pages
from benchbench.reports.figures.sheet import Page, Plate, Sheet, log_axis, sign_keys
from benchbench.reports.figures.style import DASHES, LEFT, MUTED, TOP, WIDTH
from benchbench.reports.grouping import finite, pass_ms
from benchbench.reports.processes import typical
from benchbench.reports.wording import ABSENT, PERCENTILES, significant
from benchbench.view import CellView, LatencyView


@dataclass(frozen=True, slots=True)
class Strip:
    """What a latency pass supports, in milliseconds."""

    median: float
    marks: Mapping[str, float]
    """The percentiles beyond the median that the run publishes."""
    span: tuple[float, float] | None
    """The outermost of them, and its mirror below the median; no sample beyond is drawn."""
    quartiles: tuple[float, float] | None

    @property
    def values(self) -> tuple[float, ...]:
        """Everything that is drawn."""
        return (self.median, *self.marks.values(), *(self.span or ()), *(self.quartiles or ()))

    def over(self, unit: float) -> Strip:
        """Return the strip in units of *unit* milliseconds."""

        def both(pair: tuple[float, float] | None) -> tuple[float, float] | None:
            return pair and (pair[0] / unit, pair[1] / unit)

        marks = {name: value / unit for name, value in self.marks.items()}
        return Strip(self.median / unit, marks, both(self.span), both(self.quartiles))


def strip(latency: LatencyView, median: float) -> Strip:
    """Return what may be drawn of *latency* around its *median* (ms).

    A withheld percentile is not drawn, nor is anything further out than the last published one.
    """
    marks, found = _published(latency), latency.quantiles_ms
    if len(found) < 5 or not marks or any(finite(value) is None for value in found):
        return Strip(median, marks, None, None)
    outer, last = max(int(name[1:]) for name in marks), len(found) - 1
    mirror, low, high = (found[round(last * s)] for s in (1 - outer / 100, 0.25, 0.75))
    return Strip(median, marks, (mirror, marks[f"p{outer}"]), (low, high))


def _published(latency: LatencyView) -> dict[str, float]:
    """Return the percentiles beyond the median that the run publishes."""
    found = {name: finite(getattr(latency, f"{name}_ms")) for name in PERCENTILES[1:]}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Scaled:
    """The strips of all cells of a group, and the two axes that all its pages share."""

    strips: Mapping[str, Strip]
    """Of the latency pass, which is one process."""
    medians: Mapping[str, Strip]
    """What stands on the left: the median over several processes, else the pass."""
    whole: LogScale
    own: LogScale


def latencies(sheet: Sheet) -> Iterator[Plate]:
    """Yield the pages of the cells that have been timed."""
    timed = [(cell, pass_ms(cell)) for cell in sheet.group.cells]
    strips = {c.id: strip(c.latency, m) for c, m in timed if c.latency and m is not None}
    cells = [cell for cell, _ in timed if cell.id in strips]
    medians = {cell.id: _over_processes(cell) or strips[cell.id] for cell in cells}
    whole = scale_of([value for found in medians.values() for value in found.values])
    own = scale_of([v for found in strips.values() for v in found.over(found.median).values])
    if whole is None or own is None:
        return
    pages = row_pages(cells)
    for index, rows in enumerate(pages, 1):
        title = numbered("Latency", index, len(pages))
        shown = tuple(row.cell for row in rows if row.cell)
        note = _note(shown)
        draw = partial(_page, sheet, (title, note), rows, Scaled(strips, medians, whole, own))
        yield Plate("latency", title, note, alt.latency(shown), draw, shown)


def _over_processes(cell: CellView) -> Strip | None:
    """Return the median over fresh processes and its interval; None if none were taken."""
    found = typical(cell)
    return Strip(found.value, {}, median_span(cell), None) if found else None


_SINGLE = (
    "One process each. Dot: p50. Box: quartiles. Ticks: p90, p95, p99 where supported; lines end "
    "at the last and its mirror."
)
_SEVERAL = (
    "Left: p50 and 95 % interval over processes where taken. Right, tail: one process; box: "
    "quartiles, ticks: p90, p95, p99."
)


def _note(cells: Sequence[CellView]) -> str:
    """Return what is drawn, and of how many processes, in a line that the page holds."""
    return _SEVERAL if any(typical(cell) for cell in cells) else _SINGLE


def _page(sheet: Sheet, heads: tuple[str, str], rows: Sequence[Row], scaled: Scaled) -> Any:
    page = sheet.page(*heads)
    shown = [row.cell for row in rows if row.cell]
    sheet.legend(page, shown, *sign_keys(shown))
    names_of(sheet, page, rows, 132)
    left = row_axes(page, rows, 150, 254)
    right = row_axes(page, rows, 268, WIDTH - 90)
    log_axis(left, scaled.whole, 4)
    _own_axis(right, scaled.own)
    left.set_xlabel("latency, ms (log scale)")
    for at, row in enumerate(rows):
        if row.cell:
            found, shade = scaled.strips[row.cell.id], sheet.shade(row.cell)
            style = DASHES if signs(row.cell) else "-"
            _strip(left, at + 0.5, scaled.medians[row.cell.id], (shade, style))
            _strip(right, at + 0.5, found.over(found.median), (shade, style))
    _figures(page, rows)
    return page.figure


def _own_axis(axes: Any, scale: LogScale) -> None:
    """Scale the axis of latency over its own median: a long tail must not hide the others."""
    if scale.high > 4:
        log_axis(axes, scale, 4)
        axes.set_xlabel("latency / own p50 (log scale)")
        return
    axes.set_xlim(scale.low, scale.high)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("latency / own p50")


def _strip(axes: Any, y: float, found: Strip, how: tuple[str, Any]) -> None:
    """Draw a strip in a colour and a line style; a row with a mark is dashed and hollow."""
    shade, style = how
    whole = style == "-"
    if found.span:
        axes.plot(found.span, [y, y], color=shade, lw=0.8, solid_capstyle="butt", zorder=2,
                  linestyle=style)  # fmt: skip
    if found.quartiles:
        low, high = found.quartiles
        axes.barh([y], [high - low], left=[low], height=0.5, alpha=0.4 if whole else 1.0,
                  facecolor=shade if whole else "white", edgecolor=shade, linestyle=style,
                  linewidth=0 if whole else 0.8)  # fmt: skip
    for value in found.marks.values():
        axes.plot([value, value], [y - 0.2, y + 0.2], color=shade, lw=0.8, zorder=2)
    axes.scatter([found.median], [y], s=6, facecolor=shade if whole else "white",
                 edgecolor=shade, linewidth=0 if whole else 0.8, zorder=3)  # fmt: skip


def _figures(page: Page, rows: Sequence[Row]) -> None:
    """Write p50 and the last supported percentile of each row down the right side."""
    pitch = pitch_of(len(rows))
    size = min(7.5, pitch * 0.7)
    for x, text in ((WIDTH - 52, "p50 ms"), (WIDTH - LEFT, "tail ms")):
        page.write(x, TOP - 5, text, size=6.5, color=MUTED, ha="right")
    for index, row in enumerate(rows):
        if row.cell is None or row.cell.latency is None:
            continue
        y = TOP - 8 - pitch * (index + 0.5)
        marks = _published(row.cell.latency)
        tail = next((f"{k} {significant(marks[k])}" for k in reversed(marks)), ABSENT)
        found = typical(row.cell)
        middle = found.text if found else significant(pass_ms(row.cell))
        for x, text in ((WIDTH - 52, middle), (WIDTH - LEFT, tail)):
            page.write(x, y, text, size=size, ha="right", va="center_baseline")
