"""Protocol cards."""

from __future__ import annotations

from benchbench.reports.protocol import cards
from tests.report_fixture import cells, measured


def test_what_all_share_is_said_once_and_each_model_says_the_rest() -> None:
    shared, fcos, nano = cards(cells())
    assert (shared.title, fcos.title, nano.title) == (
        "Every measured cell", "fcos-r50", "nanodet-plus-m",
    )  # fmt: skip
    assert ("decoder", "nms_iou", "0.6") in {(x.section, x.key, x.value) for x in shared.lines}
    assert not any(line.cells for line in shared.lines)
    assert {line.value for line in nano.lines if line.key == "colour"} == {"BGR"}


def test_a_setting_that_varies_within_a_model_names_the_cells_of_each_value() -> None:
    fcos = cards(cells())[1]
    layout = {line.value: line.cells for line in fcos.lines if line.key == "layout"}
    assert layout["NHWC"] == ("openvino · fp32", "openvino · bf16", "openvino · int8")
    assert "torch · fp32" in layout["NCHW"]


def test_a_setting_that_a_cell_lacks_reads_not_set() -> None:
    one = measured(0, "m", "r", "fp32", ap=0.4, p50=5.0)
    other = measured(1, "m", "r", "int8", ap=0.4, p50=5.0).model_copy(update={"protocol": {}})
    values = {line.value for card in cards((one, other)) for line in card.lines}
    assert "not set" in values


def test_a_run_without_protocol_has_no_card() -> None:
    bare = {"protocol": {}, "evaluator": None, "convention": {}}
    assert cards((cells()[0].model_copy(update=bare),)) == ()
