"""The document for Word: real styles, captions, fields and links, so that it can be edited."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import ClassVar

from benchbench.brand import Brand
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Document, Part
from benchbench.reports.office import word_frame as frame
from benchbench.reports.office.common import describe, library, moment, sealed
from benchbench.reports.office.word import Writer
from benchbench.reports.office.word_styles import dress
from benchbench.types import Record
from benchbench.view import RunView


class Docx(Record):
    """Writes ``report.docx``: the whole document, with its figures as images at 200 dpi."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("python-docx",), ("matplotlib",))
    extra: ClassVar[str] = "office"
    file_name: ClassVar[str] = "report.docx"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author, logo and colour of the cover."""

    def render(self, run: RunView) -> bytes:
        """Return the file; no clock is in it.

        Raises :class:`~benchbench.errors.MissingDependency` without python-docx or matplotlib.
        """
        library("docx", "python-docx")
        return written(build(run, self.brand))


def written(source: Document) -> bytes:
    """Return *source* as a Word document."""
    document = library("docx", "python-docx").Document()
    frame.page(document)
    dress(document, source.cover.colour)
    frame.edges(document, source)
    writer = Writer(document, source.names(), frozenset(_anchors(source)))
    frame.cover(writer, source.cover)
    frame.contents(writer, source)
    for part in (source.summary, *source.parts):
        writer.part(part)
    frame.terms(writer, source)
    describe(document.core_properties, source.facts)
    out = io.BytesIO()
    document.save(out)
    return sealed(out.getvalue(), moment(source.facts))


def _anchors(source: Document) -> Iterator[str]:
    """Yield everything that a link may lead to."""
    yield from source.names()
    yield from (one.anchor for one in source.references)
    yield from ("glossary", "references")
    for part in (source.summary, *source.parts):
        yield from _parts(part)


def _parts(part: Part) -> Iterator[str]:
    yield part.anchor
    for inner in part.parts:
        yield from _parts(inner)
