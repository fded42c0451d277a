"""What a suite may ask beside the first pass over each cell: load, processes, soak, energy, pairs.

Each is taken in a fresh process of its own, after the cell was measured, and kept by itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from benchbench.suite.listed import Names, OrOne
from benchbench.types import Record

_PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Streams = Annotated[int, Field(ge=1, le=256)]


class Where(Record):
    """Picks cells; each key takes a name or a list, with ``*`` as a wildcard."""

    model: Names = ("*",)
    runtime: Names = ("*",)
    precision: Names = ("*",)
    device: Names = ("*",)
    batch: Annotated[tuple[int, ...], OrOne()] | None = None
    dataset: Names = ("*",)


class _Chosen(Record):
    """Something that is taken of some cells."""

    where: Where = Where()
    """Which cells; by default all that are timed."""


class Processes(_Chosen):
    """Fresh processes, so that latency has an interval: the process is the unit."""

    count: int = Field(default=10, ge=2, le=1000)
    """How many; below 10 the figures are exploratory."""
    queries: int = Field(default=50, ge=11)
    """At least this many timed queries in each …"""
    seconds: float = Field(default=0.5, ge=0)
    """… and at least this long."""


class Load(_Chosen):
    """What the load scenarios share."""

    seconds: _PositiveFloat = 60.0
    """How long queries are issued, or about how long the search takes."""
    streams: Streams = 1
    """Sessions of the model that work side by side, each in a thread with the cell's threads."""


class MultiStream(_Chosen):
    """MLPerf's multi-stream: a closed loop of queries of several images, p99."""

    samples: int = Field(default=8, ge=1, le=4096)
    """Images of a query."""
    queries: int = Field(default=662, ge=2)
    """At least this many queries, which p99 needs …"""
    seconds: float = Field(default=10.0, ge=0)
    """… and at least this long."""
    streams: Streams = 1
    """Sessions of the model among which the batches of a query are divided."""


class Server(Load):
    """MLPerf's server: Poisson arrivals, latency from the scheduled arrival."""

    bound_ms: _PositiveFloat
    """Latency that the percentile must keep."""
    percentile: float = Field(default=99.0, gt=50, lt=100)
    """Which percentile must keep the bound."""
    rate_qps: _PositiveFloat | None = None
    """Queries a second; by default the highest rate that keeps the bound is searched."""
    seed: int = Field(default=0, ge=0)
    """The arrivals follow from it."""


class Cameras(Load):
    """Cameras that each send a frame at a fixed rate; a frame is missed if it ends too late."""

    fps: _PositiveFloat
    """Frames a second of each camera."""
    count: int | None = Field(default=None, ge=1, le=100_000)
    """How many cameras; by default the highest number that keeps the bound is searched."""
    deadline_ms: _PositiveFloat | None = None
    """From a frame's arrival to its result; by default the time between two frames."""
    miss_share: float = Field(default=0.01, gt=0, lt=0.5)
    """Share of frames that may be late."""
    drop_late: bool = False
    """Leave frames out that are past their deadline before they begin; they count as missed."""
    seed: int = Field(default=0, ge=0)
    """The cameras' phases follow from it."""


class Offline(_Chosen):
    """MLPerf's offline: all images at once, as fast as it goes."""

    streams: Annotated[
        tuple[Streams, ...],
        OrOne(),
        Field(min_length=1),
    ] = (1, 2)
    """Numbers of sessions to try; the best is told."""
    queries: int = Field(default=50, ge=2)
    """At least this many batches with each number …"""
    seconds: _PositiveFloat = 5.0
    """… and at least this long."""


class Soak(_Chosen):
    """A long closed loop, to see whether the machine keeps its speed."""

    seconds: _PositiveFloat = 300.0
    """Length of the loop."""
    rest_s: float = Field(default=20.0, ge=0)
    """Rest before it, so that the chip is as cool as it is when work comes."""
    sample_s: float = Field(default=0.5, ge=0.05)
    """Time between two readings of frequency and temperature, by a process of its own."""
    meter: Any = None
    """A meter whose power, clocks and temperatures are sampled too."""


class Energy(_Chosen):
    """Energy of the work and of the idle machine, by a meter."""

    meter: Any
    """A meter plug-in: ``nvml``, ``rapl``, ``jetson``, ``external`` …"""
    trials: int = Field(default=5, ge=2, le=1000)
    """How often the loop is repeated."""
    window_s: _PositiveFloat = 10.0
    """Least length of a trial; it is longer where the counter's steps ask for it."""
    idle_s: _PositiveFloat = 10.0
    """Length of the idle baselines before and after."""
    cooldown_s: float = Field(default=1.0, ge=0)
    """Between two trials."""
    sample_s: float = Field(default=0.1, ge=0.05)
    """Time between two readings of the power, by a process of its own."""
    seed: int = Field(default=0, ge=0)
    """The trials' random delays follow from it."""


class ComparisonEntry(Record):
    """Latency, and energy where a meter is given, of cells against others', by turns."""

    baseline: Where
    candidate: Where
    slower: float = Field(default=0.05, gt=0, lt=10)
    """The candidate may be slower by this share."""
    pairs: int = Field(default=8, ge=3, le=1000)
    """Pairs of fresh processes before the first look."""
    most_pairs: int = Field(default=20, ge=3, le=1000)
    """Pairs after which it ends, decided or not."""
    turns: int = Field(default=25, ge=3, le=10_000)
    """Turns of each process in a pair."""
    queries: int = Field(default=4, ge=1, le=10_000)
    """Queries of a turn."""
    rule: Literal["two-looks", "sequence"] = "two-looks"
    """Look after *pairs* and after *most_pairs*, or after every pair (a confidence sequence)."""
    meter: Any = None
    """A meter plug-in: energy is compared beside latency, with the same margin."""
    energy_turns: int = Field(default=5, ge=3, le=1000)
    """Turns of each process in a pair whose energy is read."""
    energy_s: _PositiveFloat = 2.0
    """Least length of such a turn; it is longer where the meter's resolution asks for it."""

    @model_validator(mode="after")
    def _ordered(self) -> ComparisonEntry:
        if self.most_pairs < self.pairs:
            raise ValueError(f"most_pairs ({self.most_pairs}) is below pairs ({self.pairs})")
        return self

    @model_validator(mode="after")
    def _metered(self) -> ComparisonEntry:
        idle = sorted(self.model_fields_set & {"energy_turns", "energy_s"})
        if self.meter is None and idle:
            raise ValueError(f"{idle[0]} says nothing without a meter")
        return self
