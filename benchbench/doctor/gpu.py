"""NVIDIA's driver and GPUs: which, too old for what is installed, used by whom."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchbench import cuda
from benchbench.types import Finding

_FIRST_DRIVER = {11: "450", 12: "525", 13: "580"}
"""CUDA major version → first driver branch that supports it (on Linux)."""
_SUFFIX = re.compile(r"[-_]cu(\d\d)(?:[-_]|$)")


def findings() -> Iterator[Finding]:
    """Yield what is known of the driver and of each GPU; one line where there is none."""
    absent = cuda.absent("cuda")
    if absent:
        yield Finding(level="ok", message=f"no NVIDIA GPU to use: {absent}")
    version = cuda.driver_version()
    if version is None:
        return
    yield from _too_old()
    for number in itertools.count():
        device = f"cuda:{number}"
        if cuda.absent(device):
            break
        chip = f"{cuda.name(device)}, compute capability {cuda.compute_capability(device)}"
        yield Finding(level="ok", message=f"{device}: {chip}, driver for CUDA {version}")
    yield from _users()


def needed() -> dict[int, list[str]]:
    """Return CUDA's major version → the installed packages that are built for it."""
    found: dict[int, list[str]] = {}
    for one in distributions():
        name = str(one.metadata["Name"])
        major = _major(name, one.version)
        if major:
            found.setdefault(major, []).append(f"{name} {one.version}")
    return found


def _major(name: str, version: str) -> int | None:
    """Return the CUDA that a package's name or version tells it is built for."""
    told = _SUFFIX.search(name) or re.search(r"\+cu(\d\d)", version)
    if told:
        return int(told[1])
    return int(version.partition(".")[0]) if name == "nvidia-cuda-runtime" else None


def _too_old() -> Iterator[Finding]:
    """Yield a finding for each CUDA that installed packages need and the driver lacks."""
    for major, names in sorted(needed().items()):
        reason = cuda.too_old(major)
        if reason:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            branch = _FIRST_DRIVER.get(major, "a newer one")
            yield Finding(
                level="error",
                message=f"{reason} by {', '.join(sorted(names)[:3])}{more}",
                hint=f"update the driver (branch {branch} or later), or install packages that are "
                "built for an older CUDA",
            )


def _users() -> Iterator[Finding]:
    """Yield the processes that compute on a GPU, through NVML."""
    try:
        import pynvml
    except ImportError:
        yield Finding(
            level="warning",
            message="cannot tell whether others use a GPU: nvidia-ml-py is not installed",
            hint="pip install nvidia-ml-py",
        )
        return
    try:
        pynvml.nvmlInit()
        with contextlib.ExitStack() as stack:
            stack.callback(pynvml.nvmlShutdown)
            yield from [f for number in range(pynvml.nvmlDeviceGetCount()) for f in _used(number)]
    except pynvml.NVMLError as error:
        message = f"cannot tell whether others use a GPU: NVML says {error}"
        yield Finding(level="warning", message=message)


def _used(number: int) -> Iterable[Finding]:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    others = [_process(one) for one in running if one.pid != os.getpid()]
    if others:
        # NVML's order need not be CUDA's: the name and the UUID tell which one it is.
        which = f"{pynvml.nvmlDeviceGetName(handle)}, {pynvml.nvmlDeviceGetUUID(handle)}"
        yield Finding(
            level="warning",
            message=f"other processes use the GPU {number} of NVML ({which}): {', '.join(others)}",
            hint="wait until they have ended, or choose another device: they share its time",
        )


def _process(one: Any) -> str:
    memory = "" if one.usedGpuMemory is None else f", {one.usedGpuMemory >> 20} MiB"
    return f"{_name(one.pid)} (pid {one.pid}{memory})"


def _name(pid: int) -> str:
    """Return the name of a process; a container cannot see others'."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "a process of somebody else"
