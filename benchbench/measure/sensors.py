"""Frequencies, temperatures and heat throttling of the CPU, where the kernel tells them.

Which files tell is found out once; reading them again is cheap enough for a sampler.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_CPUS = 32
"""At most so many CPUs are asked: each answer takes time, and can interrupt its CPU."""
_CPU_ZONES = re.compile("cpu|pkg|core|soc|package", re.IGNORECASE)
_COUNTED = ("core", "package")
_MHZ = re.compile(r"^cpu MHz\s*:\s*([\d.]+)", re.MULTILINE)
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


@dataclass(frozen=True, slots=True)
class Sensors:
    """The files that tell; empty where there are none."""

    frequency_khz: tuple[Path, ...]
    cpuinfo: Path
    """Read for the frequency where there is no file for it."""
    temperature_mc: tuple[Path, ...]
    throttle_counts: tuple[Path, ...]

    @classmethod
    def find(cls, root: Path = Path("/"), allowed: Iterable[int] | None = None) -> Sensors:
        """Look below *root* for what tells of the *allowed* CPUs, by default this process's."""
        cpus = sorted(os.sched_getaffinity(0) if allowed is None else allowed)[:MOST_CPUS]
        system = root / "sys/devices/system/cpu"
        frequencies = (system / f"cpu{n}/cpufreq/scaling_cur_freq" for n in cpus)
        throttles = (system / f"cpu{n}/thermal_throttle" for n in cpus)
        counts = [folder / f"{part}_throttle_count" for folder in throttles for part in _COUNTED]
        return cls(
            tuple(path for path in frequencies if _number(path) is not None),
            root / "proc/cpuinfo",
            _zones(root / "sys/class/thermal") or _chips(root / "sys/class/hwmon"),
            tuple(path for path in counts if path.is_file()),
        )

    def frequencies_mhz(self) -> tuple[float, ...]:
        """Return the frequency of each allowed CPU, or what ``/proc/cpuinfo`` says of all."""
        if self.frequency_khz:
            return tuple(value / 1e3 for value in _numbers(self.frequency_khz))
        try:
            text = self.cpuinfo.read_text()
        except OSError:
            return ()
        return tuple(float(found) for found in _MHZ.findall(text))

    def temperature_c(self) -> float | None:
        """Return the hottest temperature of the CPU."""
        return max((value / 1e3 for value in _numbers(self.temperature_mc)), default=None)

    def throttle_events(self) -> int | None:
        """Return how often heat slowed the allowed CPUs or their package down since the boot.

        A package's count stands with each of its CPUs, and counts once.
        """
        if not self.throttle_counts:
            return None
        package = [path for path in self.throttle_counts if path.name.startswith("package")]
        cores = [path for path in self.throttle_counts if path not in package]
        return int(sum(_numbers(cores)) + max(_numbers(package), default=0))


def _zones(folder: Path) -> tuple[Path, ...]:
    """Return the thermal zones that are named for a CPU."""
    zones = sorted(folder.glob("thermal_zone*"))
    named = (zone / "temp" for zone in zones if _CPU_ZONES.search(_text(zone / "type")))
    return tuple(path for path in named if _number(path) is not None)


def _chips(folder: Path) -> tuple[Path, ...]:
    """Return the first sensor, which is the whole package, of each chip that measures a CPU."""
    chips = sorted(folder.glob("hwmon*"))
    named = (chip / "temp1_input" for chip in chips if _text(chip / "name") in _CPU_CHIPS)
    return tuple(path for path in named if _number(path) is not None)


def _numbers(paths: Sequence[Path]) -> list[float]:
    return [value for path in paths if (value := _number(path)) is not None]


def _number(path: Path) -> float | None:
    try:
        return float(path.read_bytes())
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
