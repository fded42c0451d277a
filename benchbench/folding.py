"""Cells on damaged images, and the cells on the same images as they are.

A cell that was scored but not timed on damaged images, and whose undamaged counterpart is in the
run, is *folded*: reports show it where accuracy is drawn against severity and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.types import Caveat
from benchbench.view import CellView

SEVERITIES = range(6)
"""0: the images as they are."""


@dataclass(frozen=True, slots=True)
class Damage:
    """How the images of a cell were damaged; *severity* 0 for not at all."""

    name: str
    severity: int
    seed: int

    @property
    def title(self) -> str:
        """Name of the corruption in words; the seed where it is not 0."""
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.name.replace('_', ' ')}{seed}"


@dataclass(frozen=True, slots=True)
class Series:
    """One corruption of one dataset, at all its severities."""

    damage: Damage
    """With severity 0."""
    metric: str
    """The primary metric of most of its cells."""
    cells: tuple[CellView, ...]
    lines: tuple[Mapping[int, CellView], ...]
    """Severity → cell; the cells of one line differ in nothing else."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A cell on damaged images beside the cell on the same images as they are."""

    cell: CellView
    clean: CellView
    damage: Damage

    @property
    def change(self) -> float | None:
        """Accuracy on the damaged images minus that on the images as they are, or None."""
        if self.cell.primary is None or self.cell.primary != self.clean.primary:
            return None
        there, here = _accuracy(self.cell), _accuracy(self.clean)
        return None if there is None or here is None else there - here

    @property
    def fall(self) -> float | None:
        """How much worse the accuracy is, whichever way the metric points."""
        if (change := self.change) is None:
            return None
        return change if self.cell.primary in self.cell.lower_is_better else -change

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """Caveats that the cell on the images as they are does not have."""
        return tuple(caveat for caveat in self.cell.caveats if caveat not in self.clean.caveats)

    @property
    def departs(self) -> bool:
        """True if something else ran than on the images as they are."""
        return self.cell.status == "measured" and _ran(self.cell) != _ran(self.clean)


def _accuracy(cell: CellView) -> float | None:
    value = cell.metrics.get(cell.primary or "")
    return value if value is not None and math.isfinite(value) else None


def _ran(cell: CellView) -> tuple[object, ...]:
    place = cell.placement
    if place is None:
        return ()
    return place.precision, place.provider, place.device, place.evidence, cell.admitted


def damage(cell: CellView) -> Damage | None:
    """Return how the protocol says that the images were damaged.

    Severity 0 if it names no corruption; None if it names one that cannot be read.
    """
    told = _under(cell.protocol, "corruption")
    if told is None:
        return Damage("", 0, 0)
    name, severity, seed = (_under(told, key) for key in ("name", "severity", "seed"))
    if not isinstance(name, str) or severity not in SEVERITIES or not isinstance(seed, int):
        return None
    return Damage(name, severity, seed)


def _under(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


Base = tuple[str, ...]


def _base(cell: CellView) -> Base | None:
    """Return what cells share whose images were the same before; None if it is not recorded."""
    card = _under(cell.protocol, "dataset")
    contents = _under(card, "content_sha256")
    if contents is None:
        return None
    return str(contents), str(_under(card, "images")), cell.split, cell.task


def _identity(cell: CellView) -> Base:
    return cell.model, cell.runtime, cell.precision, cell.device, str(cell.batch)


def series(cells: Iterable[CellView]) -> tuple[Series, ...]:
    """Return a series a corruption, in order of appearance; empty without corrupted datasets."""
    bases: dict[Base, list[tuple[Damage, CellView]]] = {}
    for cell in cells:
        base, done = _base(cell), damage(cell)
        if base is not None and done is not None:
            bases.setdefault(base, []).append((done, cell))
    return tuple(one for found in bases.values() for one in _series(found))


def _series(found: Sequence[tuple[Damage, CellView]]) -> Iterable[Series]:
    clean = [cell for done, cell in found if done.severity == 0]
    for name, seed in dict.fromkeys((done.name, done.seed) for done, _ in found if done.severity):
        own = [(d.severity, c) for d, c in found if d.severity and (d.name, d.seed) == (name, seed)]
        cells = [*((0, cell) for cell in clean), *own]
        seats = dict.fromkeys(_identity(cell) for _, cell in own)
        yield Series(
            Damage(name, 0, seed),
            _metric([cell for _, cell in cells]),
            tuple(cell for _, cell in cells),
            tuple(_line(seat, cells) for seat in seats),
        )


def _metric(cells: Sequence[CellView]) -> str:
    names = [cell.primary for cell in cells if cell.primary]
    return max(sorted(set(names)), key=names.count, default="")


def _line(seat: Base, cells: Sequence[tuple[int, CellView]]) -> Mapping[int, CellView]:
    own: dict[int, CellView] = {}
    for severity, cell in cells:
        if _identity(cell) == seat:
            own.setdefault(severity, cell)
    return own


def pairs(cells: Iterable[CellView]) -> tuple[Fold, ...]:
    """Return every damaged cell whose undamaged one is among *cells*, folded or not."""
    return tuple(fold for one in series(cells) for fold in _paired(one))


def folds(cells: Iterable[CellView]) -> tuple[Fold, ...]:
    """Return the folded ones of *cells*, corruption by corruption, severities in order."""
    return tuple(
        fold
        for one in series(cells)
        for fold in _paired(one)
        if not _timed(fold.cell) and _stands(fold.cell, one.metric)
    )


def _paired(found: Series) -> Iterable[Fold]:
    for line in found.lines:
        if (clean := line.get(0)) is None:
            continue
        for severity in sorted(set(line) - {0}):
            done = Damage(found.damage.name, severity, found.damage.seed)
            yield Fold(line[severity], clean, done)


def _timed(cell: CellView) -> bool:
    return cell.latency is not None or bool(_under(cell.protocol, "latency"))


def _stands(cell: CellView, metric: str) -> bool:
    """Return True if the series tells all that matters: the value, or why there is none."""
    return cell.status != "measured" or cell.primary == metric


def kept(cells: Iterable[CellView]) -> tuple[CellView, ...]:
    """Return *cells* without the folded ones."""
    every = tuple(cells)
    gone = {fold.cell.id for fold in folds(every)}
    return tuple(cell for cell in every if cell.id not in gone)


def undamaged(cells: Iterable[CellView]) -> tuple[CellView, ...]:
    """Return those of *cells* whose images are as they are; all that are kept if none are."""
    own = kept(cells)
    clean = tuple(cell for cell in own if (done := damage(cell)) and done.severity == 0)
    return clean or own
