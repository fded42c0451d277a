"""Whether the figures of a sentence are those of the claims that it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchbench.claims.bounds import held, side
from benchbench.claims.circumstances import circumstances
from benchbench.claims.figures import fixed, written
from benchbench.claims.naming import named_otherwise
from benchbench.claims.numbers import Number, header_unit, numbers
from benchbench.claims.passages import ID, Sentence
from benchbench.claims.requirements import is_asked
from benchbench.claims.truths import (
    Form,
    Truth,
    conditions,
    cut,
    factor,
    forms,
    is_condition,
    is_half,
    is_missed,
    matches,
    of_image,
    spans,
    told,
    truths,
)
from benchbench.claims_view import Claim, Rule

Fault = tuple[str | None, str, str]
"""Id of the claim, what is wrong, and a hint."""
_COUNTED = re.compile(
    r"\bn\s?=\s?\d|\bpoint estimate\b"
    r"|(?:\d|\b(?:two|three|four|five|six|eight|ten|twelve|twenty))"
    r"\s(?:\w{1,20}\s){0,2}?(?:images?|processes|pairs|trials"
    r"|levels|rounds|queries|frames)(?!\s?/|\s(?:per|a)\b|\w)|\bone process\b",
    re.IGNORECASE,
)
_ON_IMAGES = re.compile(
    r"\b(?:on|over)\s(?:all\s|the\s|the same\s){0,2}(\d{1,3}(?:,\d{3})+|\d{1,9})\s"
    r"(?:validation\s|test\s|evaluation\s)?images\b",
    re.IGNORECASE,
)


def figures(sentence: Sentence) -> list[tuple[str, Number]]:
    """Return the numbers that may be figures, each with the text that it stands in."""
    if not sentence.cells:
        return [(sentence.text, one) for one in numbers(sentence.text)]
    found = []
    heads = [*sentence.header, *[""] * len(sentence.cells)]
    for head, cell in zip(heads, sentence.cells, strict=False):
        # What the row is of stands in its first cell.
        told = f"{cell} {head} | {sentence.cells[0]}" if cell is not sentence.cells[0] else cell
        found += [(told, one) for one in numbers(cell, header_unit(head))]
    return found


def wrong(sentence: Sentence, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield the numbers of *sentence* that are no figure of *claims*, and intervals that are not.

    A number may be a figure rounded to the digits given, in any unit; a bound that holds; its
    interval; what a claim was measured with; its n; or a requirement.
    """
    yield from (fault for rule, fault in _held(sentence, claims) if rule == "wrong-figure")
    if any(truths(claim) for claim in claims):
        yield from _images(sentence, claims)
        yield from circumstances(sentence, claims)


