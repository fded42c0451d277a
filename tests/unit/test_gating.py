"""Limits on cells that look measured: what decides, what cannot, and how many share the error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api, limits, turnbook
from benchbench.baselines import Process
from benchbench.cli.verdict import print_gate
from benchbench.compare_view import Delta, Side
from benchbench.comparing import Source, Two
from benchbench.errors import UsageError
from benchbench.gate_view import GateView, LimitView
from benchbench.gating.changes import Pairs, change_tails, known_change, ratios
from benchbench.gating.doubts import CODES
from benchbench.gating.figures import Unknown
from benchbench.gating.gate import _wanted
from benchbench.gating.judging import Judge
from benchbench.gating.looks import following, spent
from benchbench.gating.opposites import Opposites
from benchbench.gating.retrying import Turns, watched
from benchbench.gating.verdicts import Judged, decided, exit_code
from benchbench.gating.ways import Ways
from benchbench.load_view import CamerasView, LoadProbe, ServerView
from benchbench.stats import energy_turns, sequential
from benchbench.stats.limits import Estimate, Exact, Watched, tails
from benchbench.stats.turns import Pair
from benchbench.store import Store
from benchbench.suite.gates import GateEntry, LoadedGate
from benchbench.suite.takes import ComparisonEntry, Where
from benchbench.turns_view import (
    ProcessesView,
    ProcessFigure,
    ProcessPercentile,
    RatioView,
    TurnsView,
)
from benchbench.types import (
    ArtifactInfo,
    Caveat,
    Cell,
    Compared,
    Elsewhere,
    Failure,
    LookRule,
    Take,
    Taken,
    Variant,
)
from benchbench.view import CellView, Interval, LatencyView, RunView
from tests import report_measured

LEVEL = 0.95


def cell(name: str = "a", **changes: Any) -> CellView:
    """Return a measured cell with a score of 0.50 ± 0.02 (one standard error)."""
    score = Interval(
        value=0.5, se=0.02, low=0.46, high=0.54, level=LEVEL, images=200, replicates=1000, seed=0
    )
    made = CellView(
        id=name, label=f"m · {name} · fp32", model="m", runtime=name, precision="fp32",
        device="cpu", batch=1, dataset="d", split="val", task="detection", status="measured",
        metrics={"map": 0.5, "coverage.device": 0.95}, primary="map", intervals={"map": score},
        counts={"images": 200},
    )  # fmt: skip
    return made.model_copy(update=changes)


def processes(low: float, high: float, count: int = 10, **more: Any) -> ProcessesView:
    wall = ProcessFigure(
        median_ms=(low * high) ** 0.5, low_ms=low, high_ms=high, level=LEVEL, medians_ms=(1.0,)
    )
    return ProcessesView(processes=count, grade="full", wall=wall, cpu=wall, **more)


def judged(
    cells: Sequence[CellView],
    *entries: GateEntry,
    turns: Sequence[TurnsView] = (),
    **options: Any,
) -> list[Judged]:
    view = RunView(
        run="r", suite="s", created="", updated="", cells=tuple(cells), turns=tuple(turns)
    )
    source = Source(Side(text="r", run="r"), view, view.cells, None)
    made = Judge(source, Opposites(source, Store(Path("nowhere"))), **options)
    loaded = [LoadedGate(one, limits.parse(one.limit), "f.yaml", 3) for one in entries]
    return made.all(loaded)


def judge(cells: Sequence[CellView], *entries: GateEntry, **more: Any) -> tuple[LimitView, ...]:
    return decided(judged(cells, *entries, **more), 0.05)


def only(found: Sequence[LimitView]) -> LimitView:
    (one,) = found
    return one


def entry(text: str, **more: Any) -> GateEntry:
    return GateEntry(limit=text, **more)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("map >= 0.45", "pass"),
        ("map >= 0.49", "inconclusive"),
        ("map >= 0.55", "fail"),
        ("map >= 0.5 on these images", "pass"),
        ("map > 0.5 on these images", "fail"),
        ("map <= 0.55", "pass"),
        ("coverage.device >= 95 %", "pass"),
        ("coverage.device > 95 %", "fail"),
    ],
)
def test_scores_are_judged_by_their_error_and_counted_figures_as_they_are(
    text: str, outcome: str
) -> None:
    assert only(judge([cell()], entry(text))).outcome == outcome


def test_latency_is_judged_by_processes_and_one_process_decides_nothing() -> None:
    several = cell(processes=processes(9.0, 11.0))
    assert only(judge([several], entry("latency.p50 <= 12 ms"))).outcome == "pass"
    assert only(judge([several], entry("latency.p50 <= 8 ms"))).outcome == "fail"
    found = only(judge([several], entry("latency.p50 <= 11 ms")))
    assert found.p_holds == pytest.approx(0.025)  # the end of a two-sided interval of 95 %
    twice = only(judge([several], entry("latency.p50 <= 11 ms"), retries=True))
    assert twice.p_holds == pytest.approx(0.05)


def test_a_pooled_percentile_is_judged_by_its_interval_alone() -> None:
    p90 = ProcessPercentile(
        percentile=90, value_ms=10, low_ms=9, high_ms=14, method="pooled processes"
    )
    pooled = cell(processes=processes(9, 11, percentiles=(p90,)))
    found = only(judge([pooled], entry("latency.p90 <= 14 ms")))
    assert (found.p_holds, found.outcome) == (pytest.approx(0.025), "pass")
    assert only(judge([pooled], entry("latency.p90 <= 13 ms"))).outcome == "inconclusive"


def probe(level: float, verdict: Any, over: float) -> LoadProbe:
    return LoadProbe(
        level=level, queries=2000, effective_queries=2000, latency_ms=None, over=over,
        over_interval=(0, 1), verdict=verdict, offered_qps=None, achieved_qps=level,
        lateness_p99_ms=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "outcome"), [(90, "pass"), (100, "pass"), (120, "inconclusive"), (150, "fail")]
)
def test_a_search_decides_outside_its_bracket_only(rate: int, outcome: str) -> None:
    server = ServerView(
        percentile=99, bound_ms=20, streams=1, highest_met_qps=100, lowest_missed_qps=150,
        probes=(probe(100, "met", 0.001), probe(120, "undecided", 0.01), probe(150, "missed", 0.1)),
    )  # fmt: skip
    found = only(judge([cell(server=(server,))], entry(f"server.rate >= {rate} qps")))
    assert found.outcome == outcome


def test_what_was_not_measured_never_passes_and_a_failure_fails() -> None:
    failure = Failure(code="timeout", stage="run", message="too slow", hint="raise it")
    cells = [cell("a"), cell("b", status="failed", failure=failure),
             cell("c", status="not_run", failure=failure)]  # fmt: skip
    found = judge(cells, entry("map >= 0.1"))
    assert [one.outcome for one in found] == ["pass", "fail", "inconclusive"]
    assert "too slow" in found[1].reason
    assert found[2].hint == "raise it"


def test_a_doubt_that_the_limit_refuses_is_told_with_its_figures() -> None:
    doubted = cell(caveats=(Caveat(code="contended", figures={"ratio": 1.4142}),))
    found = only(judge([doubted], entry("map >= 0.1", without="contended")))
    assert found.outcome == "inconclusive"
    assert found.reason == "the cell is doubted: contended (ratio 1.41)"
    assert only(judge([doubted], entry("map >= 0.1", without="noisy"))).outcome == "pass"


def test_a_broken_limit_among_many_may_be_chance_and_says_so() -> None:
    text = "map >= 0.54"  # two standard errors above the value
    assert only(judge([cell()], entry(text))).outcome == "fail"
    many = judge([cell(str(n)) for n in range(10)], entry(text), entry("map >= 0.1"))
    assert {one.outcome for one in many[:10]} == {"inconclusive"}
    assert "among so many limits" in many[0].reason
    assert many[0].p_broken_adjusted == pytest.approx(20 * many[0].p_broken)


def test_names_are_unique_where_labels_are_not() -> None:
    found = judge([cell("a"), cell("b", label="m · a · fp32")], entry("map >= 0.1", name="x"))
    assert [one.name for one in found] == ["x · m · a · fp32 (1)", "x · m · a · fp32 (2)"]
    assert (found[0].file, found[0].line) == ("f.yaml", 3)


def test_a_figure_that_one_cell_lacks_is_told_and_that_all_lack_is_an_error() -> None:
    bare = cell("b", metrics={}, primary=None, intervals={})
    found = judge([cell("a"), bare], entry("map >= 0.1"))
    assert [one.outcome for one in found] == ["pass", "inconclusive"]
    with pytest.raises(UsageError, match=r"^f\.yaml:3: .*no figure named 'miou'"):
        judge([cell("a")], entry("miou >= 0.1"))


def test_a_figure_of_another_task_is_asked_of_no_cell_of_this_one() -> None:
    other = cell("b", task="segmentation", metrics={"miou": 0.8}, primary="miou", intervals={})
    broken = Failure(code="timeout", stage="run", message="too slow", hint="raise it")
    dead = cell("c", status="failed", failure=broken)
    assert [one.cell for one in judge([cell("a"), other, dead], entry("map >= 0.1"))] == ["a", "c"]
    # Nobody can say whether the dead cell would have had it: it fails, it is no error.
    assert only(judge([other, dead], entry("map >= 0.1"))).outcome == "fail"


def test_fp32_is_passed_over_and_a_cell_without_its_like_is_inconclusive() -> None:
    found = only(
        judge(
            [cell("a"), cell("b", precision="int8", model="other")],
            entry("no more than 1 point of map lost than fp32"),
        )
    )
    assert found.cell == "b"
    assert found.outcome == "inconclusive"
    assert "no cell to set it against" in found.reason
    with pytest.raises(UsageError, match="its own baseline"):
        judge([cell("a")], entry("no more than 1 point of map lost than fp32"))


def test_opposites_are_alike_in_what_the_limit_does_not_name() -> None:
    grid = product(("x", "y"), ("torch", "onnxruntime"), ("fp32", "int8"), (1, 8))
    cells = [cell(f"{m}{r}{p}{b}", model=m, runtime=r, precision=p, batch=b) for m, r, p, b in grid]
    view = RunView(run="r", suite="s", created="", updated="", cells=tuple(cells))
    source = Source(Side(text="r", run="r"), view, view.cells, None)
    opposites = Opposites(source, Store(Path("nowhere")))

    def found(name: str, against: str | Where) -> list[str] | None:
        of = next(one for one in cells if one.id == name)
        told = opposites.of(of, against)
        return None if isinstance(told, Unknown) else [one.cell.id for one in told]

    for _ in range(2):  # found anew, and as it was kept
        assert found("xtorchint81", "fp32") == ["xtorchfp321"]
        assert found("xtorchfp321", "fp32") == []
        assert found("yonnxruntimeint88", Where(runtime=("to*",))) == ["ytorchint88"]
        assert found("ytorchint88", Where(runtime=("to*",))) == []
        every = [one.id for one in cells if one.runtime == "torch" and one.model == "x"]
        wide = Where(runtime=("torch",), precision=("*",), batch=(1, 8))
        assert found("xonnxruntimeint81", wide) == every
        assert found("xonnxruntimeint81", Where(runtime=("torch",))) == ["xtorchint81"]
        assert found("xtorchint81", Where(runtime=("none",))) is None


def change(**changes: Any) -> Delta:
    made = Delta(
        quantity="latency.p50", family="latency", unit="ms", higher_is_better=False, a=10, b=10.4,
        scale="ratio", change=1.04, low=1.02, high=1.06, se=0.01, df=7, design="turns",
        outcome="worse",
    )  # fmt: skip
    return made.model_copy(update=changes)


def test_turns_fail_where_slower_at_all_is_shown_and_the_estimate_is_beyond_the_margin() -> None:
    found = change()
    said = known_change(found, Pairs())
    assert isinstance(said, Estimate)
    assert change_tails(said, found, 1.03, "at most").broken < 0.01
    assert change_tails(said, found, 1.05, "at most").broken == 1
    rounds = change(design="rounds")
    assert change_tails(said, rounds, 1.03, "at most").broken > 0.1


def test_a_trend_is_unknown_equal_draws_are_exact_and_retries_watch_every_pair() -> None:
    trend = known_change(change(design="trend", reason="two jobs"), Pairs())
    assert isinstance(trend, Unknown)
    assert "take turns" in trend.hint
    seen = ((0.1, 0.2), False)
    same = change(design="images", scale="difference", change=0.0, low=0.0, high=0.0, se=None)
    assert known_change(same, Pairs()) == Exact(0.0)
    assert known_change(change(), Pairs(seen, watched=True)) == Watched((0.1, 0.2))
    twice = Pairs(seen, watched=True, rounds=True)
    assert known_change(change(), twice) == Watched((0.1, 0.2), looks=2)
    assert known_change(change(design="rounds", df=9), twice).looks == 4
    assert isinstance(known_change(change(), Pairs(seen)), Estimate)


def test_turns_are_found_whichever_side_was_the_baseline() -> None:
    view = report_measured.measured()
    turns = next(one for one in view.turns if one.log_ratios)
    cells = {one.id: one for one in view.cells}
    source = Source(Side(text="r", run="r"), view, view.cells, None)

    def told(a: str, b: str, **changes: Any) -> tuple[float, ...]:
        found = ratios(Two(source, cells[a], source, cells[b]), change(**changes))
        return found[0] if found else ()

    assert told(turns.a, turns.b) == turns.log_ratios
    assert told(turns.b, turns.a) == tuple(-value for value in turns.log_ratios)
    assert told(turns.a, turns.a) == ()


def test_energy_by_turns_is_judged_by_the_ratios_of_energy() -> None:
    view = TurnsView(
        a="a", b="b", pairs=2, verdict="pass", faster=None, margin=0.05, alpha=0.05, looks=1,
        settled_by="sequence", log_ratios=(0.1, 0.2), energy_log_ratios=(0.7, 0.8), energy_pairs=2,
        energy_meter="nvml", wall=RatioView(ratio=1.0), cpu=RatioView(ratio=None),
    )  # fmt: skip
    run = RunView(run="r", suite="s", created="", updated="", cells=(cell("a"), cell("b")))
    run = run.model_copy(update={"turns": (view,)})
    source = Source(Side(text="r", run="r"), run, run.cells, None)
    two = Two(source, run.cells[0], source, run.cells[1])
    asked = {"quantity": "energy", "family": "energy"}
    assert ratios(two, change(**asked)) == ((0.7, 0.8), True)
    assert ratios(two, change(**asked, subject="meter=rapl")) is None
    assert ratios(two, change()) == ((0.1, 0.2), True)


LOGS = (0.1798, 0.1835, 0.1810, 0.1842, 0.1899)
"""Log ratios of pairs: slower by 20 %, and the last one a little off."""


def compared_after(
    logs: Sequence[float], margin: float = 0.05, rule: LookRule = "sequence"
) -> TurnsView:
    """Return the comparison of b with a whose pairs' log ratios were *logs*."""
    asked = Compared(
        id="c", baseline="a", candidate="b", slower=margin, pairs=4, most_pairs=20, rule=rule,
        takes=(),
    )  # fmt: skip
    one = np.full((3, 5), 1_000_000_000)
    taken = [Pair(np.array([0, 1, 0]), one, np.round(one * exp(v)).astype(int)) for v in logs]
    return turnbook.view(asked, taken, 1)


