"""Figures of energy from raw columns: against scipy, by hand, and by properties."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from benchbench.stats.energy import figure, not_measured, summarise
from benchbench.stats.energy_spans import integral_j

S = 1_000_000_000


def columns(joules: list[float], **changes: Any) -> dict[str, Any]:
    """Return five or so windows of 10 s with 1000 images each, idle at 50 W, ticks of 0.1 s."""
    count = len(joules)
    starts = np.arange(count) * 12 * S + 20 * S
    last = 20 * S + count * 12 * S
    about = {
        "scope": "GPU board",
        "counts": True,
        "resolution_j": 0.001,
        "identity": {"name": "a board"},
        "doubts": [],
        "plan": {"trials": count, "sample_s": 0.05},
        "reason": None,
        "sampling_reason": None,
    }
    about |= {key: changes.pop(key) for key in list(changes) if key in about}
    found = {
        "about": np.array([json.dumps(about)]),
        "tick.seen_ns": np.arange(4) * S // 10,
        "baseline.start_ns": np.array([S, last]),
        "baseline.end_ns": np.array([11 * S, last + 10 * S]),
        "baseline.joules": np.array([500.0, 500.0]),
        "trial.start_ns": starts,
        "trial.end_ns": starts + 10 * S,
        "trial.joules": np.array(joules),
        "trial.queries": np.full(count, 1000),
        "trial.images": np.full(count, 1000),
    }
    return found | {name.replace("__", "."): value for name, value in changes.items()}


def sampled(watts: float, **more: float) -> dict[str, Any]:
    """Return columns of a sampler that saw *watts* all the time."""
    t_ns = np.arange(0, 200 * S, S // 20)
    found = {"t_ns": t_ns, "observer_cpu_ns": t_ns // 400, "watts": np.full(len(t_ns), watts)}
    found |= {name: np.full(len(t_ns), value) for name, value in more.items()}
    return {f"sample__{name}": column for name, column in found.items()}


JOULES = [4000.0, 4010.0, 3990.0, 4020.0, 3980.0]


def test_the_interval_is_students_over_the_trials():
    values = np.array(JOULES) / 1000
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = summarise(columns(JOULES), "nvml").gross_j_per_image
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.value, found.median) == pytest.approx((4.0, 4.0))
    assert found.spread == pytest.approx(0.04)


def test_one_trial_has_a_value_and_no_interval():
    found = figure(np.array([3.0]))
    assert (found.value, found.low, found.high) == (3.0, None, None)


def test_net_is_gross_less_the_idle_power_of_that_time():
    view = summarise(columns(JOULES), "nvml")
    assert view.idle_w == 50.0
    assert view.idle_j == 1000.0
    assert view.net_j_per_image.value == pytest.approx(4.0 - 50 * 10 / 1000)
    assert view.average_w.value == pytest.approx(400.0)


def test_all_in_order_is_grade_a():
    quality = summarise(columns(JOULES, **sampled(400.0)), "nvml").quality
    assert (quality.grade, quality.grade_reasons) == ("A", ())
    assert quality.ticks_per_window == pytest.approx(100)
    assert quality.tick_bound == pytest.approx(0.01)
    assert quality.power_to_counter == pytest.approx(1)
    assert quality.observer_cpu_share == pytest.approx(1 / 400)


def test_a_window_of_few_ticks_has_no_figure():
    view = summarise(columns(JOULES, tick__seen_ns=np.arange(4) * S), "nvml")
    assert view.gross_j_per_image.value is None
    assert (
        view.gross_j_per_image.reason == "a window holds 10.0 updates of the counter; it takes 20"
    )
    assert view.quality.grade is None


def test_sampled_power_that_contradicts_the_counter_is_a_caveat_and_grade_c():
    view = summarise(columns(JOULES, **sampled(440.0)), "nvml")
    (caveat,) = view.caveats
    assert caveat.code == "power_disagrees"
    assert caveat.figures["integral_over_counter"] == pytest.approx(1.1)
    assert view.quality.grade == "C"
    assert not summarise(columns(JOULES, **sampled(415.0)), "nvml").caveats


def test_a_meter_that_sees_no_energy_has_a_reason_and_not_zero():
    view = summarise(columns([0.0] * 5), "nvml")
    assert view.gross_j_per_image.value is view.images_per_joule.value is None
    assert "saw no energy" in view.images_per_joule.reason


def test_without_samples_there_is_no_peak_and_the_reason_is_the_samplers():
    view = summarise(columns(JOULES, sampling_reason="the sampler ended with code 1"), "nvml")
    assert view.peak_w is None
    assert view.peak_reason == "no power samples: the sampler ended with code 1"
    assert view.quality.grade == "B"


def test_a_doubt_of_the_meter_itself_lowers_the_grade():
    def grade(code: str) -> tuple[str, tuple[str, ...]]:
        doubts = [{"code": code, "figures": {}}]
        quality = summarise(columns(JOULES, doubts=doubts, **sampled(400.0)), "rapl").quality
        return quality.grade, quality.grade_reasons

    assert grade("meter_lag") == ("B", ("the caveat meter_lag",))
    assert grade("counter_wrap") == ("C", ("the counter may have turned round unseen",))


def test_averaged_power_has_no_peak():
    doubts = [{"code": "power_averaged", "figures": {}}]
    view = summarise(columns(JOULES, doubts=doubts, **sampled(400.0)), "nvml")
    assert view.peak_w is None
    assert "hides peaks" in view.peak_reason
    assert view.average_w.value == pytest.approx(400)


def test_without_the_second_baseline_gross_stands_and_net_does_not():
    one = {
        name: columns(JOULES)[f"baseline.{name}"][:1] for name in ("start_ns", "end_ns", "joules")
    }
    changes = {f"baseline__{name}": values for name, values in one.items()}
    view = summarise(columns(JOULES, reason="GPU is lost", **changes), "nvml")
    assert view.gross_j_per_image.value == pytest.approx(4.0)
    assert view.net_j_per_image.value is None
    assert view.net_j_per_image.reason == "GPU is lost (after 1 of 2 idle baselines)"


def test_integrated_power_that_does_not_cover_the_windows_gives_nothing():
    made = columns(JOULES, counts=False, **sampled(400.0))
    made = {name: one for name, one in made.items() if not name.endswith(".joules")}
    assert summarise(made, "external").gross_j_per_image.value == pytest.approx(4.0)
    cut = {name: one[:600] if name.startswith("sample.") else one for name, one in made.items()}
    view = summarise(cut, "external")
    assert view.gross_j_per_image.value is None
    assert "do not cover the windows" in view.gross_j_per_image.reason


def test_a_reading_that_was_not_told_in_between_is_left_out():
    made = columns(JOULES, **sampled(400.0, temperature_c=60.0, memory_used_bytes=5e9))
    made["sample.temperature_c"][500:600] = np.nan
    view = summarise(made, "nvml")
    assert view.temperature_c == 60.0
    assert view.memory_used_bytes == 5_000_000_000


def test_where_nothing_can_be_measured_every_figure_is_none_with_the_reason():
    view = not_measured("rapl", "no powercap here")
    assert view.reason == view.gross_j_per_image.reason == view.peak_reason == "no powercap here"
    assert view.quality is None
    assert "nan" not in view.model_dump_json().lower()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0, 1000), min_size=3, max_size=30),
    st.integers(0, 10**15),
    st.floats(0.3, 0.7),
)
def test_the_integral_of_two_parts_is_that_of_the_whole(watts, origin, cut):
    fine = np.interp(np.linspace(0, len(watts) - 1, 40 * len(watts)), range(len(watts)), watts)
    t_ns = origin + np.arange(len(fine)) * S // 20
    start, end = int(t_ns[2]), int(t_ns[-2])
    middle = int(start + cut * (end - start))
    whole, *parts = (
        integral_j(t_ns, fine, *span) for span in ((start, end), (start, middle), (middle, end))
    )
    assert whole == pytest.approx(np.trapezoid(fine[2:-1], (t_ns[2:-1] - origin) / 1e9), abs=1e-6)
    assert sum(parts) == pytest.approx(whole, abs=1e-6)


def test_a_hole_in_the_samples_is_not_bridged():
    t_ns = np.array([0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13]) * S
    assert integral_j(t_ns, np.ones(11), S // 2, 12 * S) is None
    assert integral_j(t_ns, np.ones(11), S // 2, 14 * S) is None
