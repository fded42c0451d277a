"""Folded cells in words: what their severities cost, and what must be told of them besides.

What several severities of one cell have in common is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from benchbench.folding import Fold, folds, kept
from benchbench.reports import evidence, wording
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Broken:
    """Cells without figures for one and the same reason."""

    name: str
    cell: CellView
    """The first of them."""
    first: str
    """Its name."""


def named(found: Sequence[Fold], beside: Iterable[CellView]) -> str:
    """Return the name of the undamaged cell with the corruptions: ``m · r · int8, fog 1–3``."""
    clean = found[0].clean
    where = evidence.where(clean, beside)
    return f"{wording.short(clean.label)}{where}, {corruptions(found)}"


def corruptions(found: Iterable[Fold]) -> str:
    """Return ``fog 1–3, 5; brightness 2, seed 7``."""
    severities: dict[tuple[str, int], list[int]] = {}
    for fold in found:
        severities.setdefault((fold.damage.name, fold.damage.seed), []).append(fold.damage.severity)
    return "; ".join(
        f"{wording.short(name, 60).replace('_', ' ')} {evidence.ranges(at)}"
        + (f", seed {seed}" if seed else "")
        for (name, seed), at in severities.items()
    )


def _gathered(
    found: Iterable[Fold], alike: Callable[[Fold], Hashable]
) -> Iterable[tuple[Fold, ...]]:
    """Yield those of *found* that belong to one cell and are alike; nothing for an empty key."""
    made: dict[tuple[str, Hashable], list[Fold]] = {}
    for fold in found:
        if key := alike(fold):
            made.setdefault((fold.clean.id, key), []).append(fold)
    return (tuple(own) for own in made.values())


def broken(cells: Sequence[CellView]) -> tuple[Broken, ...]:
    """Return every cell without figures; folded ones together where they fail alike."""
    own = kept(cells)
    alone = [cell for cell in own if cell.status != "measured"]
    folded = [fold for fold in folds(cells) if fold.cell.status != "measured"]
    return (
        *(Broken(cell.label, cell, cell.label) for cell in alone),
        *(
            Broken(named(same, own), same[0].cell, named(same[:1], own))
            for same in _gathered(folded, _failing)
        ),
    )


def _failing(fold: Fold) -> Hashable:
    failure = fold.cell.failure
    return fold.cell.status, wording.absence(fold.cell), failure.hint if failure else ""


def caveats(cells: Sequence[CellView]) -> tuple[tuple[str, str], ...]:
    """Return name and caveats of folded cells that have some of their own."""
    own = kept(cells)
    return tuple((named(same, own), _doubts(same[0])) for same in _gathered(folds(cells), _doubts))


def _doubts(fold: Fold) -> str:
    return "; ".join(wording.caveat_line(caveat) for caveat in fold.caveats)


def otherwise(cells: Sequence[CellView]) -> tuple[tuple[str, str], ...]:
    """Return name and evidence of folded cells where something else ran than without damage."""
    own = kept(cells)
    departing = [fold for fold in folds(cells) if fold.departs]
    return tuple((named(same, own), _ran(same[0])) for same in _gathered(departing, _ran))


def _ran(fold: Fold) -> str:
    return f"{evidence.line(fold.cell, threaded=False)} {evidence.signs(fold.cell)}".rstrip()


def protocols(cells: Sequence[CellView]) -> dict[str, dict[str, str]]:
    """Return, by the id of the undamaged cell, how the images of its folded cells were damaged."""
    found: dict[str, list[Fold]] = {}
    for fold in folds(cells):
        found.setdefault(fold.clean.id, []).append(fold)
    return {id_: _card(own) for id_, own in found.items()}


def _card(own: Sequence[Fold]) -> dict[str, str]:
    seeds = dict.fromkeys(str(fold.damage.seed) for fold in own)
    ways = dict.fromkeys(_done(fold.cell) for fold in own)
    told = [corruptions(own), f"seed {', '.join(seeds)}", *(way for way in ways if way)]
    return {"dataset.also damaged by": f"{'; '.join(told)}; accuracy alone"}


def _done(cell: CellView) -> str:
    corruption = cell.protocol.get("corruption")
    return wording.clean(corruption.get("done", "")) if isinstance(corruption, dict) else ""
