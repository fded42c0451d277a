"""The readings of one NVIDIA board: counter, power, temperature, clocks, why it is slowed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchbench.errors import MeterError
from benchbench.meters.nvml_devices import Board, others
from benchbench.types import Caveat

POWER_INSTANT = 186
"""``NVML_FI_DEV_POWER_INSTANT``, in mW."""
THROTTLING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""Event reasons that slow the work: software power cap, hardware slowdown, software and hardware
thermal slowdown, power brake. Idle (0x1) and clocks that an application set (0x2) do not count."""
Read = Callable[[], float]


class NvmlReader:
    """One board. Methods raise :class:`~benchbench.errors.MeterError` with NVML's reason.

    Power and state are read every 50 ms by a process that sleeps in between: with its caches cold,
    a context manager or an import costs as much as a reading. So these paths have neither.
    """

    scope: str = "GPU board: chip, memory and regulators"

    def __init__(self, board: Board) -> None:
        import pynvml

        self._nvml = pynvml
        self._board = board
        self._last_j = 0.0
        _, self._uncounted = _told(self._counter_mj)
        self.counts = self._uncounted is None
        self.resolution_j = 1e-3 if self.counts else None
        self._power, self._powerless = self._choose_power()
        if self._power is None and not self.counts:
            raise MeterError(
                f"NVML tells neither this board's energy ({self._uncounted}) nor its power "
                f"({self._powerless})"
            )
        self._states = {name: read for name, read in self._readings() if _told(read)[1] is None}

    def energy_j(self) -> float:
        """Return the counter in joules since the driver was loaded.

        Raises :class:`~benchbench.errors.MeterError` also where it went back.
        """
        try:
            now = self._counter_mj() / 1e3
        except self._nvml.NVMLError as error:
            raise _cannot("read the energy counter", error) from error
        if now < self._last_j:
            raise MeterError(
                f"NVML's energy counter went back, from {self._last_j:.3f} J to {now:.3f} J"
            )
        self._last_j = now
        return now

    def power_w(self) -> float:
        """Return the power now, in watts: instantaneous, or averaged if no other is to be had."""
        if self._power is None:
            raise MeterError(f"NVML does not tell this board's power: {self._powerless}")
        try:
            return self._power()
        except self._nvml.NVMLError as error:
            raise _cannot("read the power", error) from error

    def state(self) -> Mapping[str, float]:
        """Return temperature, clocks, limit, memory in use, and whether the board is throttled.

        ``throttle_reasons`` are the bits of :data:`THROTTLING` that NVML sets now.
        """
        try:
            found = {name: read() for name, read in self._states.items()}
        except self._nvml.NVMLError as error:
            raise _cannot("read the state", error) from error
        if "throttle_reasons" in found:
            found["throttled"] = float(found["throttle_reasons"] != 0)
        return found

    def identity(self) -> Mapping[str, str]:
        """Return name, UUID, driver, MIG mode and instance, and how counter and power are read."""
        with reasons("identify the board"):
            found = {
                "name": str(self._nvml.nvmlDeviceGetName(self._board.handle)),
                "uuid": self._board.uuid,
                "driver": str(self._nvml.nvmlSystemGetDriverVersion()),
                "mig": "on" if self._mig() else "off",
            }
        instant = "instantaneous" if self._power == self._instant_w else "averaged"
        found["counter"] = self._uncounted or "millijoules"
        found["power"] = self._powerless or instant
        return found | ({"instance": self._board.instance} if self._board.instance else {})

    def doubts(self) -> Sequence[Caveat]:
        """Return ``mig``, ``other_processes`` and ``power_averaged`` where they hold now.

        ``processes_unknown`` where NVML does not list them.
        """
        found = []
        with reasons("list the processes"):
            if self._mig():
                found.append(Caveat(code="mig", figures={"instance": self._board.instance or ""}))
            processes, untold = self._processes()
        if untold:
            found.append(Caveat(code="processes_unknown", figures={"reason": untold}))
        elif count := others(processes, os.getpid()):
            found.append(Caveat(code="other_processes", figures={"processes": count}))
        if self._power == self._usage_w:
            found.append(Caveat(code="power_averaged"))
        return found

    def memory_bytes(self) -> int:
        """Return the device memory that this process holds, in bytes."""
        with reasons("list the processes"):
            processes, untold = self._processes()
        held = [p.usedGpuMemory for p in processes if p.pid == os.getpid()]
        if not held or None in held:
            why = untold or "this process is not among those that it lists on the device"
            raise MeterError(f"NVML does not tell the memory of this process: {why}")
        return int(max(held))  # one process can stand in both lists

    def _choose_power(self) -> tuple[Read | None, str | None]:
        """Return how power is read, the instantaneous one first, or why it is not."""
        untold = None
        for read in (self._instant_w, self._usage_w):
            _, untold = _told(read)
            if untold is None:
                return read, None
        return None, untold

    def _counter_mj(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._board.handle))

    def _instant_w(self) -> float:
        (found,) = self._nvml.nvmlDeviceGetFieldValues(self._board.handle, [POWER_INSTANT])
        if found.nvmlReturn:
            raise self._nvml.NVMLError(found.nvmlReturn)
        return float(found.value.uiVal / 1e3)

    def _usage_w(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._board.handle) / 1e3)

    def _readings(self) -> Iterator[tuple[str, Read]]:
        """Yield each reading of the state by its name, supported or not."""
        nv, handle = self._nvml, self._board.handle
        clock = partial(nv.nvmlDeviceGetClockInfo, handle)
        celsius = partial(nv.nvmlDeviceGetTemperature, handle, nv.NVML_TEMPERATURE_GPU)
        yield "temperature_c", lambda: float(celsius())
        yield "sm_clock_mhz", lambda: float(clock(nv.NVML_CLOCK_SM))
        yield "memory_clock_mhz", lambda: float(clock(nv.NVML_CLOCK_MEM))
        yield "power_limit_w", lambda: nv.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3
        yield "memory_used_bytes", lambda: float(nv.nvmlDeviceGetMemoryInfo(handle).used)
        bits = partial(nv.nvmlDeviceGetCurrentClocksEventReasons, handle)
        if _told(bits)[1]:  # an older driver, which knows it by its older name
            bits = partial(nv.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        yield "throttle_reasons", lambda: float(bits() & THROTTLING)

    def _mig(self) -> bool:
        mode, _ = _told(partial(self._nvml.nvmlDeviceGetMigMode, self._board.handle))
        return bool(mode and mode[0])

    def _processes(self) -> tuple[list[Any], str | None]:
        """Return the processes on the board, or why those that compute are not told."""
        nv, handle = self._nvml, self._board.handle
        compute, untold = _told(partial(nv.nvmlDeviceGetComputeRunningProcesses, handle))
        drawing, _ = _told(partial(nv.nvmlDeviceGetGraphicsRunningProcesses, handle))
        return [*(compute or ()), *(drawing or ())], untold


@contextmanager
def reasons(what: str) -> Iterator[None]:
    """Turn NVML's errors into :class:`~benchbench.errors.MeterError`; *what* could not be done."""
    import pynvml

    try:
        yield
    except pynvml.NVMLError as error:
        raise _cannot(what, error) from error


def _cannot(what: str, error: Exception) -> MeterError:
    return MeterError(f"NVML cannot {what}: {error}")


def _told(read: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what *read* gives, or why this board or driver does not offer it to this user.

    Other faults, such as a lost board, are raised as they are.
    """
    import pynvml

    try:
        return read(), None
    except (
        pynvml.NVMLError_NotSupported,
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_NoPermission,
        pynvml.NVMLError_InvalidArgument,
        pynvml.NVMLLibraryMismatchError,  # a driver older than the function's version
    ) as error:
        return None, str(error)
