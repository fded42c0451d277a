"""Figures for papers and slides: one PDF of vector pages, and each page as a file of its own.

Pages are 16:9, so that one fills a slide; text is 6.5 to 9.5 pt at that size. In the PDF it is
embedded as TrueType, so that it stays text.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from benchbench.reports import processes
from benchbench.reports.figures.plates import named, saved, settings
from benchbench.reports.figures.sheet import nothing
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import groups
from benchbench.reports.wording import short
from benchbench.types import Record
from benchbench.view import RunView

MOST_FILES = 12
"""Pages of one kind and group that are files of their own; the others stand in the PDF alone."""
_WIDE = 9.6
"""Inches at 200 pixels: 1,920 pixels, 300 an inch of a page."""


class Figures(Record):
    """Writes ``figures.pdf``, a page a figure, and each as ``figures/*.svg`` and ``*.png``."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("matplotlib",),)
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "figures.pdf"

    def render(self, run: RunView) -> bytes:
        """Return the PDF; a run of which nothing can be drawn gives one page that says so.

        The bytes depend on the run and on matplotlib's version. Raises
        :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        return _pdf(run, None)

    def files(self, run: RunView) -> Mapping[str, bytes]:
        """Return the PDF, and each figure as SVG and as PNG of 1920 × 1080 pixels (300 dpi).

        Names are those that documents give their figures, so that the files of several formats
        can lie in one folder. Of more than :data:`MOST_FILES` of a kind the first ones are files.
        """
        beside: dict[str, bytes] = {}
        return {self.file_name: _pdf(run, beside), **beside}


def _pdf(run: RunView, beside: dict[str, bytes] | None) -> bytes:
    """Return the PDF; each page is drawn once, and its files are put into *beside*."""
    run, out, hand = processes.settled(run), io.BytesIO(), Hand()
    facts = {
        "Title": short(run.title or run.suite),
        "Creator": "benchbench",
        "Producer": "matplotlib",
        "CreationDate": None,
    }
    with settings():
        from matplotlib.backends.backend_pdf import PdfPages

        with PdfPages(out, metadata=facts) as pdf:
            plates = tuple(named(run, groups(run), hand))
            kinds: Counter[str] = Counter()
            for name, plate in plates:
                figure = plate.draw()
                pdf.savefig(figure)
                kinds[kind := name.rpartition("-")[0]] += 1
                if beside is not None and kinds[kind] <= MOST_FILES:
                    beside |= _files(name, figure)
            if not plates:
                pdf.savefig(nothing(run, hand))
    return out.getvalue()


def _files(name: str, figure: Any) -> dict[str, bytes]:
    return {
        f"figures/{name}.svg": saved(figure, "svg"),
        f"figures/{name}.png": saved(figure, "png", _WIDE),
    }
