"""Which cell is best within limits: closed forms, and what must hold whatever the figures are."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchbench.stats.choice import (
    best_shares,
    bracket,
    front_shares,
    generator,
    kept_by,
    likeliest,
    recentred,
    shared_order,
    slack_in_errors,
    student,
    uniforms,
    within,
)

D = 20_000
finite = st.floats(-100, 100)


def normal(mean: float, sd: float, key: str) -> np.ndarray:
    z = 1.959963984540054
    ends = (mean - z * sd, mean + z * sd)
    return student(mean, ends, 0.95, math.inf, uniforms(D, 0, key))


def columns(*figures: np.ndarray) -> np.ndarray:
    return np.stack(figures, axis=1)


# --- closed forms ------------------------------------------------------------------------


def test_of_two_normals_the_share_of_draws_is_the_closed_form() -> None:
    objective = columns(normal(-10.0, 3.0, "a"), normal(-8.0, 2.0, "b"))
    shares, none = best_shares(objective, np.ones((D, 2), bool), higher=False)
    closed = NormalDist().cdf((-8.0 + 10.0) / math.hypot(3.0, 2.0))
    assert shares[0] == pytest.approx(closed, abs=4 * math.sqrt(0.25 / D))
    assert (shares.sum(), none) == (pytest.approx(1), 0)


def test_a_limit_on_an_independent_normal_multiplies_in() -> None:
    accuracy = columns(normal(-0.5, 0.1, "a"), normal(-0.2, 0.1, "b"))
    kept = within(accuracy[None], np.array([-0.4]), np.array([True]))[0]
    shares, none = best_shares(columns(np.ones(D), np.full(D, 2.0)), kept, higher=False)
    first, second = (1 - NormalDist(m, 0.1).cdf(-0.4) for m in (-0.5, -0.2))
    error = 4 * math.sqrt(0.25 / D)
    assert shares[0] == pytest.approx(first, abs=error)
    assert shares[1] == pytest.approx((1 - first) * second, abs=error)
    assert none == pytest.approx((1 - first) * (1 - second), abs=error)


def test_draws_of_t_have_its_quantiles_and_the_interval_that_they_came_from() -> None:
    low, high = 9.0 / 1.2, 9.0 * 1.2
    drawn = student(9.0, (low, high), 0.95, 4, (np.arange(D) + 0.5) / D)
    assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx([low, 9.0, high], rel=1e-3)
    scale = math.log(1.2) / stats.t.ppf(0.975, 4)
    assert np.log(np.quantile(drawn, 0.8) / 9.0) == pytest.approx(
        scale * stats.t.ppf(0.8, 4), rel=1e-2
    )


def test_times_and_energies_drawn_from_wide_intervals_stay_above_nothing() -> None:
    assert (student(5.0, (0.01, 2500.0), 0.95, 1, uniforms(D, 0, "x")) > 0).all()
    around_nothing = student(0.1, (-0.5, 0.7), 0.95, 2, uniforms(D, 0, "x"))
    assert (around_nothing < 0).any()
    assert np.isfinite(around_nothing).all()


def test_each_end_of_an_interval_that_is_not_symmetric_is_kept() -> None:
    drawn = student(10.0, (9.5, 14.0), 0.95, 9, (np.arange(D) + 0.5) / D)
    assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx([9.5, 10, 14], rel=1e-3)


def test_bootstrap_draws_keep_their_spread_and_lose_their_bias() -> None:
    replicates = np.random.default_rng(1).normal(0.43, 0.02, 1000)
    order = shared_order(1000, 2000, 0, b"images")
    drawn = recentred(0.40, replicates, order)
    assert drawn.mean() == pytest.approx(0.40, abs=1e-12)
    assert drawn.std() == pytest.approx(replicates.std(), rel=1e-9)


def test_cells_on_the_same_images_stay_paired_and_others_do_not() -> None:
    replicates = np.random.default_rng(1).normal(0.4, 0.02, 1000)
    here, there = (shared_order(1000, 2000, 7, images) for images in (b"these", b"others"))
    a, b = recentred(0.4, replicates, here), recentred(0.39, replicates - 0.01, here)
    assert a - b == pytest.approx(np.full(2000, 0.01))
    assert abs(np.corrcoef(a, recentred(0.4, replicates, there))[0, 1]) < 0.1


def test_an_undefined_replicate_counts_as_the_value() -> None:
    drawn = recentred(0.5, np.array([0.4, np.nan, 0.6]), np.array([0, 1, 2]))
    assert drawn == pytest.approx([0.4, 0.5, 0.6])


def test_a_bracket_is_uniform_in_the_logarithm_and_whole_cameras_stay_below_the_missed() -> None:
    rates = bracket(10.0, 1000.0, uniforms(D, 0, "r"), whole=False)
    assert np.log10(rates).mean() == pytest.approx(2.0, abs=0.02)
    cameras = bracket(8, 12, uniforms(D, 0, "c"), whole=True)
    assert set(cameras) == {8, 9, 10, 11}
    assert set(bracket(8, 9, uniforms(D, 0, "c"), whole=True)) == {8}


def test_the_front_of_two_normal_trade_offs_is_the_closed_form() -> None:
    fast = np.stack([np.full(D, 5.0), np.full(D, 9.0)], axis=1)
    accuracy = columns(normal(-3.0, 1.0, "a"), normal(-2.0, 1.0, "b"))
    shares = front_shares(np.stack([fast, accuracy]), np.array([False, True]))
    assert shares[0] == 1
    closed = NormalDist().cdf(1 / math.sqrt(2))
    assert shares[1] == pytest.approx(closed, abs=4 * math.sqrt(0.25 / D))


def test_slack_is_counted_in_errors_towards_the_limit() -> None:
    drawn = student(10.0, (9.5, 14.0), 0.95, math.inf, (np.arange(D) + 0.5) / D)
    above = 10.0 * (1.4 ** (1 / 1.959963984540054)) - 10.0
    assert slack_in_errors(10.0, drawn, 12.0, at_least=False) == pytest.approx(2 / above, rel=1e-3)
    below = 10.0 - 10.0 * (0.95 ** (1 / 1.959963984540054))
    assert slack_in_errors(10.0, drawn, 9.0, at_least=False) == pytest.approx(-1 / below, rel=1e-3)
    assert slack_in_errors(10.0, drawn, 9.0, at_least=True) == pytest.approx(1 / below, rel=1e-3)
    assert slack_in_errors(10.0, np.full(D, 10.0), 9.0, at_least=True) is None


# --- what always holds -------------------------------------------------------------------

tables = arrays(np.float64, (5, 40, 4), elements=finite)


@given(tables)
def test_what_is_worse_in_every_draw_is_never_best_nor_on_the_front(made: np.ndarray) -> None:
    values = made[:2]
    worse = values[:, :, :1] - 1
    both = np.concatenate([values, worse], axis=2)
    shares, _ = best_shares(both[0], np.ones((40, 5), bool), higher=True)
    assert shares[4] == 0
    assert front_shares(both, np.array([True, True]))[4] == 0


@given(tables, finite, st.floats(0, 50), st.booleans())
def test_a_stricter_limit_never_makes_a_cell_likelier_to_be_within(
    made: np.ndarray, limit: float, more: float, at_least: bool
) -> None:
    sense, step = np.array([at_least]), more if at_least else -more
    loose = within(made[:1], np.array([limit]), sense)
    strict = within(made[:1], np.array([limit + step]), sense)
    assert (strict <= loose).all()


@given(tables)
def test_a_limit_that_every_draw_keeps_changes_nothing(made: np.ndarray) -> None:
    kept = within(made[1:2], np.array([3.0]), np.array([True]))[0]
    beside = within(made[2:3], np.array([-101.0]), np.array([True]))[0]
    assert (
        best_shares(made[0], kept, higher=True)[0]
        == best_shares(made[0], kept & beside, higher=True)[0]
    ).all()


@given(tables, st.booleans())
def test_shares_and_none_add_up_and_the_best_is_on_the_front(
    made: np.ndarray, higher: bool
) -> None:
    kept = made[1] > 0
    shares, none = best_shares(made[0], kept, higher=higher)
    assert shares.sum() + none == pytest.approx(1)
    every = best_shares(made[0], np.ones_like(kept), higher=higher)[0]
    front = front_shares(made[:1], np.array([higher]))
    assert (front >= every - 1e-12).all()


def test_an_absent_figure_is_never_within_a_limit_nor_best() -> None:
    values = np.full((1, 3, 1), np.nan)
    for at_least in (True, False):
        assert not within(values, np.array([0.0]), np.array([at_least])).any()
    shares, none = best_shares(values[0], np.ones((3, 1), bool), higher=True)
    assert (shares.tolist(), none) == ([0.0], 1.0)


def test_cells_that_tie_share_the_draw() -> None:
    shares, _ = best_shares(np.ones((10, 4)), np.ones((10, 4), bool), higher=True)
    assert shares.tolist() == [0.25] * 4


@given(arrays(np.float64, 50, elements=finite), st.booleans(), st.sampled_from([0.5, 0.95]))
def test_a_limit_kept_in_a_share_of_the_draws_is_kept_in_no_fewer(
    drawn: np.ndarray, at_least: bool, share: float
) -> None:
    limit = kept_by(drawn, share, at_least=at_least)
    held = (drawn >= limit if at_least else drawn <= limit).mean()
    assert held >= share - 1e-12


def test_the_fewest_cells_that_hold_a_share_come_likeliest_first() -> None:
    assert likeliest([0.05, 0.6, 0.3, 0.05], 0.9) == (1, 2)
    assert likeliest([0.1, 0.2, 0.0], 0.9) == (1, 0)
    assert likeliest([0.0, 0.0], 0.9) == ()


def test_cells_that_are_equally_likely_are_not_told_apart_at_the_bound() -> None:
    assert likeliest([0.1, 0.8, 0.1], 0.9) == (1, 0, 2)
    assert likeliest([0.2] * 5, 0.7) == (0, 1, 2, 3, 4)
    assert set(likeliest([1 / 3, 0.1 + 0.2 + 1 / 30, 1 / 3], 0.5)) == {0, 1, 2}


@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 10]), max_size=12),
    st.floats(0.05, 0.95),
    st.randoms(use_true_random=False),
)
def test_those_to_choose_between_hold_enough_are_few_and_do_not_hang_on_the_order(
    counts: list[int], together: float, shuffler: random.Random
) -> None:
    shares = [count / max(sum(counts), 1) for count in counts]
    found = likeliest(shares, together)
    inside = [shares[i] for i in found]
    outside = [share for i, share in enumerate(shares) if i not in found]
    assert inside == sorted(inside, reverse=True)
    assert sum(inside) >= together * sum(shares) - 1e-9
    assert not inside or all(share < inside[-1] for share in outside)
    above = [share for share in inside if share > inside[-1]]
    assert not inside or sum(above) < together * sum(shares)
    order = list(range(len(shares)))
    shuffler.shuffle(order)
    again = likeliest([shares[i] for i in order], together)
    assert {order[i] for i in again} == set(found)


def test_equal_seeds_and_keys_give_equal_draws_and_others_do_not() -> None:
    assert (uniforms(9, 0, "a", "b") == uniforms(9, 0, "a", "b")).all()
    assert (uniforms(9, 0, "a", "b") != uniforms(9, 1, "a", "b")).all()
    assert (uniforms(9, 0, "a", "b") != uniforms(9, 0, "ab", "")).all()
    assert generator(3, b"x").random() == generator(3, "x").random()
