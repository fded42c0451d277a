"""The noise of this machine: identical cells compared, and engines built several times.

Pairs of one cell against itself show how far two equal things lie apart here and now; what is
smaller than that cannot be resolved. Engines that a build tunes differ from build to build too:
built several times, their spread is divided into between builds and between processes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from benchbench import turnbook
from benchbench.columns import unpack_samples
from benchbench.errors import UsageError
from benchbench.running import Runner
from benchbench.stats.latency import query_ns
from benchbench.stats.turns import cpu_log_ratios, wall_log_ratios
from benchbench.stats.variance import Budget, components, noise
from benchbench.suite.takes import ComparisonEntry, Processes, Where
from benchbench.takes import contest
from benchbench.turns_view import Components, NoiseView, TurnsView
from benchbench.types import Cell, Failure, Record, Take, Taken, digest


class Noise(Record):
    """What identical copies of one cell told."""

    cell: str
    label: str
    noise: NoiseView | None = None
    turns: TurnsView | None = None
    """The cell compared with itself, as a gate would: a regression here is a false alarm."""
    builds: Components | None = None
    """Only where builds were asked for."""
    failure: Failure | None = None


def chosen(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """Return the cells whose label one of *patterns* matches; without any, the first.

    Raises :class:`~benchbench.errors.UsageError` for a pattern that matches nothing.
    """
    if not cells:
        raise UsageError("no cell of the suite is timed", hint="set measure.latency")
    for pattern in patterns:
        if not any(_named(cell, pattern) for cell in cells):
            told = ", ".join(f"'{cell.label}'" for cell in cells[:5])
            raise UsageError(f"no timed cell matches '{pattern}'", hint=f"cells: {told}")
    found = [cell for cell in cells if any(_named(cell, pattern) for pattern in patterns)]
    return found or [cells[0]]


def _named(cell: Cell, pattern: str) -> bool:
    whole = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return cell.id.startswith(pattern) or fnmatchcase(cell.label, whole)


def measure_noise(
    runner: Runner,
    cell: Cell,
    pairs: int,
    *,
    ends: float | None = None,
    gate_s: float | None = None,
    builds: int = 1,
) -> Noise:
    """Compare *cell* with itself in up to *pairs* pairs, and *builds* of its artifact.

    Nothing new begins after *ends* (``time.monotonic()``). *gate_s*: the time that a comparison may
    take, for which the smallest difference is told.
    """
    entry = ComparisonEntry(
        baseline=Where(), candidate=Where(), pairs=max(pairs, 3), most_pairs=max(pairs, 3)
    )
    match = contest(cell, cell, entry)
    done = _taken(runner, cell, match.takes[:pairs], ends)
    failed = next((one.failure for one in done if one.failure), None)
    kept = [one for one in done if one.failure is None]
    if not kept:
        return Noise(cell=cell.id, label=cell.label, failure=failed)
    found = [turnbook.read_pair(runner.run, one) for one in kept]
    each = float(np.mean([one.wall_s for one in kept]))
    budget = Budget(pairs=pairs, seconds=gate_s, seconds_per_pair=each)
    wall, cpu = wall_log_ratios(found) or (), cpu_log_ratios(found)
    return Noise(
        cell=cell.id,
        label=cell.label,
        noise=noise(cell.id, wall, cpu, budget),
        turns=turnbook.view(match.compared, found, 1),
        builds=_builds(runner, cell, builds, ends) if builds > 1 else None,
        failure=failed,
    )


def _taken(runner: Runner, cell: Cell, takes: Sequence[Take], ends: float | None) -> list[Taken]:
    done: list[Taken] = []
    for index, take in enumerate(takes):
        if runner.interrupts.stop or (done and ends is not None and time.monotonic() >= ends):
            break
        runner.watcher.taking(take, cell, index, len(takes))
        done.append(runner.take(take, cell, cell if take.against else None))
        runner.watcher.taken(done[-1], cell, index, len(takes))
    return done


# --- builds ------------------------------------------------------------------------------


def rebuilt(cell: Cell, build: int) -> Cell:
    """Return *cell* with artifacts of their own for a *build*: the cache holds none of them."""
    chain = tuple(
        step.model_copy(update={"key": digest([step.key, "build", build])}) for step in cell.chain
    )
    return cell.model_copy(update={"id": digest([cell.id, build])[:16], "chain": chain})


def _builds(runner: Runner, cell: Cell, builds: int, ends: float | None) -> Components:
    if not cell.chain:
        reason = "nothing is built for this cell: its model is run as it is"
        return Components(
            builds=0,
            processes=0,
            build_sd=None,
            process_sd=None,
            p=None,
            build_reason=reason,
            process_reason=reason,
        )
    options = Processes().model_dump(mode="json", include={"queries", "seconds"})
    copies = [rebuilt(cell, build) for build in range(1, builds + 1)]
    jobs = [
        (copy, Take.of("process", copy.id, options, number=number))
        for number in range(1, PROCESSES + 1)
        for copy in _shuffled(copies, number)
    ]
    medians: dict[str, list[float]] = {copy.id: [] for copy in copies}
    for copy, take in jobs:
        for done in _taken(runner, copy, [take], ends):
            if done.failure is None:
                samples = unpack_samples(runner.run.array(done.arrays["samples"]))
                medians[copy.id].append(float(np.log(np.median(query_ns(samples)))))
        if ends is not None and time.monotonic() >= ends:
            break
    return components([one for one in medians.values() if one])


PROCESSES = 5
"""Fresh processes of each build."""


def _shuffled(cells: Sequence[Cell], seed: int) -> list[Cell]:
    found = list(cells)
    random.Random(seed).shuffle(found)  # noqa: S311 - an order, not a secret
    return found
