"""Which cell to deploy: feasibility, probabilities, what binds, relaxations, costs, refusals."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from benchbench.cli.recommended import lines, share, verdict
from benchbench.confidence import Resamples
from benchbench.energy_view import EnergyFigure, EnergyQuality, EnergyView
from benchbench.errors import UsageError
from benchbench.load_view import CamerasView
from benchbench.quantities import Named
from benchbench.quantities.quantity import lower
from benchbench.recommend_view import Asked, Candidate, RecommendView
from benchbench.recommending import Money, Question, _chosen, recommend
from benchbench.recommending.drawing import Figure, Sampler
from benchbench.recommending.money import amount, hours
from benchbench.recommending.relaxing import outward
from benchbench.recommending.remarks import notes
from benchbench.recommending.tabling import Table
from benchbench.stats.resampling import Draws, Sample
from benchbench.turns_view import ProcessesView, ProcessFigure
from benchbench.types import ArtifactInfo, Caveat, Failure, Variant
from benchbench.view import CellView, Cost, Interval, LatencyView, RunView
from tests.report_fixture import HOSTILE

Z = 1.959963984540054


def interval(value: float, se: float) -> Interval:
    ends = {"low": value - Z * se, "high": value + Z * se}
    return Interval(value=value, se=se, level=0.95, images=200, replicates=1000, seed=0, **ends)


def processes(median: float, spread: float) -> ProcessesView:
    wall = ProcessFigure(
        median_ms=median, low_ms=median / spread, high_ms=median * spread, level=0.95
    )
    none = ProcessFigure(median_ms=None, level=0.95, reason="not recorded")
    return ProcessesView(processes=10, grade="full", wall=wall, cpu=none)


def energy(joules: float) -> EnergyView:
    figure = EnergyFigure(value=joules, low=joules * 0.95, high=joules * 1.05)
    quality = EnergyQuality(method="counter", trials=5)
    none = EnergyFigure(reason="not asked")
    return EnergyView(
        meter="rapl", scope="CPU package 0", gross_j_per_image=figure, net_j_per_image=none,
        images_per_joule=none, average_w=none, quality=quality,
    )  # fmt: skip


def pass_of(throughput: float) -> LatencyView:
    return LatencyView(
        queries=400, effective_queries=300, mean_ms=5, p50_ms=5, p90_ms=6, p95_ms=7, p99_ms=None,
        withheld={"p99": "too few queries"}, throughput_ips=throughput, stages_ms={},
    )  # fmt: skip


def cameras(met: int | None, missed: int | None) -> CamerasView:
    return CamerasView(
        fps=5, deadline_ms=200, miss_share=0.01, drop_late=False, streams=1, highest_met=met,
        lowest_missed=missed, reasons={"highest_met": "one is too many"}, worst_camera={}, probes=(),
    )  # fmt: skip


def cell(name: str, accuracy: float = 0.4, se: float = 0.02, **more: Any) -> CellView:
    size = more.pop("size", 1_000_000)
    made: dict[str, Any] = {
        "id": name, "label": name, "model": name, "runtime": "onnxruntime", "precision": "fp32",
        "device": "cpu", "batch": 1, "dataset": "line", "split": "test", "task": "detection",
        "status": "measured", "metrics": {"map": accuracy}, "primary": "map",
        "intervals": {"map": interval(accuracy, se)}, "counts": {"images": 200},
        "latency": pass_of(100),
        "artifact": ArtifactInfo(
            variant=Variant(format="onnx", precision="fp32"), sha256="0" * 64, bytes=size,
        ),
    }  # fmt: skip
    return CellView(**(made | more))


def broken(name: str) -> CellView:
    failure = Failure(code="signal", stage="latency", message="killed by signal 11")
    gone = {"metrics": {}, "primary": None, "intervals": {}, "latency": None, "artifact": None}
    return cell(name, status="failed", failure=failure, **gone)


def timed(name: str, accuracy: float, median: float, spread: float = 1.1, **more: Any) -> CellView:
    return cell(name, accuracy, processes=processes(median, spread), **more)


def asked(*cells: CellView, **question: Any) -> RecommendView:
    view = RunView(run="r-1", suite="s", created="2026", updated="2026", cells=cells)
    return recommend(view, Question(**question))


def by_name(view: RecommendView) -> dict[str, Candidate]:
    return {one.cell: one for one in view.candidates}


def printed(view: RecommendView, width: int = 160) -> str:
    console = Console(width=width, color_system=None, markup=False, emoji=False)
    with console.capture() as capture:
        for line in lines(view):
            console.print(line, highlight=False)
    return capture.get()


TWO = (timed("small", 0.38, 5.0), timed("large", 0.44, 12.0))


# --- the draws ---------------------------------------------------------------------------


def kept(seed: int, images: tuple[int, ...] = (1, 2, 3)) -> Resamples:
    """Return what a metric is kept as: 400 draws, of the whole and of two classes."""
    random = np.random.default_rng(seed)
    whole = Sample(np.array(0.40), random.normal(0.43, 0.02, 400))
    classes = Sample(np.array([0.5, np.nan]), random.normal(0.5, 0.05, (400, 2)))
    draws = Draws(images=3, replicates=400)
    return Resamples(draws, images, {"map": whole}, ("dent", "pit"), {"map": classes})


def sampled(name: str, made: Resamples, subject: str | None = None) -> Figure:
    one = cell(name, per_class={"map": {"dent": 0.5, "pit": None}})
    sampler = Sampler(object(), {}, 2000, 0, {name: made})  # the run is read for nothing else
    return sampler.figure(one, Named("map", subject))


def test_kept_draws_of_images_are_shared_by_cells_on_the_same_images() -> None:
    first, second = sampled("a", kept(1)), sampled("b", kept(1))
    assert np.array_equal(first.draws, second.draws)
    assert first.draws.mean() == pytest.approx(0.40)
    other = sampled("b", kept(1, images=(4, 5, 6)))
    assert abs(np.corrcoef(first.draws, other.draws)[0, 1]) < 0.1


def test_a_class_is_drawn_from_its_own_replicates_and_gets_their_interval() -> None:
    found = sampled("a", kept(1), "class=dent")
    assert found.note is None
    assert found.draws.mean() == pytest.approx(0.5)
    assert found.quantity.se == pytest.approx(0.05, rel=0.1)
    assert found.quantity.high - 0.5 == pytest.approx(Z * found.quantity.se)
    absent = sampled("a", kept(1), "class=pit")
    assert (absent.draws, absent.quantity.value) == (None, None)
    assert sampled("a", kept(1), "class=rust").fault is not None


# --- the answer --------------------------------------------------------------------------


def test_the_fastest_within_the_limits_is_recommended_with_its_odds() -> None:
    view = asked(*TWO, require=["map>=0.40"], minimize=["latency.p50"], draws=20_000)
    found = by_name(view)
    assert view.recommended == "large"
    below = 0.5 * math.erfc(1 / math.sqrt(2))
    assert found["small"].p_feasible == pytest.approx(below, abs=0.012)
    assert found["large"].p_feasible == pytest.approx(
        1 - 0.5 * math.erfc(2 / math.sqrt(2)), abs=0.006
    )
    assert found["small"].p_best == pytest.approx(below, abs=0.012)
    assert view.between == ("large", "small")
    assert (view.unconstrained, view.excluded_by) == ("small", ("map>=0.40",))


def test_each_requirement_holds_is_broken_or_is_not_shown() -> None:
    view = asked(
        timed("a", 0.48, 5.0), require=["map>=0.40", "map>=0.47", "latency<=3ms"], minimize=["size"]
    )
    checks = by_name(view)["a"].checks
    assert [(one.state, one.holds) for one in checks] == [
        ("holds", True), ("not shown", True), ("broken", False),
    ]  # fmt: skip
    assert checks[1].slack_errors == pytest.approx(0.5, abs=0.06)
    assert checks[0].slack == pytest.approx(0.08)
    assert view.recommended is None
    assert view.nearest == "a"


def test_an_absent_figure_is_never_feasible_and_says_why() -> None:
    view = asked(*TWO, broken("gone"), require=["latency.p99<=1s", "map>=0.1"], minimize=["size"])
    found = by_name(view)
    assert not any(one.feasible or one.p_feasible or one.p_best for one in found.values())
    assert found["small"].checks[0].figure.reason == "too few queries"
    assert "signal 11" in str(found["gone"].checks[1].figure.reason)
    assert [one.state for one in found["gone"].checks] == ["not shown", "not shown"]
    assert (view.recommended, view.nearest, view.p_none) == (None, None, 1.0)


def test_a_cell_without_the_objective_is_not_chosen_over_one_with_it() -> None:
    view = asked(cell("a", energy=(energy(2.0),)), cell("b"), minimize=["energy"])
    assert view.recommended == "a"
    assert by_name(view)["b"].objective.reason == "the suite names no meter for this cell"
    none = asked(cell("b"), cell("c"), minimize=["energy"])
    assert none.recommended is None
    assert verdict(none).startswith("No recommendation: no cell has a figure of energy: ")


def test_a_figure_of_one_process_is_taken_as_it_is_and_says_so() -> None:
    view = asked(cell("a"), require=["latency.p50<=5.1ms"], minimize=["size"])
    (check,) = by_name(view)["a"].checks
    assert (check.p, check.slack_errors, check.figure.low) == (1.0, None, None)
    assert check.figure.reason == "one process: its spread is not known"
    assert any("one process" in note for note in view.notes)


def test_on_these_images_accuracy_is_exact() -> None:
    view = asked(cell("a", 0.401), require=["map>=0.40 on these images"], minimize=["size"])
    (check,) = by_name(view)["a"].checks
    assert (check.p, check.state) == (1.0, "holds")
    assert not view.notes


def test_a_strict_limit_leaves_equality_out() -> None:
    view = asked(cell("a", size=1000), require=["size<1kB", "size<=1kB"], minimize=["size"])
    assert [one.holds for one in by_name(view)["a"].checks] == [False, True]


def test_what_binds_is_the_limit_with_the_fewest_errors_of_room() -> None:
    view = asked(
        timed("a", 0.44, 5.0, 1.5), require=["map>=0.40", "latency<=5.5ms"], minimize=["size"]
    )
    assert view.binding == "latency<=5.5ms"
    exact = asked(cell("a"), require=["size<=2MB"], minimize=["size"])
    assert exact.binding is None


def test_the_better_of_two_that_are_equally_likely_is_recommended() -> None:
    view = asked(cell("b", size=9), cell("a", size=9), cell("c", size=10), minimize=["size"])
    assert [one.p_best for one in view.candidates] == [0.5, 0.5, 0.0]
    assert view.recommended == "b"


def raced(objective: list[list[float]], values: list[float]) -> Table:
    """Return a table without limits of cells whose draws, one row a cell, are given."""
    draws = np.array(objective)
    figures = [
        Figure(lower("size", "bytes").model_copy(update={"value": value}), row)
        for value, row in zip(values, draws, strict=True)
    ]
    aim = Asked(text="size", quantity="size", unit="bytes", sense="maximize")
    cells = [cell(str(i)) for i in range(len(values))]
    return Table(cells, (), (), (), aim, figures, draws.shape[1])


def test_copies_of_the_best_cell_do_not_flip_the_advice() -> None:
    random = np.random.default_rng(0)
    good, other = random.normal(0.490, 0.01, 2000), random.normal(0.487, 0.01, 2000)
    for copies in (1, 2, 5):
        table = raced([list(other), *[list(good)] * copies], [0.487, *[0.490] * copies])
        assert _chosen(table) == 1
        told = list(notes(table, Money(), (), ()))
        assert any("tie in every draw" in note for note in told) == (copies > 1)
    assert table.p_best[0] > 2 * table.p_best[1]  # its copies have split the draws among them


def test_a_defeat_that_chance_may_make_leaves_the_better_objective_first() -> None:
    even = [1.0, 2.0] * 500
    assert _chosen(raced([even, [1.5] * 1000], [1.4, 1.5])) == 1
    assert _chosen(raced([[2.0] * 550 + [1.0] * 450, [1.5] * 1000], [1.4, 1.5])) == 0


def test_energies_of_trials_are_drawn_and_their_front_is_told() -> None:
    cells = cell("a", 0.40, energy=(energy(1.0),)), cell("b", 0.41, energy=(energy(1.02),))
    view = asked(*cells, require=["map>=0.3"], minimize=["energy"])
    found = by_name(view)
    assert 0.5 < found["a"].p_best < 0.9
    assert all(0.5 < one.p_front < 1 for one in view.candidates)
    alone = asked(*cells, minimize=["energy"])
    assert alone.candidates[0].p_front is None
    assert alone.candidates[0].front_reason


# --- relaxing ----------------------------------------------------------------------------


def test_a_relaxation_takes_in_the_next_better_cell_and_makes_it_the_answer() -> None:
    question: dict[str, Any] = {"minimize": ["latency.p50"], "require": ["map>=0.425"]}
    view = asked(*TWO, timed("middle", 0.4213, 8.0), **question)
    first, second = view.relaxations
    assert (first.cell, second.cell) == ("middle", "small")
    assert first.relaxed == 0.421
    assert first.change == pytest.approx(8 / 12 - 1)
    assert first.surely == pytest.approx(0.4213 - 1.645 * 0.02, abs=0.003)
    again = asked(*TWO, timed("middle", 0.4213, 8.0), **question | {"require": ["map>=0.421"]})
    assert again.recommended == "middle" or "middle" in again.between
    assert by_name(again)["middle"].feasible


def test_no_relaxation_is_told_for_what_brings_nothing_or_breaks_another_limit() -> None:
    cells = (*TWO, timed("slow", 0.39, 20.0))
    limits = ["map>=0.40", "size<=2MB"]
    assert [
        one.cell for one in asked(*cells, require=limits, minimize=["latency"]).relaxations
    ] == ["small"]
    assert not asked(*cells, require=["map>=0.40", "size<=1kB"], minimize=["latency"]).relaxations[
        1:
    ]


@given(
    st.floats(1e-9, 1e9), st.booleans(), st.sampled_from(["", "ms", "J", "bytes", "cameras", "×"])
)
def test_a_relaxed_limit_is_kept_by_the_value_and_close_to_it(
    value: float, at_least: bool, unit: Any
) -> None:
    limit = outward(value, unit, at_least=at_least)
    assert limit <= value if at_least else limit >= value
    assert abs(limit - value) <= max(2e-3 if unit == "" else 0, 0.02 * value)


# --- what always holds -------------------------------------------------------------------

figures = st.lists(
    st.tuples(st.floats(0.2, 0.6), st.floats(1, 50)), min_size=1, max_size=5, unique=True
)


def of(made: list[tuple[float, float]]) -> list[CellView]:
    return [timed(f"c{i}", accuracy, median) for i, (accuracy, median) in enumerate(made)]


@settings(max_examples=25, deadline=None)
@given(figures, st.floats(0.25, 0.55), st.floats(0, 0.1))
def test_tightening_never_makes_a_cell_likelier_to_be_feasible(
    made: list[tuple[float, float]], limit: float, more: float
) -> None:
    loose, tight = (
        by_name(asked(*of(made), require=[f"map>={at:.4f}"], minimize=["latency"], draws=200))
        for at in (limit, limit + more)
    )
    assert all(tight[name].p_feasible <= loose[name].p_feasible for name in loose)


@settings(max_examples=25, deadline=None)
@given(figures)
def test_a_limit_that_nothing_breaks_changes_nothing_of_the_odds(
    made: list[tuple[float, float]],
) -> None:
    without = asked(*of(made), require=["map>=0.4"], minimize=["latency"], draws=200)
    beside = asked(*of(made), require=["map>=0.4", "size<=1GB"], minimize=["latency"], draws=200)
    odds = [(one.cell, one.p_best, one.p_feasible) for one in without.candidates]
    assert odds == [(one.cell, one.p_best, one.p_feasible) for one in beside.candidates]
    assert without.recommended == beside.recommended
    assert sum(p for _, p, _ in odds) + without.p_none == pytest.approx(1)


def test_equal_seeds_give_equal_answers_whichever_cells_are_beside() -> None:
    question: dict[str, Any] = {"require": ["map>=0.39"], "minimize": ["latency"]}
    first = asked(*TWO, **question)
    assert first == asked(*TWO, **question)
    assert first != asked(*TWO, **question, seed=1)
    alone = asked(TWO[0], **question)
    assert by_name(alone)["small"].p_feasible == by_name(first)["small"].p_feasible


# --- costs -------------------------------------------------------------------------------


def test_costs_follow_from_prices_and_measured_rates() -> None:
    one = cell("a", energy=(energy(0.36),), cameras=(cameras(8, 9),))
    money = Money(
        hourly=(amount("0.36 EUR/h", "h"),), bought=(amount("250", "device"),), life_h=hours("1000h"),
        kwh=amount("0.30", "kWh"), cameras=20,
    )  # fmt: skip
    wanted = {
        "cost.million": 0.36 / 3600 / 100 * 1e6,
        "cost.device": 250 / 3.6e6 / 100 * 1e6,
        "cost.energy": 0.36 / 3.6e6 * 0.30 * 1e6,
        "cost.owned": 250 / 3.6e6 / 100 * 1e6 + 0.36 / 3.6e6 * 0.30 * 1e6,
        "devices": 3,
        "devices.price": 750,
    }
    for name, value in wanted.items():
        view = asked(one, minimize=[name], money=money)
        assert view.candidates[0].objective.value == pytest.approx(value), name
        assert view.objective.currency == ("" if name == "devices" else "EUR"), name
    by_cameras = asked(
        one, minimize=["cost.million"], money=money.model_copy(update={"rate": "cameras"})
    )
    assert by_cameras.candidates[0].objective.value == pytest.approx(0.36 / 3600 / 40 * 1e6)


def test_costs_carry_the_spread_of_what_they_are_made_from() -> None:
    money = Money(cameras=100, bought=(amount("10 USD", "device"),), kwh=amount("0.3", "kWh"))
    one = cell("a", energy=(energy(1.0),), cameras=(cameras(10, 40),))
    priced = asked(one, minimize=["devices.price"], money=money).candidates[0].objective
    assert (priced.value, priced.low, priced.high) == (100.0, 30.0, 100.0)
    spent = asked(one, minimize=["cost.energy"], money=money).candidates[0].objective
    assert (spent.low, spent.high) == pytest.approx((0.95 / 12, 1.05 / 12), rel=0.01)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cost.million", "--price"), ("cost.device", "--device-price"), ("cost.energy", "--kwh-price"),
        ("devices", "--cameras"), ("cost.owned", "--device-price"),
    ],
)  # fmt: skip
def test_a_cost_without_its_price_is_absent_and_names_the_option(name: str, reason: str) -> None:
    assert reason in str(asked(cell("a"), minimize=[name]).candidates[0].objective.reason)


def test_a_cost_without_its_measurement_is_absent() -> None:
    money = Money(cameras=4, kwh=amount("0.3", "kWh"), bought=(amount("gpu*=9", "device"),))
    one = cell("a", cameras=(cameras(None, 1),))
    for name, why in [
        ("cost.energy", "meter"), ("devices", "one is too many"), ("cost.device", "device cpu"),
    ]:  # fmt: skip
        assert why in str(asked(one, minimize=[name], money=money).candidates[0].objective.reason)


def test_where_no_load_was_missed_what_lies_beyond_it_is_not_shown() -> None:
    one = cell("a", cameras=(cameras(26, None),))
    view = asked(one, require=["cameras>=30", "cameras>=20", "cameras<=50"], maximize=["cameras"])
    beyond, within, above = view.candidates[0].checks
    assert (beyond.state, beyond.holds, beyond.p) == ("not shown", False, None)
    assert (within.state, within.holds, within.p) == ("holds", True, 1)
    assert (above.state, above.holds, above.p) == ("not shown", True, None)
    told = printed(view)
    assert "≥ 26 not shown" in told
    assert "≥ 26 inside" in told
    assert "so it may be more (≥)" in told
    assert "between a load that was met and one that was missed" not in told


def test_an_order_of_ends_of_searches_is_told_as_not_shown() -> None:
    most = asked(
        cell("a", cameras=(cameras(26, None),)),
        cell("b", cameras=(cameras(41, None),)),
        maximize=["cameras"],
    )
    assert "cameras ≥ 41." in verdict(most)
    assert verdict(most).endswith("≥ may be more: the order of such cells is not shown.")
    found = asked(
        cell("a", cameras=(cameras(26, 27),)),
        cell("b", cameras=(cameras(41, 42),)),
        maximize=["cameras"],
    )
    assert "not shown" not in verdict(found)


def test_fewer_devices_may_do_where_no_load_was_missed() -> None:
    money = Money(cameras=100, bought=(amount("250 EUR", "device"),))
    view = asked(
        cell("a", cameras=(cameras(26, None),)),
        require=["devices<=3", "devices<=4"],
        minimize=["devices.price"],
        money=money,
    )
    found = view.candidates[0]
    assert (found.objective.bound, found.objective.value) == ("at most", 1000)
    assert str(found.objective.reason).startswith("at most this: ")
    assert [check.state for check in found.checks] == ["not shown", "holds"]
    assert "≤ 4 inside" in printed(view)


def test_the_suites_price_is_used_and_given_way_to_an_own_one() -> None:
    price = Cost(
        per_million=1, currency="USD", images_per_s=100, basis="single stream", per_hour=0.36
    )
    one = cell("a", costs=(price,))
    assert asked(one, minimize=["cost"]).candidates[0].objective.value == pytest.approx(1)
    own = Money(hourly=(amount("cp*=0.72/h", "h"),))
    assert asked(one, minimize=["cost"], money=own).candidates[0].objective.value == pytest.approx(
        2
    )


def test_limits_on_costs_are_read_in_their_currency_alone() -> None:
    money = Money(bought=(amount("250 EUR", "device"),), life_h=hours("3y"))
    one = cell("a")
    fine = asked(one, require=["cost.device<=0.05 EUR"], minimize=["size"], money=money)
    assert fine.recommended == "a"
    with pytest.raises(UsageError, match=r"the prices are in EUR, the limit is in USD"):
        asked(one, require=["cost.device<=0.05 USD"], minimize=["size"], money=money)
    with pytest.raises(UsageError, match="several currencies"):
        asked(one, minimize=["size"], money=Money(
            bought=(amount("1 EUR", "device"),), kwh=amount("1 USD", "kWh")))  # fmt: skip


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "1 EURO", "0.4/d", "1e999x", "a=b"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a price"):
        amount(text, "h")


def test_lifetimes_are_read_in_hours() -> None:
    assert [hours(text) for text in ("3y", "18mo", "90d", "20000h")] == [26298, 13149, 2160, 20000]
    with pytest.raises(UsageError, match="not a lifetime"):
        hours("3 weeks")


# --- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "one objective is needed, not 0"),
        ({"minimize": ["size"], "maximize": ["map"]}, "one objective is needed, not 2"),
        ({"minimize": ["enrgy"]}, "no figure named"),
        ({"minimize": ["size"], "require": ["map>=35"]}, "fraction"),
        ({"minimize": ["size"], "require": ["latency<=10"]}, "unit"),
        ({"minimize": ["size"], "require": ["cost.device<=10 J"]}, "cost.device is not measured"),
        ({"minimize": ["size"], "require": ["no more than 3 % slower"]}, "relative"),
        ({"minimize": ["size"], "where": ["runtim=x"]}, "KEY=PATTERN"),
        ({"minimize": ["size"], "where": ["runtime=x"]}, "no cell matches"),
        ({"minimize": ["size"], "without": ["stolen"]}, "no cell is left"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_hint(question: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        asked(cell("a", caveats=(Caveat(code="stolen"),)), **question)
    assert caught.value.hint


def test_accuracies_of_two_datasets_or_tasks_are_not_mixed() -> None:
    cells = cell("a"), cell("b", dataset="other")
    with pytest.raises(UsageError, match="do not compare") as caught:
        asked(*cells, minimize=["size"])
    assert "--where 'dataset=line'" in str(caught.value.hint)
    assert asked(*cells, minimize=["size"], where=["dataset=oth*"]).recommended == "b"


def test_the_figures_that_are_named_choose_the_task_that_alone_knows_them() -> None:
    segmenter = {"task": "semantic-segmentation", "metrics": {"miou": 0.6}, "primary": "miou"}
    cells = cell("a"), cell("b", **segmenter, intervals={"miou": interval(0.6, 0.02)})
    assert asked(*cells, minimize=["size"], require=["map>=0.2"]).recommended == "a"
    assert asked(*cells, maximize=["miou"]).recommended == "b"
    for question in ({"minimize": ["size"]}, {"maximize": ["map"], "require": ["miou>=0.2"]}):
        with pytest.raises(UsageError, match="do not compare") as caught:
            asked(*cells, **question)
        assert "--where 'task=detection'" in str(caught.value.hint)


def test_where_takes_alternatives_of_one_key_and_all_keys_together() -> None:
    cells = cell("a"), cell("b"), cell("c", runtime="openvino")
    view = asked(*cells, minimize=["size"], where=["model=a", "model=c", "runtime=open*"])
    assert list(by_name(view)) == ["c"]


def test_a_refused_caveat_leaves_cells_out_and_an_admitted_one_is_marked() -> None:
    doubted = cell("a", caveats=(Caveat(code="stolen"),))
    admitted = cell("b", admitted=("precision",))
    view = asked(doubted, admitted, minimize=["size"], without=["stolen", "noisy"])
    assert [one.label for one in view.left_out] == ["a"]
    assert any("'noisy'" in note for note in view.notes)
    assert "b †" in printed(view)
    assert "a: --without stolen" in printed(view)


# --- what is printed ---------------------------------------------------------------------


def test_the_verdict_comes_first_with_its_numbers() -> None:
    view = asked(*TWO, require=["map>=0.30"], minimize=["latency.p50"])
    told = printed(view).splitlines()[0]
    assert told.startswith("Deploy small: latency.p50 5 ms (4.55 to 5.5). It is the best within")
    assert "100 % of 2,000 draws" in told


def test_an_answer_that_the_draws_do_not_favour_says_so() -> None:
    cells = cell("a", 0.401, 0.03, size=10), cell("b", 0.399, 0.03, size=5)
    view = asked(*cells, require=["map>=0.40"], minimize=["size"])
    assert view.recommended == "a"
    assert "Choose between" in verdict(view)
    assert "no cell is within the limit" in verdict(view)


def test_shares_that_are_not_quite_all_or_none_never_read_so() -> None:
    assert [share(p) for p in (0.0, 0.0005, 0.5, 0.9995, 1.0, None)] == [
        "0 %", "< 1 %", "50 %", "> 99 %", "100 %", "–",
    ]  # fmt: skip


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_is_printed_as_harmless_text(label: str) -> None:
    made = cell("a", label=label, caveats=(Caveat(code=label),)), cell("b", size=10)
    view = asked(*made, require=["map>=0.3"], minimize=["size"])
    told = printed(view)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert max(map(len, told.splitlines())) <= 160
    assert json.loads(json.dumps(view.document()))["candidates"][1]["label"] == label


def test_the_document_holds_no_number_that_json_cannot_have() -> None:
    view = asked(*TWO, broken("c"), require=["latency.p99<=1s"], minimize=["energy"])
    written = json.dumps(view.document(), allow_nan=False)
    assert json.loads(written)["run"] == view.run


def test_draws_of_every_kind_stay_finite() -> None:
    view = asked(
        timed("a", 0.4, 5.0, 50.0, cameras=(cameras(4, 90),)), require=["cameras>=5"],
        minimize=["latency"],
    )  # fmt: skip
    one = by_name(view)["a"]
    assert np.isfinite([one.p_feasible, one.p_best, one.p_front]).all()
    assert one.checks[0].slack_errors is not None
    assert not one.feasible
    assert one.p_feasible > 0.8
