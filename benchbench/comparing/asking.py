"""A whole comparison: every pair of cells, every figure that was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from benchbench.compare_view import CompareView, Delta, Differing, Ends
from benchbench.comparing.conclusions import concluded, nothing_to_compare
from benchbench.comparing.deltas import delta, figures
from benchbench.comparing.differing import admitted, differing
from benchbench.comparing.ends import Two
from benchbench.comparing.pairing import Pairing, pair
from benchbench.comparing.sides import Source, same_job
from benchbench.comparing.times import canary_change
from benchbench.errors import UsageError
from benchbench.quantities import Named, named, quantity
from benchbench.stats.resampling import LEVEL
from benchbench.types import Record
from benchbench.view import CellView

USUAL = ("latency.p50", "latency.p99", "throughput", "energy", "memory", "size")
"""What is compared, after the primary metric, where nothing is named."""
_BOTH = ("latency.p99",)
"""Of these, what is left out where one side has none."""
_SHOWN = 8


class Asked(Record):
    """What is asked of two sides."""

    quantities: tuple[str, ...] = ()
    """Names of figures; none: the usual ones that were measured."""
    by_class: bool = False
    """Accuracy class by class beside."""
    by_slice: bool = False
    """The primary metric slice by slice beside."""
    level: float = Field(default=LEVEL, gt=0.5, lt=1)
    margin_points: float | None = Field(default=None, gt=0)
    """Largest difference of accuracy that counts as none, as a fraction of 1."""
    margin_share: float | None = Field(default=None, gt=0)
    """Largest change of ratios that counts as none: 0.03 is 3 %."""
    admit: tuple[str, ...] = ()
    """Differing keys, with ``*``, that do not keep figures from being compared."""


def compare(a: Source, b: Source, asked: Asked | None = None) -> CompareView:
    """Return how *b* differs from *a*, pair by pair.

    Raises :class:`~benchbench.errors.UsageError` where no cells pair, where nothing of the pairs
    can be compared (the differing keys are named), and for a figure that no cell has.
    """
    asked = asked or Asked()
    pairing = pair(a, b)
    _check_paired(a, b, pairing)
    wanted = _names(asked, [cell for two in pairing.pairs for cell in two])
    found = [_ends(Two(a, mine, b, theirs), wanted, asked) for mine, theirs in pairing.pairs]
    _check_comparable(found)
    return CompareView(
        a=a.side,
        b=b.side,
        pairs=_together(found),
        only_a=tuple(cell.label for cell in pairing.only_a),
        only_b=tuple(cell.label for cell in pairing.only_b),
        level=asked.level,
        same_job=same_job(a, b),
    )


def _names(asked: Asked, cells: Sequence[CellView]) -> tuple[Named, ...] | None:
    """Return the figures asked by name, each known to some cell; None for the usual ones."""
    if not asked.quantities:
        return None
    wanted = tuple(named(text) for text in asked.quantities)
    for one in wanted:
        faults = [fault for cell in cells if (fault := _fault(one, cell))]
        if len(faults) == len(cells):
            raise faults[0]
    return wanted


def _fault(one: Named, cell: CellView) -> UsageError | None:
    try:
        quantity(cell, one)
    except UsageError as error:
        return error
    return None


def _ends(two: Two, wanted: tuple[Named, ...] | None, asked: Asked) -> Ends:
    apart = differing(two.a, two.a_cell, two.b, two.b_cell)
    names = [*(_usual(two) if wanted is None else wanted), *_parts(two, asked)]
    return Ends(
        a=two.a_cell.id,
        b=two.b_cell.id,
        a_label=two.a_cell.label,
        b_label=two.b_cell.label,
        differing=apart,
        admitted=tuple(one.key for one in apart if one.spoils and admitted(one.key, asked.admit)),
        deltas=tuple(_delta(two, one, asked) for one in dict.fromkeys(names)),
        canary=canary_change(two),
    )


def _delta(two: Two, wanted: Named, asked: Asked) -> Delta:
    ours, _ = figures(two.a_cell, two.b_cell, wanted)
    return delta(
        two.a,
        two.a_cell,
        two.b,
        two.b_cell,
        wanted,
        admit=asked.admit,
        level=asked.level,
        margin=asked.margin_points if ours.unit == "" else asked.margin_share,
    )


def _usual(two: Two) -> Iterator[Named]:
    cells = (two.a_cell, two.b_cell)
    primary = next((cell.primary for cell in cells if cell.primary), None)
    if primary:
        yield Named(primary)
    for name in USUAL:
        there = [quantity(cell, Named(name)).value is not None for cell in cells]
        if all(there) or (any(there) and name not in _BOTH):
            yield Named(name)


def _parts(two: Two, asked: Asked) -> Iterator[Named]:
    """Yield the classes and slices that both cells have."""
    a, b = two.a_cell, two.b_cell
    if asked.by_class:
        name = _class_metric(a, b)
        others = b.per_class.get(name, {})
        yield from (
            Named(name, f"class={one}") for one in a.per_class.get(name, {}) if one in others
        )
    if asked.by_slice and a.primary and a.primary == b.primary:
        both = {part.name for part in b.slices}
        yield from (Named(a.primary, f"slice={one.name}") for one in a.slices if one.name in both)


def _class_metric(a: CellView, b: CellView) -> str:
    """Return the metric that both cells have by class: the primary one, or else the first."""
    common = [name for name in a.per_class if name in b.per_class]
    return str(a.primary) if a.primary in common else next(iter(common), "")


def _together(found: Sequence[Ends]) -> tuple[Ends, ...]:
    """Return the pairs with all their changes corrected together."""
    every = iter(concluded(one for ends in found for one in ends.deltas))
    return tuple(
        ends.model_copy(update={"deltas": tuple(next(every) for _ in ends.deltas)})
        for ends in found
    )


# --- what is refused ---------------------------------------------------------------------


def _check_paired(a: Source, b: Source, pairing: Pairing) -> None:
    if pairing.pairs:
        return
    sides = "; ".join(
        f"{source.side.text[:80]}: {_listed([cell.label for cell in source.cells])}"
        for source in (a, b)
    )
    raise UsageError(
        f"no cells of the two sides pair ({sides})",
        hint="pick the cells of each side: RUN#runtime=openvino,precision=int8",
    )


def _check_comparable(found: Sequence[Ends]) -> None:
    """Raise UsageError where nothing but sizes could be compared, and keys are why."""
    spoilt: list[Differing] = [one for ends in found for one in ends.differing if one.spoils]
    refused = [
        one
        for ends in found
        for one in ends.deltas
        if one.change is None and (one.reason or "").startswith("not comparable")
    ]
    if not refused or not nothing_to_compare([one for ends in found for one in ends.deltas]):
        return
    told = {one.key: f"{one.key} ({one.a} and {one.b})" for one in spoilt}
    raise UsageError(
        f"nothing is comparable; these differ: {_listed(list(told.values()))}",
        hint=f"to compare all the same, admit them by name: --admit '{next(iter(told))}'",
    )


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return f"{', '.join(labels[:_SHOWN])}{more}" if labels else "no cell"
