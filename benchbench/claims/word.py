"""Documents of Word, read into passages: paragraphs, tables and footnotes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchbench.claims.passages import ID, Passage, Table, Text
from benchbench.errors import MissingDependency, UsageError

MOST_BYTES = 64_000_000
"""Of all parts together, unpacked."""
MOST_PARTS = 5_000
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTES = {"/word/footnotes.xml": "footnote", "/word/endnotes.xml": "endnote"}


def word(path: Path) -> Text:
    """Return the passages of a document.

    Raises :class:`~benchbench.errors.MissingDependency` without python-docx, and UsageError for a
    file that is no such document or is unpacked too large.
    """
    _check_size(path)
    try:
        import docx
    except ImportError:
        raise MissingDependency("python-docx", "office") from None
    try:
        document = docx.Document(str(path))
        notes = dict(_footnotes(document))
        body = document.element.body
    except Exception as error:  # noqa: BLE001 - what a parser raises for a file that is not one
        raise _unusable(path, str(error).splitlines()[0][:200] if str(error) else "") from None
    passages, tables = _body(body)
    kept = [*passages, *_own(notes, len(passages))]
    return Text(tuple(kept), notes, tuple(tables), counted_in="paragraph")


def _unusable(path: Path, why: str) -> UsageError:
    hint = "save it as .docx again, or as .md, .txt or .tex"
    return UsageError(f"{path} is no document of Word that can be read: {why}", hint=hint)


def _check_size(path: Path) -> None:
    """Refuse an archive that unpacks to more than a proposal can hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _unusable(path, str(error)) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a file") from None
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_BYTES:
        raise _unusable(path, f"unpacked it is over {MOST_BYTES // 1_000_000} MB")


def _footnotes(document: Any) -> Iterator[tuple[str, str]]:
    from docx.oxml import parse_xml

    for part in document.part.package.iter_parts():
        kind = _NOTES.get(str(part.partname))
        if kind is None:
            continue
        root = parse_xml(part.blob)  # which resolves no entities
        for note in root.iter(f"{_W}{kind}"):
            if note.get(f"{_W}type") is None:
                told = " ".join(_said(paragraph) for paragraph in note.iter(f"{_W}p"))
                yield f"{kind}{note.get(f'{_W}id')}", " ".join(told.split())


def _own(notes: dict[str, str], before: int) -> Iterator[Passage]:
    """Yield footnotes as passages of their own: figures may hide there."""
    for number, told in enumerate(notes.values(), before + 1):
        if not ID.search(told):
            yield Passage(told, number, by_line=False)


def _body(body: Any) -> tuple[list[Passage], list[Table]]:
    passages: list[Passage] = []
    tables: list[Table] = []
    number = 0
    for child in body:
        if child.tag == f"{_W}tbl":
            table, number = _table(child, number)
            tables.append(table)
            passages.extend(table.rows)
            continue
        for paragraph in child.iter(f"{_W}p"):
            if next(paragraph.iterancestors(f"{_W}p"), None) is not None:
                continue  # of a text box, whose text the paragraph around it tells
            number += 1
            told = _said(paragraph)
            if told.strip():
                passages.append(Passage(told, number, by_line=False))
    return passages, tables


def _table(table: Any, number: int) -> tuple[Table, int]:
    """Return a table, and the number of its last paragraph."""
    rows: list[Passage] = []
    header: tuple[str, ...] = ()
    for row in table.iter(f"{_W}tr"):
        first = number + 1
        cells = []
        for cell in row.iterchildren(f"{_W}tc"):
            paragraphs = list(cell.iter(f"{_W}p"))
            number += len(paragraphs)
            cells.append(" ".join(" ".join(_said(one).split()) for one in paragraphs))
        if not header:
            header = tuple(cells)
            continue
        rows.append(Passage(" | ".join(cells), first, False, tuple(cells), header))
    return Table(header, tuple(rows)), number


def _said(paragraph: Any) -> str:
    """Return the text of a paragraph with marks for its footnotes; what was deleted is left out."""
    told: list[str] = []
    for element in paragraph.iter():
        twice = next(element.iterancestors(_FALLBACK), None) is not None
        if twice or not isinstance(element.tag, str):
            continue
        name = element.tag.removeprefix(_W)
        if name == "t":
            told.append(element.text or "")
        elif name in ("tab", "br", "cr"):
            told.append(" ")
        elif name == "noBreakHyphen":
            told.append("-")
        elif name in ("footnoteReference", "endnoteReference"):
            told.append(f"[^{name.removesuffix('Reference')}{element.get(f'{_W}id')}]")
    return "".join(told)
