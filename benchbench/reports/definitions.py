"""One run's latency in the words of other tools, so that published figures can be set beside it.

A table a tool, a row a cell; what the figures mean stands once, in a table of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchbench.definitions_view import LatencyFigure
from benchbench.folding import kept
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Row,
    Section,
    Table,
    Value,
    columns,
    fold,
    number,
    row,
    section,
    table,
    words,
)
from benchbench.reports.wording import short
from benchbench.view import CellView, RunView

_HEADS = (
    "definitions",
    "Latency by other tools’ definitions",
    (
        "The same pass, summed up as each tool does it. Figures of two tools differ mostly in "
        "what is in them: compare a published figure with that of its own tool. The stages "
        "and the clock tell what is counted."
    ),
)
_WIDTH = 8
"""Figures side by side in a table."""
_LACKING = "the cell has no such figure"
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One figure of a tool, as all cells that have it see it."""

    key: _Key
    views: tuple[LatencyFigure, ...]

    @property
    def measured(self) -> bool:
        return any(finite(view.value) is not None for view in self.views)

    @property
    def contents(self) -> str:
        """Return what is in it; cells may differ, as one runtime tells more than another."""
        return " or ".join(dict.fromkeys(told for view in self.views if (told := contents(view))))


def definitions(run: RunView) -> Section | None:
    """Return the section, tables that open on demand; None without any."""
    cells = [cell for cell in kept(run.cells) if cell.definitions]
    figures = _figures(cells)
    tables = [fold("What each figure is", _meanings(figures))] if figures else []
    for tool, own in groupby(figures, key=lambda figure: figure.key[0]):
        shown = [figure for figure in own if figure.measured]
        split = list(_split(shown))
        for number_of, part in enumerate(split, 1):
            several = f" ({number_of} of {len(split)})" if len(split) > 1 else ""
            tables.append(fold(f"{short(tool, 60)}{several}", _values(part, cells)))
    return section(_HEADS, [], tables, [_unformed(figures)] if _unformed(figures) else [])


def _figures(cells: Sequence[CellView]) -> list[_Figure]:
    """Return the figures of *cells*, tool by tool, in the order in which they first appear."""
    found: dict[_Key, list[LatencyFigure]] = {}
    for cell in cells:
        for view in cell.definitions:
            found.setdefault(_key(view), []).append(view)
    tools = list(dict.fromkeys(tool for tool, *_ in found))
    ordered = sorted(found.items(), key=lambda item: tools.index(item[0][0]))
    return [_Figure(key, tuple(views)) for key, views in ordered]


def _key(view: LatencyFigure) -> _Key:
    return view.tool, view.name, view.statistic


def _split(figures: Sequence[_Figure]) -> Iterator[Sequence[_Figure]]:
    """Yield parts of about equal length that fit a table."""
    if figures:
        size = math.ceil(len(figures) / math.ceil(len(figures) / _WIDTH))
        yield from (figures[at : at + size] for at in range(0, len(figures), size))


def _values(figures: Sequence[_Figure], cells: Sequence[CellView]) -> Table:
    names = [figure.key[1] for figure in figures]
    heads = [
        f"{_named(figure, several=names.count(figure.key[1]) > 1)}, {figure.views[0].unit}"
        for figure in figures
    ]
    rows = (row(cell, cells, *_of(cell, figures)) for cell in cells)
    caption = f"{short(figures[0].key[0], 60)}: this pass by its definition"
    return table(caption, columns(*heads), rows)


def _named(figure: _Figure, *, several: bool) -> str:
    _, name, statistic = figure.key
    return f"{short(name, 60)} {statistic}" if several else short(name, 60)


def _of(cell: CellView, figures: Sequence[_Figure]) -> Iterator[Value]:
    own = {_key(view): view for view in cell.definitions}
    for figure in figures:
        view = own.get(figure.key)
        yield number(view.value, view.reason) if view else number(None, _LACKING)


def _meanings(figures: Sequence[_Figure]) -> Table:
    """Return a row for those figures of a tool that are taken in one way."""
    heads = columns(
        Head("Statistics", "text"), Head("What is in it", "text"), Head("Definition", "text"),
        Head("Source", "text"),
    )  # fmt: skip
    rows = [_meaning(list(own)) for _, own in groupby(figures, key=_taken)]
    return table("Definitions", heads, rows, "Figure")


def _taken(figure: _Figure) -> tuple[str, str, str, str]:
    view = figure.views[0]
    return view.tool, view.definition, view.source, figure.contents


def _meaning(figures: Sequence[_Figure]) -> Row:
    view = figures[0].views[0]
    names = list(dict.fromkeys(figure.key[1] for figure in figures))
    statistics = dict.fromkeys(figure.key[2] for figure in figures)
    values = (
        words(", ".join(statistics)),
        words(figures[0].contents or "not measured"),
        words(short(view.definition, 400)),
        words(short(view.source, 160)),
    )
    return Row(short(", ".join(names), 200), values, beside=short(view.tool, 60))


def _unformed(figures: Sequence[_Figure]) -> str:
    """Return the sentence on what no cell has, each with its reason."""
    lacking = [figure for figure in figures if not figure.measured]
    told = []
    for (tool, name, why), own in groupby(lacking, key=_why):
        statistics = ", ".join(figure.key[2] for figure in own)
        told.append(f"{short(tool, 60)} {short(name, 60)} ({statistics}): {short(why, 160)}")
    return f"Not formed in any cell: {'; '.join(told)}." if told else ""


def _why(figure: _Figure) -> tuple[str, str, str]:
    tool, name, _ = figure.key
    reasons = dict.fromkeys(view.reason or "the run gives no reason" for view in figure.views)
    return tool, name, "; ".join(reasons)


def contents(found: LatencyFigure) -> str:
    """Return ``upload + run + download``, with the device's clock named; empty if unmeasured."""
    told = " + ".join(found.stages)
    return f"{told}, device clock" if told and found.clock == "device" else told
