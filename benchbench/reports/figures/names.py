"""What each figure is called, as a file and where a text leads to it.

No stranger's text is in a name, and figures of one name are the same picture in every format.
"""

from __future__ import annotations

from benchbench.history_view import HistoryView
from benchbench.reports.document.choice import MOST_DRAWN
from benchbench.reports.grouping import Group
from benchbench.reports.trends import MOST_SHOWN

SEVERITY = "severity"


def of_group(at: int, kind: str, number: int, *, whole: bool = False) -> str:
    """Return ``figure-1-latency-2``: the second figure of latency of the first group.

    Documents show a choice of the cells of a large group; a *whole* one is another figure.
    """
    return _name(str(at), "all" if whole else "", kind, number)


def of_severity(number: int) -> str:
    """Return the name of a figure of damaged images."""
    return _name("", "", SEVERITY, number)


def of_trend(at: int, number: int, *, whole: bool = False) -> str:
    """Return ``figure-trend-1-2``: the second figure of the first history."""
    return _name("trend", str(at), "all" if whole else "", number)


def _name(*parts: str | int) -> str:
    return "-".join(["figure", *(str(part) for part in parts if part)])


def is_cut(group: Group) -> bool:
    """Return whether documents show a choice of the cells of *group*."""
    return len(group.cells) > MOST_DRAWN


def is_chosen(view: HistoryView) -> bool:
    """Return whether reports show a choice of the cells of *view*."""
    return len(view.series) > MOST_SHOWN
