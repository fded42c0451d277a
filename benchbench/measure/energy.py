"""The energy of a query loop: baseline, trials between ticks of the counter, baseline.

The rules are those of docs/energy.md. What is kept is raw: :mod:`benchbench.stats.energy` forms the
figures. Waiting and the clock are injected.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from time import sleep as wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MeterError
from benchbench.measure.clock import Clock, now_ns
from benchbench.measure.sampler import Readings
from benchbench.measure.ticks import CHANGES, Ticks
from benchbench.protocols import MeterReader
from benchbench.stats.energy import LEAST_TICKS
from benchbench.types import Caveat

Columns = dict[str, NDArray[Any]]
STRETCH = 4
"""A window is made longer to hold enough ticks, but not more than so many times."""
_USUAL_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class EnergyPlan:
    """How energy is measured; the same names as in the suite."""

    trials: int = 5
    """Windows of queries; each gives one figure."""
    window_s: float = 10.0
    """Least length of a window; longer where 20 ticks of the counter need it."""
    idle_s: float = 10.0
    """Length of each of the two idle baselines."""
    cooldown_s: float = 1.0
    """Wait after each window."""
    sample_s: float = 0.1
    """Between two samples of power, the sampler's; each fourth has the state. Drivers renew the
    power every 20 to 100 ms."""
    seed: int = 0
    """Of the random delays before the windows."""


def seconds(plan: EnergyPlan) -> float:
    """Return how long :func:`measure` takes, for a counter that ticks every 0.1 s as NVML's do."""
    margin = 2 * plan.sample_s
    around = CHANGES * _USUAL_TICK_S + max(plan.cooldown_s, margin) + margin
    baseline = plan.idle_s + 2 * _USUAL_TICK_S
    trial = plan.window_s + 3 * _USUAL_TICK_S + plan.cooldown_s
    return around + 2 * baseline + plan.trials * trial


def measure(
    reader: MeterReader,
    query: Callable[[], object],
    images: int,
    plan: EnergyPlan,
    stop: Callable[[], Readings],
    *,
    clock: Clock = now_ns,
    sleep: Callable[[float], None] = wait,
) -> Columns:
    """Measure *query* (one query of *images* images, waiting for the device) with *reader*.

    The session must be open throughout; the device must be idle but for *query*. *stop* ends the
    sampler, which must run already, and returns what it saw. Never raises
    :class:`~benchbench.errors.MeterError`: the columns then hold what was measured until then, and
    ``about`` the reason.

    Columns (times in ns of *clock*): ``about`` (one text, JSON: scope, identity, doubts, plan,
    reason); ``tick.seen_ns``, when the idle counter was seen to change; ``baseline.start_ns``,
    ``.end_ns`` and ``.joules``; ``trial.start_ns``, ``.end_ns``, ``.queries``, ``.images`` and
    ``.joules``; ``sample.*`` as in :class:`~benchbench.measure.sampler.Readings`. ``joules`` are
    absent for a meter without a counter.
    """
    ticks = Ticks(reader, clock, sleep)
    procedure = _Procedure(reader, query, images, plan, clock, sleep, ticks)
    reason = None
    try:
        procedure.carry_out()
    except MeterError as error:
        reason = error.message
    return procedure.columns(stop(), reason)


@dataclass(slots=True)
class _Span:
    """From one tick to another; without a counter, from one reading of the clock to another."""

    start_ns: int
    end_ns: int
    joules: float
    queries: int = 0


@dataclass(slots=True)
class _Procedure:
    """The steps, and what they gave so far."""

    reader: MeterReader
    query: Callable[[], object]
    images: int
    plan: EnergyPlan
    clock: Clock
    sleep: Callable[[float], None]
    ticks: Ticks
    identity: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[Caveat]] = field(default_factory=dict)
    baselines: list[_Span] = field(default_factory=list)
    trials: list[_Span] = field(default_factory=list)

    def carry_out(self) -> None:
        """Measure; raises MeterError with all that was measured until then kept."""
        self.identity = dict(self.reader.identity())
        self._doubt()
        window_s = self._window_s()
        delays = random.Random(self.plan.seed)  # noqa: S311 - a phase, not a secret
        margin_s = 2 * self.plan.sample_s  # so that samples lie on both sides of every span
        self.sleep(max(self.plan.cooldown_s, margin_s))
        self.baselines.append(self._idle())
        for _ in range(self.plan.trials):
            self.sleep(delays.uniform(0, self.ticks.period_s or self.plan.sample_s))
            self.trials.append(self._trial(window_s))
            self.sleep(self.plan.cooldown_s)
        self.baselines.append(self._idle())
        self.sleep(margin_s)
        self._doubt()

    def columns(self, readings: Readings, reason: str | None) -> Columns:
        """Return all that there is as columns."""
        found: Columns = {"about": np.array([self._about(readings, reason)])}
        found["tick.seen_ns"] = np.array(self.ticks.seen_ns, np.int64)
        for name, spans in (("baseline", self.baselines), ("trial", self.trials)):
            found[f"{name}.start_ns"] = np.array([s.start_ns for s in spans], np.int64)
            found[f"{name}.end_ns"] = np.array([s.end_ns for s in spans], np.int64)
            if self.reader.counts:
                found[f"{name}.joules"] = np.array([s.joules for s in spans], np.float64)
        found["trial.queries"] = np.array([s.queries for s in self.trials], np.int64)
        found["trial.images"] = found["trial.queries"] * self.images
        return found | {f"sample.{name}": column for name, column in readings.columns.items()}

    def _about(self, readings: Readings, reason: str | None) -> str:
        about = {
            "scope": self.reader.scope,
            "counts": self.reader.counts,
            "resolution_j": self.reader.resolution_j,
            "identity": self.identity,
            "doubts": [one.model_dump(mode="json") for one in chain(*self.doubts.values())],
            "plan": asdict(self.plan),
            "reason": reason,
            "sampling_reason": readings.reason,
        }
        return json.dumps(about, sort_keys=True)

    def _doubt(self) -> None:
        """Keep the reader's doubts; those of a code replace earlier ones of that code."""
        found: dict[str, list[Caveat]] = {}
        for caveat in self.reader.doubts():
            found.setdefault(caveat.code, []).append(caveat)
        self.doubts |= found

    def _window_s(self) -> float:
        """Watch the counter's ticks; return a window that holds enough of them."""
        if not self.reader.counts:
            return self.plan.window_s
        period_s = self.ticks.watch()
        least = (LEAST_TICKS + 1) * period_s  # one more: the period is known to a poll
        if least > STRETCH * self.plan.window_s:
            raise MeterError(
                f"the energy counter changes every {period_s:.3g} s: {LEAST_TICKS} changes need a "
                f"window of {least:.3g} s, and {self.plan.window_s:g} s are asked for"
            )
        return max(least, self.plan.window_s)

    def _idle(self) -> _Span:
        start_ns, before_j = self.ticks.mark()
        self.sleep(self.plan.idle_s)
        end_ns, after_j = self.ticks.mark()
        return _Span(start_ns, end_ns, after_j - before_j)

    def _trial(self, window_s: float) -> _Span:
        """Run queries from one tick to the first after *window_s*, without a pause between."""
        done = 0

        def work() -> None:
            nonlocal done
            self.query()
            done += 1

        start_ns, before_j = self.ticks.mark()
        until_ns = start_ns + int(window_s * 1e9)
        while self.clock() < until_ns:
            work()
        end_ns, after_j = self.ticks.mark(work)
        return _Span(start_ns, end_ns, after_j - before_j, done)
