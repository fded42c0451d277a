"""What a run shows while it goes on: a live line in a terminal, plain lines elsewhere.

Everything goes to stderr. While a worker times, nothing is drawn: a live display beside a timed
process was seen to raise its p99 from 10 to 18 ms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from benchbench.api import Quiet
from benchbench.cli.output import duration, figure, significant
from benchbench.cli.table import plain
from benchbench.errors import MeterError
from benchbench.running import Watcher
from benchbench.types import Cell, Event, Result, Take, Taken


@contextmanager
def make_watcher(*, quiet: bool) -> Iterator[Watcher]:
    """Return a watcher that suits stderr."""
    if quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        with _Live() as live:
            yield live
    else:
        yield _Lines()


def _line(result: Result, index: int, total: int, *, reused: bool) -> str:
    head = f"[{index + 1}/{total}] {plain(result.cell.label)}"
    if result.status == "not_run":
        return f"{head}: not run: {plain(result.failure.message) if result.failure else ''}"
    if result.status == "compiled":
        reasons = [caveat.figures.get("reason") for caveat in result.caveats]
        told = next((plain(str(reason)) for reason in reasons if reason), "")
        return f"{head}: compiled only: {told}"
    if result.failure:
        message = plain(result.failure.message)
        return f"{head}: FAILED at '{result.failure.stage}': {message}"
    parts = []
    if result.scores:
        parts.append(
            f"{result.scores.primary} {figure(result.scores.metrics[result.scores.primary])}"
        )
    parts.append("measured before" if reused else f"{result.wall_s:.1f} s")
    return f"{head}: {', '.join(parts)}"


def _name(take: Take) -> str:
    """Return what people call a take: ``process 3``, ``server``."""
    return f"{take.kind} {take.number}" if take.kind in ("process", "pair") else take.kind


def _taken_line(taken: Taken, cell: Cell, index: int, total: int) -> str:
    head = f"[{index + 1}/{total} more] {plain(cell.label)}: {_name(taken.take)}"
    if taken.failure and taken.failure.code == MeterError.code:
        return f"{head}: not measured: {plain(taken.failure.message)}"
    if taken.failure:
        return f"{head}: FAILED at '{taken.failure.stage}': {plain(taken.failure.message)}"
    return f"{head}, {taken.wall_s:.1f} s"


class _Lines:
    """One line when a cell begins and one when it ends."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Say which cell begins."""
        click.echo(f"[{index + 1}/{total}] {plain(cell.label)} …", err=True)

    def event(self, cell: Cell, event: Event) -> None:
        """Say nothing."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Say how it ended."""
        click.echo(_line(result, index, total, reused=reused), err=True)

    def taking(self, take: Take, cell: Cell, index: int, total: int) -> None:
        """Say nothing: there are many."""

    def taken(self, taken: Taken, cell: Cell, index: int, total: int) -> None:
        """Say how it ended."""
        click.echo(_taken_line(taken, cell, index, total), err=True)


class _Live:
    """A bar over all cells, the stage at work, images per second and the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._total = self._finished = self._measured = 0
        self._cell: Cell | None = None
        self._event: Event | None = None
        self._stage_since = self._started = time.monotonic()
        self._spent = 0.0
        self._what = ""

    def __enter__(self) -> _Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Show the cell."""
        self._cell, self._event, self._total = cell, None, total
        self._finished = index
        self._started = self._stage_since = time.monotonic()
        self._draw()

    def event(self, cell: Cell, event: Event) -> None:  # noqa: ARG002
        """Show stage and progress; while timing, draw once and then nothing."""
        if self._event is None or self._event.stage != event.stage:
            self._stage_since = time.monotonic()
        self._event = event
        self._draw()

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Leave a line behind."""
        if not reused and self._cell is not None:
            self._spent += time.monotonic() - self._started
            self._measured += 1
        self._finished, self._total = index + 1, total
        self._console.print(
            _line(result, index, total, reused=reused), highlight=False, markup=False
        )
        self._draw()

    def taking(self, take: Take, cell: Cell, index: int, total: int) -> None:
        """Show the take in the bar's place."""
        self._what = f"{plain(cell.label)}: {_name(take)}"
        self._cell, self._event = cell, None
        self._finished, self._total = index, total
        self._started = self._stage_since = time.monotonic()
        if index == 0:
            self._spent, self._measured = 0.0, 0
        self._draw()

    def taken(self, taken: Taken, cell: Cell, index: int, total: int) -> None:
        """Leave a line behind if it failed: the others are many and alike."""
        self._spent += time.monotonic() - self._started
        self._measured += 1
        self._finished = index + 1
        if taken.failure:
            self._console.print(
                _taken_line(taken, cell, index, total), highlight=False, markup=False
            )
        self._draw()

    def _draw(self) -> None:
        from rich.text import Text

        self._live.update(Text(self._text(), style="cyan", no_wrap=True), refresh=True)

    def _text(self) -> str:
        width = 20
        filled = round(width * self._finished / self._total) if self._total else 0
        bar = "█" * filled + "░" * (width - filled)
        parts = [f"{bar} {self._finished}/{self._total}"]
        if self._cell is not None and self._finished < self._total:
            parts += [self._what or plain(self._cell.label), *self._stage()]
        left = self._left_s()
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return "  ".join(parts)

    def _stage(self) -> list[str]:
        event = self._event
        if event is None:
            return ["start"]
        if event.quiet:
            return [f"{event.stage} (display paused)"]
        if event.done is None or not event.total:
            return [event.stage]
        elapsed = max(time.monotonic() - self._stage_since, 1e-9)
        rate = significant(event.done / elapsed)
        return [f"{event.stage} {event.done}/{event.total}", f"{rate} images/s"]

    def _left_s(self) -> float | None:
        if not self._measured:
            return None
        each: float = self._spent / self._measured
        elapsed = time.monotonic() - self._started
        return max(each * (self._total - self._finished) - elapsed, 0.0)
