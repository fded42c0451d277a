"""The soak: a closed loop of minutes, to see what is kept up after the first seconds.

A chip runs fast until it is warm. The loop keeps the start and the length of each query; a sampler
in a process of its own keeps clocks and temperatures beside it (:mod:`benchbench.measure.sampler`).
"""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from benchbench.measure.accuracy import infer
from benchbench.measure.clock import Clock, now_ns
from benchbench.protocols import Session
from benchbench.types import Feed

MOST = 10_000_000
"""More queries than this are not kept: 160 MB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to soak; the same names as in the suite."""

    seconds: float = 300.0
    """Length of the loop."""
    rest_s: float = 20.0
    """Rest before it, so that the chip is as cool as it is when work comes."""
    warmup: int = 3
    """Untimed queries after it."""


def rest(
    session: Session,
    feeds: Sequence[Feed],
    plan: Plan,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Let the chip cool for ``plan.rest_s``, then run ``plan.warmup`` queries untimed."""
    sleep(plan.rest_s)
    for feed, _ in zip(cycle(feeds), range(plan.warmup), strict=False):
        infer(session, feed)


def run(
    session: Session, feeds: Sequence[Feed], plan: Plan, clock: Clock = now_ns
) -> dict[str, NDArray[np.int64]]:
    """Return the columns ``started_ns``, by *clock*, and ``total_ns`` of each query, in order.

    Objects that exist are kept out of garbage collection, which goes on: a runtime that leaves
    cycles behind would otherwise fill the memory in these minutes.
    """
    gc.collect()
    gc.freeze()
    try:
        started, total = _loop(session, feeds, plan.seconds, clock)
    finally:
        gc.unfreeze()
    return {"started_ns": np.array(started, np.int64), "total_ns": np.array(total, np.int64)}


def _loop(
    session: Session, feeds: Sequence[Feed], seconds: float, clock: Clock
) -> tuple[array[int], array[int]]:
    upload, run, download = session.upload, session.run, session.download
    started, total = array("q"), array("q")  # eight bytes a value, and no objects
    keep_start, keep_total = started.append, total.append
    end = clock() + int(seconds * 1e9)
    for feed in cycle(feeds):
        start = clock()
        handle = upload(feed)
        run(handle)
        download(handle)
        done = clock()
        keep_start(start)
        keep_total(done - start)
        if done >= end or len(total) >= MOST:
            break
    return started, total
