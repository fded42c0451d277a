"""The number of images that power asks for is the number at which a test has that power."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from benchbench.stats import resampling
from benchbench.stats.power import Question, power_of_one, power_of_pair
from benchbench.stats.resampling import Draws, Sample


def sample(values, draws) -> Sample:
    def mean(weights):
        return {"mean": weights @ values / weights.sum(axis=1)}

    return resampling.resample(mean, draws)["mean"]


def test_a_textbook_case() -> None:
    """σ 1, difference 0.5: n = (1.95996 + 0.84162)² · 4 = 31.4."""
    draws = Draws(images=100, replicates=2)
    half = np.sqrt(0.5) * 0.1
    spread = Sample(np.array(0.5), np.array([0.5 - half, 0.5 + half]))  # their SD is 0.1
    nothing = Sample(np.array(0.0), np.zeros(2))
    found = power_of_pair(nothing, spread, "map", draws, Question(difference=0.5))
    assert found.se == pytest.approx(0.1)
    assert found.resolvable == pytest.approx(0.28016, abs=1e-5)
    assert found.images_needed == 32
    assert found.sufficient is True
    assert found.correlation is None


def test_with_as_many_images_as_it_says_the_difference_is_found_four_times_in_five() -> None:
    random = np.random.default_rng(0)
    gain, spread = 0.1, 0.5
    draws = Draws(images=400, replicates=2000)
    shared = random.normal(0, 1, 400)
    earlier = [sample(shared, draws), sample(shared + random.normal(0, spread, 400), draws)]
    found = power_of_pair(*earlier, "mean", draws, Question(difference=gain))
    n = found.images_needed
    assert n == pytest.approx((1.95996 + 0.84162) ** 2 * (spread / gain) ** 2, rel=0.2)
    again = Draws(images=n, replicates=200)
    weights = again.weights()
    hits = 0
    for _ in range(400):
        loss = gain + random.normal(0, spread, n)
        other = Sample(np.array(loss.mean()), weights @ loss / n)
        nothing = Sample(np.array(0.0), np.zeros(200))
        hits += resampling.difference(nothing, other, again).p < 0.05
    assert 0.72 < hits / 400 < 0.88


def test_four_times_the_images_resolve_half_the_difference() -> None:
    draws = Draws(images=100, replicates=50)
    cells = [sample(np.random.default_rng(seed).normal(0, 1, 100), draws) for seed in (1, 2)]
    coarse, fine = (
        power_of_pair(*cells, "map", draws, Question(difference=d)) for d in (0.02, 0.01)
    )
    assert fine.images_needed == pytest.approx(4 * coarse.images_needed, abs=4)
    assert fine.sufficient is False


def test_an_assumed_correlation_gives_what_the_measured_one_does() -> None:
    random = np.random.default_rng(3)
    draws = Draws(images=300, replicates=2000)
    shared = random.normal(0, 1, 300)
    a, b = (sample(shared + random.normal(0, 0.3, 300), draws) for _ in range(2))
    measured = power_of_pair(a, b, "map", draws)
    assumed = power_of_one(resampling.interval(a, draws), "map", measured.correlation)
    assert (measured.basis, assumed.basis) == ("measured pair", "assumed correlation")
    assert assumed.correlation == measured.correlation
    assert assumed.images_needed == pytest.approx(measured.images_needed, rel=0.15)


def test_without_a_standard_error_there_is_a_reason_and_no_number() -> None:
    draws = Draws(images=10, replicates=5)
    same = Sample(np.array(1.0), np.ones(5))
    found = power_of_pair(same, same, "top1", draws)
    assert (found.images_needed, found.resolvable, found.sufficient) == (None, None, None)
    assert "same on every draw" in found.reason


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Question(difference=0)
    single = resampling.interval(
        Sample(np.array(0.5), np.linspace(0.4, 0.6, 9)), Draws(images=9, replicates=9)
    )
    with pytest.raises(ValueError, match="correlation"):
        power_of_one(single, "map", 1.0)
