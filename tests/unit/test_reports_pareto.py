"""The trade-off plot."""

from __future__ import annotations

import itertools
import re
import sys
import typing
from xml.etree import ElementTree as ET

import pytest

from benchbench.errors import MissingDependency
from benchbench.reports import pareto
from benchbench.reports.grouping import front, groups
from benchbench.types import Precision
from tests.report_fixture import hostile, many, measured, run, varied

GROUP = groups(run())[0]
RUNTIMES = ("torch", "onnxruntime", "openvino", "tensorrt")


def _draw(prefix: str = "p") -> str:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    return pareto.draw(GROUP, RUNTIMES, width=900, height=400, prefix=prefix)


def test_the_plot_is_well_formed_and_names_every_plotted_cell() -> None:
    root = ET.fromstring(_draw())
    names = [element.text or "" for element in root.iter() if element.tag.endswith("title")]
    told = [name for name in names if "p50" in name]
    assert len(told) == 12
    assert any("nanodet-plus-m · openvino · int8: mAP 0.401, p50 3.81 ms" in n for n in told)


def test_ids_are_prefixed_and_colours_are_the_page_s_variables() -> None:
    svg = _draw("left")
    assert all(found.startswith("left-") for found in re.findall(r'\bid="([^"]*)"', svg))
    assert "var(--s2)" in svg
    assert "var(--ink-2)" in svg


def test_a_cell_that_ran_otherwise_than_asked_is_ringed_and_so_is_a_proxy() -> None:
    rings = 'stroke-dasharray="3,2.5"'
    assert _draw().count(rings) == 1
    pytest.importorskip("altair")
    mixed = groups(varied())[0]
    names = tuple(dict.fromkeys(cell.runtime for cell in mixed.cells))
    svg = pareto.draw(mixed, names, width=900, height=400, prefix="p")
    assert svg.count(rings) == 3
    told = [text for text in re.findall(r"<title>([^<]*)</title>", svg) if "p50" in text]
    assert sum("†:" in text for text in told) == 2
    assert sum("‡:" in text for text in told) == 1
    assert not any("tensorrt-rtx" in text for text in told)


def test_a_group_of_which_nothing_ran_as_asked_is_drawn_without_a_front() -> None:
    pytest.importorskip("altair")
    odd = tuple(
        measured(i, f"m{i}", "r", "int8", ap=0.4 + i / 10, p50=5.0 + i, effective="fp32")
        for i in range(2)
    )
    svg = pareto.draw(groups(run(odd))[0], ("r",), width=900, height=400, prefix="p")
    assert svg.count('stroke-dasharray="3,2.5"') == 2


def test_every_precision_has_a_shape_of_its_own() -> None:
    assert set(pareto.SHAPES) == {*typing.get_args(Precision), "given"}
    assert len(set(pareto.SHAPES.values())) == len(pareto.SHAPES)


def test_drawing_twice_gives_the_same_text() -> None:
    assert _draw() == _draw()


@pytest.mark.parametrize("view", [run(), many(60)])
@pytest.mark.parametrize(("width", "height"), [(1010, 430), (265, 300)])
def test_labels_overlap_neither_one_another_nor_the_edge(view, width: int, height: int) -> None:
    group = groups(view)[0]
    frame = pareto._frame(group, width, height)
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
    frame = pareto._frame(GROUP, 1010, 430)
    texts = [text for *_, text, _ in pareto.labels(GROUP.plotted, front(GROUP.plotted), frame)]
    assert "fcos-r50 · bf16 † (ran fp32)" in texts


def test_more_runtimes_than_colours_share_the_last_colour() -> None:
    names = [f"r{i}" for i in range(12)]
    assert pareto.colour("r0", names) == "var(--s0)"
    assert pareto.colour("r11", names) == "var(--s7)"


def test_hostile_names_do_not_break_out_of_the_drawing() -> None:
    pytest.importorskip("altair")
    views = [cell.model_copy(update={"dataset": "d"}) for cell in hostile().cells]
    group = groups(run(tuple(views)))[0]
    names = tuple(dict.fromkeys(cell.runtime for cell in views))
    svg = pareto.draw(group, names, width=900, height=400, prefix="p")
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "title", "rect", "defs", "clipPath"}


def test_without_altair_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingDependency, match="altair") as caught:
        pareto.draw(GROUP, RUNTIMES, width=900, height=400, prefix="p")
    assert caught.value.extra == "report"


def test_points_of_equal_accuracy_still_get_a_scale() -> None:
    pytest.importorskip("altair")
    same = tuple(measured(i, f"m{i}", "torch", "fp32", ap=0.4, p50=5.0) for i in range(2))
    svg = pareto.draw(groups(run(same))[0], RUNTIMES, width=300, height=200, prefix="p")
    assert "NaN" not in svg
