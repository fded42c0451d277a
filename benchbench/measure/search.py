"""Search for the highest load that keeps a bound: a rate of queries, a number of cameras.

Each level that is tried is met, missed or undecided, by MLPerf's early-stopping bound (see
:mod:`benchbench.stats.intervals`). An undecided one is prolonged, and if it stays so it is walked
around on both sides: what is found is the highest level shown to meet and the lowest shown to miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from benchbench.measure.arrivals import cameras, poisson
from benchbench.measure.clock import Clock, now_ns
from benchbench.measure.load import open_loop
from benchbench.measure.streams import Watch
from benchbench.protocols import Session
from benchbench.stats.intervals import Verdict, least_sample
from benchbench.stats.queries import Deadline, Load, Queries, together, verdict
from benchbench.types import Feed

TOLERANCE = 0.05
"""A gap between two levels narrower than this share is not divided any further."""
_GROW = 1.4
_SHRINK = 2.0
_AMPLE = 1.5
"""The first pass of a level is as much longer than the shortest that could decide."""
_PART = 0.25
"""The most of the time of a search that is spent on one level."""
_BOUNDS = 20
"""The shortest pass, in bounds: overload by a few percent takes as long to reach the bound."""
_BACKLOG = 20
_LEAST_BACKLOG_NS = 1_000_000_000
"""A pass is given up when a query waits for as many bounds, and for at least as long."""


class Question(Protocol):
    """What is asked of each level of load."""

    def least_s(self, level: float) -> float:
        """Return how many seconds a pass at *level* needs at the least to be decided."""

    def run(self, level: float, seconds: float, seed: Sequence[int]) -> Queries:
        """Make a pass at *level*."""

    def verdict(self, passes: Sequence[Queries]) -> Verdict:
        """Judge all passes at one level."""


def backlog_ns(bound_ms: float) -> int:
    """Return how long a query may wait before a pass is given up."""
    return max(int(_BACKLOG * bound_ms * 1e6), _LEAST_BACKLOG_NS)


@dataclass(frozen=True, slots=True)
class Rate:
    """Poisson arrivals at *level* queries a second, *percentile* of them within *bound_ms*."""

    sessions: Sequence[Session]
    feeds: Sequence[Feed]
    bound_ms: float
    percentile: float
    watch: Watch

    @property
    def _allowed(self) -> float:
        return 1 - self.percentile / 100

    def least_s(self, level: float) -> float:
        """Return the seconds until as many queries as are needed if none is over the bound."""
        return max(least_sample(self._allowed) / level, _BOUNDS * self.bound_ms / 1e3)

    def run(self, level: float, seconds: float, seed: Sequence[int]) -> Queries:
        """Make an open-loop pass."""
        times, give_up = poisson(level, seconds, seed), backlog_ns(self.bound_ms)
        return open_loop(self.sessions, self.feeds, times, give_up_ns=give_up, watch=self.watch)

    def verdict(self, passes: Sequence[Queries]) -> Verdict:
        """Judge the share of queries over the bound."""
        return verdict(passes, self.bound_ms * 1e6, self._allowed)


@dataclass(frozen=True, slots=True)
class Fleet:
    """*level* cameras, at most a share of whose frames may miss the deadline."""

    sessions: Sequence[Session]
    feeds: Sequence[Feed]
    asked: Deadline
    watch: Watch

    def least_s(self, level: float) -> float:
        """Return the seconds until as many frames as are needed if none is late."""
        frames = least_sample(self.asked.miss_share)
        return max(frames / (level * self.asked.fps), _BOUNDS * self.asked.deadline_ms / 1e3)

    def run(self, level: float, seconds: float, seed: Sequence[int]) -> Queries:
        """Make an open-loop pass with phases of its own."""
        asked = self.asked
        times, which = cameras(int(level), asked.fps, seconds, seed)
        found = open_loop(
            self.sessions,
            self.feeds,
            times,
            drop_after_ns=int(asked.deadline_ms * 1e6) if asked.drop_late else None,
            give_up_ns=None if asked.drop_late else backlog_ns(asked.deadline_ms),
            watch=self.watch,
        )
        return found.of(which)

    def verdict(self, passes: Sequence[Queries]) -> Verdict:
        """Judge the share of missed deadlines."""
        return verdict(passes, self.asked.deadline_ms * 1e6, self.asked.miss_share)


@dataclass(frozen=True, slots=True)
class Budget:
    """How a search begins and ends."""

    start: float
    """The first level."""
    seconds: float
    seed: int = 0
    whole: bool = False
    """Whether levels are whole numbers, 1 or more."""
    tolerance: float = TOLERANCE


def highest_rate(rate: Rate, capacity_qps: float, seconds: float, seed: int = 0) -> Load:
    """Search the highest rate, from half of *capacity_qps*, for about *seconds*."""
    return search(rate, Budget(capacity_qps / 2, seconds, seed), rate.watch.clock)


def most_cameras(fleet: Fleet, capacity_qps: float, seconds: float, seed: int = 0) -> Load:
    """Search the most cameras, from half of what *capacity_qps* is for, for about *seconds*."""
    start = max(int(capacity_qps / fleet.asked.fps / 2), 1)
    return search(fleet, Budget(start, seconds, seed, whole=True), fleet.watch.clock)


def search(question: Question, budget: Budget, clock: Clock = now_ns) -> Load:
    """Try levels until the gaps are narrow or the time is up; return every pass of each level.

    The first level is tried in any case, if need be with fewer queries than could decide it. Equal
    arguments on an equal clock give equal passes.
    """
    end = clock() + int(budget.seconds * 1e9)
    tried: list[tuple[float, list[Queries]]] = []
    verdicts: dict[float, Verdict] = {}
    level: float | None = budget.start
    while level is not None:
        left, first = (end - clock()) / 1e9, _AMPLE * question.least_s(level)
        if tried and first > left:
            break
        passes = _decide(question, level, min(first, left), budget, len(tried))
        tried.append((level, passes))
        verdicts[level] = question.verdict(passes)
        level = next_level(verdicts, budget)
    return together(tried)


def _decide(
    question: Question, level: float, first: float, budget: Budget, index: int
) -> list[Queries]:
    """Return the passes at *level*: each as long as all before, until decided or time is up."""
    spent, most = first, budget.seconds * _PART
    passes = [question.run(level, spent, (budget.seed, index, 0))]
    while question.verdict(passes) == "undecided" and 2 * spent <= most:
        passes.append(question.run(level, spent, (budget.seed, index, len(passes))))
        spent *= 2
    return passes


def next_level(verdicts: dict[float, Verdict], budget: Budget) -> float | None:
    """Return the level to try next; None where nothing is left to be told apart.

    Down while none was met, up while none was missed; then the wider of the two gaps between what
    was met, what stayed undecided and what was missed is halved, in the logarithm.
    """
    missed = min((level for level, v in verdicts.items() if v == "missed"), default=None)
    below = [level for level in verdicts if missed is None or level < missed]
    met = max((level for level in below if verdicts[level] == "met"), default=None)
    if met is None:
        return _down(min(verdicts), budget)
    if missed is None:
        return _up(max(verdicts), budget)
    unclear = [level for level in below if level > met]
    gaps = [(met, min(unclear)), (max(unclear), missed)] if unclear else [(met, missed)]
    low, high = max(gaps, key=lambda gap: gap[1] / gap[0])
    return _between(low, high, budget)


def _down(lowest: float, budget: Budget) -> float | None:
    if not budget.whole:
        return lowest / _SHRINK
    return None if lowest <= 1 else float(max(int(lowest / _SHRINK), 1))


def _up(highest: float, budget: Budget) -> float:
    return float(max(int(highest * _GROW), int(highest) + 1)) if budget.whole else highest * _GROW


def _between(low: float, high: float, budget: Budget) -> float | None:
    if high <= low * (1 + budget.tolerance):
        return None
    if not budget.whole:
        return sqrt(low * high)
    return None if high - low <= 1 else float(min(max(int(sqrt(low * high)), low + 1), high - 1))
