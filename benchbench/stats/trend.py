"""Change points of a short noisy series: a figure over the runs of months, not a trace.

A step between two levels is tested at every place with at least LEAST points on both sides, by
generalised least squares under noise whose neighbours correlate by CORRELATION (an autoregressive
process of order 1): of the whitened series the t statistic of one place is exact, with n - 2
degrees of freedom, where the noise is normal. The largest one is corrected for the number of places
(Worsley 1979, J. Am. Stat. Assoc. 74:365, uses the same statistic with Bonferroni's bound for
independent noise). Independent noise then alarms less often than asked for, noise that correlates
more does so more often: docs/studies/history_changes.py has the rates.

Own code: ``ruptures`` penalises changes and has no error rate; rank and permutation tests cannot
reject below eight points, whatever the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.variance import t_quantile

LEAST = 3
"""A level lasts at least so many points."""
CORRELATION = 0.3
"""Between neighbours, of the noise that the error rate is held for."""
ALPHA = 0.05
LEVEL = 0.95
_NOTHING = 1e-12
"""Relative size below which differences are those of rounding."""
_NORMAL_QUARTILE = 0.6745
"""Median absolute deviation of a standard normal variable."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """A change between two levels of a series."""

    at: int
    """Index of the first point of the new level."""
    first: int
    last: int
    """The least and the largest such index that the series allows, at LEVEL."""
    change: float
    """New level minus old."""
    low: float
    high: float
    """Interval of *change* at LEVEL, where *at* is right; not corrected for being chosen."""
    p: float
    """Of no change in the part of the series that it was found in, over all places."""
    p_adjusted: float
    """After the correction over parts and series."""


@dataclass(frozen=True, slots=True)
class _Split:
    at: int
    p: float
    likely: tuple[int, int]


def steps(
    values: Sequence[float] | Values,
    *,
    asked: int = 1,
    alpha: float = ALPHA,
    correlation: float = CORRELATION,
) -> list[Step]:
    """Return the changes of (N,) *values*, in order; empty below 2 LEAST values.

    Binary segmentation. The chance of any false change in *asked* series together is at most
    *alpha*: each series is tested at alpha / asked, and a part that lies within a found level at
    the share of that which its length has of the whole (Meinshausen 2008, Biometrika 95:265); a
    part is never surer than the one it lies in.
    """
    series = np.asarray(values, np.float64)
    found = sorted(
        _searched(series, 0, (asked, 0.0), alpha, correlation), key=lambda one: one[0].at
    )
    return _sized(series, found, correlation) if found else []


def _searched(
    series: Values, begin: int, family: tuple[float, float], alpha: float, correlation: float
) -> Iterator[tuple[_Split, float]]:
    """Yield each split with its adjusted p-value; *family*: factor, and p of the part around."""
    split = _best(series, correlation)
    if split is None:
        return
    factor, around = family
    adjusted = max(around, min(1.0, factor * split.p))
    if adjusted > alpha:
        return
    low, high = split.likely
    yield _Split(begin + split.at, split.p, (begin + low, begin + high)), adjusted
    for part, start in ((series[: split.at], begin), (series[split.at :], begin + split.at)):
        share = factor * len(series) / len(part)
        yield from _searched(part, start, (share, adjusted), alpha, correlation)


def _best(series: Values, correlation: float) -> _Split | None:
    """Return the likeliest place of a step; None in a series too short or without differences."""
    n = len(series)
    spread = float(np.ptp(series)) if n else 0.0
    if n < 2 * LEAST or spread <= _NOTHING * max(1.0, float(np.abs(series).max())):
        return None
    places = np.arange(LEAST, n - LEAST + 1)
    left = _residuals(series - series[0], places, correlation)
    total = left[0]
    squares = np.maximum(left[1:], _NOTHING * total)  # of a step without noise nothing is left
    best = int(squares.argmin())
    t = sqrt((total - squares[best]) * (n - 2) / squares[best])
    p = min(1.0, 2 * _tail(t, n - 2) * len(places))
    return _Split(int(places[best]), p, _likely(places, squares, n))


def _residuals(series: Values, places: NDArray[np.int64], correlation: float) -> Values:
    """Return sums of squares about one level, then about two, by place: (1 + places,)."""
    n = len(series)
    levels = (np.arange(n) >= places[:, None]).astype(np.float64)
    white = _white(np.vstack([series, np.ones(n), levels]), correlation)
    one = white[1] / np.linalg.norm(white[1])
    left = white - np.outer(white @ one, one)
    y, shapes = left[0], left[2:]
    explained = (shapes @ y) ** 2 / (shapes**2).sum(axis=1)
    total = float(y @ y)
    return np.concatenate([[total], total - explained])


def _white(rows: Values, correlation: float) -> Values:
    """Return (R, N) *rows* as they are where noise of that correlation becomes independent."""
    found = rows.copy()
    found[:, 1:] -= correlation * rows[:, :-1]
    found[:, 0] *= sqrt(1 - correlation**2)
    return found


def _tail(t: float, degrees: int) -> float:
    from scipy.special import stdtr

    return float(stdtr(degrees, -t))


def _likely(places: NDArray[np.int64], squares: Values, n: int) -> tuple[int, int]:
    """Return the ends of the places that together hold LEVEL of the probability.

    Given one step and no preference, the probability of a place falls with the residual sum of
    squares to the power (n - 2) / 2 (Smith 1975, Biometrika 62:407).
    """
    weights = (squares.min() / squares) ** ((n - 2) / 2)
    order = np.argsort(-weights, kind="stable")
    held = np.cumsum(weights[order]) / weights.sum()
    kept = places[order[: int(np.searchsorted(held, LEVEL)) + 1]]
    return int(kept.min()), int(kept.max())


def _sized(series: Values, found: Sequence[tuple[_Split, float]], correlation: float) -> list[Step]:
    """Return the steps with their sizes: all levels are fitted together, with one noise."""
    n, cuts = len(series), [split.at for split, _ in found]
    shapes = np.vstack([np.ones(n), *(np.arange(n) >= cut for cut in cuts)]).astype(np.float64)
    white = _white(np.vstack([series, shapes]), correlation)
    y, x = white[0], white[1:]
    inverse = np.linalg.inv(x @ x.T)
    sizes = inverse @ (x @ y)
    degrees = n - len(sizes)
    noise = float(((y - sizes @ x) ** 2).sum()) / degrees
    reach = t_quantile(degrees, (1 + LEVEL) / 2) * np.sqrt(noise * np.diag(inverse))
    return [
        Step(
            at=split.at,
            first=split.likely[0],
            last=split.likely[1],
            change=float(size),
            low=float(size - half),
            high=float(size + half),
            p=split.p,
            p_adjusted=adjusted,
        )
        for (split, adjusted), size, half in zip(found, sizes[1:], reach[1:], strict=True)
    ]


def least_step(values: int, noise: float, correlation: float = CORRELATION) -> float:
    """Return the step in the middle of so many *values* that is found half the time.

    In the unit of *noise*, the standard deviation of one value; infinite for fewer than 2 LEAST.
    """
    if values < 2 * LEAST:
        return inf
    places = values - 2 * LEAST + 1
    middle = (np.arange(values) >= values // 2).astype(np.float64)
    white = _white(np.vstack([np.ones(values), middle]), correlation)
    one = white[0] / np.linalg.norm(white[0])
    shape = white[1] - (white[1] @ one) * one
    reach = t_quantile(values - 2, 1 - ALPHA / (2 * places))
    # The noise of the whitened series is that of the innovations.
    return float(reach * noise * sqrt(1 - correlation**2) / np.linalg.norm(shape))


def typical_noise(values: Sequence[float] | Values) -> float:
    """Return the standard deviation of (N,) *values* about their level, whatever steps they make.

    From the median absolute difference of neighbours, which a few steps hardly move; 0 for fewer
    than two. Neighbours that correlate by CORRELATION differ by less, which is made up for.
    """
    differences = np.abs(np.diff(np.asarray(values, np.float64)))
    if not len(differences):
        return 0.0
    return float(np.median(differences)) / (_NORMAL_QUARTILE * sqrt(2 * (1 - CORRELATION)))
