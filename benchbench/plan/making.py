"""The plan as a value, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchbench.errors import SuiteError
from benchbench.plan.cells import made_cell
from benchbench.plan.given import given_cell
from benchbench.plan.known import Known
from benchbench.plan.matrix import Combination, combinations
from benchbench.store import PlannedCell
from benchbench.suite.load import LoadedSuite
from benchbench.suite.model import GivenEntry
from benchbench.suite.validate import combine
from benchbench.types import DatasetCard, digest


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a suite, in the order in which they run."""

    loaded: LoadedSuite
    cells: tuple[PlannedCell, ...]
    cards: tuple[DatasetCard, ...]
    images: dict[str, int]
    """How many images each cell (by id) is evaluated on."""

    @property
    def digest(self) -> str:
        """Digest of the set of cells."""
        return digest(sorted(planned.cell.id for planned in self.cells))


def make_plan(loaded: LoadedSuite, cache: Path) -> Plan:
    """Expand, check and identify the cells of *loaded*; raise one error that lists all faults."""
    known = Known(loaded, cache)
    cells: dict[str, PlannedCell] = {}
    images: dict[str, int] = {}
    problems: list[SuiteError] = []
    for combination in combinations(loaded):
        try:
            planned, count = _cell(known, combination)
        except SuiteError as error:
            problems += error.problems
        else:
            cells[planned.cell.id], images[planned.cell.id] = planned, count
    if problems:
        raise combine(problems)
    if not cells:
        raise loaded.error("the suite has no cells: every combination is excluded", ("exclude",))
    return Plan(loaded, tuple(cells.values()), _cards(loaded), images)


def _cell(known: Known, at: Combination) -> tuple[PlannedCell, int]:
    """Return the cell of one combination and its number of images, or raise SuiteError."""
    if isinstance(at.model, GivenEntry):
        return given_cell(known, at, at.model)
    return made_cell(known, at, at.model)


def _cards(loaded: LoadedSuite) -> tuple[DatasetCard, ...]:
    return tuple(
        plugin.card().model_copy(update={"name": name}) for name, plugin in loaded.datasets.items()
    )
