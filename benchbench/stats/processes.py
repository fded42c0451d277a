"""One cell's latency from several fresh processes: the process is the unit, not the query.

Queries of one process resemble each other far more than those of two: on a busy machine the
variance between processes was 163 times what independent queries would leave. Intervals therefore
come from how processes differ (docs/comparing-latency.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.percentiles import autocorrelation_time, least_queries
from benchbench.stats.percentiles import worth as told
from benchbench.stats.resampling import LEVEL
from benchbench.stats.variance import t_interval, t_quantile
from benchbench.turns_view import Grade, ProcessesView, ProcessFigure, ProcessPercentile

FEW = 5
"""Fewer processes are ``too few``: an interval of 2 to 4 rests on their being normal."""
FULL = 10
"""Fewer processes are ``exploratory``."""
NOISY = 0.05
"""Coefficient of variation of the process medians above this: ``noisy``."""
PERCENTILES = (90.0, 99.0)
_SURE = 0.95

Arrays = Sequence[NDArray[np.int64]]


def summarise(
    wall_ns: Arrays,
    cpu_ns: Arrays | None = None,
    *,
    level: float = LEVEL,
    percentiles: Sequence[float] = PERCENTILES,
) -> ProcessesView:
    """Return the figures of one cell; each array is one process's queries after its warm-up."""
    return ProcessesView(
        processes=len(wall_ns),
        grade=grade(len(wall_ns)),
        wall=figure(wall_ns, level),
        cpu=figure(cpu_ns, level)
        if cpu_ns is not None
        else ProcessFigure(median_ms=None, level=level, reason="CPU time was not recorded"),
        percentiles=tuple(percentile(wall_ns, p, level) for p in percentiles),
    )


def grade(processes: int) -> Grade:
    """Return how far a figure of this many processes can be relied on."""
    if processes < FEW:
        return "too few"
    return "exploratory" if processes < FULL else "full"


def medians_ms(arrays: Arrays) -> NDArray[np.float64] | None:
    """Return (P,): each process's median; None where there is none, or one is 0 or empty."""
    if not arrays or not all(len(array) for array in arrays):
        return None
    medians = np.array([np.median(array) for array in arrays], np.float64) / 1e6
    return medians if (medians > 0).all() else None


def figure(arrays: Arrays, level: float = LEVEL) -> ProcessFigure:
    """Return exp(mean ± t·s/√P) of the log medians of P processes."""
    medians = medians_ms(arrays)
    if medians is None:
        reason = "no process was measured, or one measured nothing above 0"
        return ProcessFigure(median_ms=None, level=level, reason=reason)
    found = t_interval(np.log(medians), level)
    cv = float(medians.std(ddof=1) / medians.mean()) if len(medians) > 1 else None
    assert found.value is not None
    return ProcessFigure(
        median_ms=exp(found.value),
        low_ms=None if found.low is None else exp(found.low),
        high_ms=None if found.high is None else exp(found.high),
        level=level,
        medians_ms=tuple(medians.tolist()),
        cv=cv,
        noisy=None if cv is None else cv > NOISY,
        reason="one process says nothing of how processes differ"
        if len(medians) == 1
        else found.reason,
    )


# --- percentiles -------------------------------------------------------------------------


def percentile(arrays: Arrays, p: float, level: float = LEVEL) -> ProcessPercentile:
    """Return a percentile (0..100) of each process alone where each carries it, else of all."""
    if medians_ms(arrays) is None or len(arrays) < 2:
        reason = "a percentile over processes takes two that measured something"
        return ProcessPercentile(percentile=p, value_ms=None, reason=reason)
    carried = all(len(a) / autocorrelation_time(a / 1e6) >= least_queries(p) for a in arrays)
    return _of_each(arrays, p, level) if carried else _pooled(arrays, p, level)


def _of_each(arrays: Arrays, p: float, level: float) -> ProcessPercentile:
    """Return exp(mean ± t·s/√P) of the processes' log percentiles."""
    found = t_interval([log(np.percentile(array, p) / 1e6) for array in arrays], level)
    assert found.value is not None
    return ProcessPercentile(
        percentile=p,
        value_ms=exp(found.value),
        low_ms=None if found.low is None else exp(found.low),
        high_ms=None if found.high is None else exp(found.high),
        method="each process",
        reason=found.reason,
    )


def _pooled(arrays: Arrays, p: float, level: float) -> ProcessPercentile:
    """Return the percentile of all queries together, with Woodruff's interval.

    The share of queries up to the percentile, process by process, has a mean with a t interval; its
    ends are turned back into latencies (Woodruff, JASA 47 (1952) 635-646). All is withheld where
    the shares vary so much that the queries are worth fewer independent ones than the percentile
    needs, by the upper 95 % bound of the shares' variance: there the interval would be too narrow.
    """
    values, q = np.concatenate(list(arrays)) / 1e6, p / 100
    value = float(np.percentile(values, p))
    shares = np.array([(array / 1e6 <= value).mean() for array in arrays])
    error = float(shares.std(ddof=1)) / sqrt(len(arrays))
    worth = _worth(error, len(arrays), len(values), q)
    if worth < least_queries(p):
        return ProcessPercentile(
            percentile=p,
            value_ms=None,
            reason=f"{len(values)} queries of {len(arrays)} processes are not shown to be worth "
            f"more than {told(worth)} independent ones; p{p:g} needs {least_queries(p)}",
        )
    away = t_quantile(len(arrays) - 1, (1 + level) / 2) * error
    if away == 0 or q + away >= 1 - 1 / len(values):
        reason = "the interval would end beyond the slowest query"
        return ProcessPercentile(
            percentile=p, value_ms=value, method="pooled processes", reason=reason
        )
    low, high = np.quantile(values, [max(q - away, 0), q + away])
    return ProcessPercentile(
        percentile=p,
        value_ms=value,
        low_ms=float(low),
        high_ms=float(high),
        method="pooled processes",
    )


def _worth(error: float, processes: int, queries: int, q: float) -> float:
    """Return how many independent queries would give a share this error, at the least."""
    from scipy.special import chdtri

    # chdtri takes the probability above the quantile.
    largest = error**2 * (processes - 1) / float(chdtri(processes - 1, _SURE))
    return min(float(queries), q * (1 - q) / largest) if largest > 0 else float(queries)
