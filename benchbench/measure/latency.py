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

from benchbench.measure.clock import Clock, now_ns
from benchbench.protocols import Session
from benchbench.types import Caveat, Feed, Samples

UNSTEADY = 0.10
"""First and last third of the trace differ by more than this: caveat ``unsteady``."""
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
    switches, cpu = _switches(), process_time_ns()
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
    return Trace(queries, process_time_ns() - cpu, _switches() - switches)


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


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


def caveats(trace: Trace, threads: int) -> tuple[Caveat, ...]:
    """Return the doubts that the trace itself raises."""
    marks = np.array(trace.queries, np.int64)
    total = marks[:, 3] - marks[:, 0]
    found = [Caveat(code="single_process", figures={"processes": 1})]
    third = max(len(total) // 3, 1)
    first, last = float(np.median(total[:third])), float(np.median(total[-third:]))
    if abs(last / first - 1) > UNSTEADY:
        figures: dict[str, float | int | str] = {
            "first_third_ms": first / 1e6,
            "last_third_ms": last / 1e6,
        }
        found.append(Caveat(code="unsteady", figures=figures))
    wall = int(marks[-1, 3] - marks[0, 0])
    if threads == 1 and trace.cpu_ns and wall / trace.cpu_ns > CONTENDED:
        found.append(
            Caveat(
                code="contended",
                figures={
                    "wall_over_cpu": wall / trace.cpu_ns,
                    "involuntary_switches": trace.involuntary_switches,
                    "load_1m": os.getloadavg()[0],
                },
            )
        )
    return tuple(found)
