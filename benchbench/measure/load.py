"""The load engine: queries by MLPerf's scenarios over one session or several.

Open loop (server, cameras), closed loop of several images a query (multi-stream), and everything at
once (offline). There is no dispatcher: a stream that is free takes the next query and waits for its
arrival, so the queue is first come, first served over all streams. Latency counts from the
scheduled arrival: what a stall keeps waiting is seen in every query that it delays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from math import ceil
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.measure.streams import Halt, Watch, in_threads, no_garbage_collection
from benchbench.protocols import Session
from benchbench.stats.queries import Queries
from benchbench.types import Feed

_NEVER = 2**62
_LEAD_NS = 1_000_000
"""Between the making of a schedule and its begin: threads start meanwhile."""
_NONE = -(2**62)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What the streams of one open loop share."""

    origin: int
    due: list[int]
    claim: Callable[[], int]
    drop_ns: int
    give_up_ns: int
    watch: Watch
    halt: Halt
    claimed: NDArray[np.int64]
    started: NDArray[np.int64]
    finished: NDArray[np.int64]
    stream: NDArray[np.int64]

    @classmethod
    def begin(
        cls, scheduled_ns: NDArray[np.int64], watch: Watch, drop_ns: int, give_up_ns: int
    ) -> _Pass:
        size = len(scheduled_ns)
        origin = watch.clock() + _LEAD_NS + 100 * size  # while the list is made
        claimed, started, finished, stream = (np.full(size, _NONE, np.int64) for _ in range(4))
        return cls(
            origin=origin,
            due=(scheduled_ns + origin).tolist(),
            claim=count().__next__,
            drop_ns=drop_ns,
            give_up_ns=give_up_ns,
            watch=watch,
            halt=Halt(),
            claimed=claimed,
            started=started,
            finished=finished,
            stream=stream,
        )

    def since(self, readings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return times from the begin, which a stream may be free before; -1 where none is."""
        return np.where(readings == _NONE, -1, np.maximum(readings - self.origin, 0))


def open_loop(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    scheduled_ns: NDArray[np.int64],
    *,
    drop_after_ns: int | None = None,
    give_up_ns: int | None = None,
    watch: Watch | None = None,
) -> Queries:
    """Issue a query at each of (N,) ascending *scheduled_ns*, however long the ones before take.

    Each session is a stream with a thread of its own; a single one runs in the calling thread. A
    query that would start later than *drop_after_ns* after its arrival is dropped. Where one would
    start later than *give_up_ns*, the pass ends and the rest is not issued. Raises what a session
    raises, after all streams have stopped.
    """
    limits = (_NEVER if one is None else one for one in (drop_after_ns, give_up_ns))
    with no_garbage_collection():
        mine = _Pass.begin(scheduled_ns, watch or Watch(), *limits)
        in_threads(len(sessions), lambda n: _serve(n, sessions[n], feeds, mine), mine.halt)
    return Queries(
        scheduled_ns=scheduled_ns.astype(np.int64),
        claimed_ns=mine.since(mine.claimed),
        started_ns=mine.since(mine.started),
        finished_ns=mine.since(mine.finished),
        stream=np.maximum(mine.stream, -1),
        source=np.zeros(len(scheduled_ns), np.int64),
    )


def _serve(number: int, session: Session, feeds: Sequence[Feed], mine: _Pass) -> None:
    upload, run, download = _verbs(session)
    claim, due, halt = mine.claim, mine.due, mine.halt
    clock, until = mine.watch.clock, mine.watch.until
    claimed, started, finished, stream = mine.claimed, mine.started, mine.finished, mine.stream
    last, inputs, drop_ns, give_up_ns = len(due), len(feeds), mine.drop_ns, mine.give_up_ns
    while (index := claim()) < last and not halt.asked:
        free = clock()
        start = until(due[index], halt)
        waited = start - due[index]
        if waited > give_up_ns:
            halt.asked = True
        if halt.asked:
            return
        claimed[index], stream[index] = free, number
        if waited > drop_ns:
            continue
        handle = upload(feeds[index % inputs])
        run(handle)
        download(handle)
        finished[index] = clock()
        started[index] = start


@dataclass(frozen=True, slots=True)
class Length:
    """How long a loop without a schedule lasts: until both minimums hold."""

    queries: int
    seconds: float


def offline(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    length: Length,
    watch: Watch | None = None,
) -> Queries:
    """Run queries of one batch on every session, as fast as each can; all arrive at 0.

    The minimums of *length* are those of all streams together.
    """
    watch, halt, claim = watch or Watch(), Halt(), count().__next__
    clock, inputs = watch.clock, len(feeds)
    kept: list[list[tuple[int, int]]] = [[] for _ in sessions]

    def serve(number: int) -> None:
        upload, run, download = _verbs(sessions[number])
        keep = kept[number].append
        while ((index := claim()) < length.queries or clock() < end) and not halt.asked:
            start = clock()
            handle = upload(feeds[index % inputs])
            run(handle)
            download(handle)
            keep((start, clock()))

    with no_garbage_collection():
        origin = clock()
        end = origin + int(length.seconds * 1e9)
        in_threads(len(sessions), serve, halt)
    marks = np.array([mark for marks in kept for mark in marks], np.int64).reshape(-1, 2) - origin
    stream = np.repeat(np.arange(len(kept)), [len(marks) for marks in kept])
    order = np.argsort(marks[:, 0], kind="stable")
    return _unscheduled(marks[order], stream[order], np.zeros(len(order), np.int64))


def _verbs(session: Session) -> tuple[Callable[..., Any], ...]:
    return session.upload, session.run, session.download


def _unscheduled(
    marks: NDArray[np.int64], stream: NDArray[np.int64], scheduled: NDArray[np.int64]
) -> Queries:
    started, finished = marks[:, 0], marks[:, 1]
    return Queries(scheduled, started, started, finished, stream, np.zeros_like(stream))


def multi_stream(
    sessions: Sequence[Session],
    feeds: Sequence[Feed],
    batches: int,
    length: Length,
    watch: Watch | None = None,
) -> Queries:
    """Run queries of *batches* batches one after another, each begun when the last has ended.

    The batches of a query go one after another through one session, or are dealt out to several,
    the first of them in the calling thread. A query ends with its last batch.
    """
    watch = watch or Watch()
    clock, marks = watch.clock, list[tuple[int, int]]()
    with no_garbage_collection(), _Dealer(sessions, feeds, batches) as deal:
        origin = clock()
        end = origin + int(length.seconds * 1e9)
        while len(marks) < length.queries or clock() < end:
            first = len(marks) * batches
            start = clock()
            deal(first)
            marks.append((start, clock()))
    found = np.array(marks, np.int64).reshape(-1, 2) - origin
    return _unscheduled(found, np.zeros(len(marks), np.int64), found[:, 0])


class _Dealer:
    """Deals the batches of a query out to the streams and waits for all of them."""

    def __init__(self, sessions: Sequence[Session], feeds: Sequence[Feed], batches: int) -> None:
        self._sessions, self._feeds, self._batches = sessions[:batches], feeds, batches
        self._orders: list[SimpleQueue[int | None]] = [SimpleQueue() for _ in self._sessions[1:]]
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._pool = ThreadPoolExecutor(max(len(self._orders), 1), "stream")

    def __enter__(self) -> Callable[[int], None]:
        for number in range(1, len(self._sessions)):
            self._pool.submit(self._obey, number)
        return self._deal

    def __exit__(self, *_: object) -> None:
        for orders in self._orders:
            orders.put(None)
        self._pool.shutdown()

    def _deal(self, first: int) -> None:
        for orders in self._orders:
            orders.put(first)
        self._share(0, first)
        errors = [self._done.get() for _ in self._orders]
        for error in errors:
            if error is not None:
                raise error

    def _obey(self, number: int) -> None:
        orders = self._orders[number - 1]
        while (first := orders.get()) is not None:
            try:
                self._share(number, first)
            except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
                self._done.put(error)
            else:
                self._done.put(None)

    def _share(self, number: int, first: int) -> None:
        upload, run, download = _verbs(self._sessions[number])
        feeds, inputs = self._feeds, len(self._feeds)
        for part in range(number, self._batches, len(self._sessions)):
            handle = upload(feeds[(first + part) % inputs])
            run(handle)
            download(handle)


def batches_of(samples: int, batch: int) -> int:
    """Return how many batches a query of *samples* images is."""
    return ceil(samples / batch)
