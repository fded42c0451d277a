"""A Word document that grows block by block: headings, paragraphs, captions, figures, tables."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchbench.reports.document.model import (
    Block,
    Callout,
    Grid,
    Items,
    Paragraph,
    Part,
    Picture,
    Span,
)
from benchbench.reports.office import word_xml as xml
from benchbench.reports.office.common import https, library, one_line
from benchbench.reports.office.word_styles import CALLOUTS
from benchbench.reports.office.word_tables import table

PORTRAIT, LANDSCAPE = (11906, 16838), (16838, 11906)
"""A4 in twentieths of a point."""
MARGIN = 1134
WIDE = 8
"""Columns of numbers from which on a table lies on a page of its own in landscape."""
_TWIPS = 1440
_TALLEST = {False: 8.6, True: 5.2}
"""Inches of a figure on a page upright and in landscape."""
_NARROW_IN = 4.2
_DEEPEST = 4


@dataclass
class Writer:
    """Writes into *document*, a document of python-docx; *names* are ``Table 1`` by anchor."""

    document: Any
    names: Mapping[str, str]
    known: frozenset[str]
    """Anchors that links may lead to."""
    landscape: bool = False
    _marks: int = field(default=0, init=False)
    _below: bool = field(default=False, init=False)
    """Whether the last block was a table: text under it keeps its distance."""

    @property
    def width(self) -> int:
        """Return the width of the text in twentieths of a point."""
        return (LANDSCAPE if self.landscape else PORTRAIT)[0] - 2 * MARGIN

    def add(self, made: Any) -> None:
        """Put *made* at the end of the document."""
        self.document.element.body.sectPr.addprevious(made)

    def turn(self, *, landscape: bool) -> None:
        """Begin a page in landscape, or upright; nothing where the page already is so."""
        if landscape == self.landscape:
            return
        self.landscape = landscape
        section = self.document.add_section()
        section.different_first_page_header_footer = False
        section.orientation = int(landscape)
        twips = library("docx.shared", "python-docx").Twips
        section.page_width, section.page_height = map(twips, LANDSCAPE if landscape else PORTRAIT)
        self.document.paragraphs[-1].style = "Table End"

    def part(self, part: Part, level: int = 1) -> None:
        """Write a section with all in it; one with a wide table in landscape."""
        wide = any(isinstance(b, Grid) and len(b.columns) >= WIDE for b in part.blocks)
        self.turn(landscape=wide)
        self.heading(part.title, part.anchor, level)
        self._below = False
        for block in part.blocks:
            self.block(block)
        for inner in part.parts:
            self.part(inner, level + 1)

    def heading(self, title: str, anchor: str, level: int) -> None:
        """Write a heading that links can lead to."""
        inside = self.marked(anchor, [xml.run(one_line(title))])
        self.add(xml.paragraph(f"Heading{min(level, _DEEPEST)}", *inside))

    def marked(self, anchor: str, inside: list[Any]) -> list[Any]:
        """Return what is *inside* as the target of links to *anchor*."""
        self._marks += 1
        return xml.marked(anchor, self._marks, inside)

    def block(self, block: Block) -> None:
        """Write one block."""
        if self._below and isinstance(block, Paragraph | Items | Callout):
            self.add(xml.paragraph("TableEnd"))
        self._below = isinstance(block, Grid)
        match block:
            case Paragraph():
                self._paragraph(block)
            case Items():
                self._items(block)
            case Callout():
                self._callout(block)
            case Grid():
                self._grid(block)
            case Picture():
                self._picture(block)

    def spans(self, spans: Sequence[Span]) -> list[Any]:
        """Return the runs of *spans*; a link that leads nowhere in the document is plain."""
        return [self._span(span) for span in spans]

    def _span(self, span: Span) -> Any:
        if span.href.startswith("#") and span.href[1:] in self.known:
            return xml.inner_link(span.href[1:], xml.run(span.text, span.style, named="Hyperlink"))
        if https(span.href):
            told = xml.run(span.text, span.style, named="Hyperlink")
            return xml.outer_link(self.document.part, span.href, told)
        return xml.run(span.text, span.style)

    def _paragraph(self, block: Paragraph) -> None:
        alone = len(block.text) == 1 and block.text[0].style == "code"
        style = (
            "CodeBlock" if alone else {"lead": "Lead", "small": "Small"}.get(block.role, "Normal")
        )
        self.add(xml.paragraph(style, *self.spans(block.text)))

    def _items(self, block: Items) -> None:
        number = self._restarted() if block.ordered and block.items else None
        for item in block.items:
            made = xml.paragraph("ListNumber" if block.ordered else "ListBullet", *self.spans(item))
            if number is not None:
                made.pPr.append(xml.element(
                    "w:numPr", None, xml.element("w:ilvl", {"w:val": 0}),
                    xml.element("w:numId", {"w:val": number})))  # fmt: skip
            self.add(made)

    def _restarted(self) -> int:
        """Return the id of a numbering that counts from 1 again."""
        root = self.document.part.numbering_part.element
        own = self.document.styles["List Number"].element.pPr.numPr.numId.val
        kind = next(num.abstractNumId.val for num in root.num_lst if num.numId == own)
        made = root.add_num(kind)
        made.add_lvlOverride(0).add_startOverride(1)
        return int(made.numId)

    def _callout(self, block: Callout) -> None:
        style, tone = CALLOUTS[block.tone], block.tone
        title = xml.run(one_line(block.title), "strong", tone)
        self.add(xml.paragraph(style, title, keep=bool(block.body)))
        for line in block.body:
            self.add(xml.paragraph(style, *self.spans(line)))
        self.add(xml.paragraph("TableEnd"))

    # --- tables and figures --------------------------------------------------------------

    def _grid(self, grid: Grid) -> None:
        self._caption(grid.anchor, grid.caption, keep=True)
        self.add(table(grid, self.names[grid.anchor], self.width))
        for line in grid.foot:
            self.add(xml.paragraph("TableNote", xml.run(one_line(line))))

    def _caption(self, anchor: str, words: str, *, keep: bool = False) -> None:
        kind, _, number = self.names[anchor].partition(" ")
        counted = [xml.run(f"{kind} ", "strong"), *xml.field(f"SEQ {kind} \\* ARABIC", number)]
        told = [*self.marked(anchor, counted), xml.run(f": {one_line(words)}")]
        self.add(xml.paragraph("Caption", *told, keep=keep))

    def _picture(self, picture: Picture) -> None:
        widest = self.width / _TWIPS if picture.wide else _NARROW_IN
        width = min(widest, _TALLEST[self.landscape] * picture.drawn.aspect)
        self.figure(picture.drawn.image("png", width), width, self.names[picture.anchor],
                    picture.alt)  # fmt: skip
        self._caption(picture.anchor, picture.caption)

    def figure(
        self, data: bytes, width_in: float, name: str, alt: str, style: str = "Figure"
    ) -> None:
        """Write an image of *width_in* inches, with its words for those who do not see it."""
        inches = library("docx.shared", "python-docx").Inches
        inline = self.document.part.new_pic_inline(io.BytesIO(data), inches(width_in))
        inline.docPr.set("name", name)
        inline.docPr.set("descr", one_line(alt))
        run = xml.element("w:r")
        run.add_drawing(inline)
        self.add(xml.paragraph(style, run))
