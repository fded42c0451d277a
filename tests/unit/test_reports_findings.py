"""Slices, classes, curves, confusion and severities: what reports say of them, and what not."""

from __future__ import annotations

import math
import re

import pytest

from benchbench.cli.table import accuracy, remarks
from benchbench.corruptions import Corruption
from benchbench.reports import (
    chart,
    confusion,
    curves,
    grouping,
    parts,
    severity,
    summary,
    sureness,
)
from benchbench.reports.csv import COLUMNS, Csv
from benchbench.reports.markdown import Markdown
from benchbench.types import Curve, Matrix
from benchbench.view import CellView, RunView
from tests.report_findings import (
    HARMED,
    SILENT,
    UNDECIDED,
    WITHHELD,
    classified,
    hostile_findings,
    interval,
    knowing,
    many_known,
    on,
    told,
)
from tests.report_fixture import measured, run


@pytest.fixture(scope="module")
def view() -> RunView:
    return knowing()


@pytest.fixture(scope="module")
def text(view: RunView) -> str:
    return Markdown().render(view).decode()


# --- slices and classes ------------------------------------------------------------------


def _slice_block(view: RunView, precision: str = "int8") -> parts.Block:
    return next(b for b in parts.blocks(view.cells, "slice") if b.cell.precision == precision)


def test_the_sentence_names_the_harmed_slice_and_no_other(view: RunView) -> None:
    line = parts.sentence(_slice_block(view))
    assert line.startswith("fcos-r50 · onnxruntime · int8 is worse than fp32 on")
    assert f"{HARMED} (−0.041)" in line
    assert UNDECIDED not in line
    assert SILENT not in line
    assert "after correction over 3 comparisons" in line
    assert line.endswith("1 of them cannot be told: no interval.")


def test_nothing_shown_is_not_told_as_no_harm(view: RunView) -> None:
    block = _slice_block(view)
    line = parts.sentence(parts.Block(block.cell, "it", "slice", "AP", block.parts[1:3], 0))
    assert line == "it: no difference from fp32 is shown on its 2 slices."
    silent = parts.Block(block.cell, "it", "slice", "AP", block.parts[3:], 0)
    assert parts.sentence(silent) == "it: nothing is shown of its 1 slice: no interval."


def test_a_cell_that_is_compared_with_nothing_has_a_table_but_no_sentence(view: RunView) -> None:
    block = _slice_block(view, "fp32")
    assert parts.sentence(block) == ""
    found = parts.found(view, "slice")
    assert found is not None
    assert [b.cell.precision for b in found.blocks] == ["int8", "int8", "fp32", "fp32"]
    assert len(found.sentences) == 2


def test_harm_is_told_in_the_summary_with_the_number_of_cells(view: RunView) -> None:
    sentence = summary.harm(view)
    assert sentence is not None
    assert "2 slices in 2 cells and 2 classes in 2 cells" in str(sentence)
    assert summary.harm(run()) is None


def test_a_slice_without_an_interval_keeps_its_value_and_shows_the_reason(text: str) -> None:
    row = next(line for line in text.split("\n") if line.startswith(f"| {SILENT}"))
    assert "| 0.318  | −0.090 |" in row
    assert WITHHELD in row
    assert "±" not in row


def test_the_metric_by_class_stands_beside_its_difference(view: RunView) -> None:
    block = next(iter(parts.blocks(view.cells, "class")))
    jar = next(part for part in block.parts if part.name == "jar")
    assert jar.value == block.cell.per_class["AP"]["jar"]
    stain = next(part for part in block.parts if part.name == "stain")
    assert stain.value is None
    assert stain.reason
    assert parts.harmed(block) == (jar,)


def test_cells_of_one_name_are_told_apart_by_their_dataset(view: RunView) -> None:
    one = _slice_block(view).cell
    other = one.model_copy(update={"dataset": "night-shift", "id": "other"})
    names = [block.name for block in parts.blocks((one, other), "slice")]
    assert names[0].endswith(" on inspection-line test")
    assert names[1].endswith(" on night-shift test")


def test_long_tables_keep_the_smallest_p_values_and_say_how_many_more() -> None:
    found = parts.found(many_known(12, 80, 30), "class")
    assert found is not None
    assert len(found.blocks) == parts.MOST_TABLES
    assert found.more_blocks == 12 - parts.MOST_TABLES
    kept = found.blocks[0]
    assert (len(kept.parts), kept.more) == (parts.MOST_ROWS, 80 - parts.MOST_ROWS)
    largest = max(part.comparison.p for part in kept.parts if part.comparison)
    every = [c.p for c in kept.cell.class_comparisons]
    assert largest == sorted(every)[parts.MOST_ROWS - 1]


