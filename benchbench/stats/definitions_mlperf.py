"""LoadGen's figures, from our raw samples: mlcommons/inference, loadgen/results.cc, version 6.0.

LoadGen's percentiles are elements of the sorted latencies, without interpolation. Its early
stopping asks for which number t of slowest queries a binomial test still shows, at confidence
0.99, that the percentile lies below the t-th slowest (loadgen/early_stopping.cc); it takes queries
for independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.definitions_view import EarlyStopping, LoadGenSummary
from benchbench.stats.percentiles import CONFIDENCE, least_queries
from benchbench.stats.queries import Load, Queries, joined, latency_ns
from benchbench.types import Samples

Whole = NDArray[np.int64]
SHARES = (0.50, 0.90, 0.95, 0.97, 0.99, 0.999)


def percentile(times: Whole, share: float) -> int:
    """Return LoadGen's percentile of (N,) *times*: element ⌊share · N⌋ of the sorted."""
    return int(np.sort(times)[int(len(times) * share)])


def early_stopping(times: Whole, share: float) -> EarlyStopping:
    """Return LoadGen's early-stopping estimate of the percentile 100 · *share* of *times*."""
    from scipy.special import bdtr

    told = round(share * 100, 6)
    n, least = len(times), least_queries(told)
    if n < least:
        reason = f"{n} queries, and p{told:g} needs {least} for early stopping"
        return EarlyStopping(
            percentile=told, least=least, discarded=None, estimate_ns=None, reason=reason
        )
    slow = np.arange(1, n)
    shown = np.flatnonzero(bdtr(slow, n, 1 - share) <= 1 - CONFIDENCE)
    t = int(slow[shown[-1]])
    estimate = int(np.sort(times)[n - t])
    return EarlyStopping(percentile=told, least=least, discarded=t - 1, estimate_ns=estimate)


def single_stream(samples: Samples) -> LoadGenSummary:
    """Return the summary of a latency pass of one image a query."""
    times = samples.upload_ns + samples.run_ns + samples.download_ns
    issued_s = float(samples.started_ns[-1]) / 1e9
    return LoadGenSummary(
        scenario="SingleStream",
        percentile=90,
        samples_per_query=1,
        duration_s=issued_s,
        result_ns=percentile(times, 0.9),
        qps_with_overhead=(len(times) - 1) / issued_s if issued_s else None,
        qps_without_overhead=1e9 / float(times.mean()),
        early_stopping=(early_stopping(times, 0.9), early_stopping(times, 0.99)),
        **_latencies(times),
    )


def multi_stream(load: Load, samples: int) -> LoadGenSummary:
    """Return the summary of a closed loop of queries of *samples* images."""
    queries = joined(load.passes(0))
    times = _served(queries)
    return LoadGenSummary(
        scenario="MultiStream",
        percentile=99,
        samples_per_query=samples,
        duration_s=_last_s(load, 0, "started_ns"),
        result_ns=percentile(times, 0.99),
        early_stopping=(early_stopping(times, 0.99),),
        **_latencies(times),
    )


def server(load: Load, probe: int, bound_ms: float, share: float = 0.99) -> LoadGenSummary:
    """Return the summary of one rate; a query that was not served counts as over the bound."""
    queries = joined(load.passes(probe))
    served, bound_ns = _served(queries), round(bound_ms * 1e6)
    lost = len(queries.stream) - len(served)
    n, over = len(queries.stream), int((served > bound_ns).sum()) + lost
    arrived_s, done_s = (_last_s(load, probe, f) for f in ("scheduled_ns", "finished_ns"))
    return LoadGenSummary(
        scenario="Server",
        percentile=share * 100,
        samples_per_query=1,
        duration_s=arrived_s,
        # LoadGen loses no query: where one was not served, no latency stands for it.
        result_ns=None if lost else percentile(served, share),
        completed_per_s=(len(served) - 1) / done_s if done_s else None,
        scheduled_per_s=(n - 1) / arrived_s if arrived_s else None,
        target_qps=float(load.level[probe]),
        target_latency_ns=bound_ns,
        over_latency=over,
        still_needed=max(0, _least_total(over, share) - n),
        **(_latencies(served) | {"queries": n}),
    )


def offline(load: Load, probe: int, batch: int) -> LoadGenSummary:
    """Return the summary of one number of streams: all samples are one query, as LoadGen has it.

    A sample's latency is from the begin of the pass to the end of the batch that it was in.
    """
    queries = joined(load.passes(probe))
    times = np.repeat(queries.finished_ns[queries.issued], batch)
    whole_s = _last_s(load, probe, "finished_ns")
    return LoadGenSummary(
        scenario="Offline",
        samples_per_query=len(times),
        duration_s=whole_s,
        samples_per_s=len(times) / whole_s if whole_s else None,
        **(_latencies(times) | {"queries": 1}),
    )


def _latencies(times: Whole) -> dict[str, Any]:
    found = {f"{share * 100:.2f}": percentile(times, share) for share in SHARES if len(times)}
    return {
        "queries": len(times),
        "min_ns": int(times.min()) if len(times) else None,
        "max_ns": int(times.max()) if len(times) else None,
        "mean_ns": int(times.sum() // len(times)) if len(times) else None,
        "percentiles_ns": found,
    }


def _served(queries: Queries) -> Whole:
    found: Whole = latency_ns(queries)[queries.issued]
    return found


def _last_s(load: Load, probe: int, column: str) -> float:
    """Return the sum over the passes of a level of the last reading in *column*, in seconds."""
    lasts = [int(getattr(one, column).max(initial=0)) for one in load.passes(probe)]
    return sum(lasts) / 1e9


def _least_total(over: int, share: float) -> int:
    """Return how many queries in all show the percentile to be kept, *over* of them being late."""
    from scipy.special import bdtr

    low, high = max(over, 1), 2 * max(over, 1)
    while bdtr(over, high, 1 - share) > 1 - CONFIDENCE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        shown = bdtr(over, middle, 1 - share) <= 1 - CONFIDENCE
        low, high = (low, middle) if shown else (middle, high)
    return high
