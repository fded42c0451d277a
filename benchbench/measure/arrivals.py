"""When queries arrive: schedules made before anything is timed, equal for equal seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Seed = int | Sequence[int]
"""What numpy's PCG64 takes: one whole number or several, none negative."""
Times = NDArray[np.int64]


def poisson(rate_qps: float, seconds: float, seed: Seed, least: int = 1) -> Times:
    """Return the arrivals of a Poisson process in nanoseconds, the first at 0, ascending.

    The gaps are exponential with mean 1 / *rate_qps*. The process lasts *seconds*, and longer where
    it must for *least* arrivals: (N,) with N >= *least*.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    expected = max(rate_qps * seconds, least)
    times = _arrivals(generator, rate_qps, int(expected + 6 * expected**0.5) + 2)
    while len(times) < least or times[-1] < seconds * 1e9:
        more = _arrivals(generator, rate_qps, len(times))
        times = np.concatenate([times, times[-1] + more[1:]])
    within = int(np.searchsorted(times, int(seconds * 1e9)))
    return times[: max(within, least)]


def _arrivals(generator: np.random.Generator, rate_qps: float, count: int) -> Times:
    gaps = np.rint(generator.exponential(1e9 / rate_qps, count)).astype(np.int64)
    gaps[0] = 0
    return np.cumsum(gaps)


def cameras(count: int, fps: float, seconds: float, seed: Seed) -> tuple[Times, NDArray[np.int64]]:
    """Return the frames of *count* cameras in order of arrival: (N,) nanoseconds, (N,) camera.

    Each camera gives a frame every 1 / *fps* seconds, at least one, from a phase of its own that is
    drawn evenly from the first period. Frames come as long as *seconds* last.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    period = 1e9 / fps
    phases = generator.random(count) * period
    frames = np.arange(max(int(seconds * fps), 1)) * period
    times = np.rint(phases[:, None] + frames).astype(np.int64)
    which = np.repeat(np.arange(count), len(frames))
    order = np.argsort(times, axis=None, kind="stable")
    return times.ravel()[order], which[order]