def timed(name: str, median_ms: float, **changes: Any) -> CellView:
    late = LatencyView.model_construct(p50_ms=median_ms, queries=99, withheld={})
    return cell(name, latency=late, **changes)


def two_timed(ratio: float = 1.2) -> list[CellView]:
    return [timed("a", 10.0), timed("b", 10.0 * ratio, precision="int8", runtime="a")]


def test_a_line_shows_all_pairs_that_decide_and_the_comparison_keeps_those_that_settled_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns = compared_after(LOGS)
    assert (turns.verdict, turns.pairs, len(turns.log_ratios)) == ("regression", 4, 5)
    text = "no more than 5 % slower than fp32"
    limit = only(judge(two_timed(), entry(text), turns=[turns], retries=True))
    assert limit.basis == "5 pairs, looked at one by one (the comparison was settled after 4)"
    bounds = sequential.bounds(LOGS, 0.025)
    assert limit.change == pytest.approx(exp(np.mean(LOGS)))
    ends = (limit.change_low, limit.change_high)
    assert ends == pytest.approx((exp(bounds.low), exp(bounds.high)))
    assert limit.p_broken == tails(Watched(turns.log_ratios), 1.0, "at most").broken
    settled = only(judge(two_timed(), entry(text), turns=[compared_after(LOGS[:4])]))
    assert settled.basis == "4 pairs, looked at one by one"
    assert settled.change < limit.change

    gate = GateView(run="r", suite="s", created="", outcome=limit.outcome, on_inconclusive="retry",
                    exit_code=1, alpha=0.05, limits=(limit,))  # fmt: skip
    print_gate(gate)
    percent = [f"{100 * (one - 1):+.1f} %" for one in (limit.change, *ends)]
    low_high = f"({percent[1]} to {percent[2]})"
    assert f"{percent[0]} {low_high}; {limit.basis}" in capsys.readouterr().out
    assert gate.document()["limits"][0]["basis"] == limit.basis
    view = report_measured.measured().model_copy(update={"gate": gate})
    told = f"{limit.change:.4g} ×"
    span = f"interval {ends[0]:.4g} × to {ends[1]:.4g} ×; {limit.basis}"
    for kind in ("junit", "github-summary", "github-annotations", "html"):
        made = api.rendered(view, kind).decode()
        assert told in made, kind
        assert span in made, kind
    assert limit.basis in api.rendered(view, "latex").decode()


