"""Change points of a latency trace: where it left one level for another, and stayed.

Optimal partitioning (Jackson et al. 2005; what PELT computes faster) of the ranks of at most 300
block medians, least squares within each level. Ranks, because latencies have long tails. The
penalty of a change is 4 · v · log n, where v is the long-run variance of the ranks, taken from
differences of adjacent block means (Allan's variance) at several lengths, the largest counting: a
step spoils few of the differences, and the noise of a busy machine, correlated over many queries,
is taken for noise.

Own code, as ``ruptures`` takes 1.7 s to import and brings no noise estimate; on equal penalties its
``Pelt`` with the ``l2`` cost gives the same partition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbench.conditions_view import Change, ChangesView

POINTS = 300
"""A trace is cut into at most this many blocks."""
LEAST_POINTS = 10
"""A level lasts at least as many blocks."""
LEAST_RATIO = 1.05
"""A change by less, up or down, is not one."""
PENALTY = 4.0
"""Times log n times the long-run variance: 2 is the least for independent noise (Schwarz)."""
_SCALES = (1, 2, 4, 8, 16)
_CHI2_MEDIAN = 0.4549
"""Median of a squared standard normal variable."""


def change_points(started_ns: NDArray[np.int64], total_ns: NDArray[np.int64]) -> ChangesView:
    """Return the lasting changes of (N,) latencies *total_ns* of queries begun at *started_ns*.

    Levels that differ by less than LEAST_RATIO are joined again, the nearest first.
    """
    points = min(len(total_ns), POINTS)
    if points < 2 * LEAST_POINTS:
        reason = f"{len(total_ns)} queries; two levels need {2 * LEAST_POINTS}"
        return ChangesView(found=None, points=points, reason=reason)
    blocks = np.array_split(total_ns, points)
    medians = np.array([np.median(block) for block in blocks])
    ranks = _ranks(medians)
    penalty = PENALTY * np.log(points) * long_run_variance(ranks)
    starts = np.cumsum([0, *map(len, blocks)])
    bounds = [0, *(int(starts[cut]) for cut in partition(ranks, penalty, LEAST_POINTS))]
    return ChangesView(found=_joined(started_ns, total_ns, bounds), points=points)


def partition(values: NDArray[np.float64], penalty: float, least: int) -> list[int]:
    """Return where the segments after the first begin.

    They minimise the sum of squares within segments of at least *least* values, plus *penalty* for
    each change.
    """
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, np.int64)
    for end in range(least, n + 1):
        begin = np.arange(end - least + 1)
        # The sum of squares of all values is the same for each partition, and left out.
        cost = best[begin] - (sums[end] - sums[begin]) ** 2 / (end - begin) + penalty
        last[end] = cost.argmin()
        best[end] = cost[last[end]]
    cuts, end = [], n
    while last[end]:
        end = int(last[end])
        cuts.append(end)
    return cuts[::-1]


def long_run_variance(values: NDArray[np.float64]) -> float:
    """Return n times the variance of the mean of n of *values*, correlated as they are.

    From the median square of differences of adjacent means of L values, for which it is
    2 v / L · 0.455; the largest over several L.
    """
    found = []
    for length in _SCALES:
        count = len(values) // length
        if length > 1 and count < LEAST_POINTS:
            break
        means = values[: count * length].reshape(count, length).mean(axis=1)
        found.append(length * float(np.median(np.diff(means) ** 2)) / (2 * _CHI2_MEDIAN))
    return max(found)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks, equal ones for equal values: a coarse clock must not make an order."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return found


def _joined(
    started: NDArray[np.int64], total: NDArray[np.int64], bounds: list[int]
) -> tuple[Change, ...]:
    while True:
        levels = [max(float(np.median(level)), 1.0) for level in np.split(total, bounds[1:])]
        ratios = np.divide(levels[1:], levels[:-1])
        sizes = np.abs(np.log(ratios))
        if not len(sizes) or sizes.min() >= np.log(LEAST_RATIO):
            break
        del bounds[1 + int(sizes.argmin())]
    return tuple(
        Change(
            query=bound,
            at_s=float(started[bound] - started[0]) / 1e9,
            before_ms=before / 1e6,
            after_ms=after / 1e6,
            ratio=after / before,
        )
        for bound, before, after in zip(bounds[1:], levels, levels[1:], strict=False)
    )
