"""Measure what a gate left undecided: fresh processes, pairs that take turns, more energy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchbench.gating.figures import Unknown
from benchbench.gating.looks import following
from benchbench.gating.rivals import Here, other_version, rival
from benchbench.gating.ways import Ways
from benchbench.measure import environment
from benchbench.running import Runner
from benchbench.store import Manifest, Run
from benchbench.suite.load import LoadedSuite, reload_suite
from benchbench.suite.takes import Processes
from benchbench.taken import energy_takes
from benchbench.takes import Contest, Extras, Settles, contest
from benchbench.taking import Taker
from benchbench.types import Cell, Compared, Elsewhere, Take, Taken, digest

BUDGET_S = 600.0
_ENERGIES, _MOST_ENERGIES = 3, 12
"""Takes of energy of a cell after the first retry, and beyond which more are not taken."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Two cells to let take turns, the candidate of the run."""

    baseline: str
    candidate: str
    margin: float
    """Slowdown that is put up with, a fraction."""
    settles: Settles = "latency"
    elsewhere: Elsewhere | None = None
    """The run that the baseline is of, where that is another."""
    looks: int = 1
    """In how many ways the gate may have asked the same."""
    questions: int = 1
    """The gate's correction in the terms of comparisons: over how many their alpha is shared."""
    meter: str | None = None
    """Kind of the meter that watches pairs with another run's cell, where energy is asked."""


@dataclass(slots=True)
class Wanted:
    """What would settle the limits that are left."""

    processes: dict[str, int] = field(default_factory=dict)
    """Id of a cell → how many fresh processes it has now."""
    turns: list[Turns] = field(default_factory=list)
    energies: set[tuple[str, str]] = field(default_factory=set)
    """Ids of cells, each with the kind of the meter."""

    @property
    def cells(self) -> set[str]:
        """Ids of the run's cells that are measured more."""
        own = (one.baseline for one in self.turns if one.elsewhere is None)
        metered = (name for name, _ in self.energies)
        return {*self.processes, *metered, *own, *(one.candidate for one in self.turns)}

    def __bool__(self) -> bool:
        return bool(self.processes or self.turns or self.energies)


def why_not(run: Run, ids: Iterable[str]) -> str | None:
    """Return why nothing more can be measured of these cells here; None if it can."""
    manifest = run.manifest()
    if environment.collect(Path.cwd())["key"] != manifest.environment_key:
        return "the run was measured on another machine, or under other limits"
    wanted = set(ids)
    cells = (one.cell for one in manifest.cells if one.cell.id in wanted)
    found = (other_version("the run", cell.versions) for cell in cells)
    return next((why for why in found if why), None)


def measure_more(runner: Runner, wanted: Wanted, settings: Sequence[str] = ()) -> tuple[str, ...]:
    """Take what *wanted* asks within the runner's time; return what is left, in words.

    All is stored in the runner's run. Raises :class:`~benchbench.errors.SuiteError` where the run's
    suite cannot be read any more.
    """
    manifest = runner.run.manifest()
    text, file = manifest.suite_text, manifest.suite_file
    loaded = reload_suite(text, file, manifest.settings, settings)
    rivals, lost = _rivals(runner, wanted.turns)
    able = replace(wanted, turns=[one for one in wanted.turns if _able(one, rivals)])
    before = Before(tuple(runner.run.all_taken()), runner.run.asked().compared)
    extras = planned(loaded, manifest, able, rivals, before)
    _ask(runner.run, extras.contests)
    taker = Taker(runner, extras.under(runner.run.asked().compared))
    taker.all()
    return (*lost, *taker.left())


@dataclass(frozen=True, slots=True)
class Before:
    """What the run has of earlier commands."""

    taken: tuple[Taken, ...] = ()
    compared: tuple[Compared, ...] = ()


Rivals = Mapping[tuple[str, Elsewhere], Cell]
"""Cells of other runs, by id and run."""


def _rivals(runner: Runner, turns: Iterable[Turns]) -> tuple[Rivals, list[str]]:
    """Return the cells of other runs that can take turns here, and why the others cannot."""
    here = Here(runner.store, runner.cache, runner.environment)
    asked = dict.fromkeys((one.baseline, one.elsewhere) for one in turns if one.elsewhere)
    able: dict[tuple[str, Elsewhere], Cell] = {}
    lost = []
    for name, elsewhere in asked:
        assert elsewhere is not None
        found = rival(here, name, elsewhere)
        if isinstance(found, Unknown):
            why = f"{found.reason} ({found.hint})" if found.hint else found.reason
            lost.append(f"no pairs with {elsewhere.label} of {elsewhere.run}: {why}")
        else:
            able[name, elsewhere] = found
    return able, lost


