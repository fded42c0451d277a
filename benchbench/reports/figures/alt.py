"""What each figure shows, in words: for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchbench.history_view import HistoryView, SeriesView
from benchbench.reports import confusion as matrices
from benchbench.reports import curves as lines
from benchbench.reports import parts, severity, trends
from benchbench.reports.energy import scope
from benchbench.reports.evidence import named
from benchbench.reports.grouping import (
    Group,
    Rung,
    accuracy,
    finite,
    front,
    median_ms,
    variant,
)
from benchbench.reports.wording import (
    delta,
    fraction,
    metric_name,
    milliseconds,
    plural,
    ratio,
    short,
    significant,
)
from benchbench.trends import words
from benchbench.view import CellView

_MOST = 6
"""Names in a list; the rest is counted."""


def _listed(names: Iterable[str], most: int = _MOST) -> str:
    """Return names with commas; how many more there are."""
    every = [name for name in names if name]
    more = [f"{len(every) - most:,} more"] if len(every) > most else []
    return ", ".join([*every[:most], *more])


def _ends(
    cells: Sequence[CellView],
    read: Callable[[CellView], float | None],
    told: Callable[[float | None], str],
) -> str:
    """Return ``3.81 ms (A) to 148 ms (B)``; of one cell its figure alone."""
    known = sorted((c for c in cells if read(c) is not None), key=lambda c: read(c) or 0.0)
    if not known:
        return "no figure"
    first, last = known[0], known[-1]
    one = f"{told(read(first))} ({named(first)})"
    return one if first is last else f"{one} to {told(read(last))} ({named(last)})"


def tradeoff(group: Group) -> str:
    """Return the ends of both axes and the cells on the front."""
    cells = group.plotted
    name = metric_name(group.primary, group.lower)
    best = _listed(f"{named(c)} at {milliseconds(median_ms(c))}" for c in front(cells))
    return (
        f"Scatter plot of {name} against p50 latency, {plural(len(cells), 'cell')}. "
        f"{name} from {_ends(cells, accuracy, fraction)}; latency from "
        f"{_ends(cells, median_ms, milliseconds)}. On the Pareto front: {best or 'no cell'}."
    )


def latency(cells: Sequence[CellView]) -> str:
    """Return the ends of the medians."""
    count = plural(len(cells), "cell")
    return (
        f"Box plots of the latency of {count}, in ms and over each cell’s own p50. "
        f"p50 from {_ends(cells, median_ms, milliseconds)}."
    )


def ladder(rungs: Sequence[Rung], group: Group) -> str:
    """Return what each reduced precision changes."""
    name = metric_name(group.primary, group.lower)
    told = (
        f"{named(rung.cell)}: {delta(rung.accuracy_delta)} {name}, "
        f"{ratio(rung.time_ratio)} the time"
        for rung in rungs
    )
    return f"Bars of what reduced precision changes against fp32. {_told(told)}"


def _told(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f"; and {len(every) - _MOST:,} more" if len(every) > _MOST else ""
    return f"{'; '.join(every[:_MOST])}{more}."


def classes(name: str, metric: str, cells: Sequence[CellView]) -> str:
    """Return the best and the worst class of each cell."""
    return f"Dots of {name} by class. {_told(_extremes(cell, metric) for cell in cells)}"


def _extremes(cell: CellView, metric: str) -> str:
    known = {k: v for k, v in cell.per_class[metric].items() if finite(v) is not None}
    if not known:
        return f"{named(cell)}: no class has a value"
    low, high = (pick(known, key=lambda k: known[k] or 0.0) for pick in (min, max))
    return (
        f"{named(cell)}: from {fraction(known[low])} ({short(low, 40)}) "
        f"to {fraction(known[high])} ({short(high, 40)})"
    )


def confused(drawn: matrices.Drawn) -> str:
    """Return the pairs that are confused most often."""
    pairs = matrices.confused(drawn.matrix, matrices.read(drawn.matrix))
    told = _listed(
        f"{short(p.row, 30)} taken for {short(p.column, 30)} {matrices.count(p.count)} times"
        for p in pairs
    )
    kind = "Heat map" if drawn.rows else "Bars"
    return f"{kind} of the confusion of {drawn.title}. {told or 'No pair is confused'}."


def curves(panels: Sequence[lines.Panel]) -> str:
    """Return which curves of which cells are drawn."""
    told = (
        f"{panel.title}, {short(panel.y_name, 30)} over {short(panel.x_name, 30)}, of "
        f"{_listed((variant(cell) for cell, _ in panel.lines), 4)}"
        for panel in panels
    )
    return f"Curves: {_told(told)}"


def parted(block: parts.Block, rows: Sequence[parts.Part]) -> str:
    """Return the difference of each part, those that are harmed first."""
    harmed = _listed(short(part.name, 40) for part in parts.harmed(block))
    told = _told(
        f"{short(p.name, 40)} {delta(p.comparison.difference if p.comparison else None)}"
        for p in rows
    )
    name = metric_name(block.metric, block.cell.lower_is_better)
    worse = f" Worse than fp32: {harmed}." if harmed else " No part is shown to be worse."
    kinds = parts.PLURALS[block.kind]
    return (
        f"Differences of {name} from fp32 by {block.kind}, {kinds} of {block.name}. {told}{worse}"
    )


def falling(panels: Sequence[severity.Panel]) -> str:
    """Return what each corruption costs from the first to the last severity."""
    told = (f"{panel.title}: {_fallen(panel)}" for panel in panels)
    return f"Lines of accuracy against severity. {_told(told)}"


def _fallen(panel: severity.Panel) -> str:
    found = []
    for line in panel.lines[:3]:
        known = [point for point in line.points if point.value is not None]
        if known:
            ends = f"{fraction(known[0].value)} to {fraction(known[-1].value)}"
            found.append(f"{line.name} from {ends} at severity {known[-1].severity}")
    return ", ".join(found) or "no figure"


def energy(found: Sequence[tuple[CellView, int]]) -> str:
    """Return the joules of each cell; the number is that of its figure among the cell's own."""
    told = (
        f"{named(cell)}, {scope(view)}: {significant(view.gross_j_per_image.value)} J"
        for cell, at in found
        for view in [cell.energy[at]]
    )
    return f"Bars of the energy an image. {_told(told)}"


def capacity(texts: Sequence[tuple[str, str]]) -> str:
    """Return what each cell was shown to keep, and not to."""
    told = _told(f"{name}: {found}" for name, found in texts)
    return f"Lines from the level shown to be kept to that shown not to. {told}"


def trend(view: HistoryView, drawn: Sequence[SeriesView]) -> str:
    """Return the first and the last figure of each cell, and its changes."""
    told = _told(f"{trends.label(one)}: {_moved(one)}" for one in drawn)
    return f"Dots of {trends.title(view)} over {plural(view.runs, 'run')}. {told}"


def _moved(series: SeriesView) -> str:
    known = [point for point in series.points if point.value is not None]
    if not known:
        return "no figure"
    first, last = (words.value(series, point) for point in (known[0], known[-1]))
    ends = f"{first} on {words.day(known[0])}, {last} on {words.day(known[-1])}"
    changes = _listed((words.change(made) for made in series.changes), 3)
    searched = any(part.tested for part in series.parts)
    return f"{ends}; {changes or ('no change is found' if searched else 'not searched')}"
