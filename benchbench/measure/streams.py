"""What load scenarios run on: streams in threads of their own, and how they wait."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from benchbench.measure.clock import Clock, now_ns

Sleep = Callable[[float], None]
NAP_NS = 100_000_000
"""Longest single sleep: after it a stream looks whether another has failed."""


class Halt:
    """Tells the streams of one pass to stop."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


@dataclass(frozen=True, slots=True)
class Watch:
    """How time is read and waited for; tests bring a clock of their own."""

    clock: Clock = now_ns
    sleep: Sleep = time.sleep
    early_ns: int = 200_000
    """How long before a query the long sleep ends: a sleep is late by about as much. The rest is
    waited for in empty sleeps, which let other threads run."""

    def until(self, due: int, halt: Halt) -> int:
        """Wait for *due*, or until *halt* is asked for; return what the clock says then."""
        clock, early = self.clock, self.early_ns
        while (left := due - (now := clock())) > 0 and not halt.asked:
            self.sleep(min(left - early, NAP_NS) / 1e9 if left > early else 0.0)
        return now


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now, and not while the block runs: a collection would be timed with a query."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_threads(streams: int, serve: Callable[[int], None], halt: Halt) -> None:
    """Run *serve* for each stream, a single one in this thread; raise the first error of any.

    An error, here or there, asks all to halt; they have ended when this returns.
    """
    if streams == 1:
        serve(0)
        return
    errors: list[BaseException] = []

    def guarded(stream: int) -> None:
        try:
            serve(stream)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            halt.asked = True
            errors.append(error)

    threads = [Thread(target=guarded, args=(n,), name=f"stream-{n}") for n in range(streams)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        halt.asked = True
        raise
    if errors:
        raise errors[0]
