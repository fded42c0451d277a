"""From a stored run to the value that reports and machines see; statistics are derived here."""

from __future__ import annotations

from typing import Any

from benchbench.columns import unpack_samples
from benchbench.stats.latency import summarise
from benchbench.store import Run
from benchbench.types import Cell, Failure, Result
from benchbench.view import CellView, LatencyView, RunView

PENDING = Failure(
    code="pending",
    stage="plan",
    message="not measured yet",
    hint="the same 'benchbench run' command goes on",
)


def run_view(run: Run) -> RunView:
    """Return *run* with every cell of its plan."""
    manifest, invocation = run.manifest(), run.last_invocation()
    results = {result.cell.id: result for result in run.results()}
    cells = tuple(
        cell_view(run, planned.cell, results.get(planned.cell.id), planned.not_run)
        for planned in manifest.cells
    )
    return RunView(
        run=run.id,
        suite=manifest.suite,
        title=manifest.title,
        description=manifest.description,
        created=manifest.created,
        updated=invocation.started,
        command_line=invocation.command_line,
        suite_sha256=manifest.suite_sha256,
        suite_text=manifest.suite_text,
        environment=invocation.environment,
        datasets=manifest.datasets,
        cells=cells,
    )


def cell_view(run: Run, cell: Cell, result: Result | None, not_run: Failure | None) -> CellView:
    """Return one cell; *result* is None while it was not measured."""
    asked: dict[str, Any] = {
        "id": cell.id,
        "label": cell.label,
        "model": cell.model,
        "runtime": cell.runtime,
        "precision": cell.precision,
        "device": cell.device,
        "batch": cell.batch,
        "dataset": cell.dataset,
        "split": cell.split,
        "task": cell.task,
        "protocol": cell.protocol,
        "versions": cell.versions,
    }
    if result is None or result.status == "not_run":
        failure = (result.failure if result else not_run) or PENDING
        return CellView(**asked, status="not_run", failure=failure)
    return CellView(**asked, **_outcome(run, result))


def _outcome(run: Run, result: Result) -> dict[str, Any]:
    scores = result.scores
    found: dict[str, Any] = {
        "status": result.status,
        "latency": latency_view(run, result),
        "placement": result.placement,
        "artifact": result.artifact,
        "memory": result.memory,
        "caveats": result.caveats,
        "failure": result.failure,
        "started": result.started,
        "wall_s": result.wall_s,
        "stages_s": result.stages_s,
    }
    if scores:
        names = ("metrics", "primary", "per_class", "reasons", "evaluator", "convention", "counts")
        found |= {name: getattr(scores, name) for name in names}
    return found


def latency_view(run: Run, result: Result) -> LatencyView | None:
    """Derive the latency figures of *result* from its raw samples."""
    ref = result.arrays.get("samples")
    if ref is None:
        return None
    return summarise(unpack_samples(run.array(ref)), result.cell.batch)
