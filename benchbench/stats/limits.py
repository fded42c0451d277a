"""Whether a figure is shown to keep a limit, or to break it; one limit, and a gate of many.

Each limit is asked twice, by one-sided tests: the hypothesis that it is broken is given up where
*holds* is small, the hypothesis that it holds where *broken* is small. A gate passes where every
limit is shown to hold: an intersection-union test, wrong with a chance of at most alpha without any
correction (Berger, Technometrics 24 (1982) 295-300). It fails where some limit is shown to be
broken after Holm's correction, so that a gate whose limits all hold fails with at most that chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Literal

from benchbench.load_view import LoadProbe
from benchbench.stats.comparing import holm
from benchbench.stats.sequential import log_evidence
from benchbench.stats.variance import t_interval

Sense = Literal["at least", "at most"]
Outcome = Literal["pass", "fail", "inconclusive"]
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Exact:
    """A figure that is compared as it is: it was counted, or is asked of these images only."""

    value: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its standard error."""

    value: float
    se: float
    """Above 0; of the natural logarithm where *log*."""
    df: float | None = None
    """Degrees of freedom of Student's t; None for the normal distribution."""
    log: bool = False
    looks: int = 1
    """How often the data may be looked at; p-values are multiplied by it (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Between:
    """A figure of which only bounds are known, each with the chance that it is wrong."""

    low: float | None
    high: float | None
    low_wrong: float
    high_wrong: float

    @classmethod
    def of(cls, low: float | None, high: float | None, level: float) -> Between:
        """Return the bounds of a two-sided interval: half of 1 - *level* on each side."""
        return cls(low, high, (1 - level) / 2, (1 - level) / 2)


@dataclass(frozen=True, slots=True)
class Watched:
    """Log ratios in the order in which they came, looked at after each."""

    log_ratios: tuple[float, ...]
    looks: int = 1
    """In how many ways the question is asked; p-values are multiplied by it."""


Known = Exact | Estimate | Between | Watched


@dataclass(frozen=True, slots=True)
class Tails:
    """The two one-sided p-values of a limit."""

    holds: float
    """Of "the limit is broken": small where it is shown to hold."""
    broken: float
    """Of "the limit holds": small where it is shown to be broken."""


def tails(known: Known, limit: float, sense: Sense) -> Tails:
    """Return the p-values of a figure that has to be *sense* *limit*.

    Continuous ones add up to 1 where there is one look. Bounds are conservative: their chance of
    being wrong where they exclude the limit, else 1.
    """
    if isinstance(known, Exact):
        kept = known.value >= limit if sense == "at least" else known.value <= limit
        return Tails(float(not kept), float(kept))
    above, below = _above(known, limit), _below(known, limit)
    return Tails(above, below) if sense == "at least" else Tails(below, above)


def _above(known: Estimate | Between | Watched, limit: float) -> float:
    """Return the p-value of "it is at most *limit*": small where it is shown to be above."""
    if isinstance(known, Between):
        return known.low_wrong if known.low is not None and known.low >= limit else 1.0
    if isinstance(known, Watched):
        return min(1.0, known.looks * _ever(known.log_ratios, _log(limit)))
    return min(1.0, known.looks * _upper(_distance(known, limit), known.df))


def _below(known: Estimate | Between | Watched, limit: float) -> float:
    """Return the p-value of "it is at least *limit*": small where it is shown to be below."""
    if isinstance(known, Between):
        return known.high_wrong if known.high is not None and known.high <= limit else 1.0
    if isinstance(known, Watched):
        turned = [-value for value in known.log_ratios]
        return min(1.0, known.looks * _ever(turned, -_log(limit)))
    return min(1.0, known.looks * _upper(-_distance(known, limit), known.df))


def _distance(known: Estimate, limit: float) -> float:
    """Return how many standard errors the figure lies above *limit*."""
    if known.log:
        return (_log(known.value) - _log(limit)) / known.se
    return (known.value - limit) / known.se


def _log(value: float) -> float:
    return log(value) if value > 0 else -inf


def _upper(distance: float, df: float | None) -> float:
    """Return P(T >= *distance*)."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-distance) if df is None else stdtr(df, -distance))


def _ever(values: Sequence[float], centre: float) -> float:
    """Return an anytime-valid p-value of "the mean of *values* is at most *centre*".

    One over the largest evidence seen so far, by Ville's inequality (:mod:`.sequential`).
    """
    most = 0.0
    for n in range(2, len(values) + 1):
        mean = t_interval(values[:n])
        if mean.value is not None and mean.sd:
            most = max(most, log_evidence((mean.value - centre) / (mean.sd / sqrt(n)), n))
    return exp(-most)


# --- searches for the highest load ----------------------------------------------------------


def of_probes(probes: Sequence[LoadProbe], allowed: float, limit: float) -> Between:
    """Return what a search says of the highest load that keeps a bound, asked about *limit*.

    Were that load below *limit*, each probe at it or above could have been called ``met`` by chance
    only: the smallest p-value of those that were, times the number of probes there (Bonferroni).
    Likewise of ``missed`` below. *allowed*: the share of queries that may be late.
    """
    above = [probe for probe in probes if probe.level >= limit]
    below = [probe for probe in probes if probe.level <= limit]
    met = [_chance(one, allowed) for one in above if one.verdict == "met"]
    missed = [_chance(one, allowed) for one in below if one.verdict == "missed"]
    return Between(
        limit if met else None,
        limit if missed else None,
        min([1.0, *(len(above) * p for p in met)]),
        min([1.0, *(len(below) * p for p in missed)]),
    )


_PROBE = 0.01
"""Largest chance that a probe's verdict is wrong; see :func:`.intervals.share_verdict`."""


def _chance(probe: LoadProbe, allowed: float) -> float:
    """Return the chance of so few late queries, or so many, at a share of *allowed*."""
    from scipy.special import betainc

    of = probe.effective_queries
    count = probe.over * of
    if probe.verdict == "met":
        found = betainc(of - count, count + 1, 1 - allowed) if count < of else 1.0
    else:
        found = betainc(count, of - count + 1, allowed) if count > 0 else 1.0
    return min(_PROBE, float(found))


# --- a gate of many ----------------------------------------------------------------------


def adjust(broken: Sequence[float | None], exact: Sequence[bool]) -> list[float | None]:
    """Return the p-values *broken* after Holm's correction over those that are not *exact*.

    An exact figure cannot fail a limit that holds, so that it takes no share of the error.
    """
    corrected = holm([None if sure else p for p, sure in zip(broken, exact, strict=True)])
    return [p if sure else q for p, q, sure in zip(broken, corrected, exact, strict=True)]


def outcome(holds: float | None, broken_adjusted: float | None, alpha: float = ALPHA) -> Outcome:
    """Return the verdict of one limit; None where nothing is known."""
    if broken_adjusted is not None and broken_adjusted <= alpha:
        return "fail"
    return "pass" if holds is not None and holds <= alpha else "inconclusive"


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the verdict of a gate: a failure first, then what is not known."""
    if "fail" in outcomes:
        return "fail"
    return "inconclusive" if "inconclusive" in outcomes else "pass"
