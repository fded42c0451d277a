"""What each kind of take does with an open session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from typing import Any

from benchbench import plugins
from benchbench.errors import MeterError
from benchbench.measure import conditions, energy, scenarios, soak
from benchbench.measure.accuracy import infer
from benchbench.measure.sampler import watching
from benchbench.protocols import Session
from benchbench.stats import queries
from benchbench.stats.load import caveats as load_doubts
from benchbench.stats.soak import caveats as soak_doubts
from benchbench.stats.soak import summarise
from benchbench.types import Caveat, Feed, TakeKind
from benchbench.worker.passes import Passes

Options = Mapping[str, Any]
Doubts = tuple[Caveat, ...]
SAMPLED = ("sampled", "metered")
"""Arrays of what was sampled beside a soak: of the host, and by a meter."""


def _process(options: Options, passes: Passes) -> Doubts:
    return passes.latency_alone(options["queries"], options["seconds"])


# --- load --------------------------------------------------------------------------------


def _multi_stream(options: Options, passes: Passes) -> Doubts:
    asked = scenarios.MultiStream(**options)

    def run(sessions: Sequence[Session], feeds: Sequence[Feed]) -> queries.Load:
        return scenarios.run_multi_stream(sessions, feeds, asked, passes.cell.batch)

    return _load("multi-stream", asked.streams, run, passes)[1]


def _server(options: Options, passes: Passes) -> Doubts:
    asked, run = scenarios.Server(**options), scenarios.run_server
    found, doubts = _load("server", asked.streams, lambda s, f: run(s, f, asked), passes)
    return (*doubts, *load_doubts(found))


def _cameras(options: Options, passes: Passes) -> Doubts:
    asked, run = scenarios.Cameras(**options), scenarios.run_cameras
    found, doubts = _load("cameras", asked.streams, lambda s, f: run(s, f, asked), passes)
    return (*doubts, *load_doubts(found))


def _offline(options: Options, passes: Passes) -> Doubts:
    asked = scenarios.Offline(**{**options, "streams": tuple(options["streams"])})
    run = scenarios.run_offline
    return _load("offline", max(asked.streams), lambda s, f: run(s, f, asked), passes)[1]


def _load(
    name: str,
    streams: int,
    run: Callable[[Sequence[Session], Sequence[Feed]], queries.Load],
    passes: Passes,
) -> tuple[queries.Load, Doubts]:
    """Warm every stream up, run, and keep the queries and what surrounded them."""
    feeds = passes.feeds()
    with passes.streams(streams) as sessions:
        for session in sessions:
            passes.warm_up(feeds, session)
        passes.reporter.enter(name, quiet=True)
        before = conditions.read()
        found = run(sessions, feeds)
        after = conditions.read(ending=True)
    passes.keep("load", queries.pack(found))
    return found, _surrounded(passes, before, after, waits=True)


# --- soak and energy ---------------------------------------------------------------------


def _soak(options: Options, passes: Passes) -> Doubts:
    plan, device = soak.Plan(options["seconds"], options["rest_s"]), passes.cell.device
    feeds = passes.feeds()
    passes.reporter.enter("soak", quiet=True)
    with ExitStack() as stack:
        watches = [
            stack.enter_context(
                watching(meter, device, passes.folder / f"{name}.bin", options["sample_s"])
            )
            for name, meter in zip(SAMPLED, (None, options["meter"]), strict=True)
            if meter or name == SAMPLED[0]
        ]
        soak.rest(passes.session, feeds, plan)
        before = conditions.read()
        trace = soak.run(passes.session, feeds, plan)
        after = conditions.read(ending=True)
        sampled = [watch.stop().columns for watch in watches]
    passes.keep("soak", trace)
    for name, columns in zip(SAMPLED, sampled, strict=False):
        passes.keep(name, columns)
    return (*_surrounded(passes, before, after), *soak_doubts(summarise(trace, sampled)))


def _surrounded(
    passes: Passes, before: conditions.Reading, after: conditions.Reading, *, waits: bool = False
) -> Doubts:
    """Keep what surrounded the work; return the doubts that it raises.

    Of work that *waits* by itself, for arrivals or in idle baselines, or that runs in several
    threads, wall time over CPU time says nothing.
    """
    threads = passes.cell.spec["threads"]
    found = conditions.between(before, after, threads)
    passes.conditions = found.model_dump(mode="json")
    doubts = conditions.doubts(found, threads, passes.cell.device)
    return tuple(one for one in doubts if not (waits and one.code == "contended"))


def _energy(options: Options, passes: Passes) -> Doubts:
    spec = options["meter"]
    plan = energy.EnergyPlan(**{k: v for k, v in options.items() if k != "meter"})
    feeds, device = passes.feeds(), passes.cell.device
    passes.warm_up(feeds)
    passes.reporter.enter("energy", quiet=True)
    endless, before = cycle(feeds), conditions.read()
    path = passes.folder / "sampled.bin"
    meter = plugins.build("meters", spec)
    with meter.open(device) as reader, watching(spec, device, path, plan.sample_s) as watch:
        columns = energy.measure(
            reader,
            lambda: infer(passes.session, next(endless)),
            passes.cell.batch,
            plan,
            watch.stop,
        )
    after = conditions.read(ending=True)
    passes.keep("energy", columns)
    return _surrounded(passes, before, after, waits=True)


def check_meter(options: Options, device: str) -> None:
    """Raise MeterError with the reason if the meter cannot measure here."""
    reason = plugins.build("meters", options["meter"]).absent(device)
    if reason is not None:
        raise MeterError(reason)


TAKEN: Mapping[TakeKind, Callable[[Options, Passes], Doubts]] = {
    "process": _process,
    "multi-stream": _multi_stream,
    "server": _server,
    "offline": _offline,
    "cameras": _cameras,
    "soak": _soak,
    "energy": _energy,
}
