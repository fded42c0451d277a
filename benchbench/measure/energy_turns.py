"""The energy of two workers that take turns: one works while the counter is read, one sleeps.

The rules are those of docs/energy.md. What is kept is raw: :mod:`benchbench.stats.energy_turns`
forms the figures. Waiting and the clock are injected.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import sleep as wait
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MeterError
from benchbench.measure.clock import Clock, now_ns
from benchbench.measure.energy import STRETCH
from benchbench.measure.sampler import Readings
from benchbench.measure.ticks import Ticks
from benchbench.protocols import MeterReader
from benchbench.types import Record

Columns = dict[str, NDArray[Any]]
LEAST_UPDATES = 50
"""A turn holds at least so many updates of the counter, or samples of the power …"""
LEAST_STEPS = 100
"""… and at least so many of the counter's steps in joules."""
LEAD_S = 0.25
"""Work before the counter is read: what a counter shows late is then of the same side."""
SAMPLE_S = 0.05
"""Between two samples of the power, of a meter that does not count."""
_OWN = ("other_processes", "processes_unknown")
"""Doubts that mean the two workers here: the one that reads is not the one that computes."""


class Worked(Record):
    """How far a worker got, by the clock that all processes of the machine share."""

    at_ns: tuple[int, ...]
    """From the start of the first query to the end of the last one."""
    done: tuple[int, ...]
    """Queries that were finished at each of these times."""


class Worker(Protocol):
    """One of the two."""

    images: int
    """Of a query."""

    def begin(self) -> None:
        """Let it work without a pause; returns when its first query is done."""

    def end(self) -> Worked:
        """Let it finish its query and sleep."""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """How energy is measured; the same names as in the suite."""

    energy_turns: int = 5
    """Turns of each side."""
    energy_s: float = 2.0
    """Least length of a turn in seconds; longer where the meter's resolution needs it."""
    seed: int = 0
    """Of the order in which the sides go."""


def measure(
    reader: MeterReader,
    workers: tuple[Worker, Worker],
    plan: TurnPlan,
    stop: Callable[[], Readings],
    *,
    clock: Clock = now_ns,
    sleep: Callable[[float], None] = wait,
) -> Columns:
    """Let baseline and candidate work in turns, in random order, and read what is drawn.

    A turn's window begins and ends on ticks of the counter while its worker goes on. *stop* ends
    the sampler of a meter that does not count, and returns what it saw. Never raises
    :class:`~benchbench.errors.MeterError`: the columns hold the turns that both sides had until
    then, and ``about`` the reason; what a worker raises goes through.

    Columns, baseline first (times in ns of *clock*): ``about`` (one text, JSON: scope, identity,
    doubts, plan, window, reason); ``tick.seen_ns``, when the counter was seen to change; ``first``
    (E,), who began; ``start_ns``, ``end_ns``, ``images`` and ``joules`` (2, E). ``images``
    are those finished within the window, with the share of one that its ends cut. ``joules`` are
    absent for a meter without a counter, which has ``sample.*`` instead.
    """
    procedure = _Procedure(reader, workers, plan, Ticks(reader, clock, sleep), clock, sleep)
    reason = None
    try:
        procedure.carry_out()
    except MeterError as error:
        reason = error.message
    return procedure.columns(stop(), reason)


def untold(plan: TurnPlan, reason: str) -> Columns:
    """Return the columns of a meter that could not even be opened."""
    about = {"scope": None, "counts": True, "identity": {}, "plan": asdict(plan), "reason": reason}
    return _columns(about, [], [])


@dataclass(frozen=True, slots=True)
class _Turn:
    start_ns: int
    end_ns: int
    joules: float
    images: float


