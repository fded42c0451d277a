"""Percentiles that are shown only when the sample can carry them.

The bound is MLPerf LoadGen's early stopping: with confidence 0.99, at most one query over the
estimated percentile may be discarded, so p99 needs 662 independent queries, p90 needs 64.
Correlated queries count for less: the sample is divided by its integrated autocorrelation time.
The median is held to the plain count: it says where the trace that was seen lies, and a trace that
drifts carries the caveat ``unsteady``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99


@cache
def least_queries(percentile: float, confidence: float = CONFIDENCE) -> int:
    """Return the smallest independent sample that supports *percentile* (0..100, exclusive).

    The smallest n with P[Binomial(n, 1 - p) <= 1] <= 1 - confidence.
    """
    p = percentile / 100
    n = 2
    while p**n + n * (1 - p) * p ** (n - 1) > 1 - confidence:
        n += 1
    return n


def autocorrelation_time(values: NDArray[np.float64]) -> float:
    """Return the integrated autocorrelation time of the ranks of (N,) *values*, at least 1.

    On ranks, so that one outlier does not hide the correlation of the rest.
    """
    return integrated_time(mean_ranks(values))


def integrated_time(series: NDArray[np.float64]) -> float:
    """Return the integrated autocorrelation time of (N,) *series* itself, at least 1.

    Sokal's window with c = 5.
    """
    n = len(series)
    centred = np.asarray(series, np.float64) - np.mean(series) if n else np.zeros(0)
    if n < 4 or not centred.any():
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum))[:n]
    taus = 2 * np.cumsum(covariance / covariance[0]) - 1
    within = np.flatnonzero(np.arange(n) >= 5 * taus)
    return float(max(taus[within[0] if len(within) else n - 1], 1.0))


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) ranks, the mean one for equal values: cameras repeat latencies exactly."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return means[place]


def worth(effective: float) -> str:
    """Return an effective number of queries in words; views hold it with one decimal.

    Rounded to that first, it reads alike wherever it is told.
    """
    return f"{round(effective, 1):,.0f}"


def percentile_or_reason(
    values: NDArray[np.float64], percentile: float, effective: float
) -> tuple[float | None, str | None]:
    """Return the percentile of *values*, or None and why it is withheld."""
    least = least_queries(percentile)
    if percentile <= 50:
        effective = len(values)
    if effective < least:
        return None, (
            f"{len(values)} queries are worth {worth(effective)} independent ones; "
            f"p{percentile:g} needs {least}"
        )
    return float(np.percentile(values, percentile)), None
