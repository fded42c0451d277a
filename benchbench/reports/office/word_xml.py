"""Pieces of WordprocessingML: runs, fields, links and bookmarks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from benchbench.reports.document.model import Style, Tone
from benchbench.reports.office.common import TONES, library, safe

_PACKAGE = "python-docx"
_MARKS: Mapping[Style, str] = {"strong": "w:b", "emphasis": "w:i"}
_MOST_MARK = 40
"""Characters of a bookmark's name that Word takes."""


def element(tag: str, attributes: Mapping[str, object] | None = None, *inside: Any) -> Any:
    """Return the element *tag* with *attributes* and what is *inside*; nothing for a None."""
    oxml = library("docx.oxml.parser", _PACKAGE)
    name = library("docx.oxml.ns", _PACKAGE).qn
    made = oxml.OxmlElement(tag)
    for key, value in (attributes or {}).items():
        made.set(name(key), str(value))
    made.extend([one for one in inside if one is not None])
    return made


def parsed(xml: str) -> Any:
    """Return the element that *xml* writes; ``@NS`` in it stands for the name space."""
    oxml, spaces = library("docx.oxml", _PACKAGE), library("docx.oxml.ns", _PACKAGE)
    return oxml.parse_xml(xml.replace("@NS", spaces.nsdecls("w"), 1))


def run(words: str, style: Style = "plain", tone: Tone = "", named: str = "") -> Any:
    """Return a run of *words*; *named* is a character style of its own."""
    named = named or ("CodeText" if style == "code" else "")
    looks = [
        element("w:rStyle", {"w:val": named}) if named else None,
        element(_MARKS[style]) if style in _MARKS else None,
        element("w:color", {"w:val": TONES[tone]}) if tone else None,
    ]
    made = element("w:r", None, element("w:rPr", None, *looks) if any_of(looks) else None)
    for at, line in enumerate(safe(words).split("\n")):
        if at:
            made.append(element("w:br"))
        made.append(_told(line))
    return made


def any_of(found: list[Any]) -> bool:
    """Return whether anything of *found* is there; elements without children are false."""
    return any(one is not None for one in found)


def _told(line: str) -> Any:
    made = element("w:t", {"xml:space": "preserve"})
    made.text = line
    return made


def field(instruction: str, result: str, *, dirty: bool = False) -> list[Any]:
    """Return the runs of a field, with the *result* that stands until it is updated."""
    return [*opened(instruction, dirty=dirty), run(result), closed()]


def opened(instruction: str, *, dirty: bool = False) -> list[Any]:
    """Return the runs that open a field; its result and :func:`closed` follow."""
    code = element("w:instrText", {"xml:space": "preserve"})
    code.text = f" {instruction} "
    begin = {"w:fldCharType": "begin"} | ({"w:dirty": "true"} if dirty else {})
    pieces = (
        element("w:fldChar", begin),
        code,
        element("w:fldChar", {"w:fldCharType": "separate"}),
    )
    return [element("w:r", None, piece) for piece in pieces]


def closed() -> Any:
    """Return the run that closes a field."""
    return element("w:r", None, element("w:fldChar", {"w:fldCharType": "end"}))


def mark(anchor: str) -> str:
    """Return *anchor* as the name of a bookmark: letters, digits and underscores, 40 at most."""
    name = "_" + anchor.replace("-", "_")
    if len(name) <= _MOST_MARK:
        return name
    return f"{name[: _MOST_MARK - 9]}_{hashlib.sha256(anchor.encode()).hexdigest()[:8]}"


def marked(anchor: str, number: int, inside: list[Any]) -> list[Any]:
    """Return what is *inside* between the ends of a bookmark; *number* is unique."""
    start = element("w:bookmarkStart", {"w:id": number, "w:name": mark(anchor)})
    return [start, *inside, element("w:bookmarkEnd", {"w:id": number})]


def inner_link(anchor: str, *inside: Any) -> Any:
    """Return a link to a bookmark of the document."""
    return element("w:hyperlink", {"w:anchor": mark(anchor), "w:history": 1}, *inside)


def outer_link(part: Any, address: str, *inside: Any) -> Any:
    """Return a link from *part* to an https address."""
    kind = library("docx.opc.constants", _PACKAGE).RELATIONSHIP_TYPE.HYPERLINK
    key = part.relate_to(address, kind, is_external=True)
    return element("w:hyperlink", {"r:id": key, "w:history": 1}, *inside)


def paragraph(style: str, *inside: Any, align: str = "", keep: bool = False) -> Any:
    """Return a paragraph in *style*; *keep* holds it on the page of what follows."""
    looks = [
        element("w:pStyle", {"w:val": style}),
        element("w:keepNext") if keep else None,
        element("w:jc", {"w:val": align}) if align else None,
    ]
    return element("w:p", None, element("w:pPr", None, *looks), *inside)
