"""RAPL: the energy counters of Intel's and AMD's CPUs, as Linux shows them (powercap).

The counters are read here and not through zeus 0.16, which reads them well enough but counts
wrap-arounds in a process of its own for each zone, by polling once a second: between a wrap and
the poll its total falls by the whole range. It would also bring pandas, scikit-learn, httpx and
amdsmi. pyRAPL and pyJoules are not maintained; codecarbon invents watts where it finds none.

Source of the files' meaning: the kernel's Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from benchbench.errors import MeterError
from benchbench.meters.counting import MOST_W, Counter, MeanPower
from benchbench.meters.sysfs import Seldom, number, number_or_none, text_or_none
from benchbench.protocols import Packages
from benchbench.types import Caveat, Record

_MOUNT = Path("/sys/class/powercap")
_ZONE = "intel-rapl:*"
"""The MSR interface. ``intel-rapl-mmio:*`` shows the same package a second time."""
_LOOKS = 500
"""Readings at the start to see the counter's step: tens of milliseconds, of a counter that
moves about every millisecond (Intel SDM, volume 3, on RAPL)."""

ZoneName = Annotated[str, StringConstraints(pattern=r"^(package(-\d+)?|dram|psys)$")]


class Rapl(Record):
    """Energy of CPU packages and memory by RAPL (Running Average Power Limit)."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    zones: tuple[ZoneName, ...] = Field(("package",), min_length=1, max_length=64)
    """What is added up: ``package`` (all of them) or ``package-0`` (one), ``dram`` (the memory of
    every package), or ``psys`` (the platform), which holds the others and stands alone."""
    powercap: Path = _MOUNT
    """Where the kernel shows powercap."""

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        if "psys" in self.zones and set(self.zones) != {"psys"}:
            raise ValueError("'psys' holds the packages already; name it alone")
        return self

    def absent(self, device: str) -> str | None:
        """Return why RAPL cannot be read: not a CPU, no powercap, no such zone, no permission."""
        if device != "cpu":
            return f"RAPL counts the energy of CPUs, not that of '{device}'"
        try:
            zones = self._chosen()
        except MeterError as error:
            return error.message
        return next(filter(None, map(self._unreadable, zones)), None)

    @contextmanager
    def open(self, device: str) -> Iterator[RaplReader]:
        """Begin to count; raises MeterError with the reason where :meth:`absent` gives one."""
        if reason := self.absent(device):
            raise MeterError(reason)
        yield RaplReader(self._chosen())

    def _chosen(self) -> tuple[Zone, ...]:
        """Return the zones by the names that are asked for; raise MeterError if one is missing."""
        found = _zones(self.powercap)
        if not found:
            raise MeterError(
                f"the kernel shows no RAPL zones in {self.powercap / _ZONE}: virtual machines and "
                "containers have none; on a machine of its own, try 'sudo modprobe intel_rapl_msr'"
            )
        for name in self.zones:
            if not any(zone.answers(name) for zone in found):
                there = ", ".join(sorted({zone.name for zone in found}))
                raise MeterError(f"there is no RAPL zone '{name}' here; there are: {there}")
        return tuple(zone for zone in found if any(map(zone.answers, self.zones)))

    def _unreadable(self, zone: Zone) -> str | None:
        try:
            number(zone.counter)
        except MeterError as error:
            if not isinstance(error.__cause__, PermissionError):
                return error.message
            every = self.powercap / _ZONE / zone.counter.name
            return (
                f"{zone.counter} may be read by root only (since CVE-2020-8694); "
                f"'sudo chmod a+r {every}' lets everyone read it until the next boot"
            )
        return None


