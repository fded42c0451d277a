"""Looking after every pair keeps the error: the evidence is what its formula says, and valid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.integrate import trapezoid

from benchbench.stats import sequential, turns
from benchbench.stats.sequential import (
    SPREAD,
    bounds,
    decide,
    expected_pairs_left,
    log_bayes_factor,
    log_evidence,
    reach,
    settled,
    share,
)


def statistic(values):
    return values.mean() / (values.std(ddof=1) / np.sqrt(len(values)))


def likelihood(values, effects, log_scale):
    """Return the likelihood of N(d·s, s) at each effect size d and log s: (D, S)."""
    d, s = np.asarray(effects)[:, None, None], np.exp(log_scale)[:, None]
    return np.exp(stats.norm.logpdf(values, d * s, s).sum(axis=-1))


def factor(values, effects):
    """Return the Bayes factor by integrating over effect sizes and scales.

    The scale's improper prior is ds/s, which is flat in log s.
    """
    log_scale = np.log(values.std()) + np.linspace(-4, 12, 1201)
    over_scale = trapezoid(likelihood(values, effects, log_scale), log_scale)
    prior = stats.norm.pdf(effects, 0, np.sqrt(SPREAD))
    null = trapezoid(likelihood(values, [0.0], log_scale), log_scale)
    return trapezoid(over_scale * prior, effects) / null[0]


@pytest.mark.parametrize("values", [[0.4, 1.1, 0.7], [-0.2, 0.3, 0.1, -0.5, 0.2]])
def test_the_formulas_are_the_integrals_that_they_stand_for(values: list) -> None:
    x = np.array(values)
    t, n = statistic(x), len(x)
    two_sided = factor(x, np.linspace(-12, 12, 801))
    one_sided = 2 * factor(x, np.linspace(0, 12, 401))
    assert np.exp(log_bayes_factor(t, n)) == pytest.approx(two_sided, rel=1e-4)
    assert np.exp(log_evidence(t, n)) == pytest.approx(one_sided, rel=1e-4)


def test_the_expected_evidence_is_one_where_there_is_nothing_to_find() -> None:
    """An integral over the t distribution: exact, and at every number of values."""
    for n in (3, 8, 20):
        found, _ = integrate.quad(
            lambda t, n=n: np.exp(log_evidence(t, n)) * stats.t.pdf(t, n - 1),
            -np.inf,
            np.inf,
            limit=200,
        )
        assert found == pytest.approx(1, abs=2e-3)


def test_evidence_for_either_side_sums_to_twice_the_two_sided() -> None:
    for t, n in ((0.3, 4), (2.5, 9), (-4.0, 15)):
        both = np.exp(log_evidence(t, n)) + np.exp(log_evidence(-t, n))
        assert both == pytest.approx(2 * np.exp(log_bayes_factor(t, n)))


@pytest.mark.parametrize("kind", ["normal", "student with 3 degrees", "spells"])
def test_looking_after_each_of_50_pairs_is_wrong_in_at_most_5_percent(kind: str) -> None:
    random, count = np.random.default_rng(0), 20_000
    x = random.standard_t(3, (count, 50)) if "student" in kind else random.normal(size=(count, 50))
    if kind == "spells":  # a spread of its own for every ten pairs
        x *= np.repeat(np.exp(random.normal(0, 1, (count, 5))), 10, axis=1)
    n = np.arange(2, 51)
    mean = np.cumsum(x, axis=1)[:, 1:] / n
    sd = np.sqrt((np.cumsum(x**2, axis=1)[:, 1:] - n * mean**2) / (n - 1))
    least = np.array([reach(int(k), 0.05) or np.inf for k in n])
    assert (mean > least * sd / np.sqrt(n)).any(axis=1).mean() < 0.05


def test_a_bound_stands_where_the_evidence_against_it_is_one_in_alpha() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.03, 9)
    found = bounds(values, 0.05)
    at_low, at_high = statistic(values - found.low), statistic(found.high - values)
    assert log_evidence(at_low, 9) == pytest.approx(np.log(20))
    assert log_evidence(at_high, 9) == pytest.approx(np.log(20))


def test_a_bound_is_wider_than_that_of_one_planned_look() -> None:
    for n in range(5, 60):
        assert reach(n, 0.05) > stats.t.ppf(0.95, n - 1)


def test_three_pairs_settle_nothing_however_clear() -> None:
    found = decide([3.0, 3.1, 3.05])
    assert (found.verdict, found.mean.low) == ("inconclusive", None)
    assert found.reason == "3 pairs are too few to look at"
    assert settled([]) is None
    assert settled([0.1]) is None


def test_the_first_number_of_pairs_that_settles_it_decides() -> None:
    random = np.random.default_rng(2)
    values = np.log(1.2) + random.normal(0, 0.02, 20)
    found = decide(values)
    assert found.verdict == "regression"
    assert found.settled_by == "sequence"
    assert settled(values[: found.pairs - 1]) is None
    assert decide([*values[: found.pairs], *[-5.0] * 9]) == found


def test_a_view_of_a_sequence_carries_the_bounds_that_settled_it() -> None:
    random = np.random.default_rng(3)
    pairs = []
    for _ in range(12):
        a = (1e7 * np.exp(random.normal(0, 0.01, (25, 4)))).astype(np.int64)
        b = (1e7 * np.exp(random.normal(0, 0.01, (25, 4)))).astype(np.int64)
        pairs.append(turns.Pair(random.integers(2, size=25), a, b))
    found = decide(turns.wall_log_ratios(pairs))
    view = turns.summarise("a", "b", pairs, found)
    assert (view.verdict, view.settled_by, view.pairs) == ("pass", "sequence", found.pairs)
    assert np.log(view.wall.high) == pytest.approx(found.mean.high)
    assert view.wall.level == pytest.approx(0.9)


def test_the_forecast_is_near_what_it_takes() -> None:
    random = np.random.default_rng(4)
    for true in (1.0, 1.03, 1.1):
        series = [np.log(true) + random.normal(0, 0.034, 120) for _ in range(60)]
        taken = [decide(one).pairs for one in series]
        start = 5
        said = [expected_pairs_left(one[:start]) for one in series]
        known = [start + more for more in said if more is not None]
        assert 0.5 < np.median(known) / np.median(taken) < 2


def test_no_forecast_is_made_at_the_margin_or_from_one_pair() -> None:
    below = np.log(1.05) - 1e-6 + np.array([-0.1, 0.1])
    assert expected_pairs_left([*below] * 4) is None
    assert expected_pairs_left([0.1]) is None
    assert expected_pairs_left(np.log(1.2) + np.array([0.01, -0.01] * 6)) == 0


def test_a_family_of_sequences_keeps_the_error_of_all_together() -> None:
    """Twenty identical pairs of cells, each stopped when settled: any called slower counts."""
    random = np.random.default_rng(5)
    alpha = share(0.05, 20)
    least = [reach(n, alpha) or np.inf for n in range(2, 31)]
    x = random.normal(size=(2000, 20, 30))
    n = np.arange(2, 31)
    mean = np.cumsum(x, axis=2)[..., 1:] / n
    sd = np.sqrt((np.cumsum(x**2, axis=2)[..., 1:] - n * mean**2) / (n - 1))
    wrong = (mean > np.array(least) * sd / np.sqrt(n)).any(axis=2)
    assert wrong.any(axis=1).mean() < 0.05
    assert sequential.share(0.05, 0) == 0.05
