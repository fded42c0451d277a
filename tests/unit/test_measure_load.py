"""The load engine on a clock of our own, where what a model costs is exact."""

from __future__ import annotations

import gc
import heapq
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.measure import arrivals, latency
from benchbench.measure.load import Length, batches_of, multi_stream, offline, open_loop
from benchbench.measure.scenarios import (
    Cameras,
    MultiStream,
    Offline,
    Server,
    run_cameras,
    run_multi_stream,
    run_offline,
    run_server,
)
from benchbench.measure.search import Budget, next_level, search
from benchbench.measure.streams import Watch
from benchbench.stats.load import summarise_cameras, summarise_server
from benchbench.stats.queries import (
    Load,
    Queries,
    late,
    latency_ns,
    lateness_ns,
    pack,
    together,
    unpack,
    verdict,
)
from benchbench.types import TensorSpec

MS = 1_000_000


class World:
    """A clock that stands while threads work and moves to the next waking when all sleep."""

    def __init__(self, threads: int = 1) -> None:
        self.time, self._threads = 0, threads
        self._changed = threading.Condition()
        self._asleep: dict[threading.Thread, int] = {}
        self._known: set[threading.Thread] = set()

    @property
    def watch(self) -> Watch:
        return Watch(lambda: self.time, self.sleep, early_ns=0)

    def sleep(self, seconds: float) -> None:
        self.pass_ns(round(seconds * 1e9))

    def pass_ns(self, duration: int) -> None:
        if self._threads == 1:
            self.time += duration
            return
        me = threading.current_thread()
        with self._changed:
            self._known.add(me)
            self._asleep[me] = self.time + duration
            while me in self._asleep:
                living = {thread for thread in self._known if thread.is_alive()}
                if len(self._known) >= self._threads and living <= set(self._asleep):
                    first = min(self._asleep, key=lambda thread: self._asleep[thread])
                    self.time = self._asleep.pop(first)
                    self._changed.notify_all()
                else:
                    self._changed.wait(0.001)


class Model:
    """Spends as much of the world's time as its input says, in nanoseconds."""

    inputs = [TensorSpec(name="x", shape=(1,), dtype="float32")]

    def __init__(self, world: World) -> None:
        self.world, self.collecting = world, set[bool]()
        self.seen: list[int] = []

    def upload(self, feed: Any) -> Any:
        return feed

    def run(self, handle: Any) -> None:
        self.collecting.add(gc.isenabled())
        self.seen.append(handle)
        self.world.pass_ns(handle)

    def download(self, handle: Any) -> Any:
        return handle

    def placement(self) -> Any:
        raise AssertionError


def lindley(scheduled: Sequence[int], service: Sequence[int], servers: int = 1) -> list[int]:
    """Return latencies of a first-come-first-served queue: Lindley's recursion, or a heap of it."""
    free = [0] * servers
    found = []
    for arrival, cost in zip(scheduled, service, strict=True):
        begin = max(arrival, heapq.heappop(free))
        heapq.heappush(free, begin + cost)
        found.append(begin + cost - arrival)
    return found


def served(service: Sequence[int], scheduled: Any, streams: int = 1, **options: Any) -> Queries:
    world = World(streams)
    models = [Model(world) for _ in range(streams)]
    times = np.asarray(scheduled, np.int64)
    return open_loop(models, list(service), times, watch=world.watch, **options)


# --- arrivals ----------------------------------------------------------------------------


def test_poisson_gaps_are_exponential_and_equal_for_equal_seeds() -> None:
    times = arrivals.poisson(500, 20, seed=3)
    gaps = np.sort(np.diff(times)) / 1e9
    steps = np.arange(len(gaps) + 1) / len(gaps)
    theirs = 1 - np.exp(-500 * gaps)
    distance = max((steps[1:] - theirs).max(), (theirs - steps[:-1]).max())
    assert distance < 1.63 / len(gaps) ** 0.5  # Kolmogorov's at 1 %
    assert times[0] == 0
    assert np.array_equal(times, arrivals.poisson(500, 20, seed=3))
    assert not np.array_equal(times[:50], arrivals.poisson(500, 20, seed=4)[:50])


