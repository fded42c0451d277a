"""The ticks of an energy counter: it moves in steps of time, and is read where it steps.

Waiting and the clock are injected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchbench.errors import MeterError
from benchbench.measure.clock import Clock
from benchbench.protocols import MeterReader
from benchbench.stats.energy import update_period_s

POLL_S = 0.001
"""Between two looks at the counter while waiting for its tick."""
PATIENCE_S = 10.0
"""A counter that has not changed for so long stands still."""
CHANGES = 4
"""Changes of the counter that are watched to learn its period."""


@dataclass(slots=True)
class Ticks:
    """Reads the counter of *reader* at its ticks."""

    reader: MeterReader
    clock: Clock
    sleep: Callable[[float], None]
    seen_ns: list[int] = field(default_factory=list)
    """When the counter was seen to change while it was watched."""

    @property
    def period_s(self) -> float | None:
        """The time between two changes; None until it was watched."""
        return update_period_s(np.array(self.seen_ns, np.int64))

    def watch(self) -> float:
        """Watch some changes; return the time between two of them, in seconds."""
        self.seen_ns += [self.mark()[0] for _ in range(CHANGES)]
        return self.period_s or 0.0

    def mark(self, between: Callable[[], None] | None = None) -> tuple[int, float]:
        """Return the time and the counter at its next tick; without a counter, the time now.

        *between* is called between two looks; by default it is a short sleep. Raises
        :class:`~benchbench.errors.MeterError` for a counter that stands still.
        """
        if not self.reader.counts:
            return self.clock(), 0.0
        last = self.reader.energy_j()
        limit = self.clock() + int(PATIENCE_S * 1e9)
        while (found := self.reader.energy_j()) == last:
            if self.clock() > limit:
                raise MeterError(f"the energy counter has stood still for {PATIENCE_S:g} s")
            if between is None:
                self.sleep(POLL_S)
            else:
                between()
        return self.clock(), found
