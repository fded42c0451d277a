"""What came out: a section for each dataset, task and batch, and what was measured besides."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.reports import evidence, measurements, summary
from benchbench.reports.document import cells, gate, pictures
from benchbench.reports.document.grids import section
from benchbench.reports.document.model import Block, Items, Paragraph, Part, Span, Text, text
from benchbench.reports.document.pictures import Album
from benchbench.reports.figures.classes import by_class
from benchbench.reports.grouping import Group
from benchbench.reports.tables import Section
from benchbench.reports.wording import short
from benchbench.view import RunView

APART = (*measurements.EARLY, "left")
"""Measured sections that stand under other headings: comparison, limits."""


def results(
    run: RunView, groups: Sequence[Group], albums: Sequence[Album], taken: Sequence[Section]
) -> Part:
    """Return the results of *groups*, and of the sections *taken*."""
    pairs = enumerate(zip(groups, albums, strict=True), 1)
    parts = [_group(group, album, at) for at, (group, album) in pairs]
    parts += [section(found) for found in taken if found.anchor not in APART]
    gated = (gate.limits(run.gate),) if run.gate else ()
    none = () if run.cells else (Paragraph(text("The run has no cells.")),)
    return Part("Results", "results", none, (*gated, *parts))


def _group(group: Group, album: Album, at: int) -> Part:
    blocks: list[Block] = []
    if found := tuple(_best(group)):
        blocks.append(Items(found))
    blocks.append(cells.main(group, f"table-cells-{at}"))
    signs = evidence.legend(group.cells)
    blocks += [Paragraph(text(f"{sign} {words}"), "small") for sign, words in signs]
    blocks += album.of(("tradeoff", "latency", "energy", "capacity"))
    return Part(
        short(group.title, 120), f"results-{at}", tuple(blocks), _accuracy(group, album, at)
    )


def _best(group: Group) -> list[Text]:
    told = [summary.fastest(group), summary.most_accurate(group)]
    return [(Span(one.lead, "strong"), Span(f" {one.text}")) for one in told if one]


def _accuracy(group: Group, album: Album, at: int) -> tuple[Part, ...]:
    metric = by_class(group.primary) or cells.strongest(group.cells)
    grids = (cells.metrics(group, f"table-metrics-{at}"),
             cells.classes(group, metric, f"table-classes-{at}"))  # fmt: skip
    blocks = (*(grid for grid in grids if grid), *album.of(pictures.ACCURACY))
    return (Part("Accuracy in detail", f"results-{at}-accuracy", blocks),) if blocks else ()
