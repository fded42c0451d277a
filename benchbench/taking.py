"""Take what a suite asks beside the first passes: everything, or what a budget of time decides.

Under a budget comparisons come first, the one that a forecast settles soonest before the others,
and each ends when it is settled. The cells' first passes were made before; scenarios and processes
take what is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from benchbench import turnbook
from benchbench.errors import MeterError
from benchbench.running import Runner
from benchbench.stats.turns import Pair
from benchbench.takes import Contest, Extras
from benchbench.types import Cell, Take

ROUGH_S = 10.0
"""What a take is thought to last before the first of its kind was made."""


@dataclass(slots=True)
class Taker:
    """Makes takes in order, as far as the budget goes."""

    runner: Runner
    extras: Extras
    _seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """How long a take of a kind lasted last, by cell."""
    _read: dict[str, Pair] = field(default_factory=dict)
    """Pairs by take: what is stored does not change, and is asked for after every pair."""
    _made: int = 0

    def all(self) -> bool:
        """Take what is missing; return False if ctrl-C stopped it before the end."""
        if self.runner.ends is None:
            takes = (*self.extras.scenarios, *self.extras.energies, *self.extras.processes)
            return self._each(takes) and self._contests_in_rounds()
        takes = (*self.extras.processes, *self.extras.energies, *self.extras.scenarios)
        return self._contests_by_need() and self._each(takes)

    @property
    def _total(self) -> int:
        return (
            len(self.extras.scenarios)
            + len(self.extras.processes)
            + len(self.extras.energies)
            + sum(contest.compared.pairs for contest in self.extras.contests)
        )

    def _each(self, takes: Sequence[Take]) -> bool:
        return all(self._one(take) for take in takes)

    def _one(self, take: Take) -> bool:
        """Make one take; return False if ctrl-C stopped."""
        cell = self.extras.cells[take.cell]
        if not self._measured(cell) or self.runner.taken(take) or not self._fits(take):
            self._made += self.runner.taken(take) is not None
            return not self.runner.interrupts.stop
        other = self.extras.contest(take).baseline if take.against else None
        if other and take.elsewhere is None and not self._measured(other):
            return not self.runner.interrupts.stop
        index, total = self._made, max(self._total, self._made + 1)
        self.runner.watcher.taking(take, cell, index, total)
        started = time.monotonic()
        taken = self.runner.take(take, cell, other)
        self._seconds[take.kind, cell.id] = time.monotonic() - started
        self._made += 1
        self.runner.watcher.taken(taken, cell, index, total)
        return not self.runner.interrupts.stop

    def _measured(self, cell: Cell) -> bool:
        result = self.runner.run.result(cell.id)
        return result is not None and result.status == "measured"

    def _fits(self, take: Take) -> bool:
        return self.runner.fits(self._seconds.get((take.kind, take.cell), _rough(take)))

    # --- comparisons ---------------------------------------------------------------------

    def _contests_in_rounds(self) -> bool:
        """Take the pairs of all comparisons round by round; more of those that are open."""
        contests = self.extras.contests
        first = [contest.takes[: contest.compared.pairs] for contest in contests]
        for takes in zip_longest(*first):
            if not self._each([take for take in takes if take and self._open(take)]):
                return False
        for contest in contests:
            for take in contest.takes[contest.compared.pairs :]:
                if self._settled(contest):
                    break
                if not self._one(take):
                    return False
        return True

    def _open(self, take: Take) -> bool:
        """Return whether the comparison that *take* belongs to still wants it."""
        contest = self.extras.contest(take)
        return contest.compared.rule == "two-looks" or not self._settled(contest)

    def _contests_by_need(self) -> bool:
        """Take pairs where a forecast says that a comparison is settled soonest."""
        tried: set[str] = set()
        while todo := [one for one in self.undecided() if one.compared.id not in tried]:
            contest = min(todo, key=self._need)
            take = self._missing(contest)
            assert take is not None
            if not self._one(take):
                return False
            if self._pair(take) is None:
                tried.add(contest.compared.id)  # no time for it, or it fails
        return True

    def undecided(self) -> Iterator[Contest]:
        """Yield the comparisons that more pairs may settle, by the rule that each has."""
        for contest in self.extras.contests:
            if self._missing(contest) and not self._settled(contest):
                yield contest

    def _missing(self, contest: Contest) -> Take | None:
        """Return the first pair of *contest* that is still to be taken."""
        for take in contest.takes:
            if self._pair(take) is None and self.runner.taken(take) is None:
                return take
        return None

    def _settled(self, contest: Contest) -> bool:
        """Return whether more pairs would change nothing of what *contest* is to settle."""
        compared, found, family = contest.compared, True, self._share(contest)
        if "latency" in contest.settles:
            found = turnbook.settled(compared, self._pairs(contest), family)
        if found and "energy" in contest.settles:
            metered = turnbook.energies(self.runner.run, compared)
            found = turnbook.energy_settled(compared, metered, family)
        return found

    def _need(self, contest: Contest) -> float:
        """Return the seconds that a forecast gives the comparison until it is settled."""
        seconds = self._seconds.get(("pair", contest.candidate.id), ROUGH_S)
        needed = turnbook.still_needed(contest.compared, self._pairs(contest), self._share(contest))
        return seconds * needed

    def _pairs(self, contest: Contest) -> list[Pair]:
        found = (self._pair(take) for take in contest.takes)
        return [pair for pair in found if pair is not None]

    def _pair(self, take: Take) -> Pair | None:
        """Return what a pair measured; None if it was not taken, or failed."""
        if take.id not in self._read:
            taken = self.runner.taken(take)
            if taken is None or taken.failure:
                return None
            self._read[take.id] = turnbook.read_pair(self.runner.run, taken)
        return self._read[take.id]

    def _share(self, contest: Contest) -> int:
        """Return among how many verdicts the chance of a wrong one is shared."""
        return max(self._family, contest.questions)

    @property
    def _family(self) -> int:
        return turnbook.questions(contest.compared for contest in self.extras.contests)

    # --- what is left --------------------------------------------------------------------

    def left(self) -> tuple[str, ...]:
        """Return what was not taken or not decided, in words."""
        told = [
            f"{contest.candidate.label} against {contest.baseline.label}: not settled"
            for contest in self.undecided()
        ]
        for kind, takes in (
            ("scenario", self.extras.scenarios),
            ("process", self.extras.processes),
            ("energy", self.extras.energies),
        ):
            missing = sum(not self._told(take) for take in takes)
            if missing:
                told.append(f"{missing} of {len(takes)} takes of the kind '{kind}'")
        return tuple(told)

    def _told(self, take: Take) -> bool:
        """Return whether a take was made, or its reason not to be is known: no meter here."""
        found = self.runner.run.taken(take.id)
        return found is not None and (
            found.failure is None or found.failure.code == MeterError.code
        )


def _rough(take: Take) -> float:
    """Return the seconds that *take* is thought to last before one of its kind was made."""
    asked = take.options
    if take.kind == "energy":
        windows = asked["trials"] * (asked["window_s"] + asked["cooldown_s"])
        return float(windows + 2 * asked["idle_s"])
    return float(asked.get("seconds", ROUGH_S))
