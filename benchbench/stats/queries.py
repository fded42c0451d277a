"""The raw queries of a load scenario, as they were measured and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.intervals import Verdict, effective_count, share_verdict

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Queries:
    """Raw readings of one pass, in order of arrival, in nanoseconds from its begin.

    -1 stands for what did not happen: a dropped query has a *claimed_ns* only; one that was not
    issued, as the pass was given up before, has neither.
    """

    scheduled_ns: Whole
    """(N,): when each query arrives; 0 throughout where all are there at once, and equal to
    *started_ns* in a closed loop."""
    claimed_ns: Whole
    """(N,): when a stream was free for it."""
    started_ns: Whole
    finished_ns: Whole
    stream: Whole
    """(N,): which session served it."""
    source: Whole
    """(N,): which camera it comes from; 0 elsewhere."""

    @property
    def issued(self) -> NDArray[np.bool_]:
        """(N,): what was served to its end."""
        return self.finished_ns >= 0

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """(N,): what was thrown away as too old."""
        return (self.claimed_ns >= 0) & (self.finished_ns < 0)

    @property
    def given_up(self) -> bool:
        """Whether some queries were never looked at."""
        return bool((self.claimed_ns < 0).any())

    def chosen(self, mask: NDArray[Any]) -> Queries:
        """Return the queries that *mask*, or indices, choose."""
        return Queries(**{f.name: getattr(self, f.name)[mask] for f in fields(Queries)})

    def of(self, source: Whole) -> Queries:
        """Return these queries as those of the cameras (N,) *source*."""
        return replace(self, source=source)


@dataclass(frozen=True, slots=True)
class Deadline:
    """What is asked of each frame of a camera."""

    fps: float
    deadline_ms: float
    miss_share: float
    drop_late: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """The passes of one scenario: one a level of load, or several that prolong one another."""

    level: NDArray[np.float64]
    """(P,): queries a second, cameras, or streams of each probe, in the order tried."""
    probe: Whole
    """(N,): which probe a query belongs to."""
    turn: Whole
    """(N,): which pass of its probe; each pass has a begin of its own."""
    queries: Queries

    def passes(self, probe: int) -> list[Queries]:
        """Return the passes of one probe in the order made."""
        mine = self.probe == probe
        turns = np.unique(self.turn[mine])
        return [self.queries.chosen(mine & (self.turn == turn)) for turn in turns]


def together(probes: Sequence[tuple[float, Sequence[Queries]]]) -> Load:
    """Return the passes of each level, in the order tried, as one set of columns."""
    flat = [(p, t, q) for p, (_, passes) in enumerate(probes) for t, q in enumerate(passes)]
    lengths = [len(queries.stream) for _, _, queries in flat]
    return Load(
        level=np.array([level for level, _ in probes], np.float64),
        probe=np.repeat(np.array([p for p, _, _ in flat], np.int64), lengths),
        turn=np.repeat(np.array([t for _, t, _ in flat], np.int64), lengths),
        queries=joined([queries for _, _, queries in flat]),
    )


def joined(passes: Sequence[Queries]) -> Queries:
    """Return several passes one after another; their times are not moved."""
    names = [f.name for f in fields(Queries)]
    return Queries(**{n: np.concatenate([getattr(q, n) for q in passes]) for n in names})


def pack(load: Load) -> dict[str, NDArray[Any]]:
    """Return *load* as columns for :func:`benchbench.columns.save_arrays`."""
    own = {"level": load.level, "probe": load.probe, "turn": load.turn}
    return own | {f.name: getattr(load.queries, f.name) for f in fields(Queries)}


def unpack(columns: Mapping[str, NDArray[Any]]) -> Load:
    """Return what :func:`pack` packed."""
    queries = Queries(**{f.name: columns[f.name] for f in fields(Queries)})
    return Load(columns["level"], columns["probe"], columns["turn"], queries)


def latency_ns(queries: Queries) -> Whole:
    """Return (N,) latencies from the scheduled arrival.

    Of a dropped query, how long it had waited when it was dropped; of one not issued, -1.
    """
    end = np.where(queries.issued, queries.finished_ns, queries.claimed_ns)
    return np.where(end >= 0, end - queries.scheduled_ns, -1)


def lateness_ns(queries: Queries) -> Whole:
    """Return how long each served query was kept waiting though a stream was free: our own part."""
    served = queries.chosen(queries.issued)
    return served.started_ns - np.maximum(served.scheduled_ns, served.claimed_ns)


def late(queries: Queries, bound_ns: float) -> NDArray[np.bool_]:
    """Return which queries took longer than *bound_ns*, those looked at only; dropped ones did."""
    seen = queries.claimed_ns >= 0
    return ((latency_ns(queries) > bound_ns) | queries.dropped)[seen]


def verdict(passes: Sequence[Queries], bound_ns: float, allowed: float) -> Verdict:
    """Return whether at most a share *allowed* of queries is late, over all *passes* of a level.

    A pass that was given up as its queue only grew has missed.
    """
    if any(one.given_up for one in passes):
        return "missed"
    queries = joined(passes)
    return _judged(latency_ns(queries) / 1e6, late(queries, bound_ns), allowed)


def probe_verdict(latencies: NDArray[np.float64], bound: float, percentile: float) -> Verdict:
    """Return whether *percentile* (0..100) of (N,) *latencies* stays within *bound*, same unit."""
    return _judged(latencies, latencies > bound, 1 - percentile / 100)


def _judged(values: NDArray[np.float64], flags: NDArray[np.bool_], allowed: float) -> Verdict:
    effective = effective_count(values, flags)
    return share_verdict(float(flags.mean()) * effective, effective, allowed)
