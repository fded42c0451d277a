"""What a soak did at first and what it kept up, with what was sampled beside it.

:mod:`benchbench.measure.soak` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.conditions_view import Beside, SoakView
from benchbench.stats.changes import POINTS, change_points
from benchbench.types import Caveat

BURST_S = 10.0
"""The first seconds, whose median is the burst's latency."""
SLOWER = 1.05
"""Sustained over burst from this on: caveat ``throttled`` or ``slows_down``."""
FELL = 0.97
"""A clock below this share of what it was in the burst has fallen."""
LEAST = 5
"""Fewer queries than this give no median of a burst, or of what is sustained."""
SAMPLES = 150
"""Points of a clock's or a temperature's trace."""
_LEVELS = ("burst_ms", "sustained_ms")
Columns = Mapping[str, NDArray[Any]]


def summarise(
    trace: Columns, sampled: Sequence[Columns] = (), burst_s: float = BURST_S
) -> SoakView:
    """Derive burst and sustained latency, and the change points.

    *trace* holds what :func:`run` returned. Each of *sampled* is what a sampler kept beside it:
    ``t_ns`` by the same clock, and by name clocks (``…_mhz``), temperatures (``…_c``), ``watts``,
    ``throttle_events`` (counted up) and ``throttled`` (0 or 1); other columns are passed over.
    """
    started, total = trace["started_ns"], trace["total_ns"]
    windows = _windows(started, total, burst_s)
    burst, sustained, reason = _levels(started, total, windows)
    blocks = np.array_split(np.arange(len(total)), min(len(total), POINTS))
    return SoakView(
        queries=len(total),
        seconds=(windows.end - windows.begin) / 1e9,
        burst_s=burst_s,
        burst_ms=burst,
        sustained_ms=sustained,
        ratio=sustained / burst if burst and sustained else None,
        reason=reason,
        changes=change_points(started, total),
        beside=tuple(each for columns in sampled for each in _beside(columns, windows)),
        throttle_events=_throttle_events(sampled, windows),
        trace_s=tuple(float(started[block[0]] - started[0]) / 1e9 for block in blocks),
        trace_ms=tuple(float(np.median(total[block])) / 1e6 for block in blocks),
    )


@dataclass(frozen=True, slots=True)
class _Windows:
    """Bounds on the clock, in nanoseconds."""

    begin: int
    burst_end: float
    last_third: float
    end: int

    def both(self, times: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which of *times* lie in the burst and which in the last third."""
        burst = (times >= self.begin) & (times < self.burst_end)
        return burst, (times >= self.last_third) & (times <= self.end)


def _windows(started: NDArray[np.int64], total: NDArray[np.int64], burst_s: float) -> _Windows:
    begin, end = int(started[0]), int(started[-1] + total[-1])
    return _Windows(begin, begin + burst_s * 1e9, end - (end - begin) / 3, end)


def _levels(
    started: NDArray[np.int64], total: NDArray[np.int64], windows: _Windows
) -> tuple[float | None, float | None, str | None]:
    """Return the medians in ms of the burst and of the last third, or None and why."""
    if windows.last_third < windows.burst_end:
        least = (windows.burst_end - windows.begin) * 1.5 / 1e9
        return None, None, f"the last third begins within the burst; a soak takes over {least:g} s"
    burst, sustained = (total[chosen] for chosen in windows.both(started))
    if min(len(burst), len(sustained)) < LEAST:
        reason = (
            f"{len(burst)} queries in the burst and {len(sustained)} in the last third; "
            f"a median takes {LEAST}"
        )
        return None, None, reason
    return float(np.median(burst)) / 1e6, float(np.median(sustained)) / 1e6, None


def _beside(columns: Columns, windows: _Windows) -> list[Beside]:
    """Return what was sampled of clocks, temperatures and power; power is called ``power_w``."""
    names = [name for name in columns if name == _POWER or name.endswith(("_mhz", "_c"))]
    found = []
    for name in names:
        times, values = columns["t_ns"], columns[name]
        told = ~np.isnan(values) & (times >= windows.begin) & (times <= windows.end)
        burst, last = (values[told & each] for each in windows.both(times))
        if len(burst) and len(last):
            levels = {"burst": float(np.median(burst)), "sustained": float(np.median(last))}
            at_s, points = _points((times[told] - windows.begin) / 1e9, values[told])
            shown = "power_w" if name == _POWER else name
            found.append(Beside(name=shown, **levels, at_s=at_s, values=points))
    return found


_POWER = "watts"


def _points(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return when each block of samples began, and its median."""
    blocks = np.array_split(np.arange(len(values)), min(len(values), SAMPLES))
    return (
        tuple(float(times[block[0]]) for block in blocks),
        tuple(float(np.median(values[block])) for block in blocks),
    )


def _throttle_events(sampled: Sequence[Columns], windows: _Windows) -> int | None:
    """Return the rise of the counter plus the samples that were told to be throttled."""
    found = []
    for columns in sampled:
        within = (columns["t_ns"] >= windows.begin) & (columns["t_ns"] <= windows.end)
        for name, counted in (("throttle_events", np.ptp), ("throttled", np.count_nonzero)):
            if name not in columns:
                continue
            values = columns[name][within & ~np.isnan(columns[name])]
            if len(values):
                found.append(int(counted(values)))
    return sum(found) if found else None


def caveats(view: SoakView) -> tuple[Caveat, ...]:
    """Return the doubt about a cell that does not keep up its speed, with its cause if one shows.

    ``throttled`` where a clock fell or throttling was reported, else ``slows_down``.
    """
    if view.ratio is None or view.ratio < SLOWER:
        return ()
    figures: dict[str, float | int | str] = {
        "sustained_over_burst": view.ratio,
        **{name: told for name in _LEVELS if (told := getattr(view, name)) is not None},
    }
    causes: dict[str, float | int | str] = {
        f"{each.name}_over_burst": each.sustained / each.burst
        for each in view.beside
        if each.name.endswith("_mhz") and each.burst and each.sustained < FELL * each.burst
    }
    if view.throttle_events:
        causes["throttle_events"] = view.throttle_events
    return (Caveat(code="throttled" if causes else "slows_down", figures=figures | causes),)
