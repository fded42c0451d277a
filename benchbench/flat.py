"""A run as flat rows, for data frames: one row a cell, one column a figure."""

from __future__ import annotations

from typing import Any

from benchbench import flattening
from benchbench.quantities import build
from benchbench.view import CellView, RunView

COVERAGE = ("coverage.precision", "coverage.device")
OTHERWISE, PROXY, COMPILED = "†", "‡", "§"
ASKED = ("id", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task")


def rows(run: RunView) -> list[dict[str, Any]]:
    """Return a mapping for each cell with the same keys in the same order; absent is None.

    Accuracy columns are named ``metric.<name>`` (fractions of 1), those of coverage only
    ``coverage.<name>``; latency columns carry ``_ms``.
    """
    names = {name for cell in run.cells for name in cell.metrics} - set(COVERAGE)
    return [_row(run, cell, sorted(names)) for cell in run.cells]


def marks(cell: CellView) -> tuple[tuple[str, str], ...]:
    """Return sign and words for what sets a row apart; empty if it ran as asked and was seen to.

    ``† precision`` (or provider, device: admitted by name), ``‡ proxy``, ``§ compiled``.
    """
    found = [(OTHERWISE, f"other {kind}") for kind in cell.admitted]
    proxy = cell.placement is not None and cell.placement.evidence == "proxy"
    if proxy or any(caveat.code == "proxy" for caveat in cell.caveats):
        found.append((PROXY, "proxy"))
    if cell.status == "compiled":
        found.append((COMPILED, "compiled only"))
    return tuple(found) if cell.status in ("measured", "compiled") else ()


def _row(run: RunView, cell: CellView, metrics: list[str]) -> dict[str, Any]:
    latency, placement, failure = cell.latency, cell.placement, cell.failure
    return {
        "run": run.run,
        **{name: getattr(cell, name) for name in ASKED},
        "status": cell.status,
        "marks": ",".join(text for _, text in marks(cell)),
        **{f"metric.{name}": cell.metrics.get(name) for name in metrics},
        **{f"{p}_ms": getattr(latency, f"{p}_ms", None) for p in ("mean", *_PERCENTILES)},
        **{f"{s}_median_ms": latency.stages_ms.get(s) if latency else None for s in _STAGES},
        "throughput_ips": latency.throughput_ips if latency else None,
        "queries": latency.queries if latency else None,
        "effective_queries": latency.effective_queries if latency else None,
        "effective_precision": placement.precision if placement else None,
        "effective_device": placement.device if placement else None,
        "provider": placement.provider if placement else None,
        **{name: cell.metrics.get(name) for name in COVERAGE},
        "evidence": placement.evidence if placement else None,
        "evidence_source": placement.source if placement else None,
        "threads": placement.threads if placement else None,
        **{f"speed_{name}": getattr(cell.speedup, name, None) for name in ("ratio", "low", "high")},
        **_confidence(cell),
        "build_s": build(cell).value,
        "artifact_bytes": cell.artifact.bytes if cell.artifact else None,
        "caveats": ",".join(caveat.code for caveat in cell.caveats),
        "failure": failure.message if failure else None,
        **flattening.taken(cell),
    }


def _confidence(cell: CellView) -> dict[str, Any]:
    found, other = cell.intervals.get(cell.primary or ""), cell.comparison
    names = {"difference": "difference", "difference_low": "low", "difference_high": "high"}
    return {
        "accuracy_se": found.se if found else None,
        **{name: getattr(other, key, None) for name, key in names.items()},
        "verdict": other.verdict if other else None,
    }


_PERCENTILES = ("p50", "p90", "p95", "p99")
_STAGES = ("preprocess", "upload", "run", "download", "postprocess")
