"""The one clock. Tests inject another."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

Clock = Callable[[], int]
now_ns: Clock = perf_counter_ns


def resolution_ns(clock: Clock = now_ns, tries: int = 50) -> int:
    """Return the smallest step above zero that *clock* was seen to take, in nanoseconds."""
    steps = []
    for _ in range(tries):
        first = clock()
        while (second := clock()) == first:
            pass
        steps.append(second - first)
    return min(steps)