def loose(sentence: Sentence, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield the bounds that hold for a claim's figure and not for its interval."""
    yield from (fault for rule, fault in _held(sentence, claims) if rule == "overstated")


def _held(sentence: Sentence, claims: Sequence[Claim]) -> Iterator[tuple[Rule, Fault]]:
    found = figures(sentence)
    known = [(claim, truth) for claim in claims for truth in truths(claim)]
    if not known:
        return
    around = [one for claim in claims for one in conditions(claim)]
    at = 0
    while at < len(found):
        text, number = found[at]
        if number.role == "low" and at + 1 < len(found):
            yield from (("wrong-figure", one) for one in _span(number, found[at + 1][1], known))
            at += 1
        elif number.role == "half":
            if not any(is_half(number, truth) for _, truth in known):
                why = f"'± {number.text}' is not half the interval"
                yield "wrong-figure", _named(known, why)
        elif _may_be_figure(number) and not is_asked(text, number):
            beside = (*found[max(0, at - 1) : at], *found[at + 1 : at + 2])
            others = [one for words, one in beside if words == text]
            yield from _number(text, number, others, known, around)
        at += 1


def _number(
    text: str,
    number: Number,
    others: list[Number],
    known: Sequence[tuple[Claim, Truth]],
    around: Sequence[Number],
) -> Iterator[tuple[Rule, Fault]]:
    missed = next((claim for claim, _ in known if is_missed(number, claim)), None)
    if missed is not None:
        if not _MISSED.search(text[: number.end + 30]):
            why = f"'{number.text}' is the level that was missed: the one kept is {_short(missed)}"
            yield "wrong-figure", (missed.id, why, f"write {_short(missed)}")
    elif not is_condition(number, around):
        bound = _bound(text, number, known)
        if bound is None:
            yield from (("wrong-figure", one) for one in _figure(text, number, others, known))
        else:
            yield from bound


_MISSED = re.compile(
    r"\bmiss|\bfail|\bnot kept\b|\btoo (?:many|much)\b|\bless than\b|\bfewer\b|\bbelow\b",
    re.IGNORECASE,
)


def _bound(
    text: str, number: Number, known: Sequence[tuple[Claim, Truth]]
) -> list[tuple[Rule, Fault]] | None:
    """Return what is wrong with a bound; None where *number* is none."""
    of = [one for one in known if factor(number, one[1])]
    if not of:
        return None
    way = side(text, number, higher_is_better=of[0][0].figure.higher_is_better)
    if way is None:
        return None
    open_ = forms(text, number)
    of = [one for one in of if one[1].form in open_] or of
    found = [
        (held(number, truth, way[0], interval=claim.figure.basis != "probes"), claim, truth)
        for claim, truth in of
    ]
    if any(one == "yes" for one, _, _ in found):
        return []
    said = f"'{way[1]} {number.text}'"
    for one, claim, truth in found:
        if one == "figure":
            why = (
                f"{said} holds for the figure and not for its interval: {_interval(truth, number)}"
            )
            return [("overstated", (claim.id, why, _OUTSIDE))]
    _, claim, truth = min(found, key=lambda one: _far(number, one[2]))
    exact = replace(number, decimals=max(number.decimals, 2))
    why = f"{said} does not hold: the figure is {told(exact, truth)}"
    return [("wrong-figure", (claim.id, why, _OUTSIDE))]


_OUTSIDE = "write the figure with its interval, or a bound outside of it"


def _may_be_figure(number: Number) -> bool:
    return number.unit is not None or number.decimals > 0


def _figure(
    text: str, number: Number, others: list[Number], known: Sequence[tuple[Claim, Truth]]
) -> Iterator[Fault]:
    open_ = forms(text, number)
    found = [one for one in known if one[1].form in open_ and matches(number, one[1])]
    if found:
        names = [named_otherwise(text, number, others, claim) for claim, _ in found]
        if all(names):
            claim = found[0][0]
            why = f"'{names[0]}' names another figure than the claim's, which is {claim.quantity}"
            yield claim.id, why, f"name it as the claim does, or cite a claim of the {names[0]}"
        return
    for claim, truth in known:
        if truth.images > 1 and of_image(number) and matches(replace(number, per=""), truth):
            right = told(replace(number, decimals=number.decimals + 1), truth)
            query = f"a query of {truth.images} images"
            why = f"'{number.text}' is the time of {query}, which makes {right}"
            yield claim.id, why, f"write {right}, or the time of {query}"
            return
        for name, end in () if number.spoken else (("lower", truth.low), ("upper", truth.high)):
            if end is not None and matches(
                number, Truth(truth.form, truth.unit, end, images=truth.images)
            ):
                right = told(number, truth)
                why = f"'{number.text}' is the {name} end of the interval: the figure is {right}"
                yield claim.id, why, f"write {right}, with the interval behind it"
                return
    yield _best(number, known, open_)


def _best(number: Number, known: Sequence[tuple[Claim, Truth]], open_: frozenset[Form]) -> Fault:
    """Return what *number* should have been: said otherwise, in points, or another number."""
    fit = [(claim, truth) for claim, truth in known if factor(number, truth)]
    shares = [one for one in known if one[1].form == "difference" and number.percent]
    if not fit or any(matches(replace(number, percent=False), truth) for _, truth in shares):
        return _foreign(number, shares or known)
    otherwise = [one for one in fit if matches(number, one[1])]
    in_form = [one for one in fit if one[1].form in open_]
    near = otherwise or in_form or fit
    claim, truth = min(near, key=lambda one: _far(number, one[1]))
    return claim.id, _why(number, truth, in_form=not otherwise), _hint(claim, number, truth)


def _far(number: Number, truth: Truth) -> float:
    sizes = factor(number, truth)
    return min(abs(number.value * size - abs(truth.value)) for size in sizes) / (
        abs(truth.value) or 1.0
    )


def _why(number: Number, truth: Truth, *, in_form: bool) -> str:
    right = told(number, truth)
    if not in_form and matches(number, truth):
        return f"'{number.text}' is {_MEANS[truth.form]}, which is not what the sentence says"
    if cut(number, truth) and truth.form in ("figure", "ratio", "inverse", "difference"):
        lower = number.value < abs(truth.value) / factor(number, truth)[-1]
        how = "cut off, not rounded" if lower else "rounded up, not to the nearest"
        return f"'{number.text}' is {how}: the figure is {right}"
    return f"'{number.text}' is not the claim's figure: it is {right}"


_MEANS = {
    "figure": "the figure", "other": "the figure of the other cell", "ratio": "times as long",
    "inverse": "times as fast", "less": "how much less it takes",
    "more": "how much more it takes", "faster": "how much faster it is",
    "difference": "the difference",
}  # fmt: skip


def _hint(claim: Claim, number: Number, truth: Truth) -> str:
    if truth.form in ("less", "more", "faster"):
        every = {one.form: one.value for one in truths(claim)}
        if "less" in every and "faster" in every:
            less, faster = 100 * every["less"], 100 * every["faster"]
            return f"it takes {less:.0f} % less time, or is {faster:.0f} % faster"
    return f"write {told(number, truth)}, the figure of {claim.id}"


def _foreign(number: Number, known: Sequence[tuple[Claim, Truth]]) -> Fault:
    claim = known[0][0]
    if number.percent and known[0][1].form == "difference":
        why = f"'{number.text}' of a difference of accuracy may be points or a share of it"
        return claim.id, why, f"write points: {_short(claim)}"
    why = f"'{number.text}' is no figure of the claim, which is of {claim.quantity}"
    return claim.id, why, f"cite a claim of that figure, or write {_short(claim)}"


def _short(claim: Claim) -> str:
    figure = claim.figure
    if figure.scale == "difference" and figure.unit == "" and figure.value is not None:
        return f"{fixed(100 * figure.value, 2)} points"
    if figure.scale == "ratio" and figure.value is not None:
        return f"{fixed(figure.value, 2)} times"
    value, _, _, unit = written(figure)
    return f"{value}{unit}"


def _named(known: Sequence[tuple[Claim, Truth]], why: str) -> Fault:
    claim, truth = known[0]
    return claim.id, f"{why}: {_interval(truth)}", "copy the interval of the claim"


def _span(low: Number, high: Number, known: Sequence[tuple[Claim, Truth]]) -> Iterator[Fault]:
    if any(spans(low, high, truth) for _, truth in known):
        return
    fit = [one for one in known if factor(low, one[1]) and one[1].low is not None]
    claim, truth = min(
        fit or known, key=lambda one: _far(low, one[1]) if factor(low, one[1]) else 9e9
    )
    why = f"'{low.text} to {high.text}' is not the claim's interval: {_interval(truth, low)}"
    yield claim.id, why, "copy the interval of the claim"


def _interval(truth: Truth, like: Number | None = None) -> str:
    if truth.low is None or truth.high is None:
        return "it has none"
    size = next(iter(factor(like, truth)), 1.0) if like else 1.0
    digits = like.decimals if like else 3
    return f"it is {fixed(truth.low / size, digits)} to {fixed(truth.high / size, digits)}"


def _images(sentence: Sentence, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield a number of images that is not that of any claim of accuracy."""
    counts = {claim.figure.n for claim in claims if claim.family == "accuracy"} - {None}
    for found in _ON_IMAGES.finditer(sentence.text) if counts else ():
        if int(found[1].replace(",", "")) not in counts:
            right = " or ".join(str(count) for count in sorted(filter(None, counts)))
            yield claims[0].id, f"'{found[0]}': the claim rests on {right} images", "name its n"


def without_n(sentence: Sentence, claims: Sequence[Claim]) -> bool:
    """Return whether a figure stands there without its n or interval."""
    if all(claim.figure.basis == "counted" for claim in claims):
        return False
    found = figures(sentence)
    cited = [one for _, one in found if one.role == "figure" and _may_be_figure(one)]
    if not cited or any(one.role != "figure" for _, one in found):
        return False
    if any(
        head.strip().lower() in ("n", "images", "processes", "pairs") for head in sentence.header
    ):
        return False
    return not _COUNTED.search(f"{ID.sub(' ', sentence.text)} {sentence.notes}")
