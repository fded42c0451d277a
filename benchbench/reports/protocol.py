"""Protocol cards: what all cells share is said once, what differs says where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.folding import folds, kept
from benchbench.reports import damaged
from benchbench.reports.grouping import variant
from benchbench.reports.sureness import method
from benchbench.reports.wording import leaves
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Line:
    """One setting; ``cells`` names where it holds, or is empty if it holds for the whole card."""

    section: str
    key: str
    value: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """The settings of some cells."""

    title: str
    lines: tuple[Line, ...]


def cards(cells: Sequence[CellView]) -> tuple[Card, ...]:
    """Return a card of what every measured cell shares, then one a model with what is its own.

    Cells that were not measured count only if none was. Folded cells have a line at the cell on
    the images as they are.
    """
    told, single = damaged.protocols(cells), kept(cells)
    scored = {fold.clean.id for fold in folds(cells) if fold.cell.status == "measured"}
    chosen = [cell for cell in single if cell.status == "measured" or cell.id in scored]
    chosen = chosen or list(single)
    sheets = {cell.id: _sheet(cell) | told.get(cell.id, {}) for cell in chosen}
    keys = list(dict.fromkeys(key for sheet in sheets.values() for key in sheet))
    common = [key for key in keys if len(_values(key, chosen, sheets)) == 1]
    shared = Card("Every measured cell", _lines(common, chosen, sheets))
    rest = [key for key in keys if key not in common]
    models = dict.fromkeys((cell.model, cell.dataset, cell.task) for cell in chosen)
    several = len({name[1:] for name in models}) > 1
    own = [
        Card(
            " · ".join(name) if several else name[0],
            _lines(rest, [c for c in chosen if (c.model, c.dataset, c.task) == name], sheets),
        )
        for name in models
        if rest
    ]
    return tuple(card for card in (shared, *own) if card.lines)


Sheets = dict[str, dict[str, str]]


def _sheet(cell: CellView) -> dict[str, str]:
    scoring = {"evaluator": cell.evaluator, **cell.convention} if cell.evaluator else {}
    sure = method(cell)
    told = {"scoring": scoring} if scoring else {}
    return dict(leaves(dict(cell.protocol))) | dict(
        leaves(told | ({"confidence": sure} if sure else {}))
    )


def _values(key: str, cells: Sequence[CellView], sheets: Sheets) -> dict[str, list[CellView]]:
    found: dict[str, list[CellView]] = {}
    for cell in cells:
        found.setdefault(sheets[cell.id].get(key, "not set"), []).append(cell)
    return found


def _lines(keys: Sequence[str], cells: Sequence[CellView], sheets: Sheets) -> tuple[Line, ...]:
    made = []
    for key in keys:
        found = _values(key, cells, sheets)
        section, _, name = key.partition(".")
        for value, holders in found.items():
            where = tuple(variant(cell) for cell in holders) if len(found) > 1 else ()
            made.append(Line(section if name else "", name or section, value, where))
    return tuple(line for line in made if line.key)
