"""Cells on damaged images: where reports show them, and where they no longer do."""

from __future__ import annotations

import csv
import io
import json

import pytest

from benchbench.cli.table import cells_table, remarks
from benchbench.folding import folds, kept, undamaged
from benchbench.reports import damaged, grouping, parts, severity, summary
from benchbench.reports.csv import Csv
from benchbench.reports.html import Html
from benchbench.reports.json import Json
from benchbench.reports.markdown import Markdown
from benchbench.reports.protocol import cards
from benchbench.types import Caveat
from benchbench.view import CellView, RunView
from tests.report_findings import classified, compared, interval, knowing, on, told
from tests.report_fixture import CRASH, SINGLE, broken, measured, run
from tests.unit.test_reports_html import parse

rich_console = pytest.importorskip("rich.console")


def _clean(index: int = 0, precision: str = "fp32", ap: float = 0.4) -> CellView:
    return on(measured(index, "m", "r", precision, ap=ap, p50=5.0), "street", None, index)


def _damaged(
    index: int, ap: float, text: tuple[str, int], precision: str = "fp32", **update: object
) -> CellView:
    made = measured(index, "m", "r", precision, ap=ap, p50=5.0)
    made = made.model_copy(update={"latency": None, "speedup": None} | update)
    return on(made, f"street {text[0]} {text[1]}", told(*text), index)


def _failed(index: int, text: tuple[str, int]) -> CellView:
    made = broken(index, "m", "r", "fp32", CRASH)
    return on(made, f"street {text[0]} {text[1]}", told(*text), index)


