"""Names for programs: cells and figures as other systems may be given them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from benchbench import quantities
from benchbench.inert import inert
from benchbench.quantities import Quantity
from benchbench.reports.grouping import departures
from benchbench.reports.wording import short
from benchbench.view import CellView, RunView

LONGEST = 200
"""Characters of a name: what reads these files draws it in tables and charts."""


def cell_names(run: RunView) -> Mapping[str, str]:
    """Return cell id → name: one line, at most 200 characters and an ending, no two alike.

    A cell that ran otherwise than asked says so in its name, so that its figures never stand in a
    row with those of a cell that ran as asked.
    """
    return dict(zip((cell.id for cell in run.cells), unique(map(_named, run.cells)), strict=True))


def _named(cell: CellView) -> str:
    other = departures(cell)
    mark = f" (other {', '.join(other)} than asked)" if other else ""
    return f"{inert(short(cell.label, LONGEST))}{mark}"


def unique(names: Iterable[str]) -> list[str]:
    """Return *names* with `` (2)``, `` (3)`` … behind those that came before."""
    seen: set[str] = set()
    made = []
    for name in names:
        new, count = name, 1
        while new in seen:
            count += 1
            new = f"{name} ({count})"
        seen.add(new)
        made.append(new)
    return made


def slug(text: str, joint: str) -> str:
    """Return lower-case ASCII letters and digits of *text*, words joined by *joint*."""
    return re.sub(r"[^a-z0-9]+", joint, text.lower()).strip(joint)[:60] or "unnamed"


def headline(cell: CellView) -> Iterator[Quantity]:
    """Yield :func:`figures`, of the accuracy only the primary metric.

    Other metrics are many, and of some, such as a threshold, neither more nor less is better.
    """
    return (one for one in figures(cell) if one.basis != "images" or one.name == cell.primary)


def figures(cell: CellView) -> Iterator[Quantity]:
    """Yield the figures of *cell* that are finite; an interval without finite ends goes."""
    for found in quantities.measured(cell):
        if found.value is None or not math.isfinite(found.value):
            continue
        ends = (found.low, found.high)
        if any(end is None or not math.isfinite(end) for end in ends):
            yield found.model_copy(update={"low": None, "high": None, "level": None})
        else:
            yield found
