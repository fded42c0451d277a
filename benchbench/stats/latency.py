"""From the raw samples of a latency pass to what reports show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.intervals import percentile_interval
from benchbench.stats.percentiles import autocorrelation_time, percentile_or_reason
from benchbench.types import Samples
from benchbench.view import LatencyView

PERCENTILES = (50, 90, 95, 99)
TRACE_POINTS = 300


def query_ns(samples: Samples) -> NDArray[np.int64]:
    """Return the latency of each query: upload + run + download."""
    return samples.upload_ns + samples.run_ns + samples.download_ns


def summarise(samples: Samples, batch: int) -> LatencyView:
    """Derive percentiles, throughput and stage medians."""
    total = query_ns(samples) / 1e6
    effective = len(total) / autocorrelation_time(total)
    found = {f"p{p}_ms": percentile_or_reason(total, p, effective) for p in PERCENTILES}
    shown = [p for p in PERCENTILES if found[f"p{p}_ms"][0] is not None]
    spans = {f"p{p}_ms": percentile_interval(total, p, effective) for p in shown}
    span_s = (samples.started_ns[-1] + query_ns(samples)[-1]) / 1e9
    return LatencyView(
        queries=len(total),
        effective_queries=round(effective, 1),
        mean_ms=float(total.mean()),
        **{name: value for name, (value, _) in found.items()},
        withheld={name: reason for name, (_, reason) in found.items() if reason},
        intervals_ms={name: span for name, span in spans.items() if span},
        throughput_ips=float(len(total) * batch / span_s),
        stages_ms=_stages(samples),
        quantiles_ms=tuple(np.quantile(total, np.linspace(0, 1, 101)).tolist()),
        trace_ms=_trace(total),
    )


def _stages(samples: Samples) -> dict[str, float | None]:
    stages = ("decode", "preprocess", "upload", "run", "download", "postprocess")
    arrays = {stage: getattr(samples, f"{stage}_ns") for stage in stages}
    return {s: float(np.median(a)) / 1e6 if len(a) else None for s, a in arrays.items()}


def _trace(total: NDArray[np.float64]) -> tuple[float, ...]:
    parts = np.array_split(total, min(len(total), TRACE_POINTS))
    return tuple(float(np.median(part)) for part in parts)
