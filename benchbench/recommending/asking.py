"""Requirements and the objective, from what was written to figures of cells and limits on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.errors import UsageError
from benchbench.limits import Absolute, Relative, fits, parse
from benchbench.quantities import Named, Quantity, leading, named
from benchbench.recommend_view import Asked
from benchbench.recommending.drawing import Figure
from benchbench.view import CellView

_LIKE: Mapping[str, str] = {
    "cost.device": "cost.million",
    "cost.energy": "cost.million",
    "cost.owned": "cost.million",
    "devices.price": "cost.million",
    "devices": "speedup",
}
"""Figures that only prices make → one with the same unit, which limits know."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """An absolute limit."""

    text: str
    limit: Absolute

    @property
    def named(self) -> Named:
        """The figure that it is about."""
        return self.limit.figure

    @property
    def sense(self) -> Literal["at least", "at most"]:
        """What the figure has to be."""
        return self.limit.sense

    @property
    def bound(self) -> float:
        """The limit, moved by the least step where equality does not do."""
        if not self.limit.strict:
            return self.limit.value
        up = math.inf if self.sense == "at least" else -math.inf
        return math.nextafter(self.limit.value, up)


@dataclass(frozen=True, slots=True)
class Aim:
    """The objective."""

    text: str
    named: Named
    sense: Literal["minimize", "maximize"]


def read_requirement(text: str) -> Requirement:
    """Return the requirement *text*; raise UsageError for what is none, or is relative."""
    found = leading(text.strip())
    name = " ".join(found[0].name.lower().split()) if found else ""
    made = _priced(text.strip(), name, found[1]) if found and name in _LIKE else parse(text)
    if isinstance(made, Relative):
        raise UsageError(
            f"'{text}' is relative to a baseline; a recommendation takes limits that stand alone",
            hint="write map>=0.35 or latency.p99<=10ms; benchbench gate takes relative ones",
        )
    return Requirement(" ".join(text.split()), made)


def _priced(text: str, name: str, end: int) -> Absolute | Relative:
    like = _LIKE[name]
    try:
        made = parse(like + text[end:])
    except UsageError as error:
        hint = error.hint and error.hint.replace(like, name)
        raise UsageError(error.message.replace(like, name), hint=hint) from None
    return made.model_copy(update={"name": name})


def read_aim(minimize: Sequence[str], maximize: Sequence[str]) -> Aim:
    """Return the one objective; raise UsageError where there is none, or several."""
    given = [*minimize, *maximize]
    if len(given) != 1:
        raise UsageError(
            f"one objective is needed, not {len(given)}",
            hint="put the others into --require, or weigh them as a cost: --minimize cost.owned"
            if given
            else "for example --minimize latency.p50, or --maximize map",
        )
    return Aim(given[0].strip(), named(given[0]), "minimize" if minimize else "maximize")


def _same_currency(one: Requirement, found: Quantity) -> None:
    """Raise UsageError where the limit is in another currency than the prices are."""
    if one.limit.currency and found.currency and one.limit.currency != found.currency:
        raise UsageError(
            f"'{one.text}': the prices are in {found.currency}, the limit is in"
            f" {one.limit.currency}",
            hint=f"write the limit in {found.currency}; nothing here knows exchange rates",
        )


def asked_of(one: Requirement | Aim, cells: Sequence[CellView], row: Sequence[Figure]) -> Asked:
    """Return what is asked, with the unit of the figures in *row*, one a cell.

    Raises :class:`~benchbench.errors.UsageError` where no cell could have the figure, and where the
    limit is in another unit.
    """
    measured = [f for cell, f in zip(cells, row, strict=True) if cell.status == "measured"]
    known = [figure for figure in measured or row if figure.fault is None]
    if not known:
        fault = (measured or row)[0].fault
        assert fault is not None
        raise fault
    found = next((f for f in known if f.draws is not None), known[0]).quantity
    if isinstance(one, Requirement):
        _same_currency(one, found)
        fits(one.limit, found)
    return Asked(
        text=one.text,
        quantity=found.full_name,
        unit=found.unit,
        currency=found.currency,
        sense=one.sense,
        limit=one.limit.value if isinstance(one, Requirement) else None,
    )
