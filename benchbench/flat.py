"""A run as flat rows, for data frames: one row a cell, one column a figure."""

from __future__ import annotations

from typing import Any

from benchbench.view import CellView, RunView

ASKED = ("id", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task")


def rows(run: RunView) -> list[dict[str, Any]]:
    """Return a mapping for each cell with the same keys in the same order; absent is None.

    Accuracy columns are named ``metric.<name>`` (fractions of 1), latency columns carry ``_ms``.
    """
    metrics = sorted({name for cell in run.cells for name in cell.metrics})
    return [_row(run, cell, metrics) for cell in run.cells]


def _row(run: RunView, cell: CellView, metrics: list[str]) -> dict[str, Any]:
    latency, placement, failure = cell.latency, cell.placement, cell.failure
    return {
        "run": run.run,
        **{name: getattr(cell, name) for name in ASKED},
        "status": cell.status,
        **{f"metric.{name}": cell.metrics.get(name) for name in metrics},
        **{f"{p}_ms": getattr(latency, f"{p}_ms", None) for p in ("mean", *_PERCENTILES)},
        **{f"{s}_median_ms": latency.stages_ms.get(s) if latency else None for s in _STAGES},
        "throughput_ips": latency.throughput_ips if latency else None,
        "queries": latency.queries if latency else None,
        "effective_queries": latency.effective_queries if latency else None,
        "effective_precision": placement.precision if placement else None,
        "effective_device": placement.device if placement else None,
        "provider": placement.provider if placement else None,
        "artifact_bytes": cell.artifact.bytes if cell.artifact else None,
        "caveats": ",".join(caveat.code for caveat in cell.caveats),
        "failure": failure.message if failure else None,
    }


_PERCENTILES = ("p50", "p90", "p95", "p99")
_STAGES = ("preprocess", "upload", "run", "download", "postprocess")