def test_pairs_at_fixed_looks_decide_as_they_are_unless_a_retry_may_take_more() -> None:
    turns = compared_after(LOGS, rule="two-looks")
    assert (turns.settled_by, turns.pairs) == ("looks", 4)
    text = entry("no more than 5 % slower than fp32")
    fixed = only(judge(two_timed(), text, turns=[turns]))
    assert fixed.basis == "4 pairs"
    assert fixed.change == pytest.approx(exp(np.mean(LOGS[:4])))
    retried = only(judge(two_timed(), text, turns=[turns], retries=True))
    assert retried.basis.startswith("5 pairs, looked at one by one")
    assert retried.change == pytest.approx(exp(np.mean(LOGS)))


def test_pairs_that_carry_no_bounds_have_a_change_without_an_interval() -> None:
    turns = compared_after(LOGS[:2])
    limit = only(judge(two_timed(), entry("no more than 5 % slower than fp32"), turns=[turns]))
    assert (limit.outcome, limit.basis) == ("inconclusive", "2 pairs, looked at one by one")
    assert (limit.change_low, limit.change_high) == (None, None)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(3.0, "pass"), (3.97, "inconclusive"), (5.0, "fail")]
)
def test_a_margin_of_several_times_is_settled_by_pairs(ratio: float, verdict: str) -> None:
    text = entry("no more than 300 % slower than fp32")
    (before,) = judged(two_timed(ratio), text, retries=True)
    assert before.turns == Turns("a", "b", 3.0, looks=2)
    logs = [log(ratio) + more for more in (0.02, -0.01, 0.015, -0.02, 0.005)]
    turns = compared_after(logs, margin=3.0)
    assert turns.verdict == {"fail": "regression"}.get(verdict, verdict)
    limit = only(judge(two_timed(ratio), text, turns=[turns], retries=True))
    assert (limit.outcome, limit.limit) == (verdict, 4.0)


