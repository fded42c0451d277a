"""The canary workload, and what its times say."""

from __future__ import annotations

import gc
from itertools import count

import numpy as np
import pytest

from benchbench.conditions_view import CanaryPart, CanaryView
from benchbench.measure import canary
from benchbench.stats import canary as judged


def test_the_work_is_the_same_each_time() -> None:
    one, other = canary.workload(), canary.workload()
    for part in canary.PARTS:
        assert one[part]() == other[part]() == one[part]()
    assert set(one) == set(canary.PARTS)


def test_the_product_is_the_product_of_the_seeded_matrices() -> None:
    left, right = np.random.default_rng(0).random((2, 256, 256), np.float32)
    assert canary.workload()["compute"]() == pytest.approx(float(left[0] @ right[0]), rel=1e-5)


def test_each_repeat_times_each_part_once() -> None:
    readings = count(step=5)
    taken = canary.run(canary.Plan(canary=3), lambda: next(readings))
    assert taken.tolist() == [[5, 5, 5]] * 3
    assert next(readings) == 2 * 3 * 3 * 5
    assert gc.isenabled()


def test_no_repeats_leave_it_out() -> None:
    taken = canary.run(canary.Plan(canary=0))
    assert taken.shape == (3, 0)
    view = judged.canary_ratio([taken], [taken])
    assert {part.reason for part in view.parts} == {"the canary was not run beside both"}
    assert judged.cause(1.1, 1.2, view) == "unclear"


def processes(
    seed: int, number: int, factor: float = 1.0, spread: float = 0.01
) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    levels = 3e6 * factor * np.exp(spread * rng.standard_normal(number))
    return [(level * (1 + 0.02 * rng.random((3, 20)))).astype(np.int64) for level in levels]


def test_a_slower_machine_moves_it_within_one_process_and_between_many() -> None:
    for number in (1, 6):
        view = judged.canary_ratio(processes(1, number), processes(2, number, 1.2))
        for part in view.parts:
            assert part.ratio == pytest.approx(1.2, rel=0.05)
            assert part.moved


def test_it_seldom_moves_by_itself_where_processes_are_compared() -> None:
    moved = [
        part.moved
        for seed in range(200)
        for part in judged.canary_ratio(
            processes(seed, 8, spread=0.1), processes(seed + 1000, 8, spread=0.1)
        ).parts
    ]
    assert np.mean(moved) <= 0.05


def test_the_interval_between_processes_is_welchs() -> None:
    stats = pytest.importorskip("scipy.stats")
    one, other = processes(3, 6), processes(4, 9, 1.05, 0.03)
    logs = [np.log([np.median(each[1]) for each in side]) for side in (other, one)]
    want = stats.ttest_ind(*logs, equal_var=False).confidence_interval()
    part = judged.canary_ratio(one, other).parts[1]
    assert part.low == pytest.approx(np.exp(want.low), rel=2e-3)  # ours rounds degrees down
    assert part.high == pytest.approx(np.exp(want.high), rel=2e-3)


def view(low: float, high: float) -> CanaryView:
    moved = low > judged.MOVED or high < 1 / judged.MOVED
    still = CanaryPart(part="memory", ratio=1, low=0.99, high=1.01, moved=False)
    part = CanaryPart(part="compute", ratio=(low + high) / 2, low=low, high=high, moved=moved)
    return CanaryView(parts=(part, still), method="")


def test_a_change_is_the_runners_only_where_the_canary_moved_as_far() -> None:
    assert judged.cause(1.08, 1.12, view(0.99, 1.01)) == "code"
    assert judged.cause(1.08, 1.12, view(1.07, 1.10)) == "runner"
    assert judged.cause(1.08, 1.12, view(0.80, 0.85)) == "unclear"
    assert judged.cause(1.30, 1.40, view(1.05, 1.06)) == "unclear"
