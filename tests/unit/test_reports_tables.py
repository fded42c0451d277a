"""Markdown, JSON and CSV: golden files, escaping, absence."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench import flat
from benchbench.definitions_view import Complexity
from benchbench.quantities import Named, quantity
from benchbench.reports.csv import COLUMNS, Csv
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Grid, Part
from benchbench.reports.html import Html
from benchbench.reports.json import Json
from benchbench.reports.markdown import Markdown, escape, fence
from benchbench.spreadsheets import field
from benchbench.types import ArtifactInfo
from tests.report_findings import knowing
from tests.report_fixture import CRASH, HOSTILE, broken, hostile, measured, odd, run, small, varied

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize("report", [Markdown(), Json(), Csv()], ids=lambda r: r.file_name)
def test_the_small_run_renders_as_its_golden_file(report) -> None:
    made, path = report.render(small()), GOLDEN / report.file_name
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made.decode() == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("report", [Markdown(), Json(), Csv()], ids=lambda r: r.file_name)
@pytest.mark.parametrize("view", [varied(), hostile(), run(())], ids=["varied", "hostile", "empty"])
def test_rendering_is_pure_and_never_prints_none_or_nan(report, view) -> None:
    made = report.render(view)
    assert made == report.render(view.model_copy(deep=True))
    assert not re.search(rb"\bNone\b|\bnan\b|\bNaN\b", made)


def _rows(view) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Csv().render(view).decode(), newline="")))


def test_the_table_has_a_row_a_cell_and_stable_columns() -> None:
    rows = _rows(run())
    assert len(rows) == 14
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["accuracy"] == "0.512"


def test_absent_figures_are_empty_and_their_reason_stands_in_the_row() -> None:
    rows = _rows(run())
    assert rows[0]["p99_ms"] == ""
    assert "p99_ms: 400 queries are worth 200" in rows[0]["absent"]
    assert rows[12]["p50_ms"] == rows[12]["accuracy"] == rows[12]["wall_s"] == ""
    assert "SIGSEGV" in rows[12]["absent"]


def test_marks_evidence_speed_and_parity_have_columns() -> None:
    rows = {(row["runtime"], row["precision"]): row for row in _rows(run(odd()))}
    cuda, proxy, engine = (
        rows["onnxruntime", "fp16"], rows["onnxruntime-trt-file", "int8"],
        rows["tensorrt-rtx", "int8"],
    )  # fmt: skip
    assert cuda["marks"] == "† ran on CPUExecutionProvider, cpu"
    assert (cuda["requested_device"], cuda["effective_device"]) == ("cuda", "cpu")
    assert cuda["coverage_device"] == cuda["on_device_nodes"] == "0.125"
    assert proxy["marks"] == "‡ proxy"
    assert proxy["coverage_precision"] == ""
    assert engine["marks"] == "§ compiled only"
    assert engine["p50_ms"] == engine["accuracy"] == ""
    assert engine["absent"].startswith("all figures: built and checked")
    assert engine["parity_absent"] == "the engine cannot be run here"
    assert engine["calibration"].startswith("onnx-int8: entropy, 128 images of calibration")
    dynamic = rows["onnxruntime", "int8-dynamic"]
    low, ratio, high = (float(dynamic[f"speed_{k}"]) for k in ("low", "over_fp32", "high"))
    assert low < ratio < high
    assert (dynamic["parity_output"], dynamic["parity_snr_db"]) == ("boxes", "21.7")
    assert dynamic["threads"] == "1"
    assert dynamic["affinity"] == "0 1"


def test_frames_hold_marks_and_coverage_but_not_among_the_accuracies() -> None:
    rows = {(row["runtime"], row["precision"]): row for row in flat.rows(run(odd()))}
    assert rows["onnxruntime", "fp16"]["marks"] == "other provider,other device"
    assert rows["tensorrt-rtx", "int8"]["marks"] == "compiled only"
    assert rows["tensorrt-rtx", "int8"]["p50_ms"] is None
    assert rows["onnxruntime", "fp16"]["coverage.device"] == 0.125
    names = {name for row in rows.values() for name in row}
    assert not any(name.startswith("metric.coverage") for name in names)


def test_markdown_signs_every_marked_row_and_says_what_the_signs_mean() -> None:
    text = Markdown().render(run(odd())).decode()
    assert "onnxruntime · fp16 cuda † |" in text
    assert "onnxruntime-trt-file · int8 ‡ |" in text
    assert "tensorrt-rtx · int8 cuda § | compiled only |" in text
    for sign in "†‡§":
        assert f"\n- {sign} " in text
    assert "1 thread, CPUs 0–1" in text


def test_a_measured_cell_without_latency_or_accuracy_says_so() -> None:
    cell = measured(0, "m", "r", "fp32", ap=0.4, p50=5.0)
    bare = cell.model_copy(update={"latency": None, "primary": None, "metrics": {}})
    absent = _rows(run((bare,)))[0]["absent"]
    assert absent == (
        "accuracy: this cell has no accuracy pass; latency: this cell has no latency pass"
    )


@given(st.text())
def test_no_text_field_begins_as_a_formula_unless_it_is_a_number(text: str) -> None:
    made = field(text)
    assert made[:1] not in {"=", "@", "\t", "\r"}
    if made[:1] in {"+", "-"}:
        assert math.isfinite(float(made)) or "e" in made.lower()


@pytest.mark.parametrize("text", ["-1.5", "+3", "-2e-4", "-.5"])
def test_numbers_in_text_keep_their_sign(text: str) -> None:
    assert field(text) == text


@pytest.mark.parametrize("text", ["-1+cmd|' /C calc'!A0", "=1+1", "+1 2", "@SUM(A1)", "-"])
def test_formulas_stand_behind_an_apostrophe(text: str) -> None:
    assert field(text) == "'" + text


def test_non_finite_numbers_are_empty_in_csv_and_null_in_json() -> None:
    assert field(math.nan) == field(math.inf) == field(None) == ""
    cell = measured(0, "m", "r", "fp32", ap=math.nan, p50=5.0)
    assert json.loads(Json().render(run((cell,))))["cells"][0]["metrics"]["AP"] is None


def test_json_is_the_show_document_plus_suite_text_and_drawing() -> None:
    view = run()
    body = json.loads(Json().render(view))
    drawing, text = body.pop("drawing"), body.pop("suite_text")
    assert body == view.document()
    assert text == view.suite_text
    assert set(drawing) == {cell.id for cell in view.cells if cell.latency}
    assert tuple(drawing[view.cells[0].id]["trace_ms"]) == view.cells[0].latency.trace_ms


def test_lists_of_numbers_stand_on_one_line_and_no_text_is_touched() -> None:
    name = "[\n  1,\n  2\n]"
    view = knowing()
    cell = view.cells[0].model_copy(update={"model": name})
    text = Json().render(run((cell,))).decode()
    assert max(len(line.split(",")) for line in text.split("\n")) >= 101
    body = json.loads(text)["cells"][0]
    assert body["model"] == name
    assert body["curves"]["calibration"]["y"][1] is None
    assert tuple(body["curves"]["precision_recall"]["y"]) == cell.curves["precision_recall"].y
    assert body["slices"][0]["name"] == cell.slices[0].name


def test_json_of_a_run_without_timed_cells_has_an_empty_drawing() -> None:
    assert json.loads(Json().render(run((broken(0, "m", "r", "fp32", CRASH),))))["drawing"] == {}


def test_json_keeps_hostile_names_as_they_are() -> None:
    names = {cell["model"] for cell in json.loads(Json().render(hostile()))["cells"]}
    assert set(HOSTILE) <= names


@given(st.text())
def test_escaped_markdown_is_one_line_without_live_markup(text: str) -> None:
    made = escape(text)
    assert "\n" not in made
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]]", re.sub(r"\\[^\w\s]", "", made))
    assert not re.search(r"[<>@]", made)


@given(st.text(alphabet="`a\n ~", max_size=40))
def test_a_fence_is_longer_than_any_run_of_back_ticks_inside(text: str) -> None:
    bar, *inner, end = str(fence(text)).split("\n")
    assert end == bar.removesuffix("text")
    assert not any(end in line for line in inner)


def test_every_markdown_table_row_has_as_many_cells_as_its_head() -> None:
    for view in (varied(), hostile()):
        lines = Markdown().render(view).decode().split("\n")
        width = None
        for line in lines:
            if not line.startswith("|"):
                width = None
                continue
            count = len(re.findall(r"(?<!\\)\|", line.replace("\\\\", "")))
            width = width or count
            assert count == width, line


def test_markdown_holds_every_cell_and_no_raw_html_of_a_name() -> None:
    text = Markdown().render(run()).decode()
    assert all(cell.label in text for cell in run().cells)
    assert "<script" not in Markdown().render(hostile()).decode().split("```")[0]


def test_a_model_that_code_makes_has_no_size_and_every_report_says_why() -> None:
    """The reason is that of the quantity, whichever report shows the dash."""
    body = {"variant": {"format": "torch-module"}, "sha256": "", "bytes": None}
    counted = Complexity(parameters=1000, flops=2000, counted_by="torch")
    cell = measured(0, "m", "torch", "fp32", ap=0.4, p50=5.0).model_copy(
        update={"artifact": ArtifactInfo.model_validate(body), "complexity": counted}
    )
    view, why = run((cell,)), quantity(cell, Named("size")).reason
    assert why == "it is made by code and no file holds it"
    told = {name: report.render(view).decode() for name, report in
            (("html", Html()), ("md", Markdown()), ("csv", Csv()))}  # fmt: skip
    grids = [block for part in every(build(view).parts) for block in part.blocks
             if isinstance(block, Grid)]  # fmt: skip
    dashed = {grid.anchor for grid in grids if why in grid.notes}
    assert "table-files" in dashed
    assert len(dashed) == 3, "the main table, the model's and that of files"
    assert {name: text.count(why) > 0 for name, text in told.items()} == dict.fromkeys(told, True)
    assert not any("no artifact is recorded" in text for text in told.values())
    assert told["md"].count(why) == 3


def every(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from every(part.parts)
