"""Protocol cards."""

from __future__ import annotations

from benchbench.reports.document.method import method
from benchbench.reports.html import Html
from benchbench.reports.markdown import Markdown
from benchbench.reports.protocol import cards
from benchbench.view import CellView
from tests.report_fixture import cells, measured, run


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


def _with(index: int, model: str, **protocol: object) -> CellView:
    cell = measured(index, model, "r", "fp32" if index % 2 else "int8", ap=0.4, p50=5.0)
    return cell.model_copy(update={"protocol": protocol})


def test_a_setting_that_some_cells_of_a_model_lack_reads_not_set_where_they_do() -> None:
    one, other = _with(0, "m", decoder={"nms": 0.6}), _with(1, "m")
    (card,) = [card for card in cards((one, other)) if card.title == "m"]
    assert {(line.value, line.cells) for line in card.lines} == {
        ("0.6", ("r · int8",)), ("not set", ("r · fp32",)),
    }  # fmt: skip
    assert card.closing == ""


def test_what_no_cell_of_a_card_sets_is_named_in_one_sentence_and_has_no_row() -> None:
    one = _with(0, "a", threads=1, decoder={"nms": 0.6, "clip": None, "score": 0.05})
    other = _with(1, "b", threads=1, decoder={"clip": None}, colour="BGR")
    shared, a, b = cards((one, other))
    assert shared.closing == "Not set: decoder › clip."
    assert a.closing == "Not set: colour."
    assert b.closing == "Not set: decoder › nms, score."
    assert not any(line.value in ("not set", "–") for card in (shared, a, b) for line in card.lines)


def test_settings_of_a_section_stand_together_whichever_cell_has_them() -> None:
    one = _with(0, "m", decoder={"nms": 0.6}, layout="NCHW")
    other = _with(1, "m", decoder={"clip": True}, layout="NHWC")
    lines = [line for card in cards((one, other)) for line in card.lines]
    heads = [line.section or line.key for line in lines]
    assert heads.count("decoder") == 4
    for card in cards((one, other)):
        told = [line.section or line.key for line in card.lines]
        assert len([a for a, b in zip(["", *told], told, strict=False) if a != b]) == len(set(told))


def test_a_model_that_sets_nothing_of_its_own_says_that_alone() -> None:
    cell, bare = _with(0, "a", threads=1, colour="BGR"), _with(1, "b", threads=1)
    card = cards((cell, bare))[-1]
    assert (card.title, card.lines, card.closing) == ("b", (), "Not set: colour.")
    made = run((cell, bare))
    (grids,) = [part.blocks for part in method(made).parts if part.title == "Protocol"]
    assert [type(block).__name__ for block in grids] == ["Grid", "Grid", "Paragraph"]
    told = Markdown().render(made).decode()
    assert "### b\n\nNot set: colour.\n" in told
    one = _with(0, "a", threads=1, colour="BGR", decoder={"nms": None})
    assert " | all |\n\nNot set: decoder › nms.\n\n" in Markdown().render(run((one,))).decode()
    assert "Not set: colour." in Html().render(made).decode()


def test_a_run_without_protocol_has_no_card() -> None:
    bare = {"protocol": {}, "evaluator": None, "convention": {}}
    assert cards((cells()[0].model_copy(update=bare),)) == ()
