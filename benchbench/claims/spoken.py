"""Numbers in words: ``three times``, ``ninety percent``, ``half the latency``, ``twice``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_VALUES = {name: float(at) for at, name in enumerate(_UNITS, 2)} | {"one": 1.0}
_VALUES |= {
    name: 10.0 * at
    for at, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_SIZES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6}
_WORD = "|".join(sorted([*(one for one in _VALUES if one != "one"), *_SIZES], key=len)[::-1])
_PLAIN = re.compile(
    rf"\b(?:(?P<a>an?|one)\s(?=(?:{'|'.join(_SIZES)})\b))?(?P<all>(?:{_WORD})"
    rf"(?:(?:[\s-]|(?<=hundred)\sand\s|(?<=thousand)\sand\s)(?:{_WORD}|one)){{0,9}})"
    r"(?P<half>\sand\sa\shalf)?\b",
    re.IGNORECASE,
)
_WHAT = (
    r"(?:latency|latencies|(?:inference|response|processing|run)?\s?time|duration|throughput|speed"
    r"|energy|power|frame rate|memory|footprint|model size)\b"
)
_PART = re.compile(
    r"\b(?P<part>half|(?:a|one)[\s-](?:third|quarter|fifth|sixth|seventh|eighth|ninth|tenth"
    r"|hundredth)|two[\s-]thirds|three[\s-]quarters)"
    rf"(?=\s(?:of\s)?(?:(?:the|its|their|that)\s(?:\w{{1,20}}\s){{0,2}}?{_WHAT}"
    r"|as\s(?:long|fast|quick|much)\b))",
    re.IGNORECASE,
)
_TWICE = re.compile(
    r"\b(?P<part>twice|thrice)(?=\s(?:as\s(?:fast|quick|long|slow|much|large|big)\b"
    rf"|(?:the|its|their)\s(?:\w{{1,20}}\s){{0,2}}?{_WHAT}))",
    re.IGNORECASE,
)
_STEMS = r"(?:halv(?:e[sd]?|ing)|(?:doubl|tripl|quadrupl)(?:e[sd]?|ing))"
_VERB = re.compile(
    rf"\b(?P<part>{_STEMS})(?=\s(?:(?:the|its|our|their)\s)?(?:\w{{1,20}}\s){{0,2}}?{_WHAT})"
    rf"|\b{_WHAT}\s(?:is\s|was\s|has\s){{0,2}}(?P<after>{_STEMS})\b",
    re.IGNORECASE,
)
_PARTS = {
    "half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2, "sixth": 1 / 6, "seventh": 1 / 7,
    "eighth": 0.125, "ninth": 1 / 9, "tenth": 0.1, "hundredth": 0.01, "thirds": 2 / 3,
    "quarters": 0.75, "twice": 2.0, "thrice": 3.0,
}  # fmt: skip
_HALVED = {"halv": 0.5, "doub": 2.0, "trip": 3.0, "quad": 4.0}
_ROUGH = 0.1
"""A share told in words is right within a tenth of itself: ``half`` from 0.45 to 0.55."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A number in words."""

    start: int
    end: int
    value: float
    decimals: int = 0
    slack: float | None = None
    """How far it may lie from what it stands for; None: as its digits say."""
    times: bool = False
    """Whether it is a ratio by itself, without a unit."""


def spoken(text: str) -> Iterator[Spoken]:
    """Yield the numbers in words of *text* in order; those without a unit are for the reader."""
    found = [_plain(one) for one in _PLAIN.finditer(text)]
    found += [_part(one) for pattern in (_PART, _TWICE) for one in pattern.finditer(text)]
    found += [_verb(one) for one in _VERB.finditer(text)]
    end = 0
    for one in sorted(found, key=lambda one: (one.start, -one.times)):
        if one.start >= end:
            yield one
            end = one.end


def _plain(found: re.Match[str]) -> Spoken:
    value = _value(found["all"])
    if found["half"]:
        return Spoken(found.start(), found.end(), value + 0.5, 1)
    return Spoken(
        found.start(), found.end(), value, slack=value * _ROUGH / 2 if found["a"] else None
    )


def _value(words: str) -> float:
    total, held = 0.0, 0.0
    for word in re.split(r"[\s-]+", words.lower()):
        if word == "hundred":
            held = (held or 1.0) * 100
        elif word in _SIZES:
            total, held = total + (held or 1.0) * _SIZES[word], 0.0
        else:
            held += _VALUES.get(word, 0.0)
    return total + held


def _part(found: re.Match[str]) -> Spoken:
    value = _PARTS[re.split(r"[\s-]", found["part"].lower())[-1]]
    slack = None if value >= 1 else value * _ROUGH
    return Spoken(found.start("part"), found.end("part"), value, slack=slack, times=True)


def _verb(found: re.Match[str]) -> Spoken:
    name = "part" if found["part"] else "after"
    value = _HALVED[found[name][:4].lower()]
    slack = value * _ROUGH if value < 1 else None
    return Spoken(found.start(name), found.end(name), value, slack=slack, times=True)
