"""What surrounds a measurement: read before and after it, and subtracted.

Read once around a whole loop, never inside it. All is Linux's own account; what the kernel does not
tell here is absent, with its reason.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from time import process_time_ns

from benchbench.conditions_view import ConditionsView
from benchbench.measure import kernel
from benchbench.measure.clock import Clock, now_ns
from benchbench.measure.kernel import Machine, Throttling
from benchbench.measure.sensors import Sensors
from benchbench.types import Caveat

CONTENDED = 1.1
"""Wall over CPU time above this, at one thread on the CPU: caveat ``contended``."""
OTHER_LOAD = 0.10
"""Other processes took more than this share of the machine: caveat ``other_load``."""
STOLEN = 0.01
"""The hypervisor took more than this share of the machine: caveat ``stolen``."""
MEMORY_PRESSURE = 0.01
"""Tasks waited for memory in more than this share of the time: caveat ``memory_pressure``."""
DRIFTED = 0.05
"""Frequencies before and after differ by more than this: caveat ``frequency_drift``."""
LEAST_TICKS = 20
"""Of the kernel's CPU accounting on each CPU (10 ms each); in less, shares are too coarse."""

ROOT = Path("/")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_RESOURCES = ("cpu", "memory", "io")


@dataclass(frozen=True, slots=True)
class Own:
    """Counters of this process, all its threads together."""

    wall_ns: int
    cpu_ns: int
    involuntary_switches: int
    voluntary_switches: int
    major_faults: int


