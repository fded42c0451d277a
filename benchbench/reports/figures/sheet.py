"""A page, its heading, legend and caption, and the marks that all pages share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.reports import pareto
from benchbench.reports.drawing import LogScale
from benchbench.reports.evidence import OTHERWISE, PROXY, signs
from benchbench.reports.figures.style import DASHES, HEIGHT, LEFT, MUTED, SHADES, WARN, WIDTH
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import Group
from benchbench.reports.wording import ABSENT, absence, leaves, plural, short
from benchbench.view import CellView, RunView


@dataclass(frozen=True, slots=True)
class Plate:
    """A page that is drawn when asked."""

    kind: str
    """Such as ``tradeoff``; plates of one kind and group follow one another."""
    title: str
    note: str
    """What its marks mean."""
    alt: str
    """What it shows, in words, for those who do not see it."""
    draw: Callable[[], Any]
    """Return matplotlib's figure; only inside the settings of :mod:`.plates`."""
    cells: tuple[CellView, ...] = ()
    """Those that it shows, where a chart of the same can be made from them."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all pages of a group share."""

    group: Group
    runtimes: tuple[str, ...]
    hand: Hand
    caption: str

    def page(self, title: str, note: str) -> Page:
        """Return a page with its heading, the note on its marks, and the caption."""
        page = blank(self.hand, title)
        start = LEFT + self.hand.width(title, 9.5) * 1.12 + 14
        name = self.hand.fit(self.group.title, 8, WIDTH - LEFT - start)
        page.write(WIDTH - LEFT, 240, name, color=MUTED, ha="right")
        for height, line in ((17.5, note), (7.5, self.caption)):
            text = self.hand.fit(line, 6.5, WIDTH - 2 * LEFT)
            page.write(LEFT, height, text, size=6.5, color=MUTED)
        return page

    def shade(self, cell: CellView) -> str:
        """Return the colour of the cell's runtime, as in the HTML page."""
        return SHADES[min(self.runtimes.index(cell.runtime), pareto.COLOURS - 1)]

    def legend(self, page: Page, cells: Sequence[CellView], *more: Key) -> None:
        """Write the runtimes of *cells* and *more* keys in a row under the heading."""
        own = {cell.runtime: self.shade(cell) for cell in cells}
        names = sorted(own, key=self.runtimes.index)
        keys = [Key(short(name, 24), {"marker": "o", "color": own[name]}) for name in names]
        told = [(key, self.hand.safe(key.text)) for key in (*keys, *more)]
        size, gap = 7.5, 13.0
        if sum(7 + self.hand.width(text, size) + gap for _, text in told) > WIDTH - 3 * LEFT:
            size, gap = 6.0, 7.0
        x = LEFT + 3
        for key, text in told:
            end = x + 7 + self.hand.width(text, size)
            if end > WIDTH - 2 * LEFT:
                page.write(x, 227, "…", size=size, va="center_baseline")
                break
            page.paper.scatter([x], [227], **({"s": 20, "linewidth": 0.9} | dict(key.mark)))
            page.write(x + 7, 227, text, size=size, va="center_baseline")
            x = end + gap


@dataclass(frozen=True, slots=True)
class Key:
    """A legend's entry: its text, and how matplotlib draws its mark."""

    text: str
    mark: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A figure, and axes without marks that cover it in points."""

    figure: Any
    paper: Any

    def write(self, x: float, y: float, text: str, **how: Any) -> None:
        """Write *text* at a point of the page."""
        self.paper.text(x, y, text, **how)

    def axes(self, left: float, bottom: float, right: float, top: float) -> Any:
        """Return axes between two corners in points."""
        box = (left / WIDTH, bottom / HEIGHT, (right - left) / WIDTH, (top - bottom) / HEIGHT)
        return self.figure.add_axes(box)


def blank(hand: Hand, title: str) -> Page:
    """Return a page with nothing but its heading."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    paper.set_axis_off()
    page = Page(figure, paper)
    page.write(LEFT, 240, hand.safe(title), size=9.5, weight="bold")
    return page


def nothing(run: RunView, hand: Hand) -> Any:
    """Return the page of a run of which nothing can be drawn: what became of its cells."""
    measured = sum(cell.status == "measured" for cell in run.cells)
    page = blank(hand, "No figures" if measured else "No measured cells")
    told = f"{measured} of {plural(len(run.cells), 'cell')} measured"
    tail = "; none holds a figure that can be drawn." if measured else "; nothing can be drawn."
    page.write(LEFT, 222, told + tail)
    for index, cell in enumerate(run.cells[:10]):
        line = hand.fit(f"{short(cell.label, 48)}: {absence(cell)}", 7.5, WIDTH - 2 * LEFT)
        page.write(LEFT, 202 - 14 * index, line, size=7.5, color=MUTED)
    if len(run.cells) > 10:
        page.write(LEFT, 62, f"and {len(run.cells) - 10:,} more", size=7.5, color=MUTED)
    line = hand.fit(f"run {run.run}", 6.5, WIDTH - 2 * LEFT)
    page.write(LEFT, 7.5, line, size=6.5, color=MUTED)
    return page.figure


def log_axis(axes: Any, scale: LogScale, most: int) -> None:
    """Give the horizontal axis *scale* with at most *most* ticks."""
    axes.set_xscale("log")
    axes.set_xlim(scale.low, scale.high)
    ticks = scale.ticks(most)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def caption_of(group: Group, run: RunView) -> str:
    """Return the line at the foot of a page: images, evaluator, scenario, run."""
    measured = [cell for cell in group.cells if cell.status == "measured"]
    evaluators = sorted({short(cell.evaluator, 32) for cell in measured if cell.evaluator})
    alone = all(any(k.code == "single_process" for k in cell.caveats) for cell in measured)
    told = [
        _images(measured),
        f"evaluator {short(', '.join(evaluators) or ABSENT, 26)}",
        _scenario(measured),
        "point estimates" + (", one process" if alone else ""),
        f"run {short(run.run, 32)}",
    ]
    return " · ".join(told)


def _images(cells: Sequence[CellView]) -> str:
    found = sorted({cell.counts["images"] for cell in cells if "images" in cell.counts})
    if not found:
        return f"n = {ABSENT}"
    return f"n = {found[0]:,}" + (f" to {found[-1]:,}" if len(found) > 1 else "") + " images"


def _scenario(cells: Sequence[CellView]) -> str:
    """Return the scenario that protocols name; a latency pass is single-stream by definition."""
    found = {text for cell in cells for path, text in leaves(cell.protocol) if _ends(path)}
    return short(", ".join(sorted(found)) or "single-stream", 40)


def _ends(path: str) -> bool:
    return path.rpartition(".")[2] == "scenario"


def span(values: Sequence[float]) -> tuple[float, float]:
    """Return the limits of an axis of accuracies; it need not start at 0."""
    pad = max((max(values) - min(values)) * 0.12, 0.01)
    top = max(values) + pad
    return max(min(values) - pad, 0.0), min(top, 1.0) if max(values) <= 1 else top


_RING = {"facecolor": "none", "edgecolor": WARN, "linewidth": 0.9, "linestyle": DASHES}
RINGED = {
    OTHERWISE: Key(f"{OTHERWISE} not as asked", {"s": 45, "marker": "o", **_RING}),
    PROXY: Key(f"{PROXY} proxy", {"s": 40, "marker": "s", **_RING}),
}


def sign_keys(cells: Sequence[CellView]) -> list[Key]:
    """Return the keys of the signs that *cells* carry."""
    found = {sign for cell in cells for sign in signs(cell)}
    return [key for sign, key in RINGED.items() if sign in found]
