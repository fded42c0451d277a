"""Whether the machine itself was slower: the canary beside one measurement against another's.

:mod:`benchbench.measure.canary` runs the workload.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from benchbench.conditions_view import CanaryPart, CanaryView, Cause
from benchbench.stats.ratio import median_interval
from benchbench.stats.variance import t_quantile

PARTS = ("compute", "memory", "interpreter")
MOVED = 1.02
"""A part has moved if the whole interval of its ratio lies beyond this, or beyond its inverse."""
LEAST_PROCESSES = 5
"""On both sides, for an interval between processes; below, it is within them."""
_EACH = 0.975
_LEVEL = 0.95
_BETWEEN = "medians of processes: Welch's t interval of 95 % on their logarithms"
_WITHIN = (
    "all repeats: interval of at least 95 % from order statistics of both medians; few processes, "
    "so differences between them are not in it"
)


def canary_ratio(a: Sequence[NDArray[np.int64]], b: Sequence[NDArray[np.int64]]) -> CanaryView:
    """Compare the canary beside measurement *a* with that beside *b*: one (P, R) array a process.

    A ratio above 1 says that the machine was slower beside *b*.
    """
    a, b = ([one for one in side if one.size] for side in (a, b))
    between = min(len(a), len(b)) >= LEAST_PROCESSES
    compare = _between if between else _within
    parts = []
    for index, name in enumerate(PARTS):
        one, other = ([each[index] / 1e6 for each in side] for side in (a, b))
        parts.append(_part(name, compare(one, other)) if a and b else _missing(name))
    return CanaryView(parts=tuple(parts), method=_BETWEEN if between else _WITHIN)


def cause(low: float, high: float, canary: CanaryView) -> Cause:
    """Say what a change of latency, its ratio of second over first from *low* to *high*, is due to.

    ``code`` if no part of the canary moved; ``runner``, runner drift, if one moved as far: its
    interval overlaps that of the change; else ``unclear``, as when none could be compared.
    """
    if all(part.moved is None for part in canary.parts):
        return "unclear"
    moved = [(p.low, p.high) for p in canary.parts if p.moved and p.low and p.high]
    if not moved:
        return "code"
    return "runner" if any(lo <= high and low <= hi for lo, hi in moved) else "unclear"


_Ratio = tuple[float, tuple[float, float] | None]


def _part(name: str, found: _Ratio) -> CanaryPart:
    ratio, interval = found
    if interval is None:
        reason = "too few independent repeats for an interval"
        return CanaryPart(part=name, ratio=ratio, reason=reason)
    low, high = interval
    moved = low > MOVED or high < 1 / MOVED
    return CanaryPart(part=name, ratio=ratio, low=low, high=high, moved=moved)


def _missing(name: str) -> CanaryPart:
    return CanaryPart(part=name, ratio=None, reason="the canary was not run beside both")


def _within(a: Sequence[NDArray[np.float64]], b: Sequence[NDArray[np.float64]]) -> _Ratio:
    one, other = np.concatenate(a), np.concatenate(b)
    first, second = median_interval(one, _EACH), median_interval(other, _EACH)
    ratio = float(np.median(other) / np.median(one))
    if first is None or second is None:
        return ratio, None
    return ratio, (second[0] / first[1], second[1] / first[0])


def _between(a: Sequence[NDArray[np.float64]], b: Sequence[NDArray[np.float64]]) -> _Ratio:
    """Welch, Biometrika 34 (1947); degrees of freedom by Satterthwaite."""
    one, other = (np.log([np.median(each) for each in side]) for side in (a, b))
    errors = [float(np.var(side, ddof=1)) / len(side) for side in (one, other)]
    centre, error = float(other.mean() - one.mean()), sum(errors)
    if not error:
        return exp(centre), None
    parts = sum(e**2 / (len(side) - 1) for e, side in zip(errors, (one, other), strict=True))
    reach = t_quantile(int(error**2 / parts), (1 + _LEVEL) / 2) * sqrt(error)
    return exp(centre), (exp(centre - reach), exp(centre + reach))
