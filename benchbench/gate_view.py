"""What a gate says, limit by limit: the value that CI outputs and reports are made from."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record
from benchbench.units import Unit

GateOutcome = Literal["pass", "fail", "inconclusive"]
OnInconclusive = Literal["fail", "pass", "retry"]


class LimitView(Record):
    """One limit on one cell."""

    name: str
    """Unique in the gate: the limit as written and the cell's label."""
    text: str
    """The limit as written."""
    file: str | None = None
    line: int | None = None
    """Where it is written."""
    cell: str
    """Id."""
    label: str
    quantity: str
    """With its subject: ``map[class=scratch]``."""
    unit: Unit
    kind: Literal["absolute", "relative"]
    sense: Literal["at least", "at most"]
    """What the figure, or its change, has to be."""
    limit: float
    """In *unit*; of a relative limit, in the terms of *change*."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    against: str | None = None
    """Label of the baseline's cell, with its run where that is another."""
    against_value: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    scale: Literal["difference", "ratio"] | None = None
    """Of a relative limit: whether *change* is value - against or value / against."""
    basis: str = ""
    """What it rests on, in words: ``200 images``, ``10 processes``, ``8 pairs``."""
    p_holds: float | None = None
    """One-sided p-value of "the limit is broken": small where it is shown to hold."""
    p_broken: float | None = None
    """One-sided p-value of "the limit holds": small where it is shown to be broken."""
    p_broken_adjusted: float | None = None
    """After Holm's correction over the limits of the gate."""
    outcome: GateOutcome
    reason: str | None = None
    """Why it is inconclusive, or failed without a figure."""
    hint: str | None = None
    """What would settle it."""
    caveats: tuple[str, ...] = ()
    """Codes of the cell's doubts."""
    retried: bool = False
    """Whether more was measured to settle it."""


class GateView(Record):
    """The verdict over a run."""

    schema_number: int = 1
    run: str
    suite: str
    title: str = ""
    created: str
    baseline: str | None = None
    outcome: GateOutcome
    """``fail`` if a limit is shown to be broken, else ``inconclusive`` if one could not be shown
    to hold, else ``pass``."""
    on_inconclusive: OnInconclusive
    exit_code: int
    alpha: float
    """Chance of failing a gate all of whose limits hold, and, each by itself, of passing one that
    does not."""
    limits: tuple[LimitView, ...]
    admitted: tuple[str, ...] = ()
    """Differing keys that were admitted by name."""
    left: tuple[str, ...] = ()
    """What a retry left undecided, in words."""

    def document(self) -> dict[str, object]:
        """Return the object that ``gate --json`` prints."""
        body = self.model_dump(mode="json")
        return {"schema": body.pop("schema_number"), **body}
