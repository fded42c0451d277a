"""The entry point of a worker process."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import re
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.types import Event, Failure, Job

EXIT_FAILED = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Reporter:
    """Sends events to the parent; remembers the stage for a failure's sake."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.stage = "start"
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()
        self._sent = 0.0

    def enter(self, stage: str, *, quiet: bool = False) -> None:
        """Begin *stage*; while it is quiet the parent draws nothing."""
        now = time.perf_counter()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now
        self._send(Event(stage=stage, quiet=quiet))

    def progress(self, done: int, total: int) -> None:
        """Tell how far the stage is, at most five times a second."""
        now = time.monotonic()
        if done < total and now - self._sent < 0.2:
            return
        self._sent = now
        self._send(Event(stage=self.stage, done=done, total=total))

    def _send(self, event: Event) -> None:
        line = event.model_dump_json(exclude_none=True) + "\n"
        with contextlib.suppress(BrokenPipeError):
            os.write(self.descriptor, line.encode())


def main(arguments: list[str]) -> int:
    """Run the job in *arguments*; never raises."""
    job = Job.model_validate_json(Path(arguments[0]).read_bytes())
    reporter = Reporter(int(arguments[1]))
    _prepare_process(job)
    try:
        _run(job, reporter)
    except BaseException as error:  # noqa: BLE001 - here any exception becomes data
        failure = to_failure(error, reporter.stage)
        traceback.print_exc()
        (job.folder / "failure.json").write_text(failure.model_dump_json())
        return EXIT_FAILED
    return 0


def _prepare_process(job: Job) -> None:
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError):  # the kernel should take a worker before anything else
        Path("/proc/self/oom_score_adj").write_text("1000")
    if cpus := job.cell.spec["affinity"]:
        os.sched_setaffinity(0, cpus)
    if job.memory_limit_mb:
        limit = job.memory_limit_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _run(job: Job, reporter: Reporter) -> None:
    if job.kind == "build":
        from benchbench.worker.build import build

        build(job, reporter)
    elif job.kind == "reference":
        from benchbench.worker.reference import build_reference

        build_reference(job, reporter)
    elif job.kind == "outputs":
        from benchbench.worker.reference import build_outputs

        build_outputs(job, reporter)
    elif job.kind == "sensitivity":
        from benchbench.worker.sensitivity import build_ranking

        build_ranking(job, reporter)
    elif job.kind == "take":
        from benchbench.worker.taking import take

        take(job, reporter)
    elif job.kind == "turns":
        from benchbench.worker.taking import turns

        turns(job, reporter, reporter.descriptor)
    else:
        from benchbench.worker.measure import measure

        measure(job, reporter)


def to_failure(error: BaseException, stage: str) -> Failure:
    """Return *error* as data."""
    if isinstance(error, BenchbenchError):
        told = f"{error.place}: {error.message}" if error.place else error.message
        return Failure(code=error.code, stage=stage, message=told, hint=error.hint)
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(code="store", stage=stage, message=f"the disk is full: {text}")
    if _is_memory(error, text):
        return Failure(
            code="out_of_memory",
            stage=stage,
            message=text.splitlines()[0],
            hint="raise measure.memory_limit_mb, or use a smaller batch",
        )
    message = f"{type(error).__name__}: {text}"
    # A library may quote a hostile file: what could drive a terminal is shown, not sent.
    shown = _CONTROL.sub("�", message[:2000])
    return Failure(code="exception", stage=stage, message=shown)


def _is_memory(error: BaseException, text: str) -> bool:
    signs = ("bad_alloc", "not enough memory", "out of memory", "cannot allocate memory")
    return isinstance(error, MemoryError) or any(sign in text.lower() for sign in signs)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # What was measured is on disk: a library that takes a second to unload, hangs or crashes
    # there shall not cost it.
    os._exit(code)