# --- severity ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fog", "gaussian_noise", "jpeg_compression"])
def test_the_protocol_s_own_words_of_a_corruption_are_understood(name: str) -> None:
    made = Corruption(name=name, severity=3, seed=17)
    cell = measured(0, "m", "r", "fp32", ap=0.4, p50=5.0)
    damaged = cell.model_copy(update={"protocol": {"corruption": made.describe()}})
    assert severity.damage(damaged) == severity.Damage(name, 3, 17)
    assert severity.damage(cell) == severity.Damage("", 0, 0)
    odd = cell.model_copy(update={"protocol": {"corruption": {"name": "rain", "severity": "much"}}})
    assert severity.damage(odd) is None


def test_a_panel_a_corruption_holds_a_line_a_cell_with_severities_in_order(view: RunView) -> None:
    fog, noise = severity.panels(view.cells)
    assert (fog.title, fog.metric) == ("fog · inspection-line test", "AP")
    assert len(fog.lines) == len(noise.lines) == 4
    for line in fog.lines:
        assert [point.severity for point in line.points] == [0, 1, 2, 3, 4, 5]
        values = [point.value for point in line.points if point.value is not None]
        assert values == sorted(values, reverse=True)
        assert values[0] == line.cell.metrics["AP"]


def test_a_severity_without_a_value_says_why(view: RunView, text: str) -> None:
    fog, noise = severity.panels(view.cells)
    crashed = fog.lines[1].points[4]
    assert crashed.value is None
    assert "SIGSEGV" in crashed.reason
    assert noise.reasons == ("Every cell, severity 2, 4, 5: the run has no such cell.",)
    assert "int8, severity 4: crashed in stage latency" in text


def test_only_cells_of_the_same_images_share_a_line() -> None:
    one = on(measured(0, "m", "r", "fp32", ap=0.4, p50=5.0), "a", None, 1)
    other = on(measured(1, "m", "r", "fp32", ap=0.3, p50=5.0), "b", told("fog", 2), 2)
    card = {"name": "b", "images": 240, "content_sha256": "cd" * 32}
    elsewhere = other.model_copy(update={"protocol": other.protocol | {"dataset": card}})
    (same,), (apart,) = severity.panels((one, other)), severity.panels((one, elsewhere))
    assert [p.value for p in same.lines[0].points][:3] == [0.4, None, 0.3]
    assert [p.value for p in apart.lines[0].points][:3] == [None, None, 0.3]
    unknown = other.model_copy(update={"protocol": {"corruption": told("fog", 2)}})
    assert severity.panels((one, unknown)) == ()


def test_seeds_of_one_corruption_are_panels_of_their_own() -> None:
    cell = measured(0, "m", "r", "fp32", ap=0.4, p50=5.0)
    made = [on(cell, f"d{seed}", told("fog", 1, seed), seed) for seed in (0, 5)]
    assert [panel.title for panel in severity.panels(made)] == [
        "fog · d0 test", "fog, seed 5 · d5 test",
    ]  # fmt: skip


# --- curves ------------------------------------------------------------------------------


def test_a_panel_a_curve_and_model_holds_the_cells_of_that_model(view: RunView) -> None:
    found = curves.panels(grouping.groups(view))
    assert [(p.name, p.model, len(p.lines)) for p in found] == [
        ("calibration", "fcos-r50", 2), ("calibration", "nanodet-plus-m", 2),
        ("precision_recall", "fcos-r50", 2), ("precision_recall", "nanodet-plus-m", 2),
        ("roc", "resnet-18", 1),
    ]  # fmt: skip


def test_thin_curves_keep_their_ends_and_only_points_of_their_own() -> None:
    x = tuple(at / 999 for at in range(1000))
    curve = Curve(x_name="x", y_name="y", x=x, y=tuple(v * v for v in x))
    made = curves.thin(curve)
    assert len(made.x) == curves.MOST_POINTS
    assert (made.x[0], made.x[-1]) == (0.0, 1.0)
    assert set(zip(made.x, made.y, strict=True)) <= set(zip(curve.x, curve.y, strict=True))


def test_a_curve_breaks_where_it_is_not_defined() -> None:
    y = (0.1, None, 0.3, math.nan, math.inf, 0.6)
    curve = Curve(x_name="x", y_name="y", x=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5), y=y)
    assert curves.runs(curve) == [[(0.0, 0.1)], [(0.2, 0.3)], [(0.5, 0.6)]]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.03, 0.03), (12.0, 9000.0)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = chart.Axis(low, high).ticks()
    assert 2 <= len(ticks) <= 8
    assert all(0 <= place <= 100 for place, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)


# --- confusion ---------------------------------------------------------------------------


