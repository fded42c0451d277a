"""What is taken of measured cells beside their first pass, in the order in which it is taken.

Processes and pairs come round by round, shuffled within each round, so that no cell has the quiet
hours of the machine to itself (Kalibera & Jones, Rigorous benchmarking in reasonable time, 2013).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from benchbench.plan import Plan
from benchbench.store import PlannedCell
from benchbench.suite.document import Trail
from benchbench.suite.takes import ComparisonEntry, Processes, Where
from benchbench.types import Cell, Compared, Elsewhere, LookRule, Take, TakeKind, digest

_SCENARIOS: tuple[tuple[str, TakeKind], ...] = (
    ("multi_stream", "multi-stream"),
    ("server", "server"),
    ("offline", "offline"),
    ("cameras", "cameras"),
    ("energy", "energy"),
    ("soak", "soak"),
)
"""Keys of ``measure`` in the order in which they are taken; the one that heats most comes last."""
_KEYS = ("model", "runtime", "precision", "device", "batch", "dataset")


Settles = Literal["latency", "energy"]


@dataclass(frozen=True, slots=True)
class Contest:
    """A comparison of two cells with the pairs that may be taken of it."""

    compared: Compared
    baseline: Cell
    """Of another run where ``compared.elsewhere`` names it."""
    candidate: Cell
    takes: tuple[Take, ...]
    settles: frozenset[Settles] = frozenset({"latency"})
    """What has to be settled before no more pairs are taken."""
    questions: int = 1
    """How many verdicts share the chance of a wrong one where more do than the run's comparisons:
    the limits of a gate."""


@dataclass(frozen=True, slots=True)
class Extras:
    """All that a suite asks beside the first passes."""

    scenarios: tuple[Take, ...]
    processes: tuple[Take, ...]
    contests: tuple[Contest, ...]
    cells: dict[str, Cell]
    """Those of the run."""
    energies: tuple[Take, ...] = ()
    """Energy of cells, round by round; beside what is among the scenarios."""

    def contest(self, take: Take) -> Contest:
        """Return the comparison that a pair belongs to."""
        return next(one for one in self.contests if take.id in one.compared.takes)

    def under(self, compared: Iterable[Compared]) -> Extras:
        """Return this with comparisons decided as *compared* says, which the run may have fixed."""
        kept = {one.id: one for one in compared}
        contests = tuple(
            replace(one, compared=kept.get(one.compared.id, one.compared)) for one in self.contests
        )
        return replace(self, contests=contests)

    @property
    def takes(self) -> tuple[Take, ...]:
        """Every take that may be made."""
        pairs = tuple(take for contest in self.contests for take in contest.takes)
        return (*self.scenarios, *self.processes, *self.energies, *pairs)


def extras(plan: Plan, *, processes: int | None = None, rule: LookRule | None = None) -> Extras:
    """Return what the suite of *plan* asks of its cells.

    *processes* and *rule* go before the suite's own. Raises
    :class:`~benchbench.errors.SuiteError` for a rule that picks nothing.
    """
    timed = [one.cell for one in plan.cells if _timed(one)]
    return Extras(
        scenarios=tuple(_scenarios(plan, timed)),
        processes=tuple(_processes(plan, timed, processes)),
        contests=tuple(_contests(plan, timed, rule)),
        cells={cell.id: cell for cell in timed},
    )


def _timed(planned: PlannedCell) -> bool:
    return planned.not_run is None and planned.cell.spec["measure"]["latency"] is not None


def matches(where: Where, cell: Cell) -> bool:
    """Return whether *where* picks *cell*."""
    if where.batch is not None and cell.batch not in where.batch:
        return False
    return all(
        any(fnmatchcase(str(getattr(cell, key)), pattern) for pattern in getattr(where, key))
        for key in _KEYS
        if key != "batch"
    )


def _picked(plan: Plan, cells: Sequence[Cell], where: Where, trail: Trail) -> list[Cell]:
    found = [cell for cell in cells if matches(where, cell)]
    if not found and cells and where != Where():
        raise plan.loaded.error("this picks no cell that is timed", (*trail, "where"))
    return found


def _options(asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = asked.model_dump(mode="json", exclude={"where"})
    return found


def _scenarios(plan: Plan, cells: Sequence[Cell]) -> Iterator[Take]:
    for key, kind in _SCENARIOS:
        for index, asked in enumerate(getattr(plan.loaded.suite.measure, key)):
            trail = ("measure", key, index)
            for cell in _picked(plan, cells, asked.where, trail):
                yield Take.of(kind, cell.id, _options(asked))


def _processes(plan: Plan, cells: Sequence[Cell], count: int | None) -> Iterator[Take]:
    asked = plan.loaded.suite.measure.processes
    if count is not None:
        asked = (asked or Processes()).model_copy(update={"count": count})
    if asked is None:
        return
    picked = _picked(plan, cells, asked.where, ("measure", "processes"))
    options = {k: v for k, v in _options(asked).items() if k != "count"}
    for number in range(1, asked.count + 1):
        for cell in _shuffled(picked, "processes", number):
            yield Take.of("process", cell.id, options, number=number)


def _shuffled(cells: Sequence[Cell], *seed: Any) -> list[Cell]:
    """Return *cells* in an order that is random, and the same each time."""
    found = sorted(cells, key=lambda cell: cell.id)
    random.Random(digest([*seed])).shuffle(found)  # noqa: S311 - an order, not a secret
    return found


def _contests(plan: Plan, cells: Sequence[Cell], rule: LookRule | None) -> Iterator[Contest]:
    for index, entry in enumerate(plan.loaded.suite.comparisons):
        pairs = list(_pairs(entry, cells))
        if not pairs and cells:
            raise plan.loaded.error(
                "this comparison pairs no cells",
                ("comparisons", index),
                "baseline and candidate must agree in what neither of them names, and be timed",
            )
        for baseline, candidate in pairs:
            yield contest(baseline, candidate, entry, rule)


def contest(
    baseline: Cell,
    candidate: Cell,
    entry: ComparisonEntry,
    rule: LookRule | None = None,
    elsewhere: Elsewhere | None = None,
) -> Contest:
    """Return the comparison of two cells as *entry* asks; they may be one and the same.

    *elsewhere*: the run that *baseline* is of, where that is another.
    """
    how = _how(entry)
    ends = candidate.id, baseline.id
    takes = tuple(
        Take.of("pair", ends[0], how, number=number, against=ends[1], elsewhere=elsewhere)
        for number in range(1, entry.most_pairs + 1)
    )
    apart = [elsewhere.model_dump()] if elsewhere else []
    compared = Compared(
        id=digest([baseline.id, candidate.id, how, *apart])[:16],
        baseline=baseline.id,
        candidate=candidate.id,
        slower=entry.slower,
        pairs=entry.pairs,
        most_pairs=entry.most_pairs,
        rule=rule or entry.rule,
        takes=tuple(take.id for take in takes),
        meter=how["meter"]["kind"] if "meter" in how else None,
        elsewhere=elsewhere,
    )
    return Contest(compared, baseline, candidate, takes)


def _how(entry: ComparisonEntry) -> dict[str, Any]:
    """Return how a pair is taken; without a meter nothing of energy, so that ids stay."""
    kept = {"turns", "queries"}
    if entry.meter is not None:
        kept |= {"meter", "energy_turns", "energy_s"}
    return entry.model_dump(mode="json", include=kept)


def _pairs(entry: ComparisonEntry, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    named = entry.baseline.model_fields_set | entry.candidate.model_fields_set
    same = [key for key in _KEYS if key not in named]
    for candidate in (cell for cell in cells if matches(entry.candidate, cell)):
        for baseline in (cell for cell in cells if matches(entry.baseline, cell)):
            alike = all(getattr(candidate, key) == getattr(baseline, key) for key in same)
            if alike and baseline.id != candidate.id and baseline.task == candidate.task:
                yield baseline, candidate
