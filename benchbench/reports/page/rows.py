"""Rows of the page's main table: a cell of the run with its figures and doubts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchbench.reports import evidence, grouping, processes, wording
from benchbench.reports.grouping import accuracy, finite
from benchbench.reports.page.figures import Chip, Ends, Figure, Footnotes, both, chips
from benchbench.reports.tables import digits, span, within
from benchbench.types import Caveat
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the run as the main table shows it."""

    cell: CellView
    anchor: str
    accuracy: Figure
    percentiles: tuple[Figure, ...]
    throughput: Figure
    memory: Figure
    size: Figure
    on_front: bool
    chips: tuple[Chip, ...]
    doubts: tuple[Chip, ...]
    """All caveats of its own; ``chips`` are those that no mark at its name tells already."""
    mismatch: str
    coverage: str
    metered: bool
    """True if the accuracy is drawn as a bar from 0 to 1: not where less is better."""


def row(
    cell: CellView, anchor: str, notes: Footnotes, shared: Sequence[Caveat], best: Collection[str]
) -> Row:
    """Return the row of *cell*; *best* are the ids of the cells on the Pareto front."""
    late = cell.latency
    artifact = cell.artifact.bytes if cell.artifact else None
    resident = cell.memory.get("inference")
    rate = finite(late.throughput_ips) if late else None
    score = accuracy(cell)
    own = [c for c in cell.caveats if c not in shared]
    told, why = wording.fraction(score), wording.accuracy_absence(cell)
    return Row(
        cell=cell,
        anchor=anchor,
        accuracy=notes.figure(told, score, why, metric_ends(cell, cell.primary or "")),
        percentiles=tuple(_percentile(cell, name, notes) for name in wording.PERCENTILES),
        throughput=notes.figure(wording.significant(rate), rate, wording.untimed(cell)),
        memory=notes.figure(wording.size(resident), resident, wording.absence(cell)),
        size=notes.figure(wording.size(artifact), artifact, wording.unfiled(cell)),
        on_front=cell.id in best,
        chips=chips(c for c in own if c.code not in evidence.MARKED),
        doubts=chips(own),
        mismatch="; ".join(
            mark.line for mark in evidence.marks(cell) if mark.sign == evidence.OTHERWISE
        ),
        coverage=wording.coverage(cell.placement),
        metered=score is not None and 0 <= score <= 1 and grouping.sense(cell) > 0,
    )


def metric_ends(cell: CellView, metric: str) -> Ends | None:
    """Return the interval of *metric* of *cell*, or None."""
    found = cell.intervals.get(metric)
    return both(found.low, found.high) if found else None


def _percentile(cell: CellView, name: str, notes: Footnotes) -> Figure:
    if name == "p50" and cell.processes and (several := processes.typical(cell)):
        wall = cell.processes.wall
        ends = both(wall.low_ms, wall.high_ms)
        return Figure(several.text, several.value, range=several.lines, ends=ends)
    if cell.latency is None:
        return notes.figure("", None, wording.untimed(cell))
    value = finite(getattr(cell.latency, f"{name}_ms"))
    if value is None:
        return notes.figure("", None, wording.withheld(cell.latency, name))
    ends = within(cell.latency, name)
    text = wording.significant(value, digits(ends))
    return Figure(text, value, range=span(ends), ends=both(*ends) if ends else None)
