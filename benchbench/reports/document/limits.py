"""What the figures do not say: limits, doubts, failures, and what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.folding import kept
from benchbench.reports import damaged, evidence, terms, wording
from benchbench.reports.document.choice import MOST_LISTED
from benchbench.reports.document.grids import said
from benchbench.reports.document.model import (
    Block,
    Column,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Place,
    Tone,
    text,
)
from benchbench.reports.grouping import shared_caveats
from benchbench.reports.tables import Section
from benchbench.reports.wording import STATUS, caveat_line, short
from benchbench.types import Status
from benchbench.view import RunView

_TONES: dict[Status, Tone] = {"failed": "bad", "not_run": "warn", "compiled": "warn"}


def limits(run: RunView, taken: Sequence[Section]) -> Part:
    """Return the section; nothing that failed or was left out is missing from it."""
    parts = [_doubts(run), _broken(run), _left(taken), _evidence(run)]
    found = tuple(part for part in parts if part is not None)
    items = Items(tuple(text(words) for words in terms.limits(run)))
    return Part("Limits and caveats", "limits", (items,), found)


def _doubts(run: RunView) -> Part | None:
    own = kept(run.cells)
    shared = shared_caveats(own)
    blocks: list[Block] = []
    if shared:
        told = "; ".join(caveat_line(caveat) for caveat in shared)
        blocks.append(Paragraph(text(f"Every measured cell: {told}.")))
    rows = [
        (short(cell.label), "; ".join(caveat_line(c) for c in cell.caveats if c not in shared))
        for cell in own
    ]
    rows += [(name, told) for name, told in damaged.caveats(run.cells)]
    rows = [(name, told) for name, told in rows if told]
    if rows:
        lines = tuple(Line(name, (said(short(told, 900)),)) for name, told in rows[:MOST_LISTED])
        columns = (Column("Doubt", "left", 3.0),)
        more = max(len(rows) - MOST_LISTED, 0)
        blocks.append(Grid("Doubts of single cells", "Cell", columns, lines, "table-caveats", more))
    return Part("Caveats", "caveats", tuple(blocks)) if blocks else None


def _broken(run: RunView) -> Part | None:
    found = damaged.broken(run.cells)
    if not found:
        return None
    lines = tuple(_broke(one) for one in found[:MOST_LISTED])
    columns = (Column("Status", "left"), Column("Why", "left", 2.4),
               Column("What mends it", "left", 1.8))  # fmt: skip
    more = max(len(found) - MOST_LISTED, 0)
    grid = Grid("Cells without figures", "Cell", columns, lines, "table-broken", more)
    return Part("Cells without figures", "broken", (grid,))


def _broke(one: damaged.Broken) -> Line:
    cell = one.cell
    hint = cell.failure.hint if cell.failure else None
    return Line(
        short(one.name, 160),
        (
            Place(STATUS[cell.status], tone=_TONES.get(cell.status, "")),
            said(wording.absence(cell)),
            said(short(hint or "", 400), reason="nothing is known to mend it"),
        ),
    )


def _left(taken: Sequence[Section]) -> Part | None:
    found = next((one for one in taken if one.anchor == "left"), None)
    if found is None:
        return None
    items = Items(tuple(text(line) for line in found.lines))
    return Part(found.title, found.anchor, (Paragraph(text(found.intro)), items))


def _evidence(run: RunView) -> Part | None:
    own = [cell for cell in kept(run.cells) if cell.placement]
    rows = [*_proofs(run), *damaged.otherwise(run.cells)]
    if not rows:
        return None
    lines = tuple(Line(name, (said(told),)) for name, told in rows[:MOST_LISTED])
    grid = Grid("What really ran", "Cell", (Column("Evidence", "left", 3.0),), lines,
                "table-evidence", max(len(rows) - MOST_LISTED, 0))  # fmt: skip
    signs = evidence.legend(own)
    marks = tuple(Paragraph(text(f"{sign} {words}"), "small") for sign, words in signs)
    return Part("Evidence", "evidence", (grid, *marks), slide=False)


def _proofs(run: RunView) -> Iterable[tuple[str, str]]:
    threaded = evidence.conditions(run.cells) is None
    for cell in kept(run.cells):
        if cell.placement is None:
            continue
        told = [evidence.line(cell, threaded=threaded)]
        if cell.parity is not None:
            against = "" if cell.parity.reason else f" ({evidence.reference(cell.parity)})"
            told.append(f"Parity: {evidence.parity_line(cell.parity)}{against}")
        told += [f"Calibrated: {words}" for words in evidence.calibrations(cell)]
        yield evidence.named(cell), ". ".join(told)
