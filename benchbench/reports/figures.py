"""Figures for papers and slides: one PDF of vector pages, drawn by matplotlib.

Like every report it prints point estimates only. Pages are 16:9, so that one fills a slide; text
is 6.5 to 9.5 pt at that size and is embedded as TrueType, so that it stays text.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from benchbench.errors import MissingDependency
from benchbench.reports import pareto
from benchbench.reports.drawing import LogScale, scale_of
from benchbench.reports.evidence import COMPILED, OTHERWISE, PROXY, signs
from benchbench.reports.grouping import (
    Group,
    Rung,
    accuracy,
    finite,
    front,
    groups,
    ladder,
    median_ms,
    variant,
)
from benchbench.reports.wording import (
    ABSENT,
    PERCENTILES,
    absence,
    delta,
    leaves,
    metric_name,
    plural,
    ratio,
    short,
    significant,
)
from benchbench.types import Record
from benchbench.view import CellView, LatencyView, RunView

WIDTH, HEIGHT = 460.8, 259.2
"""A page in points: 6.4 × 3.6 in."""
MOST_CLASSES = 40
"""Beyond so many classes the dots of one page can no longer be told apart."""
MOST_LINES = 15
"""Rows and model names on one page; longer lists go on over further pages."""
SHADES = (
    "#0060a8", "#b84400", "#00513c", "#5926be", "#945981", "#607948", "#6b156b", "#59616b",
)  # fmt: skip
"""The light colours of the HTML page's style sheet, safe for colour-blind readers."""
_MARKERS = {
    "circle": "o", "cross": "X", "triangle-up": "^", "square": "s", "diamond": "D",
    "triangle-right": ">", "triangle-down": "v", "triangle-left": "<",
}  # fmt: skip
_INK, _MUTED, _LINE, _WARN = "#14181d", "#5f6975", "#e1e5ea", "#865300"
_FONT = "DejaVu Sans"  # matplotlib brings it: every machine draws the same page
_LEFT, _TOP, _BOTTOM = 12.0, 216.0, 56.0
_PIXEL = 0.58
"""Points a pixel of :mod:`pareto`, so that the boxes it keeps for labels fit 7 pt text."""
_BY_CLASS = {"miou": "iou", "top1": "recall"}
"""Means whose value by class has another name: a class's share of hits is its recall."""
_CLASS_NAMES = {"ap": "AP", "map": "AP", "iou": "IoU"}
_DASHES = (0, (2.4, 1.8))
_STYLE = {
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.family": [_FONT],
    "font.size": 8.0,
    "text.color": _INK,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.labelsize": 8.0,
    "axes.labelpad": 3.0,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0.0,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
}


class Figures(Record):
    """Writes ``figures.pdf``: trade-off, latency, precision ladder and classes, a page each."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("matplotlib",),)
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "figures.pdf"

    def render(self, run: RunView) -> bytes:
        """Return the PDF; a run of which nothing can be drawn gives one page that says so.

        The bytes depend on the run and on matplotlib's version. Raises
        :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        try:
            import matplotlib as mpl
            from matplotlib.backends.backend_pdf import PdfPages
        except ImportError as error:
            raise MissingDependency("matplotlib", "report") from error
        out = io.BytesIO()
        facts = {
            "Title": short(run.title or run.suite),
            "Creator": "benchbench",
            "Producer": "matplotlib",
            "CreationDate": None,
        }
        with mpl.rc_context():
            mpl.rcdefaults()  # a reader's own matplotlibrc must not change the figures
            mpl.rcParams.update(_STYLE)
            with PdfPages(out, metadata=facts) as pdf:
                for page in _pages(run, Hand()):
                    pdf.savefig(page)
        return out.getvalue()


def _pages(run: RunView, hand: Hand) -> Iterator[Any]:
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    drawers = (_tradeoff, _latencies, _ladder, _classes)
    sheets = [Sheet(group, runtimes, hand, _caption(group, run)) for group in groups(run)]
    found = chain.from_iterable(draw(sheet) for sheet in sheets for draw in drawers)
    first = next(found, None)
    yield _nothing(run, hand) if first is None else first
    yield from found


# --- text --------------------------------------------------------------------------------


