"""The power sensors of NVIDIA's Jetson modules: INA3221 chips on the module's supply rails.

Sources: the kernel's Documentation/hwmon/ina3221.rst (JetPack 5 and later: millivolts and
milliamperes), and the older ``ina3221x`` driver of JetPack 4 (milliwatts). jetson-stats reads the
same files, but is under the AGPL and wants a service that runs as root.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter_ns
from typing import ClassVar

from pydantic import Field

from benchbench.errors import MeterError
from benchbench.meters.sysfs import Seldom, number, number_or_none, text_or_none
from benchbench.protocols import Packages
from benchbench.types import Caveat, Record

_DEVICES = ("cpu", "cuda", "cuda:0")
_TOTALS = ("VDD_IN", "POM_5V_IN")
"""Rails that feed the whole module: Orin NX and Nano, Xavier NX, TX2; Nano of the first kind."""
_DRIVERS = "sys/bus/i2c/drivers"
_HWMON = f"{_DRIVERS}/ina3221*/*/hwmon/hwmon*/in[123]_label"
_IIO = f"{_DRIVERS}/ina3221*/*/iio:device*/rail_name_*"
_NOT_CONNECTED = "NC"
_COLDEST_C = -50.0
"""Below it lies what a sensor shows whose part is switched off (−256 °C)."""
_GPU = re.compile(r"\.(gpu|g[a-z]\d+\w)$")
"""``17000000.gpu``, ``17000000.ga10b``, ``57000000.gpu``, ``17000000.gv11b``."""


class Jetson(Record):
    """Power of a Jetson module, by the sensors on its supply rails."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    rails: tuple[str, ...] = Field((), max_length=16)
    """Names of the rails that are added up. Empty: the rail that feeds the whole module; where the
    board has none (AGX modules), name rails that do not hold one another."""
    root: Path = Path("/")
    """Where the system's ``sys``, ``proc`` and ``var`` are found."""

    def absent(self, device: str) -> str | None:
        """Return why it cannot be read: another device, no Jetson, no such rail, no permission."""
        if device not in _DEVICES:
            return f"a Jetson's rails feed its CPU and its one GPU (cuda:0), not '{device}'"
        try:
            for rail in self._chosen():
                rail.watts()
        except MeterError as error:
            return error.message
        return None

    @contextmanager
    def open(self, device: str) -> Iterator[JetsonReader]:
        """Begin to read; raises MeterError with the reason where :meth:`absent` gives one."""
        if reason := self.absent(device):
            raise MeterError(reason)
        yield JetsonReader(self._chosen(), self.root)

    def _chosen(self) -> tuple[Rail, ...]:
        found = _rails(self.root)
        if not found:
            tried = " and ".join(str(self.root / pattern) for pattern in (_HWMON, _IIO))
            raise MeterError(f"no power rails were found, so this is no Jetson; tried {tried}")
        names = self.rails or tuple(name for name in _TOTALS if name in found)[:1]
        there = f"there are: {', '.join(sorted(found))}"
        if not names:
            raise MeterError(f"this board has no rail of the whole module; name 'rails', {there}")
        for name in names:
            if name not in found:
                raise MeterError(f"there is no rail '{name}' on this board; {there}")
        return tuple(found[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Rail:
    """One channel of a sensor."""

    name: str
    power: Path | None = None
    """Milliwatts."""
    voltage: Path | None = None
    """Millivolts."""
    current: Path | None = None
    """Milliamperes."""

    def watts(self) -> float:
        """Return the power now; raises MeterError where it cannot be read."""
        if self.power:
            return number(self.power) / 1e3
        assert self.voltage is not None
        assert self.current is not None
        return number(self.voltage) * number(self.current) / 1e6

    def source(self) -> Path:
        """Return the folder of the channel's files."""
        path = self.power or self.voltage
        assert path is not None
        return path.parent


class JetsonReader:
    """Open rails. They show power only; the harness integrates it."""

    def __init__(
        self, rails: Sequence[Rail], root: Path, clock: Callable[[], int] = perf_counter_ns
    ) -> None:
        names = [rail.name for rail in rails]
        whole = len(names) == 1 and names[0] in _TOTALS
        told = f"{'rail' if len(names) == 1 else 'rails'} {', '.join(names)}"
        self.scope = f"Jetson module ({told})" if whole else f"Jetson {told}"
        self.counts = False
        self.resolution_j: float | None = None
        self._rails = tuple(rails)
        self._root = root
        self._state = Seldom(self._look, clock)

    def energy_j(self) -> float:
        """Raise MeterError: the sensor does not count."""
        raise MeterError("a Jetson's sensors show power and do not count energy")

    def power_w(self) -> float:
        """Return the power of all chosen rails, each as its last conversion found it."""
        watts = sum(rail.watts() for rail in self._rails)
        if watts < 0:
            raise MeterError(f"the rails show {watts:.3f} W; power is never negative")
        return watts

    def state(self) -> Mapping[str, float]:
        """Return temperatures, clocks and the count of over-current events, where readable.

        They are read once a second at most.
        """
        return self._state()

    def identity(self) -> Mapping[str, str]:
        """Return board, rails, their folders, the sensors' conversion time and the power mode."""
        folders = sorted({rail.source() for rail in self._rails})
        found = {
            "name": text_or_none(self._root / "proc/device-tree/model") or "Jetson",
            "rails": ", ".join(rail.name for rail in self._rails),
            "sensors": ", ".join(map(str, folders)),
            "update_interval_ms": _all_of(folders, "update_interval"),
            "samples": _all_of(folders, "samples"),
            "nvpmodel": text_or_none(self._root / "var/lib/nvpmodel/status"),
        }
        return {key: value for key, value in found.items() if value}

    def doubts(self) -> Sequence[Caveat]:
        """Return none: what the rails leave out stands in the scope."""
        return ()

    def _look(self) -> dict[str, float]:
        return _temperatures(self._root) | _clocks(self._root) | _events(self._root)


def _rails(root: Path) -> dict[str, Rail]:
    """Return the rails by name, of both layouts; a name that comes again keeps the first."""
    found: dict[str, Rail] = {}
    for label in (*sorted(root.glob(_HWMON)), *sorted(root.glob(_IIO))):
        name = text_or_none(label)
        if name and name != _NOT_CONNECTED:
            found.setdefault(name, _rail(name, label))
    return found


def _rail(name: str, label: Path) -> Rail:
    channel = re.sub(r"\D", "", label.name)
    if label.name.startswith("rail_name_"):
        return Rail(name, power=label.parent / f"in_power{channel}_input")
    voltage, current = (label.parent / f"{kind}{channel}_input" for kind in ("in", "curr"))
    return Rail(name, voltage=voltage, current=current)


def _all_of(folders: Sequence[Path], name: str) -> str:
    """Return the different values of a file that each sensor has."""
    values = (text_or_none(folder / name) for folder in folders)
    return ", ".join(dict.fromkeys(value for value in values if value))


def _temperatures(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, milli = text_or_none(zone / "type"), number_or_none(zone / "temp")
        if name and milli is not None and milli / 1e3 > _COLDEST_C:
            found[f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}_temperature_c"] = milli / 1e3
    return found | ({"temperature_c": max(found.values())} if found else {})


def _clocks(root: Path) -> dict[str, float]:
    devices = (root / "sys/class/devfreq").glob("*/cur_freq")
    gpus = (number_or_none(path) for path in devices if _GPU.search(path.parent.name))
    gpu = [hz / 1e6 for hz in gpus if hz is not None]
    cores = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    cpu = [khz / 1e3 for khz in map(number_or_none, cores) if khz is not None]
    return {
        name: fmean(mhz) for name, mhz in (("gpu_clock_mhz", gpu), ("cpu_clock_mhz", cpu)) if mhz
    }


def _events(root: Path) -> dict[str, float]:
    """Return how often the module lowered its clocks for too much current, since boot (Orin)."""
    counts = map(number_or_none, (root / "sys/class/hwmon").glob("hwmon*/oc[0-9]_event_cnt"))
    seen = [count for count in counts if count is not None]
    return {"overcurrent_events_count": float(sum(seen))} if seen else {}
