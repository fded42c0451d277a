"""Slices, curves, confusion and severities on the HTML page and in the figures."""

from __future__ import annotations

import re

import pytest

from benchbench.reports import curves, parts
from benchbench.reports.html import Html
from tests.report_findings import (
    HARMED,
    SILENT,
    UNDECIDED,
    WITHHELD,
    hostile_findings,
    knowing,
    many_known,
)
from tests.report_fixture import measured, run
from tests.unit.test_reports_html import Node, _walk, parse


@pytest.fixture(scope="module")
def tree() -> Node:
    return parse(Html().render(knowing()))


@pytest.fixture(scope="module")
def nasty() -> Node:
    return parse(Html().render(hostile_findings()))


def _section(tree: Node, name: str) -> Node:
    return next(node for node in tree.all("section") if node.attrs["id"] == name)


def _table(tree: Node, section: str, caption: str) -> dict[str, list[Node]]:
    tables = _section(tree, section).all("table")
    found = next(t for t in tables if t.all("caption")[0].text.startswith(caption))
    return {r.all("th")[0].text: r.all("td") for r in found.all("tbody")[0].all("tr")}


def test_harmed_slices_stand_in_words_above_the_tables(tree: Node) -> None:
    told = _section(tree, "parts").all("ul")[0].text
    assert HARMED in told
    assert UNDECIDED not in told


def test_a_slice_has_its_definition_numbers_difference_and_verdict(tree: Node) -> None:
    rows = _table(tree, "parts", "mAP by slice")
    name, cells = next((n, c) for n, c in rows.items() if n.startswith(HARMED))
    assert name == f"{HARMED}mean luma below 61.5; images chosen"
    assert [cell.text for cell in cells[:4]] == [
        "80", "431", "0.498 ± 0.032", "−0.04195 % −0.061 to −0.021",
    ]  # fmt: skip
    assert cells[5].text == "worsep < 0.001 over 3"
    assert len(cells[4].all("svg")) == 1


def test_an_undecided_slice_and_one_without_interval_say_so(tree: Node) -> None:
    rows = _table(tree, "parts", "mAP by slice")
    undecided = next(cells for name, cells in rows.items() if name.startswith(UNDECIDED))
    silent = next(cells for name, cells in rows.items() if name.startswith(SILENT))
    assert undecided[5].text.startswith("no difference shown")
    assert silent[5].text == f"no interval: {WITHHELD}"
    assert silent[2].text == "0.318"


def test_severities_stand_in_order_and_an_absent_one_gives_its_reason(tree: Node) -> None:
    table = next(t for t in _section(tree, "severity").all("table"))
    assert [th.text for th in table.all("thead")[0].all("th")][1:] == list("012345")
    rows = _table(tree, "severity", "fog")
    int8 = rows["fcos-r50 · onnxruntime · int8"]
    assert int8[0].text == "0.498± 0.024"
    assert int8[4].text == "–"
    assert int8[4].attrs["data-v"] == ""
    assert "SIGSEGV" in int8[4].all("span")[0].attrs["title"]
    gaps = "Every cell, severity 2, 4, 5: the run has no such cell."
    assert gaps in _section(tree, "severity").text


def test_every_curve_has_a_panel_with_a_legend_and_a_description(tree: Node) -> None:
    panels = _section(tree, "curves").all("figure")
    assert [panel.all("p")[0].text for panel in panels][-1] == "ROC · resnet-18"
    for panel in panels:
        drawing = panel.all("svg")[0]
        assert drawing.attrs["role"] == "img"
        assert "lines" in drawing.attrs["aria-label"]
        assert len(panel.all("li")) == len(drawing.all("g"))
    assert "dotted: chance" in panels[-1].text


def test_small_matrices_are_heat_maps_and_large_ones_lists(tree: Node) -> None:
    section = _section(tree, "confusion")
    captions = [table.all("caption")[0].text for table in section.all("table")]
    assert sum(text.startswith("Rows: truth") for text in captions) == 4
    assert captions[-1] == "The 20 pairs confused most often, of 40 × 40"
    rows = _table(tree, "confusion", "Rows: truth")
    assert [cell.text for cell in rows["carton"]][:4] == ["87", "29", "·", "67"]
    assert {cell.text for cell in rows["can"][1:]} == {"–"}


def test_metrics_of_which_less_is_better_carry_an_arrow(tree: Node) -> None:
    heads = [th.text for th in _section(tree, "accuracy").all("th")]
    assert "ece ↓" in heads
    assert "mAP" in heads


def test_sections_without_anything_to_show_are_left_out() -> None:
    page = parse(Html().render(run((measured(0, "m", "r", "fp32", ap=0.4, p50=5.0),))))
    ids = {node.attrs["id"] for node in page.all("section")}
    assert not ids & {"parts", "severity", "curves", "confusion"}
    assert not any(a.attrs["href"] == "#parts" for a in page.all("a"))


def test_names_of_slices_classes_curves_and_matrices_stay_text(nasty: Node) -> None:
    assert [s.attrs.get("type") for s in nasty.all("script")] == ["application/json", None]
    assert not nasty.all("img")
    assert not any(name.startswith("on") for node in _walk(nasty) for name in node.attrs)
    assert "<script>alert('name')</script>" in _section(nasty, "parts").text
    assert "<script>alert('name')</script>" in _section(nasty, "confusion").text


def test_fifty_cells_of_eighty_classes_and_thirty_slices_stay_under_1300_kilobytes() -> None:
    made = Html().render(many_known(50, 80, 30))
    assert len(made) < 1_300_000
    text = parse(made).text
    assert "and 55 more classes with larger p-values or none: report.json" in text
    assert f"The tables of {50 - parts.MOST_TABLES} more cells are in report.json." in text
    assert f"and {100 - curves.MOST_PANELS} more panels" in text
    assert "and 30 more matrices: report.json" in text


def test_nothing_absent_prints_as_none_or_nan(tree: Node, nasty: Node) -> None:
    for page in (tree, nasty):
        body = page.all("main")[0].text
        assert not re.search(r"\bNone\b|\bnan\b|\bundefined\b(?! on)", body)


def test_the_figures_have_a_page_for_each_finding() -> None:
    pytest.importorskip("matplotlib")
    from benchbench.reports.figures import Figures
    from tests.unit.test_reports_figures import _pages

    view = knowing()
    few = [cell for cell in view.cells if cell.model == "nanodet-plus-m" or not cell.slices]
    pages = _pages(Figures().render(run(tuple(few))))
    heads = [page.splitlines()[0] for page in pages]
    for head in ("Slices against fp32 (4 slices)", "Classes against fp32 (12 classes)",
                 "Curves · resnet-18", "Confusion", "Accuracy against severity"):  # fmt: skip
        assert head in heads, head
    slices = pages[heads.index("Slices against fp32 (4 slices)")].splitlines()
    assert {HARMED, "−0.041 worse", "−0.018 nothing shown", "−0.090 no interval"} <= set(slices)
