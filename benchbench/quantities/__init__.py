"""Figures of a cell by name: what limits, comparisons, requirements and claims speak of.

A quantity is a figure with its unit, its interval and what that interval is of. The names are
listed in docs/quantities.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchbench.errors import UsageError
from benchbench.quantities.accuracy import accuracy, unknown
from benchbench.quantities.kinds import (
    ALIASES,
    GETTERS,
    Kind,
    check_subject,
    folded_name,
    is_fixed,
    kind,
    looks_fixed,
    resolved,
)
from benchbench.quantities.naming import (
    Named,
    close,
    guess,
    leading,
    named,
    quoted,
    short,
    unquoted,
)
from benchbench.quantities.quantity import Basis, Quantity, absence
from benchbench.quantities.resources import COVERAGES, RESOURCES, build, unfiled, unplaced
from benchbench.quantities.speeds import SPEEDS
from benchbench.view import CellView

__all__ = [
    "ALIASES", "GETTERS", "Basis", "Kind", "Named", "Quantity", "absence", "build", "canonical",
    "check_subject", "close", "guess", "is_fixed", "kind", "known_names", "knows", "leading",
    "looks_fixed", "measured", "named", "quantity", "quoted", "resolved", "short", "unfiled",
    "unplaced", "unquoted",
]  # fmt: skip


def quantity(cell: CellView, wanted: Named) -> Quantity:
    """Return a figure of *cell*; its value is None, with a reason, where it was not measured.

    Raises :class:`~benchbench.errors.UsageError` for a name that no cell could have, or that this
    cell's evaluator does not give.
    """
    name = canonical(wanted.name, cell, wanted.subject)
    if not is_fixed(name):
        return accuracy(cell, name, wanted.subject)
    if wanted.subject is not None:
        cell = _metered(cell, name, wanted.subject)
    found = GETTERS[name](cell)
    return found.model_copy(update={"subject": wanted.subject}) if wanted.subject else found


def _metered(cell: CellView, name: str, subject: str) -> CellView:
    """Return *cell* with the energies of the meter that *subject* names alone."""
    check_subject(name, subject)
    of = subject.partition("=")[2]
    kept = tuple(view for view in cell.energy if view.meter == of)
    if cell.energy and not kept:
        raise unknown(cell, name, subject, [view.meter for view in cell.energy])
    return cell.model_copy(update={"energy": kept})


def canonical(name: str, cell: CellView, subject: str | None = None) -> str:
    """Return the name by which *cell* knows what is written as *name*, of *subject*.

    Some metrics it may know class by class alone. Of a cell without accuracy that may be any
    metric's, as written. Raises UsageError.
    """
    metrics = [metric for metric in cell.metrics if not metric.startswith("coverage.")]
    of_class = (subject or "").startswith("class=")
    if found := _written(name, (*metrics, *(cell.per_class if of_class else ()))):
        return found
    if folded_name(name) == "accuracy" and cell.primary:
        return cell.primary
    known = resolved(name)
    if is_fixed(known) or (not metrics and not looks_fixed(known)):
        return known
    if by_class := _written(name, cell.per_class):
        hint = f"it is known class by class: {Named(by_class, 'class=…')}"
    else:
        meant = close(name, (*metrics, *GETTERS, *ALIASES))
        known_here = list(known_names([cell]))
        hint = f"did you mean {short(meant)}?" if meant else guess(name, known_here)
    raise UsageError(f"{short(cell.label)} has no figure named {short(name)}", hint=hint)


def knows(cell: CellView, wanted: Named) -> bool:
    """Return whether *cell* could have the figure *wanted*: mAP is none of a segmenter's."""
    try:
        canonical(wanted.name, cell, wanted.subject)
    except UsageError:
        return False
    return True


def _written(name: str, metrics: Iterable[str]) -> str | None:
    """Return the one of *metrics* that is written as *name*: as it stands, or much like it."""
    known = tuple(metrics)
    for fold in (str, str.strip, folded_name):
        for metric in known:
            if fold(name) == fold(metric):
                return metric
    return None


def known_names(cells: Iterable[CellView]) -> Iterator[str]:
    """Yield every name that some of *cells* know, accuracy first."""
    metrics = dict.fromkeys(name for cell in cells for name in cell.metrics)
    yield from (name for name in metrics if not name.startswith("coverage."))
    yield from (*SPEEDS, *RESOURCES)
    yield from list(COVERAGES)[:2]


def measured(cell: CellView) -> Iterator[Quantity]:
    """Yield every quantity of *cell* that has a value, accuracy as a whole first."""
    for name in known_names([cell]):
        found = quantity(cell, Named(name))
        if found.value is not None:
            yield found
