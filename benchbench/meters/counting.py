"""Counters of energy that rise, wrap and step: what is true of every meter that counts."""

from __future__ import annotations

from benchbench.errors import MeterError

MOST_W = 1000.0
"""More than any CPU package or wall plug at hand draws; what a counter may have risen at most."""
_SLACK_S = 0.1
"""The longest that a counter is known to wait before it shows what was drawn."""


class Counter:
    """Joules since a counter's first reading; wrap-around is undone.

    Two readings that lie further apart than :attr:`wrap_s` may hide a whole turn: nothing in them
    shows it. :attr:`longest_s` keeps how far apart they were.
    """

    def __init__(self, name: str, first_j: float, at_ns: int) -> None:
        self.name = name
        self.total_j = 0.0
        self.step_j: float | None = None
        """The smallest rise seen from one reading to the next; None before the first rise."""
        self.longest_s = 0.0
        """The longest time between two readings."""
        self.range_j: float | None = None
        """Where the counter starts again at zero; None where that is not known."""
        self.limit_w = MOST_W
        """What it is allowed to draw."""
        self._last_j = first_j
        self._at_ns = at_ns

    @property
    def wrap_s(self) -> float | None:
        """The time in which the counter turns round at its power limit; None without a range."""
        return None if self.range_j is None else self.range_j / self.limit_w

    def add(self, reading_j: float, at_ns: int) -> float:
        """Take a reading, in joules; return the joules since the first.

        Raises MeterError where the counter went back and no wrap-around explains it.
        """
        since_s = (at_ns - self._at_ns) / 1e9
        rise = reading_j - self._last_j
        if rise < 0:
            rise = self._unwrapped(reading_j, since_s)
        if rise > 0:
            self.step_j = rise if self.step_j is None else min(rise, self.step_j)
        self.longest_s = max(self.longest_s, since_s)
        self.total_j, self._last_j, self._at_ns = self.total_j + rise, reading_j, at_ns
        return self.total_j

    def _unwrapped(self, reading_j: float, since_s: float) -> float:
        back = f"{self.name} went back from {self._last_j:.6f} J to {reading_j:.6f} J"
        if self.range_j is None:
            raise MeterError(f"{back}; it was reset, or wraps at an unknown value")
        rise = reading_j - self._last_j + self.range_j
        if not 0 <= rise <= MOST_W * (since_s + _SLACK_S):
            told = f"a wrap-around at {self.range_j:.6f} J would mean {rise:.0f} J"
            raise MeterError(f"{back} within {since_s:.3f} s; it was reset: {told}")
        return rise


class MeanPower:
    """Power from a counter: the mean between the last two readings that differ."""

    def __init__(self, name: str, at_ns: int) -> None:
        self._name = name
        self._total_j = 0.0
        self._at_ns = at_ns
        self._mean_w: float | None = None

    def __call__(self, total_j: float, at_ns: int) -> float:
        """Return watts; raises MeterError until the counter has moved for the first time."""
        if total_j > self._total_j and at_ns > self._at_ns:
            self._mean_w = (total_j - self._total_j) / ((at_ns - self._at_ns) / 1e9)
            self._total_j, self._at_ns = total_j, at_ns
        if self._mean_w is None:
            raise MeterError(f"{self._name} has not moved yet, so the power is not known")
        return self._mean_w
