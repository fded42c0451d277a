"""Accuracy against severity of corruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.reports import severity
from benchbench.reports.figures import alt
from benchbench.reports.figures.panels import Pen, batches, legend, panel_axes, pen
from benchbench.reports.figures.sheet import Plate, Sheet, caption_of
from benchbench.reports.figures.style import INK, SHADES
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import Group, finite
from benchbench.reports.wording import metric_name
from benchbench.view import RunView


def severity_pages(run: RunView, hand: Hand) -> Iterator[Plate]:
    """Yield a page for every three corruptions of a dataset."""
    found = severity.panels(run.cells)[: severity.MOST_PANELS]
    for base in dict.fromkeys((panel.dataset, panel.split) for panel in found):
        own = [panel for panel in found if (panel.dataset, panel.split) == base]
        for panels in batches(own):
            note, told = _note(panels), alt.falling(panels)
            draw = partial(_page, run, hand, note, panels)
            yield Plate("severity", _TITLE, note, told, draw)


_TITLE = "Accuracy against severity"


def _note(panels: Sequence[severity.Panel]) -> str:
    note = "Severity 0: the images as they are. Bars: 95 % intervals at this n. The vertical axis"
    more = max(panel.more for panel in panels)
    return note + " need not start at 0." + (f" Not drawn: {more:,} more cells." if more else "")


def _page(run: RunView, hand: Hand, note: str, panels: Sequence[severity.Panel]) -> Any:
    first = panels[0].lines[0].cell
    cells = tuple(line.cell for panel in panels for line in panel.lines)
    group = Group(panels[0].dataset, panels[0].split, first.task, first.batch, cells)
    sheet = Sheet(group, (), hand, caption_of(group, run))
    page = sheet.page(_TITLE, note)
    pens: list[Pen] = []
    for at, panel in enumerate(panels):
        axes = panel_axes(page, at, len(panels))
        room = 95 if len(panels) > 2 else 160
        title = hand.fit(panel.damage.name.replace("_", " "), 8, room)
        axes.set_title(title, size=8, color=INK)
        lower = (panel.metric,) if panel.lower_is_better else ()
        axes.set_ylabel(hand.fit(metric_name(panel.metric, lower), 7, 120), size=7)
        pens += _draw(axes, panel)
    legend(sheet, page, pens)
    return page.figure


def _draw(axes: Any, panel: severity.Panel) -> list[Pen]:
    axes.set_xlim(-0.3, 5.3)
    axes.set_xticks(severity.SEVERITIES)
    axes.set_xlabel("severity", size=7)
    axes.tick_params(labelsize=6.5)
    pens = []
    for at, line in enumerate(panel.lines):
        pens.append(drawn := pen(line.name, at % len(SHADES), at // len(SHADES)))
        shift = (at % 7 - 3) * 0.035
        known = [point for point in line.points if point.value is not None or point.asked]
        places = [point.severity + shift for point in known]
        values = [float("nan") if point.value is None else point.value for point in known]
        axes.plot(places, values, color=drawn.shade, linestyle=drawn.style, lw=1.0, marker="o",
                  markersize=2.4)  # fmt: skip
        for place, point in zip(places, known, strict=True):
            low, high = (finite(getattr(point.interval, end, None)) for end in ("low", "high"))
            if point.value is not None and low is not None and high is not None:
                axes.plot([place, place], [low, high], color=drawn.shade, lw=0.7)
    return pens