@dataclass(frozen=True, slots=True)
class Around:
    """Counters and states of what surrounds it; what is absent is None, or empty."""

    swapped_bytes: int | None
    pressure_us: dict[str, int | None]
    """Microseconds since the boot in which some task waited for ``cpu``, ``memory``, ``io``."""
    machine: Machine | None
    throttling: Throttling | None
    frequencies_mhz: tuple[float, ...]
    temperature_c: float | None
    throttle_events: int | None
    load_1m: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is read at one moment."""

    own: Own
    around: Around


def read(root: Path = ROOT, clock: Clock = now_ns, *, ending: bool = False) -> Reading:
    """Return the state of this process and, from the files below *root*, of the machine.

    The process's own counters are taken last, so that reading is no part of what follows; with
    *ending* first, so that it is no part of what went before.
    """
    if ending:
        return Reading(own=_own(clock), around=_around(root))
    around = _around(root)
    return Reading(own=_own(clock), around=around)


def _own(clock: Clock) -> Own:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Own(
        involuntary_switches=usage.ru_nivcsw,
        voluntary_switches=usage.ru_nvcsw,
        major_faults=usage.ru_majflt,
        cpu_ns=process_time_ns(),
        wall_ns=clock(),
    )


def _around(root: Path) -> Around:
    sensors = _sensors(root)
    return Around(
        swapped_bytes=kernel.swapped_bytes(root),
        pressure_us={name: kernel.pressure_us(root, name) for name in _RESOURCES},
        machine=kernel.machine(root),
        throttling=kernel.throttling(root),
        frequencies_mhz=sensors.frequencies_mhz(),
        temperature_c=sensors.temperature_c(),
        throttle_events=sensors.throttle_events(),
        load_1m=kernel.load_1m(root),
    )


def quick(root: Path = ROOT) -> dict[str, float]:
    """Return what a sampler keeps beside a trace; what is absent is left out.

    ``cpu_mhz`` (mean of the allowed CPUs), ``temperature_c`` (hottest), ``throttle_events`` (since
    the boot), ``load_1m``.
    """
    sensors = _sensors(root)
    frequencies = sensors.frequencies_mhz()
    found = {
        "cpu_mhz": fmean(frequencies) if frequencies else None,
        "temperature_c": sensors.temperature_c(),
        "throttle_events": sensors.throttle_events(),
        "load_1m": kernel.load_1m(root),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


@cache
def _sensors(root: Path) -> Sensors:
    return Sensors.find(root)


def between(before: Reading, after: Reading, threads: int | None = None) -> ConditionsView:
    """Return what happened from *before* to *after*.

    Frequencies are those of the *threads* fastest CPUs, by default of all allowed ones.
    """
    wall_s = (after.own.wall_ns - before.own.wall_ns) / 1e9
    cpu_s = (after.own.cpu_ns - before.own.cpu_ns) / 1e9
    told: dict[str, float | int | None] = {
        "wall_over_cpu": wall_s / cpu_s if cpu_s else None,
        "swapped_bytes": after.around.swapped_bytes,
        **{f"pressure_{name}": _waited(before, after, name) for name in _RESOURCES},
        **_shares(before.around.machine, after.around.machine, cpu_s),
        **_quota(before.around.throttling, after.around.throttling),
        "frequency_mhz_before": _fastest(before.around.frequencies_mhz, threads),
        "frequency_mhz_after": _fastest(after.around.frequencies_mhz, threads),
        "temperature_c_before": before.around.temperature_c,
        "temperature_c_after": after.around.temperature_c,
        "thermal_throttle_events": _more(
            before.around.throttle_events, after.around.throttle_events
        ),
        "load_1m": after.around.load_1m,
    }
    short = _short(before.around.machine, after.around.machine)
    reasons = _REASONS | (dict.fromkeys(("others_cpu", "steal"), short) if short else {})
    return ConditionsView(
        wall_s=wall_s,
        cpu_s=cpu_s,
        involuntary_switches=after.own.involuntary_switches - before.own.involuntary_switches,
        voluntary_switches=after.own.voluntary_switches - before.own.voluntary_switches,
        major_faults=after.own.major_faults - before.own.major_faults,
        absent={name: reasons[name] for name, value in told.items() if value is None},
        **told,
    )


_REASONS = {
    "wall_over_cpu": "the process took no CPU time that its clock can tell",
    "swapped_bytes": "/proc/self/status has no VmSwap",
    **{f"pressure_{name}": f"/proc/pressure/{name} cannot be read" for name in _RESOURCES},
    **dict.fromkeys(("others_cpu", "steal"), "/proc/stat cannot be read"),
    **dict.fromkeys(
        ("cgroup_throttled_s", "cgroup_throttled_periods"),
        "the control group tells no throttling (cpu.stat)",
    ),
    **dict.fromkeys(
        ("frequency_mhz_before", "frequency_mhz_after"),
        "neither cpufreq nor /proc/cpuinfo tells a frequency",
    ),
    **dict.fromkeys(
        ("temperature_c_before", "temperature_c_after"),
        "neither a thermal zone nor a sensor chip is named for a CPU",
    ),
    "thermal_throttle_events": "the kernel counts no throttling by heat",
    "load_1m": "/proc/loadavg cannot be read",
}


def _more(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _waited(before: Reading, after: Reading, name: str) -> float | None:
    """Return the share of the wall time; the kernel brings its count up to date now and then."""
    more = _more(before.around.pressure_us[name], after.around.pressure_us[name])
    wall_us = (after.own.wall_ns - before.own.wall_ns) / 1e3
    return None if more is None or wall_us <= 0 else min(more / wall_us, 1.0)


def _shares(before: Machine | None, after: Machine | None, cpu_s: float) -> dict[str, float | None]:
    if before is None or after is None or _short(before, after):
        return {"others_cpu": None, "steal": None}
    total = after.total - before.total
    others = (after.busy - before.busy) - cpu_s / _TICK_S
    steal = (after.steal - before.steal) / total
    return {"others_cpu": min(max(others / total, 0.0), 1.0), "steal": max(steal, 0.0)}


def _short(before: Machine | None, after: Machine | None) -> str | None:
    if before is None or after is None:
        return None
    ticks = (after.total - before.total) / max(after.cpus, 1)
    if ticks >= LEAST_TICKS:
        return None
    return f"the loop took {ticks:.0f} ticks of the kernel's CPU accounting, under {LEAST_TICKS}"


def _quota(before: Throttling | None, after: Throttling | None) -> dict[str, float | int | None]:
    if before is None or after is None:
        return {"cgroup_throttled_s": None, "cgroup_throttled_periods": None}
    return {
        "cgroup_throttled_s": after.seconds - before.seconds,
        "cgroup_throttled_periods": after.periods - before.periods,
    }


def _fastest(frequencies: tuple[float, ...], threads: int | None) -> float | None:
    fastest = sorted(frequencies, reverse=True)[:threads]
    return fmean(fastest) if fastest else None


Figures = dict[str, float | int | str]


def doubts(view: ConditionsView, threads: int, device: str = "cpu") -> tuple[Caveat, ...]:
    """Return the doubts that the surroundings raise about a loop of *threads* threads.

    ``contended`` is looked for at one thread on the CPU only: of several, one that spins would hide
    it, and who waits for another device takes no CPU time either.
    """
    alone = threads == 1 and device.lower().startswith("cpu")
    found = {
        "contended": _contended(view) if alone else {},
        "other_load": _above(view, "others_cpu", OTHER_LOAD, ("load_1m",)),
        "cgroup_throttled": _above(view, "cgroup_throttled_periods", 0, ("cgroup_throttled_s",)),
        "swapped": _above(view, "major_faults", 0, ("swapped_bytes",)),
        "throttled": _above(
            view, "thermal_throttle_events", 0, ("temperature_c_before", "temperature_c_after")
        ),
        "frequency_drift": _drifted(view),
        "stolen": _above(view, "steal", STOLEN),
        "memory_pressure": _above(view, "pressure_memory", MEMORY_PRESSURE),
    }
    return tuple(Caveat(code=code, figures=figures) for code, figures in found.items() if figures)


def _above(view: ConditionsView, name: str, limit: float, beside: tuple[str, ...] = ()) -> Figures:
    """Return the figures if field *name* is above *limit*, else none."""
    value = getattr(view, name)
    if value is None or value <= limit:
        return {}
    return {key: told for key in (name, *beside) if (told := getattr(view, key)) is not None}


def _contended(view: ConditionsView) -> Figures:
    return _above(view, "wall_over_cpu", CONTENDED, ("involuntary_switches", "load_1m"))


def _drifted(view: ConditionsView) -> Figures:
    before, after = view.frequency_mhz_before, view.frequency_mhz_after
    if not before or not after or abs(after / before - 1) <= DRIFTED:
        return {}
    return {"frequency_mhz_before": before, "frequency_mhz_after": after}
