"""Which cell of a run to deploy within given limits, as reports and machines see it."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record
from benchbench.units import Unit

CheckState = Literal["holds", "broken", "not shown"]
"""Of one limit on one cell: in at least 95 % of the draws, in at most 5 %, or neither. A figure
whose spread is not known is taken as it is, and says so; where it is but an end of what it can be,
what lies beyond that end is not shown."""

Bound = Literal["at least", "at most"]


class Asked(Record):
    """A requirement, or the objective."""

    text: str
    """As it was written."""
    quantity: str
    """With its subject: ``map[class=scratch]``."""
    unit: Unit
    currency: str = ""
    sense: Literal["at least", "at most", "minimize", "maximize"]
    limit: float | None = None
    """In *unit*; None for the objective."""


class Shown(Record):
    """A figure of a cell, with the interval that it was drawn from."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    """Confidence of low and high, 0..1."""
    bound: Bound | None = None
    """Where *value* is but an end of what the figure can be: a search met the highest load that it
    tried."""
    basis: str = ""
    """What the interval is of: ``images``, ``processes``, ``trials``, ``probes`` …"""
    reason: str | None = None
    """Why there is no value; or, beside a value, why it has no spread."""


class Check(Record):
    """One requirement on one cell."""

    requirement: str
    """As it was written."""
    figure: Shown
    state: CheckState
    holds: bool
    """Whether it holds at the best estimate; an absent figure never does."""
    p: float | None = None
    """Share of the draws in which it holds; None where the figure is absent, or where only an end
    of it is known and the limit lies beyond."""
    slack: float | None = None
    """How far the figure is within the limit, in its unit; negative beyond it."""
    slack_errors: float | None = None
    """The same in standard errors; None where the figure has no spread."""


class Candidate(Record):
    """One cell."""

    cell: str
    """Id."""
    label: str
    admitted: tuple[str, ...] = ()
    """What ran otherwise than asked."""
    caveats: tuple[str, ...] = ()
    """Codes of its doubts."""
    checks: tuple[Check, ...]
    """One a requirement, in their order."""
    objective: Shown
    feasible: bool
    """Whether it is within all limits at the best estimate."""
    p_feasible: float
    """Share of the draws in which it is within all limits."""
    p_best: float
    """Share of the draws in which it is within them and the best."""
    p_front: float | None = None
    """Share of the draws in which it is on the Pareto front of all quantities asked for; None with
    a reason where a figure is absent, or where only one quantity was asked for."""
    front_reason: str | None = None


class Relaxation(Record):
    """What the next cell costs and brings, if one requirement is relaxed."""

    requirement: str
    limit: float
    """The requirement's own, in its unit."""
    relaxed: float
    """The strictest limit, rounded outward, within which the cell is at the best estimate."""
    surely: float | None = None
    """The same in 95 % of the draws; None where the spread of the figure is not known."""
    cell: str
    label: str
    objective: float
    """Of that cell, in the objective's unit."""
    change: float | None = None
    """Against the recommended cell's; None where none is recommended."""
    scale: Literal["ratio", "difference"]
    """Whether *change* is this / that - 1, or this - that (fractions)."""


class LeftOut(Record):
    """A cell that was not looked at."""

    label: str
    reason: str


class RecommendView(Record):
    """The answer."""

    schema_number: int = 1
    run: str
    suite: str
    title: str = ""
    created: str
    dataset: str
    split: str
    task: str
    requirements: tuple[Asked, ...]
    objective: Asked
    draws: int
    seed: int
    recommended: str | None
    """Id of the cell within the limits at the best estimate that no other such cell beats in most
    draws; where each is beaten by one, the one that is beaten least."""
    between: tuple[str, ...] = ()
    """Ids of the fewest cells that together are the best in *between_share* of the draws in which
    one is, likeliest first; with the last of them all others that are as likely."""
    between_share: float = 0.9
    p_none: float
    """Share of the draws in which no cell is within the limits."""
    candidates: tuple[Candidate, ...]
    """Likeliest first."""
    binding: str | None = None
    """The requirement of the recommended cell with the least slack in standard errors."""
    unconstrained: str | None = None
    """Id of the cell with the best objective at the best estimate, whatever the requirements."""
    excluded_by: tuple[str, ...] = ()
    """Requirements that keep *unconstrained* out at the best estimate."""
    nearest: str | None = None
    """Id of the cell that breaks the fewest requirements, where none is within all."""
    relaxations: tuple[Relaxation, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What was assumed, in sentences."""

    def document(self) -> dict[str, object]:
        """Return the object that ``recommend --json`` prints."""
        body = self.model_dump(mode="json")
        return {"schema": body.pop("schema_number"), **body}
