"""Geometry of the small figures."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from benchbench.reports.drawing import LogScale, latency_scale, scale_of, spark, stack, strip
from tests.report_fixture import latency, measured

positive = st.floats(1e-3, 1e5)


@given(st.lists(positive, min_size=1, max_size=20))
def test_a_scale_holds_its_values_in_their_order(values: list[float]) -> None:
    scale = scale_of(values)
    assert scale is not None
    places = [scale.at(value) for value in sorted(values)]
    assert all(0 <= place <= 100 for place in places)
    assert all(a <= b for a, b in itertools.pairwise(places))


@given(positive, st.floats(1.2, 1e6))
def test_ticks_lie_inside_the_scale_and_are_few_and_round(low: float, factor: float) -> None:
    scale = LogScale(low, low * factor)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    assert all(float(f"{tick:.1e}") == tick for tick in ticks)


def test_no_positive_value_gives_no_scale() -> None:
    assert scale_of([0.0, -1.0, float("nan")]) is None
    assert latency_scale([]) is None


def test_a_withheld_percentile_is_not_drawn() -> None:
    short, long = latency(5.0, 0, queries=400), latency(5.0, 0, queries=1200)
    scale = LogScale(1, 10)
    assert [name for name, _ in strip(short, scale).marks] == ["p90", "p95"]
    assert [name for name, _ in strip(long, scale).marks] == ["p90", "p95", "p99"]


def test_a_strip_or_trace_without_samples_is_none() -> None:
    bare = latency(5.0, 0).model_copy(update={"quantiles_ms": (), "trace_ms": ()})
    assert strip(bare, LogScale(1, 10)) is None
    assert spark(bare) is None


def test_a_trace_spans_its_own_range_and_a_long_one_is_thinned() -> None:
    view = latency(5.0, 0).model_copy(update={"trace_ms": tuple(float(i) for i in range(1, 301))})
    line = spark(view)
    assert line.path.count(" ") < 100
    assert line.low_ms < 5
    assert line.high_ms > 295
    assert line.path.startswith("M0,26 ")
    assert line.path.endswith(" 100,2")


def test_a_flat_trace_is_a_level_line() -> None:
    line = spark(latency(5.0, 0).model_copy(update={"trace_ms": (2.0, 2.0, 2.0)}))
    assert {point.split(",")[1] for point in line.path[1:].split()} == {f"{line.middle:g}"}


def test_stage_shares_fill_the_bar_and_an_absent_stage_makes_the_sum_incomplete() -> None:
    whole = stack(measured(0, "m", "r", "fp32", ap=0.4, p50=5.0))
    assert abs(sum(width for _, width in whole.widths) - 100) < 0.01
    assert whole.complete
    part = stack(measured(9, "m", "r", "fp32", ap=0.4, p50=5.0))
    assert "postprocess" not in dict(part.widths)
    assert not part.complete
