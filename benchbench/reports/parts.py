"""Slices and classes of a cell: value, difference from fp32, and which of them are harmed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchbench.folding import kept
from benchbench.reports.evidence import placed
from benchbench.reports.grouping import finite
from benchbench.reports.sureness import bounds
from benchbench.reports.wording import delta, metric_name, plural, short
from benchbench.view import CellView, Comparison, Interval, RunView, SliceView

Kind = Literal["slice", "class"]
MOST_ROWS = 25
"""Slices or classes of one cell in a table; the rest stand in the JSON document."""
MOST_TABLES = 8
"""Cells that have a table of their own; of further ones only the sentence is told."""
MOST_SENTENCES = 40
_MOST_NAMES = 8
PLURALS: Mapping[Kind, str] = {"slice": "slices", "class": "classes"}


@dataclass(frozen=True, slots=True)
class Part:
    """A slice or a class of one cell."""

    name: str
    value: float | None
    interval: Interval | None = None
    reason: str = ""
    """Why the value or its interval is absent."""
    comparison: Comparison | None = None
    slice: SliceView | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """The parts of one cell that a table shows."""

    cell: CellView
    name: str
    """Of the cell, with its dataset where the run has parts on several."""
    kind: Kind
    metric: str
    parts: tuple[Part, ...]
    more: int
    """How many parts the table leaves out."""

    @property
    def compared(self) -> bool:
        """True if any part is compared with fp32."""
        return any(part.comparison for part in self.parts)


@dataclass(frozen=True, slots=True)
class Found:
    """What a report says of the slices, or of the classes, of a run."""

    kind: Kind
    sentences: tuple[str, ...]
    more_sentences: int
    blocks: tuple[Block, ...]
    more_blocks: int


def found(run: RunView, kind: Kind) -> Found | None:
    """Return sentences and tables of *kind*, harmed cells first; None if the run has none."""
    every = sorted(blocks(kept(run.cells), kind), key=lambda block: not harmed(block))
    if not every:
        return None
    told = [text for block in every if (text := sentence(block))]
    shown = tuple(_cut(block) for block in every[:MOST_TABLES])
    return Found(
        kind,
        tuple(told[:MOST_SENTENCES]),
        max(len(told) - MOST_SENTENCES, 0),
        shown,
        max(len(every) - MOST_TABLES, 0),
    )


def blocks(cells: Iterable[CellView], kind: Kind) -> Iterable[Block]:
    """Yield the parts of each of *cells* that has any, all of them."""
    read = {"slice": _slices, "class": _classes}[kind]
    found = [(cell, parts) for cell in cells if (parts := tuple(read(cell)))]
    beside = tuple(cell for cell, _ in found)
    for cell, parts in found:
        metric = next((p.comparison.metric for p in parts if p.comparison), cell.primary)
        name = placed(cell, beside)
        yield Block(cell, name, kind, metric or "", parts, 0)


def _slices(cell: CellView) -> Iterable[Part]:
    for one in cell.slices:
        value = finite(one.interval.value)
        reason = one.interval.reason or ("" if value is not None else "the run gives no reason")
        yield Part(one.name, value, one.interval, reason, one.comparison, one)


def _classes(cell: CellView) -> Iterable[Part]:
    values = cell.per_class.get(_by_class(cell), {})
    for one in cell.class_comparisons:
        value = finite(values.get(one.subject or ""))
        reason = "" if value is not None else "the evaluator gives no value for this class"
        yield Part(one.subject or "", value, None, reason, one)


_BY_CLASS = {"miou": "iou", "top1": "recall"}


def _by_class(cell: CellView) -> str:
    """Return the name of the metric by class whose mean is the primary one."""
    names = [one.metric for one in cell.class_comparisons] + [cell.primary or ""]
    tried = [*names, *(_BY_CLASS.get(name, name) for name in names)]
    return next((name for name in tried if name in cell.per_class), "")


def harmed(block: Block) -> tuple[Part, ...]:
    """Return the parts that are worse than fp32 after correction, the worst first."""
    return tuple(
        _sorted(p for p in block.parts if p.comparison and p.comparison.verdict == "worse")
    )


def _sorted(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: -abs(_difference(part) or 0.0))


def _difference(part: Part) -> float | None:
    return finite(part.comparison.difference) if part.comparison else None


def _cut(block: Block) -> Block:
    """Keep the parts that fit a table: all, or those of the smallest p-value."""
    if len(block.parts) <= MOST_ROWS:
        return block
    kept = sorted(range(len(block.parts)), key=lambda at: _weight(block.parts[at]))[:MOST_ROWS]
    parts = tuple(block.parts[at] for at in sorted(kept))
    return replace(block, parts=parts, more=len(block.parts) - MOST_ROWS)


def _weight(part: Part) -> float:
    p = finite(part.comparison.p) if part.comparison else None
    return math.inf if p is None else p


# --- sentences ---------------------------------------------------------------------------


def sentence(block: Block) -> str:
    """Return which parts are harmed, in words; empty for a cell that is compared with nothing."""
    if not block.compared:
        return ""
    name, all_of = block.name, PLURALS[block.kind]
    decided = [part for part in block.parts if bounds(part.comparison)]
    silent = len(block.parts) - len(decided)
    tail = f" {silent:,} of them cannot be told: no interval." if silent else ""
    if not decided:
        return f"{name}: nothing is shown of its {plural(silent, block.kind, all_of)}: no interval."
    worse = harmed(block)
    better = _sorted(p for p in block.parts if p.comparison and p.comparison.verdict == "better")
    count = plural(len(block.parts), block.kind, all_of)
    if not worse and not better:
        return f"{name}: no difference from fp32 is shown on its {count}.{tail}"
    said = [f"{word} than fp32 on {_listed(some)}" for word, some in
            (("worse", worse), ("better", better)) if some]  # fmt: skip
    family = max(part.comparison.family for part in decided if part.comparison)
    return (
        f"{name} is {' and '.join(said)}, of {count} ({metric_name(block.metric)}, after "
        f"correction over {plural(family, 'comparison')}).{tail}"
    )


def _listed(parts: Sequence[Part]) -> str:
    told = [f"{short(p.name, 40)} ({delta(_difference(p))})" for p in parts[:_MOST_NAMES]]
    more = len(parts) - _MOST_NAMES
    return ", ".join([*told, f"{more:,} more"] if more > 0 else told)
