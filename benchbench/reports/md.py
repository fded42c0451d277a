"""The document in GitHub-flavoured Markdown, with its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from benchbench.brand import Brand
from benchbench.reports.document import beside
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Align,
    Block,
    Callout,
    Cover,
    Document,
    Grid,
    Items,
    Paragraph,
    Part,
    Picture,
    Place,
    Span,
    Tone,
)
from benchbench.reports.markdown import escape, fence
from benchbench.reports.wording import clean
from benchbench.types import Record
from benchbench.view import RunView

_ALERTS: Mapping[Tone, str] = {
    "bad": "CAUTION", "warn": "WARNING", "good": "TIP", "muted": "NOTE", "": "NOTE",
}  # fmt: skip
_RULES: Mapping[Align, str] = {"left": "---", "right": "--:", "center": ":-:"}
_LIST = re.compile(r"^(\d{1,9})?([-+.)=])")


class Md(Record):
    """Writes ``report-document.md``: a report to hand on, and its figures as SVG in ``figures``."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("matplotlib",),)
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "report-document.md"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author, logo and colour of the cover."""

    def render(self, run: RunView) -> bytes:
        """Return the text alone in UTF-8; it names the files of :meth:`files`."""
        return _encoded(build(run, self.brand))

    def files(self, run: RunView) -> Mapping[str, bytes]:
        """Return every file by its name, ``/`` between folders; the text comes first.

        Raises :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        document = build(run, self.brand)
        return {self.file_name: _encoded(document), **beside.files(document, "svg")}


def _encoded(document: Document) -> bytes:
    names = document.names()
    pieces = [*_cover(document.cover), *_contents(document)]
    for part in (document.summary, *document.parts):
        pieces += _part(part, 2, names)
    pieces += _terms(document)
    text = "\n\n".join(piece for piece in pieces if piece)
    return (text.rstrip() + "\n").encode("utf-8", "backslashreplace")


def _cover(cover: Cover) -> Iterable[str]:
    if cover.logo:
        yield f"![Logo]({beside.logo_name(cover.logo)})"
    yield f"# {_line(cover.title)}"
    yield _line(cover.subtitle)
    yield f"**{_line(cover.notice)}**" if cover.notice else ""
    rows = [f"| {_line(name)} | {_line(told)} |" for name, told in cover.lines]
    yield "\n".join(["| | |", "|---|---|", *rows])


def _contents(document: Document) -> Iterable[str]:
    parts = [(part.title, part.anchor) for part in (document.summary, *document.parts)]
    parts += [("Glossary", "glossary")] if document.glossary else []
    parts += [("References", "references")] if document.references else []
    yield "\n".join(f"- [{_line(title)}](#{anchor})" for title, anchor in parts)


def _part(part: Part, level: int, names: Mapping[str, str]) -> Iterable[str]:
    yield _heading(part.title, part.anchor, level)
    for block in part.blocks:
        yield _block(block, names)
    for inner in part.parts:
        yield from _part(inner, min(level + 1, 6), names)


def _heading(title: str, anchor: str, level: int) -> str:
    return f'<a id="{anchor}"></a>\n\n{"#" * level} {_line(title)}'


def _block(block: Block, names: Mapping[str, str]) -> str:
    match block:
        case Paragraph():
            return _paragraph(block)
        case Items():
            marks = (f"{at}." if block.ordered else "-" for at in range(1, len(block.items) + 1))
            return "\n".join(
                f"{mark} {_opened(_spans(item))}"
                for mark, item in zip(marks, block.items, strict=True)
            )
        case Callout():
            return _callout(block)
        case Grid():
            return _grid(block, names[block.anchor])
        case Picture():
            shown = f"![{_line(block.alt)}]({beside.name(block, 'svg')})"
            return f"{shown}\n\n**{names[block.anchor]}.** {_line(block.caption)}"


def _paragraph(block: Paragraph) -> str:
    if len(block.text) == 1 and block.text[0].style == "code":
        return str(fence(block.text[0].text))
    return _opened(_spans(block.text))


def _callout(block: Callout) -> str:
    body = [f"> {_opened(_spans(line))}" for line in block.body]
    return "\n>\n".join([f"> [!{_ALERTS[block.tone]}]\n> **{_line(block.title)}**", *body])


def _grid(grid: Grid, name: str) -> str:
    heads = " | ".join(_line(column.title) for column in grid.columns)
    rules = "|".join(_RULES[column.align] for column in grid.columns)
    lines = [f"| {_line(grid.first)} | {heads} |", f"|---|{rules}|"]
    for line in grid.lines:
        places = " | ".join(_place(grid, place) for place in line.places)
        lines.append(f"| {_two(_line(line.name), line.detail)} | {places} |")
    foot = [_opened(_line(text)) for text in grid.foot]
    caption = f'<a id="{grid.anchor}"></a>**{name}.** {_line(grid.caption)}'
    return "\n\n".join([caption, "\n".join(lines), *(["<br>\n".join(foot)] if foot else [])])


def _place(grid: Grid, place: Place) -> str:
    shown = _line(grid.shown(place))
    return _two(f"**{shown}**" if place.strong else shown, place.detail)


def _two(first: str, second: str) -> str:
    return f"{first}<br>{_line(second)}" if second else first


def _terms(document: Document) -> Iterable[str]:
    if document.glossary:
        yield _heading("Glossary", "glossary", 2)
        yield "\n".join(f"- **{_line(word)}**: {_line(told)}" for word, told in document.glossary)
    if document.references:
        yield _heading("References", "references", 2)
        yield "\n".join(
            f'- <a id="{one.anchor}"></a>\\[{_line(one.key)}\\] {_line(one.text)}'
            + (f" <{one.url}>" if one.url else "")
            for one in document.references
        )
        entries = "\n".join(one.bibtex for one in document.references if one.bibtex)
        yield f"<details><summary>BibTeX</summary>\n\n{fence(entries)}\n\n</details>"


# --- text --------------------------------------------------------------------------------


def _spans(spans: Sequence[Span]) -> str:
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    if span.style == "code":
        return _code(span.text)
    body = _line(span.text)
    marks = {"strong": "**", "emphasis": "*"}.get(span.style, "")
    if marks and body:
        body = f"{marks}{body}{marks}"
    if span.href:
        body = f"[{body}]({span.href})"
    # Spans carry the spaces between them; Markdown's marks must not enclose them.
    before = " " if span.text[:1].isspace() else ""
    after = " " if span.text[-1:].isspace() and span.text.strip() else ""
    return f"{before}{body}{after}"


def _code(words: str) -> str:
    line = " ".join(clean(words).split())
    bar = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{bar} {line} {bar}"


def _line(words: str) -> str:
    """Return *words* on one line with nothing in them that Markdown or HTML acts on."""
    escaped = str(escape(words)).strip()
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")


def _opened(line: str) -> str:
    """Return *line* so that its beginning opens no list and no heading."""
    return _LIST.sub(lambda m: f"{m[1] or ''}\\{m[2]}", line)
