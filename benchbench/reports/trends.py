"""Figures over the runs of a suite: which cells a report shows, and what it says of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchbench.history_view import ChangePoint, HistoryView, SeriesView
from benchbench.reports.wording import plural
from benchbench.trends import words
from benchbench.view import RunView

MOST_SHOWN = 24
"""Cells of a figure that a report shows."""
MOST_UNREAD = 5
LABEL, QUANTITY = 80, 60
"""Characters of names."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure over the runs, as a report shows it."""

    view: HistoryView
    title: str
    intro: str
    """Of how many runs and cells, and what stands behind the changes."""
    sentences: tuple[str, ...]
    """What came of all cells, shown or not."""
    unread: tuple[str, ...]
    series: tuple[SeriesView, ...]
    """The cells that are shown, in the history's order."""
    rest: str
    """What is left out, in words; empty where nothing is."""


def trends(run: RunView) -> tuple[Trend, ...]:
    """Return each figure that was asked for."""
    return tuple(_trend(view) for view in run.trends)


def _trend(view: HistoryView) -> Trend:
    shown = chosen(view)
    suite = words.line(view.suite, QUANTITY)
    counts = f"{plural(view.runs, 'run')} of suite {suite}, {plural(len(view.series), 'cell')}"
    unread = [words.line(one, 200) for one in view.unread]
    more = len(unread) - MOST_UNREAD
    return Trend(
        view=view,
        title=title(view),
        intro=f"{counts}. {words.method(view)}",
        sentences=tuple(_sentences(view)),
        unread=(*unread[:MOST_UNREAD], *([plural(more, "more run")] if more > 0 else [])),
        series=shown,
        rest=rest(len(shown), len(view.series)),
    )


def title(view: HistoryView) -> str:
    """Return the name of the figure."""
    return words.line(view.quantity, QUANTITY)


def label(series: SeriesView) -> str:
    """Return the name of the cell."""
    return words.line(series.label, LABEL)


def chosen(view: HistoryView, most: int = MOST_SHOWN) -> tuple[SeriesView, ...]:
    """Return at most *most* cells, in their order.

    Those with a change for the worse come first, then those with one for the better, then those
    that have a figure.
    """
    ranked = sorted(range(len(view.series)), key=lambda at: (_rank(view.series[at]), at))
    return tuple(view.series[at] for at in sorted(ranked[:most]))


def _rank(series: SeriesView) -> int:
    outcomes = {made.outcome for made in series.changes}
    if outcomes:
        return 0 if "worse" in outcomes else 1
    return 2 if any(point.value is not None for point in series.points) else 3


def rest(shown: int, of: int) -> str:
    """Return what a choice leaves out, in words; empty where nothing is."""
    if shown >= of:
        return ""
    return (
        f"{shown:,} of {of:,} cells: those that changed for the worse, then for the better, then "
        "the first of the others. benchbench history shows all."
    )


def changes(view: HistoryView) -> Iterator[tuple[SeriesView, ChangePoint]]:
    """Yield every change with its cell; those for the worse come first."""
    found = [(series, made) for series in view.series for made in series.changes]
    return iter(sorted(found, key=lambda one: one[1].outcome != "worse"))


def _sentences(view: HistoryView) -> Iterator[str]:
    cells = len(view.series)
    outcomes = Counter(made.outcome for _, made in changes(view))
    if outcomes:
        changed = sum(bool(series.changes) for series in view.series)
        kinds = " and ".join(f"{n:,} for the {kind}" for kind, n in sorted(outcomes.items())[::-1])
        found = plural(sum(outcomes.values()), "change")
        yield f"{found} in {changed:,} of {plural(cells, 'cell')}: {kinds}."
    elif view.tested:
        yield f"No change is found in {plural(cells, 'cell')}; that is not the same as no change."
    yield from _untested(view.series)
    if parted := [series for series in view.series if len(series.parts) > 1]:
        told = f"set apart by {words.differences(parted[0].parts[1].broken_by)}"
        yield f"Not comparable over all runs: {_counted(parted)}, {told}."


def _untested(series: Sequence[SeriesView]) -> Iterator[str]:
    gone = [one for one in series if all(point.value is None for point in one.points)]
    if gone:
        yield f"No figure in any run: {_counted(gone)}."
    few = [one for one in series if one not in gone and not any(p.tested for p in one.parts)]
    if few:
        reason = next((part.reason for part in few[0].parts if part.reason), "no reason is given")
        yield f"Not searched for changes: {_counted(few)} ({words.line(reason, 120)})."


def _counted(series: Sequence[SeriesView]) -> str:
    first = label(series[0])
    return first if len(series) == 1 else f"{plural(len(series), 'cell')}, such as {first}"
