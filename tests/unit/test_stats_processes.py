"""The process is the unit: intervals come from how processes differ; spread is split and weighed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from benchbench.stats import variance
from benchbench.stats.processes import figure, grade, percentile, summarise
from benchbench.stats.variance import Budget, components, noise, pairs_needed, power_of, resolvable


def processes(random, count, queries, between, within=0.05):
    """Return latencies in ns: log-normal between processes, skewed within them."""
    shift = random.normal(0, between, (count, 1))
    return [
        row.astype(np.int64)
        for row in 1e7 * np.exp(shift + random.gamma(2, within, (count, queries)))
    ]


def real(data_dir, key):
    lines = (data_dir / "noise" / "aa_processes.jsonl").read_text().splitlines()
    return [np.array(json.loads(line)[key])[30:] for line in lines]


# --- the typical latency -----------------------------------------------------------------


def test_the_interval_is_students_of_the_log_medians() -> None:
    arrays = processes(np.random.default_rng(0), 12, 40, 0.1)
    logs = np.log([np.median(array) / 1e6 for array in arrays])
    low, high = stats.t.interval(0.9, 11, logs.mean(), stats.sem(logs))
    found = figure(arrays, 0.9)
    assert (found.low_ms, found.high_ms) == pytest.approx((np.exp(low), np.exp(high)))
    assert found.median_ms == pytest.approx(stats.gmean(found.medians_ms))
    assert found.cv == pytest.approx(stats.variation(found.medians_ms, ddof=1))


def test_95_percent_intervals_hold_the_truth_in_95_percent_where_iterations_would_in_few() -> None:
    random = np.random.default_rng(1)
    truth = 10 * np.exp(stats.gamma(2, scale=0.05).median())
    held = {"processes": 0, "iterations": 0}
    for _ in range(400):
        arrays = processes(random, 10, 30, 0.2)
        found = figure(arrays)
        held["processes"] += found.low_ms < truth < found.high_ms
        logs = np.log(np.concatenate(arrays) / 1e6)
        low, high = stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs))
        held["iterations"] += np.exp(low) < truth < np.exp(high)
    assert 0.92 < held["processes"] / 400 < 0.98
    assert held["iterations"] / 400 < 0.4


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "too few"), (4, "too few"), (5, "exploratory"), (10, "full")]
)
def test_a_figure_says_how_many_processes_it_rests_on(count: int, expected: str) -> None:
    assert grade(count) == expected
    assert summarise(processes(np.random.default_rng(0), count, 9, 0.1)).grade == expected


def test_one_process_has_a_median_and_no_interval() -> None:
    found = summarise([np.array([1_000_000, 3_000_000, 2_000_000])])
    assert found.wall.median_ms == pytest.approx(2)
    assert (found.wall.low_ms, found.wall.cv, found.wall.noisy) == (None, None, None)
    assert found.wall.reason == "one process says nothing of how processes differ"
    assert found.cpu.reason == "CPU time was not recorded"
    assert all(one.value_ms is None and one.reason for one in found.percentiles)


@pytest.mark.parametrize("arrays", [[], [np.array([5]), np.array([], int)], [np.zeros(3, int)] * 2])
def test_without_a_latency_there_is_a_reason(arrays: list) -> None:
    found = summarise(arrays, arrays)
    assert found.wall.median_ms is None
    assert found.wall.reason == found.cpu.reason
    assert found.wall.reason


def test_equal_medians_claim_no_certainty() -> None:
    found = figure([np.array([7, 7, 7])] * 10)
    assert found.low_ms is None
    assert "the same" in found.reason


def test_identical_processes_of_a_busy_machine_spread_as_was_found(data_dir) -> None:
    wall, cpu = (figure(real(data_dir, key)) for key in ("ts", "cs"))
    assert wall.cv == pytest.approx(0.25, abs=0.03)
    assert cpu.cv == pytest.approx(0.12, abs=0.02)
    assert wall.noisy
    assert max(wall.medians_ms) / min(wall.medians_ms) > 4


# --- percentiles -------------------------------------------------------------------------


def test_long_processes_are_averaged_and_short_ones_pooled() -> None:
    random = np.random.default_rng(2)
    long = percentile(processes(random, 10, 500, 0.05), 90)
    short = percentile(processes(random, 10, 40, 0.01), 90)
    assert long.method == "each process"
    assert short.method == "pooled processes"
    assert short.low_ms < short.value_ms < short.high_ms


def test_a_pooled_percentile_is_withheld_where_processes_differ_too_much() -> None:
    found = percentile(processes(np.random.default_rng(3), 10, 40, 0.25), 90)
    assert found.value_ms is None
    assert "independent ones; p90 needs 64" in found.reason


@pytest.mark.parametrize("between", [0.01, 0.05, 0.2])
def test_pooled_intervals_that_do_not_hold_are_seldom_shown(between: float) -> None:
    random = np.random.default_rng(4)
    population = random.normal(0, between, 400_000) + random.gamma(2, 0.05, 400_000)
    truth = 10 * np.exp(np.quantile(population, 0.9))
    found = [percentile(processes(random, 10, 60, between), 90) for _ in range(300)]
    shown = [one for one in found if one.low_ms is not None]
    wrong = sum(not one.low_ms <= truth <= one.high_ms for one in shown)
    assert wrong / len(found) < 0.08
    assert (len(shown) > 250) == (between == 0.01)


# --- builds and processes ----------------------------------------------------------------


def test_the_spread_of_builds_and_of_processes_is_found_in_unequal_groups() -> None:
    random = np.random.default_rng(5)
    found = [
        components(
            [
                random.normal(b, 0.03, n)
                for b, n in zip(random.normal(0, 0.06, 12), sizes, strict=True)
            ]
        )
        for sizes in [np.tile([2, 3, 5, 8], 3)] * 200
    ]
    assert np.mean([one.build_sd**2 for one in found]) == pytest.approx(0.06**2, rel=0.1)
    assert np.mean([one.process_sd**2 for one in found]) == pytest.approx(0.03**2, rel=0.05)


def test_equal_groups_agree_with_the_analysis_of_variance() -> None:
    groups = np.random.default_rng(6).normal([[0], [3], [1], [2]], 1, (4, 6))
    f, p = stats.f_oneway(*groups)
    found = components(list(groups))
    assert found.p == pytest.approx(p)
    assert found.process_sd**2 == pytest.approx(groups.var(axis=1, ddof=1).mean())
    assert found.build_sd**2 == pytest.approx((f - 1) * found.process_sd**2 / 6)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([[1.0, 1.2, 1.1]], "one build"),
        ([[1.0], [2.0]], "no build has two processes"),
        ([], "no build has two processes"),
        ([[1.0, 2.0], [2.0, 1.0]], "not distinguishable from 0"),
    ],
)
def test_what_the_builds_cannot_tell_is_said(groups: list, reason: str) -> None:
    found = components(groups)
    assert found.build_sd is None
    assert reason in found.build_reason


# --- what can be resolved ----------------------------------------------------------------


def test_power_without_a_margin_is_the_noncentral_ts() -> None:
    for pairs, ratio in ((3, 1.05), (8, 1.02), (20, 1.01)):
        shift = np.log(ratio) * np.sqrt(pairs) / 0.03
        exact = stats.nct.sf(stats.t.ppf(0.95, pairs - 1), pairs - 1, shift)
        assert power_of(0.03, pairs, ratio) == pytest.approx(exact, abs=2e-3)


def test_power_with_a_margin_is_how_often_the_gate_says_regression() -> None:
    random = np.random.default_rng(7)
    values = random.normal(np.log(1.07), 0.05, (20_000, 8))
    mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(8)
    said = (mean - stats.t.ppf(0.95, 7) * error > 0) & (mean > np.log(1.05))
    assert power_of(0.05, 8, 1.07, margin=0.05) == pytest.approx(said.mean(), abs=0.012)


@pytest.mark.parametrize(("sd", "pairs"), [(0.213, 165), (0.065, 17), (0.034, 6), (0.010, 3)])
def test_the_pairs_for_5_percent_are_those_that_were_found(sd: float, pairs: int) -> None:
    assert pairs_needed(sd, 1.05) == pairs
    assert pairs_needed(sd, 1 / 1.05) == pairs_needed(sd, 1.05)


def test_what_can_be_resolved_and_the_pairs_needed_agree() -> None:
    ratio = resolvable(0.034, 8)
    assert pairs_needed(0.034, ratio * 1.0001) == 8
    assert pairs_needed(0.034, ratio * 0.9999) == 9
    assert resolvable(0.034, 8, margin=0.05) > max(ratio, 1.05)
    assert resolvable(0.034, 1) is None
    assert pairs_needed(3.0, 1.001) is None


@pytest.mark.parametrize("ratio", [1.0, 0.0, -2.0])
def test_a_ratio_that_is_none_needs_no_pairs(ratio: float) -> None:
    with pytest.raises(ValueError, match="told from 1"):
        pairs_needed(0.1, ratio)


def test_the_noise_of_identical_cells_says_what_the_time_can_resolve() -> None:
    ratios = np.random.default_rng(8).normal(0, 0.03, 24)
    found = noise("m/ort/fp32", ratios, None, Budget(seconds=300, seconds_per_pair=15))
    df, sd = 23, ratios.std(ddof=1)
    low, high = sd * np.sqrt(df / stats.chi2.ppf([0.975, 0.025], df))
    assert (found.wall.sd_low, found.wall.sd_high) == pytest.approx((low, high))
    assert found.pairs_affordable == 20
    assert 1 < found.wall.within_budget < found.wall.resolvable < found.wall.resolvable_high
    assert found.wall.ratio.low < 1 < found.wall.ratio.high
    assert found.cpu.reason == "nothing was measured"


def test_time_for_one_pair_resolves_nothing_and_says_so() -> None:
    found = noise("m", [0.1, -0.1, 0.05], None, Budget(seconds=20, seconds_per_pair=15))
    assert found.wall.within_budget is None
    assert "fewer than two pairs" in found.wall.reason


def test_a_chi_square_interval_holds_the_spread() -> None:
    random = np.random.default_rng(9)
    found = [variance.sd_interval(random.normal(0, 2, 8).std(ddof=1), 8) for _ in range(1000)]
    assert 0.93 < np.mean([low < 2 < high for low, high in found]) < 0.97
