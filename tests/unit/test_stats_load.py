"""From raw queries to intervals, verdicts and views."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.stats import intervals
from benchbench.stats.load import (
    caveats,
    cost_per_million,
    summarise_cameras,
    summarise_multi_stream,
    summarise_offline,
    summarise_server,
)
from benchbench.stats.percentiles import least_queries, percentile_or_reason, worth
from benchbench.stats.queries import Deadline, Queries, probe_verdict, together
from benchbench.stats.ratio import median_interval

MS = 1_000_000


# --- intervals ---------------------------------------------------------------------------


def coverage(percentile: float, size: int, truth: float, draws: int = 1500) -> float:
    rows = np.random.default_rng(1).exponential(size=(draws, size))
    found = [intervals.percentile_interval(row, percentile, size) for row in rows]
    return float(np.mean([one is not None and one[0] <= truth <= one[1] for one in found]))


@pytest.mark.parametrize(("percentile", "size"), [(50, 40), (90, 120), (99, 800)])
def test_a_percentiles_interval_covers_it_in_at_least_95_of_100_samples(
    percentile: float, size: int
) -> None:
    share = coverage(percentile, size, -np.log(1 - percentile / 100))
    assert 0.94 <= share <= 0.99


def test_correlated_samples_keep_their_coverage_at_their_effective_size() -> None:
    generator, tau, hits = np.random.default_rng(2), 5, 0
    for _ in range(400):
        row = np.repeat(generator.exponential(size=150), tau)
        found = intervals.percentile_interval(row, 90, len(row) / tau)
        hits += found is not None and found[0] <= np.log(10) <= found[1]
    assert hits / 400 >= 0.93


def test_the_interval_is_of_order_statistics_and_the_medians_agrees_with_that_of_ratios() -> None:
    values = np.random.default_rng(0).permutation(1000.0 + np.arange(101))
    # P[Binomial(101, 1/2) < 41] = 0.0229, P[... < 42] = 0.0368
    assert intervals.percentile_interval(values, 50, 101) == (1040, 1060)
    other = median_interval(values, 0.95)
    assert other is not None
    assert np.allclose(other, (1040, 1060), atol=1)


def test_a_sample_too_small_for_an_upper_end_has_no_interval() -> None:
    values = np.arange(1000.0)
    assert intervals.percentile_interval(values, 99, 367) is None
    assert intervals.percentile_interval(values, 99, 368) is not None
    assert intervals.percentile_interval(values, 50, 1) is None


@given(count=st.integers(0, 60), more=st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_the_interval_of_a_share_is_clopper_and_pearsons(count: int, more: int) -> None:
    from scipy.stats import binomtest

    if count + more == 0:
        return
    theirs = binomtest(count, count + more).proportion_ci(0.95, "exact")
    assert intervals.share_interval(count, count + more) == pytest.approx((theirs.low, theirs.high))


def test_the_interval_of_a_mean_is_students() -> None:
    from scipy.stats import sem, t

    values = np.random.default_rng(0).normal(5, 2, 20)
    theirs = t.interval(0.95, 19, values.mean(), sem(values))
    assert intervals.mean_interval(values) == pytest.approx(theirs)
    assert intervals.mean_interval(values[:2]) is None


def test_the_autocorrelation_time_of_flags_is_that_of_their_markov_chain() -> None:
    generator = np.random.default_rng(3)
    stay = 0.8
    state, flags = 0, []
    for keep, fresh in zip(generator.random(200_000), generator.random(200_000), strict=True):
        state = state if keep < stay else int(fresh < 0.1)
        flags.append(state)
    found = intervals.integrated_time(np.array(flags, np.float64))
    assert found == pytest.approx((1 + stay) / (1 - stay), rel=0.1)
    assert intervals.integrated_time(np.ones(100)) == 1


def test_equal_latencies_are_not_taken_for_a_trend() -> None:
    none = np.zeros(1000, bool)
    assert intervals.effective_count(np.full(1000, 9.0), none) == 1000
    assert intervals.effective_count(np.arange(1000.0), none) < 10


# --- verdicts ----------------------------------------------------------------------------


def test_a_level_is_met_by_as_few_queries_as_loadgen_asks_for() -> None:
    assert intervals.least_sample(0.01) == 459
    assert intervals.share_verdict(0, 458, 0.01) == "undecided"
    assert intervals.share_verdict(0, 459, 0.01) == "met"
    assert intervals.share_verdict(1, least_queries(99) - 1, 0.01) == "undecided"
    assert intervals.share_verdict(1, least_queries(99), 0.01) == "met"


@given(of=st.integers(1, 800), share=st.floats(0, 1), allowed=st.floats(0.001, 0.5))
@settings(max_examples=80, deadline=None)
def test_a_verdict_is_that_of_the_binomials_tails(of: int, share: float, allowed: float) -> None:
    from scipy.stats import binom

    count = round(share * of)
    few, many = binom.cdf(count, of, allowed), binom.sf(count - 1, of, allowed)
    if min(abs(few - 0.01), abs(many - 0.01)) < 1e-6:
        return
    want = "met" if few <= 0.01 else "missed" if many <= 0.01 else "undecided"
    assert intervals.share_verdict(count, of, allowed) == want


def test_at_the_bound_itself_either_verdict_is_given_to_one_sample_in_a_hundred_at_most() -> None:
    generator, bound = np.random.default_rng(4), -np.log(0.01)
    found = [probe_verdict(generator.exponential(size=1500), bound, 99) for _ in range(1500)]
    assert found.count("met") / 1500 < 0.02
    assert found.count("missed") / 1500 < 0.02


def test_late_queries_that_come_in_rows_count_for_less() -> None:
    apart = np.ones(2000)
    apart[::50] = 9
    row = np.sort(apart)
    assert probe_verdict(apart, 5, 99) == "missed"
    assert probe_verdict(row, 5, 99) == "undecided"


# --- views -------------------------------------------------------------------------------


def queries(
    latencies: Any, gap: int = 10 * MS, stream: Any = 0, claimed: Any = None, source: Any = 0
) -> Queries:
    took = np.asarray(latencies, np.int64)
    scheduled = np.arange(len(took), dtype=np.int64) * gap
    return Queries(
        scheduled_ns=scheduled,
        claimed_ns=scheduled if claimed is None else np.asarray(claimed, np.int64),
        started_ns=scheduled,
        finished_ns=np.where(took < 0, -1, scheduled + took),
        stream=np.broadcast_to(stream, len(took)).astype(np.int64),
        source=np.broadcast_to(source, len(took)).astype(np.int64),
    )


def noisy(size: int, mean_ms: float, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).normal(mean_ms, mean_ms / 100, size) * MS).astype(np.int64)


def test_a_search_shows_the_edges_and_every_probe_by_rate() -> None:
    load = together(
        [
            (100, [queries(noisy(900, 5))]),
            (200, [queries(noisy(500, 30)), queries(noisy(500, 30, 1))]),
            (150, [queries(noisy(100, 5))]),
        ]
    )
    view = summarise_server(load, 20)
    assert (view.highest_met_qps, view.lowest_missed_qps) == (100, 200)
    assert [(p.level, p.verdict) for p in view.probes] == [
        (100, "met"),
        (150, "undecided"),
        (200, "missed"),
    ]
    met, few, over = view.probes
    assert met.latency_ms == pytest.approx(5, rel=0.05)
    assert met.interval_ms is not None
    assert met.interval_ms[0] < met.latency_ms < met.interval_ms[1]
    assert few.latency_ms is None
    assert few.withheld is not None
    assert "p99 needs 662" in few.withheld
    assert over.over == 1
    assert over.queries == 1000
    assert over.offered_qps == pytest.approx(100)
    assert over.achieved_qps == pytest.approx(1000 / 10.04, rel=0.001)


def test_what_was_not_found_has_a_reason_and_nothing_infinite_is_shown() -> None:
    view = summarise_server(together([(50, [queries(noisy(900, 30))])]), 20)
    assert view.highest_met_qps is None
    assert view.reasons["highest_met_qps"].startswith("50 qps, the lowest tried, is missed: 100")
    one = summarise_server(together([(50, [queries([MS])])]), 20)
    assert one.probes[0].offered_qps is None
    for found in (view, one):
        json.dumps(found.model_dump(mode="json"), allow_nan=False)


def test_a_rate_that_was_given_up_is_missed_without_a_percentile_and_overloaded() -> None:
    claimed = [n * 10 * MS if n < 30 else -1 for n in range(100)]
    load = together([(100, [queries([5 * MS] * 30 + [-1] * 70, claimed=claimed)])])
    (probe,) = summarise_server(load, 20).probes
    assert (probe.verdict, probe.given_up, probe.latency_ms) == ("missed", True, None)
    assert probe.withheld == "given up after 30 of 100 queries: the queue only grew"
    (caveat,) = caveats(load)
    assert caveat.code == "overloaded"
    assert caveat.figures == {"level": 100, "issued": 30, "scheduled": 100}


def test_queries_that_we_started_late_are_a_caveat_and_those_that_queued_are_not() -> None:
    calm = queries([10 * MS] * 100)
    late = Queries(
        calm.scheduled_ns,
        calm.claimed_ns,
        calm.scheduled_ns + 2 * MS,
        calm.finished_ns,
        calm.stream,
        calm.source,
    )
    queued = Queries(
        calm.scheduled_ns,
        calm.scheduled_ns + 2 * MS,
        calm.scheduled_ns + 2 * MS,
        calm.finished_ns,
        calm.stream,
        calm.source,
    )
    assert [c.code for c in caveats(together([(1, [late])]))] == ["late_dispatch"]
    assert caveats(together([(1, [late])]))[0].figures == {"lateness_p99_ms": 2, "p50_ms": 10}
    assert caveats(together([(1, [queued])])) == ()


def test_dropped_frames_are_missed_deadlines_and_the_worst_camera_is_told() -> None:
    took = np.full(1000, 5 * MS)
    took[::10] = -1
    load = together([(2, [queries(took, source=np.arange(1000) % 10 == 0)])])
    view = summarise_cameras(load, Deadline(50, 20, 0.01))
    (probe,) = view.probes
    assert (probe.over, probe.dropped, probe.queries) == (0.1, 100, 900)
    assert probe.over_interval[0] < 0.1 < probe.over_interval[1]
    assert view.worst_camera == {2: 1}
    assert view.highest_met is None
    assert view.lowest_missed == 2


def test_frames_that_were_all_dropped_leave_no_lateness() -> None:
    load = together([(4, [queries([-1] * 50)])])
    view = summarise_cameras(load, Deadline(50, 20, 0.01))
    assert view.probes[0].lateness_p99_ms is None
    assert caveats(load) == ()


def closed(starts: list[int], ends: list[int], stream: list[int] | None = None) -> Queries:
    begin, end = np.array(starts), np.array(ends)
    which = np.array(stream or [0] * len(starts))
    return Queries(begin, begin, begin, end, which, np.zeros_like(which))


def test_multi_stream_holds_its_p99_back_until_the_sample_carries_it() -> None:
    took = noisy(100, 16)
    ends = np.cumsum(took)
    load = together([(2, [closed((ends - took).tolist(), ends.tolist())])])
    view = summarise_multi_stream(load, samples=8)
    assert (view.streams, view.queries) == (2, 100)
    assert view.p99_ms is None
    assert set(view.withheld) == {"p99_ms"}
    assert set(view.intervals_ms) == {"p50_ms", "p90_ms"}
    assert view.images_per_s == pytest.approx(8 * 100 / (ends[-1] / 1e9))


def test_offline_counts_the_part_of_a_query_that_falls_into_the_time_all_streams_were_busy() -> (
    None
):
    # Two streams of 10 ms a query; the second stops half-way through the last query of the first.
    one = [(10 * n, 10 * n + 10) for n in range(20)]
    two = [(10 * n + 5, 10 * n + 15) for n in range(18)]
    starts, ends = (list(side) for side in zip(*one, *two, strict=True))
    both = closed([s * MS for s in starts], [e * MS for e in ends], [0] * 20 + [1] * 18)
    alone = closed([s * MS for s, _ in one], [e * MS for _, e in one])
    view = summarise_offline(together([(2, [both]), (1, [alone])]), batch=4)
    assert [rate.streams for rate in view.rates] == [1, 2]
    assert view.rates[0].images_per_s == pytest.approx(400)
    assert view.best_streams == 2
    # 185 ms of the first and 180 of the second, in 185 ms
    assert view.images_per_s == pytest.approx((18.5 + 18) / 0.185 * 4)


def test_the_interval_of_offline_throughput_covers_it() -> None:
    hits = 0
    for seed in range(200):
        took = (np.random.default_rng(seed).gamma(4, 2.5, 400) * MS).astype(np.int64)
        ends = np.cumsum(took)
        pair = closed((ends - took).tolist(), ends.tolist())
        (rate,) = summarise_offline(together([(1, [pair])]), 1).rates
        assert rate.segments == 20
        assert rate.interval is not None
        hits += rate.interval[0] <= 100 <= rate.interval[1]
    assert hits / 200 > 0.9


def test_an_offline_pass_of_few_queries_has_no_interval() -> None:
    (rate,) = summarise_offline(together([(1, [closed([0, 10], [10, 20])])]), 1).rates
    assert (rate.interval, rate.segments) == (None, 1)


def test_a_million_images_at_a_thousand_a_second_take_a_thousand_seconds_to_pay() -> None:
    assert cost_per_million(1000, 3.6) == pytest.approx(1.0)


@pytest.mark.parametrize("effective", [40.49, 40.5, 40.51, 40.53, 40.96, 1079.26])
def test_a_number_of_queries_reads_alike_from_the_pass_and_from_its_view(effective: float) -> None:
    _, reason = percentile_or_reason(np.ones(1079), 99.9, effective)
    assert f"worth {worth(round(effective, 1))} independent" in (reason or "")
