"""The figures of a document: which pages it holds, and what stands under them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchbench.reports.document.charts import chart
from benchbench.reports.document.choice import MOST_DRAWN, cut, told
from benchbench.reports.document.model import Block, Paragraph, Picture, text
from benchbench.reports.figures import names
from benchbench.reports.figures.plates import Drawing, of_group
from benchbench.reports.figures.severity import severity_pages
from benchbench.reports.figures.sheet import Plate
from benchbench.reports.figures.text import Hand
from benchbench.reports.figures.trends import trend_pages
from benchbench.reports.grouping import Group
from benchbench.reports.trends import Trend
from benchbench.reports.wording import plural, short
from benchbench.view import RunView

MOST = {
    "tradeoff": 1, "latency": 2, "ladder": 2, "classes": 3, "parts": 2, "curves": 3,
    "confusion": 2, "energy": 2, "capacity": 2, "severity": 3,
}  # fmt: skip
"""Figures of a kind for each group; the others stand in ``figures.pdf``."""
ACCURACY = ("classes", "curves", "confusion")
"""Kinds that show accuracy in detail."""


@dataclass(frozen=True, slots=True)
class Album:
    """The figures of one group by kind, with how many of each are left out."""

    found: dict[str, tuple[Picture, ...]]
    more: dict[str, int]

    def of(self, kinds: Iterable[str]) -> tuple[Block, ...]:
        """Return the figures of *kinds*, and after each kind what is left out of it."""
        blocks: list[Block] = []
        for kind in kinds:
            blocks += self.found.get(kind, ())
            if more := self.more.get(kind, 0):
                words = f"{plural(more, 'more figure')} of this kind: figures.pdf."
                blocks.append(Paragraph(text(words), "small"))
        return tuple(blocks)


def of_groups(run: RunView, groups: Sequence[Group]) -> tuple[Album, ...]:
    """Return the figures of each group; nothing is drawn yet."""
    hand = Hand()
    return tuple(_group(run, group, at, hand) for at, group in enumerate(groups, 1))


def _group(run: RunView, group: Group, at: int, hand: Hand) -> Album:
    shown = cut(group, MOST_DRAWN)
    few = told(len(shown.cells), len(group.cells))
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    found: dict[str, tuple[Picture, ...]] = {}
    more: dict[str, int] = {}
    for kind, plates in groupby(of_group(run, shown, hand), key=lambda plate: plate.kind):
        own = list(plates)
        where = f"{group.title}. {few}"
        found[kind] = tuple(
            _picture(plate, names.of_group(at, kind, number), where, (group, runtimes))
            for number, plate in enumerate(own[: MOST[kind]], 1)
        )  # fmt: skip
        more[kind] = max(len(own) - MOST[kind], 0)
    return Album(found, more)


def _picture(
    plate: Plate, anchor: str, where: str, of: tuple[Group, Sequence[str]] | None = None
) -> Picture:
    caption = f"{short(plate.title, 160)} · {short(where, 300)} {plate.note}"
    made = chart(plate, *of) if of else None
    return Picture(caption.strip(), plate.alt, Drawing(plate), anchor, made)


def damaged(run: RunView) -> Album:
    """Return the figures of damaged images."""
    plates = list(severity_pages(run, Hand()))
    most = MOST["severity"]
    found = tuple(
        _picture(plate, names.of_severity(number), "damaged images.")
        for number, plate in enumerate(plates[:most], 1)
    )
    return Album({"severity": found}, {"severity": max(len(plates) - most, 0)})


def trend(found: Trend, at: int, run: str) -> tuple[Picture, ...]:
    """Return the figures of the cells of history number *at* that a report shows."""
    where = f"suite {short(found.view.suite, 60)}. {found.rest}"
    plates = trend_pages(found.view, found.series, run, Hand())
    return tuple(
        _picture(plate, names.of_trend(at, number), where) for number, plate in enumerate(plates, 1)
    )


def slug(words: str, most: int = 40) -> str:
    """Return *words* in lower case letters, digits and hyphens alone."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:most].strip("-")
