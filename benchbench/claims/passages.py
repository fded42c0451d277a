"""The text of a proposal as passages, each with its place, and sentences of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

ID = re.compile(r"(?<![\w-])bb-(?=[a-f]*[0-9])[0-9a-f]{4,16}(?![\w-])", re.IGNORECASE | re.ASCII)
MARK = re.compile(r"\[\^([^\[\]\s]{1,80})\]")
_END = re.compile(
    r"[.!?…]{1,3}[\"”’')\]]{0,3}(?:[ \t]?\[\^?[^\[\]\s]{1,80}\]){0,8}[\"”’')]{0,2}(?=\s|$)"
)
_ABBREVIATIONS = frozenset(
    "p pp e.g i.e fig figs eq eqs sec sect no nr vs approx ca cf al resp ch tab vol ed est ref art"
    " incl excl avg dr mr mrs ms. prof st inc ltd co dept ver v par para §".split()
)
_UNIT_LETTERS = frozenset("JWshx")


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph, heading, list item or row of a table."""

    text: str
    line: int
    """Of its first character, from 1."""
    by_line: bool = True
    """Whether a line feed in the text counts a line."""
    cells: tuple[str, ...] = ()
    """Of a row."""
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows below its header, for what stands in one column."""

    header: tuple[str, ...]
    rows: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A document."""

    passages: tuple[Passage, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    """Label of a footnote → its text."""
    tables: tuple[Table, ...] = ()
    counted_in: Literal["line", "paragraph"] = "line"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a row of a table."""

    text: str
    line: int
    notes: str
    """Text of its footnotes."""
    ids: tuple[str, ...]
    cells: tuple[str, ...] = ()
    header: tuple[str, ...] = ()


def sentences(text: Text) -> Iterator[Sentence]:
    """Yield every sentence of *text* in order."""
    for passage in text.passages:
        if passage.cells:
            yield _made(text, passage.text, passage.line, passage)
            continue
        for start, end in _spans(passage.text):
            lines = passage.text.count("\n", 0, start) if passage.by_line else 0
            told = " ".join(passage.text[start:end].split())
            if told:
                yield _made(text, told, passage.line + lines, passage)


def _made(text: Text, told: str, line: int, passage: Passage) -> Sentence:
    marks = [*MARK.findall(told), *(one.lower() for one in ID.findall(told))]
    notes = " ".join(text.notes.get(mark, "") for mark in dict.fromkeys(marks))
    ids = dict.fromkeys(one.lower() for one in ID.findall(f"{told} {notes}"))
    return Sentence(told, line, notes, tuple(ids), passage.cells, passage.header)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for found in _END.finditer(text):
        if found[0][0] == "." and _abbreviates(text[max(0, found.start() - 24) : found.start()]):
            continue
        lead = len(text[start : found.end()]) - len(text[start : found.end()].lstrip())
        yield start + lead, found.end()
        start = found.end()
    rest = text[start:]
    if rest.strip():
        yield start + len(rest) - len(rest.lstrip()), len(text)


def _abbreviates(before: str) -> bool:
    """Whether a point after *before* ends an abbreviation: ``p.``, ``e.g.``, ``J. Smith``."""
    words = before.replace("(", " ").split()
    if not words:
        return False
    last = words[-1]
    if last.lower() in _ABBREVIATIONS:
        return True
    numbered = len(words) > 1 and words[-2][-1:].isdigit()
    return len(last) == 1 and last.isalpha() and not (numbered and last in _UNIT_LETTERS)
