"""Figures over the runs of a suite, in reports: the page, the document, figures and the workbook."""

from __future__ import annotations

import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchbench.history.page import page
from benchbench.history_view import Part
from benchbench.reports import trends
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Document, Grid, Items, Paragraph, Picture, plain
from benchbench.reports.document.model import Part as Section
from benchbench.reports.figures import Figures
from benchbench.reports.figures.plates import named
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import groups
from benchbench.reports.html import Html
from benchbench.reports.markdown import MOST_RUNS, Markdown
from benchbench.reports.md import Md
from benchbench.reports.xlsx import Xlsx
from benchbench.trends import words
from benchbench.trends.chart import chart
from benchbench.trends.placing import BOX, placed
from tests.report_fixture import many, run, small
from tests.trend_fixture import (
    bare,
    crowded,
    few,
    history,
    hostile_trends,
    point,
    quiet,
    series,
    trending,
)

SVG = re.compile(r'<svg viewBox="0 0 1000.0 240.0".*?</svg>', re.DOTALL)


def html(view) -> str:
    return Html().render(view).decode()


def trend_part(document: Document) -> Section:
    return next(part for part in document.parts if part.anchor == "trend")


def sentences(part: Section) -> str:
    return " ".join(
        plain(text) for b in part.blocks if isinstance(b, Items) for text in b.items
    )  # fmt: skip


# --- the chart ---------------------------------------------------------------------------


@given(
    st.lists(
        st.none() | st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1e6)), min_size=1, max_size=40
    )
)
def test_every_point_interval_and_level_lies_in_the_box(values) -> None:
    points = tuple(
        point(at, None)
        if one is None
        else point(at, one[0], low=one[0] - one[1], high=one[0] + one[1])
        for at, one in enumerate(values)
    )
    half = len(points) // 2
    parts = tuple(Part(begin=b, end=e, tested=False) for b, e in ((0, half), (half, len(points))))
    found = series(points=points, parts=parts, changes=())
    drawn = placed(found)
    assert (drawn is None) == all(one is None for one in values)
    if drawn is None:
        return
    for mark, one in zip(drawn.marks, values, strict=True):
        assert BOX["left"] < mark.x < BOX["right"]
        assert (mark.y is None) == (one is None)
        if mark.y is not None:
            assert BOX["top"] <= mark.high <= mark.y <= mark.low <= BOX["bottom"]
    assert all(BOX["top"] <= level.y <= BOX["bottom"] for level in drawn.levels)
    assert all(level.x1 <= level.x2 for level in drawn.levels)
    axis = chart(found)
    assert all(axis.low - 1e-9 <= value <= axis.high + 1e-9 for value, _ in axis.ticks)
    assert all(math.isfinite(end) for end in (axis.low, axis.high))


@given(st.floats(0.01, 1e4), st.floats(0.003, 0.5))
def test_no_two_ticks_of_an_axis_read_the_same(value: float, half: float) -> None:
    drawn = chart(series(points=(point(0, value, half),), parts=(), changes=()))
    labels = [label for _, label in drawn.ticks]
    assert labels
    assert len(set(labels)) == len(labels)


def test_a_level_is_the_median_between_changes_and_never_crosses_a_break() -> None:
    found = chart(series())
    spans = [(level.first, level.last) for level in found.levels]
    assert spans == [(0, 7), (8, 11), (12, 19), (20, 23)]
    assert [rule.kind for rule in found.rules] == ["break", "worse", "better"]
    values = sorted(p.value for p in found.points[8:12])
    assert found.levels[1].value == (values[1] + values[2]) / 2


# --- the summary in Markdown -------------------------------------------------------------


def test_the_summary_tells_of_each_cell_what_the_page_does() -> None:
    view = trending()
    made = Markdown().render(view).decode()
    assert "## Trend" not in Markdown().render(small()).decode()
    section = made[made.index("## Trend") : made.index("## Evidence")]
    told = [one for found in trends.trends(view) for one in (found.title, *found.sentences)]
    assert all(one in section for one in told)
    for one in (found for asked in view.trends for found in asked.series):
        shown = one.points[-MOST_RUNS:]
        begin = section.index(f"#### {one.label}\n")
        own = section[begin : section.find("####", begin + 5)]
        rows = [line.split(" | ")[1] for line in own.splitlines() if " | line-" in line]
        assert rows == [point.run for point in shown]
        for made in one.changes:
            assert own.count(f"**{words.change(made)}**") == 1 + (made.at >= len(one.points) - 10)


