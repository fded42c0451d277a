"""The timed loop on a clock of our own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchbench.measure import latency
from benchbench.measure.clock import resolution_ns
from benchbench.measure.conditions import Around, Own, Reading
from benchbench.types import TensorSpec


class FakeClock:
    """Advances by what the fake session spends, and by one a reading."""

    def __init__(self) -> None:
        self.time = 0
        self.readings = 0

    def __call__(self) -> int:
        self.readings += 1
        self.time += 1
        return self.time


class FakeSession:
    """Spends known times; counts its calls; notes whether the collector was on."""

    inputs = [TensorSpec(name="x", shape=(1,), dtype="float32")]

    def __init__(self, clock: FakeClock, run_ns: Iterator[int] | None = None) -> None:
        self.clock, self.run_ns = clock, run_ns
        self.calls: list[str] = []
        self.collecting: set[bool] = set()

    def upload(self, feed: Any) -> Any:
        self.clock.time += 100
        self.calls.append("upload")
        return feed

    def run(self, handle: Any) -> None:
        self.clock.time += next(self.run_ns) if self.run_ns else 5000
        self.collecting.add(gc.isenabled())

    def download(self, handle: Any) -> Any:
        self.clock.time += 30
        return {}

    def placement(self) -> Any:
        raise AssertionError


def plan(**changes: Any) -> latency.Plan:
    base = {"warmup": 3, "warmup_s": 0.0, "queries": 10, "seconds": 0.0, "max_queries": 100}
    return latency.Plan(**(base | changes))


class FakeDevice(FakeSession):
    """Also tells its device's own times, which take as long to read as they please."""

    def __init__(self, clock: FakeClock, told: dict[str, int] | None) -> None:
        super().__init__(clock)
        self.told = told

    def device_ns(self) -> Any:
        self.clock.time += 1_000_000
        return self.told


AROUND = Around(
    swapped_bytes=None,
    pressure_us={"cpu": None, "memory": None, "io": None},
    machine=None,
    throttling=None,
    frequencies_mhz=(),
    temperature_c=None,
    throttle_events=None,
    load_1m=None,
)


def reading(wall_ns: int = 0, cpu_ns: int = 0, **counts: int) -> Reading:
    none = {"involuntary_switches": 0, "voluntary_switches": 0, "major_faults": 0}
    return Reading(Own(wall_ns, cpu_ns, **(none | counts)), AROUND)


def timed(session: FakeSession, asked: latency.Plan) -> latency.Trace:
    """Time *session* on its clock, as if nothing surrounded it."""
    return latency.single_stream(session, FEEDS, asked, session.clock, lambda ending: reading())


FEEDS = [{"x": np.zeros(1)}, {"x": np.ones(1)}]


def test_stages_are_what_the_verbs_took() -> None:
    clock = FakeClock()
    trace = latency.single_stream(FakeSession(clock), FEEDS, plan(), clock)
    found = latency.samples(trace, [7], [8, 9])
    assert found.upload_ns.tolist() == [101] * 10
    assert found.run_ns.tolist() == [5001] * 10
    assert found.download_ns.tolist() == [31] * 10
    assert found.started_ns[:2].tolist() == [0, 5134]
    assert found.postprocess_ns.tolist() == [8, 9]


def test_the_clock_is_read_four_times_a_query_and_once_for_the_deadline() -> None:
    clock = FakeClock()
    latency.single_stream(FakeSession(clock), FEEDS, plan(), clock)
    assert clock.readings == 10 * 4 + 1


def test_both_minimums_must_hold() -> None:
    clock = FakeClock()
    long = plan(seconds=5133e-9 * 20.5)
    assert len(latency.single_stream(FakeSession(clock), FEEDS, long, clock).queries) == 21
    clock = FakeClock()
    assert (
        len(latency.single_stream(FakeSession(clock), FEEDS, plan(queries=40), clock).queries) == 40
    )


def test_the_maximum_ends_a_pass_whose_time_is_not_up() -> None:
    clock = FakeClock()
    trace = latency.single_stream(
        FakeSession(clock), FEEDS, plan(seconds=60, max_queries=12), clock
    )
    assert len(trace.queries) == 12


def test_garbage_collection_is_off_while_timing_and_on_after() -> None:
    clock = FakeClock()
    session = FakeSession(clock)
    latency.single_stream(session, FEEDS, plan(), clock)
    assert session.collecting == {False}
    assert gc.isenabled()


