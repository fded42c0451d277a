"""What is asked to be claimed: ``<quantity> of <cell> [vs <cell>]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from benchbench.comparing.choosing import KEYS, chosen
from benchbench.errors import UsageError
from benchbench.quantities import Named, knows, named, short
from benchbench.view import CellView, RunView

EXAMPLE = "for example 'map of openvino int8' or 'latency.p50 of openvino int8 vs fp32'"
_LONGEST = 1000
_SPAN = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|\[[^\]]*\]|\s+of\s+', re.IGNORECASE)
_AGAINST = re.compile(r"\s+(?:vs\.?|versus)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure of one cell, or of one against another."""

    named: Named
    cell: CellView
    against: CellView | None = None

    @property
    def text(self) -> str:
        """It as it may be asked for again: labels pick exactly these cells."""
        against = f" vs {self.against.label}" if self.against else ""
        return f"{self.named} of {self.cell.label}{against}"


def read(text: str, view: RunView) -> Wanted:
    """Return what *text* asks of a run; raise UsageError for what it does not know."""
    if len(text) > _LONGEST:
        raise UsageError(f"{short(text)} is too long", hint=EXAMPLE)
    wanted, rest = _split(text)
    parts = _AGAINST.split(rest)
    if len(parts) > 2:
        raise UsageError(f"{short(text)} compares more than two cells", hint=EXAMPLE)
    cell = _one(_knowing(_picked(view, parts[0], text), wanted), parts[0])
    if len(parts) == 1:
        return Wanted(wanted, cell)
    others = [one for one in _picked(view, parts[1], text) if one.id != cell.id]
    if not others:
        raise UsageError(
            f"'{parts[1][:200]}' picks the cell itself", hint="name another cell after 'vs'"
        )
    return Wanted(wanted, cell, _one(_nearest(cell, others), parts[1]))


def _split(text: str) -> tuple[Named, str]:
    """Return the quantity, and what stands after the first ``of`` outside quotes and brackets."""
    for found in _SPAN.finditer(text):
        if found[0][0].isspace():
            return named(text[: found.start()]), text[found.end() :].strip()
    raise UsageError(f"{short(text)} does not say of which cell", hint=EXAMPLE)


def _picked(view: RunView, pattern: str, text: str) -> tuple[CellView, ...]:
    """Return the cells that *pattern* picks: as a side of a comparison, or by words."""
    words = pattern.replace("·", " ").split()
    exact = [cell for cell in view.cells if cell.label == pattern.strip()]
    if exact or "=" in pattern or not words:
        return tuple(exact) or chosen(view, pattern, text)
    found = tuple(cell for cell in view.cells if all(_has(cell, word) for word in words))
    return found or chosen(view, pattern, text)


def _knowing(cells: tuple[CellView, ...], wanted: Named) -> tuple[CellView, ...]:
    """Return those of *cells* that could have the figure; all of them where none could."""
    return tuple(cell for cell in cells if knows(cell, wanted)) or cells


def _has(cell: CellView, word: str) -> bool:
    return any(fnmatchcase(str(value).lower(), word.lower()) for value in _values(cell).values())


def _values(cell: CellView) -> Mapping[str, object]:
    return {key: getattr(cell, key) for key in KEYS}


def _nearest(cell: CellView, others: list[CellView]) -> tuple[CellView, ...]:
    """Return those of *others* that differ from *cell* in the fewest keys."""
    ours = _values(cell)
    apart = [sum(ours[key] != value for key, value in _values(one).items()) for one in others]
    return tuple(one for one, count in zip(others, apart, strict=True) if count == min(apart))


def _one(cells: tuple[CellView, ...], pattern: str) -> CellView:
    if len(cells) == 1:
        return cells[0]
    labels = "; ".join(short(cell.label) for cell in cells[:8])
    raise UsageError(
        f"'{pattern[:200]}' picks {len(cells)} cells: {labels}",
        hint="a claim is of one cell: add words, or write runtime=…,precision=…",
    )
