"""Ctrl-C: once gives up the cell at work, twice within two seconds stops the run."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

WINDOW_S = 2.0


class TwiceToStop:
    """Handles SIGINT and SIGTERM while a run goes on."""

    def __init__(self) -> None:
        self.stop = False
        self._armed = True  # until the first cell: planning is ended by one ctrl-C
        self._last = float("-inf")
        self._before: dict[int, Any] = {}

    def __enter__(self) -> TwiceToStop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Within this a signal raises KeyboardInterrupt; outside, a result is being stored."""
        if self.stop:
            raise KeyboardInterrupt
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def hit(self) -> None:
        """Tell what happens next."""
        if not self.stop:
            click.echo("interrupted this cell; ctrl-C again within 2 s stops the run", err=True)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        now = time.monotonic()
        if number == signal.SIGTERM or now - self._last < WINDOW_S:
            self.stop = True
        self._last = now
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
