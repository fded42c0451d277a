"""The styles of a Word document: the built-in ones with our look, and a few of our own."""

from __future__ import annotations

from typing import Any

from benchbench.reports.document.model import Tone
from benchbench.reports.office.common import FONT, INK, MONO, MUTED, RULE, SHADE, TONES, accented
from benchbench.reports.office.word_xml import parsed

CALLOUTS: dict[Tone, str] = {
    "good": "CalloutGood", "bad": "CalloutBad", "warn": "CalloutWarn", "muted": "CalloutNote",
    "": "CalloutNote",
}  # fmt: skip
TABLE = "BenchTable"
_TIGHT = "<w:spacing w:before='0' w:after='0' w:line='240' w:lineRule='auto'/>"
_HEAD_KEPT = "<w:keepNext/><w:keepLines/>"
_THIN = "<w:spacing w:before='0' w:after='60' w:line='120' w:lineRule='exact'/>"
_STOP = "<w:tabs><w:tab w:val='left' w:pos='2268'/></w:tabs>"
_DOTS = "<w:tabs><w:tab w:val='right' w:leader='dot' w:pos='9630'/></w:tabs>"


def _gap(before: int, after: int) -> str:
    return f"<w:spacing w:before='{before}' w:after='{after}'/>"


def _outline(level: int) -> str:
    return f"<w:outlineLvl w:val='{level}'/>"


def _ink(colour: str, half_points: int, *, bold: bool = False) -> str:
    weight = "<w:b/>" if bold else ""
    return f"@FONT{weight}<w:color w:val='{colour}'/><w:sz w:val='{half_points}'/>"


def _type(face: str) -> str:
    return f"<w:rFonts w:ascii='{face}' w:hAnsi='{face}' w:cs='{face}' w:eastAsia='{face}'/>"


def _shade(fill: str) -> str:
    return f"<w:shd w:val='clear' w:color='auto' w:fill='{fill}'/>"


_BUILT_IN = {
    "Normal": ("<w:spacing w:before='0' w:after='120' w:line='264' w:lineRule='auto'/>",
               f"{_ink(INK, 20)}<w:lang w:val='en-US'/>"),
    "Title": (f"{_gap(240, 160)}<w:contextualSpacing/>", _ink("@ACCENT", 56, bold=True)),
    "Subtitle": (_gap(0, 480), _ink(MUTED, 28)),
    "Heading1": (f"{_HEAD_KEPT}<w:pageBreakBefore/>{_gap(0, 200)}{_outline(0)}",
                 _ink("@ACCENT", 36, bold=True)),
    "Heading2": (f"{_HEAD_KEPT}{_gap(320, 120)}{_outline(1)}", _ink("@ACCENT", 26, bold=True)),
    "Heading3": (f"{_HEAD_KEPT}{_gap(240, 80)}{_outline(2)}", _ink(INK, 22, bold=True)),
    "Heading4": (f"{_HEAD_KEPT}{_gap(200, 80)}{_outline(3)}", _ink(MUTED, 20, bold=True)),
    "TOCHeading": (_outline(9), "@FONT"),
    "Caption": (f"<w:keepLines/>{_gap(200, 80)}", _ink(MUTED, 17)),
    "Header": ("", _ink(MUTED, 16)),
    "Footer": ("<w:jc w:val='center'/>", _ink(MUTED, 16)),
}  # fmt: skip
"""Style → its paragraph's and its text's properties."""
_OWN = {
    "TOC1": ("toc 1", f"{_DOTS}{_gap(100, 20)}<w:ind w:right='600'/>", "<w:b/>"),
    "TOC2": ("toc 2", f"{_DOTS}{_gap(0, 20)}<w:ind w:left='280' w:right='600'/>", ""),
    "Lead": ("Lead", _gap(0, 200), "<w:sz w:val='24'/>"),
    "Small": ("Small", _gap(0, 80), _ink(MUTED, 17)),
    "CodeBlock": ("Code Block", _shade(SHADE), f"{_type(MONO)}<w:sz w:val='17'/>"),
    "CoverLine": ("Cover Line", f"{_STOP}{_gap(0, 60)}<w:ind w:left='2268' w:hanging='2268'/>", ""),
    "Notice": ("Notice", _gap(600, 0), "<w:b/>"),
    "Entry": ("Entry", "<w:keepLines/><w:ind w:left='397' w:hanging='397'/>", ""),
    "Figure": ("Figure", f"<w:keepNext/>{_gap(160, 0)}<w:jc w:val='center'/>", ""),
    "TableText": ("Table Text", _TIGHT, "<w:sz w:val='17'/>"),
    "TableSmall": ("Table Text Small", _TIGHT, "<w:sz w:val='15'/>"),
    "TableDetail": ("Table Detail", _TIGHT, _ink(MUTED, 14)),
    "TableNote": ("Table Note", f"<w:keepLines/>{_gap(20, 20)}", _ink(MUTED, 15)),
    "TableEnd": ("Table End", _THIN, "<w:sz w:val='8'/>"),
}  # fmt: skip
"""Style → its name and properties, based on Normal."""