def test_pairs_with_another_run_are_of_the_very_file_that_it_measured() -> None:
    artifact = ArtifactInfo(variant=Variant(format="f"), sha256="x", bytes=1)
    old, new = cell("a", artifact=artifact), cell("b", artifact=artifact)
    elsewhere = Elsewhere(run="old", artifact="x", label="m")
    view = TurnsView(
        a="a", b="b", elsewhere=elsewhere, pairs=2, verdict="pass", faster=None, margin=0.05,
        alpha=0.05, looks=1, settled_by="sequence", log_ratios=(0.1, 0.2),
        wall=RatioView(ratio=1.0), cpu=RatioView(ratio=None),
    )  # fmt: skip

    def source(name: str, one: CellView, *turns: TurnsView) -> Source:
        run = RunView(run=name, suite="s", created="", updated="", cells=(one,), turns=turns)
        return Source(Side(text=name, run=name), run, run.cells, None)

    here, there = source("new", new, view), source("old", old)
    assert ratios(Two(there, old, here, new), change()) == ((0.1, 0.2), True)
    assert ratios(Two(here, new, there, old), change()) == ((-0.1, -0.2), True)
    assert ratios(Two(source("other", old), old, here, new), change()) is None
    again = old.model_copy(update={"artifact": artifact.model_copy(update={"sha256": "y"})})
    assert ratios(Two(source("old", again), again, here, new), change()) is None
    both = source("new", new, view)
    assert ratios(Two(both, old, both, new), change()) is None


