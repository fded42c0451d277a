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


def ordinal(device: str) -> int | None:
    """Return the ordinal of ``cuda`` (0) or ``cuda:N``; None for any other name."""
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not (number.isascii() and number.isdigit())):
        return None
    return int(number or 0)


def absent(device: str) -> str | None:
    """Return why *device* (``cuda``, ``cuda:N``) cannot be used here; None if it can."""
    number = ordinal(device)
    if number is None:
        return f"'{device}' names no CUDA device; cuda and cuda:1 would"
    library, fault = _driver()
    if library is None:
        return fault
    count = ctypes.c_int()
    code = library.cuDeviceGetCount(ctypes.byref(count))
    if code:
        return f"{device}: the NVIDIA driver cannot count its devices: error {code}"
    if number >= count.value:
        return f"{device}: the driver knows {count.value} CUDA devices"
    return None


def driver_version() -> str | None:
    """Return the newest CUDA that the driver supports, e.g. ``13.0``; None without a driver."""
    library, _ = _driver()
    version = ctypes.c_int()
    if library is None or library.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def too_old(major: int) -> str | None:
    """Return why the driver cannot serve libraries of CUDA *major*; None if it can, or is not."""
    known = driver_version()
    if known is None or int(known.partition(".")[0]) >= major:
        return None
    return f"the NVIDIA driver knows CUDA {known} at most, and CUDA {major} is needed"


def compute_capability(device: str) -> str | None:
    """Return e.g. ``8.6``; None if *device* is absent."""
    found = _open(device)
    if found is None:
        return None
    return ".".join(str(_attribute(*found, which)) for which in (_MAJOR, _MINOR))


def computes_tf32(device: str) -> bool:
    """Return whether *device* is there and has tf32 (compute capability 8.0 and later)."""
    known = compute_capability(device)
    return known is not None and int(known.partition(".")[0]) >= 8


def name(device: str) -> str | None:
    """Return the product name of *device*; None if it is absent."""
    found = _open(device)
    if found is None:
        return None
    library, handle = found
    text = ctypes.create_string_buffer(128)
    library.cuDeviceGetName(text, len(text), handle)
    return text.value.decode(errors="replace")


def describe(device: str) -> dict[str, str]:
    """Return ``gpu``, ``compute_capability`` and ``driver_cuda`` as far as they are known."""
    known = {
        "gpu": name(device),
        "compute_capability": compute_capability(device),
        "driver_cuda": driver_version(),
    }
    return {key: value for key, value in known.items() if value is not None}


def _open(device: str) -> tuple[Any, ctypes.c_int] | None:
    """Return the library and its handle of *device*; None if it is absent."""
    if absent(device):
        return None
    library, _ = _driver()
    handle = ctypes.c_int()
    failed = library.cuDeviceGet(ctypes.byref(handle), ordinal(device))
    return None if failed else (library, handle)


def _attribute(library: Any, handle: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    library.cuDeviceGetAttribute(ctypes.byref(value), which, handle)
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