class Hand:
    """Measures and cuts text in the one font of the figures."""

    def __init__(self) -> None:
        from matplotlib.font_manager import findfont, get_font

        plain, bold = (
            set(get_font(findfont(name)).get_charmap()) for name in (_FONT, f"{_FONT}:bold")
        )
        # TrueType in PDF reaches the basic plane only.
        self._known = {code for code in plain & bold if code <= 0xFFFF}

    def safe(self, text: object) -> str:
        """Return *text* on one line; a character that the font lacks becomes a box."""
        line = unicodedata.normalize("NFC", short(text, 300))
        return "".join(char if ord(char) in self._known else "□" for char in line)

    def width(self, text: str, size: float) -> float:
        """Return the width of *text* in points at *size* points."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(family=_FONT, size=size)
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])

    def fit(self, text: object, size: float, room: float) -> str:
        """Return *text*, its middle cut out where it is wider than *room* points."""
        line = self.safe(text)
        if self.width(line, size) <= room:
            return line
        low, high = 4, max(len(line) - 1, 4)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(short(line, middle), size) <= room:
                low = middle
            else:
                high = middle - 1
        return short(line, low)


def _caption(group: Group, run: RunView) -> str:
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


# --- pages -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all pages of a group share."""

    group: Group
    runtimes: tuple[str, ...]
    hand: Hand
    caption: str

    def page(self, title: str, note: str) -> Page:
        """Return a page with its heading, the note on its marks, and the caption."""
        page = _blank(self.hand, title)
        start = _LEFT + self.hand.width(title, 9.5) * 1.12 + 14
        name = self.hand.fit(self.group.title, 8, WIDTH - _LEFT - start)
        page.write(WIDTH - _LEFT, 240, name, color=_MUTED, ha="right")
        for height, line in ((17.5, note), (7.5, self.caption)):
            text = self.hand.fit(line, 6.5, WIDTH - 2 * _LEFT)
            page.write(_LEFT, height, text, size=6.5, color=_MUTED)
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
        if sum(7 + self.hand.width(text, size) + gap for _, text in told) > WIDTH - 3 * _LEFT:
            size, gap = 6.0, 7.0
        x = _LEFT + 3
        for key, text in told:
            end = x + 7 + self.hand.width(text, size)
            if end > WIDTH - 2 * _LEFT:
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


def _blank(hand: Hand, title: str) -> Page:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    paper.set_axis_off()
    page = Page(figure, paper)
    page.write(_LEFT, 240, hand.safe(title), size=9.5, weight="bold")
    return page


def _nothing(run: RunView, hand: Hand) -> Any:
    """Return the page of a run of which nothing can be drawn: what became of its cells."""
    measured = sum(cell.status == "measured" for cell in run.cells)
    page = _blank(hand, "No figures" if measured else "No measured cells")
    told = f"{measured} of {plural(len(run.cells), 'cell')} measured"
    tail = "; none holds a figure that can be drawn." if measured else "; nothing can be drawn."
    page.write(_LEFT, 222, told + tail)
    for index, cell in enumerate(run.cells[:10]):
        line = hand.fit(f"{short(cell.label, 48)}: {absence(cell)}", 7.5, WIDTH - 2 * _LEFT)
        page.write(_LEFT, 202 - 14 * index, line, size=7.5, color=_MUTED)
    if len(run.cells) > 10:
        page.write(_LEFT, 62, f"and {len(run.cells) - 10:,} more", size=7.5, color=_MUTED)
    line = hand.fit(f"run {run.run}", 6.5, WIDTH - 2 * _LEFT)
    page.write(_LEFT, 7.5, line, size=6.5, color=_MUTED)
    return page.figure


def _log_axis(axes: Any, scale: LogScale, most: int) -> None:
    axes.set_xscale("log")
    axes.set_xlim(scale.low, scale.high)
    ticks = scale.ticks(most)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


# --- accuracy against latency ------------------------------------------------------------


