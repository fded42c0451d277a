"""Intervals hold what they claim, draws repeat, families are corrected, reasons are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.stats import comparing, resampling
from benchbench.stats.comparing import Comparison, Rule
from benchbench.stats.resampling import Draws, Sample

DRAWS = Draws(images=200, replicates=400, seed=1)


def mean_of(values):
    """Return an estimate: the weighted mean of one value an image."""
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def sampled(values, draws=None) -> Sample:
    return resampling.resample(
        mean_of(values), draws or DRAWS.model_copy(update={"images": len(values)})
    )["mean"]


def test_the_same_seed_draws_the_same_images_whatever_the_block() -> None:
    whole = DRAWS.weights()
    assert np.array_equal(whole, np.concatenate(list(DRAWS.blocks(7))))
    assert np.array_equal(whole, Draws(images=200, replicates=400, seed=1).weights())
    assert not np.array_equal(whole, DRAWS.model_copy(update={"seed": 2}).weights())


def test_these_draws_are_the_same_on_every_machine() -> None:
    assert Draws(images=6, replicates=2, seed=3).weights().tolist() == [
        [1, 3, 0, 0, 2, 0],
        [2, 1, 1, 1, 0, 1],
    ]


@given(st.integers(1, 50), st.integers(2, 20), st.integers(0, 5))
def test_each_draw_has_as_many_images_as_there_are(images, replicates, seed) -> None:
    weights = Draws(images=images, replicates=replicates, seed=seed).weights()
    assert weights.shape == (replicates, images)
    assert weights.dtype == np.int64
    assert (weights.sum(axis=1) == images).all()
    assert weights.min() >= 0


def test_the_standard_error_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200)
    draws = Draws(images=200, replicates=4000)
    found = resampling.interval(sampled(values, draws), draws)
    assert found.se == pytest.approx(values.std() / np.sqrt(200), rel=0.05)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.959964 * found.se, found.value + 1.959964 * found.se)
    )
    assert (found.scope, found.method, found.images) == ("at this n", "normal", 200)


@pytest.mark.parametrize("method", ["normal", "percentile"])
def test_p_values_of_equal_cells_fall_below_a_twentieth_once_in_twenty(method) -> None:
    random = np.random.default_rng(4)
    draws = Draws(images=100, replicates=199)
    weights = draws.weights()
    low = 0
    for _ in range(400):
        shared = random.normal(0, 1, 100)
        cells = [shared + random.normal(0, 0.3, 100) for _ in range(2)]
        samples = [Sample(np.array(c.mean()), weights @ c / 100) for c in cells]
        found = resampling.difference(*samples, draws, method=method)
        low += found.p < 0.05
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high) or method == "percentile"
    assert 0.02 * 400 < low < 0.09 * 400


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=2, max_size=300))
def test_undefined_draws_are_left_out_to_the_last_bit(values) -> None:
    drawn = np.array(values)
    if (~np.isnan(drawn)).sum() < 2:
        return
    expected = np.nanstd(drawn, ddof=1)
    assert resampling.standard_error(drawn) == expected
    assert resampling.standard_error(np.column_stack([drawn, drawn])[:, 0]) == expected


def test_pairing_takes_out_what_both_cells_share() -> None:
    random = np.random.default_rng(5)
    shared = random.normal(0, 1, 200)
    a, b = sampled(shared), sampled(shared + 0.02 + random.normal(0, 0.05, 200))
    paired = resampling.difference(a, b, DRAWS)
    assert paired.se < resampling.interval(a, DRAWS).se / 10
    assert paired.low > 0
    assert paired.p < 0.05


def test_the_percentile_p_value_is_counted() -> None:
    zero = Sample(np.array(0.0), np.zeros(9))
    drawn = np.array([-0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    found = resampling.difference(
        zero, Sample(np.array(0.4), drawn), Draws(images=20, replicates=9), method="percentile"
    )
    assert found.p == pytest.approx(2 * (1 + 1) / (9 + 1))


def test_few_undefined_draws_are_left_out_and_many_withhold_the_interval() -> None:
    random = np.random.default_rng(6)
    drawn = random.normal(0.5, 0.1, 400)
    drawn[:4] = np.nan
    few = resampling.interval(Sample(np.array(0.5), drawn), DRAWS)
    assert few.reason is None
    assert few.se == pytest.approx(drawn[4:].std(ddof=1))
    drawn[4] = np.nan
    many = resampling.interval(Sample(np.array(0.5), drawn), DRAWS)
    assert (many.value, many.se, many.low, many.high) == (0.5, None, None, None)
    assert many.reason == "undefined on 1.2% of the draws: too few images have it"


@pytest.mark.parametrize(
    ("sample", "images", "word"),
    [
        (Sample(np.array(np.nan), np.full(9, np.nan)), 20, "not defined"),
        (Sample(np.array(1.0), np.ones(9)), 20, "same on every draw"),
        (Sample(np.array(0.5), np.linspace(0, 1, 9)), 1, "one image"),
    ],
)
def test_an_interval_that_cannot_be_had_says_why(sample, images, word) -> None:
    found = resampling.interval(sample, Draws(images=images, replicates=9))
    assert found.se is None
    assert found.low is None
    assert word in found.reason


def test_draws_of_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="images"):
        Draws(images=0)


def test_holms_correction_is_that_of_the_worked_example() -> None:
    assert comparing.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert comparing.holm([0.9, None, 0.6]) == [1.0, None, 1.0]
    assert comparing.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holms_correction_is_the_published_rule(p_values) -> None:
    """Against the definition: the largest of (m - j) p(j) up to the value's own rank."""
    m, ranked = len(p_values), sorted(p_values)
    for p, found in zip(p_values, comparing.holm(p_values), strict=True):
        rank = ranked.index(p)
        assert found == pytest.approx(min(1, max((m - j) * ranked[j] for j in range(rank + 1))))
        assert found >= p


