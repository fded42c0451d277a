"""One figure over the runs of a store, as the terminal, the page and machines see it."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record, Status
from benchbench.units import Unit


class Different(Record):
    """Something that differs between neighbouring runs."""

    key: str
    """Dotted: ``environment.cpu.model``, ``versions.onnxruntime``."""
    before: str
    after: str


class Point(Record):
    """The figure of one cell in one run."""

    run: str
    also: tuple[str, ...] = ()
    """Runs that took this measurement over."""
    measured: str
    """When, in UTC, ISO 8601."""
    commit: str | None = None
    """Git commit of the folder that the run was started in."""
    dirty: bool = False
    """Whether that folder had changes that were not committed."""
    environment: str
    """Key of the environment, see docs/measuring.md."""
    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    basis: str
    """What low and high are of: ``images``, ``processes`` …, see docs/quantities.md."""
    n: int | None = None
    reason: str | None = None
    """Why there is no value; or, beside a value, why there is no interval."""
    caveats: tuple[str, ...] = ()
    """Codes of the cell's doubts."""
    baselines: tuple[str, ...] = ()
    """Names of the stored baselines that this run is."""


class Part(Record):
    """Consecutive points that may be compared."""

    begin: int
    end: int
    """Points begin … end - 1 of the series."""
    broken_by: tuple[Different, ...] = ()
    """What sets it apart from the part before; empty for the first."""
    tested: bool
    reason: str | None = None
    """Why no change was searched for."""
    least: float | None = None
    """The smallest change in the middle of it that would be found half the time at its noise."""
    least_scale: Literal["difference", "ratio"] | None = None


class ChangePoint(Record):
    """A change from one level to another."""

    at: int
    """Index of the first point of the new level."""
    first: int
    last: int
    """Least and largest index that it may be at, as far as the figures tell."""
    before_run: str
    run: str
    before_commit: str | None = None
    """Last commit that was measured before the earliest place where the change may be."""
    commit: str | None = None
    """First commit that was measured when it had surely come."""
    scale: Literal["difference", "ratio"]
    change: float
    """New level minus old, or over old."""
    low: float | None = None
    high: float | None = None
    """Interval of *change*; None for a counted figure."""
    level: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    """After the correction over all parts of the history."""
    outcome: Literal["better", "worse"]
    differing: tuple[Different, ...] = ()
    """What is known to differ between the last point before and the first one after."""


class SeriesView(Record):
    """One cell over the runs, oldest first."""

    label: str
    model: str
    runtime: str
    precision: str
    device: str
    batch: int
    dataset: str
    split: str
    task: str
    quantity: str
    """With its subject: ``map[class=scratch]``."""
    unit: Unit
    currency: str = ""
    higher_is_better: bool
    points: tuple[Point, ...]
    parts: tuple[Part, ...]
    changes: tuple[ChangePoint, ...]


class HistoryView(Record):
    """The history of one figure."""

    schema_number: int = 1
    suite: str
    quantity: str
    runs: int
    """How many runs were read."""
    unread: tuple[str, ...] = ()
    """Runs that could not be read, with the reason."""
    tested: int
    """How many parts changes were searched for in; the correction is over them."""
    alpha: float
    """Chance of any false change among them."""
    level: float
    """Of the intervals of changes."""
    series: tuple[SeriesView, ...]

    def document(self) -> dict[str, object]:
        """Return the object that ``history --json`` prints."""
        body = self.model_dump(mode="json")
        return {"schema": body.pop("schema_number"), **body}