def test_exit_codes_say_what_inconclusive_is_asked_to_do() -> None:
    codes = [exit_code(o, h) for o in ("pass", "fail", "inconclusive") for h in ("fail", "pass")]
    assert codes == [0, 0, 1, 1, 4, 0]
    assert exit_code("inconclusive", "retry") == 4


def test_a_settled_verdict_takes_no_share_of_the_error() -> None:
    (open_one,) = judge([cell()], entry("map >= 0.54"))
    failed = open_one.model_copy(update={"p_broken": None, "outcome": "fail"})
    made = [Judged(open_one), *(Judged(failed, settled=True) for _ in range(9))]
    assert decided(made, 0.05)[0].p_broken_adjusted == open_one.p_broken


# --- what a limit may not pass over in silence --------------------------------------------------


def test_a_misspelt_figure_is_an_error_though_a_cell_was_not_run() -> None:
    absent = cell("b", status="not_run")
    with pytest.raises(UsageError, match=r"^f\.yaml:3: .*no figure named 'mapp'") as error:
        judge([cell("a"), absent], entry("mapp >= 0.1"))
    assert "map" in error.value.hint
    # Not of this task, nor of any that is known.
    with pytest.raises(UsageError, match="no figure named 'top2'"):
        judge([cell("a"), absent.model_copy(update={"task": "x"})], entry("top2 >= 0.1"))


