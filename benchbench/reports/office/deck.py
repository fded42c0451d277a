"""A deck of slides, 16:9: its master, and slides with a title, a number and a notice."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.reports.document.model import Cover, Span
from benchbench.reports.office import fit
from benchbench.reports.office.common import (
    INK,
    MONO,
    MUTED,
    TONES,
    accented,
    https,
    library,
    one_line,
    safe,
)

_PACKAGE = "python-pptx"
WIDTH, HEIGHT = 13.333, 7.5
LEFT, TOP, WIDE, TALL = 0.6, 1.35, 12.133, 5.35
"""Inches of the room under the title."""
TITLE_SIZE = 26.0
_TITLE = (LEFT, 0.35, WIDE, 0.9)
_FOOT = 6.95
_KEPT = ("Title Slide", "Title and Content", "Title Only")
_INSET = 0.1
"""Inches between a box and its text, left and right."""
EMU = 914_400


def points(inches: float) -> float:
    """Return the points of text that a box of *inches* has room for across."""
    return (inches - 2 * _INSET) * 72


@dataclass
class Deck:
    """Slides in *file*, a presentation of python-pptx."""

    file: Any
    cover: Cover

    def slide(self, title: str, notes: Sequence[str] = (), layout: str = "Title Only") -> Any:
        """Return a new slide with its title, its number, the notice, and notes for who speaks."""
        own = next(one for one in self.file.slide_layouts if one.name == layout)
        made = self.file.slides.add_slide(own)
        words = fit.trimmed(one_line(title), TITLE_SIZE, points(WIDE), 2)
        made.shapes.title.text = words
        told = [safe(line) for line in notes if line]
        if told:
            made.notes_slide.notes_text_frame.text = "\n".join(told)
        return made

    def finish(self) -> None:
        """Put number and notice on every slide, last, so that they are read last."""
        for slide in self.file.slides:
            for shape in slide.slide_layout.placeholders:
                self._edge(slide, shape)

    def _edge(self, slide: Any, shape: Any) -> None:
        """Copy a placeholder at the edge of the layout: the slide's number or the notice."""
        kind = library("pptx.enum.shapes", _PACKAGE).PP_PLACEHOLDER
        found = shape.placeholder_format.type
        if found == kind.SLIDE_NUMBER:
            _copied(slide, shape)
        elif found == kind.FOOTER and self.cover.notice:
            _copied(slide, shape).text_frame.text = one_line(self.cover.notice)


def _copied(slide: Any, shape: Any) -> Any:
    """Return a copy of *shape* on *slide*, with an id that no other shape has."""
    made, taken = copy.deepcopy(shape.element), [one.shape_id for one in slide.shapes]
    made.nvSpPr.cNvPr.set("id", str(max(taken) + 1))
    slide.shapes.element.append(made)
    return slide.shapes[-1]


def inches(value: float) -> int:
    """Return *value* in the unit of the format."""
    return round(value * EMU)


def place(shape: Any, left: float, top: float, width: float, height: float) -> None:
    """Put *shape* at inches of the slide."""
    shape.left, shape.top = inches(left), inches(top)
    shape.width, shape.height = inches(width), inches(height)


def begun(cover: Cover) -> Deck:
    """Return a deck without slides, in the accent of *cover*."""
    file = library("pptx", _PACKAGE).Presentation()
    file.slide_width, file.slide_height = inches(WIDTH), inches(HEIGHT)
    for layout in tuple(file.slide_layouts):
        if layout.name not in _KEPT:
            file.slide_layouts.remove(layout)
    master = file.slide_master
    _master(master)
    for layout in file.slide_layouts:
        _layout(layout)
    for relation in master.part.rels.values():
        if relation.reltype.endswith("/theme"):
            part = relation.target_part
            part.blob = accented(part.blob, cover.colour)
    return Deck(file, cover)


def _master(master: Any) -> None:
    for shape in master.placeholders:
        _arrange(shape)
    tags = master.element.find(f".//{_P}titleStyle/{_A}lvl1pPr")
    tags.set("algn", "l")
    text = tags.find(f"{_A}defRPr")
    text.set("sz", str(round(TITLE_SIZE * 100)))
    text.set("b", "1")
    text.find(f".//{_A}schemeClr").set("val", "accent1")


_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


def _layout(layout: Any) -> None:
    for shape in layout.placeholders:
        _arrange(shape, first=layout.name == "Title Slide")


