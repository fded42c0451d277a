"""How many times as fast one latency pass was as another, with an interval."""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.intervals import percentile_interval
from benchbench.stats.percentiles import autocorrelation_time
from benchbench.stats.variance import t_interval

METHOD = (
    "ratio of median latencies; interval from order statistics of both medians (97.5 % each, "
    "Bonferroni) at the autocorrelated sample sizes; one process each, so differences between "
    "processes are not in it"
)
_EACH = 0.975


def median_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Return a distribution-free interval of the median; None where the sample is too small.

    At the sample size divided by the integrated autocorrelation time.
    """
    effective = len(values) / autocorrelation_time(values)
    return percentile_interval(values, 50, effective, confidence)


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


ROUNDS = (
    "ratio of geometric means of process medians; paired t interval over rounds of fresh processes"
)


def speedup_of_rounds(
    base: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Return (ratio, low, high) of the medians *base* / *other*, (R,) each, round by round.

    Processes of one round ran after one another, so that a slow hour of the machine slows both;
    logarithms, paired t at 95 %. None below two rounds, or where all are alike.
    """
    found = t_interval(np.log(base / other))
    if found.value is None or found.low is None or found.high is None:
        return None
    return exp(found.value), exp(found.low), exp(found.high)
