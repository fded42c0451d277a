"""Spread: of a mean, of builds against processes, and what can be resolved in spite of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.resampling import LEVEL
from benchbench.turns_view import Components, NoiseFigure, NoiseView, RatioView

POWER = 0.9
ALPHA = 0.05
MOST_PAIRS = 10_000
"""More pairs than this are not searched for."""
_GRID = 2000
_SAME = "all values are the same, which says nothing of their error"
_ONE = "one value says nothing of how values differ"
_NONE = "nothing was measured"


@cache
def t_quantile(degrees: int, probability: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with a t interval, or why it has none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    reason: str | None = None


def t_interval(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> Mean:
    """Return mean ± t·s/√n of independent values."""
    n = len(values)
    if n < 2:
        return Mean(float(values[0]), reason=_ONE) if n else Mean(None, reason=_NONE)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    if sd <= 1e-12 * max(1.0, abs(mean)):
        return Mean(mean, sd=0.0, reason=_SAME)
    reach = t_quantile(n - 1, (1 + level) / 2) * sd / sqrt(n)
    return Mean(mean, mean - reach, mean + reach, sd)


# --- builds and processes ----------------------------------------------------------------


def components(groups: Sequence[Sequence[float] | NDArray[np.float64]]) -> Components:
    """Split the variance of log medians, build by build the values of its processes.

    One-way random effects by the method of moments, unequal groups allowed: with MSB and MSW the
    mean squares between and within builds, n0 = (N - Σn²/N) / (k - 1), the between-build variance
    is (MSB - MSW) / n0 (Searle, Casella & McCulloch, Variance Components, 1992, 3.6). A negative
    estimate is not cut to 0: builds are then not distinguishable.
    """
    kept = [np.asarray(group, np.float64) for group in groups if len(group)]
    sizes = np.array([len(group) for group in kept])
    builds, processes = len(kept), int(sizes.sum())
    within_df = processes - builds
    found = Components(builds=builds, processes=processes)
    if within_df < 1:
        reason = "no build has two processes"
        return found.model_copy(update={"build_reason": reason, "process_reason": reason})
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in kept) / within_df
    found = found.model_copy(update={"process_sd": sqrt(within)})
    if builds < 2:
        alone = "one build says nothing of how builds differ"
        return found.model_copy(update={"build_reason": alone})
    between, p = _between(kept, sizes, within)
    if between <= 0:
        alike = "not distinguishable from 0: builds differ no more than processes of one build"
        return found.model_copy(update={"p": p, "build_reason": alike})
    return found.model_copy(update={"p": p, "build_sd": sqrt(between)})


def _between(
    groups: list[NDArray[np.float64]], sizes: NDArray[np.int64], within: float
) -> tuple[float, float | None]:
    """Return the between-build variance and the p-value of the F test."""
    from scipy.special import fdtrc

    total, df = sizes.sum(), len(groups) - 1
    means = np.array([group.mean() for group in groups])
    grand = np.concatenate(groups).mean()
    between = float((sizes * (means - grand) ** 2).sum()) / df
    each = (total - (sizes**2).sum() / total) / df
    p = float(fdtrc(df, total - len(groups), between / within)) if within > 0 else None
    return (between - within) / each, p


# --- what can be resolved ----------------------------------------------------------------


def power_of(
    sd: float, pairs: int, ratio: float, *, margin: float = 0.0, alpha: float = ALPHA
) -> float:
    """Return how often *pairs* pairs call a true slowdown of *ratio* one, at one look.

    That is P(lower one-sided t bound > 0 and mean > ln(1 + margin)) for normal log ratios with
    standard deviation *sd*. Without a margin it is the power of the one-sided t test, of which the
    noncentral t distribution is the closed form; with one, the mean's normal probability is
    averaged over the distribution of the sample's standard deviation, which is independent of it.
    Raises ValueError where *sd* is not positive or *pairs* is below 2.
    """
    from scipy.special import ndtr
    from scipy.stats import chi2

    if sd <= 0 or pairs < 2:
        raise ValueError(f"power takes a spread above 0 and 2 pairs, not {sd} and {pairs}")
    shares = (np.arange(_GRID) + 0.5) / _GRID
    sds = np.sqrt(chi2.ppf(shares, pairs - 1) / (pairs - 1))
    least = np.maximum(t_quantile(pairs - 1, 1 - alpha) * sds, log(1 + margin) * sqrt(pairs) / sd)
    return float(ndtr(log(ratio) * sqrt(pairs) / sd - least).mean())


def resolvable(
    sd: float, pairs: int, power: float = POWER, alpha: float = ALPHA, margin: float = 0.0
) -> float | None:
    """Return the smallest true ratio, above 1, that :func:`power_of` finds with *power*.

    By symmetry also the smallest margin, plus 1, that identical cells pass with this power. None
    below two pairs.
    """
    from scipy.optimize import brentq

    if pairs < 2:
        return None
    most = log(1 + margin) + sd
    while power_of(sd, pairs, exp(most), margin=margin, alpha=alpha) < power:
        most *= 2
    found = brentq(
        lambda d: power_of(sd, pairs, exp(d), margin=margin, alpha=alpha) - power, 0, most
    )
    return exp(float(found))


def pairs_needed(sd: float, ratio: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Return the least number of pairs that tell *ratio* from 1; None above 10,000.

    Faster or slower alike: the one-sided t test, as in :func:`power_of`.
    """
    if ratio <= 0 or ratio == 1:
        raise ValueError(f"a ratio to be told from 1 is positive and not 1, not {ratio}")
    slower = exp(abs(log(ratio)))
    low, high = 1, 2
    while power_of(sd, high, slower, alpha=alpha) < power:
        if high >= MOST_PAIRS:
            return None
        low, high = high, min(2 * high, MOST_PAIRS)
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of(sd, middle, slower, alpha=alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


# --- the noise of a machine --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Budget:
    """What a comparison may cost."""

    pairs: int = 8
    """Pairs a comparison is planned to have."""
    seconds: float | None = None
    """Time for one comparison; None: not asked."""
    seconds_per_pair: float | None = None
    """What a pair took; None: not known."""
    power: float = POWER
    alpha: float = ALPHA

    @property
    def affordable(self) -> int | None:
        """How many pairs the time holds; None where it is not asked or not known."""
        if self.seconds is None or not self.seconds_per_pair:
            return None
        return int(self.seconds / self.seconds_per_pair)


def noise(
    cell: str,
    wall: Sequence[float],
    cpu: Sequence[float] | None = None,
    budget: Budget | None = None,
) -> NoiseView:
    """Return what the log ratios of identical cells, pair by pair, tell of this machine."""
    budget = budget or Budget()
    return NoiseView(
        cell=cell,
        pairs=len(wall),
        wall=_noise(wall, budget),
        cpu=_noise(() if cpu is None else cpu, budget),
        power=budget.power,
        alpha=budget.alpha,
        pairs_planned=budget.pairs,
        seconds_per_pair=budget.seconds_per_pair,
        budget_s=budget.seconds,
        pairs_affordable=budget.affordable,
    )


def _noise(log_ratios: Sequence[float], budget: Budget) -> NoiseFigure:
    mean = t_interval(log_ratios)
    ratio = ratio_view(mean)
    if mean.low is None or mean.sd is None:
        return NoiseFigure(ratio=ratio, reason=mean.reason)
    low, high = sd_interval(mean.sd, len(log_ratios))
    affordable = budget.affordable
    return NoiseFigure(
        ratio=ratio,
        sd_low=low,
        sd_high=high,
        resolvable=resolvable(mean.sd, budget.pairs, budget.power, budget.alpha),
        resolvable_high=resolvable(high, budget.pairs, budget.power, budget.alpha),
        within_budget=None
        if affordable is None
        else resolvable(mean.sd, affordable, budget.power, budget.alpha),
        reason=_budget_reason(affordable),
    )


def _budget_reason(affordable: int | None) -> str | None:
    if affordable is None or affordable >= 2:
        return None
    return "the time holds fewer than two pairs"


def sd_interval(sd: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the chi-square interval of a standard deviation from *n* normal values."""
    from scipy.special import chdtri

    tail = (1 - level) / 2
    # chdtri takes the probability above the quantile.
    return (
        sd * sqrt((n - 1) / float(chdtri(n - 1, tail))),
        sd * sqrt((n - 1) / float(chdtri(n - 1, 1 - tail))),
    )


def ratio_view(mean: Mean, level: float = LEVEL) -> RatioView:
    """Return a mean of log ratios as a ratio."""
    bounded = mean.low is not None and mean.high is not None
    return RatioView(
        ratio=None if mean.value is None else exp(mean.value),
        low=None if mean.low is None else exp(mean.low),
        high=None if mean.high is None else exp(mean.high),
        level=level if bounded else None,
        log_sd=mean.sd,
        reason=mean.reason,
    )
