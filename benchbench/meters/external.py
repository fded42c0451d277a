"""A meter outside the machine, read by a command or through a CSV file.

The protocol is all there is: a command prints one JSON value for each reading, or another program
appends lines to a file. So any wall meter will do that something can read: a power analyser with a
logger, a plug with an HTTP interface, a meter on USB.

A command runs only where the environment says ``BENCHBENCH_ALLOW_COMMANDS=1``. That is no option,
for a suite must not be able to grant it to itself; workers inherit the environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from time import perf_counter_ns, time
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from benchbench.errors import MeterError
from benchbench.meters.counting import Counter, MeanPower
from benchbench.meters.outside import Reading, from_command, from_csv
from benchbench.protocols import Packages
from benchbench.types import Caveat, Record

ALLOW = "BENCHBENCH_ALLOW_COMMANDS"
"""The environment variable that lets suites run commands."""
_LAG_S = 0.5
"""A reading that is older than this, or took longer, is worth a doubt."""


class External(Record):
    """An external meter, read by a command or through a CSV file that another program writes."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    gives: Literal["watts", "joules"]
    """``watts``: the power now. ``joules``: the energy so far, from any origin, never falling."""
    command: tuple[str, ...] = Field((), max_length=64)
    """A program and its arguments, run once for each reading without a shell; it prints one JSON
    number or object. Needs ``BENCHBENCH_ALLOW_COMMANDS=1`` in the environment."""
    csv: Path | None = None
    """A file that another program appends lines to: a header with ``time_s`` (Unix time) and the
    value's column, then one line a reading. The last whole line counts."""
    key: str = Field("", max_length=200)
    """Where the value stands: the column, or the key in the JSON object, with dots into objects
    within (``aenergy.total``). Empty: what ``gives`` says."""
    scale: float = Field(1.0, gt=0, le=1e9, allow_inf_nan=False)
    """What the value is multiplied with to be watts or joules: 3600 for watt-hours."""
    timeout_s: float = Field(2.0, gt=0, le=60)
    """The longest that one run of the command may take, in seconds."""
    max_age_s: float = Field(5.0, gt=0, le=3600)
    """The oldest that the last line of the CSV file may be, in seconds."""
    scope: str = Field("wall power of the whole device", min_length=1, max_length=200)
    """What the meter sees, in words; stands beside every figure."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.command) == (self.csv is not None):
            raise ValueError("give either 'command' or 'csv'")
        return self

    def absent(self, device: str) -> str | None:  # noqa: ARG002 - it sees what it is plugged to
        """Return why it cannot be read: commands not allowed, no such program, no such file.

        The command is not run for that.
        """
        if self.csv is not None:
            return None if self.csv.is_file() else f"there is no file {self.csv}"
        if os.environ.get(ALLOW) != "1":
            return (
                f"the suite asks to run the command '{self.command[0]}'; set {ALLOW}=1 in the "
                "environment if you trust it"
            )
        found = shutil.which(self.command[0])
        return None if found else f"there is no program '{self.command[0]}' to run"

    @contextmanager
    def open(self, device: str) -> Iterator[ExternalReader]:
        """Take a first reading; raises MeterError with what is wrong with it."""
        if reason := self.absent(device):
            raise MeterError(reason)
        yield ExternalReader(self)

    def read(self) -> Reading:
        """Take one reading, scaled; raises MeterError for what is no number of watts or joules."""
        key = self.key or self.gives
        if self.csv is not None:
            found = from_csv(self.csv, key, self.max_age_s, time())
        else:
            found = from_command(self.command, key, self.timeout_s)
        value = found.value * self.scale
        if not isfinite(value) or value < 0:
            raise MeterError(f"{found.source} gave {value:g} {self.gives}, which cannot be")
        return Reading(value, found.lag_s, found.source)


class ExternalReader:
    """An external meter that gave a first reading."""

    def __init__(self, meter: External, clock: Callable[[], int] = perf_counter_ns) -> None:
        self.scope = meter.scope
        self.counts = meter.gives == "joules"
        self.resolution_j: float | None = None
        """The smallest step seen so far; None until the counter has moved, and without one."""
        self._meter = meter
        self._clock = clock
        self._lag_s = 0.0
        first = self._read()
        self._source = first.source
        self._counter = Counter(first.source, first.value, clock())
        self._power = MeanPower(first.source, clock())

    def energy_j(self) -> float:
        """Return the joules since opening; raises MeterError where the meter gives watts."""
        if not self.counts:
            raise MeterError(f"{self._source} gives watts and does not count energy")
        total_j = self._counter.add(self._read().value, self._clock())
        self.resolution_j = self._counter.step_j
        return total_j

    def power_w(self) -> float:
        """Return the power, or the mean between the last two different counts."""
        if self.counts:
            return self._power(self.energy_j(), self._clock())
        return self._read().value

    def state(self) -> Mapping[str, float]:
        """Return ``reading_lag_s``: the longest that a reading was old, or took, so far."""
        return {"reading_lag_s": self._lag_s}

    def identity(self) -> Mapping[str, str]:
        """Return where the readings come from, and what is made of them."""
        meter = self._meter
        return {
            "name": "external meter",
            "source": str(meter.csv) if meter.csv else " ".join(meter.command),
            "value": f"{meter.key or meter.gives} × {meter.scale:g} in {meter.gives}",
        }

    def doubts(self) -> Sequence[Caveat]:
        """Return ``meter_lag`` where a reading was more than half a second late."""
        if self._lag_s <= _LAG_S:
            return ()
        return (Caveat(code="meter_lag", figures={"lag_s": self._lag_s}),)

    def _read(self) -> Reading:
        reading = self._meter.read()
        self._lag_s = max(self._lag_s, reading.lag_s)
        return reading
