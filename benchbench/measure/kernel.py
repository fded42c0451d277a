"""What Linux tells of the machine and of this process: counters below ``/proc`` and the cgroups.

Each function takes the folder that stands for ``/``; what the kernel does not tell is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Machine:
    """Counters of the whole machine from ``/proc/stat``, in ticks added over its CPUs."""

    cpus: int
    busy: int
    steal: int
    total: int


@dataclass(frozen=True, slots=True)
class Throttling:
    """What a control group's CPU quota did to it."""

    periods: int
    seconds: float


def swapped_bytes(root: Path) -> int | None:
    """Return how much of this process is swapped out."""
    found = re.search(r"^VmSwap:\s+(\d+) kB", _text(root / "proc/self/status"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def pressure_us(root: Path, name: str) -> int | None:
    """Return for how long, since the boot, some task waited for ``cpu``, ``memory`` or ``io``."""
    text = _text(root / "proc/pressure" / name)
    found = re.search(r"^some .*total=(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def machine(root: Path) -> Machine | None:
    """Return the counters of ``/proc/stat``; guests' time is in user time already."""
    text = _text(root / "proc/stat")
    fields = re.match(r"cpu +([\d ]+)", text)
    ticks = [int(field) for field in fields.group(1).split()] if fields else []
    if len(ticks) < 8:
        return None
    user, nice, system, idle, waiting, irq, softirq, steal = ticks[:8]
    busy = user + nice + system + irq + softirq
    cpus = len(re.findall(r"^cpu\d", text, re.MULTILINE))
    return Machine(cpus, busy, steal, busy + idle + waiting + steal)


def load_1m(root: Path) -> float | None:
    """Return the load average of the last minute."""
    words = _text(root / "proc/loadavg").split()
    return float(words[0]) if words else None


def throttling(root: Path) -> Throttling | None:
    """Return the throttling of this process's control group and of those above it, added."""
    found = [
        {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}
        for text in map(_text, _groups(root))
    ]
    counted = [each for each in found if "nr_throttled" in each]
    if not counted:
        return None
    seconds = (e.get("throttled_usec", 0) / 1e6 + e.get("throttled_time", 0) / 1e9 for e in counted)
    return Throttling(sum(each["nr_throttled"] for each in counted), sum(seconds))


def _groups(root: Path) -> Iterator[Path]:
    """Yield ``cpu.stat`` of this process's group, versions 2 and 1, up to what is mounted here."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        mounts = ("", "unified") if number == "0" else (controllers, "cpu")
        for mount in mounts:
            base = root / "sys/fs/cgroup" / mount
            if (base / "cpu.stat").is_file():
                yield from _upwards(base, PurePosixPath(path))
                break


def _upwards(base: Path, path: PurePosixPath) -> Iterator[Path]:
    """Yield the groups' files; what is not mounted here cannot be read, and is passed over.

    A container may see its own group as the root while its path is told from the host's.
    """
    for group in (path, *path.parents):
        yield base / group.relative_to("/") / "cpu.stat"


def _text(path: Path) -> str:
    """Return what *path* holds; nothing where it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
