"""A figure of a cell, with its unit, its interval and what that interval is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from benchbench.quantities.naming import Named
from benchbench.types import Record
from benchbench.units import Unit
from benchbench.view import CellView

Basis = Literal[
    "images", "processes", "one process", "trials", "probes", "rounds", "one run", "counted"
]
"""What an interval is of: other images (bootstrap), other processes, the queries of one process,
trials of a meter, probes of a search, rounds of processes; or nothing, because one run tells one
figure, or because the figure was counted and cannot be otherwise."""


class Quantity(Record):
    """One figure of one cell."""

    name: str
    subject: str | None = None
    """The class, slice or meter that it is of: ``class=scratch``, ``slice=brightness: dark``."""
    unit: Unit
    higher_is_better: bool
    value: float | None = None
    """In :attr:`unit`."""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    """Confidence of low and high, 0..1."""
    se: float | None = None
    """Standard error, where low and high are value ± z·se."""
    basis: Basis
    n: int | None = None
    """How many images, processes, queries, trials or probes it rests on."""
    currency: str = ""
    """ISO 4217, for the unit ``currency``."""
    reason: str | None = None
    """Why there is no value; or, beside a value, why there is no interval."""

    @property
    def full_name(self) -> str:
        """The name with its subject, as it may be written: ``map[class=scratch]``."""
        return str(Named(self.name, self.subject))


def lower(name: str, unit: Unit, basis: Basis = "one run") -> Quantity:
    """Return a quantity without a value of which less is better."""
    return Quantity(name=name, unit=unit, higher_is_better=False, basis=basis)


def higher(name: str, unit: Unit, basis: Basis = "one run") -> Quantity:
    """Return a quantity without a value of which more is better."""
    return Quantity(name=name, unit=unit, higher_is_better=True, basis=basis)


def told(base: Quantity, value: float | None, why: str | None, /, **more: object) -> Quantity:
    """Return *base* with a value, or with why there is none."""
    if value is None:
        return base.model_copy(update={"reason": why or "it was not measured"})
    if more.get("low") is None and more.get("high") is None:
        more["level"] = None
    return base.model_copy(update={"value": value, **more})


def absence(cell: CellView) -> str | None:
    """Return why nothing was measured of *cell*; None if it was measured."""
    if cell.status == "measured":
        return None
    told = (one.figures.get("reason") for one in cell.caveats if one.code == "compiled_only")
    why = cell.failure.message if cell.failure else next(told, None) or "no reason is given"
    words = {"failed": "the cell failed", "compiled": "built, but nothing here can run it"}
    return f"{words.get(cell.status, 'the cell was not run')}: {why}"


Getter = Callable[[CellView], Quantity]
"""Reads one figure of a cell."""