def _tradeoff(sheet: Sheet) -> Iterator[Any]:
    cells = sheet.group.plotted
    scale = scale_of([median_ms(cell) or 0.0 for cell in cells], margin=0.12)
    if scale is None:
        return
    note = "Filled marks and line: Pareto front of the two point estimates. The vertical axis need"
    compiled = sum(cell.status == "compiled" for cell in sheet.group.cells)
    tail = f" {COMPILED} Not drawn: {plural(compiled, 'cell')} compiled only." if compiled else ""
    page = sheet.page("Accuracy against p50 latency", f"{note} not start at 0.{tail}")
    _tradeoff_legend(sheet, page, cells)
    low, high = _span([accuracy(cell) or 0.0 for cell in cells])
    axes = page.axes(48, _BOTTOM, WIDTH - 14, _TOP)
    _log_axis(axes, scale, 9)
    axes.set_ylim(low, high)
    axes.locator_params(axis="y", nbins=8)
    axes.grid(visible=True)
    axes.set_xlabel("p50 latency, ms (log scale)")
    axes.set_ylabel(sheet.hand.fit(metric_name(sheet.group.primary), 8, 140))
    size = (round((WIDTH - 62) / _PIXEL), round((_TOP - _BOTTOM) / _PIXEL))
    _points(sheet, axes, pareto.Frame(*size, scale, low, high))
    yield page.figure


def _span(values: Sequence[float]) -> tuple[float, float]:
    pad = max((max(values) - min(values)) * 0.12, 0.01)
    return max(min(values) - pad, 0.0), min(max(values) + pad, 1.0)


def _tradeoff_legend(sheet: Sheet, page: Page, cells: Sequence[CellView]) -> None:
    kinds = [name for name in pareto.SHAPES if any(cell.precision == name for cell in cells)]
    keys = [Key(name, {"marker": _marker(name), "color": _MUTED}) for name in kinds]
    sheet.legend(page, cells, *_sign_keys(cells), *keys)


def _sign_keys(cells: Sequence[CellView]) -> list[Key]:
    """Return the keys of the signs that *cells* carry."""
    found = {sign for cell in cells for sign in signs(cell)}
    return [key for sign, key in _RINGED.items() if sign in found]


def _marker(precision: str) -> str:
    return _MARKERS[pareto.SHAPES[precision]]


_RING = {"facecolor": "none", "edgecolor": _WARN, "linewidth": 0.9, "linestyle": _DASHES}
_RINGED = {
    OTHERWISE: Key(f"{OTHERWISE} not as asked", {"s": 45, "marker": "o", **_RING}),
    PROXY: Key(f"{PROXY} proxy", {"s": 40, "marker": "s", **_RING}),
}


def _points(sheet: Sheet, axes: Any, frame: pareto.Frame) -> None:
    cells = sheet.group.plotted
    best = front(cells)
    on_front = {cell.id for cell in best}
    steps = [(median_ms(cell), accuracy(cell)) for cell in best]
    if steps:
        steps.append((frame.x.high, steps[-1][1]))
        axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color=_MUTED, lw=0.8, zorder=2)
    for cell in cells:
        x, y, shade = median_ms(cell), accuracy(cell), sheet.shade(cell)
        face = shade if cell.id in on_front else "white"
        axes.scatter([x], [y], s=24, marker=_marker(cell.precision), facecolor=face,
                     edgecolor=shade, linewidth=0.9, zorder=3)  # fmt: skip
        for sign in signs(cell):
            axes.scatter([x], [y], **(dict(_RINGED[sign].mark) | {"s": 105, "zorder": 3}))
    for cell, x, y, text, strong in pareto.labels(cells, best, frame):
        room = len(text) * (7.0 if strong else 6.2)  # what pareto kept free, in its pixels
        start = frame.x.at(x) * frame.width / 100
        share, side = _anchor(frame.place(cell)[0], start, room)
        size = 7.0 if strong else 6.5
        axes.annotate(
            sheet.hand.fit(text, size, room * _PIXEL), (x, y), size=size,
            xytext=(room * share * _PIXEL, 0), textcoords="offset points", zorder=4,
            color=sheet.shade(cell), ha=side, va="center",
        )  # fmt: skip


def _anchor(point: float, start: float, room: float) -> tuple[float, str]:
    """Return where in its box a label is tied, as a share of its width: at the end by its point."""
    if start >= point:
        return 0.0, "left"
    return (1.0, "right") if start + room <= point else (0.5, "center")


# --- rows --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: a model's name, or one of its cells."""

    text: str
    cell: CellView | None = None


