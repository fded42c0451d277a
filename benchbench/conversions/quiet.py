"""Keeps chatty libraries off the terminal: what they say goes to the job's log."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator


class _ToStream(logging.Handler):
    def __init__(self, stream: io.StringIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.write(f"{record.levelname.lower()}: {record.getMessage()}\n")


@contextlib.contextmanager
def quiet(log: Callable[[str], None], *loggers: str) -> Iterator[None]:
    """Send prints, warnings and records of *loggers* to *log*, a line at a time, at the end."""
    said = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: _tell(said, log))
        stack.enter_context(contextlib.redirect_stdout(said))
        stack.enter_context(contextlib.redirect_stderr(said))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        stack.callback(lambda: said.writelines(f"warning: {one.message}\n" for one in caught))
        warnings.simplefilter("always")
        for name in loggers:
            stack.enter_context(_listening(logging.getLogger(name), _ToStream(said)))
        yield


@contextlib.contextmanager
def _listening(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def _tell(said: io.StringIO, log: Callable[[str], None]) -> None:
    for line in said.getvalue().splitlines():
        if line.strip():
            log(line.rstrip())