@given(
    rate=st.floats(0.1, 1e5),
    seconds=st.floats(0, 2),
    seed=st.integers(0, 2**32),
    least=st.integers(1, 500),
)
@settings(max_examples=40, deadline=None)
def test_poisson_arrivals_ascend_within_the_time_or_to_the_least_count(
    rate: float, seconds: float, seed: int, least: int
) -> None:
    times = arrivals.poisson(rate, seconds, seed, least)
    assert len(times) >= least
    assert (np.diff(times) >= 0).all()
    assert len(times) == least or times[-1] < seconds * 1e9


@given(count=st.integers(1, 20), fps=st.floats(1, 120), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_each_camera_gives_a_frame_every_period_from_a_phase_within_the_first(
    count: int, fps: float, seed: int
) -> None:
    times, which = arrivals.cameras(count, fps, 3, seed)
    assert (np.diff(times) >= 0).all()
    for camera in range(count):
        mine = times[which == camera]
        assert len(mine) == int(3 * fps)
        assert mine[0] <= 1e9 / fps
        assert np.allclose(np.diff(mine), 1e9 / fps, atol=1)


# --- the open loop -----------------------------------------------------------------------


def test_latencies_of_an_m_d_1_queue_are_exactly_lindleys() -> None:
    times = arrivals.poisson(100, 20, seed=1)
    found = served([8 * MS], times)
    assert latency_ns(found).tolist() == lindley(times.tolist(), [8 * MS] * len(times))
    assert not lateness_ns(found).any()


@given(data=st.data(), streams=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_queue_of_several_streams_is_first_come_first_served_and_loses_no_query(
    data: st.DataObject, streams: int
) -> None:
    costs = data.draw(st.lists(st.integers(1, 50), min_size=streams, max_size=25))
    gaps = data.draw(st.lists(st.integers(0, 40), min_size=len(costs), max_size=len(costs)))
    # Odd costs and even arrivals: no two streams are free at the same moment, which order would
    # be open for.
    service = [2**20 * cost + 2 * i + 1 for i, cost in enumerate(costs)]
    times = 2**20 * np.cumsum(gaps)
    found = served(service, times, streams)
    assert latency_ns(found).tolist() == lindley(times.tolist(), service, streams)
    assert (np.diff(found.started_ns) >= 0).all()
    assert (latency_ns(found) >= service).all()
    assert found.issued.all()


STALLING = [200 * MS if i % 100 == 99 else 8 * MS for i in range(1000)]


def test_a_stall_is_seen_in_every_query_it_delays_and_is_hidden_by_a_closed_loop() -> None:
    times = np.arange(len(STALLING)) * 10**9 // 60
    delayed = latency_ns(served(STALLING, times)) / 1e6
    world = World()
    plan = latency.Plan(0, 0, len(STALLING), 0, len(STALLING))
    trace = latency.single_stream(Model(world), STALLING, plan, lambda: world.time)
    hidden = np.array([end - start for start, *_, end in trace.queries]) / 1e6
    assert np.percentile(delayed, 99) == pytest.approx(200, rel=0.05)
    assert np.percentile(hidden, 99) == pytest.approx(8, abs=2)


def test_frames_that_waited_too_long_are_dropped_and_are_neither_served_nor_forgotten() -> None:
    found = served([25 * MS], np.arange(20) * 10 * MS, drop_after_ns=10 * MS)
    assert found.dropped.sum() + found.issued.sum() == 20
    assert (latency_ns(found)[found.issued] <= 35 * MS).all()
    assert (found.started_ns[found.dropped] == -1).all()
    assert late(found, 35 * MS).tolist() == found.dropped.tolist()
    assert found.issued.sum() == 9  # 25 ms each; the last begins at 190


def test_a_pass_whose_queue_only_grows_is_given_up_and_the_rest_is_not_issued() -> None:
    found = served([20 * MS], np.arange(1000) * 10 * MS, give_up_ns=100 * MS)
    done = int(found.issued.sum())
    assert found.given_up
    assert done == 11  # query n waits 10 n ms
    assert (latency_ns(found)[done:] == -1).all()
    assert (found.stream[done:] == -1).all()
    assert verdict([found], 10_000 * MS, 0.01) == "missed"


def test_nothing_is_collected_while_a_pass_runs() -> None:
    world = World()
    model = Model(world)
    open_loop([model], [MS], np.arange(3) * MS, watch=world.watch)
    offline([model], [MS], Length(3, 0), world.watch)
    multi_stream([model], [MS], 2, Length(3, 0), world.watch)
    assert model.collecting == {False}
    assert gc.isenabled()


# --- real threads ------------------------------------------------------------------------


class Failing(Model):
    """Fails at its third query."""

    def run(self, handle: Any) -> None:
        self.seen.append(handle)
        if len(self.seen) == 3:
            raise RuntimeError("the device is gone")


@pytest.mark.parametrize("streams", [1, 2])
def test_an_error_of_any_stream_reaches_the_caller_and_stops_the_others(streams: int) -> None:
    world = World()
    models = [Failing(world) for _ in range(streams)]
    before = threading.active_count()
    calls = (
        lambda: open_loop(models, [1], np.arange(20) * MS),
        lambda: offline(models, [1], Length(20, 0)),
        lambda: multi_stream(models, [1], 2, Length(20, 0)),
    )
    for call in calls:
        for model in models:
            model.seen.clear()
        with pytest.raises(RuntimeError, match="the device is gone"):
            call()
        assert all(len(model.seen) <= 20 for model in models)
    assert threading.active_count() == before
    assert gc.isenabled()


class Counting(Model):
    """Costs nothing and notes what it was given."""

    def run(self, handle: Any) -> None:
        self.seen.append(handle)


def test_two_real_streams_serve_each_query_once_on_the_real_clock() -> None:
    models = [Counting(World()), Counting(World())]
    found = open_loop(models, list(range(400)), arrivals.poisson(20_000, 0, 0, least=400))
    assert sorted(models[0].seen + models[1].seen) == list(range(400))
    assert [len(model.seen) for model in models] == np.bincount(found.stream).tolist()
    assert all(model.seen == sorted(model.seen) for model in models)
    assert (found.started_ns >= found.scheduled_ns).all()
    assert (found.finished_ns >= found.started_ns).all()


# --- closed loops ------------------------------------------------------------------------


def test_a_query_of_eight_images_is_as_many_batches_as_hold_them() -> None:
    world = World()
    model = Model(world)
    load = run_multi_stream([model], [3, 4], MultiStream(queries=10, seconds=0), 3, world.watch)
    assert batches_of(8, 3) == 3
    assert model.seen == [3, 4] * 15
    assert (load.queries.finished_ns - load.queries.started_ns).tolist() == [10, 11] * 5
    assert load.queries.started_ns[1:].tolist() == load.queries.finished_ns[:-1].tolist()


def test_the_batches_of_a_query_are_dealt_out_to_the_streams() -> None:
    models = [Counting(World()), Counting(World())]
    found = multi_stream(models, [5, 7, 2], 3, Length(4, 0))
    assert [model.seen for model in models] == [[5, 2] * 4, [7] * 4]
    assert len(found.stream) == 4


def test_a_giant_query_is_shared_by_the_streams_as_fast_as_each_can() -> None:
    world = World(2)
    models = [Model(world), Model(world)]
    found = offline(models, [10], Length(40, 0), world.watch)
    assert found.finished_ns.max() == 200
    assert np.bincount(found.stream).tolist() == [20, 20]
    assert not found.scheduled_ns.any()


def test_an_offline_pass_lasts_until_both_minimums_hold() -> None:
    world = World()
    assert len(offline([Model(world)], [10], Length(5, 201e-9), world.watch).stream) == 21
    assert len(offline([Model(world)], [10], Length(30, 201e-9), world.watch).stream) == 30


def same(one: Load, other: Load) -> bool:
    mine, theirs = pack(one), pack(other)
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


# --- searches ----------------------------------------------------------------------------


class Threshold:
    """Meets below a level and misses above another; undecided between."""

    def __init__(self, met: float, missed: float) -> None:
        self.met, self.missed, self.asked = met, missed, list[float]()

    def least_s(self, level: float) -> float:
        return 1.0

    def run(self, level: float, seconds: float, seed: Sequence[int]) -> Queries:
        self.asked.append(level)
        return Queries(*(np.array([round(level * 1000)]) for _ in range(6)))

    def verdict(self, passes: Sequence[Queries]) -> Any:
        level = passes[0].scheduled_ns[0] / 1000
        return "met" if level <= self.met else "missed" if level >= self.missed else "undecided"


@given(
    start=st.floats(1, 1000),
    met=st.floats(2, 2000),
    width=st.floats(1, 1.5),
)
@settings(max_examples=60, deadline=None)
def test_a_search_ends_within_the_tolerance_of_both_sides_of_what_cannot_be_decided(
    start: float, met: float, width: float
) -> None:
    question = Threshold(met, met * width)
    load = search(question, Budget(start, 1e6), clock=lambda: 0)
    verdicts = {q: question.verdict(load.passes(i)) for i, q in enumerate(load.level)}
    best = max(level for level, v in verdicts.items() if v == "met")
    worst = min(level for level, v in verdicts.items() if v == "missed")
    assert met / 1.06 / (2 if width > 1 else 1) <= best <= met + 0.001
    assert best <= worst
    assert worst / best <= width * 1.06**2
    assert len(load.level) < 40


@given(start=st.integers(1, 50), met=st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_a_search_for_a_whole_number_finds_neighbours(start: int, met: int) -> None:
    question = Threshold(met, met + 1)
    load = search(question, Budget(start, 1e6, whole=True, tolerance=0), clock=lambda: 0)
    assert {met, met + 1} <= set(load.level.tolist())
    assert len(set(load.level.tolist())) == len(load.level)


def test_one_camera_that_is_too_many_ends_the_search() -> None:
    assert (
        next_level({4.0: "missed", 2.0: "missed", 1.0: "missed"}, Budget(4, 1, whole=True)) is None
    )


def searched(bound_ms: float, seconds: float) -> Load:
    world = World()
    server = Server(bound_ms=bound_ms, seconds=seconds)
    return run_server([Model(world)], [10 * MS], server, world.watch)


def test_the_highest_rate_of_an_m_d_1_queue_is_found() -> None:
    view = summarise_server(searched(60, 600), 60)
    assert view.highest_met_qps is not None
    assert view.lowest_missed_qps is not None
    # A long run of the recursion: its p99 crosses 60 ms between the two.
    for rate, keeps in ((view.highest_met_qps, True), (view.lowest_missed_qps, False)):
        times = arrivals.poisson(rate, 0, 99, least=60_000).tolist()
        p99 = np.percentile(lindley(times, [10 * MS] * len(times)), 99)
        assert (p99 <= 60 * MS) == keeps
    assert view.lowest_missed_qps / view.highest_met_qps < 1.4


def test_a_search_is_the_same_again() -> None:
    assert same(searched(30, 60), searched(30, 60))


def test_a_bound_below_the_service_time_has_no_rate_and_says_why() -> None:
    view = summarise_server(searched(9, 60), 9)
    assert view.highest_met_qps is None
    assert "missed: 100.00% over the bound" in view.reasons["highest_met_qps"]


def test_more_streams_than_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="2 streams need as many sessions, not 1"):
        run_offline([Counting(World())], [1], Offline(queries=5, seconds=0))


@pytest.mark.parametrize("drop", [False, True])
def test_as_many_cameras_are_found_as_one_stream_can_serve(drop: bool) -> None:
    world = World()
    options = Cameras(fps=10, seconds=600, drop_late=drop)
    load = run_cameras([Model(world)], [9 * MS], options, world.watch)
    view = summarise_cameras(load, options.asked)
    # Eleven fit: 110 frames a second of 9 ms; with a period of 100 ms none waits longer than that.
    assert view.highest_met == 11
    assert view.lowest_missed == 12
    assert view.worst_camera[11] == 0
    assert world.time < 700e9


def test_a_fixed_rate_is_one_probe_and_columns_come_back_as_they_went() -> None:
    world = World()
    server = Server(bound_ms=50, rate_qps=20, seconds=10)
    load = run_server([Model(world)], [10 * MS], server, world.watch)
    back = unpack(pack(load))
    assert load.level.tolist() == [20]
    assert same(load, back)


def test_offline_is_tried_with_each_number_of_streams() -> None:
    world = World()
    models = [Counting(world), Counting(world)]
    load = run_offline(models, [1], Offline(queries=30, seconds=0), world.watch)
    assert load.level.tolist() == [1, 2]
    assert len(load.passes(0)[0].stream) == 30
    assert load.passes(1)[0].stream.max() <= 1


def test_passes_of_one_level_stay_apart_when_stored_together() -> None:
    one, two = served([MS], [0, 5 * MS]), served([MS], [0])
    load = together([(7.0, [one, two]), (9.0, [two])])
    assert [len(q.stream) for q in load.passes(0)] == [2, 1]
    assert load.passes(1)[0].scheduled_ns.tolist() == [0]
