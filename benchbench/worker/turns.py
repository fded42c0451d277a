"""Two workers that take turns: the child that answers, and the parent that calls.

A coordinator starts two fresh workers and lets one or the other run a few queries, in random order,
while its rival waits asleep. What disturbs the machine for longer than a turn disturbs both (duet
benchmarking: Bulej et al., 2020). The rounds' seed is the pair's number. Energy, where it is asked
for, has turns of its own after these: they last for seconds, and the coordinator reads the meter.
"""

from __future__ import annotations

import os
import random
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from time import process_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.columns import save_arrays
from benchbench.errors import MeterError
from benchbench.measure import energy_turns
from benchbench.measure.accuracy import infer
from benchbench.measure.clock import now_ns
from benchbench.measure.sampler import Readings, watching
from benchbench.protocols import MeterReader, Session
from benchbench.types import Feed, Job, Placement, Record
from benchbench.worker.sides import SIDES, WORK, Ready, Side, SideFailed, Turn, Working, side

_APART_NS = 10_000_000
"""Between two times that are kept while a worker works; queries are even enough in between."""

# --- the child ---------------------------------------------------------------------------


def answer(session: Session, feeds: Sequence[Feed], placement: Placement, descriptor: int) -> None:
    """Take a turn of N queries for each line ``N`` on standard input, until it ends.

    After the line ``work``, take queries without a pause until the next line.
    """
    endless = cycle(feeds)
    _tell(descriptor, Ready(ready=placement))
    for line in sys.stdin:
        if line.strip() == WORK:
            _tell(descriptor, _work(session, endless, descriptor))
        else:
            _tell(descriptor, _turn(session, list(islice(endless, int(line)))))


def _tell(descriptor: int, record: Record) -> None:
    os.write(descriptor, record.model_dump_json().encode() + b"\n")


def _turn(session: Session, feeds: Sequence[Feed]) -> Turn:
    upload, run, download = session.upload, session.run, session.download
    wall, cpu = [], []
    for feed in feeds:
        began, start = process_time_ns(), now_ns()
        handle = upload(feed)
        run(handle)
        download(handle)
        end, spent = now_ns(), process_time_ns()
        wall.append(end - start)
        cpu.append(spent - began)
    return Turn(wall_ns=tuple(wall), cpu_ns=tuple(cpu))


def _work(session: Session, feeds: Iterator[Feed], descriptor: int) -> energy_turns.Worked:
    """Take queries until a line comes; it is sent only after the first query was told."""
    at_ns, done, queries = [now_ns()], [0], 0
    while not queries or not select.select([sys.stdin], [], [], 0)[0]:
        infer(session, next(feeds))
        queries += 1
        if queries == 1:
            _tell(descriptor, Working(since_ns=at_ns[0]))
        if (now := now_ns()) - at_ns[-1] >= _APART_NS:
            at_ns.append(now)
            done.append(queries)
    sys.stdin.readline()
    return energy_turns.Worked(at_ns=(*at_ns, now_ns()), done=(*done, queries))


# --- the coordinator ---------------------------------------------------------------------


def pair(job: Job, reporter: Any) -> dict[str, Any]:
    """Let the baseline and the candidate of ``job`` take turns; keep ``turns.npz``.

    Where a meter is asked for, ``energy.npz`` is kept too; what the meter lacks is told there and
    costs the pair nothing else.
    """
    assert job.take is not None
    assert job.other is not None
    options = job.take.options
    order = random.Random(job.take.number)  # noqa: S311 - an order, not a secret
    reporter.enter("start the two")
    with ExitStack() as stack:
        workers = [
            stack.enter_context(side(job, name, cell))
            for name, cell in zip(SIDES, (job.other, job.cell), strict=True)
        ]
        placements = [worker.wait_ready() for worker in workers]
        reporter.enter("turns", quiet=True)
        first, taken = [], []
        for _ in range(options["turns"]):
            sides = [0, 1]
            order.shuffle(sides)
            both = {side: workers[side].turn(options["queries"]) for side in sides}
            first.append(sides[0])
            taken.append([both[0], both[1]])
        (job.folder / "turns.npz").write_bytes(save_arrays(_columns(first, taken)))
        if "meter" in options:
            reporter.enter("energy", quiet=True)
            found = _energy(job, (workers[0], workers[1]))
            (job.folder / "energy.npz").write_bytes(save_arrays(found))
    return {"placement": placements[1]}


def _columns(first: list[int], taken: list[list[Turn]]) -> dict[str, NDArray[Any]]:
    """Return ``first`` (T,), who began, and ``wall_ns``, ``cpu_ns`` (2, T, Q), baseline first."""
    return {
        "first": np.array(first, np.int8),
        "wall_ns": np.array([[t[side].wall_ns for t in taken] for side in (0, 1)], np.int64),
        "cpu_ns": np.array([[t[side].cpu_ns for t in taken] for side in (0, 1)], np.int64),
    }


def _energy(job: Job, workers: tuple[Side, Side]) -> energy_turns.Columns:
    """Return the columns of the energy turns; they hold the reason where a meter has none."""
    assert job.take is not None
    options = job.take.options
    plan = energy_turns.TurnPlan(options["energy_turns"], options["energy_s"], seed=job.take.number)
    try:
        with _metered(job, workers) as (reader, stop):
            return energy_turns.measure(reader, workers, plan, stop)
    except SideFailed:
        raise
    except MeterError as error:
        return energy_turns.untold(plan, error.message)
    except Exception as error:  # noqa: BLE001 - no fault of a meter shall cost the pair's latency
        return energy_turns.untold(plan, f"{type(error).__name__}: {error}")


@contextmanager
def _metered(
    job: Job, workers: tuple[Side, Side]
) -> Iterator[tuple[MeterReader, Callable[[], Readings]]]:
    """Open the meter, with a sampler beside it if it does not count."""
    assert job.take is not None
    spec = job.take.options["meter"]
    meter, devices = plugins.build("meters", spec), sorted({one.device for one in workers})
    for device in devices:
        if (reason := meter.absent(device)) is not None:
            raise MeterError(reason)
    with ExitStack() as stack:
        readers = [stack.enter_context(meter.open(device)) for device in devices]
        _check_same(devices, readers)
        if readers[0].counts:
            yield readers[0], lambda: Readings({})
            return
        path, sample_s = job.folder / "sampled.bin", energy_turns.SAMPLE_S
        watch = stack.enter_context(watching(spec, devices[0], path, sample_s))
        yield readers[0], watch.stop


def _check_same(devices: Sequence[str], readers: Sequence[MeterReader]) -> None:
    """Raise MeterError unless one reading holds the energy of every device."""
    seen = {(one.scope, *sorted(one.identity().items())) for one in readers}
    if len(seen) > 1:
        told = ", ".join(
            f"{device}: {one.scope}" for device, one in zip(devices, readers, strict=True)
        )
        raise MeterError(f"the meter reads the two cells in different places ({told})")
