"""Figures by name: each has its unit, its interval's basis, or a reason why it is absent."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench import flat, quantities, units
from benchbench.errors import UsageError
from benchbench.quantities import ALIASES, GETTERS, Named, Quantity, kind, named, quantity
from benchbench.reports.csv import Csv
from benchbench.types import ArtifactInfo, Failure
from benchbench.view import CellView, Interval, SliceView
from tests import report_fixture as fixture
from tests import report_measured
from tests.report_fixture import HOSTILE

DOCS = Path(__file__).parents[2] / "docs"
FULL = report_measured.measured().cells[0]
SMALL = report_measured.measured().cells[1]
FAILED, NOT_RUN = fixture.cells()[-2:]


def of(cell: CellView, text: str) -> Quantity:
    return quantity(cell, named(text))


def raised(cell: CellView, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        of(cell, text)
    return caught.value


@pytest.mark.parametrize("name", GETTERS)
def test_each_figure_has_a_value_or_a_reason(name: str) -> None:
    for cell in (FULL, SMALL, FAILED, NOT_RUN):
        found = of(cell, name)
        assert found.full_name == name
        assert (found.value is not None) or found.reason
        assert found.value is not None or (found.low, found.high, found.level) == (None, None, None)
        assert (found.level is None) == (found.low is None and found.high is None)
        assert (found.unit, found.higher_is_better) == (
            kind(name).unit,
            kind(name).higher_is_better,
        )


def test_several_processes_go_before_the_first_pass() -> None:
    median, p90, p99 = of(FULL, "latency"), of(FULL, "p90"), of(FULL, "p99")
    assert (median.basis, median.n, median.value) == ("processes", 10, 8.31)
    assert (median.low, median.high, median.level) == (8.202, 8.4305, 0.95)
    assert (p90.basis, p99.basis) == ("processes", "one process")
    alone = FULL.model_copy(update={"processes": report_measured.processes(9.9, 1)})
    assert of(alone, "latency").basis == "one process"


def test_a_search_lies_between_what_was_met_and_what_was_missed() -> None:
    rate, cameras = of(FULL, "server.rate"), of(FULL, "cameras")
    assert (rate.value, rate.low, rate.high, rate.basis) == (84.0, 84.0, 96.0, "probes")
    assert (cameras.value, cameras.high, cameras.unit) == (6, 8, "cameras")
    assert of(SMALL, "cameras").reason == "1 camera, the fewest tried, is missed"


def test_energy_is_of_the_first_meter_unless_one_is_named() -> None:
    assert of(FULL, "energy").value == 0.342
    assert of(FULL, "energy[meter=rapl]").full_name == "energy[meter=rapl]"
    absent = of(FULL, "energy[meter=nvml]")
    assert (absent.value, absent.reason) == (None, "libnvidia-ml.so.1 is not installed")
    assert "'rapl'" in (raised(FULL, "energy[meter=rap]").hint or "")
    assert of(FAILED, "energy[meter=rapl]").value is None


def test_coverage_is_known_by_precision() -> None:
    cell = fixture.cells()[2]
    assert of(cell, "coverage.int8").value == 0.9634
    assert of(cell, "coverage.fp16").value == 0.0
    assert of(cell, "coverage.int8").basis == "counted"
    assert "coverage.int8" in (raised(cell, "coverage.in8").hint or "")
    proxy = fixture.stand_in()
    assert of(proxy, "coverage.int8").value is None
    assert "tensor types" in (of(proxy, "coverage.int8").reason or "")


def test_money_has_a_currency_and_an_absent_price_a_reason() -> None:
    found = of(FULL, "cost")
    assert (found.value, found.currency) == (0.217, "EUR")
    assert units.show(found.value, found.unit, found.currency) == "0.217 EUR"
    assert "no price" in (of(SMALL, "cost").reason or "")


def interval(value: float) -> Interval:
    return Interval(value=value, se=0.01, low=value - 0.0196, high=value + 0.0196, level=0.95,
                    images=60, replicates=1000, seed=0)  # fmt: skip


def test_accuracy_has_the_interval_of_its_images() -> None:
    part = SliceView(name="brightness: dark", group="brightness", definition="", of="images",
                     images=60, objects=9, interval=interval(0.3))  # fmt: skip
    cell = FULL.model_copy(
        update={"intervals": {"AP": interval(0.4128)}, "slices": (part,), "primary": "AP"}
    )
    whole, dark = of(cell, "ap"), of(cell, "AP[slice=brightness: dark]")
    assert (whole.value, whole.se, whole.n, whole.basis) == (0.4128, 0.01, 60, "images")
    assert (dark.value, dark.n, dark.subject) == (0.3, 60, "slice=brightness: dark")
    assert of(cell, "accuracy") == whole
    assert "'brightness: dark'" in (raised(cell, "AP[slice=brightnes: dark]").hint or "")
    assert "AP only" in raised(cell, "AP50[slice=brightness: dark]").message


def test_a_metric_is_known_whatever_joins_its_words() -> None:
    for written in ("AR_100", "ar-100", "AR@100", "ar100", "aR_100"):
        assert of(FULL, written).name == "AR_100"
    both = FULL.model_copy(update={"metrics": {"map_50": 0.1, "map50": 0.2, "Map50": 0.3}})
    assert [of(both, name).value for name in ("map_50", "map50", "Map50")] == [0.1, 0.2, 0.3]


def test_accuracy_of_a_class_is_told_without_interval() -> None:
    found = of(FULL, "AP[class=scratch]")
    assert (found.value, found.low) == (FULL.per_class["AP"]["scratch"], None)
    assert found.reason
    assert of(FULL, "AP[class=stain]").value is None
    assert "'scratch'" in (raised(FULL, "AP[class=scrach]").hint or "")
    assert "AP" in (raised(FULL, "AP50[class=scratch]").hint or "")


def test_accuracy_that_was_not_measured_is_absent_not_unknown() -> None:
    killed = of(FAILED, "map[class=scratch]")
    assert (killed.value, killed.unit, killed.higher_is_better) == (None, "", True)
    assert "SIGSEGV" in (killed.reason or "")
    assert not of(NOT_RUN, "hd95_mm").higher_is_better
    untold = FULL.model_copy(update={"metrics": {"coverage.precision": 1.0}, "per_class": {}})
    assert of(untold, "map").reason == "accuracy was not measured"
    assert "'latency.p99'" in (raised(FAILED, "latency.p98").hint or "")


def test_a_wrong_name_is_told_with_what_was_meant() -> None:
    assert "'latency.p99'" in (raised(FULL, "latency.p9").hint or "")
    assert "'AP75'" in (raised(FULL, "AP76").hint or "")
    assert len(str(raised(FULL, "zebra"))) < 600


@pytest.mark.parametrize("text", ["", "[class=a]", "3", "map[", "map]", "map[class=a", "map[klass=a]",
                                  "map[class=]", 'map["a"]', "map >= 3", 'map[class="\\ud800"]'])  # fmt: skip
def test_what_names_no_figure_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        named(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "bad", [*HOSTILE, "a]b", '"', "'", " a ", "", "\\", "a\nb", "a=b", "[", "]"]
)
def test_hostile_class_names_can_be_written_and_do_no_harm(bad: str) -> None:
    cell = FULL.model_copy(update={"per_class": {"AP": {bad: 0.25}}, "label": bad})
    found = quantity(cell, Named("AP", f"class={bad}"))
    assert found.value == 0.25
    assert found.full_name.isprintable()
    assert of(cell, found.full_name) == found
    error = raised(cell, "AP[class=other]")
    assert len(str(error)) < 400
    assert str(error).replace("\n hint", " hint").isprintable()


@settings(deadline=None)
@given(
    st.one_of(st.sampled_from(("map", "model size", "F1 macro")), st.text(max_size=20)),
    st.one_of(st.none(), st.tuples(st.sampled_from(("class", "slice", "meter")), st.text(max_size=30))),
)  # fmt: skip
def test_every_name_and_subject_can_be_written(name: str, subject: tuple[str, str] | None) -> None:
    one = Named(name, f"{subject[0]}={subject[1]}" if subject else None)
    assert named(str(one)) == one


@settings(deadline=None)
@given(st.sampled_from(sorted({unit for unit, _ in units.WRITTEN.values()})), st.floats(0, 1e18))
def test_a_value_written_with_its_unit_is_read_as_it_was(unit: units.Unit, value: float) -> None:
    number, _, written = units.write(value, unit).partition(" ")
    assert units.read(Decimal(number), written, unit, "x") == value


def test_units_are_read_by_size_and_refused_by_kind() -> None:
    assert units.read(95, "%", "", "x") == 0.95
    assert units.read(3, "M parameters", "parameters", "x") == 3e6
    assert units.read(2, "Wh", "J", "x") == 7200
    assert units.read(2, "h", "s", "x") == 7200
    for written, unit in (("MW", "W"), ("Mw", "W"), ("MJ", "J"), ("m", "ms"), ("J", "W"), ("", "ms"),
                          ("zz", ""), ("EURO", "currency"), ("ms", "currency")):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            units.read(1, written, unit, "x")
        assert caught.value.hint
    for bad in (float("nan"), float("inf"), Decimal("NaN")):
        with pytest.raises(UsageError):
            units.read(bad, "%", "", "x")


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [(None, "ms", "–"), (0.0, "bytes", "0 B"), (0.0, "J", "0 J"), (1.3e6, "bytes", "1.3 MB"),
     (3e-7, "J", "0.3 µJ"), (0.4854, "", "0.485"), (1.5, "×", "1.5×"), (123.4, "ms", "123 ms")],
)  # fmt: skip
def test_figures_are_shown_with_three_digits(value, unit, told) -> None:
    assert units.show(value, unit) == told


def test_times_are_read_and_nothing_else_is() -> None:
    assert [units.seconds(text) for text in ("90", "90s", "1h30m", "2 min")] == [90, 90, 5400, 120]
    for bad in ("", "0", "-3", "3 weeks", "1e3", "h", "9" * 400):
        with pytest.raises(UsageError):
            units.seconds(bad)


# --- what the documentation says ---------------------------------------------------------


def rows() -> dict[str, list[str]]:
    """Return the cells of each table row that begins with a name."""
    found = {}
    for line in (DOCS / "quantities.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("|") else ():
            found[name] = cells
    return found


@pytest.mark.parametrize("name", GETTERS)
def test_each_name_is_documented_with_its_unit_and_why_it_is_absent(name: str) -> None:
    cells = rows()[name]
    assert cells[-1]
    if not name.startswith("coverage."):
        shown = {"currency": "the price's"}.get(kind(name).unit, kind(name).unit)
        assert cells[2] == shown


def test_each_alias_is_documented_beside_its_name() -> None:
    known = rows()
    for alias, name in ALIASES.items():
        assert f"`{alias}`" in known[name][1]
        assert quantities.resolved(alias.upper()) == name


def test_each_spelling_of_a_unit_is_documented() -> None:
    part = (DOCS / "quantities.md").read_text().partition("## Units")[2]
    written = set(re.findall(r"`([^`]+)`", part))
    twins = {"μs", "μJ"}  # the other of the two micro signs
    assert set(units.WRITTEN) - twins - {""} <= written


def test_what_is_thought_of_metrics_by_name_is_what_their_evaluators_say() -> None:
    from tests.unit import test_metric_directions as directions

    for made in (directions.boxes, directions.labels):
        score = made(right=True)
        for name, value in score.metrics.items():
            found = kind(name)
            assert found.accuracy
            if found.higher_is_better is not None:
                assert found.higher_is_better == (name not in score.lower_is_better), name
            if found.fraction and value is not None:
                assert 0 <= value <= 1
            assert found.fraction or name in {"brier", "nll", "f1_threshold"}, name


def test_a_failure_says_why_everything_of_it_is_absent() -> None:
    cell = FAILED.model_copy(update={"failure": Failure(code="x", stage="y", message=HOSTILE[0])})
    reasons = {of(cell, name).reason for name in ("map", "latency", "energy", "size", "cameras")}
    assert reasons == {f"the cell failed: {HOSTILE[0]}"}


def test_a_metric_that_is_known_class_by_class_alone_is_found_there() -> None:
    per_class = {"precision": {"cat": 0.75, "dog": None}, "miss rate": {"cat": 0.25}}
    cell = FULL.model_copy(update={"per_class": per_class, "lower_is_better": ("miss rate",)})
    found = of(cell, "Precision[class=cat]")
    assert (found.value, found.basis, found.full_name) == (0.75, "images", "precision[class=cat]")
    assert found.higher_is_better
    assert not of(cell, "miss rate[class=cat]").higher_is_better
    assert of(cell, "precision[class=dog]").reason == "the evaluator gives no value for this class"
    assert raised(cell, "precision[class=cow]").hint == "known: cat, dog"
    for text in ("precision", "precision[slice=dark]"):
        assert "precision[class=" in (raised(cell, text).hint or "")
    assert "precision" not in {one.name for one in quantities.measured(cell)}
    primary = {"per_class": {"accuracy": {"cat": 0.5}}}
    assert of(FULL.model_copy(update=primary), "accuracy").name == FULL.primary


@pytest.mark.parametrize("told", [{"bytes": 0}, {"bytes": None}, {}])
def test_a_size_that_is_not_known_is_absent_and_never_0(told: dict[str, int | None]) -> None:
    body = {"variant": {"format": "torch-module"}, "sha256": "", **told}
    made = FULL.model_copy(update={"artifact": ArtifactInfo.model_validate(body)})
    found = of(made, "size")
    assert (found.value, found.reason) == (None, "it is made by code and no file holds it")


@pytest.mark.parametrize(
    ("made", "seconds", "reason"),
    [
        ({"chain": ("a", "b"), "build_s": {"a": 1.5, "b": 2.0}}, 3.5, None),
        ({}, None, "nothing was built: the model is run as it is"),
        ({"chain": ("a",)}, None, "how long its conversions took was not recorded"),
        (None, None, "it has no artifact"),
    ],
)
def test_what_was_not_built_took_no_time_that_could_be_told(
    made: dict[str, object] | None, seconds: float | None, reason: str | None
) -> None:
    artifact = made if made is None else {"variant": {"format": "onnx"}, "sha256": "", **made}
    known = artifact and ArtifactInfo.model_validate(artifact)
    cell = FULL.model_copy(update={"artifact": known})
    found = of(cell, "build")
    assert (found.value, found.reason) == (seconds, reason)
    assert flat.rows(fixture.run((cell,)))[0]["build_s"] == seconds
    (row,) = csv.DictReader(io.StringIO(Csv().render(fixture.run((cell,))).decode()))
    assert row["build_s"] == ("" if seconds is None else str(seconds))
    assert ("build_s: " in row["absent"]) == (seconds is None)
    assert not reason or f"build_s: {reason}" in row["absent"]