def test_a_run_is_no_baseline_of_itself() -> None:
    view = RunView(run="r", suite="s", created="", updated="", cells=(cell("a", started="t"),))
    source = Source(Side(text="r", run="r"), view, view.cells, None)
    opposites = Opposites(source, Store(Path("nowhere")))
    opposites._opened["base"] = Source(Side(text="base", run="r"), view, view.cells, None)
    found = opposites.of(view.cells[0], "base")
    assert isinstance(found, Unknown)
    assert "this run itself" in found.reason
    again = view.model_copy(update={"cells": (cell("a", started="later"),)})
    other = Source(Side(text="base", run="r"), again, again.cells, None)
    repeated = Opposites(source, Store(Path("nowhere")), _opened={"base": other})
    assert not isinstance(repeated.of(view.cells[0], "base"), Unknown)


def test_a_share_of_int8_and_a_speedup_are_not_asked_of_fp32_cells() -> None:
    both = [cell("a"), cell("b", precision="int8")]
    for text in ("coverage.int8 >= 95 %", "speedup >= 1.2x"):
        assert [one.cell for one in judge(both, entry(text))] == ["b"]
    assert len(judge(both, entry("coverage.int8 <= 95 %"))) == 2
    picked = entry("coverage.int8 >= 95 %", where={"precision": "fp32"})
    assert only(judge(both, picked)).cell == "a"
    with pytest.raises(UsageError, match="every cell that it picks is fp32 itself"):
        judge([cell("a")], entry("speedup >= 1.2x"))


def test_a_doubt_that_is_misspelt_is_an_error() -> None:
    with pytest.raises(UsageError, match="no doubt is called 'contened'") as error:
        judge([cell()], entry("map >= 0.1", without=["contened"]))
    assert error.value.hint == "did you mean 'contended'?"
    judge([cell(caveats=(Caveat(code="of_plugin"),))], entry("map >= 0.1", without=["of_plugin"]))
    from benchbench.reports.doubts import CAVEATS

    assert set(CODES) == set(CAVEATS)


def test_memory_of_one_run_is_compared_as_it_is() -> None:
    cells = [cell("a", memory={"inference": 100}),
             cell("b", precision="int8", runtime="a", memory={"inference": 120})]  # fmt: skip
    limit = "no more than {} % more memory than fp32"
    assert only(judge(cells, entry(limit.format(10)))).outcome == "fail"
    assert only(judge(cells, entry(limit.format(30)))).outcome == "pass"


