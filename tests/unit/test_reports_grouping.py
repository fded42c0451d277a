"""Which cells compare with which."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from benchbench.reports.grouping import (
    accuracies,
    accuracy,
    differs,
    front,
    groups,
    ladder,
    median_ms,
    shared_caveats,
    variant,
)
from benchbench.view import CellView
from tests.report_fixture import CRASH, broken, cells, compiled, measured, run


def _cell(index: int, ap: float, p50: float) -> CellView:
    return measured(index, f"m{index}", "r", "fp32", ap=ap, p50=p50)


def test_cells_of_another_dataset_or_batch_form_another_group() -> None:
    first = _cell(0, 0.4, 5.0)
    others = [first.model_copy(update=u) for u in ({"dataset": "d"}, {"batch": 8}, {})]
    found = groups(run((first, *others)))
    assert [len(group.cells) for group in found] == [2, 1, 1]
    assert found[2].title.endswith("batch 8")


points = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.sampled_from([1.0, 2.0, 3.0, 4.0])),
    min_size=1,
    max_size=8,
)


@given(points)
def test_the_front_is_exactly_what_nothing_dominates(values: list[tuple[float, float]]) -> None:
    made = [_cell(i, ap, p50) for i, (ap, p50) in enumerate(values)]

    def dominated(cell: CellView) -> bool:
        a, t = accuracy(cell) or 0, median_ms(cell) or 0
        return any(
            (accuracy(o) or 0) >= a
            and (median_ms(o) or 0) <= t
            and ((accuracy(o) or 0) > a or (median_ms(o) or 0) < t)
            for o in made
        )

    assert {cell.id for cell in front(made)} == {c.id for c in made if not dominated(c)}


@given(points)
def test_along_the_front_accuracy_never_falls_as_latency_grows(
    values: list[tuple[float, float]],
) -> None:
    best = front([_cell(i, ap, p50) for i, (ap, p50) in enumerate(values)])
    for left, right in itertools.pairwise(best):
        assert (accuracy(left) or 0) <= (accuracy(right) or 0)


def test_a_cell_that_ran_otherwise_than_asked_is_not_on_the_front() -> None:
    other = measured(1, "m", "r", "bf16", ap=0.9, p50=1.0, effective="fp32")
    plain = _cell(0, 0.4, 5.0)
    assert front([other, plain]) == (plain,)
    admitted = plain.model_copy(update={"admitted": ("device",)})
    assert front([admitted]) == ()


def test_coverage_is_no_metric_of_accuracy() -> None:
    cell = _cell(0, 0.4, 5.0)
    assert {"coverage.precision", "coverage.device"} <= set(cell.metrics)
    assert set(accuracies(cell)) == set(cell.metrics) - {"coverage.precision", "coverage.device"}


def test_a_compiled_cell_differs_only_in_what_was_admitted() -> None:
    cell = compiled()
    place = cell.placement.model_copy(update={"provider": "none"})
    assert not differs(cell.model_copy(update={"placement": place}))
    assert differs(cell.model_copy(update={"admitted": ("precision",)}))


def test_a_cell_whose_median_is_withheld_is_not_on_the_front() -> None:
    cell = _cell(0, 0.9, 1.0)
    late = cell.latency.model_copy(update={"p50_ms": None})
    assert front([cell.model_copy(update={"latency": late})]) == ()


def test_the_ladder_compares_with_fp32_of_the_same_model_and_runtime() -> None:
    rungs = {rung.cell.label: rung for rung in ladder(cells())}
    rung = rungs["nanodet-plus-m · openvino · int8"]
    assert rung.baseline is not None
    assert rung.baseline.label == "nanodet-plus-m · openvino · fp32"
    assert rung.accuracy_delta is not None
    assert rung.time_ratio is not None
    assert abs(rung.accuracy_delta - (0.401 - 0.4128)) < 1e-12
    assert abs(rung.time_ratio - 3.81 / 8.47) < 1e-12
    assert not any(rung.cell.precision == "fp32" for rung in rungs.values())


def test_rungs_without_figures_say_why() -> None:
    reasons = {rung.cell.label: rung.reason for rung in ladder(cells())}
    assert reasons["nanodet-plus-m · openvino · fp16"] == "this cell failed"
    assert reasons["nanodet-plus-m · tensorrt · fp16"] == "this cell was not run"
    lone = ladder((measured(0, "m", "r", "int8", ap=0.4, p50=2.0),))
    assert lone[0].reason == "the suite has no fp32 cell in this runtime"
    assert lone[0].time_ratio is None
    base = broken(1, "m", "r", "fp32", CRASH)
    assert ladder((*[lone[0].cell], base))[0].reason == "the fp32 cell failed"


def test_a_runtime_that_copies_inside_run_is_not_compared_with_one_that_does_not() -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.4, p50=2.0)
    place = cell.placement.model_copy(update={"copies_inside_run": True})
    rung = ladder((base, cell.model_copy(update={"placement": place})))[0]
    assert rung.time_ratio is None
    assert "copies" in (rung.reason or "")


def test_a_missing_accuracy_leaves_the_time_ratio_standing() -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.4, p50=2.0)
    rung = ladder((base, cell.model_copy(update={"metrics": {"AP": None}})))[0]
    assert rung.accuracy_delta is None
    assert rung.time_ratio == 0.5
    assert rung.reason == "accuracy is missing on one side"


def test_only_caveats_with_equal_figures_on_every_measured_cell_are_shared() -> None:
    assert [caveat.code for caveat in shared_caveats(cells())] == ["single_process"]
    assert shared_caveats(cells()[:1]) == ()


def test_an_admitted_precision_counts_as_differing() -> None:
    assert [variant(cell) for cell in cells() if differs(cell)] == ["openvino · bf16"]
