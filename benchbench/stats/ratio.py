"""How many times as fast one latency pass was as another, with an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.percentiles import autocorrelation_time

METHOD = (
    "ratio of median latencies; interval from order statistics of both medians (97.5 % each, "
    "Bonferroni) at the autocorrelated sample sizes; one process each, so differences between "
    "processes are not in it"
)
_EACH = 0.975


def median_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Return a distribution-free interval of the median; None where the sample is too small.

    Order statistics of the binomial distribution (David & Nagaraja, Order Statistics, 7.1), with
    the sample size divided by the integrated autocorrelation time.
    """
    effective = int(len(values) / autocorrelation_time(values))
    rank = _rank(effective, (1 - confidence) / 2)
    if rank is None:
        return None
    low, high = np.quantile(values, [rank / effective, 1 - rank / effective])
    return float(low), float(high)


def _rank(n: int, tail: float) -> int | None:
    """Return the largest k with P[Binomial(n, 1/2) < k] <= *tail*; None if there is none."""
    if n < 1:
        return None
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(n, 0, -1) / np.arange(1, n + 1)))])
    cumulative = np.cumsum(np.exp(logs - n * np.log(2)))
    k = int(np.searchsorted(cumulative, tail, side="right"))
    return k if k >= 1 else None


def speedup(
    base: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Return (ratio, low, high) of the medians *base* / *other*: above 1, *other* is faster.

    Joint confidence is at least 95 %. None where a sample is too small for an interval.
    """
    slow, fast = median_interval(base, _EACH), median_interval(other, _EACH)
    if slow is None or fast is None:
        return None
    ratio = float(np.median(base) / np.median(other))
    return ratio, slow[0] / fast[1], slow[1] / fast[0]
