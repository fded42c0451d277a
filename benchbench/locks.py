"""Locks between processes of one machine: the kernel frees them when a process dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchbench.files import store_errors


class Lock:
    """An exclusive ``flock`` on a file; closing it, or dying, frees it."""

    def __init__(self, path: Path) -> None:
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def acquire(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Take the lock; call *on_wait* first if somebody else has it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on *path*, waiting for it."""
    with Lock(path) as lock:
        lock.acquire()
        yield


def device_lock(device: str) -> Path:
    """Return the lock of *device* on this machine: two runs of a user never time on it at once."""
    folder = Path(tempfile.gettempdir()) / f"benchbench-{os.getuid()}"
    return folder / f"device-{device.replace(':', '-')}.lock"