def _part(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def view() -> RunView:
    return knowing()


@pytest.fixture(scope="module")
def text(view: RunView) -> str:
    return Markdown().render(view).decode()


# --- what is folded ----------------------------------------------------------------------


def test_cells_that_were_only_scored_are_folded_and_timed_ones_are_not(view: RunView) -> None:
    assert {fold.damage.name for fold in folds(view.cells)} == {"fog"}
    assert len(folds(view.cells)) == 20
    assert len(kept(view.cells)) == len(view.cells) - 20
    assert all(fold.clean.dataset == "inspection-line" for fold in folds(view.cells))


def test_without_the_cell_on_undamaged_images_nothing_is_folded() -> None:
    alone = (_damaged(1, 0.3, ("fog", 1)), _damaged(2, 0.2, ("fog", 5)))
    assert folds(alone) == ()
    assert folds((_clean(0, "int8"), *alone)) == ()
    assert len(grouping.groups(run(alone))) == 2
    assert len(folds((_clean(), *alone))) == 2


def test_an_undamaged_cell_that_failed_is_a_counterpart_all_the_same() -> None:
    clean = on(broken(0, "m", "r", "fp32", CRASH), "street", None, 0)
    cells = (clean, _damaged(1, 0.3, ("fog", 1)))
    (fold,) = folds(cells)
    assert (fold.clean.id, fold.fall) == (clean.id, None)
    assert "street" in {line.value for card in cards(cells) for line in card.lines}
    assert "0.300" in _part(Markdown().render(run(cells)).decode(), "Accuracy against severity")


def test_a_failed_cell_that_was_to_be_timed_is_not_folded() -> None:
    failed = _failed(1, ("fog", 2))
    timed = failed.model_copy(update={"protocol": failed.protocol | {"latency": {"queries": 9}}})
    assert len(folds((_clean(), failed))) == 1
    assert folds((_clean(), timed)) == ()


def test_what_the_severity_table_cannot_hold_is_not_folded() -> None:
    cell = _damaged(1, 0.3, ("fog", 1))
    other = cell.model_copy(update={"primary": "AP50", "metrics": {"AP50": 0.5}})
    twice = cell.model_copy(update={"id": "again"})
    assert folds((_clean(), _clean(9), other)) == ()
    assert [fold.cell.id for fold in folds((_clean(), cell, twice))] == [cell.id]


# --- reports -----------------------------------------------------------------------------


def test_folded_cells_stand_in_the_severity_table_and_in_no_group(view: RunView, text: str) -> None:
    assert "fog" not in _part(text, "Cells")
    assert all("fog" not in group.dataset for group in grouping.groups(view))
    table = _part(text, "Accuracy against severity")
    for fold in folds(view.cells):
        if fold.cell.status == "measured":
            assert f"{fold.cell.metrics['AP']:.3f} ± 0.025" in table
    assert "gaussian" in _part(text, "Cells")


def test_slices_and_classes_of_folded_cells_are_left_out() -> None:
    clean, fogged = _clean(1, "int8"), _damaged(2, 0.2, ("fog", 3), "int8")
    harmed = (compared(clean, clean, -0.2, 0.01, "dent"),)
    cells = tuple(cell.model_copy(update={"class_comparisons": harmed}) for cell in (clean, fogged))
    found = parts.found(run(cells), "class")
    assert found is not None
    assert [block.cell.id for block in found.blocks] == [clean.id]
    assert "1 class in 1 cell" in str(summary.harm(run(cells)))


def test_json_and_csv_keep_every_cell(view: RunView) -> None:
    document = json.loads(Json().render(view))
    rows = list(csv.DictReader(io.StringIO(Csv().render(view).decode())))
    ids = [cell.id for cell in view.cells]
    assert [cell["id"] for cell in document["cells"]] == ids
    assert [row["cell"] for row in rows] == ids


def test_a_failed_folded_cell_is_counted_and_named_with_stage_message_and_hint(
    view: RunView, text: str
) -> None:
    assert "32 of 33 cells** were measured; 1 failed; 20 of the cells on damaged images." in text
    line = next(x for x in _part(text, "Cells without figures").splitlines() if x.startswith("- "))
    assert "fcos-r50 · onnxruntime · int8 on inspection-line test, fog 4**" in line
    assert "in stage latency" in line
    assert "SIGSEGV" in line
    assert f"What mends it: {CRASH.hint}" in line
    assert "stderr of fcos-r50 · onnxruntime · int8 on inspection-line test, fog 4" in text


def test_the_same_failure_of_many_severities_is_told_once_with_all_of_them() -> None:
    steps = [("fog", at) for at in (1, 2, 3, 5)] + [("contrast", 4)]
    cells = (_clean(), *(_failed(at, step) for at, step in enumerate(steps, 1)))
    (one,) = damaged.broken(cells)
    assert one.name == "m · r · fp32, fog 1–3, 5; contrast 4"
    assert one.first == "m · r · fp32, fog 1"


def test_caveats_that_the_undamaged_cell_has_as_well_are_not_repeated() -> None:
    own = Caveat(code="swapped", figures={"pages": 12})
    one = _damaged(1, 0.3, ("fog", 1), caveats=(SINGLE,))
    two = _damaged(2, 0.2, ("fog", 2), caveats=(SINGLE, own))
    cells = (_clean(), one, two)
    ((name, line),) = damaged.caveats(cells)
    assert name == "m · r · fp32, fog 2"
    assert "swapped" in line
    assert "processes" not in line
    care = next(str(s) for s in summary.summary(run(cells)) if s.lead == "Read with care:")
    assert "swapped (1 cell)" in care
    assert "single process (1 cell)" in care


def test_evidence_of_a_folded_cell_is_told_only_where_something_else_ran() -> None:
    same = _damaged(1, 0.3, ("fog", 1))
    place = same.placement.model_copy(update={"precision": "bf16"})
    other = _damaged(2, 0.2, ("fog", 2), placement=place)
    ((name, line),) = damaged.otherwise((_clean(), same, other))
    assert name == "m · r · fp32, fog 2"
    assert "asked fp32, ran bf16" in line
    shown = _part(Markdown().render(run((_clean(), same, other))).decode(), "Evidence")
    assert shown.count("m · r · fp32") == 2


def test_the_protocol_of_the_undamaged_dataset_has_one_line_on_the_damage(view: RunView) -> None:
    found = cards(view.cells)
    lines = [line for card in found for line in card.lines if line.key == "also damaged by"]
    assert {line.value for line in lines} == {
        "fog 1–5; seed 0; before resizing, by made-up 1.0; accuracy alone"
    }
    unset = [card for card in found if ("dataset", "also damaged by") in card.unset]
    assert unset
    assert not any(card.closing == "" for card in unset)
    assert not any("fog" in card.title for card in found)


def test_fifty_damaged_datasets_lengthen_the_report_by_their_tables_alone() -> None:
    steps = [(f"kind {kind}", at) for kind in range(10) for at in range(1, 6)]
    cells = (_clean(), *(_damaged(at, 0.2, step) for at, step in enumerate(steps, 1)))
    small, large = (Markdown().render(run(some)).decode() for some in (cells[:1], cells))
    assert large.count("\n") - small.count("\n") < 10 * 8 + 12
    assert large.count("| 0.400") == 1 + 10


def test_tables_hold_lines_and_corruptions_that_are_not_drawn() -> None:
    models = [f"m{at:02d}" for at in range(severity.MOST_LINES + 3)]
    cells = tuple(
        cell.model_copy(update={"model": name, "id": f"{name}{at}"})
        for name in models
        for at, cell in enumerate((_clean(), _damaged(1, 0.25, ("fog", 2))))
    )
    (panel,) = severity.panels(cells)
    assert (len(panel.lines), panel.more, len(panel.rows)) == (severity.MOST_LINES, 3, 15)
    table = _part(Markdown().render(run(cells)).decode(), "Accuracy against severity")
    assert all(f"| {name} · r · fp32 |" in table for name in models)


def test_the_page_shows_folded_cells_under_severity_and_their_failures_by_name() -> None:
    cells = (_clean(), _damaged(1, 0.3, ("fog", 1)), _failed(2, ("fog", 2)))
    tree = parse(Html().render(run(cells)))
    parts_of = {node.attrs["id"]: node for node in tree.all("section")}
    assert "0.300" in parts_of["severity"].text
    assert "0.300" not in parts_of["accuracy"].text
    assert "m · r · fp32, fog 2" in parts_of["cells"].text
    assert CRASH.hint in parts_of["cells"].text
    assert len([row for row in parts_of["cells"].all("tr") if row.attrs.get("id")]) == 1
    assert "2 cells on damaged images: report.json" in parts_of["provenance"].text


# --- the summary -------------------------------------------------------------------------


def _falling(verdict_half: float | None = 0.01) -> tuple[CellView, ...]:
    base, fogged = _clean(), _damaged(2, 0.302, ("fog", 5))
    other = _damaged(3, 0.267, ("fog", 5), "int8")
    sure = {"AP": interval(0.267, 0.03)}
    against = compared(fogged, other, -0.035, verdict_half)
    other = other.model_copy(update={"intervals": sure, "comparison": against})
    return base, _clean(1, "int8", 0.39), fogged, other


def test_the_largest_fall_is_told_with_both_values_and_beside_it_that_of_fp32() -> None:
    told_of = str(summary.fall(folds(_falling())))
    assert told_of == (
        "fog, severity 5, costs m · r · int8 0.123 mAP (0.390 to 0.267 ± 0.030), the largest "
        "fall on damaged images; fp32 of it changes by −0.098; int8 against fp32 there: "
        "95 % −0.045 to −0.025: worse."
    )


def test_without_an_interval_of_the_difference_nothing_is_said_to_be_worse() -> None:
    told_of = str(summary.fall(folds(_falling(None))))
    assert told_of.endswith("fp32 of it changes by −0.098.")
    assert "worse" not in told_of


def test_the_best_are_sought_among_undamaged_images(view: RunView) -> None:
    leads = [sentence.lead for sentence in summary.summary(view)]
    assert [lead for lead in leads if lead.startswith("On ")] == [
        "On inspection-line test · detection, most accurate:",
        "On beetles test · classification, most accurate:",
    ]
    brighter = _damaged(1, 0.9, ("brightness", 1))
    told_of = [str(s) for s in summary.summary(run((_clean(), brighter)))]
    assert "Most accurate: m · r · fp32 (mAP 0.400, p50 5.00 ms)." in told_of
    assert "Damaged images cost none of 1 cell 0.0005 mAP or more." in told_of
    assert undamaged((brighter,)) == (brighter,)
    assert summary.fall(folds((classified(),))) is None


def test_where_less_is_better_a_rise_is_the_fall() -> None:
    change = {"primary": "hd95", "lower_is_better": ("hd95",), "per_class": {}}
    cells = tuple(
        cell.model_copy(update=change | {"metrics": {"hd95": value}})
        for cell, value in (
            (_clean(), 3.0), (_damaged(1, 0.1, ("fog", 1)), 2.5), (_damaged(2, 0.1, ("fog", 4)), 7.5),
        )
    )  # fmt: skip
    assert "fog, severity 4, raises hd95 ↓ of m · r · fp32 by 4.500" in str(
        summary.fall(folds(cells))
    )
    assert "fog 4: +4.500" in remarks(cells[0], folds(cells))


# --- the terminal ------------------------------------------------------------------------


def _printed(view: RunView, width: int) -> str:
    console = rich_console.Console(width=width, color_system=None, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(cells_table(view))
    return capture.get()


@pytest.mark.parametrize("width", [100, 160])
def test_the_terminal_has_no_row_a_folded_cell_but_counts_them(view: RunView, width: int) -> None:
    shown = _printed(view, width)
    rows = [line for line in shown.splitlines() if " AP 0." in line]
    assert len(rows) == 4 + 8
    assert f"20 cells on damaged images, 1 without figures: benchbench report {view.run}" in shown
    assert "fcos-r50 · onnxruntime · int8, fog 4 failed: the worker was killed" in shown


def test_a_remark_names_the_worst_severity_of_the_two_worst_corruptions() -> None:
    steps = [("fog", 4, 0.3), ("fog", 5, 0.2), ("contrast", 5, 0.25), ("pixelate", 5, 0.39)]
    fogged = [_damaged(at, ap, (name, s)) for at, (name, s, ap) in enumerate(steps, 1)]
    line = remarks(_clean(), folds((_clean(), *fogged)))
    assert "fog 5: -0.200, contrast 5: -0.150" in line
    assert "pixelate" not in line
    assert "fog" not in remarks(_clean())
