"""Rows of the page's evidence: what ran, how that is known, parity, how the artifact was made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench import quantities
from benchbench.reports import evidence, wording
from benchbench.reports.page.figures import Figure, Footnotes
from benchbench.types import Placement, Share
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Proof:
    """The evidence of one cell."""

    cell: CellView
    ran: str
    in_precision: Figure
    on_device: Figure
    known_from: str
    threads: str
    """Empty where all rows share them."""
    parity: str
    reference: str
    outputs: tuple[str, ...]
    """A line an output, where there is more to say than ``parity`` does."""
    builds: Figure
    calibrations: tuple[str, ...]


def proofs(cells: Sequence[CellView], notes: Footnotes, *, threaded: bool) -> Iterable[Proof]:
    """Yield the evidence of each of *cells* that has any, with its threads if *threaded*."""
    for cell in cells:
        place, parity = cell.placement, cell.parity
        if place is None:
            continue
        outputs = parity.outputs if parity else ()
        yield Proof(
            cell=cell,
            ran=evidence.ran(place),
            in_precision=_share(cell, place, "precision", place.in_precision, notes),
            on_device=_share(cell, place, "device", place.on_device, notes),
            known_from=evidence.known_from(place),
            threads=evidence.threads(place) if threaded else "",
            parity=evidence.parity_line(parity),
            reference=evidence.reference(parity) if parity and not parity.reason else "",
            outputs=tuple(evidence.output_line(output) for output in outputs),
            builds=_builds(cell, notes),
            calibrations=evidence.calibrations(cell),
        )


def _builds(cell: CellView, notes: Footnotes) -> Figure:
    found = quantities.build(cell)
    return notes.figure(evidence.builds(cell), found.value, found.reason or "")


def _share(cell: CellView, place: Placement, of: str, found: Share, notes: Footnotes) -> Figure:
    reason = cell.reasons.get(f"coverage.{of}") or quantities.unplaced(place)
    return notes.figure(evidence.share(found), found.best, wording.short(reason, 300))
