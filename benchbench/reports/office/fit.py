"""How much room text takes on a slide, by the widths of Arial: never less than it will take."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from benchbench.reports.document.model import Span, Text

LINE = 1.2
"""Height of a line over the size of its type."""
_WIDTHS = (
    278, 278, 474, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
"""Thousandths of the size, U+0020 to U+007E."""
_OTHER = 1.4
"""Of a character that another font brings: as wide as an emoji."""
_ACCENTED = 0.2
"""What a letter with its mark may be wider than the letter, of its size."""
_BOLD = 0.06
"""What a character may be wider in bold, of its size."""
_KNOWN = {"·": 0.333, "–": 0.556, "—": 1.0, "…": 1.0, "×": 0.584, "±": 0.584, "−": 0.584,
          "’": 0.222, "≤": 0.55, "≥": 0.55, "→": 1.0, "↓": 1.0, "Δ": 0.68, "›": 0.333, "“": 0.333,
          "”": 0.333}  # fmt: skip


def width(words: str, size: float, *, bold: bool = True) -> float:
    """Return the width of *words* in points, in bold unless told otherwise."""
    return (sum(map(_em, words)) + len(words) * _BOLD * bold) * size * 1.03


def _em(char: str) -> float:
    if char in _KNOWN:
        return _KNOWN[char]
    base = unicodedata.normalize("NFD", char)[0]
    if not " " <= base <= "~":
        return _OTHER
    return _WIDTHS[ord(base) - 32] / 1000 + (_ACCENTED if base != char else 0.0)


def lines(words: str, size: float, room: float, *, bold: bool = True) -> list[str]:
    """Return *words* in lines that are no wider than *room* points; joined they are *words*.

    Lines break after spaces, and within a word that is wider than a line.
    """
    found, line, used = [], "", 0.0
    for word in _pieces(words, size, room, bold=bold):
        wide = width(word, size, bold=bold)
        if line and used + width(word.rstrip(" "), size, bold=bold) > room:
            found.append(line)
            line, used = "", 0.0
        line, used = line + word, used + wide
    return [*found, line] if line or not found else found


def _pieces(words: str, size: float, room: float, *, bold: bool) -> list[str]:
    """Return *words* in pieces that end with their space; none is wider than a line."""
    found: list[str] = []
    for word in words.replace("\n", " ").split(" "):
        found += _split(word, size, room, bold=bold)
        found[-1] += " "
    found[-1] = found[-1][:-1]
    return found


def _split(word: str, size: float, room: float, *, bold: bool) -> list[str]:
    """Return *word* in pieces no wider than *room*, of one character at least."""
    found, start, used = [], 0, 0.0
    for at, char in enumerate(word):
        wide = width(char, size, bold=bold)
        if used + wide > room and at > start:
            found.append(word[start:at])
            start, used = at, 0.0
        used += wide
    return [*found, word[start:]]


def height(words: str, size: float, room: float) -> float:
    """Return the height of *words* in points, set in lines of *room* points."""
    return len(lines(words, size, room)) * size * LINE


def trimmed(words: str, size: float, room: float, most: int) -> str:
    """Return *words* cut so that they take at most *most* lines."""
    found = lines(words, size, room)
    if len(found) <= most:
        return words
    kept = "".join(found[:most]).rstrip()
    while len(lines(f"{kept}…", size, room)) > most:
        kept = kept[:-1].rstrip()
    return f"{kept}…"


def part(spans: Sequence[Span], start: int, end: int) -> Text:
    """Return the characters *start* to *end* of *spans*, each in its style."""
    found, at = [], 0
    for span in spans:
        cut = span.text[max(start - at, 0) : max(end - at, 0)]
        found += [replace(span, text=cut)] if cut else []
        at += len(span.text)
    return tuple(found)
