"""A figure over the runs of a suite: points with intervals, levels, changes and breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.history_view import HistoryView, SeriesView
from benchbench.reports import trends
from benchbench.reports.figures import alt
from benchbench.reports.figures.panels import batches
from benchbench.reports.figures.rows import numbered
from benchbench.reports.figures.sheet import Page, Plate, blank
from benchbench.reports.figures.style import (
    BAD,
    DASHES,
    DOTS,
    GOOD,
    INK,
    LEFT,
    MUTED,
    SHADES,
    WARN,
    WIDTH,
)
from benchbench.reports.figures.text import Hand
from benchbench.reports.wording import plural, short
from benchbench.trends import words
from benchbench.trends.chart import Chart, chart

DEEP = 2
"""Charts on one page."""
_TOP, _BOTTOM = 228.0, 30.0
_AXIS = 62.0
_SHADES = {"worse": BAD, "better": GOOD, "break": MUTED}
_NOTE = "Dots: runs."


def trend_pages(
    view: HistoryView, series: Sequence[SeriesView], run: str, hand: Hand
) -> Iterator[Plate]:
    """Yield the pages of *series* of *view*, two cells a page; those without a figure have none."""
    drawn = [one for one in series if chart(one)]
    pages = list(batches(drawn, DEEP))
    foot = f"suite {words.line(view.suite, 40)} · {plural(view.runs, 'run')} · run {short(run, 32)}"
    for index, own in enumerate(pages, 1):
        title = numbered(f"{trends.title(view)} over the runs", index, len(pages))
        note = _note(own)
        draw = partial(_page, (title, note, foot), own, hand)
        yield Plate("trend", title, note, alt.trend(view, own), draw)


def _note(series: Sequence[SeriesView]) -> str:
    """Return what the marks mean that are there."""
    points = [point for one in series for point in one.points]
    found = {
        "Bars: intervals.": any(point.low is not None for point in points),
        "Lines: medians of levels.": any(one.levels for one in map(chart, series) if one),
        "Dashed: change.": any(one.changes for one in series),
        "Dotted: not comparable.": any(len(one.parts) > 1 for one in series),
        "×: no figure.": any(point.value is None for point in points),
        "Ring: baseline.": any(point.baselines for point in points),
    }
    return " ".join([_NOTE, *(told for told, shown in found.items() if shown)])


def _page(heads: tuple[str, str, str], series: Sequence[SeriesView], hand: Hand) -> Any:
    title, *lines = heads
    page = blank(hand, hand.fit(title, 9.5, (WIDTH - 2 * LEFT) * 0.88))
    for height, line in zip((17.5, 7.5), lines, strict=True):
        text = hand.fit(line, 6.5, WIDTH - 2 * LEFT)
        page.write(LEFT, height, text, size=6.5, color=MUTED)
    room = (_TOP - _BOTTOM) / len(series)
    for at, one in enumerate(series):
        # A chart alone is given more ticks: its axis is twice as high.
        found = chart(one, ticks=6 if len(series) == 1 else 3)
        if found is not None:
            top = _TOP - room * at
            _panel(page, found, (top - room + 15, top - 13), hand)
    return page.figure


def _panel(page: Page, found: Chart, ends: tuple[float, float], hand: Hand) -> None:
    series = found.series
    bottom, top = ends
    sense = f"{'higher' if series.higher_is_better else 'lower'} is better"
    data = hand.fit(f"{series.dataset} {series.split}; {sense}", 6.5, 170)
    page.write(LEFT, top + 5, hand.fit(trends.label(series), 7.5, WIDTH - 2 * LEFT - 180), size=7.5)
    page.write(WIDTH - LEFT, top + 5, data, size=6.5, color=MUTED, ha="right")
    # The uppermost points are for the sizes of changes.
    axes = page.axes(_AXIS, bottom, WIDTH - LEFT, top - 8)
    axes.set(xlim=(-0.5, len(found.points) - 0.5), ylim=(found.low, found.high))
    axes.set_yticks([v for v, _ in found.ticks], [hand.fit(t, 6.5, 44) for _, t in found.ticks])
    axes.set_xticks([at for at, _ in found.dates], [hand.fit(t, 6.5, 46) for _, t in found.dates])
    axes.tick_params(labelsize=6.5)
    axes.grid(visible=True, axis="y")
    _rules(axes, found, hand)
    _points(axes, found, hand)


def _rules(axes: Any, found: Chart, hand: Hand) -> None:
    for level in found.levels:
        axes.plot([level.first, level.last], [level.value] * 2, color=MUTED, lw=1.2, zorder=2)
    for rule in found.rules:
        shade, dots = _SHADES[rule.kind], rule.kind == "break"
        axes.axvline(rule.at, color=shade, lw=1.4 if dots else 0.9, zorder=2,
                     linestyle=DOTS if dots else DASHES)  # fmt: skip
        if not dots:
            text = hand.fit(rule.label, 6.5, 90)
            where = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(text, (rule.at, 1.0), xytext=(0, 1), ha="center", va="bottom",
                          size=6.5, color=shade, annotation_clip=False, **where)  # fmt: skip


def _points(axes: Any, found: Chart, hand: Hand) -> None:
    known = [(at, point) for at, point in enumerate(found.points) if point.value is not None]
    for at, point in known:
        if point.low is not None and point.high is not None:
            axes.plot([at, at], [point.low, point.high], color=MUTED, lw=0.7, zorder=2.5,
                      solid_capstyle="butt")  # fmt: skip
    values = [point.value for _, point in known]
    axes.scatter([at for at, _ in known], values, s=9, color=SHADES[0], linewidth=0, zorder=3)
    for at, point in known:
        if point.baselines:
            axes.scatter([at], [point.value], s=42, facecolor="none", edgecolor=WARN,
                         linewidth=0.9, zorder=3)  # fmt: skip
            name = hand.fit(", ".join(point.baselines), 6, 70)
            axes.annotate(name, (at, point.value), xytext=(0, 5.5), size=6, color=WARN,
                          textcoords="offset points", ha="center", zorder=4)  # fmt: skip
    gone = [at for at, point in enumerate(found.points) if point.value is None]
    floor = found.low + 0.04 * (found.high - found.low)
    axes.scatter(gone, [floor] * len(gone), s=14, marker="x", color=INK, linewidth=0.8, zorder=3)
