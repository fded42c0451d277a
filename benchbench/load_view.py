"""Load scenarios as reports and machines see them: derived from stored queries, on reading."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record

Span = tuple[float, float]
"""Lower and upper end of an interval at 95 %."""


class MultiStreamView(Record):
    """MLPerf's multi-stream: a closed loop of queries of several images each."""

    samples: int
    """Images a query."""
    streams: int
    """Sessions that the batches of one query were spread over."""
    queries: int
    effective_queries: float
    """Queries divided by the integrated autocorrelation time."""
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    """Percentiles of the time until the last image of a query is done; MLPerf reports p99."""
    intervals_ms: dict[str, Span] = {}
    """Percentile → its interval, where the sample carries one."""
    withheld: dict[str, str] = {}
    """Percentile → why it is None."""
    images_per_s: float
    """Over the whole pass."""


class LoadProbe(Record):
    """One level of load that was tried: a rate, or a number of cameras."""

    level: float
    """Queries a second, or cameras."""
    queries: int
    """Queries that were started; of those that were not, nothing is known."""
    dropped: int = 0
    """Frames that were thrown away as too old; they count as missed."""
    effective_queries: float
    """Queries divided by the autocorrelation time of latencies or of late queries."""
    latency_ms: float | None
    """The percentile that was asked for, from the scheduled arrival."""
    interval_ms: Span | None = None
    withheld: str | None = None
    """Why there is no percentile."""
    over: float
    """Share of queries over the bound, or of frames that missed their deadline."""
    over_interval: Span
    """Clopper and Pearson's interval at the effective number of queries."""
    verdict: Literal["met", "missed", "undecided"]
    """Whether the bound was shown to hold, or not to, at a confidence of 99 %."""
    offered_qps: float | None
    """Arrivals a second in the schedule as drawn; None for a single query."""
    achieved_qps: float
    """Queries finished a second, from the first arrival to the last finish."""
    lateness_p99_ms: float | None
    """What of the latency is our own: from when a query could start until it did; None where every
    frame was dropped."""
    given_up: bool = False
    """Whether the queue grew so long that the rest was not started."""


class ServerView(Record):
    """MLPerf's server: Poisson arrivals, latency from the scheduled arrival."""

    percentile: float
    bound_ms: float
    streams: int
    highest_met_qps: float | None
    """Highest rate that was shown to keep the bound."""
    lowest_missed_qps: float | None
    """Lowest rate above it that was shown not to; the highest that keeps it lies between."""
    reasons: dict[str, str] = {}
    """Field → why it is None."""
    probes: tuple[LoadProbe, ...]
    """By rate."""


class OfflineRate(Record):
    """Throughput with one number of streams."""

    streams: int
    queries: int
    images_per_s: float
    interval: Span | None
    """Student's t over segments of the pass; None where it was too short."""
    segments: int
    """Parts of the pass that the interval is from."""


class OfflineView(Record):
    """MLPerf's offline: all images are there at once; what counts is how many a second."""

    batch: int
    rates: tuple[OfflineRate, ...]
    """By streams."""
    best_streams: int
    """The number of streams with the most images a second."""
    images_per_s: float
    """With that number."""


class CamerasView(Record):
    """Cameras that each give a frame every period, and a deadline for each frame."""

    fps: float
    deadline_ms: float
    miss_share: float
    """Share of frames that may miss the deadline."""
    drop_late: bool
    """Whether frames that had waited longer than the deadline were thrown away."""
    streams: int
    highest_met: int | None
    """Most cameras that were shown to miss no more than that."""
    lowest_missed: int | None
    """Fewest above it that were shown to miss more."""
    reasons: dict[str, str] = {}
    """Field → why it is None."""
    worst_camera: dict[int, float]
    """Number of cameras → share of missed deadlines of the camera that missed the most."""
    probes: tuple[LoadProbe, ...]
    """By number of cameras; ``latency_ms`` is the p99."""