@dataclass(frozen=True, slots=True)
class Zone:
    """One counter."""

    path: Path
    name: str
    """``package-0``, ``package-1-die-0``, ``dram``, ``psys``, ``core`` …"""

    @property
    def counter(self) -> Path:
        """The file that counts."""
        return self.path / "energy_uj"

    def answers(self, name: str) -> bool:
        """Return whether the zone is what a suite calls *name*, or a part of it."""
        return name == self.name or self.name.startswith(f"{name}-")

    def start(self, clock: Callable[[], int]) -> Counter:
        """Return its counter after a first reading, with range and power limit where known."""
        label = f"RAPL {self.name} ({self.path.name})"
        counter = Counter(label, number(self.counter) / 1e6, clock())
        if span_uj := number_or_none(self.path / "max_energy_range_uj"):
            counter.range_j = span_uj / 1e6
        counter.limit_w = self.limit_w() or MOST_W
        return counter

    def limit_w(self) -> float | None:
        """Return the highest of the zone's power limits in watts; None without one below 1 kW."""
        limits = map(number_or_none, self.path.glob("constraint_*_power_limit_uw"))
        return max((uw / 1e6 for uw in limits if uw and 0 < uw < MOST_W * 1e6), default=None)


class RaplReader:
    """Open counters: their sum is the energy.

    RAPL has no power of its own: :meth:`power_w` is the mean since the reading before.
    """

    def __init__(self, zones: Sequence[Zone], clock: Callable[[], int] = perf_counter_ns) -> None:
        self.scope = _scope([zone.name for zone in zones])
        self.counts = True
        self.resolution_j: float | None = None
        """The smallest step seen so far, summed over the zones; None until each has moved."""
        self._clock = clock
        self._counters = {zone: zone.start(clock) for zone in zones}
        self._power = MeanPower(f"RAPL ({self.scope})", clock())
        self._state = Seldom(self._limits, clock)
        self._look()

    def energy_j(self) -> float:
        """Return the joules since opening."""
        total_j = sum(
            counter.add(number(zone.counter) / 1e6, self._clock())
            for zone, counter in self._counters.items()
        )
        steps = [counter.step_j for counter in self._counters.values()]
        self.resolution_j = sum(step for step in steps if step) if all(steps) else None
        return total_j

    def power_w(self) -> float:
        """Return the mean power since the counters last moved between two calls of this."""
        return self._power(self.energy_j(), self._clock())

    def state(self) -> Mapping[str, float]:
        """Return ``power_limit_w``, summed over the zones, if each has one; read once a second."""
        return self._state()

    def identity(self) -> Mapping[str, str]:
        """Return the counters' paths and the joules at which they wrap."""
        spans = (counter.range_j for counter in self._counters.values())
        return {
            "name": "RAPL",
            "counters": ", ".join(f"{zone.name}={zone.counter}" for zone in self._counters),
            "wraps_at_j": ", ".join("unknown" if span is None else f"{span:.6f}" for span in spans),
        }

    def doubts(self) -> Sequence[Caveat]:
        """Return ``counter_wrap`` for each counter that may have turned round unseen."""
        return tuple(
            Caveat(
                code="counter_wrap",
                figures={
                    "zone": zone.name,
                    "interval_s": counter.longest_s,
                    "wrap_s": counter.wrap_s,
                },
            )
            for zone, counter in self._counters.items()
            if counter.wrap_s is not None and counter.longest_s > counter.wrap_s
        )

    def _limits(self) -> dict[str, float]:
        limits = [zone.limit_w() for zone in self._counters]
        return {"power_limit_w": sum(w for w in limits if w)} if all(limits) else {}

    def _look(self) -> None:
        """Read until each counter was seen to move, to learn its step."""
        for _ in range(_LOOKS):
            self.energy_j()
            if self.resolution_j is not None:
                break


def _zones(root: Path) -> tuple[Zone, ...]:
    """Return the zones below *root* by path; one without a name is hidden by a container."""
    found = ((path, text_or_none(path / "name")) for path in sorted(root.glob(_ZONE)))
    return tuple(Zone(path, name) for path, name in found if name)


def _scope(names: Sequence[str]) -> str:
    """Return what the zones cover, in words: ``CPU packages 0, 1 and DRAM``."""
    found = [name.removeprefix("package-").replace("-die-", " die ") for name in names]
    cpus = [text for name, text in zip(names, found, strict=True) if text != name]
    kind = "CPU packages" if len(cpus) > 1 else "CPU package"
    parts = [f"{kind} {', '.join(cpus)}"] if cpus else []
    parts += ["DRAM"] if "dram" in names else []
    parts += ["platform (psys)"] if "psys" in names else []
    return " and ".join(parts)