@pytest.mark.parametrize(
    ("quantity", "hint"), [("server.rate", "the rate itself"), ("cameras", "the number itself")]
)
def test_two_brackets_far_apart_decide_nothing_as_each_is_of_one_process(
    quantity: str, hint: str
) -> None:
    def searched(name: str, rate: float, **more: Any) -> CellView:
        probes = (probe(rate, "met", 0.0), probe(rate * 1.05, "missed", 0.5))
        met, missed = rate, rate * 1.05
        if quantity == "cameras":
            cameras = CamerasView(
                fps=1, deadline_ms=10, miss_share=0.01, drop_late=False, streams=1,
                highest_met=round(met), lowest_missed=round(missed), worst_camera={},
                probes=probes,
            )  # fmt: skip
            return cell(name, cameras=(cameras,), **more)
        server = ServerView(
            percentile=99, bound_ms=10, streams=1, highest_met_qps=met, lowest_missed_qps=missed,
            probes=probes,
        )  # fmt: skip
        return cell(name, server=(server,), **more)

    cells = [searched("a", 1000), searched("b", 100, precision="int8", runtime="a")]
    found = only(judge(cells, entry(f"no more than 5 % less {quantity} than fp32")))
    assert (found.outcome, found.change) == ("inconclusive", pytest.approx(0.1))
    assert "each search is of one process" in found.reason
    assert hint in found.hint


def test_the_looks_of_a_retry_share_alpha_whatever_number_it_is_cut_at() -> None:
    counts = [following(0), following(10), following(20)]
    assert counts == [10, 20, 40]
    assert sum(1 / spent(count) for count in range(2, 41)) <= 1
    assert (spent(10), spent(20), spent(40)) == (2, 4, 8)


def test_pairs_of_a_retry_go_on_to_the_alpha_that_the_gate_needs() -> None:
    (one,) = judge([cell()], entry("map >= 0.54"))
    waiting = one.model_copy(update={"outcome": "inconclusive"})
    turns = Turns("a", "b", 0.03, looks=2)
    made = [Judged(waiting, turns=turns), Judged(waiting), Judged(waiting, exact=True)]
    (found,) = _wanted(made, [waiting] * 3, 0.05).turns
    assert found.questions == 4
    (half,) = _wanted(made, [waiting] * 3, 0.025).turns
    assert half.questions == 8


ELSEWHERE = Elsewhere(run="old", artifact="x", label="m")
NVML, RAPL = {"kind": "nvml", "index": 1}, {"kind": "rapl"}


def asked_before(meter: str | None) -> Compared:
    return Compared(
        id=f"by {meter}", baseline="a", candidate="b", slower=0.05, pairs=4, most_pairs=20,
        rule="sequence", takes=(), meter=meter, elsewhere=ELSEWHERE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "meters"),
    [
        ((), ["nvml", "nvml"]),
        ((asked_before(None),), [None, "nvml"]),
        ((asked_before(None), asked_before("nvml")), [None, "nvml"]),
        ((asked_before("nvml"), asked_before(None)), ["nvml", "nvml"]),
    ],
)
def test_latency_and_energy_against_another_run_share_pairs_unless_latency_began_without_a_meter(
    before: tuple[Compared, ...], meters: list[str | None]
) -> None:
    latency = Turns("a", "b", 0.03, elsewhere=ELSEWHERE)
    energy = Turns("a", "b", 0.05, settles="energy", elsewhere=ELSEWHERE, meter="nvml")
    assert [one.meter for one in watched([latency, energy], before)] == meters
    here = Turns("a", "b", 0.03)
    assert list(watched([here, energy], before)) == [here, energy]


def metered_by(*meters: dict[str, Any] | None) -> list[ComparisonEntry]:
    """Return comparisons of any two cells, each by a meter."""
    return [
        ComparisonEntry(baseline=Where(), candidate=Where(), turns=3 + n, meter=meter)
        for n, meter in enumerate(meters)
    ]


