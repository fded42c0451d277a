"""Which statistic or metric a sentence names beside a number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from benchbench.claims.numbers import Number
from benchbench.claims_view import Claim

_LATENCIES: Mapping[str, str] = {
    "p50": r"\bp50\b|\bmedian\b|\b50th[ -]percentile\b",
    "p90": r"\bp90\b|\b90th[ -]percentile\b|\b90 % percentile\b",
    "p95": r"\bp95\b|\b95th[ -]percentile\b",
    "p99": r"\bp99\b|\b99th[ -]percentile\b",
    "mean": r"\bmean\b|\baverage\b|\bon average\b|\baveraging\b",
    "first": r"\b(?:very )?first (?:query|inference|frame|image)\b|\bcold[ -]start\b",
    "worst": r"\bworst[ -]case\b|\b(?:maximum|tail) latency\b|\bmax(?:imum)? (?:inference )?time\b",
}  # fmt: skip
_METRICS: Mapping[str, str] = {
    "map_50": (
        r"\bm?AP ?(?:@ ?\[?(?:IoU ?=? ?)?0?\.50?\]?(?![\d:]|\s?[:–-]\s?0?\.)"
        r"|@ ?50(?!\s?[:–-])|_?50(?!\s?[:–-]|\d)| at (?:an )?IoU(?: of)? 0?\.50?\b)"
    ),
    "map_75": (
        r"\bm?AP ?(?:@ ?\[?(?:IoU ?=? ?)?0?\.75\]?|@? ?_?75\b"
        r"| at (?:an )?IoU(?: of)? 0?\.75\b)"
    ),
    "map": r"\bmAP\b|\bmean average precision\b",
    "mar": r"\bm?AR(?:@?_?\d{1,3})?\b",
    "miou": r"\bm?IoU\b(?! ?(?:of |threshold|=|@)? ?0?\.\d)", "dice": r"\bDice\b", "f1": r"\bF1\b",
    "pq": r"\bPQ\b|\bpanoptic quality\b", "top1": r"\btop-?1\b", "top5": r"\btop-?5\b",
    "pixel_accuracy": r"\bpixel accuracy\b",
    "precision": r"(?<!average )\bprecision(?= (?:of|is|was|reaches|stands at|=)\s?$)",
    "recall": r"(?<!average )\brecall(?= (?:of|is|was|reaches|stands at|=)\s?$)",
}  # fmt: skip
_POWERS: Mapping[str, str] = {
    "energy": r"\bgross energy\b", "energy.net": r"\bnet energy\b|\benergy net\b",
    "energy.average": r"\baverage (?:power|draw)\b|\bon average\b",
    "energy.peak": r"\bpeak power\b",
}  # fmt: skip
_RATES: Mapping[str, str] = {
    "throughput": r"\bsingle[ -]stream\b", "offline.throughput": r"\boffline\b",
}  # fmt: skip
_MARKS = re.compile(r"[;:]|\.\s")
_SEEN = 160


def _compiled(table: Mapping[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(told, re.IGNORECASE)) for name, told in table.items())


_GROUPS = {
    name: _compiled(table)
    for name, table in (
        ("latency", _LATENCIES), ("accuracy", _METRICS), ("energy", _POWERS), ("rate", _RATES),
    )
}  # fmt: skip


def _own(claim: Claim) -> tuple[str, str] | None:
    """Return the group of statistics that a claim's figure is one of, and which it is."""
    name = claim.quantity.partition("[")[0]
    head, _, last = name.partition(".")
    if claim.family == "accuracy":
        return "accuracy", "mar" if name.startswith("mar_") else name
    if head in ("latency", "multi-stream"):
        return "latency", last
    if head == "energy":
        return "energy", name
    return ("rate", name) if name.endswith("throughput") else None


def named_otherwise(text: str, number: Number, others: list[Number], claim: Claim) -> str | None:
    """Return the words beside *number* that name another figure than *claim*'s.

    Those count that stand nearest before it, after the number before; or else behind it, before
    the next.
    """
    own = _own(claim)
    if own is None:
        return None
    group, name = own
    starts = [one.end for one in others if one.end <= number.start]
    ends = [one.start for one in others if one.start >= number.end]
    first = max([0, number.start - _SEEN, *starts])
    last = min([len(text), number.end + _SEEN, *ends])
    before = _MARKS.split(text[first : number.start].rstrip(": "))[-1]
    after = _MARKS.split(text[number.end : last])[0]
    found = [*_named(group, before)][-1:] or [*_named(group, after)][:1]
    if not found:
        return None
    _, which, words = found[0]
    known = name in dict(_GROUPS[group]) or group == "latency"
    return words.strip() if which != name and known else None


def _named(group: str, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the names in *text* in order, of several at a place the longest."""
    spans = [
        (found.start(), -found.end(), name, found[0])
        for name, pattern in _GROUPS[group]
        for found in pattern.finditer(text)
    ]
    end = -1
    for start, until, name, words in sorted(spans):
        if start >= end:
            yield start, name, words
            end = -until
