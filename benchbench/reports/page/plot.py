"""The trade-off plot as it is printed: accuracy against median latency, without any script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.reports import evidence, pareto
from benchbench.reports.chart import Axis
from benchbench.reports.drawing import scale_of
from benchbench.reports.grouping import Group, accuracy, front, median_ms
from benchbench.reports.page.figures import Ends, both
from benchbench.reports.page.rows import metric_ends
from benchbench.reports.wording import fraction, metric_name, milliseconds
from benchbench.view import CellView

LEFT, RIGHT, TOP, BOTTOM = 60, 14, 10, 46
"""Pixels around the plotting area."""
SIZES = {"wide": (1176, 480), "narrow": (340, 360)}
"""Of the whole drawing; the style sheet shows one of them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point, in pixels of the plotting area."""

    cell: CellView
    x: float
    y: float
    best: bool
    signs: str
    bars: str
    """SVG path of its intervals, from the point."""
    name: str


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a point; *x* and *y* are its left middle."""

    cell: CellView
    x: float
    y: float
    text: str
    best: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing of the trade-off at one size."""

    name: str
    size: tuple[int, int]
    area: tuple[int, int]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    y_title: str
    steps: str
    """SVG path of the front."""
    marks: tuple[Mark, ...]
    labels: tuple[Label, ...]
    label: str
    """What it shows, for those who do not see it."""


def plots(group: Group) -> tuple[Plot, ...]:
    """Return the plot of *group* for wide and for narrow screens; it has two cells to draw."""
    return tuple(_plot(group, name, size) for name, size in SIZES.items())


def _plot(group: Group, name: str, size: tuple[int, int]) -> Plot:
    cells, metric = group.plotted, metric_name(group.primary, group.lower)
    area = (size[0] - LEFT - RIGHT, size[1] - TOP - BOTTOM)
    frame, best = _frame(cells, *area), front(cells)
    on_front = {cell.id for cell in best}
    upright = Axis(frame.y_low, frame.y_high, frame.height, 0)
    across = frame.x.ticks(9 if frame.width > 500 else 5)
    # the front is drawn last, so that it lies on top
    order = sorted(cells, key=lambda cell: cell.id in on_front)
    return Plot(
        name=name,
        size=size,
        area=area,
        x_ticks=tuple((round(frame.x.at(t) * frame.width / 100, 1), f"{t:g}") for t in across),
        y_ticks=upright.ticks(6),
        y_title=metric,
        steps=_steps(best, frame),
        marks=tuple(_mark(cell, frame, metric, cell.id in on_front) for cell in order),
        labels=tuple(_labels(cells, best, frame)),
        label=f"{metric} against p50 latency: {len(cells)} cells, {len(best)} on the Pareto front",
    )


def _frame(cells: Sequence[CellView], width: int, height: int) -> pareto.Frame:
    heights = [v for c in cells for v in (accuracy(c) or 0.0, *(_accuracy_ends(c) or ()))]
    low, high = min(heights), max(heights)
    pad = max((high - low) * 0.08, 0.01)
    scale = scale_of([v for c in cells for v in (median_ms(c) or 0.0, *(_median_ends(c) or ()))])
    assert scale is not None, "plotted cells have positive medians"
    top = min(high + pad, 1.0) if high <= 1 else high + pad
    return pareto.Frame(width, height, scale, max(low - pad, 0.0), top)


def _mark(cell: CellView, frame: pareto.Frame, metric: str, best: bool) -> Mark:
    x, y = frame.place(cell)
    told = f"{metric} {fraction(accuracy(cell))}, p50 {milliseconds(median_ms(cell))}"
    return Mark(
        cell, round(x, 1), round(y, 1), best, evidence.signs(cell), _bars(cell, frame, (x, y)),
        f"{evidence.named(cell)}: {told}",
    )  # fmt: skip


def _accuracy_ends(cell: CellView) -> Ends | None:
    return metric_ends(cell, cell.primary or "")


def _median_ends(cell: CellView) -> Ends | None:
    """Return the interval of the median over fresh processes; one process gives none."""
    wall = cell.processes.wall if cell.processes else None
    if wall is None or cell.processes is None or wall.median_ms != median_ms(cell):
        return None
    return both(wall.low_ms, wall.high_ms) if cell.processes.processes > 1 else None


def _bars(cell: CellView, frame: pareto.Frame, point: tuple[float, float]) -> str:
    path, (x, y) = "", point
    if ends := _median_ends(cell):
        left, right = (frame.x.at(end) * frame.width / 100 - x for end in ends)
        path += f"M{left:.1f} 0H{right:.1f}"
    if ends := _accuracy_ends(cell):
        span = frame.y_high - frame.y_low
        low, high = (frame.height * (1 - (end - frame.y_low) / span) - y for end in ends)
        path += f"M0 {low:.1f}V{high:.1f}"
    return path


def _steps(best: Iterable[CellView], frame: pareto.Frame) -> str:
    path = ""
    for cell in best:
        x, y = frame.place(cell)
        path += f"{'H' if path else 'M'}{x:.1f}" + (f"V{y:.1f}" if path else f" {y:.1f}")
    return f"{path}H{frame.width}" if path else ""


def _labels(
    cells: Sequence[CellView], best: Sequence[CellView], frame: pareto.Frame
) -> Iterable[Label]:
    span = frame.y_high - frame.y_low
    for cell, ms, share, text, strong in pareto.labels(cells, best, frame):
        x = frame.x.at(ms) * frame.width / 100
        y = frame.height * (1 - (share - frame.y_low) / span)
        yield Label(cell, round(x, 1), round(y, 1), text, strong)
