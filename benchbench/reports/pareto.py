"""The trade-off plot: accuracy against median latency, drawn by Altair as a static SVG.

Colours are CSS variables of the page, so that the plot follows its theme; the legend is the
page's own, so that all plots share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchbench.errors import MissingDependency
from benchbench.reports.drawing import LogScale, scale_of
from benchbench.reports.evidence import OTHERWISE, PROXY, named, signs
from benchbench.reports.grouping import Group, accuracy, front, median_ms, variant
from benchbench.reports.wording import fraction, metric_name, milliseconds, short
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
RINGS = {OTHERWISE: "circle", PROXY: "square"}
"""Sign → shape of the dashed ring around the points that carry it."""
COLOURS = 8
"""The style sheet names so many colours, ``--s0`` …; further runtimes share the last."""
_FONT = "ui-sans-serif, system-ui, sans-serif"
_INK, _MUTED, _LINE = "var(--ink)", "var(--ink-3)", "var(--line)"


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


def draw(group: Group, runtimes: Sequence[str], *, width: int, height: int, prefix: str) -> str:
    """Return the plot of *group* as SVG text; its ids begin with *prefix*.

    The group must have at least one plotted cell. Raises
    :class:`~benchbench.errors.MissingDependency` without altair or vl-convert.
    """
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise MissingDependency("altair", "report") from error
    frame = _frame(group, width, height)
    with alt.theme.enable("none"):
        spec = _chart(alt, group, runtimes, frame).to_dict()
    return _finish(vl_convert.vegalite_to_svg(spec), prefix)


def _frame(group: Group, width: int, height: int) -> Frame:
    heights = [accuracy(cell) or 0.0 for cell in group.plotted]
    low, high = min(heights), max(heights)
    pad = max((high - low) * 0.12, 0.01)
    scale = scale_of([median_ms(cell) or 0.0 for cell in group.plotted], margin=0.12)
    assert scale is not None, "plotted cells have positive medians"
    top = min(high + pad, 1.0) if high <= 1 else high + pad
    return Frame(width, height, scale, max(low - pad, 0.0), top)


def _chart(alt: Any, group: Group, runtimes: Sequence[str], frame: Frame) -> Any:
    best = front(group.plotted)
    on_front = {cell.id for cell in best}
    rows = [_row(cell, runtimes, cell.id in on_front) for cell in group.plotted]
    x = alt.X("x:Q", title="p50 latency, ms (log scale)").scale(
        type="log", domain=[frame.x.low, frame.x.high], nice=False
    )
    title = f"{metric_name(group.primary, group.lower)} (the axis need not start at 0)"
    y = alt.Y("y:Q", title=title).scale(domain=[frame.y_low, frame.y_high], nice=False)
    narrow = frame.width < 500
    x = x.axis(values=list(frame.x.ticks(5 if narrow else 9)), format="~g", grid=True)
    y = y.axis(tickCount=5, format=".2f" if frame.y_high - frame.y_low > 0.06 else ".3f")
    layers = [
        _line(alt, best, frame, x, y),
        _points(alt, [row for row in rows if not row["best"]], x, y, filled=False),
        _points(alt, [row for row in rows if row["best"]], x, y, filled=True),
        *(_rings(alt, [row for row in rows if sign in row["signs"]], ring, x, y)
          for sign, ring in RINGS.items()),
        *_texts(alt, list(labels(group.plotted, best, frame)), runtimes, x, y),
    ]  # fmt: skip
    chart = alt.layer(*layers).properties(
        width=frame.width, height=frame.height, background="transparent"
    )
    return _style(chart)


def _row(cell: CellView, runtimes: Sequence[str], best: bool) -> dict[str, Any]:
    told = f"{metric_name(cell.primary, cell.lower_is_better)} {fraction(accuracy(cell))}"
    return {
        "x": median_ms(cell),
        "y": accuracy(cell),
        "colour": colour(cell.runtime, runtimes),
        "shape": SHAPES[cell.precision],
        "best": best,
        "signs": signs(cell),
        "name": f"{named(cell)}: {told}, p50 {milliseconds(median_ms(cell))}",
    }


def _line(alt: Any, best: Sequence[CellView], frame: Frame, x: Any, y: Any) -> Any:
    corner = [{"x": median_ms(cell), "y": accuracy(cell)} for cell in best]
    corner += [{"x": frame.x.high, "y": accuracy(cell)} for cell in best[-1:]]
    return (
        alt.Chart(alt.Data(values=corner))
        .mark_line(interpolate="step-after", color=_MUTED, strokeWidth=1.25, aria=False)
        .encode(x=x, y=y)
    )


def _points(alt: Any, rows: list[dict[str, Any]], x: Any, y: Any, *, filled: bool) -> Any:
    paint = {"fill" if filled else "stroke": alt.Color("colour:N", scale=None, legend=None)}
    mark = {"stroke": "var(--paper)"} if filled else {"fill": "var(--paper)"}
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_point(size=110 if filled else 70, strokeWidth=1 if filled else 1.6, opacity=1, **mark)
        .encode(x=x, y=y, shape=alt.Shape("shape:N", scale=None), description="name:N", **paint)
    )


def _rings(alt: Any, rows: list[dict[str, Any]], ring: str, x: Any, y: Any) -> Any:
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_point(
            size=380,
            stroke="var(--warn)",
            strokeDash=[3, 2.5],
            strokeWidth=1.5,
            aria=False,
            shape=ring,
        )
        .encode(x=x, y=y)
    )


def _texts(
    alt: Any, found: list[tuple[CellView, float, float, str, bool]], runtimes: Sequence[str],
    x: Any, y: Any,
) -> Iterator[Any]:  # fmt: skip
    for strong in (True, False):
        rows = [
            {"x": left, "y": middle, "text": text, "colour": colour(cell.runtime, runtimes)}
            for cell, left, middle, text, best in found
            if best is strong
        ]
        yield (
            alt.Chart(alt.Data(values=rows))
            .mark_text(align="left", baseline="middle", fontSize=11.5, aria=False,
                       fontWeight=600 if strong else 400)
            .encode(x=x, y=y, text="text:N", color=alt.Color("colour:N", scale=None, legend=None))
        )  # fmt: skip


def _style(chart: Any) -> Any:
    axis = {
        "labelColor": "var(--ink-2)", "titleColor": "var(--ink-2)", "gridColor": _LINE,
        "domainColor": _MUTED, "tickColor": _MUTED, "labelFontSize": 11.5, "titleFontSize": 12,
        "titleFontWeight": 500, "titlePadding": 10, "tickSize": 4,
    }  # fmt: skip
    return (
        chart.configure(font=_FONT)
        .configure_axis(**axis)
        .configure_view(stroke=None)
    )  # fmt: skip


def labels(
    cells: Sequence[CellView], best: Sequence[CellView], frame: Frame
) -> Iterator[tuple[CellView, float, float, str, bool]]:
    """Place direct labels where they overlap neither a point nor one another, the front's first.

    Yields cell, x (ms) and y (fraction) of the label's left middle, text, and whether the cell is
    on the front. After the front come rows that carry a sign. A label that fits nowhere is left
    out: the table names every cell.
    """
    taken = [_box(*frame.place(cell), 20 if signs(cell) else 12) for cell in cells]
    taken += _steps([frame.place(cell) for cell in best], frame.width)
    on_front = {cell.id for cell in best}
    rest = sorted((cell for cell in cells if cell.id not in on_front), key=lambda c: not signs(c))
    order = [*best, *rest]
    for cell in order:
        strong = cell.id in on_front
        text = _label(cell, strong and frame.width >= 500)
        width = len(text) * (7.0 if strong else 6.2)
        box = _free(frame, frame.place(cell), width, taken, gap=14 if signs(cell) else 10)
        if box is None:
            continue
        taken.append(box)
        left, middle = box[0], (box[1] + box[3]) / 2
        ms = frame.x.low * (frame.x.high / frame.x.low) ** (left / frame.width)
        share = 1 - middle / frame.height
        yield cell, ms, frame.y_low + share * (frame.y_high - frame.y_low), text, strong


def _label(cell: CellView, full: bool) -> str:
    name = short(cell.model, 24)
    told = short(variant(cell), 30) if full else cell.precision
    ran = cell.placement.precision if cell.placement else cell.precision
    mark = f" {signs(cell)}" if signs(cell) else ""
    return f"{name} · {told}{mark}" + ("" if ran == cell.precision else f" (ran {short(ran, 12)})")


Box = tuple[float, float, float, float]


def _box(x: float, y: float, size: float) -> Box:
    return x - size / 2, y - size / 2, x + size / 2, y + size / 2


def _steps(corners: Sequence[tuple[float, float]], width: float) -> list[Box]:
    """Return thin boxes along the front's line, for labels to keep off."""
    made = []
    for (x, y), (next_x, next_y) in pairwise([*corners, *((width, y) for _, y in corners[-1:])]):
        made += [(x, y - 2, next_x, y + 2), (next_x - 2, next_y, next_x + 2, y)]
    return made


def _free(
    frame: Frame, point: tuple[float, float], width: float, taken: Sequence[Box], *, gap: int
) -> Box | None:
    x, y = point
    across = ((gap, 0), (-gap - width, 0), (8, -13), (8, 13), (-8 - width, -13), (-8 - width, 13))
    around = ((-width / 2, -17), (-width / 2, 17), (6, -26), (6, 26), (-6 - width, -26))
    for dx, dy in (*across, *around):
        box = (x + dx, y + dy - 7, x + dx + width, y + dy + 7)
        inside = box[0] >= 2 and box[2] <= frame.width and box[1] >= 0 and box[3] <= frame.height
        if inside and not any(_overlap(box, other) for other in taken):
            return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _finish(svg: str, prefix: str) -> str:
    """Prefix ids, let the page size the figure, and give each point a tooltip."""
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'(<path aria-label="([^"]*)"[^>]*)/>', r"\1><title>\2</title></path>", svg)
    return svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
