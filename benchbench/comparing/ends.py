"""Two cells whose figures are set against each other, and the change while it is formed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.compare_view import Delta, Design
from benchbench.comparing.sides import Source, same_job
from benchbench.view import CellView

SAME = "both sides are one measurement"
_LARGEST = 700.0


@dataclass(frozen=True, slots=True)
class Two:
    """A cell of each side."""

    a: Source
    a_cell: CellView
    b: Source
    b_cell: CellView

    @property
    def together(self) -> bool:
        """Whether both were measured in one job."""
        return same_job(self.a, self.b)

    @property
    def same(self) -> bool:
        """Whether they are one and the same measurement."""
        return self.together and self.a_cell.id == self.b_cell.id


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its standard error, from which an interval and a p-value follow."""

    value: float
    se: float
    df: float | None
    """Of Student's t; None where it is normal."""
    looks: int = 1

    def reach(self, level: float) -> float:
        """Return half the interval of *level*, which the looks share."""
        return quantile(1 - (1 - level) / self.looks, self.df) * self.se

    @property
    def p(self) -> float:
        """Two-sided, of a mean of 0; Bonferroni's over the looks."""
        from scipy.special import ndtr, stdtr

        t = -abs(self.value) / self.se
        tail = ndtr(t) if self.df is None else stdtr(self.df, t)
        return min(1.0, 2 * float(tail) * self.looks)


def quantile(level: float, df: float | None) -> float:
    """Return what holds a share *level* of Student's t, or of the normal, between -it and it."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + level) / 2
    return float(ndtri(upper) if df is None else stdtrit(df, upper))


def mean_of(values: NDArray[np.float64], looks: int = 1) -> Estimate | None:
    """Return the mean of independent *values*; None where they say nothing of their error."""
    n = len(values)
    if n < 2:
        return None
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return Estimate(mean, sd / sqrt(n), n - 1, looks) if sd > 1e-12 * max(1.0, abs(mean)) else None


def welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> Estimate | None:
    """Return the difference of two means, b - a; None where the values say nothing of its error.

    Welch, Biometrika 34 (1947) 28-35; degrees of freedom by Satterthwaite.
    """
    if min(len(a), len(b)) < 2:
        return None
    errors = [float(side.var(ddof=1)) / len(side) for side in (a, b)]
    total = sum(errors)
    if total <= 1e-24:
        return None
    parts = sum(e**2 / (len(side) - 1) for e, side in zip(errors, (a, b), strict=True))
    return Estimate(float(b.mean() - a.mean()), sqrt(total), total**2 / parts)


def as_ratio(
    base: Delta, found: Estimate, level: float, design: Design, basis: str, *, inverse: bool = False
) -> Delta:
    """Return *base* with a ratio from an estimate of its logarithm, upside down if *inverse*."""
    value = -found.value if inverse else found.value
    reach = found.reach(level)
    return base.model_copy(
        update={
            "change": ratio_of(value),
            "low": ratio_of(value - reach),
            "high": ratio_of(value + reach),
            "level": level,
            "se": found.se,
            "df": found.df,
            "looks": found.looks,
            "p": found.p,
            "design": design,
            "basis": basis,
        }
    )


def ratio_of(log_ratio: float) -> float:
    """Return exp, cut where a float ends: two rounds can leave an interval without bounds."""
    return exp(max(-_LARGEST, min(log_ratio, _LARGEST)))


def logs(values: Sequence[float]) -> NDArray[np.float64] | None:
    """Return logarithms; None where a value has none."""
    if not values or not all(isfinite(value) and value > 0 for value in values):
        return None
    made: NDArray[np.float64] = np.log(np.array(values, np.float64))
    return made


def points(base: Delta, **update: Any) -> Delta:
    """Return *base* with the change of its two values, without an interval."""
    if base.a is None or base.b is None:
        return base.model_copy(update=update)
    if base.scale == "difference":
        return base.model_copy(update={"change": base.b - base.a, **update})
    if base.a <= 0 or base.b <= 0:
        why = "a ratio takes two figures above 0"
        return base.model_copy(update={**update, "reason": why, "outcome": "inconclusive"})
    return base.model_copy(update={"change": ratio_of(log(base.b) - log(base.a)), **update})
