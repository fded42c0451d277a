"""Verdicts that may be sought after every pair, with the error held however often one looks.

The evidence against a value of the mean is an e-process: a Bayes factor whose expectation, were
that value true, is at most 1 at every stopping time. By Ville's inequality it ever exceeds 1/α with
a chance of at most α. The values not yet rejected are a confidence sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log, log1p, sqrt

import numpy as np

from benchbench.stats.turns import Decision, conclude
from benchbench.stats.variance import Mean, t_interval
from benchbench.turns_view import GateVerdict

SPREAD = 2.0
"""Variance of the effect size (mean over standard deviation) that the evidence is weighted for.

Any value is valid; this one settles soonest where the margin is about 1.4 standard deviations of a
pair, as measured on a busy machine (docs/studies/turn_taking.py).
"""
MOST = 1000
"""A forecast beyond this many pairs is none."""


def log_bayes_factor(t: float, n: int, spread: float = SPREAD) -> float:
    """Return the log of the two-sided Bayes factor of the t statistic of *n* values.

    B = (1 + ng)^(-1/2) · [(1 + t²/ν) / (1 + t²/(ν(1 + ng)))]^((ν+1)/2), ν = n - 1, with effect size
    ~ N(0, g) and the right Haar prior on the scale (Gönen, Johnson, Lu & Westfall, The American
    Statistician 59 (2005) 252-257; Rouder et al., Psychonomic Bulletin & Review 16 (2009) 225-237).
    That prior makes it a martingale under every scale (Pérez-Ortiz, Lardy, de Heide & Grünwald,
    E-statistics, group invariance and anytime-valid testing, Annals of Statistics 52 (2024)).
    """
    nu, c = n - 1, 1 + n * spread
    return 0.5 * (n * (log1p(t * t / nu) - log1p(t * t / (nu * c))) - log(c))


def log_evidence(t: float, n: int, spread: float = SPREAD) -> float:
    """Return the log of the one-sided e-value: evidence that the mean is above 0.

    The prior of the effect size is cut to positive values, which multiplies the two-sided factor by
    twice the posterior chance of a positive one: 2 F(t √(n·ng/(1 + ng)) / √(ν + t²/(1 + ng))), F
    Student's with n degrees. It rises with t, and t falls with the mean, so that it holds for every
    mean of 0 or below.
    """
    from scipy.special import stdtr

    c = 1 + n * spread
    place = t * sqrt(n * (c - 1) / c) / sqrt(n - 1 + t * t / c)
    return log_bayes_factor(t, n, spread) + log(2 * max(float(stdtr(n, place)), 1e-300))


@cache
def reach(n: int, alpha: float, spread: float = SPREAD) -> float | None:
    """Return how many standard errors a one-sided bound lies from the mean of *n* values.

    None where *n* values cannot carry one: no data, however clear, would reach 1/α.
    """
    from scipy.optimize import brentq

    if n < 2 or log_evidence(1e6, n, spread) <= -log(alpha):
        return None
    return float(brentq(lambda t: log_evidence(t, n, spread) + log(alpha), 0.0, 1e6))


def bounds(log_ratios: Sequence[float], alpha: float = 0.05) -> Mean:
    """Return the mean of (R,) log ratios with one-sided bounds that hold at all R together.

    Each bound is ever wrong with a chance of at most *alpha*, over all numbers of pairs; both
    together are an interval of confidence 1 - 2·alpha.
    """
    found = t_interval(log_ratios)
    if found.low is None or found.value is None or found.sd is None:
        return found
    n = len(log_ratios)
    factor = reach(n, alpha)
    if factor is None:
        return Mean(found.value, sd=found.sd, reason=f"{n} pairs are too few to look at")
    away = factor * found.sd / sqrt(n)
    return Mean(found.value, found.value - away, found.value + away, found.sd)


def decide(log_ratios: Sequence[float], margin: float = 0.05, alpha: float = 0.05) -> Decision:
    """Return the verdict of the first number of pairs that settles it; see ``turns.conclude``."""
    mean = Mean(None, reason="nothing was measured")
    for n in range(1, len(log_ratios) + 1):
        mean = bounds(log_ratios[:n], alpha)
        found = conclude(mean, margin)
        if found != "inconclusive":
            return Decision(found, mean, n, n, alpha, "sequence")
    n = len(log_ratios)
    reason = mean.reason or f"not settled after {n} pairs"
    return Decision("inconclusive", mean, n, n, alpha, "sequence", reason)


def settled(
    log_ratios: Sequence[float], margin: float = 0.05, alpha: float = 0.05
) -> GateVerdict | None:
    """Return the verdict once there is one; None says to go on."""
    found = decide(log_ratios, margin, alpha).verdict
    return None if found == "inconclusive" else found


def expected_pairs_left(
    log_ratios: Sequence[float], margin: float = 0.05, alpha: float = 0.05
) -> int | None:
    """Return roughly how many more pairs settle it, if mean and spread stay as they are now.

    0 where it is settled. None where two pairs are not yet there, or where it would take more than
    :data:`MOST` pairs: the mean is too near the margin.
    """
    if settled(log_ratios, margin, alpha):
        return 0
    found = t_interval(log_ratios)
    if found.value is None or found.sd is None:
        return None
    # Towards a pass from below the margin; above it, towards a bound above 0.
    gap = abs(found.value - (log1p(margin) if found.value < log1p(margin) else 0.0))
    steps = np.arange(len(log_ratios) + 1, MOST + 1)
    for n in steps.tolist():
        factor = reach(n, alpha)
        if factor is not None and factor * found.sd / sqrt(n) < gap:
            return int(n - len(log_ratios))
    return None


def share(alpha: float, comparisons: int) -> float:
    """Return the error that each of *comparisons* may have so that all together keep *alpha*.

    Bonferroni: a comparison can be wrong in one way only (``turns.conclude``), so the chance that
    any verdict of the family is wrong is at most *alpha*, whenever each is looked at or given up.
    """
    return alpha / max(comparisons, 1)
