"""Whether figures are shown to keep their limits, one by one and over a gate."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchbench.gating.looks import MOST, PLANNED
from benchbench.stats.limits import (
    Between,
    Estimate,
    Exact,
    Watched,
    adjust,
    outcome,
    tails,
    together,
)

STUDY = Path(__file__).parents[2] / "docs" / "studies" / "gate_errors.py"

senses = st.sampled_from(["at least", "at most"])
numbers = st.floats(0.01, 100)
known = st.one_of(
    st.builds(
        Estimate, numbers, st.floats(0.01, 10), st.none() | st.integers(1, 50), st.booleans()
    ),
    st.builds(Exact, numbers),
)


@given(known, numbers, senses)
def test_a_continuous_figure_has_tails_that_add_up_to_one(known, limit, sense) -> None:
    found = tails(known, limit, sense)
    assert found.holds + found.broken == pytest.approx(1)
    turned = tails(known, limit, "at most" if sense == "at least" else "at least")
    if isinstance(known, Estimate):
        assert (turned.holds, turned.broken) == pytest.approx((found.broken, found.holds))


@given(known, numbers, numbers)
def test_a_stricter_limit_is_never_easier_to_keep(known, one, other) -> None:
    low, high = sorted((one, other))
    assert tails(known, low, "at least").holds <= tails(known, high, "at least").holds
    assert tails(known, high, "at most").holds <= tails(known, low, "at most").holds


def test_tails_are_those_of_the_t_test_and_on_the_log_scale_of_logarithms() -> None:
    values = np.array([10.1, 9.7, 10.6, 11.0, 9.9])
    logs = np.log(values)
    se = float(logs.std(ddof=1) / math.sqrt(5))
    figure = Estimate(math.exp(float(logs.mean())), se, df=4, log=True)
    reference = stats.ttest_1samp(logs, math.log(10.8), alternative="less").pvalue
    assert tails(figure, 10.8, "at most").holds == pytest.approx(reference)
    normal = Estimate(0.50, 0.02)
    assert tails(normal, 0.46, "at least").holds == pytest.approx(stats.norm.sf(2))


def test_looks_multiply_both_p_values_up_to_one() -> None:
    once, twice = (tails(Estimate(1.0, 0.5, looks=n), 0.0, "at least") for n in (1, 2))
    assert twice.holds == pytest.approx(2 * once.holds)
    assert twice.broken == 1


def test_an_exact_figure_at_its_limit_keeps_it() -> None:
    for sense in ("at least", "at most"):
        assert tails(Exact(0.95), 0.95, sense).holds == 0
    assert tails(Exact(0.94), 0.95, "at least").broken == 0


def test_bounds_decide_only_what_they_exclude() -> None:
    bracket = Between(90, 110, low_wrong=0.02, high_wrong=0.03)
    assert tails(bracket, 90, "at least").holds == 0.02
    assert tails(bracket, 110, "at least").broken == 0.03
    assert tails(bracket, 100, "at least").holds == tails(bracket, 100, "at least").broken == 1
    assert tails(Between(90, None, 0.02, 0), 100, "at least").broken == 1
    assert Between.of(1, 2, 0.95).low_wrong == pytest.approx(0.025)


def test_a_zero_limit_of_a_ratio_is_broken_by_anything() -> None:
    assert tails(Estimate(1.0, 0.1, log=True), 0.0, "at most").broken == 0


def test_pairs_looked_at_one_by_one_are_shown_slower_in_at_most_the_level() -> None:
    random = np.random.default_rng(3)
    wrong = sum(
        tails(Watched(tuple(random.normal(0, 0.03, 15))), 1.0, "at most").broken <= 0.05
        for _ in range(300)
    )
    assert wrong <= 0.05 * 300
    far = Watched(tuple(random.normal(0.2, 0.02, 8)))
    assert tails(far, 1.05, "at most").broken < 0.001
    assert tails(far, 1.05, "at least").holds < 0.001


def test_one_pair_or_equal_pairs_tell_nothing() -> None:
    for ratios in ((), (0.1,), (0.1, 0.1, 0.1)):
        found = tails(Watched(ratios), 1.0, "at most")
        assert (found.holds, found.broken) == (1, 1)


def test_exact_figures_take_no_share_of_the_error() -> None:
    assert adjust([0.02, 0.03, 1.0, 0.0, None], [False, False, True, True, False]) == [
        0.04, 0.04, 1.0, 0.0, None,
    ]  # fmt: skip


def test_a_gate_fails_first_and_passes_only_where_all_is_shown() -> None:
    assert outcome(0.01, 1.0) == "pass"
    assert outcome(0.99, 0.01) == "fail"
    assert outcome(0.2, 0.8) == outcome(None, None) == "inconclusive"
    assert together(["pass", "inconclusive", "fail"]) == "fail"
    assert together(["pass", "inconclusive"]) == "inconclusive"
    assert together(["pass", "pass"]) == "pass"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_errors", STUDY)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("limits", [1, 10])
def test_simulated_gates_are_wrong_in_at_most_the_level(study: ModuleType, limits: int) -> None:
    gates = 1500
    found = study.shares(gates, limits, 0.0, seed=7)
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / gates)
    assert found["fails"] <= most
    assert found["passes"] <= most
    assert found["finds"] > 0.6


@pytest.mark.parametrize(
    ("gates", "counts"), [(1000, PLANNED), (300, range(PLANNED[0], MOST + 1))],
    ids=["planned", "after each"],
)  # fmt: skip
def test_gates_that_are_looked_at_again_are_wrong_in_at_most_the_level(
    study: ModuleType, gates: int, counts: Sequence[int]
) -> None:
    found = study.looked_shares(gates, 2, tuple(counts), seed=7)
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / gates)
    assert max(found["fails"], found["passes"]) <= most
    assert found["fails without a share"] > most
    assert found["finds"] > 0.5
    assert PLANNED[0] < found["processes"] < MOST


def test_the_committed_study_keeps_the_level() -> None:
    found = json.loads(STUDY.with_suffix(".json").read_text("utf-8"))
    assert found["gates"] >= 20_000
    most = found["alpha"] + 3 * math.sqrt(0.05 * 0.95 / found["gates"])
    for row in (*found["shares"], *found["looks"]):
        assert max(row["fails"], row["passes"]) <= most
