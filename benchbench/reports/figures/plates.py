"""The pages of a run one by one: planned without drawing, drawn when asked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Literal

from benchbench.errors import MissingDependency
from benchbench.reports.figures import names
from benchbench.reports.figures.capacity import capacities
from benchbench.reports.figures.classes import classes
from benchbench.reports.figures.confusion import confusion_pages
from benchbench.reports.figures.curves import curve_pages
from benchbench.reports.figures.energy import energies
from benchbench.reports.figures.ladder import ladders
from benchbench.reports.figures.latency import latencies
from benchbench.reports.figures.parts import part_pages
from benchbench.reports.figures.severity import severity_pages
from benchbench.reports.figures.sheet import Plate, Sheet, caption_of
from benchbench.reports.figures.style import HEIGHT, STYLE, WIDTH
from benchbench.reports.figures.text import Hand
from benchbench.reports.figures.tradeoff import tradeoff
from benchbench.reports.figures.trends import trend_pages
from benchbench.reports.grouping import Group
from benchbench.view import RunView

_DRAWERS = (
    tradeoff, latencies, ladders, classes, part_pages, curve_pages, confusion_pages, energies,
    capacities,
)  # fmt: skip
ImageFormat = Literal["svg", "png", "pdf"]
_DPI = 200
"""Of PNG, at the width that is asked for."""


def of_group(run: RunView, group: Group, hand: Hand) -> Iterator[Plate]:
    """Yield the pages of *group*, a part of *run*; a page with nothing to show is left out."""
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    sheet = Sheet(group, runtimes, hand, caption_of(group, run))
    return chain.from_iterable(draw(sheet) for draw in _DRAWERS)


def of_run(run: RunView, groups: Iterable[Group], hand: Hand) -> Iterator[Plate]:
    """Yield the pages of every group, then those of damaged images and of trends."""
    return (plate for _, plate in named(run, groups, hand))


def named(run: RunView, groups: Iterable[Group], hand: Hand) -> Iterator[tuple[str, Plate]]:
    """Yield the pages of :func:`of_run` with their names."""
    for at, group in enumerate(groups, 1):
        whole = names.is_cut(group)
        for kind, plates in groupby(of_group(run, group, hand), key=lambda plate: plate.kind):
            for number, plate in enumerate(plates, 1):
                yield names.of_group(at, kind, number, whole=whole), plate
    for number, plate in enumerate(severity_pages(run, hand), 1):
        yield names.of_severity(number), plate
    for at, view in enumerate(run.trends, 1):
        whole = names.is_chosen(view)
        for number, plate in enumerate(trend_pages(view, view.series, run.run, hand), 1):
            yield names.of_trend(at, number, whole=whole), plate


@contextmanager
def settings() -> Iterator[None]:
    """Draw with our settings alone: a reader's own matplotlibrc must not change the figures.

    Raises :class:`~benchbench.errors.MissingDependency` without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingDependency("matplotlib", "report") from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


@dataclass(frozen=True, slots=True)
class Drawing:
    """A page as a file; the bytes depend on the run and on matplotlib's version."""

    plate: Plate

    @property
    def aspect(self) -> float:
        """Return its width over its height."""
        return WIDTH / HEIGHT

    def image(self, form: ImageFormat, width_in: float = 6.4) -> bytes:
        """Return SVG or PDF of 6.4 in, or PNG with 200 pixels for each of *width_in* inches.

        Text in SVG is drawn as outlines, so that it looks the same without the font. Raises
        :class:`~benchbench.errors.MissingDependency` without matplotlib.
        """
        with settings():
            return saved(self.plate.draw(), form, width_in)


def saved(figure: Any, form: ImageFormat, width_in: float = 6.4) -> bytes:
    """Return a drawn page as a file, see :meth:`Drawing.image`; only inside :func:`settings`."""
    import matplotlib as mpl

    out = io.BytesIO()
    mpl.rcParams["svg.hashsalt"] = "benchbench"  # names of clip paths, else random
    figure.savefig(out, format=form, metadata=_FACTS[form], dpi=_DPI * width_in * 72 / WIDTH)
    return out.getvalue()


_FACTS: Mapping[ImageFormat, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": "benchbench"},
    "pdf": {"CreationDate": None, "Creator": "benchbench", "Producer": "matplotlib"},
    "png": {"Software": None},
}
