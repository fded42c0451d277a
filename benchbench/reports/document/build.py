"""From a run to a document: every format prints this one."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.brand import Brand
from benchbench.reports import measurements, processes, terms
from benchbench.reports.document import opening, pictures
from benchbench.reports.document.comparison import comparison
from benchbench.reports.document.gallery import gallery
from benchbench.reports.document.grids import details
from benchbench.reports.document.limits import limits
from benchbench.reports.document.method import method
from benchbench.reports.document.model import Document, Part, Picture
from benchbench.reports.document.provenance import provenance
from benchbench.reports.document.references import references
from benchbench.reports.document.results import results
from benchbench.reports.document.tidy import tidy
from benchbench.reports.document.trend import trend
from benchbench.reports.gallery import pictures as pictures_of
from benchbench.reports.grouping import groups
from benchbench.reports.tables import Section
from benchbench.view import RunView


def build(run: RunView, brand: Brand | None = None, images: Sequence[Picture] = ()) -> Document:
    """Return the document of *run*; *images* are those of its gallery.

    Nothing is drawn before a picture is asked for, and nothing reads a clock: the same run and
    brand give the same document.
    """
    run, brand = processes.settled(run), brand or Brand()
    found, taken = groups(run), measurements.sections(run)
    albums = pictures.of_groups(run, found)
    parts = (
        method(run),
        results(run, found, albums, taken),
        comparison(run, found, albums, taken),
        trend(run),
        gallery((*images, *pictures_of(run))),
        limits(run, taken),
        provenance(run),
        _details(taken),
    )
    front = tidy(opening.cover(run, brand))
    return Document(
        cover=front,
        summary=tidy(opening.executive(run)),
        parts=tidy(tuple(part for part in parts if part is not None)),
        glossary=terms.glossary(run),
        references=references(run),
        facts={
            "title": front.title,
            "author": brand.author or brand.organisation,
            "subject": front.subtitle,
            "created": run.updated,
            "run": run.run,
        },
    )


def _details(taken: Sequence[Section]) -> Part | None:
    blocks = tuple(details(taken))
    return Part("Appendix: details", "details", blocks, slide=False) if blocks else None
