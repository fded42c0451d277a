"""The groups of cells of the page, each with everything that is printed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchbench.reports import drawing, evidence, grouping, wording
from benchbench.reports.grouping import Group, Rung, accuracies, finite
from benchbench.reports.page.figures import Chip, Figure, Footnotes, chips
from benchbench.reports.page.heats import Heat, heats
from benchbench.reports.page.plot import Plot, plots
from benchbench.reports.page.proofs import Proof, proofs
from benchbench.reports.page.rows import Row, metric_ends, row
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Section:
    """A group of cells with everything drawn from it."""

    group: Group
    title: str
    primary: str | None
    lower: frozenset[str]
    """Names of the metrics of which less is better."""
    metric: str
    """The primary metric as people write it; ``accuracy`` without any."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    shared: tuple[Chip, ...]
    plots: tuple[Plot, ...]
    plotted: int
    mixed_scoring: bool
    rungs: tuple[Rung, ...]
    metrics: tuple[str, ...]
    scores: tuple[tuple[CellView, tuple[Figure, ...]], ...]
    score_notes: tuple[str, ...]
    heats: tuple[Heat, ...]
    legend: tuple[tuple[str, str], ...]
    proofs: tuple[Proof, ...]
    proof_notes: tuple[str, ...]
    compiled: tuple[CellView, ...]
    timed: tuple[CellView, ...]
    scale: drawing.LogScale | None
    staged: bool


def section(group: Group, anchors: Mapping[str, str], *, threaded: bool) -> Section:
    """Return *group* as the page prints it, with threads row by row if *threaded*."""
    notes, score_notes, proof_notes = Footnotes(), Footnotes(), Footnotes()
    shared, plotted = grouping.shared_caveats(group.cells), group.plotted
    primary, lower = group.primary, group.lower
    best = {cell.id for cell in grouping.front(plotted)}
    rows = tuple(row(cell, anchors[cell.id], notes, shared, best) for cell in group.cells)
    metrics = tuple(dict.fromkeys(name for cell in group.cells for name in accuracies(cell)))
    timed = tuple(cell for cell in group.cells if cell.latency)
    conventions = {(c.evaluator, *sorted(c.convention.items())) for c in plotted}
    scored = [cell for cell in group.cells if accuracies(cell)]
    return Section(
        group=group,
        title=group.title,
        primary=primary,
        lower=lower,
        metric=wording.metric_name(primary, lower) if primary else "accuracy",
        rows=rows,
        notes=notes.texts,
        shared=chips(shared),
        plots=plots(group) if len(plotted) > 1 else (),
        plotted=len(plotted),
        mixed_scoring=len(conventions) > 1,
        rungs=grouping.ladder(group.cells),
        metrics=metrics,
        scores=tuple((cell, _scores(cell, metrics, score_notes)) for cell in scored),
        score_notes=score_notes.texts,
        heats=tuple(heats(group)),
        legend=evidence.legend(group.cells),
        proofs=tuple(proofs(group.cells, proof_notes, threaded=threaded)),
        proof_notes=proof_notes.texts,
        compiled=tuple(cell for cell in group.cells if cell.status == "compiled"),
        timed=timed,
        scale=drawing.latency_scale(timed),
        staged=any(drawing.stack(cell) for cell in timed),
    )


def _scores(cell: CellView, metrics: Sequence[str], notes: Footnotes) -> tuple[Figure, ...]:
    values = ((name, finite(cell.metrics.get(name))) for name in metrics)
    return tuple(
        notes.figure(wording.fraction(v), v, _unscored(cell, n), metric_ends(cell, n))
        for n, v in values
    )


def _unscored(cell: CellView, metric: str) -> str:
    if metric in cell.reasons:
        return wording.short(cell.reasons[metric], 300)
    return "this evaluator does not give it" if metric not in cell.metrics else "no reason is given"
