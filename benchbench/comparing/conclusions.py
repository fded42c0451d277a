"""What may be said of changes that were asked together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log, log1p

from benchbench.compare_view import Delta, Family, Outcome
from benchbench.comparing.ends import Estimate
from benchbench.stats.comparing import holm


def concluded(deltas: Iterable[Delta]) -> tuple[Delta, ...]:
    """Return *deltas* with p-values corrected over each family, and outcomes from these.

    A family is all changes of accuracy, all of latency, or all of energy that were asked together;
    Holm's correction holds the chance of any wrong claim in each of them.
    """
    found = list(deltas)
    families: dict[Family, list[int]] = {}
    for index, one in enumerate(found):
        families.setdefault(one.family, []).append(index)
    for indices in families.values():
        asked = sum(found[i].p is not None for i in indices)
        for i, p in zip(indices, holm([found[i].p for i in indices]), strict=True):
            update = {"p_adjusted": p, "asked": max(asked, 1)}
            made = found[i].model_copy(update=update)
            found[i] = made.model_copy(update={"outcome": _outcome(made)})
    return tuple(found)


def _outcome(one: Delta) -> Outcome:
    if one.change is None:
        return "inconclusive"
    if one.design in ("trend", "counted"):
        return one.outcome if one.design == "trend" else _counted(one)
    if one.p_adjusted is None or one.level is None:
        return "inconclusive"
    if _alike(one) or (one.margin is not None and _within(one)):
        return "equivalent"
    if one.p_adjusted >= 1 - one.level:
        return "inconclusive"
    return _direction(one)


def _counted(one: Delta) -> Outcome:
    change = _moved(one)
    return "equivalent" if abs(change) <= _margin(one) else _direction(one)


def _alike(one: Delta) -> bool:
    """Whether the two were the same on every draw: there is no error to weigh."""
    return one.design == "images" and one.se is None and one.p == 1.0


def _within(one: Delta) -> bool:
    """Whether the interval lies inside the margins (Schuirmann's two one-sided tests, 1987).

    The interval is two-sided at the level and Bonferroni's in a family, as in
    :mod:`benchbench.stats.comparing`. Where pairs were looked at one by one it is the shown one.
    """
    if one.se is None or one.level is None:
        return False
    reach = Estimate(0.0, one.se, one.df, one.looks).reach(1 - (1 - one.level) / one.asked)
    return abs(_moved(one)) + reach < _margin(one)


def _margin(one: Delta) -> float:
    if one.margin is None:
        return 0.0
    return one.margin if one.scale == "difference" else log1p(one.margin)


def _moved(one: Delta) -> float:
    """Return the change on the scale that its error is of."""
    assert one.change is not None
    return one.change if one.scale == "difference" else log(one.change)


def _direction(one: Delta) -> Outcome:
    return "better" if (_moved(one) > 0) == one.higher_is_better else "worse"


def nothing_to_compare(deltas: Sequence[Delta]) -> bool:
    """Return whether every figure but sizes has no change."""
    measured = [one for one in deltas if one.family != "size"]
    return bool(measured) and all(one.change is None for one in measured)
