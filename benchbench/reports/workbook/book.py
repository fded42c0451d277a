"""Sheets and their places, written so that no text of a run is a formula."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchbench.errors import MissingDependency
from benchbench.inert import visible

Value = str | float | int | bool | None
MOST_TEXT, MOST_NAME = 32_767, 31
"""Characters of a place, and of a sheet's name, that the format allows."""
_BREAK = re.compile(r"\r\n?")
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_UNNAMED = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_WIDEST, _LEAST = 60, 8
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _workbook() -> Any:
    """Return a workbook without sheets."""
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise MissingDependency("openpyxl", "office") from error
    book = Workbook()
    book.remove(book.active)
    return book


@dataclass
class Book:
    """A workbook that is being written."""

    colour: str
    """Accent, ``#rrggbb``."""
    book: Any = field(default_factory=_workbook)
    names: dict[str, str] = field(default_factory=dict)
    """Sheets' names, folded → as they are."""

    def sheet(self, wanted: str) -> Any:
        """Add a sheet; its name is made legal and unique."""
        name = legal(wanted, self.names)
        self.names[name.casefold()] = name
        return self.book.create_sheet(name)

    def table(
        self, sheet: Any, at: int, heads: Sequence[str], rows: Iterable[Sequence[Value]]
    ) -> int:
        """Write heads into row *at*, *rows* under them; return the first row after.

        Heads stay in sight, can be filtered by, and set the width of their columns.
        """
        from openpyxl.utils import get_column_letter

        for column, head in enumerate(heads, 1):
            self.head(put(sheet, at, column, head))
        end = at
        for end, row in enumerate(rows, at + 1):
            for column, value in enumerate(row, 1):
                put(sheet, end, column, value)
        sheet.freeze_panes = sheet.cell(at + 1, 2)
        sheet.auto_filter.ref = f"A{at}:{get_column_letter(max(len(heads), 1))}{end}"
        fitted(sheet, at, end)
        return end + 1

    def head(self, cell: Any) -> None:
        """Set the head of a column."""
        from openpyxl.styles import Alignment, Font, PatternFill

        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=self.colour.lstrip("#").upper())
        cell.alignment = Alignment(wrap_text=True, vertical="top")

    def title(self, cell: Any, size: int = 12) -> None:
        """Set a heading."""
        from openpyxl.styles import Font

        cell.font = Font(bold=True, size=size, color=self.colour.lstrip("#").upper())

    def link(self, cell: Any, name: str) -> None:
        """Let *cell* lead to the sheet *name*."""
        from openpyxl.styles import Font

        cell.hyperlink = name
        cell.hyperlink.target = None
        cell.hyperlink.location = "'" + name.replace("'", "''") + "'!A1"
        cell.font = Font(underline="single", color="0563C1")

    def saved(self, title: str, subject: str, author: str, created: str) -> bytes:
        """Return the file, as of *created* (ISO 8601): the same sheets give the same bytes."""
        moment = _moment(created)
        facts = self.book.properties
        facts.creator, facts.lastModifiedBy = clean(author) or "benchbench", "benchbench"
        facts.title, facts.subject, facts.created = clean(title), clean(subject), moment
        out = io.BytesIO()
        self.book.save(out)
        return _fixed(out.getvalue(), moment)


def put(sheet: Any, row: int, column: int, value: Value) -> Any:
    """Write one value and return its place; text stays text, and what is not finite is empty."""
    cell = sheet.cell(row, column)
    if isinstance(value, str) and (words := clean(value)):
        cell.value = words
        # Whatever it begins with, and if it reads like an error: it is text.
        cell.data_type = "s"
        cell.quotePrefix = bool(_FORMULA.match(words))
    elif isinstance(value, int | float) and math.isfinite(value):
        cell.value = value
        cell.number_format = style(value)
    return cell


def clean(words: str) -> str:
    """Return *words* with what would change how they read written out, and not too long."""
    return _ILLEGAL.sub("", visible(_BREAK.sub("\n", words)))[:MOST_TEXT]


def style(value: float) -> str:
    """Return the number format that shows three digits or more of *value*."""
    if float(value).is_integer() and abs(value) < 1e15:
        return "#,##0"
    size = abs(value)
    return "0.000" if 0.01 <= size < 10 else "#,##0.00" if 10 <= size < 1e7 else "0.000E+00"


def legal(wanted: str, taken: Iterable[str] = ()) -> str:
    """Return a sheet's name as near to *wanted* as the format allows, none of *taken*."""
    base = _UNNAMED.sub(" ", clean(wanted)).strip().strip("'").strip()[:MOST_NAME] or "Sheet"
    base = f"{base} sheet" if base.casefold() == "history" else base
    name, number, others = base, 1, set(taken)
    while name.casefold() in others:
        number += 1
        tail = f" {number}"
        name = base[: MOST_NAME - len(tail)] + tail
    return name


def fitted(sheet: Any, first: int, last: int) -> None:
    """Set the width of columns by what stands in some of their rows."""
    from openpyxl.utils import get_column_letter

    rows = list(sheet.iter_rows(min_row=first, max_row=min(last, first + 200), values_only=True))
    for at in range(len(rows[0]) if rows else 0):
        most = max((_length(row[at]) for row in rows), default=0)
        sheet.column_dimensions[get_column_letter(at + 1)].width = min(
            max(most + 2, _LEAST), _WIDEST
        )


def _length(value: Value) -> int:
    return len(value) if isinstance(value, str) else 9 if value is not None else 0


def _moment(created: str) -> datetime:
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        found = datetime(1980, 1, 1, tzinfo=UTC)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _fixed(data: bytes, moment: datetime) -> bytes:
    """Return the archive *data* with fixed times in it: openpyxl takes them from the clock."""
    out = io.BytesIO()
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            body = old.read(name)
            if name == "docProps/core.xml":
                body = _MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<2>", body)
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, body)
    return out.getvalue()
