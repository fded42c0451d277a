"""What was to be measured and was not: left undone by a budget, or failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchbench.reports.evidence import placed
from benchbench.reports.tables import Section, section
from benchbench.reports.turns import named_by
from benchbench.reports.wording import failure_line, short
from benchbench.view import CellView, RunView, Untaken

MOST = 60
KINDS: Mapping[str, str] = {
    "process": "process",
    "multi-stream": "multi-stream",
    "server": "server",
    "offline": "offline",
    "cameras": "cameras",
    "soak": "soak",
    "energy": "energy",
    "pair": "turn-taking pair",
}
_HEADS = (
    "left",
    "Left undone",
    "What was to be measured and is not in this report.",
)


def left(run: RunView) -> Section | None:
    """Return the section; None if all was done."""
    told = [short(text, 400) for text in run.left]
    told += _failed(run)
    more = [f"and {len(told) - MOST} more: report.json"] if len(told) > MOST else []
    return section(_HEADS, [], lines=[*told[:MOST], *more])


def _failed(run: RunView) -> Iterable[str]:
    by_id = named_by(run)
    for cell in run.cells:
        for one in cell.untaken:
            yield untaken(cell, one, run, by_id)


def untaken(cell: CellView, one: Untaken, run: RunView, by_id: Mapping[str, str]) -> str:
    """Return what of *cell* failed, how, and what mends it."""
    against = f" against {by_id.get(one.against, short(one.against, 16))}" if one.against else ""
    what = f"{KINDS[one.kind]} {one.number}{against}"
    hint = f"; what mends it: {short(one.failure.hint, 200)}" if one.failure.hint else ""
    return f"{placed(cell, run.cells)}, {what}: {failure_line(one.failure)}{hint}"
