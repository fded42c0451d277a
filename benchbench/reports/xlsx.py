"""The run as a workbook, for those who want the numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any, ClassVar

from benchbench.brand import Brand
from benchbench.reports import damaged, wording
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Callout,
    Document,
    Grid,
    Items,
    Paragraph,
    Picture,
    plain,
)
from benchbench.reports.workbook import trends
from benchbench.reports.workbook.book import Book, Value, put
from benchbench.reports.workbook.charts import chart_sheet
from benchbench.reports.workbook.figures import by_class, figures
from benchbench.reports.workbook.tables import table_sheet
from benchbench.types import Record
from benchbench.view import RunView


class Xlsx(Record):
    """Writes ``report.xlsx``: every figure as a number, each table and chart of the document."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("openpyxl",),)
    extra: ClassVar[str] = "office"
    file_name: ClassVar[str] = "report.xlsx"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author and colour of the first sheet."""

    def render(self, run: RunView) -> bytes:
        """Return the workbook; the bytes depend on the run, the brand and openpyxl's version.

        Raises :class:`~benchbench.errors.MissingDependency` without openpyxl.
        """
        document = build(run, self.brand)
        book = Book(document.cover.colour)
        front = book.sheet("Summary")
        _numbers(book, run)
        _tables(book, document)
        _records(book, run, document)
        _summary(book, front, document)
        facts = document.facts
        return book.saved(
            facts.get("title", ""), facts.get("subject", ""), facts.get("author", ""),
            facts.get("created", ""),
        )  # fmt: skip


def _numbers(book: Book, run: RunView) -> None:
    found = figures(run)
    sheets: tuple[tuple[str, tuple[str, ...], Iterable[tuple[Value, ...]]], ...] = (
        ("Cells", found.heads, found.rows()),
        ("Reasons", ("Cell", "Figure", "Absent", "Why"), found.reasons()),
        ("Classes", ("Cell", "Metric", "Class", "Value"), by_class(run)),
        ("Failures", _FAILURES, _failures(run)),
    )
    for name, heads, rows in sheets:
        book.table(book.sheet(name), 1, heads, rows)
    if run.trends:
        book.table(book.sheet("Trend"), 1, trends.HEADS, trends.rows(run))


_FAILURES = ("Cell", "Status", "Code", "Stage", "Why", "What mends it")


def _failures(run: RunView) -> Iterable[tuple[Value, ...]]:
    for one in damaged.broken(run.cells):
        failure = one.cell.failure
        told = (failure.code, failure.stage) if failure else (None, None)
        hint = failure.hint if failure else None
        yield (one.name, one.cell.status, *told, wording.absence(one.cell), hint)


def _tables(book: Book, document: Document) -> None:
    names = document.names()
    for block in document.blocks():
        if isinstance(block, Grid):
            table_sheet(book, block, names[block.anchor])
        elif isinstance(block, Picture) and block.chart and block.chart.series:
            chart_sheet(book, block, block.chart, names[block.anchor])


def _records(book: Book, run: RunView, document: Document) -> None:
    rows = [("run", run.run), ("suite", run.suite), ("suite SHA-256", run.suite_sha256),
            ("begun", run.created), ("last changed", run.updated),
            ("command", shlex.join(run.command_line))]  # fmt: skip
    rows += [(f"environment {path}", told) for path, told in wording.leaves(run.environment)]
    book.table(book.sheet("Provenance"), 1, ("Fact", "Value"), rows)
    book.table(book.sheet("Glossary"), 1, ("Term", "Meaning"), document.glossary)
    cited = [(one.key, one.text, one.url) for one in document.references]
    book.table(book.sheet("References"), 1, ("Key", "Work", "Address"), cited)


# --- the first sheet ---------------------------------------------------------------------


def _summary(book: Book, sheet: Any, document: Document) -> None:
    cover = document.cover
    book.title(put(sheet, 1, 1, cover.title), 18)
    put(sheet, 2, 1, cover.subtitle)
    row = 4
    for name, told in (*cover.lines, ("Notice", cover.notice)):
        if told:
            put(sheet, row, 1, name)
            put(sheet, row, 2, told)
            row += 1
    for line in _sentences(document):
        row += 1
        put(sheet, row, 1, line)
    _contents(book, sheet, row + 2, document)
    sheet.column_dimensions["A"].width = 18
    sheet.column_dimensions["B"].width = 90


def _sentences(document: Document) -> Iterable[str]:
    for block in document.summary.blocks:
        if isinstance(block, Paragraph):
            yield plain(block.text)
        elif isinstance(block, Items):
            yield from map(plain, block.items)
        elif isinstance(block, Callout):
            yield block.title
            yield from map(plain, block.body)


def _contents(book: Book, sheet: Any, row: int, document: Document) -> None:
    """Write the sheets' names, each leading to its sheet, and what the tables are of."""
    names = document.names()
    captions = {
        names[block.anchor]: block.caption
        for block in document.blocks()
        if isinstance(block, Grid | Picture)
    }
    book.title(put(sheet, row, 1, "Sheets"))
    for at, name in enumerate(list(book.names.values())[1:], row + 1):
        book.link(put(sheet, at, 1, name), name)
        put(sheet, at, 2, captions.get(name.removesuffix(" data"), ""))
