"""Intervals and verdicts of samples whose members depend on one another.

Counts are divided by the autocorrelation time, so they need not be whole: binomial tails are taken
from the regularised incomplete beta function, which continues them.
"""

from __future__ import annotations

from math import ceil, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.percentiles import CONFIDENCE, integrated_time, mean_ranks

Verdict = Literal["met", "missed", "undecided"]
LEVEL = 0.95


def percentile_interval(
    values: NDArray[np.float64], percentile: float, effective: float, level: float = LEVEL
) -> tuple[float, float] | None:
    """Return a distribution-free interval of *percentile* (0..100, exclusive) of (N,) *values*.

    Order statistics l and u with P[B < l] and P[B >= u] at most (1 - level) / 2 each, B being
    Binomial(effective, percentile / 100) (David & Nagaraja, Order Statistics, 7.1). None where the
    sample is too small to hold them: p99 at 95 % needs 368 independent values.
    """
    from scipy.special import bdtr

    n, tail = int(effective), (1 - level) / 2
    below = bdtr(np.arange(n + 1), n, percentile / 100) if n > 1 else np.zeros(0)
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail)) + 1
    if low < 1 or high > n:
        return None
    found = np.quantile(values, [(low - 1) / (n - 1), (high - 1) / (n - 1)])
    return float(found[0]), float(found[1])


def share_interval(count: float, of: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (1934) of a share seen *count* times in *of*."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high


def mean_interval(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float] | None:
    """Return Student's t interval of the mean of (N,) *values*; None for fewer than three."""
    from scipy.special import stdtrit

    n = len(values)
    if n < 3:
        return None
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * float(values.std(ddof=1)) / n**0.5
    return float(values.mean()) - reach, float(values.mean()) + reach


def effective_count(values: NDArray[np.float64], flags: NDArray[np.bool_]) -> float:
    """Return how many independent queries (N,) *values* are worth where *flags* are counted.

    Divided by the larger of two autocorrelation times: that of the ranks, which also knows a queue
    that has not reached the bound, and that of the flags, as late queries come in a row.
    """
    slowest = max(integrated_time(mean_ranks(values)), integrated_time(flags.astype(np.float64)))
    return len(values) / slowest


def share_verdict(
    count: float, of: float, allowed: float, confidence: float = CONFIDENCE
) -> Verdict:
    """Return whether a share is at most *allowed*, given that *count* in *of* were seen.

    ``met`` where so few had a probability of at most 1 - *confidence* at a share of *allowed*,
    which is MLPerf LoadGen's early-stopping bound; ``missed`` where so many had.
    """
    from scipy.special import betainc

    if count < of and betainc(of - count, count + 1, 1 - allowed) <= 1 - confidence:
        return "met"
    if count > 0 and betainc(count, of - count + 1, allowed) <= 1 - confidence:
        return "missed"
    return "undecided"


def least_sample(allowed: float, confidence: float = CONFIDENCE) -> int:
    """Return how many independent queries show a share of at most *allowed* if none is over."""
    return ceil(log(1 - confidence) / log(1 - allowed))
