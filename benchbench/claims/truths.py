"""What may truly be written of a claim, in every form that proposals use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.claims.figures import fixed
from benchbench.claims.numbers import Number, numbers
from benchbench.claims_view import Claim, ClaimFigure

Form = Literal["figure", "other", "ratio", "inverse", "less", "more", "faster", "difference"]
"""The figure itself; that of the cell it is compared with; how many times as long (or as much); how
many times as fast; what share less, or more, it takes; what share faster; the difference."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A number that follows from a claim, with its interval."""

    form: Form
    unit: str
    value: float
    low: float | None = None
    high: float | None = None
    images: int = 1
    """How many images the figure is of, where it is one of time."""


def truths(claim: Claim) -> tuple[Truth, ...]:
    """Return every number that follows from *claim*, the plainest form first."""
    figure = claim.figure
    if figure.value is None:
        return ()
    if figure.scale == "figure":
        return (
            Truth("figure", figure.unit, figure.value, figure.low, figure.high, _images(claim)),
        )
    return tuple(_compared(figure))


def _images(claim: Claim) -> int:
    return claim.cell.batch if claim.quantity.startswith("latency.") else 1


def _compared(figure: ClaimFigure) -> Iterator[Truth]:
    assert figure.value is not None
    shown = figure.outcome in ("better", "worse")
    ends = (figure.low, figure.high)
    if figure.scale == "difference":
        yield Truth("difference", figure.unit, figure.value, *ends)
    else:
        yield Truth("ratio", "×", figure.value, *ends)
        less = not figure.higher_is_better
        if less:
            yield Truth("inverse", "×", 1 / figure.value, *_turned(ends, lambda one: 1 / one))
            yield Truth("faster", "", 1 / figure.value - 1, *_turned(ends, lambda one: 1 / one - 1))
        if shown or figure.design == "counted":
            yield Truth("less", "", 1 - figure.value, *_turned(ends, lambda one: 1 - one))
            low, high = (None if one is None else one - 1 for one in ends)
            yield Truth("more", "", figure.value - 1, low, high)
    for value in (figure.own, figure.other):
        if value is not None:
            yield Truth("figure" if value is figure.own else "other", figure.unit, value)


def _turned(
    ends: tuple[float | None, float | None], how: Callable[[float], float]
) -> tuple[float | None, float | None]:
    low, high = ends
    return (None if not high else how(high), None if not low else how(low))


# --- whether a number is one of them -----------------------------------------------------

_FAST = re.compile(r"as fast|faster|speed-?\s?up|quicker|acceler|as many|throughput", re.IGNORECASE)
_LONG = re.compile(r"as long|the time|the latency|longer|slower|as much|the size", re.IGNORECASE)
_LESS = re.compile(
    r"less|lower|shorter|smaller|reduc|sav(?:es|ed|ing)|\bcuts?\b|below", re.IGNORECASE
)
_MORE = re.compile(r"more|higher|longer|slower|larger|increas|above", re.IGNORECASE)
_DIGITS = re.compile(r"^[\d.,\s\])-]{1,60}")
_REACH = 36
_SENTENCE_FORMS: frozenset[Form] = frozenset(
    ("figure", "other", "ratio", "inverse", "less", "more", "faster", "difference")
)
_TIMES: Mapping[str, frozenset[Form]] = {
    "fast": frozenset(("inverse", "ratio")),
    "long": frozenset(("ratio",)),
}
_SHARES: Mapping[str, frozenset[Form]] = {
    "fast": frozenset(("faster",)),
    "long": frozenset(("more",)),
    "less": frozenset(("less",)),
    "more": frozenset(("more",)),
}


def forms(text: str, number: Number) -> frozenset[Form]:
    """Return the forms that the words around *number* leave open."""
    plain: frozenset[Form] = frozenset(("figure", "other", "difference"))
    after = text[number.end : number.end + _REACH]
    before = text[max(0, number.start - _REACH) : number.start]
    found = _first(after) or _first(before)
    if number.unit == "×":
        return _TIMES.get(found or "", frozenset(("ratio", "inverse")))
    if not number.percent or found is None:
        return _SENTENCE_FORMS
    return plain | _SHARES[found]


def _first(text: str) -> str | None:
    """Return which kind of word comes first."""
    kinds = (("fast", _FAST), ("long", _LONG), ("less", _LESS), ("more", _MORE))
    found = [(at.start(), name) for name, pattern in kinds if (at := pattern.search(text))]
    return min(found)[1] if found else None


