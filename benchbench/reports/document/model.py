"""The parts of a document: text, tables, figures, and the sections that hold them.

Texts are plain: no format's marks are in them, and each format escapes what it prints. They may
come from strangers; :func:`benchbench.reports.wording.clean` has been applied to all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Style = Literal["plain", "strong", "emphasis", "code"]
Tone = Literal["", "good", "bad", "warn", "muted"]
Align = Literal["left", "right", "center"]
ImageFormat = Literal["svg", "png", "pdf"]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one style."""

    text: str
    style: Style = "plain"
    href: str = ""
    """Where it leads: an ``https:`` address, or ``#anchor`` of a section or reference."""


Text = tuple[Span, ...]


def text(*parts: str | Span) -> Text:
    """Return spans of *parts*; a string is plain."""
    return tuple(Span(part) if isinstance(part, str) else part for part in parts if part)


def plain(spans: Sequence[Span]) -> str:
    """Return the words of *spans* alone."""
    return "".join(span.text for span in spans)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: Text
    role: Literal["body", "lead", "small"] = "body"


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Text, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Callout:
    """Something that must not be overlooked: a doubt, a limit, a verdict."""

    title: str
    body: tuple[Text, ...]
    tone: Tone = "warn"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    align: Align = "right"
    weight: float = 1.0
    """Its width among the columns of the table."""
    unit: str = ""
    """Of the numbers, for spreadsheets."""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands in a row under a column."""

    text: str
    value: float | None = None
    """The number behind the text, for spreadsheets and sorting."""
    low: float | None = None
    high: float | None = None
    detail: str = ""
    """A second, smaller line: an interval, what it is of."""
    tone: Tone = ""
    strong: bool = False
    reason: str = ""
    """Why it is absent; its text is then a dash, and the reason stands under the table."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table."""

    name: str
    places: tuple[Place, ...]
    detail: str = ""
    """A second, smaller line under the name."""
    tone: Tone = ""
    keys: tuple[tuple[str, str], ...] = ()
    """What the row is about, head and text, for spreadsheets that filter: model, runtime …"""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: a column of names, then the columns."""

    caption: str
    first: str
    """Head of the names."""
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    anchor: str
    """Unique in the document: ``table-cells``."""
    more: int = 0
    """Rows that are left out; the text under the table says so."""
    closing: str = ""
    """A sentence under the table."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the reasons of absent values, each once, in order of appearance."""
        told = (place.reason for line in self.lines for place in line.places if place.reason)
        return tuple(dict.fromkeys(told))

    def note(self, place: Place) -> int | None:
        """Return the number of the reason why *place* is absent."""
        return self.notes.index(place.reason) + 1 if place.reason else None

    @property
    def foot(self) -> tuple[str, ...]:
        """Return the lines under the table: reasons by number, what is left out, the closing."""
        told = [f"({number}) {reason}" for number, reason in enumerate(self.notes, 1)]
        rest = [f"and {self.more:,} more: report.json"] if self.more else []
        return (*told, *rest, *([self.closing] if self.closing else []))

    def shown(self, place: Place) -> str:
        """Return the text of *place*; of an absent one a dash with its reason's number."""
        return f"{place.text} ({self.note(place)})" if place.reason else place.text


class Drawn(Protocol):
    """A figure that can be had in several formats; drawn when asked, the same bytes each time."""

    @property
    def aspect(self) -> float:
        """Return its width over its height."""

    def image(self, form: ImageFormat, width_in: float = 6.4) -> bytes:
        """Return the file's bytes."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a chart that a format draws itself."""

    x: float | str
    y: float
    x_low: float | None = None
    x_high: float | None = None
    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together."""

    name: str
    points: tuple[Point, ...]
    colour: str = ""
    """``#rrggbb``; empty leaves it to the format."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a chart."""

    title: str
    log: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """The numbers behind a figure, for formats whose readers can edit charts."""

    kind: Literal["scatter", "bars", "lines"]
    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, or an image of the gallery."""

    caption: str
    alt: str
    """What it shows, in words, for those who do not see it."""
    drawn: Drawn
    anchor: str
    chart: Chart | None = None
    wide: bool = True
    """Whether it takes the page's width; pictures that do not may stand side by side."""


Block = Paragraph | Items | Callout | Grid | Picture


@dataclass(frozen=True, slots=True)
class Part:
    """A section."""

    title: str
    anchor: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Part, ...] = ()
    """Sections inside it, one level down."""
    slide: bool = True
    """Whether slides show it too; what only a reader needs stays in the documents."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A work that is cited: a dataset, a model, a method."""

    key: str
    text: str
    """The citation in words."""
    bibtex: str
    """One BibTeX entry with this key; empty where nothing but the text is known."""
    url: str = ""

    @property
    def anchor(self) -> str:
        """Return what texts lead to: ``ref-holm1979`` for the key ``holm1979``."""
        return f"ref-{self.key}"


@dataclass(frozen=True, slots=True)
class Cover:
    """The first page."""

    title: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    """Names and values: client, author, date, run, machine."""
    logo: bytes | None = None
    """PNG or JPEG."""
    notice: str = ""
    """Such as ``Confidential``, on each page."""
    colour: str = "#0060a8"
    """Accent, ``#rrggbb``."""


@dataclass(frozen=True, slots=True)
class Document:
    """The whole."""

    cover: Cover
    summary: Part
    """In plain sentences with their numbers; always the first part."""
    parts: tuple[Part, ...]
    glossary: tuple[tuple[str, str], ...] = ()
    references: tuple[Reference, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """For the file's own properties: title, author, subject, created (ISO 8601), run."""

    def blocks(self) -> Iterator[Block]:
        """Yield every block in reading order."""
        for part in (self.summary, *self.parts):
            yield from _blocks(part)

    def names(self) -> Mapping[str, str]:
        """Return anchor → ``Table 3`` or ``Figure 2``, counted in reading order."""
        found: dict[str, str] = {}
        for kind, name in ((Grid, "Table"), (Picture, "Figure")):
            own = [block.anchor for block in self.blocks() if isinstance(block, kind)]
            found |= {anchor: f"{name} {number}" for number, anchor in enumerate(own, 1)}
        return found


def _blocks(part: Part) -> Iterator[Block]:
    yield from part.blocks
    for inner in part.parts:
        yield from _blocks(inner)
