"""Text on slides: few words each, and what does not fit stands on the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchbench.reports.document.model import (
    Block,
    Callout,
    Items,
    Paragraph,
    Part,
    Span,
    Text,
    plain,
    text,
)
from benchbench.reports.office import fit
from benchbench.reports.office.common import TONES, library, one_line
from benchbench.reports.office.deck import TALL, WIDE, Deck, points, write

MOST = 10.0
"""Pieces on a slide; those in small type count half."""
SIZE, SMALL = 18.0, 14.0
_INDENT_IN = 0.3
_GAP = 6.0
"""Points between pieces."""
_ROOM = (TALL - 0.1) * 72
"""Points of height."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A paragraph of a slide."""

    spans: Text
    bullet: bool = True
    size: float = SIZE
    tone: str = ""
    head: bool = False
    """Whether it belongs to what follows."""

    @property
    def room(self) -> float:
        """Return the points that its lines may be wide."""
        return points(WIDE) - (_INDENT_IN * 72 if self.bullet else 0)

    @property
    def height(self) -> float:
        """Return the points that it takes, with the gap before it."""
        return fit.height(plain(self.spans), self.size, self.room) + _GAP


def slides(deck: Deck, title: str, pieces: Sequence[Piece], notes: Sequence[str] = ()) -> None:
    """Add as many slides as *pieces* need."""
    found = pages([part for piece in pieces for part in _halves(piece)])
    for number, page in enumerate(found, 1):
        more = f" ({number} of {len(found)})" if len(found) > 1 else ""
        slide = deck.slide(f"{title}{more}", notes, "Title and Content")
        frame = slide.placeholders[1].text_frame
        frame.auto_size = library("pptx.enum.text", "python-pptx").MSO_AUTO_SIZE.NONE
        for at, piece in enumerate(page):
            _write(frame.paragraphs[0] if at == 0 else frame.add_paragraph(), piece)


def pages(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return *pieces* by slide: none is overfull, and no head stands last."""
    found: list[list[Piece]] = []
    page: list[Piece] = []
    for piece in pieces:
        full = sum(one.height for one in page) + piece.height > _ROOM or _many([*page, piece])
        if page and full:
            carried = [page.pop()] if len(page) > 1 and page[-1].head else []
            found.append(page)
            page = carried
        page.append(piece)
    return [*found, page] if page else found


def _many(page: Sequence[Piece]) -> bool:
    return sum(1.0 if piece.size > SMALL else 0.5 for piece in page) > MOST


def _halves(piece: Piece) -> Iterator[Piece]:
    """Yield *piece*, in parts where it is longer than two thirds of a slide."""
    found = fit.lines(plain(piece.spans), piece.size, piece.room)
    most = int(_ROOM * 2 / 3 / (piece.size * fit.LINE))
    start = 0
    for at in range(0, len(found), most):
        end = start + sum(len(line) for line in found[at : at + most])
        yield replace(piece, spans=fit.part(piece.spans, start, end))
        start = end


def _write(paragraph: Any, piece: Piece) -> None:
    looks = paragraph._p.get_or_add_pPr()  # noqa: SLF001 - the library sets no indents
    indent = round(_INDENT_IN * 914_400) if piece.bullet else 0
    looks.set("marL", str(indent))
    looks.set("indent", str(-indent))
    if not piece.bullet:
        looks.insert_element_before(looks.makeelement(f"{_A}buNone"), "a:tabLst", "a:defRPr")
    paragraph.space_before = library("pptx.util", "python-pptx").Pt(_GAP)
    write(paragraph, piece.spans, piece.size, piece.tone)


_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


# --- from blocks -------------------------------------------------------------------------


def pieces(part: Part, *, inner: bool = True) -> Iterator[Piece]:
    """Yield the prose of *part*, and of its parts that slides show under their titles."""
    for block in part.blocks:
        yield from of_block(block)
    for own in part.parts if inner else ():
        if own.slide:
            yield Piece(text(Span(own.title, "strong")), bullet=False, head=True)
            yield from pieces(own)


def of_block(block: Block) -> Iterator[Piece]:
    """Yield the paragraphs of a block of text; nothing of a table or a figure."""
    match block:
        case Paragraph():
            size = SMALL if block.role == "small" else SIZE
            yield Piece(_tidy(block.text), bullet=False, size=size)
        case Items():
            yield from (Piece(_tidy(item)) for item in block.items)
        case Callout():
            yield Piece((Span(one_line(block.title), "strong"),), bullet=False,
                        tone=TONES[block.tone], head=True)  # fmt: skip
            yield from (Piece(_tidy(line), size=SMALL) for line in block.body)


def _tidy(spans: Text) -> Text:
    """Return *spans* without breaks of lines and without links inside the document."""
    made = (replace(span, text=" ".join(span.text.split("\n")), href="") for span in spans)
    return tuple(made)
