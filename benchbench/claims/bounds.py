"""Bounds beside a claim: ``below 4 ms`` has to hold for the figure, and for its interval."""

from __future__ import annotations

import re
from typing import Literal

from benchbench.claims.numbers import Number
from benchbench.claims.truths import Truth, factor, right

Side = Literal["upper", "lower"]
Held = Literal["yes", "figure", "no"]
"""``figure``: only the figure keeps it, its interval does not."""
_END = r"\s?(?:only\s|just\s)?$"
_POINTS = r"(?<!points )(?<!% )(?<!percent )(?<!ms )"
_UPPER = re.compile(
    rf"(?:{_POINTS}\b(?:under|below|beneath|less than|lower than|fewer than|smaller than|"
    r"shorter than|at most|(?:no|not) (?:more|longer|higher|greater) than|within|inside"
    r"|a maximum of|not (?:above|over|exceed(?:ing)?)|never (?:above|over|exceeds|more than))"
    r"|<=|[<≤])" + _END,
    re.IGNORECASE,
)
_LOWER = re.compile(
    rf"(?:{_POINTS}\b(?:over|above|beyond|more than|greater than|higher than|larger than|"
    r"longer than|at least|(?:no|not) (?:less|lower|fewer|smaller) than|not (?:below|under)"
    r"|never (?:below|under|less than)|exceed(?:s|ed|ing)?|upwards of|a minimum of)|>=|[>≥])"
    + _END,
    re.IGNORECASE,
)
_BETTER = re.compile(r"\b(?P<way>better|faster|quicker|worse|slower) than" + _END, re.IGNORECASE)
_REACH = 32


def side(text: str, number: Number, *, higher_is_better: bool) -> tuple[Side, str] | None:
    """Return which bound *number* is said to be, with its words; None where it is none."""
    before = text[max(0, number.start - _REACH) : number.start].removesuffix("−").rstrip("+~≈")
    if found := _UPPER.search(before):
        return "upper", found[0].strip()
    if found := _LOWER.search(before):
        return "lower", found[0].strip()
    found = _BETTER.search(before)
    if found is None:
        return None
    good = found["way"].lower() in ("better", "faster", "quicker")
    return ("lower" if good == higher_is_better else "upper"), found[0].strip()


def held(number: Number, truth: Truth, way: Side, *, interval: bool) -> Held:
    """Return whether *truth* keeps *number* as a bound; *interval*: whether it has one to keep it.

    Of a difference both ends count by their size.
    """
    best: Held = "no"
    for size in factor(number, truth):
        if not _keeps(number, abs(truth.value), way, size):
            continue
        if not interval or truth.low is None or truth.high is None:
            return "yes"
        if all(_keeps(number, end, way, size) for end in _ends(truth)):
            return "yes"
        best = "figure"
    return best


def _ends(truth: Truth) -> tuple[float, float]:
    assert truth.low is not None
    assert truth.high is not None
    if truth.low < 0 < truth.high:
        return 0.0, max(-truth.low, truth.high)
    return abs(truth.low), abs(truth.high)


def _keeps(number: Number, value: float, way: Side, size: float) -> bool:
    told = number.value * size
    if right(number, value, size) and number.decimals >= 2:
        return True
    return value <= told if way == "upper" else value >= told
