"""The timed loop: single stream, closed loop, stages apart.

Between two clock reads stands the verb and nothing else. Samples go into plain lists that are
appended to after the last read of a query. What surrounds the loop is read before and after it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.conditions_view import ConditionsView
from benchbench.measure import conditions
from benchbench.measure.clock import Clock, now_ns
from benchbench.measure.conditions import Reading
from benchbench.protocols import DeviceTimed, Session
from benchbench.types import Caveat, Feed, Samples

UNSTEADY = 0.10
"""First and last third of the trace differ by more than this: caveat ``unsteady``."""
SHORT = 64
"""Fewer queries than this, which p90 needs at the least: caveat ``short_sample``."""
COARSE = 0.01
"""The clock's step above this share of the median query: caveat ``clock_coarse``."""
NOISY = 0.10
"""Robust spread of the queries over their median above this: caveat ``noisy``."""
VERBS = ("upload", "run", "download")
_NORMAL_MAD = 1.4826
"""Standard deviation of a normal variable over its median absolute deviation."""

Read = Callable[[bool], Reading]
"""Reads the surroundings; told whether the loop has ended."""
Query = tuple[int, int, int, int]


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

    queries: list[Query]
    """Clock readings of each query: start, after upload, after run, after download."""
    before: Reading
    after: Reading
    device_ns: tuple[Mapping[str, int], ...] = ()
    """Of each query, the device's own time of each verb; empty where it takes none."""

    def conditions(self, threads: int | None = None) -> ConditionsView:
        """Return what surrounded the loop of a cell with so many threads."""
        return conditions.between(self.before, self.after, threads)


def _read(ending: bool) -> Reading:
    return conditions.read(ending=ending)


def first_query(session: Session, feed: Feed, clock: Clock = now_ns) -> NDArray[np.int64]:
    """Return the (3,) times of upload, run and download of one query, in nanoseconds.

    Made right after the model is open, before anything else has run it, this is the cold start:
    kernels are chosen, memory is allocated, pages are touched.
    """
    start = clock()
    handle = session.upload(feed)
    uploaded = clock()
    session.run(handle)
    ran = clock()
    session.download(handle)
    downloaded = clock()
    return np.array([uploaded - start, ran - uploaded, downloaded - ran], np.int64)


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
    session: Session,
    feeds: Sequence[Feed],
    plan: Plan,
    clock: Clock = now_ns,
    read: Read = _read,
) -> Trace:
    """Time queries one after another until both minimums hold; garbage collection is off.

    A :class:`~benchbench.protocols.DeviceTimed` session is asked for its own times after each
    query, in a loop of its own: the usual one does not pay for it.
    """
    device: list[Mapping[str, int] | None] = []
    gc.collect()
    gc.disable()
    try:
        before = read(False)
        if isinstance(session, DeviceTimed):
            queries = _device_loop(session, feeds, plan, clock, device)
        else:
            queries = _loop(session, feeds, plan, clock)
        after = read(True)
    finally:
        gc.enable()
    told = tuple(each for each in device if each is not None)
    return Trace(queries, before, after, told if len(told) == len(queries) else ())


def _loop(session: Session, feeds: Sequence[Feed], plan: Plan, clock: Clock) -> list[Query]:
    upload, run, download = session.upload, session.run, session.download
    queries: list[Query] = []
    keep = queries.append
    least, most = plan.queries, plan.max_queries
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
    return queries


def _device_loop(
    session: Any,
    feeds: Sequence[Feed],
    plan: Plan,
    clock: Clock,
    device: list[Mapping[str, int] | None],
) -> list[Query]:
    """Do the same, and append what the device tells of each query to *device*."""
    upload, run, download = session.upload, session.run, session.download
    queries: list[Query] = []
    keep, tell, keep_told = queries.append, session.device_ns, device.append
    least, most = plan.queries, plan.max_queries
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
        keep_told(tell())
        if (downloaded >= end and len(queries) >= least) or len(queries) >= most:
            break
    return queries


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
        **{f"device_{verb}_ns": _told(trace, verb) for verb in VERBS},
    )


def _told(trace: Trace, verb: str) -> NDArray[np.int64]:
    """Return the device's times of *verb*; empty where it does not time it."""
    times = [told[verb] for told in trace.device_ns if verb in told]
    return np.array(times if len(times) == len(trace.queries) else [], np.int64)


def caveats(
    trace: Trace, threads: int, clock_step_ns: int, device: str = "cpu"
) -> tuple[Caveat, ...]:
    """Return the doubts that the trace and its surroundings raise.

    *clock_step_ns* is the clock's resolution, *device* where the cell ran.
    """
    marks = np.array(trace.queries, np.int64)
    total = marks[:, 3] - marks[:, 0]
    found = [Caveat(code="single_process", figures={"processes": 1})]
    if len(total) < SHORT:
        found.append(Caveat(code="short_sample", figures={"queries": len(total)}))
    if clock_step_ns > COARSE * np.median(total):
        found.append(Caveat(code="clock_coarse", figures={"clock_step_ns": clock_step_ns}))
    found += _drift(total)
    found += _noise(total)
    found += conditions.doubts(trace.conditions(threads), threads, device)
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


def _noise(total: NDArray[np.int64]) -> list[Caveat]:
    """Doubt queries that spread; by the median absolute deviation, which no tail moves."""
    p50, p90 = np.percentile(total, [50, 90])
    spread = _NORMAL_MAD * float(np.median(np.abs(total - p50)) / p50)
    if spread <= NOISY:
        return []
    figures: dict[str, float | int | str] = {
        "spread": spread,
        "p50_ms": float(p50) / 1e6,
        "p90_ms": float(p90) / 1e6,
    }
    return [Caveat(code="noisy", figures=figures)]