def test_names_in_a_trend_of_the_summary_make_no_markup() -> None:
    made = Markdown().render(hostile_trends()).decode()
    section = made[made.index("## Trend") : made.index("## Evidence")]
    assert "<" not in section
    heads = [line for line in section.splitlines() if line.startswith("| Measured")]
    assert heads
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 7 for line in heads)


# --- the page ----------------------------------------------------------------------------


def test_without_trends_the_page_has_no_trace_of_them() -> None:
    assert ".trend" not in html(run())
    assert 'id="trend"' not in html(run())


def test_the_page_draws_each_cell_as_the_history_s_own_page_does() -> None:
    view = trending()
    made = html(view)
    assert SVG.findall(made) == [
        one for found in view.trends for one in SVG.findall(page(found).decode())
    ]
    assert len(SVG.findall(made)) == 3
    assert '<a href="#trend">Trend</a>' in made
    section = made[made.index('<section id="trend"') :]
    for told in (
        "+12 % (+10 to +14), worse",
        "set apart by environment.cpu.model: Xeon 8480C → EPYC 9654",
        "2 changes in 1 of 3 cells: 1 for the worse and 1 for the better.",
        "No run has this figure of this cell.",
        "Not read: <bdi>line-0badc0: cell.json is not JSON</bdi>",
    ):
        assert told in section


def test_a_crowd_is_cut_to_those_that_changed_first_and_the_rest_is_counted() -> None:
    made = html(crowded())
    assert len(SVG.findall(made)) == 2 * trends.MOST_SHOWN
    assert "changed · onnxruntime" in made, "the last cell of 200, the one that changed"
    assert made.count("24 of 200 cells: those that changed for the worse") == 2
    assert "2 changes in 1 of 200 cells" in made
    assert html(crowded(2, 100)).count("The last 30 of 100 runs") == 4


def test_hostile_names_are_text_in_the_page() -> None:
    made = html(hostile_trends())
    section = made[made.index('<section id="trend"') : made.index('<section id="evidence"')]
    tags = set(re.findall(r"</?([a-zA-Z]+)", section))
    assert not tags & {"script", "img", "iframe", "a", "style"}
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", section)
    assert max(map(len, re.findall(r">([^<]*)<", section))) < 1_500
    assert "&lt;script&gt;" in section


# --- the document ------------------------------------------------------------------------


def test_the_document_tells_tabulates_and_draws_each_figure() -> None:
    part = trend_part(build(trending()))
    first, second = part.parts
    assert (first.title, second.title) == ("latency.p50", "map")
    assert "No figure in any run: never · onnxruntime" in sentences(first)
    assert "(3 figures; two levels need 6)" in sentences(first)
    assert "No change is found in 1 cell; that is not the same" in sentences(second)
    (grid,) = (block for block in first.blocks if isinstance(block, Grid))
    rows = [[place.text for place in line.places] for line in grid.lines]
    assert [row[:3] for row in rows] == [
        ["+12 %", "worse", "p < 0.001"],
        ["−18.8 %", "better", "p < 0.001"],
    ]
    assert grid.lines[0].places[0].detail == "[+10 to +14]"
    (picture,) = (block for block in first.blocks if isinstance(block, Picture))
    assert "18.4 ms on 2026-09-01, 23.8 ms on 2026-09-24; +12 % (+10 to +14), worse" in picture.alt
    assert "yolox-s · onnxruntime · fp32 · cpu · batch 1: 31 ms" in picture.alt
    assert picture.alt.endswith("not searched.")
    assert "worsley1979" in {one.key for one in build(trending()).references}
    assert not any(part.anchor == "trend" for part in build(small()).parts)


def test_the_method_of_changes_is_cited_only_where_one_was_searched_for() -> None:
    view = small().model_copy(update={"trends": (history(few(), bare()),)})
    assert "worsley1979" not in {one.key for one in build(view).references}


def test_the_document_of_a_crowd_shows_the_first_and_says_so() -> None:
    for part in trend_part(build(crowded())).parts:
        shown = [block for block in part.blocks if isinstance(block, Picture)]
        assert len(shown) == trends.MOST_SHOWN / 2
        told = " ".join(plain(b.text) for b in part.blocks if isinstance(b, Paragraph))
        assert "24 of 200 cells" in told
        assert "24 of 200 cells" in shown[0].caption


# --- figures -----------------------------------------------------------------------------