def pair(gain, spread=0.05, seed=7):
    random = np.random.default_rng(seed)
    shared = random.normal(0, 1, 200)
    other = shared + gain + random.normal(0, spread, 200)
    return ("fp32", sampled(shared)), ("int8", sampled(other))


@pytest.mark.parametrize(
    ("gain", "rule", "verdict"),
    [
        (0.1, Rule(), "better"),
        (-0.1, Rule(), "worse"),
        (-0.1, Rule(higher_is_better=False), "better"),
        (0.0, Rule(), "inconclusive"),
        (0.0, Rule(margin=0.05), "equivalent"),
        (0.0, Rule(margin=0.001), "inconclusive"),
        (0.1, Rule(margin=0.5), "equivalent"),
    ],
)
def test_the_verdict_is_of_the_second_cell(gain, rule, verdict) -> None:
    found = comparing.compare(*pair(gain), "map", DRAWS, rule=rule)
    assert found.verdict == verdict
    assert (found.a, found.b, found.metric, found.images) == ("fp32", "int8", "map", 200)
    assert found.difference == pytest.approx(gain, abs=0.02)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_equal_cells_are_inconclusive_with_a_reason() -> None:
    a, _ = pair(0)
    found = comparing.compare(a, ("again", a[1]), "map", DRAWS, rule=Rule(margin=0.1))
    assert (found.verdict, found.p, found.difference) == ("inconclusive", 1.0, 0.0)
    assert "same on every draw" in found.reason


def test_of_forty_unharmed_classes_none_is_called_harmed_and_the_harmed_one_is() -> None:
    random = np.random.default_rng(8)
    shared = random.normal(0, 1, (200, 40))
    other = shared + random.normal(0, 0.05, shared.shape)
    other[:, 3] -= 0.1
    names = [f"class {k}" for k in range(41)]

    def sample(values) -> Sample:
        columns = [sampled(values[:, k]) for k in range(40)]
        absent = Sample(np.array(np.nan), np.full(400, np.nan))
        columns.append(absent)
        return Sample(
            np.array([c.value for c in columns]),
            np.stack([c.replicates for c in columns], axis=1),
        )

    found = comparing.compare_classes(
        ("fp32", sample(shared)), ("int8", sample(other)), "map", names, DRAWS
    )
    assert [one.subject for one in found] == names
    assert [one.subject for one in found if one.verdict == "worse"] == ["class 3"]
    assert sum(one.p < 0.05 for one in found[:-1]) > 1  # uncorrected, chance finds others
    assert {one.family for one in found} == {40}
    assert (found[-1].p_adjusted, found[-1].verdict) == (None, "inconclusive")
    assert found[-1].reason == "the value is not defined on these images"
