"""Two cells compared by turn-taking: whether the second is slower by more than a margin.

Two fresh workers live at once and take short turns in random order, so that what disturbs one
disturbs the other. A pair of workers gives one figure; pairs are what is counted
(docs/comparing-latency.md). Related to duet benchmarking (Bulej et al., ICPE 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log1p

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.stats.variance import Mean, ratio_view, t_interval
from benchbench.turns_view import GateVerdict, RatioView, SettledBy, TurnsView
from benchbench.types import Record

Nanoseconds = NDArray[np.int64]
_ZERO = "a turn's median is 0: the clock is too coarse for it"
_ABSENT = "CPU time was not recorded"


@dataclass(frozen=True, slots=True)
class Pair:
    """What one pair of workers measured in T turns of I queries each."""

    first: NDArray[np.int64]
    """(T,): which side began each turn, 0 for *a* and 1 for *b*."""
    a_ns: Nanoseconds
    """(T, I): wall time of each query."""
    b_ns: Nanoseconds
    """(T, I)."""
    a_cpu_ns: Nanoseconds | None = None
    """(T, I): CPU time of each query; None where it was not recorded."""
    b_cpu_ns: Nanoseconds | None = None
    """(T, I)."""


class Gate(Record):
    """What slowdown is put up with, and when the pairs are looked at."""

    margin: float = Field(default=0.05, gt=0, lt=10)
    """Slowdown that is put up with, a fraction: 0.05 is 5 %."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Largest chance of a wrong verdict, shared equally by the looks (Bonferroni)."""
    looks: tuple[int, ...] = Field(default=(8, 20), min_length=1)
    """After how many pairs a verdict is sought; the next only where the one before found none."""

    @model_validator(mode="after")
    def _rising(self) -> Gate:
        if self.looks[0] < 2 or any(
            b <= a for a, b in zip(self.looks, self.looks[1:], strict=False)
        ):
            raise ValueError(f"looks are rising numbers of pairs, 2 or more, not {self.looks}")
        return self

    @property
    def alpha_each(self) -> float:
        """The chance of a wrong verdict at one look."""
        return self.alpha / len(self.looks)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with what it rests on; bounds are of the mean log ratio."""

    verdict: GateVerdict
    mean: Mean
    """Over the first *pairs* pairs; *low* and *high* are one-sided bounds at *alpha* each."""
    pairs: int
    looks: int
    alpha: float
    settled_by: SettledBy
    reason: str | None = None

    @property
    def faster(self) -> bool | None:
        """Whether the second is shown to be faster; None where there are no bounds."""
        return None if self.mean.high is None else self.mean.high < 0


# --- one pair ----------------------------------------------------------------------------


def turn_log_ratios(a_ns: Nanoseconds, b_ns: Nanoseconds) -> NDArray[np.float64] | None:
    """Return (T,): log(median(b) / median(a)) of each turn; None where a median is 0."""
    a, b = np.median(a_ns, axis=1), np.median(b_ns, axis=1)
    if not (len(a) and (a > 0).all() and (b > 0).all()):
        return None
    ratios: NDArray[np.float64] = np.log(b / a)
    return ratios


def log_ratio(a_ns: Nanoseconds, b_ns: Nanoseconds) -> float | None:
    """Return a pair's figure: the median over turns of their log ratios; None as above.

    The turn's ratio cancels what both sides met; the median over turns drops what one side met
    alone.
    """
    turns = turn_log_ratios(a_ns, b_ns)
    return None if turns is None else float(np.median(turns))


def wall_log_ratios(pairs: Sequence[Pair]) -> tuple[float, ...] | None:
    """Return (R,): each pair's figure in wall time; None where one has none."""
    return _complete([log_ratio(pair.a_ns, pair.b_ns) for pair in pairs])


def cpu_log_ratios(pairs: Sequence[Pair]) -> tuple[float, ...] | None:
    """Return (R,): each pair's figure in CPU time; None where one has none."""
    found = [
        None
        if pair.a_cpu_ns is None or pair.b_cpu_ns is None
        else log_ratio(pair.a_cpu_ns, pair.b_cpu_ns)
        for pair in pairs
    ]
    return _complete(found)


def _complete(values: Sequence[float | None]) -> tuple[float, ...] | None:
    known = tuple(value for value in values if value is not None)
    return known if known and len(known) == len(values) else None


