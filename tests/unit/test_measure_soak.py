"""The soak on a clock of our own."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from benchbench.measure import soak
from benchbench.stats import soak as told
from tests.unit.test_measure_latency import FEEDS, FakeClock, FakeSession


def trace(*levels: tuple[float, float]) -> dict[str, Any]:
    """Return a trace of levels (seconds, milliseconds a query), with a little noise."""
    rng = np.random.default_rng(0)
    parts = [np.full(int(s * 1e3 / ms), ms * 1e6) for s, ms in levels]
    total = (np.concatenate(parts) * (1 + 0.01 * rng.random(sum(map(len, parts))))).astype(np.int64)
    return {"started_ns": 7_000 + np.cumsum(total) - total, "total_ns": total}


def sampled(**columns: tuple[float, float]) -> dict[str, Any]:
    """Return samples of 60 s, twice a second, that change from one value to another at 20 s."""
    times = np.arange(120) * 500_000_000 + 7_000
    late = times > 20e9
    return {"t_ns": times} | {name: np.where(late, b, a) for name, (a, b) in columns.items()}


SLOWING = trace((20, 10.0), (40, 12.0))


def test_start_and_length_of_each_query_are_kept() -> None:
    clock = FakeClock()
    plan = soak.Plan(seconds=5132e-9 * 9.5)
    columns = soak.run(FakeSession(clock), FEEDS, plan, clock)
    assert columns["total_ns"].tolist() == [5131] * 10
    assert np.diff(columns["started_ns"]).tolist() == [5132] * 9
    assert gc.get_freeze_count() == 0


def test_it_rests_before_it_warms_up() -> None:
    session = FakeSession(FakeClock())
    slept: list[tuple[float, int]] = []
    plan = soak.Plan(rest_s=12.5, warmup=4)
    soak.rest(session, FEEDS, plan, lambda s: slept.append((s, len(session.calls))))
    assert slept == [(12.5, 0)]
    assert len(session.calls) == 4


def test_burst_is_the_first_seconds_and_sustained_the_last_third() -> None:
    view = told.summarise(SLOWING)
    assert view.burst_ms == pytest.approx(10.05, abs=0.02)
    assert view.sustained_ms == pytest.approx(12.06, abs=0.02)
    assert view.ratio == pytest.approx(1.2, abs=0.01)
    assert view.seconds == pytest.approx(60, rel=0.01)
    (change,) = view.changes.found or ()
    assert change.at_s == pytest.approx(20.1, abs=0.2)
    assert len(view.trace_ms) == len(view.trace_s) == 300


def test_without_a_cause_it_slows_down() -> None:
    for beside in ([], [sampled(cpu_mhz=(3000, 2990), temperature_c=(50, 80))]):
        (caveat,) = told.caveats(told.summarise(SLOWING, beside))
        assert caveat.code == "slows_down"
        assert set(caveat.figures) == {"sustained_over_burst", "burst_ms", "sustained_ms"}


def test_a_clock_that_fell_makes_it_throttled() -> None:
    cpu, gpu = sampled(cpu_mhz=(3000, 2500)), sampled(sm_clock_mhz=(1900, 1900))
    view = told.summarise(SLOWING, [cpu, gpu])
    assert [(each.name, each.burst, each.sustained) for each in view.beside] == [
        ("cpu_mhz", 3000, 2500),
        ("sm_clock_mhz", 1900, 1900),
    ]
    assert view.throttle_events is None
    (caveat,) = told.caveats(view)
    assert caveat.code == "throttled"
    assert caveat.figures["cpu_mhz_over_burst"] == pytest.approx(2500 / 3000)


def test_clocks_and_power_stand_beside_the_trace_on_its_own_time() -> None:
    columns = sampled(cpu_mhz=(3000, 2500)) | {"watts": np.array(sampled(x=(10, 20))["x"])}
    beside = {one.name: one for one in told.summarise(SLOWING, [columns]).beside}
    assert set(beside) == {"cpu_mhz", "power_w"}
    for one, levels in (("cpu_mhz", (3000, 2500)), ("power_w", (10, 20))):
        assert set(beside[one].values) == set(levels)
        assert len(beside[one].at_s) == len(beside[one].values) <= 150
        assert beside[one].at_s == tuple(sorted(beside[one].at_s))
    assert 0 <= beside["power_w"].at_s[0] < 60


def test_reported_throttling_makes_it_throttled() -> None:
    for columns, events in (
        (sampled(throttle_events=(4, 9)), 5),
        (sampled(throttled=(0, 1)), 80),
    ):
        view = told.summarise(SLOWING, [columns])
        assert view.throttle_events == events
        assert [caveat.code for caveat in told.caveats(view)] == ["throttled"]
    unheard = told.summarise(SLOWING, [sampled(throttled=(0, 0))])
    assert unheard.throttle_events == 0
    assert [caveat.code for caveat in told.caveats(unheard)] == ["slows_down"]


def test_samples_that_failed_and_samples_of_other_times_are_left_out() -> None:
    columns = sampled(cpu_mhz=(3000, np.nan), temperature_c=(40, 60), throttle_events=(np.nan, 3))
    columns["t_ns"] = columns["t_ns"].copy()
    view = told.summarise(SLOWING, [columns])
    assert [each.name for each in view.beside] == ["temperature_c"]
    assert view.throttle_events == 0
    late = sampled(cpu_mhz=(1, 1), throttled=(1, 1))
    late["t_ns"] = late["t_ns"] + 10**12
    view = told.summarise(SLOWING, [late])
    assert view.beside == ()
    assert view.throttle_events is None


def test_a_steady_soak_raises_no_doubt_even_if_a_clock_fell() -> None:
    view = told.summarise(trace((60, 10.0)), [sampled(cpu_mhz=(3000, 2000))])
    assert view.changes.found == ()
    assert told.caveats(view) == ()


def test_a_soak_too_short_to_tell_says_so() -> None:
    view = told.summarise(trace((12, 10.0)))
    assert view.ratio is None
    assert view.reason == "the last third begins within the burst; a soak takes over 15 s"
    assert told.caveats(view) == ()
    slow = told.summarise(trace((60, 3000.0)))
    assert slow.reason is not None
    assert slow.reason.startswith("4 queries in the burst")
