"""Cells set against each other, as reports and machines see it."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record
from benchbench.units import Unit

Scale = Literal["difference", "ratio"]
Design = Literal["images", "turns", "rounds", "canary", "trials", "counted", "trend"]
"""How a change was measured: the same images drawn together; two processes that took turns; rounds
of fresh processes in one job; fresh processes of two jobs, each set against its own canary; trials
of a meter in one job; counted figures; or figures of two jobs that nothing ties together."""
Outcome = Literal["better", "worse", "equivalent", "inconclusive", "trend"]
"""What is said of *b*. ``trend``: it moved, but between two jobs, so that nothing is concluded."""
Family = Literal["accuracy", "latency", "energy", "size"]
"""Kinds of figures: what spoils the comparison of one may leave another alone."""


class Differing(Record):
    """Something that differs between two cells and spoils a comparison."""

    key: str
    """Dotted: ``environment.cpu.model``, ``protocol.decoder.nms_iou``."""
    a: str
    b: str
    spoils: tuple[Family, ...]


class Delta(Record):
    """How one figure of *b* differs from that of *a*."""

    quantity: str
    subject: str | None = None
    """The class or slice, as in ``class=scratch``."""
    family: Family
    unit: Unit
    higher_is_better: bool
    a: float | None
    b: float | None
    scale: Scale
    """Accuracy: b - a; times, energy and sizes: b / a."""
    change: float | None = None
    low: float | None = None
    high: float | None = None
    """Interval of *change* alone, not corrected."""
    level: float | None = None
    se: float | None = None
    """Standard error of *change*, of its natural logarithm where *scale* is ``ratio``."""
    df: float | None = None
    """Degrees of freedom of Student's t that the interval is from; None where it is normal."""
    looks: int = 1
    """How often the data were looked at before it ended; tests share their level over them."""
    p: float | None = None
    """Two-sided, of no change."""
    p_adjusted: float | None = None
    """After Holm's correction over *asked*; the outcome rests on it."""
    asked: int = 1
    """How many changes with a p-value were asked together."""
    design: Design
    basis: str = ""
    """In words: ``1000 draws of 200 images``, ``8 pairs``."""
    margin: float | None = None
    """Largest change for the worse that counts as none, where one was given."""
    outcome: Outcome
    reason: str | None = None
    """Why there is no change, no interval or no conclusion."""


class Side(Record):
    """One side of a comparison."""

    text: str
    """As it was asked for."""
    run: str
    """Id of the run, or name of the baseline."""
    title: str = ""
    created: str = ""
    commit: str | None = None
    """Git commit of the folder that it was measured in."""
    baseline: str | None = None
    """Name of the stored baseline, where it is one."""


class Ends(Record):
    """One cell on each side, and how *b* differs from *a*."""

    a: str
    """Id of the cell."""
    b: str
    a_label: str
    b_label: str
    differing: tuple[Differing, ...] = ()
    admitted: tuple[str, ...] = ()
    """Keys that differ and were admitted by name."""
    deltas: tuple[Delta, ...] = ()
    canary: float | None = None
    """How many times as long the canary took on side *b*: the machine's own change."""


class CompareView(Record):
    """Two sides, cell by cell."""

    schema_number: int = 1
    a: Side
    b: Side
    pairs: tuple[Ends, ...]
    only_a: tuple[str, ...] = ()
    """Labels of cells that the other side lacks."""
    only_b: tuple[str, ...] = ()
    level: float = 0.95
    same_job: bool
    """Whether both sides are one run."""

    def document(self) -> dict[str, object]:
        """Return the object that ``compare --json`` prints."""
        body = self.model_dump(mode="json")
        return {"schema": body.pop("schema_number"), **body}