def _able(turns: Turns, rivals: Rivals) -> bool:
    return turns.elsewhere is None or (turns.baseline, turns.elsewhere) in rivals


def planned(
    loaded: LoadedSuite,
    manifest: Manifest,
    wanted: Wanted,
    rivals: Rivals,
    before: Before,
) -> Extras:
    """Return the takes that *wanted* asks, with the options of the run's own suite.

    More energy is taken as it was *before*, and pairs go on as they were begun.
    """
    cells = {one.cell.id: one.cell for one in manifest.cells}
    asked = loaded.suite.measure.processes or Processes()
    ways = Ways(loaded.suite.comparisons, before.taken)
    turns = watched(wanted.turns, before.compared)
    return Extras(
        scenarios=(),
        processes=tuple(_processes(asked, wanted.processes)),
        contests=tuple(_contests(ways, cells, rivals, turns)),
        cells=cells,
        energies=tuple(_energies(before.taken, wanted.energies)),
    )


def _energies(taken: Iterable[Taken], wanted: Iterable[tuple[str, str]]) -> Iterator[Take]:
    """Yield takes of energy round by round: three of each cell, or as many again as it has."""
    asked = set(wanted)
    known: dict[tuple[str, str], list[Taken]] = {}
    for cell in sorted({cell for cell, _ in asked}):
        for alike in energy_takes(one for one in taken if one.take.cell == cell):
            key = (cell, str(alike[0].take.options["meter"]["kind"]))
            if key in asked and alike[0].failure is None:
                known.setdefault(key, alike)
    for number in range(2, _MOST_ENERGIES + 1):
        for key in sorted(known, key=lambda name: digest([*name, number])):
            if number <= max(_ENERGIES, 2 * len(known[key])):
                yield Take.of("energy", key[0], known[key][0].take.options, number=number)


def _processes(asked: Processes, counts: Mapping[str, int]) -> Iterator[Take]:
    """Yield fresh processes round by round, up to the next look (:mod:`.looks`)."""
    options = asked.model_dump(mode="json", exclude={"where", "count"})
    ends = {cell: following(count) for cell, count in counts.items()}
    for number in range(1, max(ends.values(), default=0) + 1):
        # Shuffled within each round, and the same each time.
        for cell in sorted(ends, key=lambda name: digest([name, number])):
            if number <= ends[cell]:
                yield Take.of("process", cell, options, number=number)


def watched(turns: Sequence[Turns], compared: Sequence[Compared]) -> Iterator[Turns]:
    """Yield *turns*, those of latency against another run with the meter that watches them too.

    They go on as the first comparison of the two was begun, from whose pairs their latency is read.
    Where there is none yet, they are the pairs that energy is asked of.
    """
    meters = {_ends(one): one.meter for one in reversed(turns) if one.meter}
    begun = {(one.baseline, one.candidate, one.elsewhere): one.meter for one in reversed(compared)}
    for one in turns:
        if one.elsewhere and one.settles == "latency":
            meter = begun[_ends(one)] if _ends(one) in begun else meters.get(_ends(one))
            yield replace(one, meter=meter)
        else:
            yield one


def _ends(turns: Turns) -> tuple[str, str, Elsewhere | None]:
    return turns.baseline, turns.candidate, turns.elsewhere


def _contests(
    ways: Ways, cells: Mapping[str, Cell], rivals: Rivals, turns: Iterable[Turns]
) -> Iterator[Contest]:
    """Yield each comparison once, at its smallest margin; decided after every pair."""
    alike: dict[tuple[str, str, Elsewhere | None, str | None], list[Turns]] = {}
    for one in turns:
        alike.setdefault((*_ends(one), one.meter), []).append(one)
    for (baseline, candidate, elsewhere, meter), asked in alike.items():
        a = rivals[baseline, elsewhere] if elsewhere else cells[baseline]
        b = cells[candidate]
        how = ways.apart(b, meter) if elsewhere else ways.here(a, b)
        margin = min(one.margin for one in asked)
        how = how.model_copy(update={"slower": margin, "rule": "sequence"})
        made = contest(a, b, how, elsewhere=elsewhere)
        compared = made.compared.model_copy(update={"retried": True})
        settles = frozenset(one.settles for one in asked)
        questions = max(one.questions for one in asked)
        yield replace(made, compared=compared, settles=settles, questions=questions)


def _ask(run: Run, contests: Iterable[Contest]) -> None:
    """Add *contests* to those of the run, so that reports show them too.

    What was asked before keeps its place: of two comparisons of the same cells the first is read.
    """
    asked = run.asked()
    known = {one.id: one for one in asked.compared}
    more = {one.compared.id: one.compared for one in contests}
    run.put_asked(asked.model_copy(update={"compared": tuple((known | more).values())}))
