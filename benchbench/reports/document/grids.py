"""Tables of a document: those that other reports print, and rows of names and texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.reports.document.choice import MOST_LISTED
from benchbench.reports.document.model import (
    Block,
    Column,
    Grid,
    Line,
    Paragraph,
    Part,
    Place,
    Span,
    Tone,
    text,
)
from benchbench.reports.grouping import variant
from benchbench.reports.tables import UNTOLD, Section, Table, Value
from benchbench.reports.wording import ABSENT, plural, short
from benchbench.view import CellView

TONES: dict[str, Tone] = {
    "pass": "good", "met": "good", "better": "good", "regression": "bad", "missed": "bad",
    "worse": "bad", "fail": "bad", "inconclusive": "warn", "undecided": "warn",
}  # fmt: skip
"""Verdicts → how they are set."""
_WIDE = 2.2
"""A column of text beside one of numbers."""


def of_table(table: Table, anchor: str) -> Grid:
    """Return *table* as a grid: without drawings, which a document has as figures."""
    shown = [(at, head) for at, head in enumerate(table.heads) if head.kind != "lane"]
    columns = tuple(
        Column(head.text, *(("left", _WIDE) if head.kind == "text" else ("right", 1.0)))
        for _, head in shown
    )
    lines = tuple(
        Line(row.name, tuple(place(row.values[at]) for at, _ in shown), row.beside,
             keys=keys(row.cell) if row.cell else ())
        for row in table.rows
    )  # fmt: skip
    return Grid(table.caption, table.first, columns, lines, anchor, table.more)


def place(value: Value) -> Place:
    """Return what stands in a place; what is absent has a reason, be it that none is given."""
    absent = value.text == ABSENT
    if absent:
        return Place(ABSENT, reason=value.reason or value.detail or UNTOLD)
    return Place(value.text, value.key, detail=value.detail, tone=TONES.get(value.tone, ""))


def keys(cell: CellView) -> tuple[tuple[str, str], ...]:
    """Return what a spreadsheet filters rows by."""
    return (
        ("Model", short(cell.model)),
        ("Runtime", short(cell.runtime)),
        ("Precision", cell.precision),
        ("Device", short(cell.device)),
        ("Batch", str(cell.batch)),
        ("Dataset", short(f"{cell.dataset} {cell.split}")),
    )


def seat(cell: CellView, signs: str = "") -> tuple[str, str]:
    """Return the two lines that name a cell: its model with its signs, and the rest."""
    return f"{short(cell.model, 48)} {signs}".rstrip(), short(variant(cell), 60)


def facts(
    caption: str, rows: Sequence[tuple[str, str]], anchor: str, heads: tuple[str, str]
) -> Grid:
    """Return a table of names and texts, cut after :data:`MOST_LISTED`; *heads* of both."""
    lines = tuple(
        Line(name, (said(told, reason="not recorded"),)) for name, told in rows[:MOST_LISTED]
    )  # fmt: skip
    more = max(len(rows) - MOST_LISTED, 0)
    return Grid(caption, heads[0], (Column(heads[1], "left", 2.6),), lines, anchor, more)


def said(words: str, detail: str = "", tone: Tone = "", *, reason: str = UNTOLD) -> Place:
    """Return a place of text; where it is empty or a dash, *reason* stands under the table."""
    if not words or words == ABSENT:
        return Place(ABSENT, reason=reason)
    return Place(words, detail=detail, tone=tone)


def section(found: Section) -> Part:
    """Return a section that other reports have, without the tables that open on demand."""
    shown = [table for table in found.tables if not table.folded]
    blocks: list[Block] = [Paragraph(text(found.intro))]
    blocks += [
        of_table(table, f"table-{found.anchor}-{number}") for number, table in enumerate(shown, 1)
    ]
    blocks += [Paragraph(text(line), "small") for line in found.lines]
    if any(table.folded for table in found.tables):
        blocks.append(Paragraph(text("More in the ", _APPENDIX, "."), "small"))
    return Part(found.title, found.anchor, tuple(blocks), slide=found.anchor not in _QUIET)


_APPENDIX = Span("appendix", href="#details")
_QUIET = frozenset({"definitions", "conditions", "model", "soak"})
"""Sections that only a reader needs."""


def details(sections: Iterable[Section]) -> Iterable[Block]:
    """Yield the tables that open on demand elsewhere, under what opens them there."""
    for found in sections:
        folded = [table for table in found.tables if table.folded]
        for number, table in enumerate(folded, 1):
            yield Paragraph(text(table.folded))
            yield of_table(table, f"table-{found.anchor}-detail-{number}")
        if found.more:
            more = plural(found.more, "more table")
            yield Paragraph(text(f"{found.title}: {more} in report.json."), "small")