def test_warm_up_lasts_as_long_as_both_minimums_say() -> None:
    clock = FakeClock()
    assert latency.warm_up(FakeSession(clock), FEEDS, plan(), clock) == 3
    clock = FakeClock()
    assert latency.warm_up(FakeSession(clock), FEEDS, plan(warmup_s=5131e-9 * 9.5), clock) == 10


def test_a_trace_that_slows_down_is_unsteady() -> None:
    session = FakeSession(FakeClock(), iter([1000] * 10 + [1500] * 20))
    codes = {c.code for c in latency.caveats(timed(session, plan(queries=30)), 2, 1)}
    assert codes == {"single_process", "unsteady", "short_sample"}


def test_a_steady_trace_has_only_the_caveat_of_one_process() -> None:
    trace = timed(FakeSession(FakeClock()), plan(queries=64))
    assert [c.code for c in latency.caveats(trace, 2, 1)] == ["single_process"]


def test_a_trace_that_spreads_is_noisy_and_one_with_a_tail_is_not() -> None:
    spread = FakeSession(FakeClock(), iter([5000, 6000, 7000, 8000] * 16))
    found = {c.code: c.figures for c in latency.caveats(timed(spread, plan(queries=64)), 2, 1)}
    assert found["noisy"]["spread"] == pytest.approx(1.4826 * 1000 / 6633, rel=0.01)
    assert found["noisy"]["p50_ms"] == pytest.approx(6633e-6)
    tail = FakeSession(FakeClock(), iter(([5000] * 7 + [50_000]) * 8))
    assert [c.code for c in latency.caveats(timed(tail, plan(queries=64)), 2, 1)] == [
        "single_process"
    ]


def test_wall_far_above_cpu_time_is_contended_at_one_thread_on_the_cpu_only() -> None:
    queries = [(i * 10, i * 10 + 1, i * 10 + 8, i * 10 + 9) for i in range(10)]
    trace = latency.Trace(queries, reading(), reading(99, 50, involuntary_switches=4))
    contended = [c for c in latency.caveats(trace, 1, 1) if c.code == "contended"]
    assert contended[0].figures == {"wall_over_cpu": 99 / 50, "involuntary_switches": 4}
    assert not [c for c in latency.caveats(trace, 2, 1) if c.code == "contended"]
    assert not [c for c in latency.caveats(trace, 1, 1, "cuda:0") if c.code == "contended"]


def test_a_short_pass_a_coarse_clock_and_swapping_are_caveats() -> None:
    queries = [(i * 10, i * 10 + 1, i * 10 + 8, i * 10 + 9) for i in range(63)]
    trace = latency.Trace(queries, reading(), reading(major_faults=3))
    found = {c.code: c.figures for c in latency.caveats(trace, 1, clock_step_ns=1)}
    assert found["short_sample"] == {"queries": 63}
    assert found["clock_coarse"] == {"clock_step_ns": 1}
    assert found["swapped"] == {"major_faults": 3}


def test_the_surroundings_are_read_around_the_loop_and_without_collecting_garbage() -> None:
    session, seen = FakeSession(FakeClock()), []

    def read(ending: bool) -> Reading:
        seen.append((ending, len(session.calls), gc.isenabled()))
        return reading()

    latency.single_stream(session, FEEDS, plan(), session.clock, read)
    assert seen == [(False, 0, False), (True, 10, False)]


def test_the_first_query_is_timed_verb_by_verb() -> None:
    clock = FakeClock()
    found = latency.first_query(FakeSession(clock, iter([90_000])), FEEDS[0], clock)
    assert found.tolist() == [101, 90_001, 31]


def test_a_devices_own_times_are_kept_and_reading_them_is_in_no_query() -> None:
    session = FakeDevice(FakeClock(), {"upload": 40, "run": 4000})
    found = latency.samples(timed(session, plan()), [], [])
    assert found.device_upload_ns.tolist() == [40] * 10
    assert found.device_run_ns.tolist() == [4000] * 10
    assert found.device_download_ns.tolist() == []
    assert found.run_ns.tolist() == [5001] * 10
    assert found.download_ns.tolist() == [31] * 10


def test_a_device_without_events_leaves_no_times() -> None:
    trace = timed(FakeDevice(FakeClock(), None), plan())
    assert len(trace.queries) == 10
    assert latency.samples(trace, [], []).device_run_ns.tolist() == []


def test_the_real_clock_resolves_a_microsecond() -> None:
    assert 0 < resolution_ns() < 1000
