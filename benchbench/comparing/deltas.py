"""How one figure of one cell differs from that of another."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.compare_view import Delta, Family, Scale
from benchbench.comparing.conclusions import concluded
from benchbench.comparing.differing import differing, spoiling
from benchbench.comparing.ends import SAME, Two, points
from benchbench.comparing.joules import metered
from benchbench.comparing.scores import scored
from benchbench.comparing.sides import Source
from benchbench.comparing.times import timed
from benchbench.errors import UsageError
from benchbench.quantities import Named, Quantity, absence, quantity
from benchbench.stats.resampling import LEVEL
from benchbench.view import CellView

_SIZES = ("size", "parameters", "macs")
_RESIDENT = ("memory", "memory.load", "memory.device")
_SAMPLED = ("latency.p50", "latency.p90", "latency.p95", "latency.p99", "latency.mean")
_METERED = ("energy", "energy.net", "energy.images", "energy.average")
SEARCHED = ("server.rate", "cameras")
"""Figures that a search for the highest load brackets."""
_ONE = "one run tells one figure"
_SEARCHES = (
    "each search is of one process, and its errors are not corrected over the levels it tried:"
    " two brackets do not tell how processes differ"
)


def delta(  # noqa: PLR0913 - two sides of two values each, and how they are compared
    a: Source,
    a_cell: CellView,
    b: Source,
    b_cell: CellView,
    wanted: Named,
    *,
    admit: Sequence[str] = (),
    level: float = LEVEL,
    margin: float | None = None,
) -> Delta:
    """Return how a figure of *b_cell* differs from that of *a_cell*, as if it alone were asked.

    *admit*: differing keys, with ``*``, that do not keep it from being compared. *margin*: the
    largest change that counts as none, in the figure's unit for accuracy and as a share for ratios.
    Where it is absent or not comparable, ``change`` is None and ``reason`` says why. Raises
    :class:`~benchbench.errors.UsageError` for a name that neither cell knows.
    """
    two = Two(a, a_cell, b, b_cell)
    ours, theirs = figures(a_cell, b_cell, wanted)
    base = _base(ours, theirs, margin)
    absent = _absent(ours, theirs)
    if absent:
        return base.model_copy(update={"reason": absent})
    keys = spoiling(differing(a, a_cell, b, b_cell), base.family, admit)
    if keys:
        return base.model_copy(update={"reason": f"not comparable: {_listed(keys)}"})
    return concluded([_measured(two, base, level)])[0]


def figures(a: CellView, b: CellView, wanted: Named) -> tuple[Quantity, Quantity]:
    """Return a figure of both cells; one that only one of them knows is absent in the other."""
    found: list[Quantity | None] = []
    faults: list[UsageError] = []
    for cell in (a, b):
        try:
            found.append(quantity(cell, wanted))
        except UsageError as error:
            found.append(None)
            faults.append(error)
    known = next((one for one in found if one is not None), None)
    if known is None:
        reason = absence(a) or absence(b)
        if reason is None:
            raise faults[0]
        known = Quantity(
            name=wanted.name, subject=wanted.subject, unit="", higher_is_better=True,
            basis="images", reason=reason,
        )  # fmt: skip
    ours, theirs = (one or _lacking(known, cell) for one, cell in zip(found, (a, b), strict=True))
    return ours, theirs


def _lacking(known: Quantity, cell: CellView) -> Quantity:
    reason = absence(cell) or f"its evaluator gives no {known.full_name}"
    gone = dict.fromkeys(("value", "low", "high", "level", "se", "n"))
    return known.model_copy(update={**gone, "reason": reason})


def _absent(ours: Quantity, theirs: Quantity) -> str | None:
    told = [
        f"{side} has none: {one.reason}"
        for side, one in (("a", ours), ("b", theirs))
        if one.value is None
    ]
    return "; ".join(told) or None


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - 6} more" if len(keys) > 6 else ""
    return f"{', '.join(keys[:6])}{more} differ{'s' if len(keys) == 1 else ''}"


def family_of(one: Quantity) -> Family:
    """Return the kind of figure, by what spoils its comparison."""
    if one.basis == "images":
        return "accuracy"
    if one.name.startswith("energy"):
        return "energy"
    sized = one.name in _SIZES or one.name in _RESIDENT or one.name.startswith("coverage.")
    return "size" if sized else "latency"


def _base(ours: Quantity, theirs: Quantity, margin: float | None) -> Delta:
    family = family_of(ours)
    scale: Scale = "difference" if family == "accuracy" or ours.unit == "" else "ratio"
    counted = ours.basis == "counted"
    return Delta(
        quantity=ours.name,
        subject=ours.subject,
        family=family,
        unit=ours.unit,
        higher_is_better=ours.higher_is_better,
        a=ours.value,
        b=theirs.value,
        scale=scale,
        design="images" if family == "accuracy" else "counted" if counted else "trend",
        margin=margin,
        outcome="inconclusive",
    )


def _measured(two: Two, base: Delta, level: float) -> Delta:
    if base.family == "accuracy":
        return scored(two, base, level)
    if base.design == "counted":
        return _counted(base)
    if base.quantity in _SAMPLED or base.quantity == "throughput":
        return timed(two, base, level)
    if base.quantity in _METERED:
        return metered(two, base, level)
    if two.same:
        return points(base, reason=SAME)
    why = _SEARCHES if base.quantity in SEARCHED else _ONE
    return points(base, outcome="trend", reason=why)


def _counted(base: Delta) -> Delta:
    if base.a == base.b:
        same = 0.0 if base.scale == "difference" else 1.0
        return base.model_copy(update={"change": same, "basis": "counted"})
    return points(base, basis="counted")
