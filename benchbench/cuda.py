"""NVIDIA's driver, asked through ctypes: cheap, before any library that would die without it.

TensorRT's runtime object segfaults when it is deleted on a machine without a driver, so the driver
is asked first. Ordinals are CUDA's, which need not be NVML's.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


def ordinal(device: str) -> int:
    """Return the ordinal of ``cuda`` (0) or ``cuda:N``."""
    return int(device.partition(":")[2] or 0)


def absent(device: str) -> str | None:
    """Return why *device* (``cuda``, ``cuda:N``) cannot be used here; None if it can."""
    library, fault = _driver()
    if library is None:
        return fault
    count = ctypes.c_int()
    library.cuDeviceGetCount(ctypes.byref(count))
    if ordinal(device) >= count.value:
        return f"{device}: the driver knows {count.value} CUDA devices"
    return None


def driver_version() -> str | None:
    """Return the newest CUDA that the driver supports, e.g. ``13.0``; None without a driver."""
    library, _ = _driver()
    version = ctypes.c_int()
    if library is None or library.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def compute_capability(device: str) -> str | None:
    """Return e.g. ``8.6``; None if *device* is absent."""
    library, _ = _driver()
    if library is None or absent(device):
        return None
    return ".".join(str(_attribute(library, which, device)) for which in (_MAJOR, _MINOR))


def name(device: str) -> str | None:
    """Return the product name of *device*; None if it is absent."""
    library, _ = _driver()
    if library is None or absent(device):
        return None
    text = ctypes.create_string_buffer(128)
    library.cuDeviceGetName(text, len(text), ordinal(device))
    return text.value.decode(errors="replace")


def _attribute(library: Any, which: int, device: str) -> int:
    value = ctypes.c_int()
    library.cuDeviceGetAttribute(ctypes.byref(value), which, ordinal(device))
    return value.value


@cache
def _driver() -> tuple[Any, str | None]:
    """Return the initialised driver library, or why there is none."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None, "no NVIDIA driver here: libcuda.so.1 is not to be found"
    code = library.cuInit(0)
    if code:
        return None, f"the NVIDIA driver does not start: cuInit gave {code}{_known(code)}"
    return library, None


def _known(code: int) -> str:
    meanings = {
        34: " (a stub library)",
        100: " (no CUDA device)",
        802: " (the system is not ready: fabric manager)",
        803: " (driver and library versions differ)",
        999: " (unknown error: try after a reboot)",
    }
    return meanings.get(code, "")
