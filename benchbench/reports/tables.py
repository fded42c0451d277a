"""Tables that HTML and Markdown print alike: heads, rows, second lines, reasons of what is absent.

A value that is absent prints as a dash with the number of its reason, which stands under the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchbench.reports.evidence import named, where
from benchbench.reports.grouping import finite
from benchbench.reports.wording import ABSENT, ratio, short, significant
from benchbench.view import CellView, LatencyView

MOST_ROWS, MOST_FOLDED = 100, 12
"""Rows that a table prints, and tables of details of one kind that a section holds."""
UNTOLD = "the run gives no reason"
Kind = Literal["number", "text", "lane"]
Ends = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Lane:
    """A row's part of a drawing; positions in per cent of its width."""

    middle: float | None
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    rules: tuple[float, ...] = ()
    """Places that figures are compared with: 1, the margin."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A line in time order, with lines across where its level changed."""

    path: str
    label: str
    across: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in a place of a table."""

    text: str
    detail: str = ""
    """A second line: an interval, or how the figure is meant."""
    key: float | None = None
    """What the column is sorted by."""
    reason: str = ""
    """Why it is absent."""
    tone: str = ""
    """Class of a verdict: ``pass``, ``regression``, ``inconclusive``, ``met``, ``missed``."""
    drawn: Lane | Trace | None = None
    ends: Ends | None = None
    """Low and high end of its interval, by which the column may be sorted too."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column; of a lane, its ticks as (position in per cent, text)."""

    text: str
    kind: Kind = "number"
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row; its name is that of *cell*, where it is about one."""

    name: str
    values: tuple[Value, ...]
    cell: CellView | None = None
    beside: str = ""
    """A second line under the name: dataset, settings, what it is compared with."""


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    first: str = "Cell"
    """The head of the names."""
    folded: str = ""
    """If it is a detail that opens on demand: what is read before it is opened."""
    more: int = 0
    """Rows that are left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the reasons of absent values, each once, in order of appearance."""
        told = (value.reason for row in self.rows for value in row.values if value.reason)
        return tuple(dict.fromkeys(told))

    def note(self, value: Value) -> int:
        """Return the number of the reason why *value* is absent."""
        return self.notes.index(value.reason) + 1


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report that is there only where something was measured for it."""

    anchor: str
    title: str
    intro: str
    tables: tuple[Table, ...]
    drawing: str = ""
    """What the drawings mean, for reports that have them."""
    lines: tuple[str, ...] = ()
    """Sentences under the tables."""
    more: int = 0
    """Tables of details that are left out."""


# --- building ----------------------------------------------------------------------------


def number(
    value: float | None,
    reason: str | None = None,
    *,
    text: str = "",
    detail: str = "",
    ends: Ends | None = None,
) -> Value:
    """Return a figure, by default with three significant digits; absent, with its reason."""
    if (value := finite(value)) is None:
        return Value(ABSENT, reason=short(reason or UNTOLD, 300))
    return Value(text or significant(value), detail, value, ends=ends)


def spanned(
    value: float | None,
    ends: Ends | None,
    reason: str | None = None,
    *,
    detail: str = "",
) -> Value:
    """Return a figure with its interval below it, and after that *detail*."""
    if finite(value) is None:
        return number(value, reason)
    told = [span(ends), detail] if span(ends) else [detail, short(reason or "", 160)]
    text = significant(value, digits(ends))
    detail = ", ".join(part for part in told if part)
    return number(value, text=text, detail=detail, ends=ends)


def words(text: str, detail: str = "", tone: str = "", *, reason: str = "") -> Value:
    """Return text; where it is empty, a dash with its reason."""
    return Value(text or ABSENT, detail, tone=tone, reason="" if text else short(reason, 300))


def row(cell: CellView, cells: Sequence[CellView], *values: Value, beside: str = "") -> Row:
    """Return the row of *cell*, with its dataset where those of *cells* differ."""
    told = [where(cell, cells).strip(), beside]
    return Row(named(cell), values, cell, "; ".join(part for part in told if part))


def columns(*heads: Head | str) -> tuple[Head, ...]:
    """Return heads; one that is a text is that of numbers."""
    return tuple(Head(head) if isinstance(head, str) else head for head in heads)


def table(caption: str, heads: Sequence[Head], rows: Iterable[Row], first: str = "Cell") -> Table:
    """Return a table, cut after :data:`MOST_ROWS` rows."""
    every = tuple(rows)
    more = max(len(every) - MOST_ROWS, 0)
    return Table(caption, tuple(heads), every[:MOST_ROWS], first, more=more)


def fold(name: str, of: Table) -> Table:
    """Return *of* as a detail that *name* opens."""
    return replace(of, folded=name)


def section(
    heads: tuple[str, str, str],
    tables: Sequence[Table],
    details: Sequence[Table] = (),
    lines: Sequence[str] = (),
    drawing: str = "",
) -> Section | None:
    """Return a section of *heads* (anchor, title, introduction); None if nothing is in it."""
    filled = [one for one in tables if one.rows]
    if not filled and not details and not lines:
        return None
    shown = tuple(details[:MOST_FOLDED])
    more = len(details) - len(shown)
    return Section(*heads, (*filled, *shown), drawing, tuple(lines), more)


# --- intervals ---------------------------------------------------------------------------


def digits(ends: Ends | None) -> int:
    """Return how many significant digits tell the ends of an interval apart: 3 to 5."""
    low, high = (finite(end) for end in ends or (None, None))
    if low is None or high is None or high <= low or high <= 0:
        return 3
    return min(max(3, math.ceil(math.log10(high / (high - low))) + 1), 5)


def span(ends: Ends | None, unit: str = "") -> str:
    """Return ``[8.20, 8.43]``; empty where an end is absent."""
    low, high = (finite(end) for end in ends or (None, None))
    if low is None or high is None:
        return ""
    count = digits((low, high))
    return f"[{significant(low, count)}, {significant(high, count)}]{unit}"


def within(latency: LatencyView, percentile: str) -> tuple[float, float] | None:
    """Return the interval of *percentile* (``p90``) within the process of the pass, or None."""
    found = latency.intervals_ms
    return found.get(percentile) or found.get(f"{percentile}_ms")


def ratio_span(low: float | None, high: float | None) -> str:
    """Return ``[0.60, 0.62]``, with a third decimal where the ends lie close."""
    if (low := finite(low)) is None or (high := finite(high)) is None:
        return ""
    places = 2 if high - low >= 0.02 else 3
    return f"[{low:.{places}f}, {high:.{places}f}]"


def times(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a ratio, with as many decimals as its interval: ``0.61 ×``, ``1.003 ×``."""
    if (known := finite(value)) is None:
        return ABSENT
    close = low is not None and high is not None and high - low < 0.02
    return f"{known:.3f} ×" if close else ratio(known)


def level(share: float | None) -> str:
    """Return a confidence: ``95 %``; empty where there is none."""
    return "" if finite(share) is None else f"{(share or 0.0) * 100:.3g} %"
