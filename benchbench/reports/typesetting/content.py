"""A document as plain data: what the template prints, with nothing in it that Typst would run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchbench.reports.document.model import (
    Block,
    Callout,
    Cover,
    Document,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Picture,
    Place,
    Tone,
)
from benchbench.reports.typesetting.layout import MARGIN, PAPERS, SMALLER, Paper, fit
from benchbench.reports.typesetting.words import HEAD, address, bound, pieces, spans
from benchbench.reports.wording import short

_SIGNS: Mapping[Tone, str] = {
    "good": "Good", "bad": "Alert", "warn": "Caution", "muted": "Note", "": "Note",
}  # fmt: skip
"""Said before the title of a callout, so that its colour is not all that tells its tone."""
_DEEPEST = 6
_HIGHEST = 0.55
"""Height of a figure at most, as a share of the page's."""
_TOGETHER, _ROW = 0.3, 0.2
"""Heights, as shares of the page's, of tables and of rows that no page break may part."""
_BESIDE = 0.48
"""Width of each of two figures that stand side by side."""

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all blocks of a document share."""

    paper: Paper
    names: Mapping[str, str]
    """Anchor → ``Table 3``."""
    anchors: frozenset[str]
    """What a link inside may lead to."""


def content(document: Document, paper: Paper) -> Data:
    """Return all that the template prints; images are named as :func:`image_name` does."""
    setting = Setting(paper, document.names(), _once(_anchors(document)))
    flow: list[Data] = []
    for part in (document.summary, *document.parts):
        flow += _part(part, 1, setting)
    facts = document.facts
    return {
        "paper": paper,
        "margin": MARGIN,
        "smaller": SMALLER,
        "colour": document.cover.colour,
        "title": short(facts.get("title") or document.cover.title, 300) or "Report",
        "author": facts.get("author", ""),
        "subject": facts.get("subject", ""),
        "run": facts.get("run", ""),
        "head": [pieces(short(document.cover.title, 64)), pieces(short(facts.get("run", ""), 40))],
        "cover": _cover(document.cover),
        "flow": flow,
        "glossary": [[pieces(word), pieces(told)] for word, told in document.glossary],
        "references": [
            {"anchor": one.anchor, "key": pieces(one.key), "text": pieces(one.text),
             "url": address(one.url), "shown": pieces(one.url)}
            for one in document.references
        ],
    }  # fmt: skip


def image_name(picture: Picture) -> str:
    """Return the name of the file of *picture*, by what no stranger chose."""
    return f"{picture.anchor}.svg"


def _anchors(document: Document) -> Iterator[str]:
    yield from _of(document.summary, *document.parts)
    yield from (b.anchor for b in document.blocks() if isinstance(b, Grid | Picture))
    yield from (one.anchor for one in document.references)
    yield from ("glossary",) if document.glossary else ()
    yield from ("references",) if document.references else ()


def _once(anchors: Iterable[str]) -> frozenset[str]:
    """Return those that occur once: Typst refuses a link that could lead to two places."""
    return frozenset(anchor for anchor, times in Counter(anchors).items() if times == 1)


def _of(*parts: Part) -> Iterator[str]:
    for part in parts:
        yield part.anchor
        yield from _of(*part.parts)


def _cover(cover: Cover) -> Data:
    return {
        "title": pieces(cover.title),
        "subtitle": pieces(cover.subtitle),
        "lines": [[pieces(name), pieces(told)] for name, told in cover.lines],
        "notice": pieces(cover.notice),
        "logo": cover.logo is not None,
    }


def _part(part: Part, level: int, setting: Setting) -> Iterable[Data]:
    title = {"text": pieces(part.title), "anchor": part.anchor}
    yield {"kind": "heading", "level": min(level, _DEEPEST), **title}
    for narrow, found in groupby(part.blocks, key=_narrow):
        blocks = [_block(block, setting) for block in found]
        yield from _paired(blocks) if narrow else blocks
    for inner in part.parts:
        yield from _part(inner, level + 1, setting)


def _narrow(block: Block) -> bool:
    return isinstance(block, Picture) and not block.wide


def _paired(pictures: Sequence[Data]) -> Iterable[Data]:
    for at in range(0, len(pictures), 2):
        yield {"kind": "pair", "of": pictures[at : at + 2]}


def _block(block: Block, setting: Setting) -> Data:
    match block:
        case Paragraph():
            told = spans(block.text, setting.anchors)
            return {"kind": "paragraph", "role": block.role, "text": told}
        case Items():
            items = [spans(item, setting.anchors) for item in block.items]
            return {"kind": "items", "ordered": block.ordered, "items": items}
        case Callout():
            body = [spans(line, setting.anchors) for line in block.body]
            return {"kind": "callout", "sign": _SIGNS[block.tone], "title": pieces(block.title),
                    "body": body, "tone": block.tone}  # fmt: skip
        case Grid():
            return _grid(block, setting)
        case Picture():
            return _picture(block, setting)


def _picture(block: Picture, setting: Setting) -> Data:
    across, down = PAPERS[setting.paper]
    room = (across - 2 * MARGIN) * (1.0 if block.wide else _BESIDE)
    high = down * _HIGHEST * max(block.drawn.aspect, 0.01)
    return {
        "kind": "figure",
        "file": image_name(block),
        "caption": pieces(block.caption),
        "alt": block.alt,
        "anchor": block.anchor,
        "width": min(room, high),
    }


def _grid(grid: Grid, setting: Setting) -> Data:
    found, down = fit(grid, setting.paper), PAPERS[setting.paper][1]
    rooms = [found.room(at) for at in range(len(found.widths))]
    titles = (grid.first, *(column.title for column in grid.columns))
    return {
        "kind": "grid",
        "caption": pieces(grid.caption),
        "anchor": grid.anchor,
        "heads": [pieces(bound(one, HEAD), room) for one, room in zip(titles, rooms, strict=True)],
        "aligns": ["left", *(column.align for column in grid.columns)],
        "widths": [round(points, 2) for points in found.widths],
        "size": found.size,
        "turned": found.turned,
        "together": not found.turned and found.high(grid) < down * _TOGETHER,
        "whole": max(found.rows(grid)) < down * _ROW,
        "rows": [_row(grid, line, rooms) for line in grid.lines],
        "foot": [pieces(one) for one in grid.foot],
    }


def _row(grid: Grid, line: Line, rooms: Sequence[float]) -> list[Data]:
    name = Place(line.name, detail=line.detail, tone=line.tone)
    return [
        {
            "text": pieces(bound(grid.shown(place)), room),
            "detail": pieces(place.detail, room / SMALLER) if place.detail else [],
            "tone": place.tone,
            "strong": place.strong,
        }
        for place, room in zip((name, *line.places), rooms, strict=True)
    ]
