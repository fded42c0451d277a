"""Figures over the runs of the suite: what changed, when, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator

from benchbench.history_view import ChangePoint, SeriesView
from benchbench.reports import trends
from benchbench.reports.document import pictures
from benchbench.reports.document.choice import MOST_LISTED
from benchbench.reports.document.grids import TONES, said
from benchbench.reports.document.model import (
    Block,
    Callout,
    Column,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Place,
    text,
)
from benchbench.reports.document.references import cite
from benchbench.reports.trends import Trend
from benchbench.trends import words
from benchbench.view import RunView

_DIFFERING = 3
"""Keys that are named in a row."""


def trend(run: RunView) -> Part | None:
    """Return the section; None if no trend was asked for."""
    found = trends.trends(run)
    if not found:
        return None
    tested = any(one.view.tested for one in found)
    cited = (" ", cite("worsley1979")) if tested else ()
    told = Paragraph(text(_INTRO, *cited, "."))
    parts = tuple(_figure(one, at, run.run) for at, one in enumerate(found, 1))
    return Part("Trend", "trend", (told,), parts)


_INTRO = (
    "Figures over the runs of the suite, oldest first. They are searched for changes from one "
    "level to another only where nothing else that they depend on differs"
)


def _figure(found: Trend, at: int, run: str) -> Part:
    blocks: list[Block] = [Paragraph(text(found.intro))]
    blocks.append(Items(tuple(text(told) for told in found.sentences)))
    if found.unread:
        blocks.append(Callout("Runs that are not read", tuple(map(text, found.unread))))
    if grid := _changes(found, f"table-trend-{at}"):
        blocks.append(grid)
    blocks += pictures.trend(found, at, run)
    if found.rest:
        blocks.append(Paragraph(text(found.rest), "small"))
    return Part(found.title, f"trend-{at}", tuple(blocks))


def _changes(found: Trend, anchor: str) -> Grid | None:
    """Return every change, those for the worse first; None without any."""
    every = list(trends.changes(found.view))
    if not every:
        return None
    columns = (
        Column("Change"), Column("Verdict", "left", 0.9), Column("p", "left"),
        Column("First run of the new level", "left", 1.6), Column("Where", "left", 2.2),
        Column("What else differs", "left", 2.2),
    )  # fmt: skip
    lines = tuple(_line(series, made) for series, made in every[:MOST_LISTED])
    caption = f"Changes of {found.title}; [{100 * found.view.level:.0f} % interval]"
    return Grid(caption, "Cell", columns, lines, anchor, max(len(every) - MOST_LISTED, 0))


def _line(series: SeriesView, made: ChangePoint) -> Line:
    ends = words.extent(made)
    places = (
        Place(words.size(made), made.change, made.low, made.high, f"[{ends}]" if ends else ""),
        Place(made.outcome, tone=TONES[made.outcome], strong=True),
        Place(words.sureness(made), made.p_adjusted),
        Place(words.line(made.run, 40), detail=words.day(series.points[made.at])),
        Place(words.where(made)),
        said(words.differences(made.differing, _DIFFERING), reason=_ALIKE),
    )
    beside = f"{words.line(series.dataset, 40)} {words.line(series.split, 30)}"
    return Line(trends.label(series), places, beside, keys=tuple(_keys(series)))


_ALIKE = "nothing that is recorded differs between the runs beside it"


def _keys(series: SeriesView) -> Iterator[tuple[str, str]]:
    for name in ("model", "runtime", "precision", "device", "batch"):
        yield name.capitalize(), words.line(getattr(series, name))
    yield "Dataset", words.line(f"{series.dataset} {series.split}")
