"""Changes of a short noisy series: called rarely where there is none, found where there is one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.stats.trend import LEAST, least_step, steps, typical_noise

STUDY = Path(__file__).parents[2] / "docs" / "studies" / "history_changes.py"


def study():
    spec = importlib.util.spec_from_file_location("history_changes", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("correlation", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["normal", "heavy tails"])
def test_false_alarms_stay_below_what_was_asked_for(correlation: float, kind: str) -> None:
    noise, random = study().noise, np.random.default_rng(7)
    called = [bool(steps(noise(random, 12, kind, correlation))) for _ in range(300)]
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_ten_per_cent_are_found_in_ten_runs_of_two_per_cent_noise() -> None:
    noise, random = study().noise, np.random.default_rng(8)
    step = np.repeat([0.0, np.log(1.1)], 5)
    found = [steps(0.02 * noise(random, 10, "normal", 0.0) + step) for _ in range(100)]
    assert np.mean([len(one) == 1 for one in found]) > 0.9
    called = [one[0] for one in found if one]
    assert np.mean([one.first <= 5 <= one.last for one in called]) > 0.9
    assert np.mean([one.low <= np.log(1.1) <= one.high for one in called]) > 0.9


def test_the_statistic_is_that_of_least_squares_on_the_whitened_series() -> None:
    from scipy import stats

    values = np.random.default_rng(3).normal(size=2 * LEAST)
    white = values - 0.3 * np.concatenate([[0.0], values[:-1]])
    white[0] *= np.sqrt(1 - 0.3**2)
    shapes = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]], float).T
    shapes[1:] -= 0.3 * shapes[:-1].copy()
    shapes[0] *= np.sqrt(1 - 0.3**2)
    sizes, left, *_ = np.linalg.lstsq(shapes, white, rcond=None)
    error = np.sqrt(left[0] / 4 * np.linalg.inv(shapes.T @ shapes)[1, 1])
    (found,) = steps(values, alpha=1.0)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(sizes[1] / error), 4))
    assert found.change == pytest.approx(sizes[1])
    assert found.high - found.change == pytest.approx(stats.t.ppf(0.975, 4) * error)


def test_two_steps_are_found_in_order_and_sized_together() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 30)
    found = steps(noise + np.repeat([0.0, 3.0, 1.0], 10))
    assert [one.at for one in found] == [10, 20]
    assert [round(one.change) for one in found] == [3, -2]


def test_more_series_asked_together_need_more_to_call_a_change() -> None:
    values = np.random.default_rng(1).normal(size=12) + np.repeat([0.0, 2.5], 6)
    (alone,) = steps(values)
    (together,) = steps(values, asked=3)
    assert together.p_adjusted == pytest.approx(3 * alone.p)
    assert not steps(values, asked=10**6)


@given(st.lists(st.floats(-1e6, 1e6), max_size=2 * LEAST - 1))
def test_too_few_values_hold_no_change(values: list[float]) -> None:
    assert steps(values) == []


@given(st.integers(6, 30), st.floats(1e-9, 1e9))
def test_values_that_are_all_the_same_hold_no_change(count: int, value: float) -> None:
    assert steps([value] * count) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(6, 40), st.floats(0.001, 1000), st.floats(-5, 5))
def test_scale_and_origin_do_not_matter_and_turning_signs_turns_changes(
    seed: int, count: int, size: float, shift: float
) -> None:
    values = np.random.default_rng(seed).normal(size=count) + 2.0 * (np.arange(count) >= count // 2)
    plain = steps(values)
    moved = steps(size * values + shift)
    turned = steps(-values)
    assert [one.at for one in plain] == [one.at for one in moved] == [one.at for one in turned]
    for one, other, back in zip(plain, moved, turned, strict=True):
        assert other.change == pytest.approx(size * one.change, rel=1e-6)
        assert back.change == pytest.approx(-one.change, rel=1e-6)
        assert one.low <= one.change <= one.high
        assert LEAST <= one.first <= one.at <= one.last <= count - LEAST
        assert one.p <= one.p_adjusted <= 0.05


def test_the_least_step_is_found_about_half_the_time() -> None:
    noise, random = study().noise, np.random.default_rng(9)
    step = np.repeat([0.0, least_step(16, 1.0)], 8)
    found = [bool(steps(noise(random, 16, "normal", 0.3) + step)) for _ in range(300)]
    assert 0.35 < np.mean(found) < 0.7


def test_noise_is_told_in_spite_of_a_step() -> None:
    noise, random = study().noise, np.random.default_rng(2)
    values = noise(random, 400, "normal", 0.3) + np.repeat([0.0, 50.0], 200)
    assert typical_noise(values) == pytest.approx(1.0, rel=0.15)