def _row_pages(cells: Sequence[CellView]) -> tuple[tuple[Row, ...], ...]:
    """Split *cells* into pages of at most MOST_LINES rows, each cell under its model's name."""
    pages: list[list[Row]] = [[]]
    for cell in sorted(cells, key=_model_order(cells)):
        page = pages[-1]
        named = [row.cell.model for row in page if row.cell]
        fresh = not named or named[-1] != cell.model
        if len(page) + 1 + fresh > MOST_LINES:
            pages.append(page := [])
            fresh = True
        page += [Row(cell.model)] * fresh + [Row(variant(cell), cell)]
    return tuple(tuple(page) for page in pages if page)


def _model_order(cells: Sequence[CellView]) -> Callable[[CellView], int]:
    order = {name: at for at, name in enumerate(dict.fromkeys(cell.model for cell in cells))}
    return lambda cell: order[cell.model]


def _pitch(lines: int) -> float:
    """Return the distance of rows in points; the heading of the columns takes 8 pt."""
    return min(20.0, (_TOP - 8 - _BOTTOM) / lines)


def _names(sheet: Sheet, page: Page, rows: Sequence[Row], room: float) -> None:
    """Write the rows' names down the left side."""
    pitch = _pitch(len(rows))
    size = min(8.0, pitch * 0.72)
    for index, row in enumerate(rows):
        y = _TOP - 8 - pitch * (index + 0.5)
        indent = 8.0 if row.cell else 0.0
        text = sheet.hand.fit(_told(row), size, room - indent)
        page.write(_LEFT + indent, y, text, size=size, va="center_baseline",
                   color=_MUTED if row.cell else _INK)  # fmt: skip


def _told(row: Row) -> str:
    place = row.cell.placement if row.cell else None
    if row.cell is None:
        return row.text
    told = f"{row.text} {signs(row.cell)}".rstrip()
    if place is None or place.precision == row.cell.precision:
        return told
    return f"{told} (ran {short(place.precision, 12)})"


