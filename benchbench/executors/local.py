"""Run jobs on this machine, each in a fresh process; translate its death into a Failure."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from benchbench.files import store_errors
from benchbench.protocols import Packages
from benchbench.spawning import signal_name, worker_command, worker_environment
from benchbench.types import Event, Failure, Job, Outcome, Record

TAIL_BYTES = 4000
GRACE_S = 2.0
"""How long a worker that timed out may write its stack traces before it is killed."""


class Local(Record):
    """Fresh processes on this machine, one after another."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    def run(self, job: Job, on_event: Callable[[Event], None]) -> Outcome:
        """Run *job* and wait, asleep. On KeyboardInterrupt the worker is killed first."""
        started = time.monotonic()
        with _Worker(job, on_event) as worker:
            failure = worker.wait(started + job.timeout_s)
            stage = worker.stage
        return Outcome(failure=failure, wall_s=time.monotonic() - started, stage=stage)


class _Worker:
    """One child process, its events and its log."""

    def __init__(self, job: Job, on_event: Callable[[Event], None]) -> None:
        self._job, self._on_event = job, on_event
        self.stage = "start"
        self._rest = b""
        self._kills = _oom_kills()
        self.log = job.folder / "worker.log"

    def __enter__(self) -> _Worker:
        path = self._job.folder / "job.json"
        with store_errors(path):
            path.write_text(self._job.model_dump_json())
        self._events, writer = os.pipe()
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    worker_command(path, writer),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(writer,),
                    start_new_session=True,
                    env=worker_environment(self._job.cell.spec["threads"]),
                )
        finally:
            os.close(writer)
        return self

    def __exit__(self, *_: object) -> None:
        self._kill(signal.SIGKILL)
        self._process.wait()
        os.close(self._events)

    def wait(self, deadline: float) -> Failure | None:
        """Sleep until the worker ends or *deadline* passes; return what went wrong."""
        if not self._listen(deadline):
            self._kill(signal.SIGABRT)  # faulthandler writes where every thread stands
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
            return Failure(
                code="timeout",
                stage=self.stage,
                message=f"no end after {self._job.timeout_s:g} s",
                hint="raise measure.timeout_s if the work really takes longer",
                stderr_tail=self._tail(),
            )
        code = self._process.wait()
        return None if code == 0 else self._explain(code)

    def _listen(self, deadline: float) -> bool:
        """Take events until the worker has ended; False if *deadline* passed first."""
        handle = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._events, selectors.EVENT_READ)
                selector.register(handle, selectors.EVENT_READ)
                while (left := deadline - time.monotonic()) > 0:
                    ready = {key.fd for key, _ in selector.select(min(left, 3600.0))}
                    if self._events in ready and not self._take():
                        selector.unregister(self._events)
                    if handle in ready:
                        self._drain()
                        return True
        finally:
            os.close(handle)
        return False

    def _drain(self) -> None:
        os.set_blocking(self._events, False)
        with contextlib.suppress(BlockingIOError):
            while self._take():
                pass

    def _take(self) -> bool:
        """Read what is there; False at the end of the stream."""
        data = os.read(self._events, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValidationError):
                event = Event.model_validate_json(line)
                self.stage = event.stage
                self._on_event(event)
        return bool(data)

    def _explain(self, code: int) -> Failure:
        path = self._job.folder / "failure.json"
        with contextlib.suppress(OSError, ValidationError):
            failure = Failure.model_validate_json(path.read_bytes())
            return failure.model_copy(update={"stderr_tail": self._tail()})
        if code < 0:
            return self._explain_signal(-code)
        return Failure(
            code="exception",
            stage=self.stage,
            message=f"the worker ended with exit code {code} and left no result",
            stderr_tail=self._tail(),
        )

    def _explain_signal(self, number: int) -> Failure:
        name = signal_name(number)
        by_kernel = number == signal.SIGKILL and _oom_kills() > self._kills
        hint = None
        if number == signal.SIGKILL and not by_kernel:
            hint = "nobody here sent it: often the kernel, for want of memory"
        return Failure(
            code="out_of_memory" if by_kernel else "signal",
            stage=self.stage,
            message=f"killed by {name}" + (" for want of memory" if by_kernel else ""),
            hint=hint,
            stderr_tail=self._tail(),
        )

    def _kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _tail(self) -> str:
        try:
            data = self.log.read_bytes()[-TAIL_BYTES:]
        except OSError:
            return ""
        return data.decode("utf-8", "replace").strip()


def _oom_kills() -> int:
    """Return how many processes the kernel killed for memory so far, where it says."""
    for path in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(path).read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return 0
