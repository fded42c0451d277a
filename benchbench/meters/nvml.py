"""What an NVIDIA board draws, by the driver's own counter (NVML). It reads; it changes nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from typing import ClassVar

from benchbench import cuda
from benchbench.errors import MeterError
from benchbench.meters.nvml_devices import UuidOf, cuda_uuid, find
from benchbench.meters.nvml_reader import NvmlReader, reasons
from benchbench.types import Record

_LIBRARY = "libnvidia-ml.so.1"


class Nvml(Record):
    """The energy counter and power of an NVIDIA board, through its driver."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("nvidia-ml-py",),)
    extra: ClassVar[str] = "nvml"

    uuid: str = ""
    """UUID of the board (``nvidia-smi -L``), where CUDA cannot tell it; must not contradict it."""

    def absent(self, device: str) -> str | None:
        """Return why *device* cannot be read here, None if it can; loads no more than the driver.

        What the board itself does not support is found out by :meth:`open`.
        """
        if cuda.ordinal(device) is None:
            return f"NVML reads NVIDIA's boards; '{device}' is none"
        if find_spec("pynvml") is None:
            return "the package 'nvidia-ml-py' is not installed"
        try:
            ctypes.CDLL(_LIBRARY)
        except OSError:
            return f"no NVIDIA driver here: {_LIBRARY} is not to be found"
        return None if self.uuid else cuda.absent(device)

    def open(self, device: str) -> AbstractContextManager[NvmlReader]:
        """Begin to read the board of *device*.

        Raises :class:`~benchbench.errors.MeterError` with the reason of :meth:`absent`, or where
        the board has neither counter nor power, or cannot be told from others.
        """
        reason = self.absent(device)
        if reason is not None:
            raise MeterError(reason)
        return reading(device, self.uuid)

    def memory_bytes(self, device: str) -> int:
        """Return the memory of *device* that this process holds now, in bytes, by NVML.

        Raises :class:`~benchbench.errors.MeterError` where NVML does not list this process, as in
        a container with process ids of its own.
        """
        with self.open(device) as reader:
            return reader.memory_bytes()


@contextmanager
def reading(device: str, uuid: str = "", uuid_of: UuidOf = cuda_uuid) -> Iterator[NvmlReader]:
    """Open NVML and yield the reader of *device*; *uuid_of* asks CUDA for its UUID."""
    import pynvml

    with reasons("start"):
        pynvml.nvmlInit()
    try:
        with reasons("find the board"):
            reader = NvmlReader(find(device, uuid, uuid_of))
        yield reader
    finally:
        # A board that is lost cannot be closed either; what was read of it stands.
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
