"""What stands around the sections of a Word document: cover, contents, header, footer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from benchbench.reports.document.model import Cover, Document, Part, Reference
from benchbench.reports.office import word_xml as xml
from benchbench.reports.office.common import https, library, one_line
from benchbench.reports.office.word import MARGIN, PORTRAIT, Writer

_LOGO_IN, _LOGO_TALL_IN = 2.6, 1.2
_LEVELS = 2
"""Of headings in the contents."""


def page(document: Any) -> None:
    """Set the first section to A4 upright; its first page, the cover, has no header."""
    twips = library("docx.shared", "python-docx").Twips
    section = document.sections[0]
    section.page_width, section.page_height = map(twips, PORTRAIT)
    for side in ("left", "right", "top", "bottom"):
        setattr(section, f"{side}_margin", twips(MARGIN))
    section.header_distance = section.footer_distance = twips(MARGIN // 2)
    section.different_first_page_header_footer = True


def edges(document: Any, source: Document) -> None:
    """Write the header with run and notice, and the footer with the number of the page."""
    section = document.sections[0]
    told = [source.facts.get("run", ""), source.cover.notice]
    words = "   ·   ".join(one_line(one) for one in told if one)
    head, foot = (one.part.element.p_lst[0] for one in (section.header, section.footer))
    head.append(xml.run(words))
    of = [*xml.field("PAGE", "1"), xml.run(" of "), *xml.field("NUMPAGES", "1")]
    foot.extend([xml.run("Page "), *of])


def cover(writer: Writer, front: Cover) -> None:
    """Write the first page."""
    if front.logo:
        writer.figure(front.logo, _logo_width(front.logo), "Logo", "Logo", "Normal")
    writer.add(xml.paragraph("Title", xml.run(one_line(front.title))))
    if front.subtitle:
        writer.add(xml.paragraph("Subtitle", xml.run(one_line(front.subtitle))))
    for name, told in front.lines:
        tab = xml.element("w:r", None, xml.element("w:tab"))
        writer.add(xml.paragraph("CoverLine", xml.run(one_line(name), "strong"), tab,
                                 xml.run(one_line(told))))  # fmt: skip
    if front.notice:
        writer.add(xml.paragraph("Notice", xml.run(one_line(front.notice))))


def _logo_width(logo: bytes) -> float:
    from PIL import Image

    with Image.open(io.BytesIO(logo), formats=("PNG", "JPEG")) as image:
        return min(_LOGO_IN, _LOGO_TALL_IN * image.width / image.height)


def contents(writer: Writer, source: Document) -> None:
    """Write the contents: a field that Word updates, filled so that it is never empty."""
    entries = list(_entries(source))
    lines = [_entry(*entry) for entry in entries]
    for at, piece in enumerate(xml.opened(f'TOC \\o "1-{_LEVELS}" \\h \\z \\u'), 1):
        lines[0].insert(at, piece)
    lines[-1].append(xml.closed())
    heading = xml.paragraph("TOCHeading", xml.run("Contents"))
    kind = xml.element("w:docPartObj", None,
                       xml.element("w:docPartGallery", {"w:val": "Table of Contents"}),
                       xml.element("w:docPartUnique"))  # fmt: skip
    writer.add(xml.element("w:sdt", None, xml.element("w:sdtPr", None, kind),
                           xml.element("w:sdtContent", None, heading, *lines)))  # fmt: skip
    _updated(writer.document)


def _entries(source: Document) -> Iterator[tuple[int, str, str]]:
    for part in (source.summary, *source.parts):
        yield from _of(part, 1)
    if source.glossary:
        yield 1, "Glossary", "glossary"
    if source.references:
        yield 1, "References", "references"


def _of(part: Part, level: int) -> Iterator[tuple[int, str, str]]:
    if level <= _LEVELS:
        yield level, part.title, part.anchor
    for inner in part.parts:
        yield from _of(inner, level + 1)


def _entry(level: int, title: str, anchor: str) -> Any:
    """Return a line of the contents; the number of its page stands there once Word updates it."""
    return xml.paragraph(f"TOC{level}", xml.inner_link(anchor, xml.run(one_line(title))))


def _updated(document: Any) -> None:
    """Have fields updated when the document is opened: the numbers of pages are known then."""
    settings = document.settings.element
    settings.find(library("docx.oxml.ns", "python-docx").qn("w:compat")).addprevious(
        xml.element("w:updateFields", {"w:val": "true"})
    )


def terms(writer: Writer, source: Document) -> None:
    """Write glossary and references."""
    writer.turn(landscape=False)
    if source.glossary:
        writer.heading("Glossary", "glossary", 1)
        for word, told in source.glossary:
            writer.add(xml.paragraph("Entry", xml.run(one_line(word), "strong"),
                                     xml.run(f"  {one_line(told)}")))  # fmt: skip
    if source.references:
        writer.heading("References", "references", 1)
        for one in source.references:
            writer.add(xml.paragraph("Entry", *_reference(writer, one)))


def _reference(writer: Writer, one: Reference) -> list[Any]:
    told = writer.marked(one.anchor, [xml.run(f"[{one_line(one.key)}]", "strong")])
    told.append(xml.run(f"  {one_line(one.text)}"))
    if https(one.url):
        link = xml.run(one.url, named="Hyperlink")
        told += [xml.run(" "), xml.outer_link(writer.document.part, one.url, link)]
    return told
