"""Accuracy by metric, class and slice, as quantities."""

from __future__ import annotations

from collections.abc import Collection

from benchbench.errors import UsageError
from benchbench.quantities.kinds import check_subject, kind
from benchbench.quantities.naming import Named, guess, listed, short
from benchbench.quantities.quantity import Quantity, absence, told
from benchbench.view import CellView, Interval


def accuracy(cell: CellView, name: str, subject: str | None) -> Quantity:
    """Return the metric *name* of *cell*, of a class or slice where *subject* names one."""
    known = kind(name)
    higher = name not in cell.lower_is_better
    measured = name in cell.metrics or name in cell.per_class
    if not measured and known.higher_is_better is not None:
        higher = known.higher_is_better
    base = Quantity(
        name=name, subject=subject, unit=known.unit, higher_is_better=higher,
        basis="images", n=cell.counts.get("images"),
    )  # fmt: skip
    if subject is not None:
        check_subject(name, subject)
    of_class, _, of = (subject or "").partition("=")
    if name not in cell.metrics and (name not in cell.per_class or of_class != "class"):
        return told(base, None, absence(cell) or "accuracy was not measured")
    if subject is None:
        reason = cell.reasons.get(name) or absence(cell)
        return _interval(base, cell.metrics[name], cell.intervals.get(name), reason)
    made = _by_class if of_class == "class" else _by_slice
    return made(cell, base, of)


def _by_class(cell: CellView, base: Quantity, of: str) -> Quantity:
    per_class = cell.per_class.get(base.name, {})
    if not per_class:
        hint = f"classes are known by {listed(cell.per_class)}"
        raise UsageError(f"{short(cell.label)} has no {base.name} by class", hint=hint)
    if of not in per_class:
        raise unknown(cell, base.name, f"class={of}", per_class)
    if per_class[of] is None:
        return told(base, None, "the evaluator gives no value for this class")
    return told(base, per_class[of], None, reason="its interval is formed where it is compared")


def _by_slice(cell: CellView, base: Quantity, of: str) -> Quantity:
    slices = {part.name: part for part in cell.slices}
    if of not in slices:
        raise unknown(cell, base.name, f"slice={of}", slices)
    if base.name != cell.primary:
        raise UsageError(
            f"slices are known by {cell.primary} only, not by {base.name}",
            hint=f"write {Named(cell.primary or '', f'slice={of}')}",
        )
    part = slices[of]
    base = base.model_copy(update={"n": part.images})
    return _interval(base, part.interval.value, part.interval, part.interval.reason)


def unknown(cell: CellView, name: str, subject: str, known: Collection[str]) -> UsageError:
    """Return the error for a class, slice or meter that *cell* does not have."""
    what, _, of = subject.partition("=")
    message = f"{short(cell.label)} has no {name} of the {what} {short(of)}"
    return UsageError(message, hint=guess(of, known))


def _interval(
    base: Quantity, value: float | None, found: Interval | None, reason: str | None
) -> Quantity:
    if value is None or found is None:
        why = "this evaluator keeps nothing to resample"
        return told(base, value, reason, reason=why)
    return told(
        base, value, None, low=found.low, high=found.high, level=found.level, se=found.se,
        n=found.images, reason=found.reason,
    )  # fmt: skip