@dataclass(slots=True)
class _Procedure:
    """The steps, and what they gave so far."""

    reader: MeterReader
    workers: tuple[Worker, Worker]
    plan: TurnPlan
    ticks: Ticks
    clock: Clock
    sleep: Callable[[float], None]
    window_s: float = 0.0
    first: list[int] = field(default_factory=list)
    turns: list[tuple[_Turn, _Turn]] = field(default_factory=list)

    def carry_out(self) -> None:
        """Measure; raises MeterError with all that was measured until then kept."""
        self.window_s = self._window_s()
        order = random.Random(self.plan.seed)  # noqa: S311 - an order, not a secret
        margin_s = 0.0 if self.reader.counts else 2 * SAMPLE_S  # samples on both sides of a window
        self.sleep(margin_s)
        for _ in range(self.plan.energy_turns):
            sides = [0, 1]
            order.shuffle(sides)
            both = {side: self._turn(self.workers[side]) for side in sides}
            self.first.append(sides[0])
            self.turns.append((both[0], both[1]))
        self.sleep(margin_s)

    def _window_s(self) -> float:
        """Watch the counter's ticks; return a window that holds enough of them."""
        asked = self.plan.energy_s
        period_s = self.ticks.watch() if self.reader.counts else SAMPLE_S
        least = (LEAST_UPDATES + 1) * period_s  # one more: the period is known to a poll
        if least > STRETCH * asked:
            raise MeterError(
                f"the meter is renewed every {period_s:.3g} s: {LEAST_UPDATES} times need a turn "
                f"of {least:.3g} s, and {asked:g} s are asked for (energy_s)"
            )
        return max(least, asked)

    def _turn(self, worker: Worker) -> _Turn:
        worker.begin()
        try:
            self.sleep(LEAD_S)
            start_ns, end_ns, joules = self._window()
        finally:
            worked = worker.end()
        queries = _between(worked, start_ns, end_ns)
        return _Turn(start_ns, end_ns, joules, queries * worker.images)

    def _window(self) -> tuple[int, int, float]:
        """Return begin, end and energy of a window that holds enough of the counter's steps."""
        start_ns, before_j = self.ticks.mark()
        while True:
            self.sleep(self.window_s)
            end_ns, after_j = self.ticks.mark()
            drawn_j, step_j = after_j - before_j, self.reader.resolution_j
            if not (self.reader.counts and step_j) or drawn_j >= LEAST_STEPS * step_j:
                return start_ns, end_ns, drawn_j
            span_s = (end_ns - start_ns) / 1e9
            if span_s > STRETCH * self.plan.energy_s:
                raise MeterError(
                    f"the counter moved by {drawn_j:.3g} J in {span_s:.3g} s, in steps of "
                    f"{step_j:.3g} J: a turn needs {LEAST_STEPS} of them; ask for a longer energy_s"
                )

    def columns(self, readings: Readings, reason: str | None) -> Columns:
        """Return all that there is as columns."""
        about = {
            "scope": self.reader.scope,
            "counts": self.reader.counts,
            "resolution_j": self.reader.resolution_j,
            "window_s": self.window_s,
            "plan": asdict(self.plan),
            "sampling_reason": readings.reason,
        }
        asked, told = self._asked()
        found = _columns(about | asked | {"reason": reason or told}, self.first, self.turns)
        found["tick.seen_ns"] = np.array(self.ticks.seen_ns, np.int64)
        if not self.reader.counts:
            del found["joules"]
        return found | {f"sample.{name}": column for name, column in readings.columns.items()}

    def _asked(self) -> tuple[dict[str, Any], str | None]:
        """Return what the reader tells of itself, and why it does not."""
        try:
            doubts = [one for one in self.reader.doubts() if one.code not in _OWN]
            told = [one.model_dump(mode="json") for one in doubts]
            return {"identity": dict(self.reader.identity()), "doubts": told}, None
        except MeterError as error:
            return {"identity": {}, "doubts": []}, error.message


def _columns(about: dict[str, Any], first: list[int], turns: list[tuple[_Turn, _Turn]]) -> Columns:
    found: Columns = {
        "about": np.array([json.dumps(about, sort_keys=True)]),
        "first": np.array(first, np.int8),
    }
    for name, kind in (
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("joules", np.float64),
        ("images", np.float64),
    ):
        rows = [[getattr(turn[side], name) for turn in turns] for side in (0, 1)]
        found[name] = np.array(rows, kind)
    return found


def _between(worked: Worked, start_ns: int, end_ns: int) -> float:
    """Return the queries done from *start_ns* to *end_ns*; raises MeterError for other clocks."""
    if not worked.at_ns[0] <= start_ns < end_ns <= worked.at_ns[-1]:
        raise MeterError("the counter was not read while the worker worked: two clocks disagree")
    at_ns = np.array(worked.at_ns) - start_ns
    begun, done = np.interp([0, end_ns - start_ns], at_ns, worked.done)
    return float(done - begun)
