"""How a worker is started, and how its death is named: the same whoever starts it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def worker_command(job: Path, events: int) -> list[str]:
    """Return the command of a worker that reads *job* and sends events to a descriptor."""
    return [sys.executable, "-m", "benchbench.worker", str(job), str(events)]


def worker_environment(threads: int) -> dict[str, str]:
    """Return this process's environment with the thread pools of the maths libraries limited."""
    return {**os.environ, **dict.fromkeys(_THREADS, str(threads)), "PYTHONUNBUFFERED": "1"}


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"