def took_energy(meter: dict[str, Any], **more: Any) -> Taken:
    take = Take.of("energy", "b", {"meter": meter, "trials": 2})
    return Taken(take=take, environment="", started="", wall_s=1, **more)


def test_pairs_with_another_run_carry_the_meter_of_the_suites_comparison_or_of_the_cells_energy() -> (
    None
):
    candidate = Cell.model_construct(
        id="b", model="m", runtime="r", precision="fp32", device="cpu", batch=1, dataset="d"
    )

    def way(entries: Sequence[ComparisonEntry], *taken: Taken) -> tuple[int, Any]:
        found = Ways(entries, taken).apart(candidate, "nvml")
        return found.turns, found.meter

    taken = took_energy({"kind": "nvml"})
    assert way(metered_by(None, RAPL, NVML), taken) == (5, NVML)
    assert way(metered_by(RAPL), took_energy(RAPL), taken) == (3, {"kind": "nvml"})
    assert way([], taken) == (25, {"kind": "nvml"})
    other = Where(runtime=("other",))
    elsewhere = ComparisonEntry(baseline=Where(), candidate=other, meter=NVML)
    assert way([elsewhere], taken) == (25, {"kind": "nvml"})
    assert Ways(metered_by(NVML)).apart(candidate, None).meter is None


def test_energy_that_no_meter_told_is_inconclusive_and_says_what_to_ask_for() -> None:
    why = "a has none: the suite names no meter for this cell"
    asked = {"quantity": "energy", "family": "energy", "design": "trend"}
    found = known_change(change(**asked, change=None, reason=why), Pairs())
    assert isinstance(found, Unknown)
    assert (found.reason, "measure.energy" in found.hint) == (why, True)
    failed = known_change(change(**asked), Pairs(failed="nvml: it is gone"))
    assert isinstance(failed, Unknown)
    assert "nvml: it is gone" in failed.reason
    assert "run --fresh" in failed.hint


def test_a_meter_that_failed_in_the_first_pairs_is_not_asked_again() -> None:
    failed = energy_turns.missing("it is gone")
    asked = asked_before("nvml")
    assert [turnbook.energy_settled(asked, [failed] * n, 1) for n in (0, 2, 3)] == [
        False, False, True,
    ]  # fmt: skip


def test_throughput_is_judged_by_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    late = LatencyView.model_construct(mean_ms=10.0, throughput_ips=200.0, queries=9, withheld={})
    means = [Process(number=n, figures={"latency.mean": 9.9 + 0.1 * (n % 3)}) for n in range(10)]
    monkeypatch.setattr(Source, "processes", lambda *_: tuple(means))
    found = only(judge([cell(latency=late)], entry("throughput >= 150 images/s")))
    assert (found.outcome, found.basis) == ("pass", "10 processes")
    assert found.value == pytest.approx(200, rel=0.02)  # two images a query


def test_the_terminal_names_the_limit_tells_the_closest_and_the_test_that_decided(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = [cell(n, metrics={"map": v}) for n, v in (("far", 0.9), ("near", 0.51))]
    limits = judge(cells, entry("map >= 0.5 on these images", name="good enough"))
    several = cell("p", processes=processes(9.0, 11.1))
    limits += judge([several], entry("latency.p50 <= 11 ms"))
    print_gate(
        GateView(run="r", suite="s", created="", outcome="pass", on_inconclusive="fail",
                 exit_code=0, alpha=0.05, limits=limits)
    )  # fmt: skip
    out = capsys.readouterr().out
    assert "good enough: map >= 0.5 on these images  2 cells, closest m · near" in out
    assert "95 %; one-sided p 0.0" in out


def test_what_was_built_alone_says_why() -> None:
    board = Caveat(code="compiled_only", figures={"reason": "there is no board here"})
    found = only(judge([cell(status="compiled", caveats=(board,))], entry("map >= 0.1")))
    assert found.reason.endswith("there is no board here")
    assert found.outcome == "inconclusive"


def test_a_baseline_that_is_not_there_is_told_with_the_place_of_its_limit() -> None:
    with pytest.raises(UsageError, match=r"^f\.yaml:3: .*nosuch"):
        judge([cell()], entry("no more than 1 point of map lost against nosuch"))
