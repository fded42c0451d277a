"""Whether one cell is better than another on the same images, one question or a family of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from benchbench.stats.resampling import (
    LEVEL,
    Draws,
    Sample,
    difference,
    normal_quantile,
)
from benchbench.types import Record
from benchbench.view import Comparison, Interval, Verdict


class Rule(Record):
    """By what a verdict is reached."""

    level: float = Field(default=LEVEL, gt=0, lt=1)
    margin: float | None = Field(default=None, gt=0)
    """Differences smaller than this do not matter; None asks for no equivalence."""
    higher_is_better: bool = True


def compare(
    a: tuple[str, Sample],
    b: tuple[str, Sample],
    metric: str,
    draws: Draws,
    *,
    rule: Rule | None = None,
    subject: str | None = None,
) -> Comparison:
    """Compare two cells, each a name and a sample of the same *draws*; a family of one."""
    rule = rule or Rule()
    found = difference(a[1], b[1], draws, level=rule.level)
    alone = Comparison(
        a=a[0],
        b=b[0],
        metric=metric,
        subject=subject,
        difference=found.value,
        p_adjusted=found.p,
        verdict="inconclusive",
        margin=rule.margin,
        higher_is_better=rule.higher_is_better,
        **found.model_dump(include=_TAKEN),
    )
    return family([alone])[0]


_TAKEN = set(Interval.model_fields) & set(Comparison.model_fields)


def compare_classes(
    a: tuple[str, Sample],
    b: tuple[str, Sample],
    metric: str,
    classes: Sequence[str],
    draws: Draws,
    *,
    rule: Rule | None = None,
) -> tuple[Comparison, ...]:
    """Compare (K,) samples class by class, corrected over all classes that can be compared."""
    pairs = [((a[0], a[1].column(k)), (b[0], b[1].column(k))) for k in range(len(classes))]
    return family(
        compare(mine, theirs, metric, draws, rule=rule, subject=name)
        for (mine, theirs), name in zip(pairs, classes, strict=True)
    )


def family(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """Return *comparisons* with p-values corrected over all of them, and verdicts from these."""
    found = tuple(comparisons)
    adjusted = holm([one.p for one in found])
    size = sum(one.p is not None for one in found)
    return tuple(
        one.model_copy(
            update={"p_adjusted": p, "family": max(size, 1), "verdict": _verdict(one, p, size)}
        )
        for one, p in zip(found, adjusted, strict=True)
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected so that the chance of any false finding stays at the level.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6 (1979) 65-70: the i-th smallest of m times (m - i + 1), never below the one before,
    at most 1. None stays None and does not count.
    """
    known = [i for i, p in enumerate(p_values) if p is not None]
    values = np.array([p_values[i] for i in known], np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted: list[float | None] = [None] * len(p_values)
    for i, p in zip(order, np.minimum(np.maximum.accumulate(scaled), 1), strict=True):
        adjusted[known[i]] = float(p)
    return adjusted


def _verdict(one: Comparison, p: float | None, size: int) -> Verdict:
    """Return what can be said: equivalence first, where a margin says what does not matter."""
    if one.difference is None or one.se is None or p is None:
        return "inconclusive"
    if one.margin is not None and _within(one, size):
        return "equivalent"
    if p >= 1 - one.level:
        return "inconclusive"
    return "better" if (one.difference > 0) == one.higher_is_better else "worse"


def _within(one: Comparison, size: int) -> bool:
    """Whether an interval lies inside the margins (Schuirmann's two one-sided tests, 1987).

    The interval is two-sided at the level, stricter than the tests need, and Bonferroni's in a
    family.
    """
    assert one.difference is not None
    assert one.se is not None
    assert one.margin is not None
    reach = normal_quantile(1 - (1 - one.level) / size) * one.se
    return abs(one.difference) + reach < one.margin
