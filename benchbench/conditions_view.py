"""What surrounded a measurement, and how its trace went, as reports and machines see it."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record

Cause = Literal["code", "runner", "unclear"]
"""What a change of latency is due to, as the canary shows it."""


class ConditionsView(Record):
    """What changed around a timed loop from its beginning to its end.

    What could not be read is None, and *absent* says why.
    """

    wall_s: float
    cpu_s: float
    """CPU time of all threads of the process."""
    wall_over_cpu: float | None = None
    """About 1 for one busy thread that nothing keeps waiting."""
    involuntary_switches: int
    """How often a thread of the process was taken off its CPU."""
    voluntary_switches: int
    """How often one gave it up by itself: it waited."""
    major_faults: int
    """Pages of the process that had to come from disk."""
    swapped_bytes: int | None = None
    """Of the process, at the end."""
    pressure_cpu: float | None = None
    """Share of the wall time in which some task of the machine waited for a CPU, 0..1."""
    pressure_memory: float | None = None
    """The same for memory."""
    pressure_io: float | None = None
    """The same for disks."""
    others_cpu: float | None = None
    """Share of the machine's CPU capacity that other processes took, 0..1."""
    steal: float | None = None
    """Share of it that the hypervisor gave to other machines, 0..1."""
    cgroup_throttled_s: float | None = None
    """Time for which the control group was stopped by its CPU quota, added over CPUs."""
    cgroup_throttled_periods: int | None = None
    frequency_mhz_before: float | None = None
    """Mean of the fastest CPUs that the process may use, as many as it has threads."""
    frequency_mhz_after: float | None = None
    temperature_c_before: float | None = None
    """Of the CPU, the hottest sensor."""
    temperature_c_after: float | None = None
    thermal_throttle_events: int | None = None
    """How often a core or package was slowed down because it was too hot."""
    load_1m: float | None = None
    """Load average of the last minute, at the end."""
    absent: dict[str, str] = {}
    """Field → why it is None."""


class Change(Record):
    """A lasting change of latency in the course of a trace."""

    query: int
    """The first query at the new level, from 0."""
    at_s: float
    """When it began, from the first query on."""
    before_ms: float
    """Median of the level before."""
    after_ms: float
    """Median of the level after."""
    ratio: float
    """After over before: above 1, it became slower."""


class ChangesView(Record):
    """The change points of a trace, or why none were looked for."""

    found: tuple[Change, ...] | None
    """In time order; empty where the trace kept to one level."""
    points: int
    """How many medians of consecutive queries were looked at."""
    reason: str | None = None
    """Why *found* is None."""


class CanaryPart(Record):
    """One part of the canary workload, taken beside two measurements."""

    part: str
    """``compute``, ``memory`` or ``interpreter``."""
    ratio: float | None
    """Time of the second over the first: above 1, the machine became slower."""
    low: float | None = None
    high: float | None = None
    """Interval of at least 95 %."""
    moved: bool | None = None
    """Whether the whole interval lies further from 1 than is taken for nothing."""
    reason: str | None = None
    """Why there is no interval, where there is none."""


class CanaryView(Record):
    """Whether the machine itself was faster or slower in the second of two measurements."""

    parts: tuple[CanaryPart, ...]
    method: str


class Beside(Record):
    """What a sampler read beside a soak: a clock, a temperature or a power."""

    name: str
    """With its unit: ``cpu_mhz``, ``temperature_c``, ``sm_clock_mhz``, ``power_w``."""
    burst: float
    """Median during the burst."""
    sustained: float
    """Median during the last third."""
    at_s: tuple[float, ...] = ()
    """When each point of *values* began, from the first query on."""
    values: tuple[float, ...] = ()
    """At most 150 medians of consecutive samples in time order, for drawing."""


class SoakView(Record):
    """A closed loop that ran for minutes: what it did at first, and what it kept up."""

    queries: int
    seconds: float
    burst_s: float
    """How long the burst is taken to last."""
    burst_ms: float | None = None
    """Median latency of the burst."""
    sustained_ms: float | None = None
    """Median latency of the last third of the time."""
    ratio: float | None = None
    """Sustained over burst: above 1, it became slower."""
    reason: str | None = None
    """Why there is no ratio, where there is none."""
    changes: ChangesView
    beside: tuple[Beside, ...] = ()
    """Clocks and temperatures that were sampled, in the sampler's order."""
    throttle_events: int | None = None
    """How often the CPU reported that heat slowed it down, or in how many samples a device said so;
    None where neither tells."""
    trace_s: tuple[float, ...] = ()
    """When each point of *trace_ms* began."""
    trace_ms: tuple[float, ...] = ()
    """At most 300 medians of consecutive queries in time order, for drawing."""
