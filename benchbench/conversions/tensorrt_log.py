"""What TensorRT says while it builds: to the job's log, and its errors kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Log:
    """Passes what TensorRT says on, and keeps its errors.

    Only the first logger of a process is used by TensorRT-RTX, so that there is one of it, and
    each build listens for its own time.
    """

    def __init__(self) -> None:
        self._tell: Callable[[str], None] = _ignore
        self.errors: list[str] = []
        self.logger: Any = None

    def attach(self, trt: Any) -> Any:
        """Return the one logger of *trt* that tells this log."""
        if self.logger is None:
            self.logger = _logger(trt, self._hear)
        return self.logger

    @contextmanager
    def to(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Pass what is said in this block to *tell*."""
        before, self._tell = self._tell, tell
        self.errors.clear()
        try:
            yield
        finally:
            self._tell = before

    def _hear(self, severity: str, message: str) -> None:
        if severity != "VERBOSE":
            self._tell(f"{severity.lower()}: {message}")
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(message)


def _ignore(line: str) -> None:
    """Say nothing: no build is listening."""


LOGS: dict[str, Log] = {}
"""Module name → its log."""


def _logger(trt: Any, hear: Callable[[str, str], None]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc] # the base comes with the argument
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            hear(severity.name, msg)

    return Logger()
