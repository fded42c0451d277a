"""Change points: found where they are, and not in noise."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchbench.stats.changes import LEAST_POINTS, change_points, long_run_variance, partition


def found(total: NDArray[np.float64]) -> list[tuple[int, float]]:
    ns = total.astype(np.int64)
    changes = change_points(np.cumsum(ns) - ns, ns).found
    assert changes is not None
    return [(change.query, change.ratio) for change in changes]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=4, max_size=14),
    st.floats(0.01, 20),
    st.integers(1, 4),
)
def test_the_partition_is_the_best_of_all(values: list[float], penalty: float, least: int) -> None:
    array = np.array(values)

    def cost(cuts: tuple[int, ...]) -> float:
        parts = np.split(array, cuts)
        if min(map(len, parts)) < least:
            return np.inf
        return float(sum(((part - part.mean()) ** 2).sum() for part in parts)) + penalty * len(cuts)

    places = range(1, len(values))
    every = (cuts for k in range(4) for cuts in combinations(places, k))
    ours = partition(array, penalty, least)
    assert cost(tuple(ours)) <= min(map(cost, every)) + 1e-9


def test_the_variance_of_independent_noise_is_never_too_small_and_no_step_adds_to_it() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=3000)
    quiet = long_run_variance(noise)
    assert 0.9 < quiet < 1.5
    noise[2000:] += 10
    assert long_run_variance(noise) == pytest.approx(quiet, rel=0.05)


def test_correlated_noise_has_a_larger_one() -> None:
    rng = np.random.default_rng(2)
    noise = np.convolve(rng.normal(size=3000), np.ones(8), "valid") / np.sqrt(8)
    assert 4 < long_run_variance(noise) < 10


def test_a_step_is_reported_with_its_place_and_levels() -> None:
    rng = np.random.default_rng(3)
    total = 10e6 * (1 + 0.03 * rng.standard_gamma(1, 900))
    total[600:] *= 1.15
    ns = total.astype(np.int64)
    (change,) = change_points(np.cumsum(ns) - ns, ns).found or ()
    assert abs(change.query - 600) <= 6
    assert change.at_s == pytest.approx(ns[: change.query].sum() / 1e9)
    assert change.ratio == pytest.approx(1.15, abs=0.02)
    assert change.after_ms / change.before_ms == pytest.approx(change.ratio)


def test_a_dip_is_two_changes() -> None:
    rng = np.random.default_rng(4)
    total = 10e6 * (1 + 0.03 * rng.standard_normal(900))
    total[300:500] *= 0.8
    assert [ratio for _, ratio in found(total)] == pytest.approx([0.8, 1.25], rel=0.02)


def test_a_small_step_is_none_however_clear_it_is() -> None:
    total = np.full(400, 10e6)
    total[200:] *= 1.04
    assert found(total) == []
    total[200:] *= 1.02
    assert [query for query, _ in found(total)] == [200]


def test_single_slow_queries_are_no_change() -> None:
    total = 10e6 * (1 + 0.02 * np.random.default_rng(5).standard_normal(300))
    total[::37] *= 20
    assert found(total) == []


def test_a_trace_too_short_for_two_levels_says_so() -> None:
    few = np.full(2 * LEAST_POINTS - 1, 1000)
    view = change_points(np.cumsum(few), few)
    assert view.found is None
    assert view.reason == "19 queries; two levels need 20"


@pytest.fixture(scope="module")
def processes(request: pytest.FixtureRequest) -> list[NDArray[np.float64]]:
    """Return the times of 48 processes of one cell on a busy machine, without their warm-up."""
    folder: Path = request.getfixturevalue("data_dir")
    lines = (folder / "noise/aa_processes.jsonl").read_text().splitlines()
    return [np.array(json.loads(line)["ts"][10:], float) for line in lines]


def shuffled(
    rng: np.random.Generator, times: NDArray[np.float64], block: int
) -> NDArray[np.float64]:
    blocks = np.split(times, range(block, len(times), block))
    return np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])


def drawn(
    rng: np.random.Generator, times: NDArray[np.float64], count: int, block: int
) -> NDArray[np.float64]:
    starts = rng.integers(0, len(times) - block, -(-count // block))
    return np.concatenate([times[start : start + block] for start in starts])[:count]


def test_real_noise_shuffled_in_blocks_gives_few_false_alarms(
    processes: list[NDArray[np.float64]],
) -> None:
    rng = np.random.default_rng(6)
    alarms = [bool(found(shuffled(rng, times, 10))) for times in processes for _ in range(4)]
    assert np.mean(alarms) <= 0.08  # 5 % and the error of 192 draws
    long = [bool(found(drawn(rng, times, 1500, 20))) for times in processes for _ in range(2)]
    assert np.mean(long) <= 0.03


def test_throttling_injected_into_real_noise_is_found(
    processes: list[NDArray[np.float64]],
) -> None:
    rng = np.random.default_rng(7)
    hits = []
    for times in processes:
        trace = drawn(rng, times, 20_000, 20)
        trace[13_333:] *= 1.15
        hits.append(any(abs(query - 13_333) < 1000 and ratio > 1 for query, ratio in found(trace)))
    assert np.mean(hits) >= 0.9
