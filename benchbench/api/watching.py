"""Who watches a run, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.types import Cell, Event, Failure, Result, Take, Taken
from benchbench.view import RunView


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    run: str
    view: RunView
    finished: bool
    """False if it was stopped before its last cell."""
    problems: tuple[str, ...] = ()
    """Why intervals or slices of some cells could not be formed."""
    left: tuple[str, ...] = ()
    """What was not measured, taken or decided, in words."""

    @property
    def failed(self) -> int:
        """How many cells failed, or have a take that did; a meter that is not there is none."""
        return sum(cell.status == "failed" or bool(cell.untaken) for cell in self.view.cells)


class Quiet:
    """A watcher that does nothing."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""

    def event(self, cell: Cell, event: Event) -> None:
        """Do nothing."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Do nothing."""

    def taking(self, take: Take, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""

    def taken(self, taken: Taken, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""


def first_failure(view: RunView) -> Failure | None:
    """Return the first failed cell's failure."""
    return next((cell.failure for cell in view.cells if cell.status == "failed"), None)