def order_effect(pairs: Sequence[Pair]) -> float | None:
    """Return how many times as long the side that begins a turn takes as the other.

    Half the log ratio's difference between turns that *b* began and turns that *a* began, median
    over each and mean over pairs, so that a true difference of the cells drops out. None where a
    pair lacks one of the two.
    """
    found = _complete([_order_effect(pair) for pair in pairs])
    return exp(float(np.mean(found))) if found else None


def _order_effect(pair: Pair) -> float | None:
    turns, began = turn_log_ratios(pair.a_ns, pair.b_ns), np.asarray(pair.first)
    if turns is None or not 0 < began.sum() < len(began):
        return None
    return float(np.median(turns[began == 1]) - np.median(turns[began == 0])) / 2


# --- the verdict -------------------------------------------------------------------------


def conclude(mean: Mean, margin: float) -> GateVerdict:
    """Return what a mean log ratio with one-sided bounds says of "no slower than *margin*".

    ``pass`` is wrong only of a slowdown of the margin or more, ``regression`` only of none at all:
    for any true ratio at most one of the two can be wrong.
    """
    if mean.value is None or mean.low is None or mean.high is None:
        return "inconclusive"
    if mean.high < log1p(margin):
        return "pass"
    return "regression" if mean.low > 0 and mean.value > log1p(margin) else "inconclusive"


def verdict(log_ratios: Sequence[float], gate: Gate | None = None) -> Decision:
    """Return the verdict of the first look that reaches one, over (R,) log ratios b / a by pair.

    At each look one-sided t bounds at ``gate.alpha_each``. Pairs after that look are not used, so
    that running on cannot change a verdict; without one, the figures are of all pairs.
    """
    gate = gate or Gate()
    taken = [n for n in gate.looks if n <= len(log_ratios)]
    for look, n in enumerate(taken, 1):
        found = _look(log_ratios[:n], gate, look)
        if found.verdict != "inconclusive":
            return found
    last = _look(log_ratios, gate, len(taken))
    reason = last.mean.reason or _unsettled(len(log_ratios), gate)
    return Decision("inconclusive", last.mean, last.pairs, last.looks, last.alpha, "looks", reason)


def _look(log_ratios: Sequence[float], gate: Gate, look: int) -> Decision:
    mean = t_interval(log_ratios, 1 - 2 * gate.alpha_each)
    found = conclude(mean, gate.margin)
    return Decision(found, mean, len(log_ratios), look, gate.alpha_each, "looks", mean.reason)


def _unsettled(pairs: int, gate: Gate) -> str:
    following = [n for n in gate.looks if n > pairs]
    if following:
        return f"{pairs} pairs; the next look is at {following[0]}"
    return f"the interval after {pairs} pairs settles neither; less noise or more pairs would"


# --- what reports see --------------------------------------------------------------------


def summarise(
    a: str,
    b: str,
    pairs: Sequence[Pair],
    decision: Decision | None = None,
    gate: Gate | None = None,
) -> TurnsView:
    """Return the comparison of cell *b* with cell *a*.

    *decision* is that of :func:`benchbench.stats.sequential.decide` where the pairs were looked at
    one by one; None takes the looks of *gate*.
    """
    gate = gate or Gate()
    wall = wall_log_ratios(pairs)
    found = decision or verdict(wall or (), gate)
    if wall is None and pairs:
        found = _uncomputable(len(pairs), gate)
    return TurnsView(
        a=a,
        b=b,
        pairs=found.pairs,
        wall=ratio_view(found.mean, 1 - 2 * found.alpha),
        cpu=_cpu(pairs[: found.pairs], 1 - 2 * found.alpha),
        verdict=found.verdict,
        faster=found.faster,
        margin=gate.margin,
        alpha=gate.alpha,
        looks=found.looks,
        settled_by=found.settled_by,
        order_effect=order_effect(pairs),
        log_ratios=wall or (),
        reason=found.reason,
    )


def _uncomputable(pairs: int, gate: Gate) -> Decision:
    nothing = Mean(None, reason=_ZERO)
    return Decision("inconclusive", nothing, pairs, 0, gate.alpha_each, "looks", _ZERO)


def _cpu(pairs: Sequence[Pair], level: float) -> RatioView:
    if any(pair.a_cpu_ns is None or pair.b_cpu_ns is None for pair in pairs):
        return RatioView(ratio=None, reason=_ABSENT)
    found = cpu_log_ratios(pairs)
    if found is None and pairs:
        return RatioView(ratio=None, reason=_ZERO)
    return ratio_view(t_interval(found or (), level), level)