def test_each_figure_is_a_file_and_the_document_names_the_same() -> None:
    pytest.importorskip("matplotlib")
    view = run(small().cells[:1]).model_copy(update={"trends": (history(few()),)})
    files, document = Figures().files(view), Md().files(view)
    assert next(iter(files)) == Figures.file_name
    figures = {name for name in files if name.endswith(".svg")}
    assert figures == {name for name in document if name.endswith(".svg")}
    assert {"figures/figure-trend-1-1.svg", "figures/figure-1-tradeoff-1.svg"} <= figures
    for name in figures:
        assert files[name] == document[name], name
        assert b"<dc:date>" not in files[name]
        with Image.open(io.BytesIO(files[name.replace(".svg", ".png")])) as image:
            assert image.size == (1920, 1080)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert set(image.info) <= {"dpi", "gamma"}, "no date, no name of a program"


def test_the_files_are_the_same_each_time_and_the_pdf_is_what_render_gives() -> None:
    pytest.importorskip("matplotlib")
    view = run(()).model_copy(update={"trends": (history(series()),)})
    files = Figures().files(view)
    assert files == Figures().files(view)
    assert files["figures.pdf"] == Figures().render(view)
    assert set(files) == {
        "figures.pdf", "figures/figure-trend-1-1.svg", "figures/figure-trend-1-1.png",
    }  # fmt: skip


def test_names_of_figures_are_safe_unique_and_tell_a_choice_from_the_whole() -> None:
    pytest.importorskip("matplotlib")

    def names(view) -> list[str]:
        return [name for name, _ in named(view, groups(view), Hand())]

    for view in (hostile_trends(), crowded(), many(100)):
        found = names(view)
        assert len(set(found)) == len(found)
        assert all(re.fullmatch(r"figure-[a-z0-9]+(-[a-z0-9]+)*", name) for name in found)
    drawn = {b.anchor for b in build(crowded()).blocks() if isinstance(b, Picture)}
    assert "figure-trend-1-1" in drawn
    whole = set(names(crowded()))
    assert "figure-trend-1-all-1" in whole
    assert not {name for name in drawn & whole if "trend" in name}
    assert "figure-1-all-tradeoff-1" in names(many(25))
    assert "figure-1-tradeoff-1" in names(many(24))


def test_of_many_pages_of_a_kind_the_first_are_files_and_all_stand_in_the_pdf(monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    from benchbench.reports import figures

    monkeypatch.setattr(figures, "MOST_FILES", 1)
    cells = [few(f"model-{number}") for number in range(5)]
    files = Figures().files(run(()).model_copy(update={"trends": (history(*cells),)}))
    assert len(files) == 1 + 2
    assert len(re.findall(rb"/Type /Page\b", files["figures.pdf"])) == 3


def test_hostile_trends_are_drawn_as_text() -> None:
    pytest.importorskip("matplotlib")
    assert Figures().render(hostile_trends()).startswith(b"%PDF-")


# --- the workbook ------------------------------------------------------------------------


def test_the_workbook_has_a_row_for_each_run_of_each_cell() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    view = trending()
    book = openpyxl.load_workbook(io.BytesIO(Xlsx().render(view)))
    heads, *rows = book["Trend"].iter_rows(values_only=True)
    points = [p for found in view.trends for one in found.series for p in one.points]
    at = {name: place for place, name in enumerate(heads)}
    assert [row[at["Value"]] for row in rows] == pytest.approx([p.value for p in points])
    assert [row[at["Change here"]] for row in rows if row[at["Change here"]]] == [
        "+12 % (+10 to +14), worse", "−18.8 % (−20.8 to −16.8), better",
    ]  # fmt: skip
    assert {row[at["Part"]] for row in rows} == {1, 2}
    assert "signal 11" in rows[6][at["Remarks"]]
    plain_book = openpyxl.load_workbook(io.BytesIO(Xlsx().render(small())))
    assert "Trend" not in plain_book.sheetnames


def test_no_name_of_a_trend_is_a_formula() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(Xlsx().render(hostile_trends())))
    cells = [cell for row in book["Trend"].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert any(str(cell.value).startswith("=HYPERLINK") for cell in cells)


def test_a_quiet_cell_says_how_small_a_change_would_be_seen() -> None:
    view = run().model_copy(update={"trends": (history(quiet()),)})
    assert "no change found; one of 0.6 points in its middle would be found" in html(view)
