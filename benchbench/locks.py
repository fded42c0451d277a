"""Locks between processes of one machine: the kernel frees them when a process dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchbench.files import store_errors


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive ``flock`` on *path*, waiting for it."""
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def device_lock(device: str) -> Path:
    """Return the machine-wide lock of *device*: two runs never time on it at once."""
    folder = Path(tempfile.gettempdir()) / f"benchbench-{os.getuid()}"
    return folder / f"device-{device.replace(':', '-')}.lock"
