"""Protocol cards: what all cells share is said once, what differs says where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.folding import folds, kept
from benchbench.reports import damaged
from benchbench.reports.grouping import variant
from benchbench.reports.sureness import method
from benchbench.reports.wording import ABSENT, leaves, short
from benchbench.view import CellView

MOST_UNSET = 80
"""Settings that a card names as not set."""
UNSET = "not set"


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
    unset: tuple[tuple[str, str], ...] = ()
    """Section and key of each setting that other cells have and none of these."""

    @property
    def closing(self) -> str:
        """What is not set, in a sentence, each section named once; empty where all is set."""
        sections: dict[str, list[str]] = {}
        for section, key in self.unset[:MOST_UNSET]:
            sections.setdefault(short(section, 60), []).append(short(key, 80))
        told = "; ".join(
            f"{name} › {', '.join(keys)}" if name else ", ".join(keys)
            for name, keys in sections.items()
        )
        more = len(self.unset) - MOST_UNSET
        rest = f"; and {more:,} more" if more > 0 else ""
        return f"Not set: {told}{rest}." if told else ""


def cards(cells: Sequence[CellView]) -> tuple[Card, ...]:
    """Return a card of what every measured cell shares, then one a model with what is its own.

    What no cell of a card sets is named together at its end.

    Cells that were not measured count only if none was. Folded cells have a line at the cell on
    the images as they are.
    """
    told, single = damaged.protocols(cells), kept(cells)
    scored = {fold.clean.id for fold in folds(cells) if fold.cell.status == "measured"}
    chosen = [cell for cell in single if cell.status == "measured" or cell.id in scored]
    chosen = chosen or list(single)
    sheets = {cell.id: _sheet(cell) | told.get(cell.id, {}) for cell in chosen}
    keys = _by_section(dict.fromkeys(key for sheet in sheets.values() for key in sheet))
    common = [key for key in keys if len(_values(key, chosen, sheets)) == 1]
    shared = _card("Every measured cell", common, chosen, sheets)
    rest = [key for key in keys if key not in common]
    models = dict.fromkeys((cell.model, cell.dataset, cell.task) for cell in chosen)
    several = len({name[1:] for name in models}) > 1
    own = [
        _card(
            " · ".join(name) if several else name[0],
            rest,
            [c for c in chosen if (c.model, c.dataset, c.task) == name],
            sheets,
        )
        for name in models
        if rest
    ]
    return tuple(card for card in (shared, *own) if card.lines or card.unset)


Sheets = dict[str, dict[str, str]]


def _by_section(keys: Iterable[str]) -> list[str]:
    """Return *keys* with those of a section together, sections in the order of their first."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.partition(".")[0], []).append(key)
    return [key for own in found.values() for key in own]


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
        told = sheets[cell.id].get(key, UNSET)
        found.setdefault(UNSET if told == ABSENT else told, []).append(cell)
    return found


def _card(title: str, keys: Sequence[str], cells: Sequence[CellView], sheets: Sheets) -> Card:
    lines: list[Line] = []
    unset: list[tuple[str, str]] = []
    for key in filter(None, keys):
        found = _values(key, cells, sheets)
        head, _, tail = key.partition(".")
        section, name = (head, tail) if tail else ("", head)
        if list(found) == [UNSET]:
            unset.append((section, name))
            continue
        for value, holders in found.items():
            where = tuple(variant(cell) for cell in holders) if len(found) > 1 else ()
            lines.append(Line(section, name, value, where))
    return Card(title, tuple(lines), tuple(unset))
