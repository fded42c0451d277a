"""From a stored run to the value that reports and machines see; statistics are derived here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.columns import unpack_samples
from benchbench.confidence import with_confidence
from benchbench.stats.latency import query_ns, summarise
from benchbench.stats.ratio import METHOD, speedup
from benchbench.store import Run
from benchbench.types import Cell, Failure, Placement, Result
from benchbench.view import CellView, LatencyView, RunView, Speedup

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
    cells = with_confidence(run, _with_speedups(run, cells, results), results)
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
        "parity": result.parity,
        "admitted": tuple(
            caveat.code.removesuffix("_admitted")
            for caveat in result.caveats
            if caveat.code.endswith("_admitted")
        ),
        "artifact": result.artifact,
        "memory": result.memory,
        "caveats": result.caveats,
        "failure": result.failure,
        "started": result.started,
        "wall_s": result.wall_s,
        "stages_s": result.stages_s,
    }
    if scores:
        names = (
            "metrics", "primary", "per_class", "reasons", "curves", "matrices", "evaluator",
            "convention", "counts", "lower_is_better",
        )  # fmt: skip
        found |= {name: getattr(scores, name) for name in names}
    if result.placement:
        metrics, reasons = coverage_metrics(result.placement)
        found["metrics"] = {**found.get("metrics", {}), **metrics}
        found["reasons"] = {**found.get("reasons", {}), **reasons}
    return found


def coverage_metrics(placement: Placement) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the shares on the requested device and in the requested precision, as metrics."""
    metrics = {
        "coverage.device": placement.on_device.best,
        "coverage.precision": placement.in_precision.best,
    }
    absent = {
        name: f"not known from {placement.source}" for name, v in metrics.items() if v is None
    }
    return metrics, absent


def _with_speedups(
    run: Run, cells: tuple[CellView, ...], results: dict[str, Result]
) -> tuple[CellView, ...]:
    """Return *cells*, each with its speed against fp32 where both were timed."""
    bases = {_likeness(cell): cell for cell in cells if cell.precision == "fp32" and cell.latency}
    found = []
    for cell in cells:
        base = bases.get(_likeness(cell)) if cell.precision != "fp32" and cell.latency else None
        update = {"speedup": _speedup(run, results[base.id], results[cell.id])} if base else {}
        found.append(cell.model_copy(update=update))
    return tuple(found)


def _likeness(cell: CellView) -> tuple[Any, ...]:
    return (cell.model, cell.runtime, cell.device, cell.batch, cell.dataset, cell.split)


def _speedup(run: Run, base: Result, other: Result) -> Speedup | None:
    ratio = speedup(_query_ms(run, base), _query_ms(run, other))
    if ratio is None:
        return None
    point, low, high = ratio
    return Speedup(against=base.cell.id, ratio=point, low=low, high=high, method=METHOD)


def _query_ms(run: Run, result: Result) -> NDArray[np.float64]:
    return query_ns(unpack_samples(run.array(result.arrays["samples"]))) / 1e6


def latency_view(run: Run, result: Result) -> LatencyView | None:
    """Derive the latency figures of *result* from its raw samples."""
    ref = result.arrays.get("samples")
    if ref is None:
        return None
    return summarise(unpack_samples(run.array(ref)), result.cell.batch)
