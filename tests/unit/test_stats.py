"""Percentiles are shown only where the sample carries them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.stats.latency import summarise
from benchbench.stats.percentiles import (
    autocorrelation_time,
    least_queries,
    percentile_or_reason,
)
from benchbench.types import Samples


@pytest.mark.parametrize(("percentile", "least"), [(90, 64), (99, 662), (95, 130), (50, 11)])
def test_the_least_samples_are_those_of_mlperf_loadgen(percentile: float, least: int) -> None:
    assert least_queries(percentile) == least


def test_independent_values_have_an_autocorrelation_time_near_one() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    assert autocorrelation_time(values) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("rho", [0.36, 0.8])
def test_an_autoregressive_process_has_the_time_of_its_theory(rho: float) -> None:
    noise = np.random.default_rng(1).normal(size=40_000)
    values = np.zeros_like(noise)
    for i in range(1, len(values)):
        values[i] = rho * values[i - 1] + noise[i]
    assert autocorrelation_time(values) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


def test_constant_values_do_not_divide_by_zero() -> None:
    assert autocorrelation_time(np.ones(100)) >= 1


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=200))
def test_the_autocorrelation_time_is_finite_and_at_least_one(values: list[float]) -> None:
    found = autocorrelation_time(np.array(values))
    assert 1 <= found < 10 * len(values) + 10


def test_a_withheld_percentile_says_how_many_samples_it_needs() -> None:
    value, reason = percentile_or_reason(np.ones(100), 99, 50.0)
    assert value is None
    assert reason == "100 queries are worth 50 independent ones; p99 needs 662"


def samples(run_ms: list[float]) -> Samples:
    run = (np.array(run_ms) * 1e6).astype(np.int64)
    zero = np.zeros_like(run)
    return Samples(
        started_ns=np.concatenate([[0], np.cumsum(run)[:-1]]),
        upload_ns=zero,
        run_ns=run,
        download_ns=zero,
        preprocess_ns=np.array([2_000_000, 4_000_000]),
        postprocess_ns=np.array([], np.int64),
    )


def test_a_latency_view_keeps_stages_apart_and_derives_throughput() -> None:
    rng = np.random.default_rng(0)
    view = summarise(samples(list(rng.uniform(4, 6, 700))), batch=2)
    assert view.p99_ms == pytest.approx(5.98, abs=0.02)
    assert view.throughput_ips == pytest.approx(2 * 200, rel=0.02)
    assert view.stages_ms["preprocess"] == 3.0
    assert view.stages_ms["postprocess"] is None
    assert len(view.quantiles_ms) == 101
    assert len(view.trace_ms) == 300
