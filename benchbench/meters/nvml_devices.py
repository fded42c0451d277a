"""Which NVML device a CUDA device is: by UUID, since the two count in different orders."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench import cuda
from benchbench.errors import MeterError

UuidOf = Callable[[str], str | None]
"""From a device name (``cuda:1``) to the hexadecimal UUID that CUDA gives it; None if unknown."""
_NO_SUCH = "NVML knows no device with the UUID {uuid} that CUDA gives to {device}"


@dataclass(frozen=True, slots=True)
class Board:
    """The board that a CUDA device is, or is a part of."""

    handle: Any
    """NVML's handle of the whole board, also where CUDA sees one MIG instance of it."""
    uuid: str
    """``GPU-…``, of the board."""
    instance: str | None = None
    """``MIG-…`` where CUDA sees an instance."""


def cuda_uuid(device: str) -> str | None:
    """Return the UUID of *device* as the CUDA driver gives it; None without driver or device.

    The driver has applied ``CUDA_VISIBLE_DEVICES``, whatever its form: ordinals, UUIDs, MIG. On a
    MIG instance it is the instance's (``cuDeviceGetUuid_v2``).
    """
    if cuda.absent(device):
        return None
    library = ctypes.CDLL("libcuda.so.1")
    handle, octets = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if library.cuDeviceGet(ctypes.byref(handle), cuda.ordinal(device)):
        return None
    if library.cuDeviceGetUuid_v2(octets, handle):
        return None
    return str(uuid.UUID(bytes=bytes(octets)))


def bare(text: str) -> str:
    """Return the hexadecimal part of a UUID: without ``GPU-`` or ``MIG-``, in lower case."""
    return text.strip().lower().removeprefix("gpu-").removeprefix("mig-")


def find(device: str, named: str, uuid_of: UuidOf) -> Board:
    """Return the board of *device*; *named* is a UUID given by hand, ``""`` for none.

    Raises :class:`~benchbench.errors.MeterError` if neither CUDA nor the user gives a UUID, if the
    two differ, or if NVML does not know it.
    """
    asked = uuid_of(device)
    if named and asked and bare(named) != bare(asked):
        raise MeterError(
            f"CUDA's {device} has the UUID {asked}, not {named}",
            hint="leave the option uuid out: CUDA's own is then used",
        )
    wanted = asked or named
    if not wanted:
        raise MeterError(
            f"the CUDA driver does not tell which board {device} is",
            hint="the meter's option uuid names it: see nvidia-smi -L",
        )
    return _board(_handle(device, bare(wanted)))


def _handle(device: str, plain: str) -> Any:
    """Return NVML's handle of a board or of a MIG instance."""
    import pynvml

    for prefix in ("GPU-", "MIG-"):
        try:
            return pynvml.nvmlDeviceGetHandleByUUID(prefix + plain)
        except (pynvml.NVMLError_NotFound, pynvml.NVMLError_InvalidArgument):
            continue
    raise MeterError(_NO_SUCH.format(uuid=plain, device=device))


def _board(handle: Any) -> Board:
    import pynvml

    try:
        instance = bool(pynvml.nvmlDeviceIsMigDeviceHandle(handle).value)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        instance = False
    if not instance:
        return Board(handle, pynvml.nvmlDeviceGetUUID(handle))
    parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    return Board(parent, pynvml.nvmlDeviceGetUUID(parent), _instance_uuid(handle))


def _instance_uuid(handle: Any) -> str:
    import pynvml

    try:
        return str(pynvml.nvmlDeviceGetUUID(handle))
    except pynvml.NVMLError_NotSupported:
        return "MIG instance"


def others(processes: Sequence[Any], own: int) -> int:
    """Return how many of NVML's *processes* are not *own* (a process id).

    Where *own* is not among them, one of them is taken for it: in a container NVML tells ids of the
    host's.
    """
    known = {process.pid for process in processes}
    return len(known - {own}) if own in known or not known else len(known) - 1