def factor(number: Number, truth: Truth) -> tuple[float, ...]:
    """Return what one of *number*'s unit may be in *truth*'s; nothing where they do not fit."""
    unit = number.unit
    if unit is None:
        if truth.form == "difference" and truth.unit == "":
            return (1.0, 0.01)
        whole = truth.unit == "" and 1 < number.value <= 100
        return (1.0, 0.01) if whole else (1.0,)
    if unit == "" and truth.form == "difference" and number.percent:
        return ()  # percent of what? a difference of accuracy is told in points
    if unit == truth.unit:
        return (number.size * truth.images,) if of_image(number) else (number.size,)
    if unit == "ms" and truth.unit == "s":
        return (number.size / 1e3,)
    return (1e6,) if unit == "million" and truth.unit == "parameters" else ()


def of_image(number: Number) -> bool:
    """Return whether *number* is said to be of one image, not of a query of several."""
    return number.per.endswith(("image", "img", "frame", "picture"))


def right(number: Number, value: float, size: float) -> bool:
    """Return whether *number* is *value* rounded to the digits that it gives."""
    if number.slack is not None:
        return abs(number.value - abs(value) / size) <= number.slack * (2 if number.about else 1)
    step = 10.0**-number.decimals
    if number.about and not number.decimals:
        while number.value and number.value % (step * 10) == 0:
            step *= 10
    return abs(number.value - abs(value) / size) <= step / 2 * (1 + 1e-9)


def matches(number: Number, truth: Truth) -> bool:
    """Return whether *number* is *truth*'s value."""
    return any(right(number, truth.value, size) for size in factor(number, truth))


def spans(low: Number, high: Number, truth: Truth) -> bool:
    """Return whether two numbers are *truth*'s interval, also told from the other side."""
    if truth.low is None or truth.high is None:
        return False
    pairs = [(truth.low, truth.high)]
    pairs += [(-truth.high, -truth.low)] if truth.form == "difference" else []
    both = set(factor(low, truth)) & set(factor(high, truth))
    return any(
        right(low, a, size) and right(high, b, size) and _signs(low, a) and _signs(high, b)
        for size in both
        for a, b in pairs
    )


def _signs(number: Number, value: float) -> bool:
    return number.negative == (value < 0) or not number.value


def is_half(number: Number, truth: Truth) -> bool:
    """Return whether *number* is half the width of *truth*'s interval."""
    if truth.low is None or truth.high is None:
        return False
    half = (truth.high - truth.low) / 2
    return any(right(number, half, size) for size in factor(number, truth))


def conditions(claim: Claim) -> tuple[Number, ...]:
    """Return the numbers of the claim's own words that are no figure of it: deadlines, rates."""
    known = truths(claim)
    return tuple(
        one
        for words in (claim.sentence, claim.footnote_long)
        for one in numbers(words)
        if one.role == "figure" and not any(matches(one, truth) for truth in known)
    )


def is_condition(number: Number, known: Sequence[Number]) -> bool:
    """Return whether *number* is one that a claim is measured with."""
    return any((number.value, number.unit, number.size) == (k.value, k.unit, k.size) for k in known)


def is_missed(number: Number, claim: Claim) -> bool:
    """Return whether *number* is the level that a load search found missed."""
    figure = claim.figure
    if figure.basis != "probes" or figure.high is None or figure.high == figure.value:
        return False
    return matches(number, Truth("figure", figure.unit, figure.high))


def told(number: Number, truth: Truth) -> str:
    """Return *truth* as it should stand in place of *number*."""
    size = next(iter(factor(number, truth)), 1.0)
    if number.spoken:
        unit = "%" if number.percent else {"×": "times"}.get(number.unit or "", number.unit or "")
        return f"{fixed(abs(truth.value) / size, 1 if number.percent else 2)} {unit}".rstrip()
    unit = _DIGITS.sub("", number.text)
    return f"{fixed(abs(truth.value) / size, number.decimals)} {unit}".rstrip()


def cut(number: Number, truth: Truth) -> bool:
    """Return whether *number* is within one unit of its last digit: rounded the wrong way."""
    if number.spoken:
        return False
    step = 10.0**-number.decimals
    return any(abs(number.value - abs(truth.value) / size) < step for size in factor(number, truth))
