"""Numbers that are asked for, not claimed."""

from __future__ import annotations

import re

from benchbench.claims.numbers import Number

ASKED = re.compile(
    r"\bmust\b|\bshall\b|\bshould\b|\brequire[sd]?\b|\brequirement\b|\btargets?\b|\bbudget\b|\blimit\b"
    r"|\bdeadline\b|\btime-?out\b|\bTDP\b|\brated\b|\bnominal\b|\bexposure\b|\bshutter\b|\btakt\b"
    r"|\bcycle\b|\bsupply\b|\bat most\b|\bat least\b|\bno more than\b|\bpoll(?:s|ed|ing)?\b"
    r"|\bwill be asked\b|\bgoal\b|\bthreshold\b|\btolerance\b|\bplanned\b|\bbudgeted\b",
    re.IGNORECASE,
)
"""Says of a sentence without a claim that its numbers are asked for."""
_BEFORE = re.compile(
    r"\b(?:must|shall|should|we need|you need|requires?|required|requirements?|targets?|budget"
    r"|limit|deadline|time-?out|takt(?: time)?|cycle(?: time)?|goal|tolerance|exposure|shutter)\b"
    r"(?P<between>[^;:,()\d]{0,60})$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s?(?:(?:is|are|was|were)\s(?:required|asked for|allowed|demanded)"
    r"|(?:limit|deadline|budget|target|requirement|time-?out|takt|cycle|goal|tolerance)\b)",
    re.IGNORECASE,
)
_MET = re.compile(r"\b(?:we|it) (?:takes?|reach(?:es)?|needs?|runs?|has)\b", re.IGNORECASE)


def is_asked(text: str, number: Number) -> bool:
    """Return whether *number* is a requirement: the first number behind such a word of its clause.

    ``at most`` alone makes none: beside a claim it is a bound, which has to hold.
    """
    before = _BEFORE.search(text[max(0, number.start - 90) : number.start])
    if before and not _MET.search(before["between"]):
        return True
    return bool(_AFTER.match(text[number.end : number.end + 40]))
