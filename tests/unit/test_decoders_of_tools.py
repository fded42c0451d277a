"""Decoders on outputs of real exports: the boxes and masks that the tool itself decodes from them.

``golden/decoders/make.py`` made the files with Ultralytics; the whole way, from the network, is in
``integration/test_real_exports.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchbench.decoders.end_to_end import YoloEndToEnd
from benchbench.decoders.yolo_segment import YoloEndToEndSegment, YoloV8Segment
from benchbench.errors import DecoderMismatch
from benchbench.types import ClassMap
from tests.golden.decoders import make
from tests.tool_results import assert_same

FILES = sorted(make.FOLDER.glob("*.npz"))
CLASSES = ClassMap(tuple(f"class {index}" for index in range(80)), tuple(range(80)))


def test_there_is_a_golden_file_for_each_case_and_it_is_small() -> None:
    assert {path.stem for path in FILES} == set(make.CASES)
    assert max(path.stat().st_size for path in FILES) < 100_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_export_is_decoded_as_its_tool_decodes_it(path: Path) -> None:
    told = dict(np.load(path))
    settings, case = json.loads(str(told["settings"])), make.CASES[path.stem]
    assert (settings["conf"], settings["iou"]) == (case.conf, case.iou)
    width, height = told["image"].tolist()
    geometry = make.contract(path.stem).geometry(width, height)
    feed = {name: told[name].astype(np.float32) for name in told if name.startswith("output")}
    (found,) = make.decoder(path.stem).decode(feed, [geometry], CLASSES)
    if "masks" in told:
        count = len(told["scores"])
        bits = np.unpackbits(told["masks"], count=count * width * height)
        told["masks"] = bits.reshape(count, height, width).astype(bool)
    assert len(told["scores"]) > 5
    assert_same(found, told)


def test_rows_without_their_coefficients_are_no_end_to_end_masks() -> None:
    feed = {"a": np.zeros((1, 300, 6), np.float32), "b": np.zeros((1, 32, 24, 24), np.float32)}
    geometry = make.contract("yolo26n-seg").geometry(96, 96)
    with pytest.raises(DecoderMismatch, match=r"'a' has .* \(1, 300, 6\); expected two outputs"):
        YoloEndToEndSegment().decode(feed, [geometry], CLASSES)


def test_end_to_end_masks_are_those_of_the_same_boxes_with_suppression_outside() -> None:
    """The rows of a finished head, written as those of YOLOv8, give the same objects."""
    told = dict(np.load(make.FOLDER / "yolo26n-seg.npz"))
    rows, prototypes = told["output0"][0], told["output1"].astype(np.float32)
    scores = np.zeros((len(rows), 80), np.float32)
    scores[np.arange(len(rows)), rows[:, 5].astype(int)] = rows[:, 4]
    centres, sides = (rows[:, :2] + rows[:, 2:4]) / 2, rows[:, 2:4] - rows[:, :2]
    plain = np.concatenate([centres, sides, scores, rows[:, 6:]], axis=1)
    geometry = make.contract("yolo26n-seg").geometry(*told["image"].tolist())
    finished, decoded = (
        decoder.decode({"a": first[None], "b": prototypes}, [geometry], CLASSES)[0]
        for decoder, first in (
            (YoloEndToEndSegment(score_floor=0.2), rows),
            (YoloV8Segment(score_floor=0.2, nms_iou=None), plain),
        )
    )
    assert finished.labels.tolist() == decoded.labels.tolist()
    np.testing.assert_allclose(finished.boxes, decoded.boxes, atol=1e-4)
    assert finished.lengths.sum() == pytest.approx(decoded.lengths.sum(), rel=0.01)


def test_the_cards_of_finished_rows_tell_their_boxes_and_masks() -> None:
    card = YoloEndToEnd(corners="cxcywh", coordinates="relative").describe()
    assert card["decoder"].endswith("cxcywh in relative")
    assert (card["score floor"], card["clip"]) == ("score > 0.001", "to the image, after NMS")
    card = YoloEndToEndSegment().describe()
    assert card["nms"] == "inside the model, or none needed"
    assert card["masks"].startswith("sigmoid of coefficients")
