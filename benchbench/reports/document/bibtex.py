"""BibTeX: entries read from strangers' texts, and written so that nothing in them is a command."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from benchbench.reports.wording import clean

MOST = 8_000
"""Characters of an entry that is read."""
_HEAD = re.compile(r"\s*@(\w{1,30})\s*\{\s*([^,\s]{0,200})\s*,")
_FIELD = re.compile(r"\s*,?\s*([A-Za-z][\w-]{0,40})\s*=\s*")
_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304",
    ".": "\u0307", "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328",
    "r": "\u030a",
}  # fmt: skip
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ",
    "OE": "Œ", "aa": "å", "AA": "Å", "i": "i", "j": "j",
}  # fmt: skip
_ACCENT = re.compile(r"""\\(?:([`'^"~=.])\s*|([uvHckr])(?:\s+|(?=\{)))\{?\\?([A-Za-z])\}?""")
_LETTER = re.compile(r"\\(ss|ae|AE|oe|OE|aa|AA|[oOlLij])(?![A-Za-z])\s?")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?\s*")
_SPECIAL = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#",
    "%": "\\%", "_": "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
    "@": "{@}", '"': "{''}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A work: its kind, and fields as plain text."""

    kind: str
    fields: Mapping[str, str]


def read(words: str) -> Entry | None:
    """Return the first entry of *words* with its fields as plain text; None if there is none.

    Accents become letters; every other command of TeX is dropped, its argument kept.
    """
    found = _HEAD.match(words[:MOST])
    if not found:
        return None
    fields: dict[str, str] = {}
    at = found.end()
    while field := _FIELD.match(words, at, MOST):
        value, at = _value(words[:MOST], field.end())
        fields.setdefault(field[1].lower(), plain(value))
    kept = {name: value for name, value in fields.items() if value}
    return Entry(found[1].lower(), kept) if kept else None


def _value(words: str, at: int) -> tuple[str, int]:
    """Return the value that begins at *at*, in braces, quotes or bare, and where it ends."""
    opening = words[at : at + 1]
    if opening not in ("{", '"'):
        end = re.compile(r"[^,}\s]*").match(words, at)
        return (end[0], end.end()) if end else ("", at)
    depth = 0
    for place in range(at + 1, len(words)):
        char = words[place]
        if depth == 0 and char == ("}" if opening == "{" else '"'):
            return words[at + 1 : place], place + 1
        depth += (char == "{") - (char == "}")
    return words[at + 1 :], len(words)


def plain(words: str) -> str:
    r"""Return TeX as text: ``G{\"o}nen`` is Gönen, ``\emph{x}`` is x."""
    made = _ACCENT.sub(_accented, words)
    made = _LETTER.sub(lambda m: _LETTERS[m[1]], made)
    made = re.sub(r"\\([&%$#_{}])", r"\1", _COMMAND.sub("", made))
    made = re.sub(r"[{}\\$]", "", made).replace("~", " ").replace("--", "–")
    return " ".join(clean(made).split())


def _accented(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", found[3] + _ACCENTS[found[1] or found[2]])


def write(key: str, entry: Entry) -> str:
    """Return *entry* in BibTeX under *key*; its letters beyond ASCII stay as they are."""
    width = max(map(len, entry.fields), default=0)
    lines = [f"  {name.ljust(width)} = {{{_safe(name, told)}}}," for name, told in
             entry.fields.items()]  # fmt: skip
    return "\n".join([f"@{entry.kind}{{{key},", *lines, "}"]) + "\n"


def _safe(name: str, told: str) -> str:
    """Return a value without commands; of a title the capitals are kept by braces."""
    made = "".join(_SPECIAL.get(char, char) for char in " ".join(clean(told).split()))
    return f"{{{made}}}" if name == "title" else made


def said(entry: Entry) -> str:
    """Return *entry* in words: authors, title, where, year."""
    known = entry.fields
    where = next((known[n] for n in ("journal", "booktitle", "publisher", "howpublished",
                                     "institution") if n in known), "")  # fmt: skip
    numbers = known.get("volume", "") + (f"({known['number']})" if "number" in known else "")
    pages = f"{numbers}:{known['pages']}" if numbers and "pages" in known else numbers
    names = known.get("author", "").replace(" and ", "; ")
    tail = ", ".join(part for part in (where, pages, known.get("year", "")) if part)
    parts = (names, known.get("title", ""), tail, known.get("note", ""))
    return ". ".join(part.rstrip(".") for part in parts if part) + "."
