"""Sample a meter, or the host, from a process of its own: ``python -m benchbench.measure.sampler``.

Its work thus falls on another core than the measured loop, and never waits for it. The two share
one clock: :data:`benchbench.measure.clock.now_ns` is the kernel's monotonic clock, the same in all
processes, and :func:`watching` checks that. The file holds a line of JSON (the names of the
columns), then rows of 64-bit numbers: whatever ends the process, the rows written are whole.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from math import nan
from pathlib import Path
from time import process_time_ns
from time import sleep as wait
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.errors import BenchbenchError, MeterError
from benchbench.measure.clock import Clock, now_ns
from benchbench.protocols import MeterReader

PATIENCE_S = 60.0
"""A sampler that has not begun by then, or not ended, is given up."""
STATE_EVERY = 4
"""Samples of power for one of the state."""
_TRIES, _TRY_AGAIN_S = 50, 0.02
_FLUSH = 20
"""Rows kept back at most; each write costs as much as a row."""
Take = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Readings:
    """What was sampled: ``t_ns`` and ``observer_cpu_ns`` (int64), and a float64 column a reading.

    ``watts`` is the power. What a sample did not hold, such as a state that was not asked for, is
    NaN there; these are raw samples.
    """

    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    reason: str | None = None
    """Why sampling ended early or never began; None if it did not."""


def take_from(reader: MeterReader, sleep: Callable[[float], None] = wait) -> Take:
    """Return what takes one sample of *reader*: ``watts``, and at each fourth sample its state.

    Power moves faster than temperature and clocks do. A meter that tells no power, for a second
    long, gives its state.
    """
    if not _tells_power(reader, sleep):
        return reader.state
    turn = cycle([True, *[False] * (STATE_EVERY - 1)])

    def take() -> Mapping[str, float]:
        watts = reader.power_w()
        return {"watts": watts, **(reader.state() if next(turn) else {})}

    return take


def _tells_power(reader: MeterReader, sleep: Callable[[float], None]) -> bool:
    """Ask for the power until it is told: one that is a mean needs a second reading."""
    for _ in range(_TRIES):
        with suppress(MeterError):
            reader.power_w()
            return True
        sleep(_TRY_AGAIN_S)
    return False


def write_samples(
    take: Take,
    file: IO[bytes],
    wait_until: Callable[[int], bool],
    sample_s: float,
    clock: Clock = now_ns,
) -> None:
    """Take samples until *wait_until* (a reading of *clock*) says that it is time to stop.

    A sample that comes late does not shift those after it; those that were missed are left out.
    """
    found = take()
    names = [*found]
    file.write(json.dumps({"columns": names}).encode() + b"\n")
    row = struct.Struct(f"<qq{len(names)}d")
    period, due = int(sample_s * 1e9), clock()
    for kept in count(1):
        values = [found.get(name, nan) for name in names]
        file.write(row.pack(clock(), process_time_ns(), *values))
        if kept % _FLUSH == 0:
            file.flush()
        due = max(due + period, clock())
        if wait_until(due):
            return
        found = take()


def read_samples(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns of a file that :func:`write_samples` wrote; a torn last row is left out.

    ``t_ns``, ``observer_cpu_ns`` (CPU time of the sampler so far), then the readings by name.
    """
    head, newline, body = data.partition(b"\n")
    if not newline:
        return {}
    names = json.loads(head)["columns"]
    fields = [("t_ns", "<i8"), ("observer_cpu_ns", "<i8"), *((name, "<f8") for name in names)]
    kind = np.dtype(fields)
    rows = np.frombuffer(body[: len(body) // kind.itemsize * kind.itemsize], kind)
    return {name: rows[name].copy() for name, _ in fields}


class Watch:
    """A sampler that runs; :meth:`stop` ends it and returns what it saw."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, fault: str | None) -> None:
        self._process, self._path, self._fault = process, path, fault

    def stop(self) -> Readings:
        """End the sampler and return its readings; the same again on a second call."""
        last = self._end()
        data = self._path.read_bytes() if self._path.is_file() else b""
        return Readings(read_samples(data), self._fault or last)

    def _end(self) -> str | None:
        """Close its stdin, wait, and return what went wrong at the end."""
        try:
            said, _ = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return "the sampler did not end when it was told to"
        code = self._process.returncode
        word = said.decode(errors="replace").strip()
        return word or (f"the sampler ended with code {code}" if code else None)


@contextmanager
def watching(
    meter: Mapping[str, Any] | None, device: str, path: Path, sample_s: float
) -> Iterator[Watch]:
    """Run a sampler of *meter* (``{"kind": name, **options}``) on *device*, writing to *path*.

    Without a meter it samples the host. Returns when the first sample is due, and never raises for
    what the sampler meets: the reason stands in its readings.
    """
    spec = json.dumps({"meter": meter, "device": device, "sample_s": sample_s})
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbench.measure.sampler", spec, os.fspath(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,  # so that nothing is kept from communicate()
    )
    try:
        yield Watch(process, path, _begun(process))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _begun(process: subprocess.Popen[bytes], clock: Clock = now_ns) -> str | None:
    """Wait for the sampler's first word; return what is wrong with it."""
    assert process.stdout is not None
    before = clock()
    if not select.select([process.stdout], [], [], PATIENCE_S)[0]:
        return f"the sampler did not begin within {PATIENCE_S:g} s"
    word = process.stdout.readline().decode(errors="replace").strip()
    if not word.startswith("begun "):
        return word or "the sampler ended before it began"
    if not before <= int(word.removeprefix("begun ")) <= clock():
        return "the sampler's clock is not this process's: samples cannot be placed in time"
    return None


def main(arguments: list[str]) -> int:
    """Sample as the JSON in the first argument says, into the file of the second, till stdin ends.

    The first line on stdout is ``begun`` and the clock; any other word is a reason.
    """
    spec, path = json.loads(arguments[0]), Path(arguments[1])
    try:
        with ExitStack() as stack:
            take = stack.enter_context(_taking(spec))
            file = stack.enter_context(path.open("wb"))
            _say(f"begun {now_ns()}")
            write_samples(take, file, _told_to_stop, float(spec["sample_s"]))
    except BenchbenchError as error:
        _say(error.message)
        return error.exit_code
    return 0


@contextmanager
def _taking(spec: Mapping[str, Any]) -> Iterator[Take]:
    if spec["meter"] is None:
        from benchbench.measure.conditions import quick

        yield quick
        return
    opened: AbstractContextManager[MeterReader] = plugins.build("meters", spec["meter"]).open(
        spec["device"]
    )
    with opened as reader:
        yield take_from(reader)


def _told_to_stop(due_ns: int) -> bool:
    """Wait until *due_ns*; return at once, and True, when stdin ends."""
    left = max(due_ns - now_ns(), 0) / 1e9
    return bool(select.select([sys.stdin.fileno()], [], [], left)[0])


def _say(word: str) -> None:
    sys.stdout.write(word.replace("\n", " ") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
