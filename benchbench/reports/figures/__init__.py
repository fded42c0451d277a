"""Figures for papers and slides: one PDF of vector pages, drawn by matplotlib.

Pages are 16:9, so that one fills a slide; text is 6.5 to 9.5 pt at that size and is embedded as
TrueType, so that it stays text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

from benchbench.errors import MissingDependency
from benchbench.reports.figures.classes import classes
from benchbench.reports.figures.confusion import confusion_pages
from benchbench.reports.figures.curves import curve_pages
from benchbench.reports.figures.ladder import ladders
from benchbench.reports.figures.latency import latencies
from benchbench.reports.figures.parts import part_pages
from benchbench.reports.figures.severity import severity_pages
from benchbench.reports.figures.sheet import Sheet, caption_of, nothing
from benchbench.reports.figures.style import STYLE
from benchbench.reports.figures.text import Hand
from benchbench.reports.figures.tradeoff import tradeoff
from benchbench.reports.grouping import groups
from benchbench.reports.wording import short
from benchbench.types import Record
from benchbench.view import RunView


class Figures(Record):
    """Writes ``figures.pdf``: a page of vectors for each figure that the run can fill."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("matplotlib",),)
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "figures.pdf"

    def render(self, run: RunView) -> bytes:
        """Return the PDF; a run of which nothing can be drawn gives one page that says so.

        The bytes depend on the run and on matplotlib's version. Raises
        :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        try:
            import matplotlib as mpl
            from matplotlib.backends.backend_pdf import PdfPages
        except ImportError as error:
            raise MissingDependency("matplotlib", "report") from error
        out = io.BytesIO()
        facts = {
            "Title": short(run.title or run.suite),
            "Creator": "benchbench",
            "Producer": "matplotlib",
            "CreationDate": None,
        }
        with mpl.rc_context():
            mpl.rcdefaults()  # a reader's own matplotlibrc must not change the figures
            mpl.rcParams.update(STYLE)
            with PdfPages(out, metadata=facts) as pdf:
                for page in _pages(run, Hand()):
                    pdf.savefig(page)
        return out.getvalue()


def _pages(run: RunView, hand: Hand) -> Iterator[Any]:
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    drawers = (tradeoff, latencies, ladders, classes, part_pages, curve_pages, confusion_pages)
    sheets = [Sheet(group, runtimes, hand, caption_of(group, run)) for group in groups(run)]
    by_group = (draw(sheet) for sheet in sheets for draw in drawers)
    found = chain(chain.from_iterable(by_group), severity_pages(run, hand))
    first = next(found, None)
    yield nothing(run, hand) if first is None else first
    yield from found
