"""Which CPUs a process may use, and how many physical cores that is."""

from __future__ import annotations

import os
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")


def physical_cores(
    allowed: set[int] | None = None, topology: Path = _TOPOLOGY, cgroup: Path = _CGROUP
) -> int:
    """Return how many physical cores this process may keep busy, at least 1.

    Hyper-threads of one core count once; a container's CPU quota (cgroup v2, then v1) is a limit,
    rounded down.
    """
    cores = len(one_each(os.sched_getaffinity(0) if allowed is None else allowed, topology))
    limit = quota(cgroup)
    return max(1, cores if limit is None else min(cores, int(limit)))


def one_each(allowed: set[int], topology: Path = _TOPOLOGY) -> tuple[int, ...]:
    """Return the lowest logical CPU of each physical core among *allowed*."""
    cores: dict[tuple[str, str], int] = {}
    for cpu in sorted(allowed):
        cores.setdefault(_core(cpu, topology), cpu)
    return tuple(cores.values())


def quota(cgroup: Path = _CGROUP) -> float | None:
    """Return the number of CPUs that the container's quota allows, None without one."""
    try:
        words = (cgroup / "cpu.max").read_text().split()
    except OSError:
        words = [
            _number(cgroup / "cpu/cpu.cfs_quota_us"),
            _number(cgroup / "cpu/cpu.cfs_period_us"),
        ]
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])


def _core(cpu: int, topology: Path) -> tuple[str, str]:
    """Return (package, core) of a logical CPU; a core of its own where the kernel does not say."""
    folder = topology / f"cpu{cpu}/topology"
    package, core = _number(folder / "physical_package_id"), _number(folder / "core_id")
    return (package, core) if package and core else ("", str(cpu))


def _number(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
