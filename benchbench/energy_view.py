"""The energy of a cell as reports and machines see it: derived from raw columns, on reading."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Caveat, Record

Grade = Literal["A", "B", "C"]
"""How far a figure of energy is to be trusted; docs/energy.md has the rule."""


class EnergyFigure(Record):
    """A figure over the trials: mean with t interval, median and spread, or why it is None."""

    value: float | None = None
    """Mean over the trials."""
    low: float | None = None
    high: float | None = None
    """t interval of the mean over the trials; None with fewer than two."""
    level: float = 0.95
    """Confidence, 0..1."""
    median: float | None = None
    spread: float | None = None
    """Largest trial less the smallest."""
    reason: str | None = None
    """Why there is no value, where there is none."""


class EnergyQuality(Record):
    """How the figures came to be, and how well they are known."""

    method: Literal["counter", "integrated power"]
    resolution_j: float | None = None
    """Step of the counter."""
    update_period_s: float | None = None
    """Median time between two changes of the counter, as measured; None without one."""
    ticks_per_window: float | None = None
    """Updates of the counter in the shortest window."""
    window_s: float | None = None
    """Length of the shortest window."""
    trials: int = 0
    """Windows that were completed."""
    baseline_drift: float | None = None
    """Idle power after less before, as a share of their mean; negative where it fell."""
    observer_cpu_share: float | None = None
    """CPU time of the sampler's process over its wall time: a share of one core."""
    tick_bound: float | None = None
    """Energy of one update (without a counter: of one sample) over that of the shortest window.

    A bound of the error that the ends of a window can make, as a share of the gross figure; the
    meter's own accuracy is not in it.
    """
    power_to_counter: float | None = None
    """Integral of the sampled power over the counter, in all windows together."""
    grade: Grade | None = None
    grade_reasons: tuple[str, ...] = ()
    """What keeps it from a better grade, in words."""


class EnergyView(Record):
    """What the queries of a cell drew. Every figure is None with a reason, or measured."""

    meter: str
    """Name of the plug-in."""
    scope: str | None = None
    """What the figures cover: ``GPU board``, ``CPU package 0``. The wall only where an external
    meter says so."""
    identity: dict[str, str] = {}
    """What was read: name, driver, UUID …"""
    gross_j_per_image: EnergyFigure
    """All that was drawn in the windows, over the images."""
    net_j_per_image: EnergyFigure
    """The same less what the idle device would have drawn in that time."""
    images_per_joule: EnergyFigure
    """Images over gross joules."""
    average_w: EnergyFigure
    """Gross joules over the length of the window."""
    peak_w: float | None = None
    """Largest sample of power in a window."""
    peak_reason: str | None = None
    """Why there is no peak."""
    idle_w: float | None = None
    """Mean power of the two idle baselines, the session open."""
    idle_j: float | None = None
    """Energy of the two baselines together."""
    idle_reason: str | None = None
    """Why there is no idle power."""
    temperature_c: float | None = None
    """Highest temperature sampled in a window."""
    memory_used_bytes: int | None = None
    """Most memory of the device in use in a window, by all processes."""
    quality: EnergyQuality | None = None
    caveats: tuple[Caveat, ...] = ()
    reason: str | None = None
    """Why nothing was measured, or why measuring ended early."""