def _row_axes(page: Page, rows: Sequence[Row], left: float, right: float) -> Any:
    """Return axes whose vertical unit is one row, counted from the top."""
    axes = page.axes(left, _TOP - 8 - _pitch(len(rows)) * len(rows), right, _TOP - 8)
    axes.set_ylim(len(rows), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    return axes


def _numbered(title: str, index: int, count: int) -> str:
    return title if count == 1 else f"{title} ({index} of {count})"


# --- latency -----------------------------------------------------------------------------


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


def _latencies(sheet: Sheet) -> Iterator[Any]:
    timed = [(cell, median_ms(cell)) for cell in sheet.group.cells]
    strips = {c.id: strip(c.latency, m) for c, m in timed if c.latency and m is not None}
    cells = [cell for cell, _ in timed if cell.id in strips]
    whole = scale_of([value for found in strips.values() for value in found.values])
    own = scale_of([v for found in strips.values() for v in found.over(found.median).values])
    if whole is None or own is None:
        return
    pages = _row_pages(cells)
    note = (
        "Dot: p50. Box: quartiles. Ticks: p90, p95, p99 where the sample supports them; "
        "lines end at the last tick and its mirror."
    )
    for index, rows in enumerate(pages, 1):
        page = sheet.page(_numbered("Latency", index, len(pages)), note)
        shown = [row.cell for row in rows if row.cell]
        sheet.legend(page, shown, *_sign_keys(shown))
        _names(sheet, page, rows, 132)
        left = _row_axes(page, rows, 150, 254)
        right = _row_axes(page, rows, 268, WIDTH - 90)
        _log_axis(left, whole, 4)
        _own_axis(right, own)
        left.set_xlabel("latency, ms (log scale)")
        for at, row in enumerate(rows):
            if row.cell:
                found, shade = strips[row.cell.id], sheet.shade(row.cell)
                style = _DASHES if signs(row.cell) else "-"
                _strip(left, at + 0.5, found, (shade, style))
                _strip(right, at + 0.5, found.over(found.median), (shade, style))
        _figures(page, rows)
        yield page.figure


def _own_axis(axes: Any, scale: LogScale) -> None:
    """Scale the axis of latency over its own median: a long tail must not hide the others."""
    if scale.high > 4:
        _log_axis(axes, scale, 4)
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
    pitch = _pitch(len(rows))
    size = min(7.5, pitch * 0.7)
    for x, text in ((WIDTH - 52, "p50 ms"), (WIDTH - _LEFT, "tail ms")):
        page.write(x, _TOP - 5, text, size=6.5, color=_MUTED, ha="right")
    for index, row in enumerate(rows):
        if row.cell is None or row.cell.latency is None:
            continue
        y = _TOP - 8 - pitch * (index + 0.5)
        marks = _published(row.cell.latency)
        tail = next((f"{k} {significant(marks[k])}" for k in reversed(marks)), ABSENT)
        for x, text in ((WIDTH - 52, significant(median_ms(row.cell))), (WIDTH - _LEFT, tail)):
            page.write(x, y, text, size=size, ha="right", va="center_baseline")


# --- the precision ladder ----------------------------------------------------------------


def _ladder(sheet: Sheet) -> Iterator[Any]:
    rungs = {
        rung.cell.id: rung
        for rung in ladder(sheet.group.cells)
        if rung.accuracy_delta is not None or rung.time_ratio is not None
    }
    pages = _row_pages([rung.cell for rung in rungs.values()])
    for index, rows in enumerate(pages, 1):
        note = "A cell against fp32 of the same model, runtime and device."
        shown = [rungs[row.cell.id] for row in rows if row.cell]
        if any(_off(rung) for rung in shown):
            note += " Dashed: one of the two is not as asked, or a proxy."
        if any(rung.cell.speedup and rung.time_ratio is not None for rung in shown):
            note += " Whiskers: 95 % interval."
        title = _numbered("Reduced precision against fp32", index, len(pages))
        page = sheet.page(title, note)
        cells = [rung.cell for rung in shown]
        sheet.legend(page, cells, *_sign_keys(cells))
        _names(sheet, page, rows, 142)
        _bars(sheet, page, rows, rungs)
        yield page.figure


def _off(rung: Rung) -> bool:
    return bool(signs(rung.cell)) or (rung.baseline is not None and bool(signs(rung.baseline)))


def _bars(sheet: Sheet, page: Page, rows: Sequence[Row], rungs: Mapping[str, Rung]) -> None:
    found = [rungs[row.cell.id] if row.cell else None for row in rows]
    left = _row_axes(page, rows, 164, 302)
    right = _row_axes(page, rows, 318, WIDTH - 14)
    metric = sheet.hand.fit(metric_name(sheet.group.primary), 8, 90)
    left.set_xlabel(f"Δ {metric}")
    right.set_xlabel("p50 time, × fp32")
    deltas = [rung.accuracy_delta if rung else None for rung in found]
    ratios = [rung.time_ratio if rung else None for rung in found]
    _scale_bars(left, deltas, 0.005)
    _scale_bars(right, [*ratios, 1.0], 1.0)
    right.axvline(1.0, color=_MUTED, lw=0.8, linestyle=(0, (4, 2)), zorder=1)
    left.axvline(0.0, color=_MUTED, lw=0.6, zorder=4)
    for at, rung in enumerate(found):
        if rung is not None:
            _bar(sheet, left, at, rung, (rung.accuracy_delta, delta(rung.accuracy_delta)))
            _bar(sheet, right, at, rung, (rung.time_ratio, ratio(rung.time_ratio)))
            _whisker(right, at, rung)


def _whisker(axes: Any, at: int, rung: Rung) -> None:
    """Draw the interval of the time ratio: the inverse of that of the speed."""
    speed = rung.cell.speedup
    if speed is not None and rung.time_ratio is not None:
        axes.plot([1 / speed.high, 1 / speed.low], [at + 0.5] * 2, color=_INK, lw=1.4, zorder=4,
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
              edgecolor=shade, linewidth=0.8, linestyle=_DASHES if off else "-",
              zorder=3)  # fmt: skip
    side = -1 if end < 0 else 1
    axes.annotate(text, (end, at + 0.5), xytext=(3 * side, 0), textcoords="offset points",
                  size=7, ha="right" if end < 0 else "left", va="center_baseline", zorder=5,
                  color=_INK if value is not None else _MUTED,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip


# --- classes -----------------------------------------------------------------------------


def _classes(sheet: Sheet) -> Iterator[Any]:
    primary = sheet.group.primary or ""
    metric = _BY_CLASS.get(primary, primary)
    cells = [
        cell
        for cell in sheet.group.cells
        if cell.precision in {"fp32", "int8"} and metric in cell.per_class and not signs(cell)
    ]
    names = tuple(dict.fromkeys(name for cell in cells for name in cell.per_class[metric]))
    if not 0 < len(names) <= MOST_CLASSES:
        return
    values = [value for c in cells for v in c.per_class[metric].values() if (value := finite(v))]
    limits = _span(values or [0.0, 1.0])
    for model in dict.fromkeys(cell.model for cell in cells):
        own = [cell for cell in cells if cell.model == model]
        yield _class_page(sheet, Dots(metric, names, own, limits))


@dataclass(frozen=True, slots=True)
class Dots:
    """The classes of one model: metric, class names, cells, and the limits of the axis."""

    metric: str
    names: tuple[str, ...]
    cells: Sequence[CellView]
    limits: tuple[float, float]

    @property
    def lanes(self) -> tuple[str, ...]:
        """Runtimes and devices; each has a height of its own within a class's row."""
        return tuple(dict.fromkeys(_lane(cell) for cell in self.cells))


def _lane(cell: CellView) -> str:
    return f"{cell.runtime} {cell.device}"


def _class_name(metric: str) -> str:
    return _CLASS_NAMES.get(metric.lower(), metric_name(metric))


def _class_page(sheet: Sheet, dots: Dots) -> Any:
    metric = _class_name(dots.metric)
    note = "A line joins fp32 and int8 of one runtime. The axis need not start at 0."
    if any(finite(v) is None for cell in dots.cells for v in cell.per_class[dots.metric].values()):
        note += " A class without a dot has no value."
    page = sheet.page(sheet.hand.fit(f"{metric} by class · {dots.cells[0].model}", 9.5, 230), note)
    marks = {
        "fp32": {"marker": "o", "facecolor": "white", "edgecolor": _MUTED},
        "int8": {"marker": "D", "color": _MUTED},
    }
    kinds = {cell.precision for cell in dots.cells}
    keys = [Key(name, mark) for name, mark in marks.items() if name in kinds]
    sheet.legend(page, dots.cells, *keys)
    columns = 1 if len(dots.names) <= 14 else 2
    rows = math.ceil(len(dots.names) / columns)
    wide = (WIDTH - _LEFT) / columns
    for column in range(columns):
        names = dots.names[column * rows : (column + 1) * rows]
        _class_column(sheet, page, dots, names, (_LEFT + column * wide, wide - 14, rows))
    return page.figure


def _class_column(
    sheet: Sheet, page: Page, dots: Dots, names: Sequence[str], place: tuple[float, float, int]
) -> None:
    left, wide, rows = place
    pitch = min(20.0, (_TOP - _BOTTOM) / rows)
    size = min(8.0, pitch * 0.85)
    label = min(wide * 0.36, 110.0)
    axes = page.axes(left + label + 6, _TOP - pitch * rows, left + wide, _TOP)
    axes.set(xlim=dots.limits, ylim=(rows, 0), yticks=[])
    axes.set_xlabel(sheet.hand.fit(_class_name(dots.metric), 8, 120))
    axes.locator_params(axis="x", nbins=6)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.hlines(range(1, rows), *dots.limits, color=_LINE, lw=0.4, zorder=0)
    for at, name in enumerate(names):
        text = sheet.hand.fit(name, size, label)
        page.write(left + label, _TOP - pitch * (at + 0.5), text, size=size, ha="right",
                   va="center_baseline")  # fmt: skip
        for index, lane in enumerate(dots.lanes):
            y = at + (index + 1) / (len(dots.lanes) + 1)
            known = [
                (cell, value)
                for cell in dots.cells
                if _lane(cell) == lane
                and (value := finite(cell.per_class[dots.metric].get(name))) is not None
            ]
            _dumbbell(sheet, axes, y, known)


def _dumbbell(sheet: Sheet, axes: Any, y: float, known: Sequence[tuple[CellView, float]]) -> None:
    if not known:
        return
    shade = sheet.shade(known[0][0])
    ends = [value for _, value in known]
    axes.plot([min(ends), max(ends)], [y, y], color=shade, lw=0.7, zorder=2)
    for cell, value in known:
        full = cell.precision == "int8"
        axes.plot([value], [y], marker="D" if full else "o", markersize=2.6 if full else 3.2,
                  color=shade, markerfacecolor=shade if full else "white", markeredgewidth=0.7,
                  linestyle="", zorder=3)  # fmt: skip