def test_shares_are_of_the_row_and_an_empty_row_has_none() -> None:
    matrix = Matrix(row_name="truth", column_name="prediction", rows=("a", "b"),
                    columns=("a", "b"), values=((3.0, 1.0), (0.0, 0.0)))  # fmt: skip
    first, second = confusion.read(matrix)
    assert [square.share for square in first.squares] == [0.75, 0.25]
    assert [square.share for square in second.squares] == [None, None]
    assert [square.hit for square in first.squares] == [True, False]


def test_large_matrices_list_the_pairs_confused_most_often() -> None:
    (made,), left_out = confusion.drawn([classified()])
    assert left_out == 0
    assert made.rows == ()
    assert len(made.pairs) == confusion.MOST_PAIRS
    assert (made.pairs[0].row, made.pairs[0].column) == ("species 02", "species 00")
    assert all(pair.row != pair.column for pair in made.pairs)
    assert made.more > 0


def test_a_page_holds_no_more_squares_than_it_can() -> None:
    view = many_known(30, 30, 0)
    made, left_out = confusion.drawn(view.cells)
    assert sum(one.size for one in made) <= confusion.MOST_SQUARES
    assert len(made) + left_out == 30


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "·"), (0.001, "<1"), (0.0099, "<1"), (0.946, "95"), (0.9951, ">99"), (1.0, "100")],
)
def test_a_share_that_is_neither_nothing_nor_all_reads_as_neither(share: float, text: str) -> None:
    assert confusion.share(share) == text


# --- direction ---------------------------------------------------------------------------


def _distance(index: int, precision: str, value: float) -> CellView:
    cell = measured(index, "unet", "onnxruntime", precision, ap=0.5, p50=9.0 - index)
    return cell.model_copy(
        update={"primary": "hd95", "metrics": {"hd95": value}, "lower_is_better": ("hd95",),
                "per_class": {}}
    )  # fmt: skip


def test_where_less_is_better_the_smallest_figure_is_the_most_accurate() -> None:
    near, far = _distance(0, "fp32", 3.2), _distance(1, "int8", 7.9)
    (group,) = grouping.groups(run((near, far)))
    best = summary.most_accurate(group)
    assert best is not None
    assert "fp32 (hd95 ↓ 3.200" in str(best)
    assert grouping.front((near, far)) == (far, near)
    assert grouping.front((near, _distance(1, "int8", 2.0))) != (far, near)
    (rung,) = grouping.ladder((near, far))
    assert rung.worse
    assert "raises hd95 ↓ by 4.700" in str(summary.rung_sentence(rung))


def test_metrics_of_which_less_is_better_are_marked(text: str) -> None:
    marked = Markdown().render(run((_distance(0, "fp32", 3.2),))).decode()
    assert "| hd95 ↓ |" in marked
    assert "mAP ↓" not in text
    assert accuracy(_distance(0, "fp32", 3.2)).startswith("hd95 ↓ ")


def test_the_terminal_names_harmed_slices_and_counts_classes(view: RunView) -> None:
    told_of = remarks(view.cells[1])
    assert f"worse than fp32 on {HARMED}" in told_of
    assert "worse than fp32 on 1 of 12 classes" in told_of


# --- protocol and the other forms --------------------------------------------------------


def test_the_protocol_card_says_how_intervals_were_made(view: RunView) -> None:
    made = sureness.method(view.cells[1])
    assert made["intervals"] == (
        "bootstrap over 240 images, value ± z·SE, 95 %, 1,000 replicates, seed 0, at this n"
    )
    assert "Holm" in made["comparisons"]
    assert sureness.method(measured(0, "m", "r", "fp32", ap=0.4, p50=5.0)) == {}
    assert made["intervals"] in Markdown().render(run((view.cells[1],))).decode()


def test_an_interval_without_bounds_is_a_value_alone() -> None:
    assert sureness.half(interval(0.4, None, "one image")) == ""
    assert sureness.half(interval(0.4, 0.0312)) == "± 0.031"


def test_csv_keeps_one_row_a_cell_and_its_columns(view: RunView) -> None:
    rows = Csv().render(view).decode().splitlines()
    assert len(rows) == 1 + len(view.cells)
    assert tuple(rows[0].split(",")) == COLUMNS


def test_every_markdown_row_has_the_columns_of_its_head(text: str) -> None:
    hostile = Markdown().render(hostile_findings()).decode()
    for made in (text, hostile):
        for table in re.findall(r"(?:^\|.*\n)+", made, re.MULTILINE):
            widths = {
                len(re.findall(r"(?<!\\)\|", line.replace("\\\\", "")))
                for line in table.splitlines()
            }
            assert len(widths) == 1, table
    assert "<script" not in hostile
