"""Accuracy by class: fp32 and int8 of one runtime, joined by a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchbench.reports.evidence import signs
from benchbench.reports.figures import alt
from benchbench.reports.figures.sheet import Key, Page, Plate, Sheet, span
from benchbench.reports.figures.style import BOTTOM, LEFT, LINE, MUTED, TOP, WIDTH
from benchbench.reports.grouping import finite
from benchbench.reports.wording import metric_name
from benchbench.view import CellView

MOST_CLASSES = 40
"""Beyond so many classes the dots of one page can no longer be told apart."""
_BY_CLASS = {"miou": "iou", "top1": "recall"}
"""Means whose value by class has another name: a class's share of hits is its recall."""
_CLASS_NAMES = {"ap": "AP", "map": "AP", "iou": "IoU"}


def classes(sheet: Sheet) -> Iterator[Plate]:
    """Yield a page a model, where its classes can be told apart."""
    metric = by_class(sheet.group.primary)
    cells = [
        cell
        for cell in sheet.group.cells
        if cell.precision in {"fp32", "int8"} and metric in cell.per_class and not signs(cell)
    ]
    names = tuple(dict.fromkeys(name for cell in cells for name in cell.per_class[metric]))
    if not 0 < len(names) <= MOST_CLASSES:
        return
    values = [value for c in cells for v in c.per_class[metric].values() if (value := finite(v))]
    limits = span(values or [0.0, 1.0])
    for model in dict.fromkeys(cell.model for cell in cells):
        own = [cell for cell in cells if cell.model == model]
        dots = Dots(metric, names, own, limits)
        title, note = f"{class_name(metric)} by class · {model}", _note(dots)
        told = alt.classes(class_name(metric), metric, own)
        yield Plate("classes", title, note, told, partial(_page, sheet, dots, note), tuple(own))


def by_class(primary: str | None) -> str:
    """Return the metric by class whose mean is *primary*."""
    return _BY_CLASS.get(primary or "", primary or "")


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


def class_name(metric: str) -> str:
    """Return how people write a metric of one class: AP, not mAP."""
    return _CLASS_NAMES.get(metric.lower(), metric_name(metric))


def _note(dots: Dots) -> str:
    note = "A line joins fp32 and int8 of one runtime. The axis need not start at 0."
    if any(finite(v) is None for cell in dots.cells for v in cell.per_class[dots.metric].values()):
        note += " A class without a dot has no value."
    return note


def _page(sheet: Sheet, dots: Dots, note: str) -> Any:
    metric = class_name(dots.metric)
    page = sheet.page(sheet.hand.fit(f"{metric} by class · {dots.cells[0].model}", 9.5, 230), note)
    marks = {
        "fp32": {"marker": "o", "facecolor": "white", "edgecolor": MUTED},
        "int8": {"marker": "D", "color": MUTED},
    }
    kinds = {cell.precision for cell in dots.cells}
    keys = [Key(name, mark) for name, mark in marks.items() if name in kinds]
    sheet.legend(page, dots.cells, *keys)
    columns = 1 if len(dots.names) <= 14 else 2
    rows = math.ceil(len(dots.names) / columns)
    wide = (WIDTH - LEFT) / columns
    for column in range(columns):
        names = dots.names[column * rows : (column + 1) * rows]
        _class_column(sheet, page, dots, names, (LEFT + column * wide, wide - 14, rows))
    return page.figure


def _class_column(
    sheet: Sheet, page: Page, dots: Dots, names: Sequence[str], place: tuple[float, float, int]
) -> None:
    left, wide, rows = place
    pitch = min(20.0, (TOP - BOTTOM) / rows)
    size = min(8.0, pitch * 0.85)
    label = min(wide * 0.36, 110.0)
    axes = page.axes(left + label + 6, TOP - pitch * rows, left + wide, TOP)
    axes.set(xlim=dots.limits, ylim=(rows, 0), yticks=[])
    axes.set_xlabel(sheet.hand.fit(class_name(dots.metric), 8, 120))
    axes.locator_params(axis="x", nbins=6)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.hlines(range(1, rows), *dots.limits, color=LINE, lw=0.4, zorder=0)
    for at, name in enumerate(names):
        text = sheet.hand.fit(name, size, label)
        page.write(left + label, TOP - pitch * (at + 0.5), text, size=size, ha="right",
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
