"""The windows and baselines of an energy measurement, and the samples that lie in them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_TICKS = 20
"""A window holds at least so many updates of the counter."""
Floats = NDArray[np.float64]


def update_period_s(seen_ns: NDArray[np.int64]) -> float | None:
    """Return the median time between the changes seen at *seen_ns*, in seconds; None below two."""
    return float(np.median(np.diff(seen_ns)) / 1e9) if len(seen_ns) > 1 else None


def integral_j(t_ns: NDArray[np.int64], watts: Floats, start_ns: int, end_ns: int) -> float | None:
    """Return the trapezoidal integral of *watts* over a span, interpolated at its ends.

    None unless samples lie on both sides of it, and within it no gap is longer than a tenth of it.
    """
    if len(t_ns) < 2 or t_ns[0] > start_ns or t_ns[-1] < end_ns:
        return None
    inside = (t_ns > start_ns) & (t_ns < end_ns)
    at = np.concatenate([[start_ns], t_ns[inside], [end_ns]])
    if np.diff(at).max() > (end_ns - start_ns) / 10:
        return None
    power = np.interp(at - start_ns, t_ns - start_ns, watts)
    return float(((power[1:] + power[:-1]) / 2 * np.diff(at) / 1e9).sum())


class Measured:
    """The columns of one measurement, looked at by window (see ``measure/energy.py``)."""

    def __init__(self, columns: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
        self._columns, self.about = columns, about
        self.counts = bool(about["counts"])
        self.resolution_j: float | None = about["resolution_j"]
        self.images = columns["trial.images"].astype(np.float64)
        self.span_s = self._lengths("trial")
        self.period_s = update_period_s(columns["tick.seen_ns"])

    @cached_property
    def joules(self) -> Floats:
        """(T,) energy of each window; empty where it cannot be told."""
        return self._energies("trial")

    @cached_property
    def idle_j(self) -> Floats:
        """(B,) energy of each baseline; empty where it cannot be told."""
        return self._energies("baseline")

    @cached_property
    def idle_each_w(self) -> Floats:
        """(B,) power of each baseline; empty where it cannot be told."""
        return self.idle_j / self._lengths("baseline") if len(self.idle_j) else self.idle_j

    @property
    def idle_w(self) -> float | None:
        """Mean power of the two baselines; None unless there are two."""
        return float(self.idle_each_w.mean()) if len(self.idle_each_w) == 2 else None

    @property
    def ticks(self) -> float | None:
        """Updates of the counter in the shortest window; None without a counter or a window."""
        if not self.counts or not self.period_s or not len(self.span_s):
            return None
        return float(self.span_s.min() / self.period_s)

    @property
    def power_integral_j(self) -> float | None:
        """Integral of the sampled power over all windows; None where samples do not cover them."""
        each = self._integrals("trial")
        return float(each.sum()) if len(each) else None

    def withheld(self) -> str | None:
        """Return why there are no figures of energy; None if there are."""
        done, planned = len(self.span_s), self.about["plan"]["trials"]
        if done < planned:
            return f"{self.about['reason']} (after {done} of {planned} windows)"
        if not len(self.joules):
            return f"the power samples do not cover the windows: {self._sampling()}"
        if self.ticks is not None and self.ticks < LEAST_TICKS:
            return f"a window holds {self.ticks:.1f} updates of the counter; it takes {LEAST_TICKS}"
        if not (self.joules > 0).all():
            return "the meter saw no energy in a window: it does not see this device at work"
        return None

    def idle_withheld(self) -> str | None:
        """Return why there is no idle power; None if there is."""
        if self.idle_w is not None:
            return None
        done = len(self._columns["baseline.start_ns"])
        if done < 2:
            return f"{self.about['reason']} (after {done} of 2 idle baselines)"
        return f"the power samples do not cover the baselines: {self._sampling()}"

    def peak_w(self) -> tuple[float | None, str | None]:
        """Return the largest sample of power in a window, or None and why."""
        if any(one["code"] == "power_averaged" for one in self.about["doubts"]):
            return None, "the meter tells power as an average over time, which hides peaks"
        highest = self.highest("watts")
        return highest, None if highest is not None else f"no power samples: {self._sampling()}"

    def highest(self, name: str) -> float | None:
        """Return the largest sample of the reading *name* in a window; None without one."""
        values = self.sampled(name)
        return float(values.max()) if len(values) else None

    def sampled(self, name: str) -> Floats:
        """Return the samples of the reading *name* that lie in windows."""
        values = self._columns.get(f"sample.{name}")
        if values is None:
            return np.zeros(0)
        found = values[self._in_windows()]
        return np.asarray(found[~np.isnan(found)], np.float64)

    def observer_cpu_share(self) -> float | None:
        """Return the CPU time of the sampler over its wall time; None below two samples."""
        spent = self._columns.get("sample.observer_cpu_ns", np.zeros(0))
        t_ns = self._columns.get("sample.t_ns", np.zeros(0))
        if len(t_ns) < 2:
            return None
        return float((spent[-1] - spent[0]) / (t_ns[-1] - t_ns[0]))

    def _in_windows(self) -> NDArray[np.bool_]:
        t_ns = self._columns["sample.t_ns"]
        starts, ends = self._columns["trial.start_ns"], self._columns["trial.end_ns"]
        return np.asarray(
            ((t_ns[:, None] >= starts) & (t_ns[:, None] <= ends)).any(axis=1), np.bool_
        )

    def _lengths(self, what: str) -> Floats:
        spans = self._columns[f"{what}.end_ns"] - self._columns[f"{what}.start_ns"]
        return np.asarray(spans / 1e9, np.float64)

    def _energies(self, what: str) -> Floats:
        if self.counts:
            return np.asarray(self._columns[f"{what}.joules"], np.float64)
        return self._integrals(what)

    def _integrals(self, what: str) -> Floats:
        """Return the integral of each span, or nothing if one of them is not covered."""
        t_ns, watts = self._columns.get("sample.t_ns"), self._columns.get("sample.watts")
        if t_ns is None or watts is None:
            return np.zeros(0)
        known = ~np.isnan(watts)
        starts, ends = self._columns[f"{what}.start_ns"], self._columns[f"{what}.end_ns"]
        found = [
            integral_j(t_ns[known], watts[known], int(start), int(end))
            for start, end in zip(starts, ends, strict=True)
        ]
        return np.array([one for one in found if one is not None] if None not in found else [])

    def _sampling(self) -> str:
        return str(self.about["sampling_reason"] or "too few were taken")
