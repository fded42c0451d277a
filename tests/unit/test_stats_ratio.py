"""A speed-up's interval covers the truth as often as it says, and needs enough samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from benchbench.stats import intervals, ratio


@given(st.integers(1, 400), st.floats(0.0005, 0.2), st.integers(1, 99))
def test_the_interval_ends_at_the_binomials_order_statistics(n, tail, percentile) -> None:
    found = intervals.percentile_interval(np.arange(1.0, n + 1), percentile, n, 1 - 2 * tail)
    below = reference.binom(n, percentile / 100).cdf
    tail = (1 - (1 - 2 * tail)) / 2  # as it is rounded there
    low = max((k for k in range(1, n + 1) if below(k - 1) <= tail), default=None)
    high = min((k for k in range(1, n + 1) if 1 - below(k - 1) <= tail), default=None)
    if low is None or high is None:
        assert found is None
    else:
        assert found == pytest.approx((low, high))


def test_the_interval_of_a_ratio_covers_the_truth_in_at_least_95_percent() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        slow = 20 * random.lognormal(0, 0.2, 80)
        fast = 10 * random.lognormal(0, 0.4, 80)
        found = ratio.speedup(slow, fast)
        assert found is not None
        hits += found[1] <= 2 <= found[2]
    assert hits >= 0.95 * 400


def test_a_few_queries_give_no_interval() -> None:
    assert ratio.speedup(np.arange(1.0, 5.0), np.arange(1.0, 5.0)) is None


def test_correlated_queries_widen_the_interval() -> None:
    random = np.random.default_rng(2)
    steps = random.normal(0, 1, 2000)
    drifting = 10 + np.convolve(steps, np.ones(50) / 50, mode="valid")
    shuffled = random.permutation(drifting)
    wide, narrow = (ratio.median_interval(one, 0.95) for one in (drifting, shuffled))
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_ratio_is_that_of_the_medians(factor) -> None:
    values = np.random.default_rng(3).lognormal(0, 0.1, 500)
    found = ratio.speedup(values * factor, values)
    assert found is not None
    assert found[0] == pytest.approx(factor)
    assert found[1] < factor < found[2]
