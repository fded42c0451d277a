"""Figures of the page's tables: text, sort key, interval, and the footnote of what is absent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchbench.reports import wording
from benchbench.reports.grouping import finite

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a table: its text, what it sorts by, and why it is absent."""

    text: str
    value: float | None = None
    reason: str = ""
    note: int | None = None
    """Number of the footnote that gives the reason."""
    range: str = ""
    """Its interval, and what it is of."""
    ends: Ends | None = None
    """Its interval, in the figure's unit, to sort by."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A caveat in two lengths."""

    text: str
    line: str


class Footnotes:
    """Numbers reasons in order of appearance; the same reason keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """The reasons, in order of their numbers."""
        return tuple(self._numbers)

    def figure(
        self, text: str, value: float | None, reason: str, ends: Ends | None = None
    ) -> Figure:
        """Return a figure; where *value* is None it prints as absent and points at *reason*."""
        if value is not None:
            return Figure(text, value, ends=ends)
        number = self._numbers.setdefault(reason, len(self._numbers) + 1)
        return Figure(wording.ABSENT, None, reason, number)


def chips(caveats: Iterable[Any]) -> tuple[Chip, ...]:
    """Return *caveats* in two lengths each."""
    return tuple(Chip(wording.chip(c), wording.caveat_line(c)) for c in caveats)


def both(low: float | None, high: float | None) -> Ends | None:
    """Return an interval, or None where an end is absent or not finite."""
    low, high = finite(low), finite(high)
    return None if low is None or high is None else (low, high)
