"""The energy procedure with the real ``pynvml`` on a virtual clock: exact joules in no time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchbench.columns import save_arrays
from benchbench.errors import MeterError
from benchbench.measure.clock import now_ns
from benchbench.measure.energy import Columns, EnergyPlan, measure, seconds
from benchbench.measure.sampler import (
    STATE_EVERY,
    Readings,
    read_samples,
    take_from,
    watching,
    write_samples,
)
from benchbench.meters.nvml import reading
from benchbench.meters.nvml_reader import NvmlReader
from benchbench.stats.energy import summarise
from tests.fake_nvml import GPU, LOST, NOT_SUPPORTED, Fake, build, loaded

TICK = 100_000_000
PLAN = EnergyPlan(trials=5, window_s=4.0, idle_s=3.0, cooldown_s=0.5, sample_s=0.05)
WORK_W, IDLE_W, QUERY_S, IMAGES = 400.0, 50.0, 0.01, 8


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    with loaded(build(tmp_path_factory.mktemp("nvml"))) as fake:
        yield fake


@pytest.fixture
def fake(library: Fake) -> Fake:
    library.reset()
    library.every(1e9, lambda: None)
    library.sleep(0.0123)  # not on a tick
    return library


@pytest.fixture
def reader(fake: Fake) -> Iterator[NvmlReader]:
    with reading("cuda:0", uuid_of=lambda _: GPU[0]) as opened:
        yield opened


def run(
    fake: Fake, reader: NvmlReader, plan: EnergyPlan = PLAN, query: Any = None
) -> tuple[Columns, dict[str, Any]]:
    """Carry the procedure out, with a sampler on the same virtual clock."""
    take, rows = take_from(reader), []
    fake.every(plan.sample_s, lambda: rows.append({"t_ns": fake.clock(), **take()}))

    def stop() -> Readings:
        columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in rows[0]}
        return Readings(columns | {"observer_cpu_ns": columns["t_ns"] // 1000})

    query = query or (lambda: fake.work(QUERY_S, WORK_W))
    columns = measure(reader, query, IMAGES, plan, stop, clock=fake.clock, sleep=fake.sleep)
    return columns, json.loads(columns["about"][0])


def ticks(columns: Columns, edge: str) -> Any:
    """Return the ticks of the counter at which the windows begin or end."""
    return columns[edge] // TICK * TICK


def test_each_window_holds_exactly_the_joules_drawn_between_its_ticks(fake, reader):
    columns, about = run(fake, reader)
    assert about["reason"] is None
    starts, ends = ticks(columns, "trial.start_ns"), ticks(columns, "trial.end_ns")
    true = [fake.true_joules(*span) for span in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert columns["trial.joules"] == pytest.approx(true, abs=2e-3)  # two roundings to 1 mJ
    assert len(true) == PLAN.trials


def test_the_figures_are_the_true_ones_to_one_tick(fake, reader):
    columns, _ = run(fake, reader)
    view = summarise(columns, "nvml", allow_fake=True)
    bound = view.quality.tick_bound
    assert bound == pytest.approx(0.1 / PLAN.window_s, rel=0.03)
    true = WORK_W * QUERY_S / IMAGES
    assert view.gross_j_per_image.value == pytest.approx(true, rel=bound)
    assert view.net_j_per_image.value == pytest.approx(true * 350 / 400, rel=bound)
    assert view.images_per_joule.value == pytest.approx(1 / true, rel=bound)
    assert view.idle_w == pytest.approx(IDLE_W, rel=1e-3)
    assert view.peak_w == WORK_W
    assert view.quality.power_to_counter == pytest.approx(1, abs=0.03)
    assert view.quality.grade == "B"  # 40 ticks: fewer than 100
    assert not view.caveats


def test_the_update_period_of_the_counter_is_measured(fake, reader):
    columns, _ = run(fake, reader)
    assert len(columns["tick.seen_ns"]) >= 4
    view = summarise(columns, "nvml", allow_fake=True)
    assert view.quality.update_period_s == pytest.approx(0.1, abs=0.001)


def test_a_slow_counter_makes_the_window_longer(fake, reader):
    fake.update_ns(500_000_000)
    columns, _ = run(fake, reader)
    view = summarise(columns, "nvml", allow_fake=True)
    assert view.quality.ticks_per_window >= 20
    assert view.gross_j_per_image.value == pytest.approx(0.5, rel=view.quality.tick_bound)


def test_a_counter_too_slow_for_the_window_is_refused_with_its_period(fake, reader):
    fake.update_ns(2_000_000_000)
    columns, about = run(fake, reader)
    assert about["reason"] == (
        "the energy counter changes every 2 s: 20 changes need a window of 42 s, and 4 s are asked for"
    )
    assert not len(columns["trial.joules"])


def test_a_counter_that_stands_still_is_a_reason_and_not_zero_joules(fake, reader):
    fake.update_ns(10**15)
    columns, about = run(fake, reader)
    assert about["reason"] == "the energy counter has stood still for 10 s"
    assert summarise(columns, "nvml", allow_fake=True).gross_j_per_image.value is None


def test_what_was_measured_before_a_board_was_lost_is_kept(fake, reader):
    done = []

    def query() -> None:
        fake.work(QUERY_S, WORK_W)
        done.append(1)
        if len(done) == 600:  # in the second window
            fake.fail("nvmlDeviceGetTotalEnergyConsumption", LOST)

    columns, about = run(fake, reader, query=query)
    assert about["reason"] == "NVML cannot read the energy counter: GPU is lost"
    assert (len(columns["baseline.joules"]), len(columns["trial.joules"])) == (1, 1)
    view = summarise(columns, "nvml", allow_fake=True)
    assert view.gross_j_per_image.value is None
    assert view.gross_j_per_image.reason == f"{about['reason']} (after 1 of 5 windows)"
    assert view.quality.trials == 1
    assert view.quality.grade is None


def test_a_counter_that_goes_back_ends_the_measurement_with_its_reason(fake, reader):
    fake.offset_mj(0, 10**9)
    columns, about = run(
        fake, reader, query=lambda: (fake.work(QUERY_S, WORK_W), fake.offset_mj(0, 0))
    )
    assert "counter went back" in about["reason"]
    assert not len(columns["trial.joules"])


def test_without_a_counter_the_sampled_power_is_integrated(fake):
    fake.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    with reading("cuda:0", uuid_of=lambda _: GPU[0]) as reader:
        columns, about = run(fake, reader)
    assert about["reason"] is None
    assert "trial.joules" not in columns
    view = summarise(columns, "nvml", allow_fake=True)
    assert view.quality.method == "integrated power"
    assert view.quality.grade == "C"
    assert view.gross_j_per_image.value == pytest.approx(0.5, rel=0.03)
    assert view.idle_w == pytest.approx(IDLE_W, rel=0.01)


def test_windows_begin_at_seeded_phases(fake, reader):
    first, _ = run(fake, reader)
    gaps = np.diff(first["trial.start_ns"])
    assert len(set((gaps // TICK).tolist())) > 1
    again = []
    for seed in (0, 1):
        fake.reset()
        fake.sleep(0.0123)
        with reading("cuda:0", uuid_of=lambda _: GPU[0]) as reopened:
            again.append(run(fake, reopened, replace(PLAN, seed=seed))[0])
    assert again[0]["trial.start_ns"].tolist() == first["trial.start_ns"].tolist()
    assert again[1]["trial.start_ns"].tolist() != first["trial.start_ns"].tolist()


def test_the_time_that_it_takes_is_known_beforehand(fake, reader):
    before = fake.clock()
    run(fake, reader)
    assert seconds(PLAN) == pytest.approx((fake.clock() - before) / 1e9, rel=0.03)


def test_throttling_and_its_reasons_are_told_with_their_share(fake, reader):
    count = []

    def query() -> None:
        count.append(1)
        fake.reasons(0, 0x44 if len(count) % 400 < 100 else 0x1)
        fake.temperature(0, 88.0)
        fake.work(QUERY_S, WORK_W)

    columns, _ = run(fake, reader, query=query)
    view = summarise(columns, "nvml", allow_fake=True)
    found = {caveat.code: caveat.figures for caveat in view.caveats}
    assert found["throttled"]["share"] == pytest.approx(0.25, abs=0.03)
    assert found["throttled"]["reasons"] == "software power cap, hardware thermal slowdown"
    assert found["thermal"] == {"temperature_c": 88.0}
    assert view.temperature_c == 88.0


def test_an_idle_power_that_has_changed_is_a_caveat(fake, reader):
    columns, _ = run(fake, reader, query=lambda: fake.work(QUERY_S, WORK_W, idle_w=60))
    view = summarise(columns, "nvml", allow_fake=True)
    (caveat,) = view.caveats
    assert caveat.code == "baselines_differ"
    assert caveat.figures == pytest.approx({"before_w": 50.0, "after_w": 60.0}, rel=2e-3)
    assert view.quality.baseline_drift == pytest.approx(10 / 55, rel=0.02)


def test_a_process_that_comes_in_meanwhile_is_a_caveat(fake, reader):
    count = []

    def query() -> None:
        count.append(1)
        fake.work(QUERY_S, WORK_W)
        if len(count) in {700, 701}:
            fake.process(0, 900_000 + len(count), 1)

    columns, _ = run(fake, reader, query=query)
    view = summarise(columns, "nvml", allow_fake=True)
    assert [caveat.code for caveat in view.caveats] == ["other_processes"]
    assert view.quality.grade == "C"


def test_a_device_whose_name_says_fake_is_never_published(fake, reader):
    columns, _ = run(fake, reader)
    view = summarise(columns, "nvml")
    assert view.gross_j_per_image.value is view.idle_w is view.peak_w is None
    assert view.reason == "the device 'FAKE GPU 0' is a test's: it drew nothing"


def test_the_columns_are_plain_arrays_that_a_file_keeps(fake, reader):
    columns, _ = run(fake, reader)
    with np.load(io.BytesIO(save_arrays(columns)), allow_pickle=False) as file:
        back = {name: file[name] for name in file.files}
    assert summarise(back, "nvml", allow_fake=True) == summarise(columns, "nvml", allow_fake=True)


def test_samples_come_at_their_period_and_stand_in_whole_rows(fake, reader):
    file, left = io.BytesIO(), iter([False] * 9 + [True])

    def wait_until(due_ns: int) -> bool:
        fake.sleep((due_ns - fake.clock()) / 1e9)
        return next(left)

    fake.every(1e9, lambda: None)
    write_samples(take_from(reader), file, wait_until, 0.05, fake.clock)
    columns = read_samples(file.getvalue())
    assert np.diff(columns["t_ns"]).tolist() == [50_000_000] * 9
    assert columns["watts"].tolist() == [50.0] * 10
    torn = read_samples(file.getvalue()[:-3])
    assert len(torn["t_ns"]) == len(torn["throttled"]) == 9
    assert np.isnan(columns["temperature_c"]).tolist() == [i % STATE_EVERY > 0 for i in range(10)]
    assert read_samples(b"") == {}


class Counting:
    """A reader whose power is known from the third reading on, or never."""

    def __init__(self, known_from: int) -> None:
        self.known_from, self.asked = known_from, 0

    def power_w(self) -> float:
        self.asked += 1
        if self.asked < self.known_from:
            raise MeterError("has not moved yet")
        return 7.0

    def state(self) -> dict[str, float]:
        return {"temperature_c": 40.0}


def test_a_power_that_is_a_mean_is_waited_for_and_one_that_never_comes_is_left_out():
    take = take_from(Counting(3), lambda _: None)
    assert take() == {"watts": 7.0, "temperature_c": 40.0}
    assert take() == {"watts": 7.0}
    assert take_from(Counting(10**6), lambda _: None)() == {"temperature_c": 40.0}


def test_the_clock_is_the_one_that_processes_share():
    import time

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    found = now_ns()
    assert before <= found <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def test_another_process_samples_the_host_on_the_same_clock(tmp_path):
    before = now_ns()
    with watching(None, "cpu", tmp_path / "samples.bin", 0.05) as watch:
        readings = watch.stop()
    assert readings.reason is None
    assert before < readings.columns["t_ns"][0] < now_ns()
    assert readings.columns["load_1m"][0] >= 0


def test_a_sampler_that_cannot_open_its_meter_gives_the_reason_and_no_samples(tmp_path):
    with watching({"kind": "nothing"}, "cuda", tmp_path / "samples.bin", 0.05) as watch:
        readings = watch.stop()
    assert readings.reason == "no meter named 'nothing'"
    assert readings == Readings({}, readings.reason) == watch.stop()
