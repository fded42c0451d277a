"""Text as Typst is given it: pieces between which a line may break, and how wide they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from benchbench.reports.document.model import Span

Pieces = list[str]
ROOM = 13.0
"""Ems of a word of running text that stay together."""
SHORT, HEAD = 10, 8
"""Characters of a figure with its unit, and of a table's head, that stay on one line."""
_CHUNK = 6
BOLD = 1.1
"""Width of strong text over that of plain text."""
_LONGEST = 2_000
"""Characters of an address."""
_WORD = re.compile(r"[^ \t\n]+")
_JOINT = re.compile(r"[^/_.,:;=@|\-]+[/_.,:;=@|\-]*|[/_.,:;=@|\-]+")


def pieces(words: str, room: float = ROOM) -> Pieces:
    """Return *words* cut where a line may break, beside its blanks.

    A word of more than *room* ems may break after a joint such as ``/`` or ``_``, and every six
    characters of what stands between joints. Together the pieces are *words*.
    """
    found, end = [""], 0
    for match in _WORD.finditer(words):
        if width(match[0]) > room:
            first, *rest = _broken(match[0])
            found[-1] += words[end : match.start()] + first
            found += rest
        else:
            found[-1] += words[end : match.end()]
        end = match.end()
    found[-1] += words[end:]
    return found


def bound(words: str, most: int = SHORT) -> str:
    """Return *words* without a blank to break at, where they have at most *most* characters."""
    return words.replace(" ", "\u00a0") if len(words) <= most else words


def _broken(word: str) -> list[str]:
    found: list[str] = []
    for part in _JOINT.findall(word):
        starts = [0, *(at for at in range(_CHUNK, len(part), _CHUNK) if _parts(part, at))]
        ends = [*starts[1:], len(part)]
        found += [part[at:to] for at, to in zip(starts, ends, strict=True)]
    return found


def _parts(word: str, at: int) -> bool:
    """Return whether *word* may be cut at *at*: not where letters join or combine."""
    here = unicodedata.bidirectional(word[at]) in ("AL", "NSM")
    return not here and not unicodedata.combining(word[at]) and word[at] not in "\u200d\ufe0f"


def spans(found: Iterable[Span], anchors: frozenset[str]) -> list[dict[str, object]]:
    """Return spans as the template reads them; a link that leads nowhere is text."""
    return [
        {"text": pieces(span.text), "style": span.style, "to": _target(span.href, anchors)}
        for span in found
    ]


def _target(href: str, anchors: frozenset[str]) -> str:
    inside = href.startswith("#") and href[1:] in anchors
    return href if inside else address(href)


def address(href: str) -> str:
    """Return *href* if it may be a link of a PDF, else nothing."""
    return href if href.startswith("https://") and len(href) <= _LONGEST else ""


# --- widths ------------------------------------------------------------------------------


def width(words: str) -> float:
    """Return about how many ems *words* take on one line."""
    return sum(map(_em, words))


def need(words: str, most: float) -> float:
    """Return how many ems the longest word may take, *most* at most: a longer one is broken."""
    return min(BOLD * max(map(width, _WORD.findall(words)), default=0.0), most)


def _em(char: str) -> float:
    for known, ems in _WIDTHS:
        if char in known:
            return ems
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    return 0.66 if char.isupper() or not char.isascii() else 0.5


_WIDTHS: Sequence[tuple[str, float]] = (
    ("0123456789", 0.48), ("mMwW%@", 0.9), (" \u00a0.,;:'!|ijlt()[]/", 0.33), ("–±×", 0.55),
)  # fmt: skip