def _arrange(shape: Any, *, first: bool = False) -> None:
    """Put a placeholder where it is in 16:9; on the *first* slide the title stands lower."""
    kind = library("pptx.enum.shapes", _PACKAGE).PP_PLACEHOLDER
    places = {
        kind.TITLE: _TITLE,
        kind.CENTER_TITLE: (LEFT, 2.0, WIDE, 1.5),
        kind.SUBTITLE: (LEFT, 3.5, WIDE, 0.9),
        kind.BODY: (LEFT, TOP, WIDE, TALL),
        kind.OBJECT: (LEFT, TOP, WIDE, TALL),
        kind.DATE: (LEFT, _FOOT, 2.0, 0.35),
        kind.FOOTER: (3.0, _FOOT, 7.3, 0.35),
        kind.SLIDE_NUMBER: (11.733, _FOOT, 1.0, 0.35),
    }
    found = places.get(shape.placeholder_format.type)
    if found is not None:
        place(shape, *found)
    anchor = library("pptx.enum.text", _PACKAGE).MSO_ANCHOR
    frame = shape.text_frame
    if found == _TITLE or first:
        frame.vertical_anchor = anchor.BOTTOM if found == places[kind.CENTER_TITLE] else anchor.TOP
        frame.auto_size = library("pptx.enum.text", _PACKAGE).MSO_AUTO_SIZE.NONE


# --- text on slides ----------------------------------------------------------------------


def write(paragraph: Any, spans: Sequence[Span], size: float, tone: str = "") -> None:
    """Write *spans* into a paragraph at *size* points."""
    text, dml = library("pptx.util", _PACKAGE), library("pptx.dml.color", _PACKAGE)
    for span in spans:
        run = paragraph.add_run()
        run.text = safe(span.text).replace("\n", " ")
        run.font.size = text.Pt(size)
        run.font.bold = True if span.style == "strong" else None
        run.font.italic = True if span.style == "emphasis" else None
        run.font.name = MONO if span.style == "code" else None
        if https(span.href):
            run.hyperlink.address = span.href
        else:
            run.font.color.rgb = dml.RGBColor.from_string(tone or INK)


def box(slide: Any, where: tuple[float, float, float, float], name: str) -> Any:
    """Return the text frame of a new box at inches of *slide*; it wraps and never grows."""
    made = slide.shapes.add_textbox(*map(inches, where))
    made.name = name
    frame, kinds = made.text_frame, library("pptx.enum.text", _PACKAGE)
    frame.word_wrap, frame.auto_size = True, kinds.MSO_AUTO_SIZE.NONE
    return frame


def described(shape: Any, words: str) -> None:
    """Say in *words* what *shape* shows, for those who do not see it."""
    shape._element.xpath(".//p:cNvPr")[0].set("descr", one_line(words))  # noqa: SLF001 - the library has no other way


def picture(slide: Any, data: bytes, where: tuple[float, float, float, float], alt: str) -> None:
    """Put an image into a place of *slide*, as large as it fits, in its middle."""
    left, top, wide, tall = where
    made = slide.shapes.add_picture(io.BytesIO(data), inches(left), inches(top))
    scale = min(inches(wide) / made.width, inches(tall) / made.height)
    made.width, made.height = int(made.width * scale), int(made.height * scale)
    made.left = inches(left) + (inches(wide) - made.width) // 2
    described(made, alt)


def opening(deck: Deck) -> None:
    """Add the cover."""
    front = deck.cover
    slide = deck.slide(front.title, layout="Title Slide")
    title = fit.trimmed(one_line(front.title), 36, points(WIDE), 2)
    slide.shapes.title.text_frame.clear()
    write(slide.shapes.title.text_frame.paragraphs[0], (Span(title, "strong"),), 36,
          front.colour.lstrip("#").upper())  # fmt: skip
    below = slide.placeholders[1].text_frame
    below.paragraphs[0].alignment = library("pptx.enum.text", _PACKAGE).PP_ALIGN.LEFT
    write(below.paragraphs[0], (Span(fit.trimmed(one_line(front.subtitle), 18, points(WIDE), 2)),),
          18, MUTED)  # fmt: skip
    _facts(slide, front)
    if front.logo:
        picture(slide, front.logo, (LEFT, 0.6, 2.8, 1.2), "Logo")
        slide.shapes[-1].left = inches(LEFT)


def _facts(slide: Any, front: Cover) -> None:
    frame = box(slide, (LEFT, 4.5, WIDE, 2.3), "Facts")
    for at, (name, told) in enumerate(front.lines):
        line = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        words = fit.trimmed(f"{one_line(name)}: {one_line(told)}", 14, points(WIDE), 1)
        write(line, (Span(words),), 14, TONES[""])
