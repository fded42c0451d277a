"""Markdown, LaTeX and plain text, read into passages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchbench.claims.passages import ID, Passage, Table, Text

_NOTE = re.compile(r"\[\^([^\[\]\s]{1,80})\]:[ \t]*")
_LABEL = re.compile(r"\[(bb-[0-9a-f]{8})\][ \t]", re.IGNORECASE)
"""Opens a paragraph of plain text that is the footnote of a claim."""
_ITEM = re.compile(r"[ \t>]{0,40}(?:[-*+][ \t]|\d{1,4}[.)][ \t])")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,1000}(?:[ \t][^()\n]{0,200})?\)")
_CODE = re.compile(r"`[^`\n]{0,500}`")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>")
_STARS = re.compile(r"\*{1,3}|(?<!\w)_{1,2}(?=\w)|(?<=\w)_{1,2}(?!\w)")


def plain(data: str) -> Text:
    """Return the paragraphs of plain text, which empty lines part; footnotes of claims apart."""
    notes: dict[str, str] = {}
    passages: list[Passage] = []
    for one in _paragraphs(enumerate(data.split("\n"), 1)):
        label = _LABEL.match(one.text)
        if label:
            notes[label[1].lower()] = one.text[label.end() :]
        else:
            passages.append(one)
    return Text(tuple(passages), notes)


def _paragraphs(lines: Iterator[tuple[int, str]]) -> Iterator[Passage]:
    held: list[str] = []
    first = 1
    for number, line in lines:
        if line.strip():
            first = first if held else number
            held.append(line)
        elif held:
            yield Passage("\n".join(held), first)
            held = []
    if held:
        yield Passage("\n".join(held), first)


# --- Markdown ----------------------------------------------------------------------------


def markdown(data: str) -> Text:
    """Return the passages of Markdown: code is left out, footnotes are set apart."""
    lines = _without_comments(data).split("\n")
    reader = _Markdown(lines)
    number = _front_matter(lines)
    while number < len(lines):
        number += reader.take(number)
    reader.flush()
    return Text(tuple(reader.passages), reader.notes, tuple(reader.tables))


def _front_matter(lines: list[str]) -> int:
    """Return how many lines a block of metadata takes at the head."""
    if lines[0].strip() != "---":
        return 0
    ends = (at for at, line in enumerate(lines[1:200], 2) if line.strip() == "---")
    return next(ends, 0)


@dataclass
class _Markdown:
    """What was read of a text so far."""

    lines: list[str]
    passages: list[Passage] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    first: int = 1
    fence: str = ""

    def flush(self) -> None:
        """End the paragraph."""
        if self.held:
            self.passages.append(Passage(_inline("\n".join(self.held)), self.first))
            self.held = []

    def take(self, number: int) -> int:
        """Read what begins in a line; return how many lines it takes."""
        line = self.lines[number]
        bare = line.strip()
        if self.fence or bare.startswith(("```", "~~~")):
            self._fenced(bare)
            return 1
        note = _NOTE.match(line)
        if note or _is_table(self.lines, number):
            self.flush()
            return self._note(number, note) if note else self._table(number)
        self._line(line, number)
        return 1

    def _fenced(self, bare: str) -> None:
        self.flush()
        closes = bool(self.fence) and bare.startswith(self.fence) and not bare.strip(self.fence[0])
        self.fence = "" if closes else self.fence or bare[:3]

    def _note(self, number: int, note: re.Match[str]) -> int:
        told, used = _note(self.lines, number, note.end())
        self.notes[note[1]] = _inline(told)
        if not ID.fullmatch(note[1]):
            self.passages.append(Passage(_inline(told), number + 1))
        return used + 1

    def _table(self, number: int) -> int:
        table, used = _table(self.lines, number)
        self.tables.append(table)
        self.passages.extend(table.rows)
        return used + 1

    def _line(self, line: str, number: int) -> None:
        heading = line.lstrip().startswith("#")
        if heading or not line.strip() or _ITEM.match(line):
            self.flush()
        if not line.strip():
            return
        self.first = self.first if self.held else number + 1
        item = _ITEM.match(line)
        self.held.append(line[item.end() if item else 0 :].lstrip("#> \t"))
        if heading:
            self.flush()


def _without_comments(data: str) -> str:
    return _without(data, "<!--", "-->")


def _without(data: str, opening: str, closing: str) -> str:
    """Return *data* without what stands between two marks; line feeds stay."""
    kept: list[str] = []
    at = 0
    while (start := data.find(opening, at)) >= 0:
        end = data.find(closing, start)
        end = len(data) if end < 0 else end + len(closing)
        kept += [data[at:start], "\n" * data.count("\n", start, end)]
        at = end
    return "".join([*kept, data[at:]])


def _inline(text: str) -> str:
    text = _CODE.sub(" ", text)
    text = _LINK.sub(lambda found: found[1], text)
    return _STARS.sub("", _TAG.sub(" ", text))


def _note(lines: list[str], number: int, start: int) -> tuple[str, int]:
    """Return a footnote with its indented lines, and how many more lines it takes."""
    told = [lines[number][start:]]
    for line in lines[number + 1 :]:
        if not line.startswith(("  ", "\t")) or not line.strip():
            break
        told.append(line.strip())
    return "\n".join(told), len(told) - 1


def _is_table(lines: list[str], number: int) -> bool:
    if "|" not in lines[number] or number + 1 >= len(lines):
        return False
    rule = lines[number + 1].strip()
    return "-" in rule and "|" in rule and set(rule) <= set("|-: \t")


def _table(lines: list[str], number: int) -> tuple[Table, int]:
    header = _row(lines[number])
    rows: list[Passage] = []
    at = number + 2
    while at < len(lines) and "|" in lines[at]:
        cells = _row(lines[at])
        rows.append(Passage(" | ".join(cells), at + 1, cells=cells, header=header))
        at += 1
    return Table(header, tuple(rows)), at - number - 1


def _row(line: str) -> tuple[str, ...]:
    bare = line.strip().replace("\\|", "¦")
    bare = bare.removeprefix("|").removesuffix("|")
    return tuple(_inline(cell).strip() for cell in bare.split("|"))


# --- LaTeX -------------------------------------------------------------------------------

_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
_UNITS = (
    ("\\milli", "m"), ("\\micro", "µ"), ("\\kilo", "k"), ("\\mega", "M"), ("\\giga", "G"),
    ("\\second", "s"), ("\\watt", "W"), ("\\joule", "J"), ("\\percent", "%"), ("\\byte", "B"),
    ("\\per", "/"),
)  # fmt: skip
_SI = re.compile(r"\\(?:SI|qty)\s?\{([^{}\n]{1,60})\}\s?\{([^{}\n]{1,60})\}")
_NUM = re.compile(r"\\num\s?\{([^{}\n]{1,60})\}")
_SILENT = re.compile(
    r"\\(?:cite[a-z]{0,10}|[a-z]{0,5}ref|label|url|includegraphics|input|bibliography[a-z]{0,5}"
    r"|vspace|hspace|usepackage|documentclass|begin|end)\*?(?:\[[^\[\]]{0,200}\])?\{[^{}]{0,300}\}"
    r"(?:\{[^{}]{0,100}\})?"
)
_COMMAND = re.compile(r"\\[A-Za-z]{1,40}\*?")
_SIGNS = (
    ("\\%", "%"), ("\\&", "&"), ("\\times", "×"), ("\\pm", "±"), ("\\,", " "), ("\\ ", " "),
    ("~", " "), ("---", "—"), ("--", "–"), ("\\_", "_"), ("\\#", "#"), ("\\\\", ". "),
    ("$", ""),
)  # fmt: skip


def latex(data: str) -> Text:
    """Return the passages of LaTeX: preamble, comments and listings are left out."""
    body = _COMMENT.sub("", data)
    start = body.find("\\begin{document}")
    if start >= 0:
        body = "\n" * body.count("\n", 0, start) + body[start:].partition("\\end{document}")[0]
    for name in ("verbatim", "lstlisting", "minted", "comment"):
        body = _without(body, f"\\begin{{{name}}}", f"\\end{{{name}}}")
    body, raw = _footnotes(body)
    notes = {label: _said(told) for label, told in raw.items()}
    made = plain(_said(body))
    return Text(made.passages, {**made.notes, **notes})


def _footnotes(body: str) -> tuple[str, dict[str, str]]:
    """Return *body* with marks in place of its footnotes, and these."""
    kept: list[str] = []
    notes: dict[str, str] = {}
    at = 0
    while (start := body.find("\\footnote{", at)) >= 0:
        end = _closing(body, start + len("\\footnote{"))
        label = f"note{len(notes) + 1}"
        notes[label] = body[start + len("\\footnote{") : end]
        kept += [body[at:start], f"[^{label}]", "\n" * body.count("\n", start, end)]
        at = end + 1
    return "".join([*kept, body[at:]]), notes


def _closing(body: str, at: int) -> int:
    """Return where the brace that opened before *at* closes, the end of the text at the latest."""
    depth = 1
    for found in re.finditer(r"\\.|[{}]", body[at : at + 20_000]):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return at + found.start()
    return min(len(body), at + 20_000)


def _said(text: str) -> str:
    text = _SI.sub(lambda found: f"{found[1]} {_unit(found[2])}", text)
    text = _NUM.sub(lambda found: found[1], text)
    text = _SILENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for sign, stands in _SIGNS:
        text = text.replace(sign, stands)
    return _COMMAND.sub("", text).replace("{", "").replace("}", "")


def _unit(text: str) -> str:
    for name, stands in _UNITS:
        text = text.replace(name, stands)
    return text.replace(" ", "")
