"""What the script of the page reads, and what stands on the page for it: data, numbers, controls."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from benchbench.reports.grouping import groups
from benchbench.reports.html import Html
from benchbench.reports.page import axes
from benchbench.reports.page.figures import Footnotes
from benchbench.reports.page.island import _keys
from benchbench.view import RunView
from tests import gate_fixture, report_measured
from tests.report_findings import knowing
from tests.report_fixture import HOSTILE, cells, hostile, many, run, varied
from tests.unit.test_reports_html import Node, parse

MOST_BYTES = 2_000_000


def _data(page: bytes) -> Any:
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def _of(root: Node, name: str) -> Node:
    return next(node for node in root.all("section") if node.attrs["id"] == name)


def test_two_hundred_cells_stay_under_two_megabytes() -> None:
    assert len(Html().render(many(200))) < MOST_BYTES


@pytest.mark.parametrize("view", [varied(), hostile(), knowing(), report_measured.measured()])
def test_every_cell_of_the_data_is_a_row_of_the_main_table_in_its_place(view: RunView) -> None:
    page = Html().render(view)
    data = _data(page)
    rows = [r for r in _of(parse(page), "cells").all("tr") if "id" in r.attrs]
    told = {int(r.attrs["data-c"] or ""): r.all("th")[0].attrs["title"] for r in rows}
    assert sorted(told) == list(range(len(data["cells"])))
    for number, title in told.items():
        assert (title or "").split("…")[0][:20] in data["cells"][number]["name"]


def test_the_data_ends_no_element_and_holds_hostile_names_as_text() -> None:
    page = Html().render(hostile())
    raw = re.search(rb'id="data">(.*?)</script>', page, re.DOTALL)
    assert raw
    assert not re.search(rb"[<>&]|\xe2\x80\xa8|\xe2\x80\xa9", raw[1])
    assert HOSTILE[0] in set(_data(page)["facets"]["model"])
    assert max(len(name) for name in _data(page)["facets"]["model"]) <= 80


def test_a_figure_that_is_not_finite_is_no_figure_of_the_data() -> None:
    nan, cell = float("nan"), cells()[0]
    late = cell.latency.model_copy(update={"p50_ms": nan, "throughput_ips": float("inf")})
    wrong = {"id": "odd", "latency": late, "metrics": cell.metrics | {"AP": nan}}
    odd = cell.model_copy(update=wrong)
    data = _data(Html().render(run((*cells(), odd))))
    number = next(at for at, one in enumerate(data["cells"]) if one["key"] == "odd")
    (plot,) = data["plots"]
    at = plot["cells"].index(number)
    figures = {axis["name"]: axis["points"][at] for axis in (*plot["x"], *plot["y"])}
    assert (figures["latency.p50"], figures["throughput"], figures["AP"]) == (0, 0, 0)
    assert figures["AP50"][1] == cell.metrics["AP50"]


def test_the_plot_is_offered_over_every_quantity_that_two_cells_have() -> None:
    (plot,) = _data(Html().render(report_measured.measured()))["plots"]
    names = [axis["name"] for axis in plot["x"]]
    assert names == ["latency.p50", "throughput", "energy", "memory", "size"]
    assert plot["y"][0]["name"] == "AP"
    assert {axis["higher"] for axis in plot["x"] if axis["name"] == "throughput"} == {True}
    assert {axis["title"] for axis in plot["x"]} >= {"p50 latency, ms", "size of the artifact, MB"}


def test_the_interval_of_one_process_is_told_but_not_drawn() -> None:
    (group,) = groups(report_measured.measured())
    first, second, third = group.cells[:3]
    speed = axes.across(group)[0]
    assert speed.points[first.id].low is not None
    assert "10 processes" in speed.points[first.id].text
    assert "6 processes" in speed.points[second.id].text
    assert speed.points[third.id].low is None


def test_energies_of_different_meters_are_not_put_on_one_axis() -> None:
    view = report_measured.measured()
    first, second = view.cells[:2]

    def names(of: RunView) -> list[str]:
        return [axis.name for axis in axes.across(groups(of)[0])]

    assert "energy" in names(view)
    other = second.energy[0].model_copy(update={"meter": "wall", "scope": "the whole machine"})
    mixed = second.model_copy(update={"energy": (other,)})
    assert "energy" not in names(view.model_copy(update={"cells": (first, mixed, *view.cells[2:])}))


def test_a_key_of_a_cell_is_short_unless_it_would_name_two() -> None:
    assert _keys(["0" * 8 + "a" * 56, "1" * 64]) == {"0" * 8 + "a" * 56: "0" * 8, "1" * 64: "1" * 8}
    assert _keys([f"{n:064x}" for n in range(3)]) == {f"{n:064x}": str(n) for n in range(3)}


def test_a_run_of_one_cell_has_nothing_to_filter() -> None:
    assert b'id="filters"' not in Html().render(run(cells()[:1]))
    assert b'id="filters"' in Html().render(run(cells()[:2]))


def test_a_facet_of_one_choice_is_left_out() -> None:
    root = parse(Html().render(run()))
    facets = [node.attrs.get("data-facet") for node in root.all("details")]
    assert [name for name in facets if name] == ["model", "runtime", "precision", "status"]


def test_every_control_is_hidden_until_the_script_has_run() -> None:
    root = parse(Html().render(run()))
    for name in ("filters", "axes", "tools"):
        found = [n for tag in ("div", "p") for n in root.all(tag) if n.attrs.get("class") == name]
        assert found
        assert all("hidden" in node.attrs for node in found), name


def test_intervals_stand_at_their_figures_for_sorting() -> None:
    root = parse(Html().render(report_measured.measured()))
    first = next(r for r in _of(root, "cells").all("tr") if r.attrs.get("id") == "cell-1")
    p50 = first.all("td")[2]
    low, value, high = (float(p50.attrs[name] or "") for name in ("data-l", "data-v", "data-h"))
    assert low < value < high
    assert p50.text.startswith("8.31")


@pytest.mark.parametrize("anchor", ["turns", "processes", "load", "energy"])
def test_tables_of_measurements_may_be_sorted_by_the_ends_too(anchor: str) -> None:
    root = parse(Html().render(report_measured.measured()))
    found = [td.attrs for td in _of(root, anchor).all("td") if "data-l" in td.attrs]
    assert found
    for attrs in found:
        low, value, high = (float(attrs[name] or "") for name in ("data-l", "data-v", "data-h"))
        assert low <= value <= high


def test_a_reason_keeps_its_number() -> None:
    notes = Footnotes()
    numbers = [notes.figure("", None, why).note for why in ("a", "b", "a")]
    assert (numbers, notes.texts) == ([1, 2, 1], ("a", "b"))


# --- the gate ------------------------------------------------------------------------------------


def test_the_gate_stands_first_and_what_is_broken_before_what_is_undecided() -> None:
    root = parse(Html().render(gate_fixture.gated()))
    assert root.all("section")[0].attrs["id"] == "gate"
    assert root.all("section")[0].all("h2")[0].text == "Gate: FAIL"
    table, held = _of(root, "gate").all("table")
    verdicts = [row.all("td")[0].text for row in table.all("tbody")[0].all("tr")]
    assert verdicts == ["FAIL", "FAIL", "FAIL", "INCONCLUSIVE"]
    text = table.text
    assert "p = 0.0016 after Holm’s correction" in text
    assert "the cell failed: killed by signal 11" in text
    assert "To settle it: run --processes 10" in text
    assert {row.all("td")[0].text for row in held.all("tbody")[0].all("tr")} == {"PASS"}
    folded = next(d for d in _of(root, "gate").all("details"))
    assert folded.all("summary")[0].text == "2 limits shown to hold"
    assert "open" not in folded.attrs


def test_without_a_gate_there_is_no_section_of_it() -> None:
    root = parse(Html().render(run()))
    assert "gate" not in {node.attrs["id"] for node in root.all("section")}
    assert "#gate" not in {a.attrs["href"] for a in root.all("a")}


def test_a_hostile_gate_stays_text() -> None:
    page = Html().render(gate_fixture.hostile())
    root = parse(page)
    assert HOSTILE[0] in _of(root, "gate").text
    assert not root.all("img")
    assert [s.attrs.get("type") for s in root.all("script")] == ["application/json", None]
    assert len(_data(page)["cells"]) == len(gate_fixture.hostile().cells)


def test_doubts_that_cells_share_are_told_once_in_the_data() -> None:
    data = _data(Html().render(many(120)))
    notes = [note for cell in data["cells"] for note in cell["notes"]]
    assert len(data["notes"]) < len(notes)
    assert len({text for _, text in data["notes"]}) == len(data["notes"])
