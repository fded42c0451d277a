"""How many images it takes to tell two cells apart, from what an earlier run left."""

from __future__ import annotations

from math import ceil, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field

from benchbench.stats.resampling import LEVEL, Draws, Sample, difference, normal_quantile
from benchbench.types import Record
from benchbench.view import Interval

POWER = 0.8
RESOLVE = 0.005
"""Half a point of mAP."""


class Power(Record):
    """What difference these images can show, and how many images a given one would need.

    With d the difference, α = 1 - level and SE the standard error of the paired difference at n
    images: n' = n · ((z(1 - α/2) + z(power)) · SE / d)², the usual size of a paired two-sided test
    (Chow, Shao & Wang, Sample Size Calculations in Clinical Research, 2008, 3.1).
    """

    metric: str
    images: int
    """Images of the earlier run."""
    se: float | None
    """Standard error of the paired difference on them."""
    resolvable: float | None
    """The smallest true difference that these images show with this power."""
    difference: float = Field(gt=0)
    """The difference to be shown."""
    images_needed: int | None
    """Extrapolated: the standard error is taken to fall with the square root of the images."""
    level: float
    power: float
    basis: Literal["measured pair", "assumed correlation"]
    correlation: float | None
    """Of the two cells' values over the draws: measured, or assumed."""
    reason: str | None = None
    """Why there is no answer, where there is none."""

    @property
    def sufficient(self) -> bool | None:
        """Whether the images at hand are enough; None if it is not known."""
        return None if self.images_needed is None else self.images >= self.images_needed


class Question(Record):
    """What is to be shown, how surely."""

    difference: float = Field(default=RESOLVE, gt=0)
    power: float = Field(default=POWER, gt=0, lt=1)
    level: float = Field(default=LEVEL, gt=0, lt=1)


def power_of_pair(
    a: Sample, b: Sample, metric: str, draws: Draws, question: Question | None = None
) -> Power:
    """Answer from two cells of an earlier run that are as alike as those to be compared."""
    question = question or Question()
    found = difference(a, b, draws, level=question.level)
    return _power(found, metric, question, "measured pair", _correlation(a, b))


def power_of_one(
    found: Interval, metric: str, correlation: float, question: Question | None = None
) -> Power:
    """Answer from one cell's interval, assuming the other varies as much and *correlation* (< 1).

    SE of the difference = SE · sqrt(2 (1 - correlation)). The answer is as good as the assumption.
    """
    if not -1 <= correlation < 1:
        raise ValueError(f"a correlation lies in -1 to below 1, not {correlation}")
    question = question or Question()
    se = None if found.se is None else found.se * sqrt(2 * (1 - correlation))
    assumed = found.model_copy(update={"se": se})
    return _power(assumed, metric, question, "assumed correlation", correlation)


def _power(
    found: Interval,
    metric: str,
    question: Question,
    basis: Literal["measured pair", "assumed correlation"],
    correlation: float | None,
) -> Power:
    resolvable = None if found.se is None else _reach(question) * found.se
    needed = None
    if resolvable is not None:
        needed = max(2, ceil(found.images * (resolvable / question.difference) ** 2))
    return Power(
        metric=metric,
        images=found.images,
        se=found.se,
        resolvable=resolvable,
        images_needed=needed,
        basis=basis,
        correlation=correlation,
        reason=found.reason,
        **question.model_dump(),
    )


def _reach(question: Question) -> float:
    """Return how many standard errors a difference must have to be seen with the power asked."""
    return normal_quantile(question.level) + NormalDist().inv_cdf(question.power)


def _correlation(a: Sample, b: Sample) -> float | None:
    """Return the correlation over the draws on which both are defined; None if one is constant."""
    both = ~(np.isnan(a.replicates) | np.isnan(b.replicates))
    if both.sum() < 2 or not (np.ptp(a.replicates[both]) and np.ptp(b.replicates[both])):
        return None
    return float(np.corrcoef(a.replicates[both], b.replicates[both])[0, 1])
