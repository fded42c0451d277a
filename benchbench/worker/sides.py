"""The two workers that take turns, seen from the coordinator: processes, and lines to and fro."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from benchbench.errors import BenchbenchError
from benchbench.measure.energy_turns import Worked
from benchbench.spawning import signal_name, worker_command, worker_environment
from benchbench.types import Cell, Event, Failure, Job, Placement, Record

SIDES = ("baseline", "candidate")
WORK, STOP = "work", "stop"
"""What a worker is told beside a number of queries: work until told to stop."""

_Told = TypeVar("_Told", bound=Record)


class Ready(Record):
    """What a worker tells before its first turn."""

    ready: Placement


class Turn(Record):
    """What a worker tells after a turn."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]


class Working(Record):
    """What a worker that works until it is stopped tells after its first query."""

    since_ns: int


class SideFailed(BenchbenchError):
    """One of the two workers failed; carries how."""

    def __init__(self, side: str, failure: Failure) -> None:
        super().__init__(f"the {side} failed: {failure.message}", hint=failure.hint)
        self.code = failure.code


class Side:
    """One of the two workers."""

    def __init__(
        self, name: str, cell: Cell, folder: Path, process: subprocess.Popen[bytes], fd: int
    ) -> None:
        self.images = cell.batch
        self.device = cell.device
        self._name, self._folder, self._process = name, folder, process
        self._lines = os.fdopen(fd, "rb")

    def wait_ready(self) -> Placement:
        """Return what the worker says to run, once it is warm; raises if it failed."""
        while line := self._lines.readline():
            with suppress(ValidationError):
                return Ready.model_validate_json(line).ready
            Event.model_validate_json(line)  # its stages: nothing to do with them here
        raise self._failed()

    def turn(self, queries: int) -> Turn:
        """Let the worker take a turn."""
        return self._ask(str(queries), Turn)

    def begin(self) -> None:
        """Let the worker work without a pause; returns when its first query is done."""
        self._ask(WORK, Working)

    def end(self) -> Worked:
        """Let the worker finish its query and wait; return how far it got."""
        return self._ask(STOP, Worked)

    def close(self) -> None:
        """End the worker."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._lines.close()
        self._process.kill()
        self._process.wait()

    def _ask(self, word: str, answer: type[_Told]) -> _Told:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(word.encode() + b"\n")
            self._process.stdin.flush()
        line = self._lines.readline()
        if not line:
            raise self._failed()
        return answer.model_validate_json(line)

    def _failed(self) -> SideFailed:
        code = self._process.wait()
        with suppress(OSError, ValidationError):
            told = (self._folder / "failure.json").read_bytes()
            return SideFailed(self._name, Failure.model_validate_json(told))
        how = f"killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return SideFailed(self._name, Failure(code="signal", stage="turns", message=how))


@contextmanager
def side(job: Job, name: str, cell: Cell) -> Iterator[Side]:
    """Start a worker for *cell* in a folder of its own; it ends with the context."""
    folder = job.folder / name
    folder.mkdir()
    own = job.model_copy(update={"kind": "turns", "cell": cell, "other": None, "folder": folder})
    path = folder / "job.json"
    path.write_text(own.model_dump_json())
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            worker_command(path, writer),
            stdin=subprocess.PIPE,
            pass_fds=(writer,),
            env=worker_environment(cell.spec["threads"]),
        )
    finally:
        os.close(writer)
    found = Side(name, cell, folder, process, reader)
    try:
        yield found
    finally:
        found.close()