def dress(document: Any, colour: str) -> None:
    """Give *document* our styles with the accent *colour*, ``#rrggbb``."""
    root, accent = document.styles.element, colour.lstrip("#").upper()
    _only_ours(root)
    found = {style.styleId: style for style in root.style_lst}
    for name, (paragraph, text) in _BUILT_IN.items():
        _restyle(found[name], paragraph, _set(text, accent))
    for name, (title, paragraph, text) in (_OWN | _callouts()).items():
        root.append(_own(name, title, paragraph, _set(text, accent)))
    for xml in (_CODE, _LINK, _HEAD, _TABLE):
        root.append(parsed(_set(xml, accent)))
    _theme(document, colour)


def _set(xml: str, accent: str) -> str:
    return xml.replace("@FONT", _type(FONT)).replace("@ACCENT", accent)


def _only_ours(root: Any) -> None:
    """Take out the hundred table styles of the template: no table of ours has one."""
    for style in root.style_lst:
        if style.get(f"{_W}type") == "table" and style.styleId != "TableNormal":
            root.remove(style)


_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def _restyle(style: Any, paragraph: str, text: str) -> None:
    for tag in ("pPr", "rPr"):
        for old in style.findall(f"{_W}{tag}"):
            style.remove(old)
    style.append(parsed(f"<w:pPr @NS>{paragraph}</w:pPr>"))
    style.append(parsed(f"<w:rPr @NS>{text}</w:rPr>"))


def _own(name: str, title: str, paragraph: str, text: str) -> Any:
    custom = "" if title.startswith("toc ") else "w:customStyle='1' "
    return parsed(
        f"<w:style @NS w:type='paragraph' {custom}w:styleId='{name}'>"
        f"<w:name w:val='{title}'/><w:basedOn w:val='Normal'/><w:qFormat/>"
        f"<w:pPr>{paragraph}</w:pPr><w:rPr>{text}</w:rPr></w:style>"
    )


def _callouts() -> dict[str, tuple[str, str, str]]:
    return {
        name: (f"Callout {name[7:]}", _boxed(TONES[tone]), "")
        for tone, name in CALLOUTS.items() if tone
    }  # fmt: skip


def _boxed(colour: str) -> str:
    return (
        f"<w:keepLines/><w:pBdr><w:left w:val='single' w:sz='24' w:space='8' w:color='{colour}'/>"
        f"</w:pBdr>{_shade(SHADE)}"
        "<w:spacing w:before='0' w:after='0'/><w:ind w:left='227' w:right='113'/>"
    )


def _theme(document: Any, colour: str) -> None:
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/theme"):
            part = relation.target_part
            part._blob = accented(part.blob, colour)  # noqa: SLF001 - no setter of its own


_CODE = (
    "<w:style @NS w:type='character' w:customStyle='1' w:styleId='CodeText'>"
    "<w:name w:val='Code Text'/><w:basedOn w:val='DefaultParagraphFont'/>"
    f"<w:rPr>{_type(MONO)}</w:rPr></w:style>"
)
_LINK = (
    "<w:style @NS w:type='character' w:styleId='Hyperlink'><w:name w:val='Hyperlink'/>"
    "<w:basedOn w:val='DefaultParagraphFont'/><w:uiPriority w:val='99'/>"
    "<w:rPr><w:color w:val='@ACCENT'/><w:u w:val='single'/></w:rPr></w:style>"
)
_HEAD = (
    "<w:style @NS w:type='character' w:customStyle='1' w:styleId='TableHead'>"
    "<w:name w:val='Table Head'/><w:basedOn w:val='DefaultParagraphFont'/>"
    "<w:rPr><w:b/><w:color w:val='FFFFFF'/></w:rPr></w:style>"
)
_TABLE = (
    f"<w:style @NS w:type='table' w:customStyle='1' w:styleId='{TABLE}'>"
    "<w:name w:val='Bench Table'/><w:basedOn w:val='TableNormal'/><w:uiPriority w:val='59'/>"
    "<w:tblPr><w:tblBorders><w:top w:val='single' w:sz='8' w:color='@ACCENT'/>"
    "<w:bottom w:val='single' w:sz='8' w:color='@ACCENT'/>"
    f"<w:insideH w:val='single' w:sz='4' w:color='{RULE}'/></w:tblBorders>"
    "<w:tblCellMar><w:top w:w='40' w:type='dxa'/><w:left w:w='70' w:type='dxa'/>"
    "<w:bottom w:w='40' w:type='dxa'/><w:right w:w='70' w:type='dxa'/></w:tblCellMar></w:tblPr>"
    f"<w:tblStylePr w:type='firstRow'><w:tcPr>{_shade('@ACCENT')}</w:tcPr></w:tblStylePr>"
    "</w:style>"
)
