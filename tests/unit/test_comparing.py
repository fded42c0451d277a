"""Sides set against each other: what is comparable, what changed, and what may be said of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.baselines import Baseline, Process
from benchbench.baselines.format import KeptDraws, KeptSample, Packed
from benchbench.cli import compare as cli_compare
from benchbench.columns import save_arrays
from benchbench.compare_view import Delta
from benchbench.comparing import Asked, Source, compare, delta, differing, of_baseline, pair
from benchbench.comparing.choosing import chosen
from benchbench.comparing.conclusions import concluded
from benchbench.errors import UsageError
from benchbench.quantities import Named
from benchbench.stats import comparing, sequential
from benchbench.stats.energy import summarise
from benchbench.stats.resampling import Draws, Sample
from benchbench.store import Run
from benchbench.turns_view import RatioView, TurnsView
from benchbench.types import ArtifactInfo, Placement, Take, Taken, Variant
from benchbench.view import CellView, Interval, LatencyView, RunView
from tests.unit.test_stats_energy import columns as energy_columns

DRAWS = Draws(images=50, replicates=200, seed=0)
MACHINE = {
    "key": "k",
    "cpu": {"model": "CPU One", "logical": 2},
    "system": {"release": "6.1"},
    "limits": {"cpu": "max"},
    "math_variables": {},
    "governor": "performance",
    "virtualised": True,
}
DATASET = {"name": "line", "split": "val", "images": 50, "content_sha256": "aa"}
PROTOCOL = {
    "dataset": DATASET,
    "preprocessing": {"input": "320 × 320", "filter": "bilinear"},
    "decoder": {"kind": "fcos", "nms": "IoU > 0.6"},
    "latency": {"queries": 100, "canary": 20},
    "threads": 1,
    "affinity": [],
}


def latency(p50: float) -> LatencyView:
    return LatencyView(
        queries=200, effective_queries=200, mean_ms=p50, p50_ms=p50, p90_ms=p50, p95_ms=p50,
        p99_ms=None, withheld={"p99_ms": "few"}, throughput_ips=1000 / p50, stages_ms={},
    )  # fmt: skip


def cell(name: str = "c1", **changes: Any) -> CellView:
    value = changes.pop("value", 0.5)
    made: dict[str, Any] = {
        "id": name,
        "label": f"m · rt · fp32 {name}",
        "model": "m",
        "runtime": "rt",
        "precision": "fp32",
        "device": "cpu",
        "batch": 1,
        "dataset": "line",
        "split": "val",
        "task": "detection",
        "status": "measured",
        "metrics": {"map": value},
        "primary": "map",
        "intervals": {"map": Interval(value=value, level=0.95, images=50, replicates=200, seed=0)},
        "evaluator": "hotcoco 1.3.0",
        "convention": {"crowd": "ignored"},
        "counts": {"images": 50},
        "latency": latency(10.0),
        "placement": Placement(
            requested_provider="p", provider="p", requested_device="cpu", device="cpu",
            requested_precision="fp32", precision="fp32", threads=1, source="s",
        ),
        "artifact": ArtifactInfo(
            variant=Variant(format="onnx", precision="fp32"), sha256="0", bytes=1000
        ),
        "memory": {"inference": 5000},
        "protocol": PROTOCOL,
        "versions": {"rt": "1.0"},
    }  # fmt: skip
    return CellView(**made | changes)


def kept(values: np.ndarray, of_class: np.ndarray | None = None) -> KeptDraws:
    sample = Sample(np.array(values.mean()), values)
    by_class = {}
    if of_class is not None:
        by_class = {"map": KeptSample.of(Sample(of_class.mean(axis=0), of_class), "<f4")}
    return KeptDraws(
        images="i", replicates=len(values), seed=0, metrics={"map": KeptSample.of(sample, "<f8")},
        classes=("a", "b") if by_class else (), by_class=by_class,
    )  # fmt: skip


def processes(medians: list[float], canary: float = 10.0) -> tuple[Process, ...]:
    return tuple(
        Process(
            number=number,
            figures={"latency.p50": median, "latency.mean": median},
            canary_ms=(canary, canary * 2, canary / 2),
        )
        for number, median in enumerate(medians, 1)
    )


def side(*cells: CellView, run: str = "r1", **more: Any) -> Source:
    environment = more.pop("environment", MACHINE)
    turns = more.pop("turns", ())
    view = RunView(
        run=run, suite="s", created="2026-01-01T00:00:00Z", updated="2026", cells=cells,
        environment=environment, turns=turns,
    )  # fmt: skip
    ids = Packed.of(np.arange(DRAWS.images), "<i8")
    made = Baseline(name=run, saved="2026", view=view, cells=(), images={"i": ids}, **more)
    return of_baseline(made)


def drawn(seed: int, mean: float = 0.5, sd: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, DRAWS.replicates)


def one(a: Source, b: Source, name: str, **more: Any) -> Delta:
    return delta(a, a.cells[0], b, b.cells[0], Named(name), **more)


# --- accuracy ----------------------------------------------------------------------------


def test_accuracy_is_compared_draw_by_draw_as_within_a_run() -> None:
    ours, theirs = drawn(1), drawn(1) + np.random.default_rng(2).normal(0.01, 0.004, 200)
    a = side(cell(), draws={"c1": kept(ours)})
    b = side(cell(value=0.51), draws={"c1": kept(theirs)}, run="r2")
    found = one(a, b, "map")
    samples = (Sample(np.array(s.mean()), s) for s in (ours, theirs))
    expected = comparing.compare(*zip("ab", samples, strict=True), "map", DRAWS)
    assert (found.change, found.se, found.low, found.high, found.p) == (
        expected.difference, expected.se, expected.low, expected.high, expected.p,
    )  # fmt: skip
    assert found.outcome == expected.verdict == "better"
    assert (found.a, found.b, found.design) == (0.5, 0.51, "images")
    assert found.basis == "200 draws of 50 images"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(-0.05, 0.05), st.floats(0.5, 2.0))
def test_b_against_a_is_the_mirror_of_a_against_b(seed: int, shift: float, factor: float) -> None:
    random = np.random.default_rng(seed)
    medians = [(10 * np.exp(random.normal(0, 0.1, 6))).tolist() for _ in range(2)]
    a = side(cell(), draws={"c1": kept(drawn(seed))}, processes={"c1": processes(medians[0])})
    slower = [factor * ms for ms in medians[1]]
    b = side(
        cell(latency=latency(10 * factor)), draws={"c1": kept(drawn(seed + 1, 0.5 + shift))},
        processes={"c1": processes(slower, canary=12.0)}, run="r2",
    )  # fmt: skip
    swapped = {"better": "worse", "worse": "better"}
    for name, mirror in (("map", lambda x: -x), ("latency.p50", lambda x: 1 / x)):
        there, back = one(a, b, name), one(b, a, name)
        assert back.change == pytest.approx(mirror(there.change))
        assert (back.low, back.high) == pytest.approx((mirror(there.high), mirror(there.low)))
        assert back.p == pytest.approx(there.p)
        assert back.outcome == swapped.get(there.outcome, there.outcome)


def test_a_side_against_itself_has_not_changed() -> None:
    a = side(
        cell(), draws={"c1": kept(drawn(1))}, processes={"c1": processes([9, 10, 11, 10, 9.5])}
    )
    (ends,) = compare(a, a).pairs
    by_name = {found.quantity: found for found in ends.deltas}
    assert by_name.keys() == {"map", "latency.p50", "throughput", "memory", "size"}
    assert by_name["map"].outcome == by_name["size"].outcome == "equivalent"
    assert by_name["map"].change == 0
    assert by_name["latency.p50"].outcome == "inconclusive"
    for name in ("latency.p50", "throughput", "size", "memory"):
        assert by_name[name].change == 1
    assert ends.differing == ()
    assert ends.canary is None


def test_a_class_is_compared_by_its_own_draws() -> None:
    random = np.random.default_rng(3)
    ours = random.normal([0.4, 0.6], 0.01, (200, 2))
    theirs = ours + random.normal([0.0, -0.1], 0.001, (200, 2))
    per_class = {"map": {"a": 0.4, "b": 0.6}}
    a = side(cell(per_class=per_class), draws={"c1": kept(drawn(1), ours)})
    b = side(cell(per_class=per_class), draws={"c1": kept(drawn(1), theirs)}, run="r2")
    view = compare(a, b, Asked(by_class=True, quantities=("map",)))
    found = {d.subject: d for d in view.pairs[0].deltas}
    assert list(found) == [None, "class=a", "class=b"]
    assert found["class=b"].change == pytest.approx(-0.1, abs=1e-3)
    assert found["class=b"].outcome == "worse"
    assert found["class=a"].outcome == "inconclusive"


def test_draws_of_other_images_are_never_subtracted() -> None:
    a = side(cell(), draws={"c1": kept(drawn(1))})
    fewer = kept(drawn(1)[:100])
    b = side(cell(), draws={"c1": fewer}, run="r2")
    found = one(a, b, "map")
    assert found.change is None
    assert found.reason == "the two were not drawn of the same images"


def test_without_draws_the_points_are_told_and_nothing_is_concluded() -> None:
    found = one(side(cell()), side(cell(value=0.4), run="r2"), "accuracy")
    assert found.change == pytest.approx(-0.1)
    assert (found.low, found.p, found.outcome) == (None, None, "inconclusive")
    assert found.reason == "r1: nothing was kept to be drawn again"


# --- what is comparable ------------------------------------------------------------------


def protocol(**changes: Any) -> dict[str, Any]:
    return {"protocol": PROTOCOL | changes}


REFUSALS = [
    ({}, {"cpu": {"model": "CPU Two", "logical": 2}}, "environment.cpu.model", "time"),
    ({}, {"system": {"release": "6.2"}}, "environment.system.release", "time"),
    ({}, {"limits": {"cpu": "50000"}}, "environment.limits.cpu", "time"),
    ({}, {"math_variables": {"OMP_NUM_THREADS": "1"}},
     "environment.math_variables.OMP_NUM_THREADS", "time"),
    ({}, {"governor": "powersave"}, "environment.governor", "time"),
    ({}, {"key": "other"}, "environment.key", "time"),
    ({"batch": 8}, {}, "batch", "time"),
    (protocol(threads=2), {}, "protocol.threads", "time"),
    (protocol(affinity=[0]), {}, "protocol.affinity", "time"),
    (protocol(latency={"queries": 9, "canary": 20}), {}, "protocol.latency.queries", "time"),
    (protocol(dataset=DATASET | {"content_sha256": "bb"}), {}, "dataset.content_sha256", "score"),
    (protocol(dataset=DATASET | {"images": 49}), {}, "dataset.images", "score"),
    (protocol(corruption={"fog": 3}), {}, "corruption.fog", "score"),
    (protocol(decoder={"kind": "fcos", "nms": "IoU > 0.5"}), {}, "protocol.decoder.nms", "score"),
    (protocol(preprocessing={"input": "320 × 320", "filter": "nearest"}), {},
     "protocol.preprocessing.filter", "score"),
    ({"evaluator": "hotcoco 1.4.0"}, {}, "metric.evaluator", "score"),
    ({"convention": {"crowd": "counted"}}, {}, "metric.convention.crowd", "score"),
    ({"task": "classification"}, {}, "task", "score"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "machine", "key", "spoilt"), REFUSALS, ids=lambda x: str(x)[:40]
)
def test_what_differs_is_named_and_spoils_only_what_it_touches(
    changes: dict[str, Any], machine: dict[str, Any], key: str, spoilt: str
) -> None:
    a = side(cell(), draws={"c1": kept(drawn(1))})
    b = side(cell(**changes), draws={"c1": kept(drawn(2))}, run="r2", environment=MACHINE | machine)
    refused, fine = ("latency.p50", "map") if spoilt == "time" else ("map", "latency.p50")
    found = one(a, b, refused)
    assert found.change is None
    assert found.outcome == "inconclusive"
    assert found.reason == f"not comparable: {key} differs"
    assert (found.a, found.b) != (None, None)
    assert one(a, b, fine).change is not None
    assert one(a, b, "size").outcome == "equivalent"
    assert one(a, b, refused, admit=[key]).change is not None
    assert one(a, b, refused, admit=[key[:4] + "*"]).change is not None
    assert key in {apart.key for apart in differing(a, a.cells[0], b, b.cells[0])}


def test_another_input_size_of_one_model_spoils_all_but_sizes() -> None:
    other = PROTOCOL["preprocessing"] | {"input": "640 × 640"}
    a, b = side(cell()), side(cell(**protocol(preprocessing=other)), run="r2")
    for name in ("map", "latency.p50"):
        assert one(a, b, name).reason == "not comparable: protocol.preprocessing.input differs"
    assert one(a, b, "size").change == 1


def test_two_models_may_have_decoders_of_their_own() -> None:
    a = side(cell(), draws={"c1": kept(drawn(1))})
    other = cell(**protocol(decoder={"kind": "yolox"}), model="n")
    b = side(other, draws={"c1": kept(drawn(2))}, run="r2")
    found = one(a, b, "map")
    assert found.change is not None
    told = {one.key: one.spoils for one in differing(a, a.cells[0], b, b.cells[0])}
    assert told["protocol.decoder.kind"] == ()


def test_versions_and_weights_are_told_and_spoil_nothing() -> None:
    a = side(cell(**protocol(model={"weights": "1"})))
    b = side(cell(**protocol(model={"weights": "2"}), versions={"rt": "2.0"}), run="r2")
    told = {one.key: (one.a, one.b, one.spoils) for one in differing(a, a.cells[0], b, b.cells[0])}
    assert told == {"model.weights": ("1", "2", ()), "versions.rt": ("1.0", "2.0", ())}


def test_where_nothing_is_comparable_the_keys_are_named_and_the_way_out() -> None:
    a = side(cell())
    b = side(cell(evaluator="other 1"), run="r2", environment=MACHINE | {"governor": "powersave"})
    with pytest.raises(UsageError) as caught:
        compare(a, b)
    assert "environment.governor (performance and powersave)" in caught.value.message
    assert "metric.evaluator (hotcoco 1.3.0 and other 1)" in caught.value.message
    assert "--admit" in str(caught.value.hint)
    view = compare(a, b, Asked(admit=("environment.*",)))
    assert view.pairs[0].admitted == ("environment.governor",)
    assert compare(a, b, Asked(quantities=("size",))).pairs[0].deltas[0].change == 1


def test_what_refuses_is_told_with_the_way_out_and_a_wrong_key_is_not_silent() -> None:
    a = side(cell())
    b = side(cell(), run="r2", environment=MACHINE | {"governor": "powersave"})
    told = [str(part) for part in cli_compare.printed(compare(a, b))]
    way_out = "to compare all the same, admit them by name: --admit 'environment.governor'"
    assert way_out in told[-1].splitlines()
    view = compare(a, b, Asked(admit=("governor", "environment.*")))
    assert "--admit" not in str(list(cli_compare.printed(view))[-1])
    (silent,) = cli_compare.admits_nothing(view, ("governor", "environment.*"))
    assert silent.startswith("--admit governor admits nothing: ")
    assert silent.endswith("did you mean environment.governor?")


def test_hostile_values_are_cut_and_stay_text() -> None:
    a = side(cell(versions={"rt": "x" * 10_000}))
    b = side(cell(versions={"rt": "<script>\n[bold]"}), run="r2")
    (apart,) = differing(a, a.cells[0], b, b.cells[0])
    assert len(apart.a) <= 160
    assert apart.b == "<script> [bold]"


# --- latency -----------------------------------------------------------------------------


def test_between_jobs_few_processes_are_a_trend() -> None:
    a = side(cell(), processes={"c1": processes([10.0, 11, 9, 10])})
    b = side(cell(latency=latency(13)), processes={"c1": processes([13.0, 14, 12, 13])}, run="r2")
    found = one(a, b, "latency.p50")
    assert (found.design, found.outcome, found.p) == ("trend", "trend", None)
    assert found.change == pytest.approx(1.3)
    assert "canary" in str(found.reason)


def test_a_slower_machine_is_not_taken_for_a_slower_model() -> None:
    """All that ran in the second job took 1.3 times as long, the canary too."""
    medians = [10.0, 10.4, 9.7, 10.1, 9.9, 10.2]
    a = side(cell(), processes={"c1": processes(medians)})
    machine = processes([1.3 * ms for ms in medians], canary=13.0)
    b = side(cell(latency=latency(13)), processes={"c1": machine}, run="r2")
    found = one(a, b, "latency.p50")
    assert found.design == "canary"
    assert found.change == pytest.approx(1)
    assert found.outcome == "inconclusive"
    assert compare(a, b).pairs[0].canary == pytest.approx(1.3)
    model = side(cell(latency=latency(13)), run="r3", processes={
        "c1": processes([1.3 * ms for ms in medians])
    })  # fmt: skip
    assert one(a, model, "latency.p50").outcome == "worse"
    assert one(a, model, "throughput").outcome == "worse"
    assert one(a, model, "throughput").change == pytest.approx(1 / 1.3)


def test_two_wild_rounds_leave_an_interval_that_is_still_a_number() -> None:
    a = side(cell("c1"), cell("c2"), processes={
        "c1": processes([1e-300, 1e300]), "c2": processes([1e300, 1e-290])
    })  # fmt: skip
    found = delta(a, a.cells[0], a, a.cells[1], Named("latency.p50"), level=0.999)
    assert found.design == "rounds", "both cells of a baseline are of one job"
    assert 0 < found.low < found.change < found.high < math.inf


class Job:
    """Stands for a run in tests that only ask which folder it has."""

    def __init__(self, folder: str, compared: tuple[Any, ...] = ()) -> None:
        self.folder = Path(folder)
        self._compared = compared

    def asked(self) -> Any:
        return type("Asked", (), {"compared": self._compared})()


def turned(values: list[float], settled_by: str = "looks", **more: Any) -> tuple[Source, Source]:
    """Return two cells of one run that took turns."""
    view = TurnsView(
        a="c1", b="c2", pairs=len(values), verdict="inconclusive", faster=None, margin=0.05,
        alpha=0.05, looks=1, settled_by=settled_by, log_ratios=tuple(values),
        wall=RatioView(ratio=1.0, level=0.95), cpu=RatioView(ratio=None), **more,
    )  # fmt: skip
    made = side(cell("c1"), cell("c2"), turns=(view,))
    whole = {"side": made.side, "view": made.view, "run": Job("one"), "whole": False}
    return Source(cells=made.cells[:1], **whole), Source(cells=made.cells[1:], **whole)


def test_turns_give_the_ratio_in_both_directions_and_share_the_level_over_looks() -> None:
    values = np.random.default_rng(1).normal(0.1, 0.03, 8)
    a, b = turned(values.tolist())
    there, back = one(a, b, "latency.p50"), one(b, a, "latency.p50")
    assert there.design == "turns"
    assert (there.looks, there.df) == (2, 7)
    assert there.change == pytest.approx(math.exp(values.mean()))
    assert there.se == pytest.approx(values.std(ddof=1) / math.sqrt(8))
    from scipy.stats import t, ttest_1samp

    assert there.p == pytest.approx(2 * ttest_1samp(values, 0).pvalue)
    reach = t.ppf(1 - 0.0125, 7) * there.se
    assert there.high == pytest.approx(math.exp(values.mean() + reach))
    assert (there.outcome, back.outcome) == ("worse", "better")
    assert back.change == pytest.approx(1 / there.change)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_pairs_that_were_looked_at_one_by_one_have_bounds_that_hold_whenever_one_stops() -> None:
    values = np.random.default_rng(2).normal(0.08, 0.03, 6).tolist()
    a, b = turned(values, "sequence")
    found = one(a, b, "latency.p50")
    bounds = sequential.bounds(values, 0.025)
    assert (found.low, found.high) == pytest.approx((math.exp(bounds.low), math.exp(bounds.high)))
    # The p-value and the bounds are one rule: p is below 5 % just where the interval leaves 1 out.
    assert (found.p < 0.05) == (found.low > 1 or found.high < 1)


def test_energy_that_a_meter_watched_during_turns_is_compared_by_pairs() -> None:
    energy = {"energy_log_ratios": (-0.2, -0.22, -0.18, -0.2), "energy_pairs": 4}
    a, b = turned([0.1, 0.11, 0.09, 0.1], **energy)
    from benchbench.comparing.ends import Two
    from benchbench.comparing.times import of_turns

    base = Delta(
        quantity="energy", family="energy", unit="J", higher_is_better=False, a=1.0, b=0.8,
        scale="ratio", design="trend", outcome="inconclusive",
    )  # fmt: skip
    found = of_turns(Two(a, a.cells[0], b, b.cells[0]), base, 0.95)
    assert found is not None
    assert found.change == pytest.approx(math.exp(-0.2))


def metered(tmp_path: Path, joules: dict[str, list[float]]) -> Source:
    """Return a run whose cells drew *joules* in windows of 1000 images."""
    run = Run(tmp_path / "run").prepare()
    cells = []
    for name, told in joules.items():
        columns = energy_columns(told)
        ref = run.keep_array(save_arrays(columns))
        take = Take.of("energy", name, {"meter": {"kind": "nvml"}})
        run.put_taken(
            Taken(take=take, environment="k", started="2026", wall_s=1.0, arrays={"energy": ref})
        )
        cells.append(cell(name, energy=(summarise(columns, "nvml"),)))
    made = side(*cells)
    return Source(made.side, made.view, made.cells, run)


def test_energy_of_one_job_is_compared_over_the_trials_of_its_meter(tmp_path: Path) -> None:
    ours, theirs = [4000.0, 4010.0, 3990.0], [3000.0, 3020.0, 2990.0, 3000.0]
    source = metered(tmp_path, {"c1": ours, "c2": theirs})
    found = delta(source, source.cells[0], source, source.cells[1], Named("energy"))
    from scipy.stats import ttest_ind

    expected = ttest_ind(np.log(theirs), np.log(ours), equal_var=False)
    assert (found.design, found.basis) == ("trials", "3 and 4 trials")
    assert found.p == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    bounds = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((math.exp(bounds.low), math.exp(bounds.high)))
    assert (found.outcome, found.scale) == ("better", "ratio")
    images = delta(source, source.cells[0], source, source.cells[1], Named("energy.images"))
    assert images.change == pytest.approx(1 / found.change)
    assert images.outcome == "better"
    net = delta(source, source.cells[0], source, source.cells[1], Named("energy.net"))
    assert net.change < found.change, "the idle power is on both sides of the ratio"


def test_energy_of_two_jobs_is_a_trend_and_of_two_meters_is_refused(tmp_path: Path) -> None:
    a = metered(tmp_path / "a", {"c1": [4000.0, 4010.0]})
    b = metered(tmp_path / "b", {"c1": [3000.0, 3010.0]})
    found = one(a, b, "energy")
    assert (found.outcome, found.p) == ("trend", None)
    assert found.change == pytest.approx(0.75, abs=0.01)
    (view,) = b.cells[0].energy
    other = b.cells[0].model_copy(update={"energy": (view.model_copy(update={"meter": "rapl"}),)})
    refused = delta(a, a.cells[0], b, other, Named("energy"))
    assert refused.reason == "not comparable: meter differs"


# --- what may be said --------------------------------------------------------------------


def question(family: str, p: float | None, **changes: Any) -> Delta:
    made = {
        "quantity": "q", "family": family, "unit": "", "higher_is_better": True, "a": 1.0,
        "b": 1.1, "scale": "difference", "change": 0.1, "se": 0.04, "p": p, "level": 0.95,
        "design": "images", "outcome": "inconclusive",
    }  # fmt: skip
    return Delta(**made | changes)


def test_changes_asked_together_are_corrected_within_their_family() -> None:
    ps = [0.01, 0.02, 0.03, None, 0.04]
    found = concluded([question("accuracy", p) for p in ps] + [question("latency", 0.04)])
    assert [d.p_adjusted for d in found[:5]] == pytest.approx(comparing.holm(ps))
    assert [d.asked for d in found] == [4, 4, 4, 4, 4, 1]
    assert found[0].outcome == "better"
    assert found[4].outcome == "inconclusive"
    assert found[5].outcome == "better"


def test_a_margin_that_holds_the_interval_makes_it_equivalent() -> None:
    small = {"change": 0.001, "se": 0.001}
    (within,) = concluded([question("accuracy", 0.3, margin=0.005, **small)])
    (outside,) = concluded([question("accuracy", 0.3, margin=0.002, **small)])
    assert (within.outcome, outside.outcome) == ("equivalent", "inconclusive")
    ratio = {"scale": "ratio", "change": 0.99, "se": 0.005, "df": 9.0, "higher_is_better": False}
    (within,) = concluded([question("latency", 0.1, margin=0.03, **ratio)])
    assert within.outcome == "equivalent"


def test_counted_figures_are_better_worse_or_the_same() -> None:
    smaller = cell(artifact=cell().artifact.model_copy(update={"bytes": 990}))
    a, b = side(cell()), side(smaller, run="r2")
    assert one(a, b, "size").outcome == "better"
    assert one(b, a, "size").outcome == "worse"
    assert one(a, b, "size", margin=0.02).outcome == "equivalent"


def test_a_figure_that_one_side_lacks_is_absent_with_the_reason() -> None:
    a = side(cell())
    gone = cell(status="not_run", metrics={}, primary=None, latency=None, memory={}, artifact=None)
    found = one(a, side(gone, run="r2"), "latency.p50")
    assert (found.a, found.b, found.change) == (10.0, None, None)
    assert "b has none: the cell was not run" in str(found.reason)
    with pytest.raises(UsageError, match="nonsense"):
        compare(a, a, Asked(quantities=("nonsense",)))


# --- which cells -------------------------------------------------------------------------


def grid(run: str, *runtimes: str) -> Source:
    return side(
        *(cell(f"{rt}-{p}", runtime=rt, precision=p, label=f"m · {rt} · {p}")
          for rt in runtimes for p in ("fp32", "int8")),
        run=run,
    )  # fmt: skip


def picked(source: Source, pattern: str) -> Source:
    return Source(
        source.side, source.view, chosen(source.view, pattern, f"x#{pattern}"), None,
        source.baseline, whole=False,
    )  # fmt: skip


def test_whole_runs_pair_like_cells_and_list_the_others() -> None:
    found = pair(grid("r1", "ort", "ov"), grid("r2", "ov", "torch"))
    assert [(a.id, b.id) for a, b in found.pairs] == [
        ("ov-fp32", "ov-fp32"),
        ("ov-int8", "ov-int8"),
    ]
    assert [one.id for one in found.only_a] == ["ort-fp32", "ort-int8"]
    assert [one.id for one in found.only_b] == ["torch-fp32", "torch-int8"]


def test_selections_pair_by_what_they_have_in_common() -> None:
    run = grid("r1", "ort", "ov")
    found = pair(picked(run, "runtime=ort"), picked(run, "runtime=ov"))
    assert [(a.id, b.id) for a, b in found.pairs] == [
        ("ort-fp32", "ov-fp32"),
        ("ort-int8", "ov-int8"),
    ]
    found = pair(picked(run, "precision=fp32"), picked(run, "precision=int8"))
    assert [(a.id, b.id) for a, b in found.pairs] == [
        ("ort-fp32", "ort-int8"),
        ("ov-fp32", "ov-int8"),
    ]
    alone = pair(picked(run, "m · ort · fp32"), picked(run, "runtime=ov,precision=int8"))
    assert [(a.id, b.id) for a, b in alone.pairs] == [("ort-fp32", "ov-int8")]


def test_no_pair_is_an_error_that_lists_the_cells() -> None:
    with pytest.raises(UsageError, match="m · ort · fp32") as caught:
        compare(grid("r1", "ort"), grid("r2", "ov"))
    assert "m · ov · int8" in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("m · ort · fp32", ["ort-fp32"]),
        ("* · int8", ["ort-int8", "ov-int8"]),
        ("m/ov/int8", ["ov-int8"]),
        ("ort-f", ["ort-fp32"]),
        ("runtime=o?,precision=*8", ["ov-int8"]),
        ("batch=1, runtime=ort", ["ort-fp32", "ort-int8"]),
    ],
)
def test_cells_are_picked_by_label_path_id_or_keys(pattern: str, ids: list[str]) -> None:
    assert [one.id for one in chosen(grid("r", "ort", "ov").view, pattern, "")] == ids


@pytest.mark.parametrize("pattern", ["nobody", "runtime=", "runtim=ort", "=", "\x00", "[" * 99])
def test_a_pattern_that_picks_nothing_says_what_there_is(pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(grid("r", "ort").view, pattern, f"r#{pattern}")
    assert caught.value.hint
