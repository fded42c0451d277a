"""MLPerf's scenarios as a suite asks for them, from options to raw queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.measure.load import Length, batches_of, multi_stream, offline
from benchbench.measure.search import Fleet, Rate, highest_rate, most_cameras
from benchbench.measure.streams import Watch
from benchbench.protocols import Session
from benchbench.stats.queries import Deadline, Load, Queries, together
from benchbench.types import Feed

_CAPACITY = Length(queries=20, seconds=1.0)
"""The closed loop that a search takes its first level from."""


@dataclass(frozen=True, slots=True)
class MultiStream:
    """Queries of several images each, one after another; MLPerf reports their p99."""

    samples: int = 8
    """Images a query."""
    queries: int = 200
    """Queries at the least."""
    seconds: float = 3.0
    """Seconds at the least."""
    streams: int = 1
    """Sessions that the batches of one query are spread over."""


@dataclass(frozen=True, slots=True)
class Server:
    """Poisson arrivals; latency counts from the scheduled arrival."""

    bound_ms: float
    """Latency that the percentile has to keep."""
    percentile: float = 99
    """Percentile of the latency that is held to the bound; MLPerf takes 99."""
    rate_qps: float | None = None
    """Queries a second; none: search the highest rate that keeps the bound."""
    seconds: float = 60.0
    """How long to issue queries, or about how long to search."""
    streams: int = 1
    """Sessions that serve one queue."""
    seed: int = 0
    """Of the arrivals."""


@dataclass(frozen=True, slots=True)
class Offline:
    """All images at once: how many a second, with each number of streams."""

    streams: tuple[int, ...] = (1, 2)
    """Numbers of sessions to try."""
    queries: int = 50
    """Batches at the least, for each number of streams."""
    seconds: float = 5.0
    """Seconds at the least, for each number of streams."""


@dataclass(frozen=True, slots=True)
class Cameras:
    """Cameras that give a frame every period, each frame with a deadline."""

    fps: float
    """Frames a second of each camera."""
    count: int | None = None
    """Cameras; none: search the most that keep the deadline."""
    deadline_ms: float | None = None
    """From a frame's arrival to its outputs; none: one period, 1000 / fps."""
    miss_share: float = 0.01
    """Share of frames that may miss the deadline."""
    seconds: float = 60.0
    """How long the cameras run, or about how long to search."""
    drop_late: bool = False
    """Throw away, as missed, a frame that has waited longer than the deadline."""
    streams: int = 1
    """Sessions that serve one queue."""
    seed: int = 0
    """Of the cameras' phases."""

    @property
    def asked(self) -> Deadline:
        """Return what is asked of each frame."""
        deadline = 1000 / self.fps if self.deadline_ms is None else self.deadline_ms
        return Deadline(self.fps, deadline, self.miss_share, self.drop_late)


def run_multi_stream(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    options: MultiStream,
    batch: int,
    watch: Watch | None = None,
) -> Load:
    """Run *options* over as many *sessions* as it names; *feeds* hold *batch* images each."""
    length = Length(options.queries, options.seconds)
    chosen, batches = _first(sessions, options.streams), batches_of(options.samples, batch)
    found = multi_stream(chosen, feeds, batches, length, watch)
    return together([(len(chosen), [found])])


def run_server(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    options: Server,
    watch: Watch | None = None,
) -> Load:
    """Issue queries at the rate of *options*, or search it."""
    chosen, watch = _first(sessions, options.streams), watch or Watch()
    rate = Rate(chosen, feeds, options.bound_ms, options.percentile, watch)
    if options.rate_qps is not None:
        found = rate.run(options.rate_qps, options.seconds, (options.seed, 0, 0))
        return together([(options.rate_qps, [found])])
    return highest_rate(rate, capacity_qps(chosen, feeds, watch), options.seconds, options.seed)


def run_cameras(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    options: Cameras,
    watch: Watch | None = None,
) -> Load:
    """Serve the cameras of *options*, or search how many can be served."""
    chosen, watch = _first(sessions, options.streams), watch or Watch()
    fleet = Fleet(chosen, feeds, options.asked, watch)
    if options.count is not None:
        found = fleet.run(options.count, options.seconds, (options.seed, 0, 0))
        return together([(options.count, [found])])
    return most_cameras(fleet, capacity_qps(chosen, feeds, watch), options.seconds, options.seed)


def run_offline(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    options: Offline,
    watch: Watch | None = None,
) -> Load:
    """Run as fast as it goes, with each number of streams that *options* names."""
    length = Length(options.queries, options.seconds)
    passes = [(n, [offline(_first(sessions, n), feeds, length, watch)]) for n in options.streams]
    return together(passes)


def _first(sessions: Sequence[Session], streams: int) -> Sequence[Session]:
    if len(sessions) < streams:
        raise ValueError(f"{streams} streams need as many sessions, not {len(sessions)}")
    return sessions[:streams]


def capacity_qps(
    sessions: Sequence[Session], feeds: Sequence[Feed], watch: Watch | None = None
) -> float:
    """Return how many queries a second all *sessions* together do as fast as they can."""
    found: Queries = offline(sessions, feeds, _CAPACITY, watch)
    return len(found.stream) * 1e9 / int(found.finished_ns.max())
