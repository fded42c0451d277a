"""Figures of the field in a sentence that cites no claim."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchbench.claims.citing import figures
from benchbench.claims.numbers import Number
from benchbench.claims.passages import Sentence
from benchbench.claims.requirements import ASKED
from benchbench.claims.truths import Truth, matches
from benchbench.quantities import measured
from benchbench.view import RunView

_METRIC = re.compile(
    r"\bm?A[PR](?:\d{2})?\b|\bm?IoU\b|\bDice\b|\bF1\b|\baccuracy\b|\brecall\b"
    r"|\bprecision of\b|\b[PSR]Q\b|\bHD95\b|\bNSD\b|\bAUC\b|\bmAP",
    re.IGNORECASE,
)
_SPEED = re.compile(
    r"latenc|inference|throughput|response time|processing time|runs? (?:in|at)|takes?|frame rate"
    r"|start-?up|load(?:s|ing)|per image|per frame|faster|slower|speed|process(?:es|ed)",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\bcameras?\b|\bsensors?\b|\bvideo\b|\bfootage\b|\brecord(?:ed|ing|s)?\b", re.IGNORECASE
)
_SERVES = re.compile(
    r"\bserves?\b|\bsupports?\b|\bhandles?\b|\bkeeps? up\b|\bsustains?\b", re.IGNORECASE
)
_SIZED = re.compile(r"\bmodel\b|\bartifact\b|\bmemory\b|\bfootprint\b|\bweights\b", re.IGNORECASE)
_COMPARED = re.compile(
    r"\bfaster\b|\bslower\b|\bspeed-?up\b|\bas (?:fast|long|many|much)\b|\bless (?:time|energy)\b"
    r"|\bmore throughput\b|\blower latency\b|\b(?:latency|throughput)\b"
    r"|\b(?:the|its|their) (?:\w{1,20} ){0,2}?(?:time|energy|speed|power|memory|frame rate)\b",
    re.IGNORECASE,
)
_PROCESSED = re.compile(r"process|throughput|infer", re.IGNORECASE)
_BESIDE = {
    "ms": _SPEED, "cameras": _SERVES, "bytes": _SIZED, "parameters": _SIZED, "MACs": _SIZED,
}  # fmt: skip
"""Unit → the words without which a number of it is no figure."""
_REACH = 60


def uncited(sentence: Sentence) -> list[Number]:
    """Return the numbers of *sentence* that are figures of the field."""
    words = " ".join((sentence.text, *sentence.header))
    if ASKED.search(words):
        return []
    return [number for text, number in figures(sentence) if _is_figure(words, text, number)]


def _is_figure(words: str, text: str, number: Number) -> bool:
    unit = number.unit
    if number.role == "half":
        return False
    if unit in ("W", "J", "images/J", "queries/s"):
        return True
    if unit in ("×", "") and (unit or _has(_COMPARED, words)):
        return _has(_COMPARED, words)
    if unit == "images/s":
        near = text[max(0, number.start - _REACH) : number.end + 24]
        return not _SOURCE.search(near) or bool(_PROCESSED.search(near))
    if unit == "ms" and number.size < 1e3:
        return True
    beside = _BESIDE.get(unit or "")
    return _has(beside, words) if beside else _is_accuracy(words, number)


@lru_cache(maxsize=32)
def _has(pattern: re.Pattern[str], words: str) -> bool:
    """Whether a sentence has some of the words: asked once a sentence, not once a number."""
    return bool(pattern.search(words))


def _is_accuracy(words: str, number: Number) -> bool:
    if not _has(_METRIC, words) or number.unit not in (None, ""):
        return False
    if number.unit == "":
        return True
    return number.decimals > 0 and 0 < number.value <= 100


# --- what it may be the figure of --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A figure that a run of the store holds."""

    run: str
    asked: str
    truth: Truth


def kept(views: Sequence[RunView]) -> Iterator[Kept]:
    """Yield every figure of some runs."""
    for view in views:
        for cell in view.cells:
            for one in measured(cell):
                if one.value is not None:
                    truth = Truth("figure", one.unit, one.value)
                    yield Kept(view.run, f"{one.full_name} of {cell.label}", truth)


def source(numbers: Sequence[Number], known: Sequence[Kept]) -> Kept | None:
    """Return a figure of the store that one of *numbers* is, to two digits at least."""
    for number in numbers:
        digits = len(str(number.value).replace(".", "").strip("0"))
        if digits < 2:
            continue
        for one in known:
            if matches(number, one.truth):
                return one
    return None
