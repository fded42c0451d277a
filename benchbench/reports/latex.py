"""The document for LaTeX: ``report.tex``, ``references.bib`` and vector figures.

It needs only what a plain TeX Live brings and compiles with pdfLaTeX and LuaLaTeX.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from benchbench.brand import Brand
from benchbench.reports.document import beside
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Align,
    Block,
    Callout,
    Column,
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
from benchbench.reports.document.tex import PREAMBLE, bib, edged, escape, label
from benchbench.types import Record
from benchbench.view import RunView

_LEVELS = ("section", "subsection", "subsubsection", "paragraph")
_TONES: Mapping[Tone, str] = {
    "good": "bbgood", "bad": "bbbad", "warn": "bbwarn", "muted": "bbmuted", "": "bbmuted",
}  # fmt: skip
_RAGGED: Mapping[Align, str] = {
    "left": r"\raggedright", "right": r"\raggedleft", "center": r"\centering",
}  # fmt: skip
_FIRST = 1.9
"""Width of the column of names beside one of numbers."""


class Latex(Record):
    """Writes ``report.tex``, ``references.bib`` and ``figures/*.pdf``."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("matplotlib",),)
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "report.tex"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author, logo and colour of the cover."""

    def render(self, run: RunView) -> bytes:
        """Return the source alone, in ASCII; it names the files of :meth:`files`."""
        return _source(build(run, self.brand))

    def files(self, run: RunView) -> Mapping[str, bytes]:
        """Return every file by its name, ``/`` between folders; the source comes first.

        Raises :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        document = build(run, self.brand)
        return {
            self.file_name: _source(document),
            "references.bib": bib(one.bibtex for one in document.references),
            **beside.files(document, "pdf"),
        }


def _source(document: Document) -> bytes:
    head = PREAMBLE.replace("@COLOUR@", document.cover.colour.lstrip("#").upper())
    head = head.replace("@TITLE@", escape(document.cover.title))
    head = head.replace("@AUTHOR@", escape(document.facts.get("author", "")))
    head = head.replace("@NOTICE@", escape(document.cover.notice))
    pieces = [head, r"\begin{document}", *_cover(document.cover), r"\tableofcontents", r"\newpage"]
    for part in (document.summary, *document.parts):
        pieces += _part(part, 0)
    pieces += [*_terms(document), r"\end{document}"]
    return ("\n\n".join(piece for piece in pieces if piece) + "\n").encode("ascii")


def _cover(cover: Cover) -> Iterable[str]:
    yield r"\begin{titlepage}\pagenumbering{Alph}\raggedright"
    if cover.logo:
        how, file = "width=0.4\\linewidth,height=3cm,keepaspectratio", beside.logo_name(cover.logo)
        yield rf"\includegraphics[{how}]{{{file}}}\par\vspace{{2cm}}"
    yield rf"{{\Huge\bfseries\color{{accent}} {escape(cover.title)}\par}}"
    yield rf"{{\Large {escape(cover.subtitle)}\par}}" if cover.subtitle else ""
    rows = "\\\\\n".join(f"{escape(name)} & {escape(told)}" for name, told in cover.lines)
    yield rf"\vspace{{2cm}}\begin{{tabular}}{{@{{}}lp{{0.7\linewidth}}@{{}}}}{rows}\end{{tabular}}"
    yield rf"\vfill {escape(cover.notice)}\end{{titlepage}}\pagenumbering{{arabic}}"


def _part(part: Part, level: int) -> Iterable[str]:
    kind = _LEVELS[min(level, len(_LEVELS) - 1)]
    yield rf"\bbneed\{kind}{{{escape(part.title)}}}{label(part.anchor)}"
    for block in part.blocks:
        yield _block(block)
    for inner in part.parts:
        yield from _part(inner, level + 1)


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return _paragraph(block)
        case Items():
            return _items(block)
        case Callout():
            body = "\\par\n".join(_spans(line) for line in block.body)
            heads = f"{{{_TONES[block.tone]}}}{{{escape(block.title)}}}"
            return f"\\begin{{bbcallout}}{heads}\n{body}\n\\end{{bbcallout}}"
        case Grid():
            return _grid(block)
        case Picture():
            return _picture(block)


def _paragraph(block: Paragraph) -> str:
    told = _spans(block.text)
    if block.role == "small":
        return f"{{\\footnotesize {told}\\par}}"
    return f"{{\\large {told}\\par}}" if block.role == "lead" else told


def _items(block: Items) -> str:
    if not block.items:
        return ""
    kind = "enumerate" if block.ordered else "itemize"
    told = "\n".join(rf"\item {{}}{_spans(item)}" for item in block.items)
    return f"\\begin{{{kind}}}\n{told}\n\\end{{{kind}}}"


def _picture(block: Picture) -> str:
    """Return a figure; its words for those who do not see it stand as a comment of the PDF."""
    how = rf"width=\linewidth,alt={{{escape(block.alt)}}}"
    shown = rf"\includegraphics[{how}]{{{beside.name(block, 'pdf')}}}"
    caption = rf"\caption{{{escape(block.caption)}}}{label(block.anchor)}"
    return f"\\begin{{figure}}[!htbp]\n\\centering\n{shown}\n{caption}\n\\end{{figure}}"


# --- tables ------------------------------------------------------------------------------


def _grid(grid: Grid) -> str:
    heads = " & ".join(rf"\textbf{{{escape(t)}}}" for t in _heads(grid))
    lines = [_line(grid, line.name, line.detail, line.places) for line in grid.lines]
    foot = "\n".join(rf"{escape(text)}\par" for text in grid.foot)
    body, size = "\n".join(lines), "scriptsize" if len(grid.columns) > 6 else "footnotesize"
    return (
        f"{{\\{size}\\setlength{{\\tabcolsep}}{{3pt}}\n"
        f"\\begin{{longtable}}{{{_widths(grid)}}}\n"
        f"\\caption{{{escape(grid.caption)}}}{label(grid.anchor)}\\\\\n"
        f"\\toprule {heads} \\\\ \\midrule \\endfirsthead\n"
        f"\\toprule {heads} \\\\ \\midrule \\endhead\n"
        f"\\bottomrule \\endfoot\n{body}\n\\end{{longtable}}\n{foot}}}"
    )


def _heads(grid: Grid) -> tuple[str, ...]:
    return (grid.first, *(column.title for column in grid.columns))


def _widths(grid: Grid) -> str:
    """Return the columns as shares of the line, less the space between them."""
    columns = (Column(grid.first, "left", _FIRST), *grid.columns)
    whole = sum(column.weight for column in columns)
    made = (
        rf">{{{_RAGGED[one.align]}\arraybackslash}}"
        rf"p{{\dimexpr{one.weight / whole:.4f}\linewidth-2\tabcolsep\relax}}"
        for one in columns
    )
    return "".join(made)


def _line(grid: Grid, name: str, detail: str, places: Sequence[Place]) -> str:
    cells = [_two(escape(name), detail), *(_place(grid, place) for place in places)]
    return f"{' & '.join(cells)} \\\\"


def _place(grid: Grid, place: Place) -> str:
    shown = escape(grid.shown(place))
    shown = rf"\textbf{{{shown}}}" if place.strong else shown
    toned = place.tone in ("good", "bad", "warn")
    return _two(rf"\textcolor{{{_TONES[place.tone]}}}{{{shown}}}" if toned else shown, place.detail)


def _two(first: str, second: str) -> str:
    # A row that begins with "[" would be read as an argument of the line break before it.
    return rf"{{}}{first}\newline{{\scriptsize {escape(second)}}}" if second else f"{{}}{first}"


# --- text --------------------------------------------------------------------------------


def _spans(spans: Sequence[Span]) -> str:
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    told = edged(span.text)
    styled = {"strong": rf"\textbf{{{told}}}", "emphasis": rf"\emph{{{told}}}",
              "code": rf"\texttt{{{told}}}"}.get(span.style, told)  # fmt: skip
    if span.href.startswith("#ref-"):
        return rf"\cite{{{span.href.removeprefix('#ref-')}}}"
    if span.href.startswith("#"):
        return rf"\hyperref[{span.href[1:]}]{{{styled}}}"
    return rf"\href{{{escape(span.href)}}}{{{styled}}}" if span.href else styled


def _terms(document: Document) -> Iterable[str]:
    if document.glossary:
        yield rf"\section{{Glossary}}{label('glossary')}"
        rows = "\n".join(
            rf"\item[{{{escape(word)}}}] {escape(told)}" for word, told in document.glossary
        )
        yield f"\\begin{{description}}\n{rows}\n\\end{{description}}"
    if document.references:
        told = (r"\nocite{*}", r"\bibliographystyle{unsrt}", r"\bibliography{references}")
        yield "\n".join(told)
