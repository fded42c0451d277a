"""The timed loop: single stream, closed loop, stages apart.

Between two clock reads stands the verb and nothing else. Samples go into plain lists that are
appended to after the last read of a query.
"""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import process_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.measure.clock import Clock, now_ns
from benchbench.protocols import Session
from benchbench.types import Caveat, Feed, Samples

UNSTEADY = 0.10
"""First and last third of the trace differ by more than this: caveat ``unsteady``."""
SHORT = 64
"""Fewer queries than this, which p90 needs at the least: caveat ``short_sample``."""
COARSE = 0.01
"""The clock's step above this share of the median query: caveat ``clock_coarse``."""
CONTENDED = 1.1
"""Wall over CPU time above this, at one thread: caveat ``contended``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to warm up and to measure; the same names as in the suite."""

    warmup: int
    warmup_s: float
    queries: int
    seconds: float
    max_queries: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What one pass over the loop gave."""

    queries: list[tuple[int, int, int, int]]
    """Clock readings of each query: start, after upload, after run, after download."""
    cpu_ns: int
    """CPU time of the whole process during the loop."""
    involuntary_switches: int
    major_faults: int = 0
    """Pages that had to come from disk: the process, or its model, was swapped out."""


def warm_up(session: Session, feeds: Sequence[Feed], plan: Plan, clock: Clock = now_ns) -> int:
    """Run at least ``plan.warmup`` queries and ``plan.warmup_s`` seconds; return how many."""
    end = clock() + int(plan.warmup_s * 1e9)
    done = 0
    for feed in cycle(feeds):
        if done >= plan.warmup and clock() >= end:
            return done
        handle = session.upload(feed)
        session.run(handle)
        session.download(handle)
        done += 1
    return done


def single_stream(
    session: Session, feeds: Sequence[Feed], plan: Plan, clock: Clock = now_ns
) -> Trace:
    """Time queries one after another until both minimums hold; garbage collection is off."""
    upload, run, download = session.upload, session.run, session.download
    queries: list[tuple[int, int, int, int]] = []
    keep = queries.append
    least, most = plan.queries, plan.max_queries
    gc.collect()
    gc.disable()
    (switches, faults), cpu = _usage(), process_time_ns()
    try:
        end = clock() + int(plan.seconds * 1e9)
        for feed in cycle(feeds):
            start = clock()
            handle = upload(feed)
            uploaded = clock()
            run(handle)
            ran = clock()
            download(handle)
            downloaded = clock()
            keep((start, uploaded, ran, downloaded))
            if (downloaded >= end and len(queries) >= least) or len(queries) >= most:
                break
    finally:
        gc.enable()
    spent = process_time_ns() - cpu
    switches_after, faults_after = _usage()
    return Trace(queries, spent, switches_after - switches, faults_after - faults)


def _usage() -> tuple[int, int]:
    """Return the involuntary context switches and major page faults of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nivcsw, usage.ru_majflt


def time_each(verb: Callable[[Any], Any], items: Sequence[Any], clock: Clock = now_ns) -> list[int]:
    """Return the nanoseconds that *verb* takes on each of *items*, after one untimed call."""
    if not items:
        return []
    verb(items[0])
    taken = []
    for item in items:
        start = clock()
        verb(item)
        taken.append(clock() - start)
    return taken


def samples(trace: Trace, preprocess_ns: list[int], postprocess_ns: list[int]) -> Samples:
    """Return the readings of *trace* as durations of stages."""
    marks = np.array(trace.queries, np.int64).reshape(-1, 4)
    stages = np.diff(marks, axis=1)
    return Samples(
        started_ns=marks[:, 0] - marks[0, 0],
        upload_ns=stages[:, 0],
        run_ns=stages[:, 1],
        download_ns=stages[:, 2],
        preprocess_ns=np.array(preprocess_ns, np.int64),
        postprocess_ns=np.array(postprocess_ns, np.int64),
    )


def caveats(trace: Trace, threads: int, clock_step_ns: int) -> tuple[Caveat, ...]:
    """Return the doubts that the trace itself raises; *clock_step_ns* is the clock's resolution."""
    marks = np.array(trace.queries, np.int64)
    total = marks[:, 3] - marks[:, 0]
    found = [Caveat(code="single_process", figures={"processes": 1})]
    if len(total) < SHORT:
        found.append(Caveat(code="short_sample", figures={"queries": len(total)}))
    if clock_step_ns > COARSE * np.median(total):
        found.append(Caveat(code="clock_coarse", figures={"clock_step_ns": clock_step_ns}))
    if trace.major_faults:
        found.append(Caveat(code="swapped", figures={"major_faults": trace.major_faults}))
    found += _drift(total)
    found += _contention(trace, int(marks[-1, 3] - marks[0, 0]), threads)
    return tuple(found)


def _drift(total: NDArray[np.int64]) -> list[Caveat]:
    third = max(len(total) // 3, 1)
    first, last = float(np.median(total[:third])), float(np.median(total[-third:]))
    if abs(last / first - 1) > UNSTEADY:
        figures: dict[str, float | int | str] = {
            "first_third_ms": first / 1e6,
            "last_third_ms": last / 1e6,
        }
        return [Caveat(code="unsteady", figures=figures)]
    return []


def _contention(trace: Trace, wall_ns: int, threads: int) -> list[Caveat]:
    if threads != 1 or not trace.cpu_ns or wall_ns / trace.cpu_ns <= CONTENDED:
        return []
    figures: dict[str, float | int | str] = {
        "wall_over_cpu": wall_ns / trace.cpu_ns,
        "involuntary_switches": trace.involuntary_switches,
        "load_1m": os.getloadavg()[0],
    }
    return [Caveat(code="contended", figures=figures)]
