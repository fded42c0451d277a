"""The document as slides: few words, figures that can be edited, and notes for who speaks."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import ClassVar

from benchbench.brand import Brand
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Document, Grid, Part, Picture, Span, plain, text
from benchbench.reports.office import deck as decks
from benchbench.reports.office import slide_charts, slide_tables, slide_text
from benchbench.reports.office.common import describe, https, library, moment, one_line, sealed
from benchbench.reports.office.deck import LEFT, TALL, TOP, WIDE, Deck
from benchbench.reports.office.slide_text import SMALL, Piece
from benchbench.types import Record
from benchbench.view import RunView


class Pptx(Record):
    """Writes ``report.pptx``: the parts of the document that slides show, 16:9."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("python-pptx",), ("matplotlib",))
    extra: ClassVar[str] = "office"
    file_name: ClassVar[str] = "report.pptx"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author, logo and colour of the cover."""

    def render(self, run: RunView) -> bytes:
        """Return the file; no clock is in it.

        Raises :class:`~benchbench.errors.MissingDependency` without python-pptx or matplotlib.
        """
        library("pptx", "python-pptx")
        return written(build(run, self.brand))


def written(source: Document) -> bytes:
    """Return *source* as a deck of slides."""
    deck = decks.begun(source.cover)
    decks.opening(deck)
    slide_text.slides(deck, source.summary.title, tuple(slide_text.pieces(source.summary)))
    for part in source.parts:
        _part(deck, part)
    _provenance(deck, source)
    _references(deck, source)
    deck.finish()
    describe(deck.file.core_properties, source.facts)
    out = io.BytesIO()
    deck.file.save(out)
    return sealed(out.getvalue(), moment(source.facts))


def _part(deck: Deck, part: Part) -> None:
    """Add the slides of *part*: of prose alone one flow, else one for each figure and a table."""
    if not part.slide:
        return
    if not any(_shown(part)):
        slide_text.slides(deck, part.title, tuple(slide_text.pieces(part)))
        return
    own = [block for block in part.blocks if isinstance(block, Grid | Picture)]
    prose = tuple(slide_text.pieces(part, inner=False))
    if own:
        _figures(deck, part.title, own, [plain(piece.spans) for piece in prose])
    else:
        slide_text.slides(deck, part.title, prose)
    for inner in part.parts:
        _part(deck, inner)


def _shown(part: Part) -> Iterator[Grid | Picture]:
    yield from (block for block in part.blocks if isinstance(block, Grid | Picture))
    for inner in part.parts:
        if inner.slide:
            yield from _shown(inner)


def _figures(deck: Deck, title: str, told: Sequence[Grid | Picture], prose: list[str]) -> None:
    """Add a slide for the first table, which is the main one, and one for each figure."""
    grids = [block for block in told if isinstance(block, Grid)]
    more = [f"In the document: {grid.caption}" for grid in grids[1:]]
    for block in told:
        if isinstance(block, Picture):
            _picture(deck, block)
        elif block is grids[0]:
            name = block.caption if block.caption.startswith(title) else f"{title}: {block.caption}"
            slide_tables.slide(deck, name, block, [*prose, *more])


def _picture(deck: Deck, picture: Picture) -> None:
    title, _, _ = one_line(picture.caption).partition(". ")
    slide = deck.slide(title, [picture.caption, picture.alt])
    where = (LEFT, TOP, WIDE, TALL)
    if picture.chart is not None and slide_charts.drawable(picture.chart):
        frame = slide_charts.add(slide, picture.chart, [decks.inches(one) for one in where])
        decks.described(frame, picture.alt)
        return
    width = min(WIDE, TALL * picture.drawn.aspect)
    decks.picture(slide, picture.drawn.image("png", width), where, picture.alt)


def _provenance(deck: Deck, source: Document) -> None:
    """Add what identifies the run: the first table of its section, and the machine."""
    found = next((part for part in source.parts if part.anchor == "provenance"), None)
    grid = next((b for b in found.blocks if isinstance(b, Grid)), None) if found else None
    rows = [(line.name, line.places[0].text) for line in grid.lines] if grid else []
    rows += [(name, told) for name, told in source.cover.lines if name == "Machine"]
    pieces = [
        Piece(
            (Span(f"{one_line(name)}: ", "strong"), Span(one_line(told))), bullet=False, size=SMALL
        )
        for name, told in rows
    ]
    slide_text.slides(deck, "Provenance", pieces)


def _references(deck: Deck, source: Document) -> None:
    pieces = [
        Piece(text(Span(f"[{one_line(one.key)}] ", "strong"), one_line(one.text),
                   *((" ", Span(one.url, href=one.url)) if https(one.url) else ())), bullet=False,
              size=SMALL)
        for one in source.references
    ]  # fmt: skip
    slide_text.slides(deck, "References", pieces)
