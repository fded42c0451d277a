"""From a stored run to the value that reports and machines see; statistics are derived here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from benchbench import turnbook
from benchbench.columns import unpack_samples
from benchbench.conditions_view import ConditionsView
from benchbench.confidence import with_confidence
from benchbench.definitions_view import Complexity
from benchbench.quantities import unplaced
from benchbench.speeds import read_rounds, with_speedups
from benchbench.stats.changes import change_points
from benchbench.stats.definitions import figures
from benchbench.stats.definitions_mlperf import single_stream
from benchbench.stats.latency import query_ns, summarise
from benchbench.store import Run
from benchbench.taken import with_taken
from benchbench.types import Cell, Failure, Placement, Result, Samples, Taken
from benchbench.view import CellView, ColdStart, LatencyView, RunView

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
    asked, taken = run.asked(), list(run.all_taken())
    rounds = read_rounds(run, taken)
    cells = with_speedups(run, cells, results, rounds)
    cells = with_confidence(run, cells, results)
    cells = with_taken(run, cells, taken, rounds, asked.prices)
    return RunView(
        run=run.id,
        suite=manifest.suite,
        title=manifest.title,
        description=manifest.description,
        created=manifest.created,
        updated=_updated(invocation.started, results.values(), taken),
        command_line=invocation.command_line,
        suite_sha256=manifest.suite_sha256,
        suite_text=manifest.suite_text,
        environment=invocation.environment,
        datasets=manifest.datasets,
        cells=cells,
        turns=turnbook.views(run, asked.compared),
        left=asked.left,
    )


def _updated(command: str, results: Iterable[Result], taken: Iterable[Taken]) -> str:
    """Return when the last measurement ended; the start of the last command if that is later."""
    times = [(one.started, one.wall_s) for one in results]
    times += [(one.started, one.wall_s) for one in taken]
    ends = [found for one in times if (found := _ended(*one))]
    begun = _ended(command, 0.0)
    last = max(ends, default=None)
    if last is None or begun is None or last <= begun:
        return command
    return last.isoformat().replace("+00:00", "Z")


def _ended(started: str | None, wall_s: float) -> datetime | None:
    """Return the end in UTC; None where the record holds no time."""
    try:
        begun = datetime.fromisoformat(started or "")
    except ValueError:
        return None
    aware = begun if begun.tzinfo else begun.replace(tzinfo=UTC)
    return aware.astimezone(UTC) + timedelta(seconds=wall_s)


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
        **_timed(run, result),
        "complexity": result.complexity and Complexity.model_validate(result.complexity),
        "conditions": result.conditions and ConditionsView.model_validate(result.conditions),
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
    return metrics, {name: unplaced(placement) for name, v in metrics.items() if v is None}


def latency_view(run: Run, result: Result) -> LatencyView | None:
    """Derive the latency figures of *result* from its raw samples."""
    found: LatencyView | None = _timed(run, result)["latency"]
    return found


def _timed(run: Run, result: Result) -> dict[str, Any]:
    """Return all that is derived from the raw samples of the latency pass."""
    ref = result.arrays.get("samples")
    if ref is None:
        return {"latency": None}
    samples = unpack_samples(run.array(ref))
    return {
        "latency": summarise(samples, result.cell.batch),
        "changes": change_points(samples.started_ns, query_ns(samples)),
        "cold": _cold(samples, result.stages_s),
        "definitions": figures(samples, result.cell.batch),
        "loadgen": (single_stream(samples),) if result.cell.batch == 1 else (),
    }


def _cold(samples: Samples, stages_s: Mapping[str, float]) -> ColdStart:
    first = float(samples.first_ns.sum()) / 1e6 if len(samples.first_ns) else None
    load_s = stages_s.get("load")
    absent = first is None or load_s is None
    reason = "an earlier version of benchbench did not take it" if absent else None
    return ColdStart(load_s=load_s, first_ms=first, reason=reason)
