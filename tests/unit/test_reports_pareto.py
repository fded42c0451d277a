"""The trade-off plot: its marks, the places of its names, and how it is printed."""

from __future__ import annotations

import itertools
import re
import typing
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.reports import pareto
from benchbench.reports.grouping import front, groups
from benchbench.reports.html import Html
from benchbench.reports.page import plot
from benchbench.types import Precision
from benchbench.view import CellView, RunView
from tests.report_fixture import hostile, many, measured, run, varied
from tests.report_measured import measured as measured_run

GROUP = groups(run())[0]


def _draw(view: RunView, name: str = "wide") -> ET.Element:
    """Return the first drawing of that name on the page of *view*."""
    page = Html().render(view).decode()
    found = re.search(rf'<svg class="{name}".*?</svg>', page, re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def _points(drawing: ET.Element) -> dict[str, ET.Element]:
    """Return the points by their titles."""
    marks = [e for e in drawing.iter("g") if (e.get("class") or "").startswith("pt")]
    return {mark.findtext("title") or "": mark for mark in marks}


@pytest.mark.parametrize("name", ["wide", "narrow"])
def test_the_plot_is_well_formed_and_names_every_plotted_cell(name: str) -> None:
    told = _points(_draw(run(), name))
    assert len(told) == 12
    assert any("nanodet-plus-m · openvino · int8: mAP 0.401, p50 3.81 ms" in n for n in told)


def test_a_cell_that_ran_otherwise_than_asked_is_ringed_and_so_is_a_proxy() -> None:
    def rings(view: RunView) -> list[str]:
        marks = _points(_draw(view)).items()
        return sorted(t.partition(":")[0][-1] for t, e in marks
                      if any(part.get("class") == "ring" for part in e))  # fmt: skip

    assert rings(run()) == ["†"]
    assert rings(varied()) == ["†", "†", "‡"]


def test_a_group_of_which_nothing_ran_as_asked_is_drawn_without_a_front() -> None:
    odd = tuple(
        measured(i, f"m{i}", "r", "int8", ap=0.4 + i / 10, p50=5.0 + i, effective="fp32")
        for i in range(2)
    )
    drawing = _draw(run(odd))
    assert len(_points(drawing)) == 2
    assert not [e for e in drawing.iter("path") if e.get("class") == "front"]


def test_only_intervals_over_processes_or_images_are_drawn_beside_a_point() -> None:
    bars = {
        title.partition(":")[0]: "bar" in {part.get("class") for part in mark}
        for title, mark in _points(_draw(measured_run())).items()
    }
    assert bars == {
        "nanodet-plus-m · openvino · fp32": True,
        "nanodet-plus-m · openvino · int8": True,
        "nanodet-plus-m · onnxruntime · fp32": False,
        "nanodet-plus-m · onnxruntime · int8": False,
    }


def test_every_precision_has_a_shape_of_its_own() -> None:
    assert set(pareto.SHAPES) == {*typing.get_args(Precision), "given"}
    assert len(set(pareto.SHAPES.values())) == len(pareto.SHAPES)


@pytest.mark.parametrize("view", [run(), many(60)])
@pytest.mark.parametrize(("width", "height"), [(1010, 430), (265, 300)])
def test_labels_overlap_neither_one_another_nor_the_edge(view, width: int, height: int) -> None:
    group = groups(view)[0]
    frame = plot._frame(group.plotted, width, height)
    found = list(pareto.labels(group.plotted, front(group.plotted), frame))
    assert found
    boxes = []
    for _, ms, share, text, strong in found:
        x = frame.x.at(ms) * width / 100
        y = height * (1 - (share - frame.y_low) / (frame.y_high - frame.y_low))
        boxes.append((x, y - 7, x + len(text) * (7.0 if strong else 6.2), y + 7))
    assert all(b[0] >= -0.5 and b[2] <= width + 0.5 for b in boxes)
    for a, b in itertools.combinations(boxes, 2):
        apart = a[2] <= b[0] + 0.2 or b[2] <= a[0] + 0.2 or a[3] <= b[1] + 0.2 or b[3] <= a[1] + 0.2
        assert apart


def test_a_label_of_a_cell_in_another_precision_says_what_ran() -> None:
    frame = plot._frame(GROUP.plotted, 1010, 430)
    texts = [text for *_, text, _ in pareto.labels(GROUP.plotted, front(GROUP.plotted), frame)]
    assert "fcos-r50 · openvino · bf16 † (ran fp32)" in texts


def test_where_room_is_short_a_label_leaves_out_what_the_rest_of_the_plot_says() -> None:
    def brief(cells: list[CellView]) -> set[str]:
        frame = plot._frame(cells, 265, 300)
        return {text for *_, text, _ in pareto.labels(cells, [], frame)}

    one_model = [cell for cell in GROUP.plotted if cell.model == "nanodet-plus-m"]
    assert "torch · fp32" in brief(one_model)
    assert "nanodet-plus-m · fp32" in brief(list(GROUP.plotted))


def test_more_runtimes_than_colours_share_the_last_colour() -> None:
    names = [f"r{i}" for i in range(12)]
    assert pareto.colour("r0", names) == "var(--s0)"
    assert pareto.colour("r11", names) == "var(--s7)"


def test_hostile_names_do_not_break_out_of_the_drawing() -> None:
    views = [cell.model_copy(update={"dataset": "d"}) for cell in hostile().cells]
    tags = {element.tag for element in _draw(run(tuple(views))).iter()}
    assert tags <= {"svg", "g", "path", "text", "title", "use", "circle"}


def test_points_of_equal_accuracy_still_get_a_scale() -> None:
    same = tuple(measured(i, f"m{i}", "torch", "fp32", ap=0.4, p50=5.0) for i in range(2))
    text = ET.tostring(_draw(run(same)), encoding="unicode")
    assert not re.search("nan|inf", text, re.IGNORECASE)


box = st.tuples(*[st.floats(-50, 400)] * 2, *[st.floats(0, 120)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(box, max_size=30), box)
def test_boxes_sought_by_tiles_are_those_found_one_by_one(boxes, wanted) -> None:
    assert pareto.Taken(boxes).meets(wanted) == any(pareto._overlap(wanted, b) for b in boxes)
