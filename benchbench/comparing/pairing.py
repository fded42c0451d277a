"""Which cell of one side is set against which of the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.comparing.choosing import KEYS
from benchbench.comparing.sides import Source
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs of cells, and the cells that have no other."""

    pairs: tuple[tuple[CellView, CellView], ...]
    only_a: tuple[CellView, ...] = ()
    only_b: tuple[CellView, ...] = ()


def pair(a: Source, b: Source) -> Pairing:
    """Return the pairs of cells of two sides.

    Whole runs: cells alike in model, runtime, precision, device, batch, dataset, split and task.
    One cell a side: these two. Otherwise cells alike in all that the two selections have in common:
    ``#runtime=openvino`` and ``#runtime=onnxruntime`` pair by all but the runtime.
    """
    if len(a.cells) == len(b.cells) == 1 and not (a.whole and b.whole):
        return Pairing(((a.cells[0], b.cells[0]),))
    keys = KEYS if a.whole and b.whole else _agreed(a.cells, b.cells)
    others: dict[tuple[Any, ...], list[CellView]] = defaultdict(list)
    for cell in b.cells:
        others[_values(cell, keys)].append(cell)
    found = tuple(
        (mine, theirs) for mine in a.cells for theirs in others.get(_values(mine, keys), ())
    )
    paired = {one.id for one, _ in found}, {one.id for _, one in found}
    return Pairing(
        found,
        tuple(cell for cell in a.cells if cell.id not in paired[0]),
        tuple(cell for cell in b.cells if cell.id not in paired[1]),
    )


def _agreed(a: Sequence[CellView], b: Sequence[CellView]) -> tuple[str, ...]:
    """Return the keys of which some value is on both sides."""
    return tuple(
        key
        for key in KEYS
        if {getattr(cell, key) for cell in a} & {getattr(cell, key) for cell in b}
    )


def _values(cell: CellView, keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(getattr(cell, key) for key in keys)
