"""Tensor errors by their formulas; agreement of predictions by hand-made cases."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.forecast import IMAGE_BYTES
from benchbench.measure import parity
from benchbench.types import (
    PREDICTION_TYPES,
    ClassScores,
    Detections,
    LabelMap,
    OrientedDetections,
    OutputError,
    PanopticMap,
    Parity,
    Poses,
    PromptedMasks,
    TaskName,
)


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def test_an_error_is_measured_over_all_batches() -> None:
    want = [{"a": np.array([3.0, 4.0], np.float32)}, {"a": np.array([0.0, 0.0], np.float32)}]
    got = [{"b": np.array([3.0, 4.0], np.float32)}, {"b": np.array([0.0, 0.5], np.float32)}]
    (found,) = parity.compare(want, got)
    assert isinstance(found, OutputError)
    assert (found.name, found.max_abs, found.mean_abs) == ("a", 0.5, 0.125)
    assert found.snr_db == pytest.approx(10 * np.log10(25 / 0.25))
    assert found.cosine == pytest.approx(25 / (5 * np.sqrt(25.25)))
    assert found.max_sigma == pytest.approx(0.5 / np.std([3, 4, 0, 0]))


@given(st.floats(1e-6, 1e-1))
def test_noise_of_a_known_power_has_its_ratio(scale) -> None:
    want = np.random.default_rng(0).standard_normal(2000)
    got = want + scale * np.random.default_rng(1).standard_normal(2000)
    (found,) = parity.compare([{"x": want}], [{"x": got}])
    assert isinstance(found, OutputError)
    assert found.snr_db == pytest.approx(-20 * np.log10(scale), abs=0.5)


def test_equal_outputs_have_no_noise_to_relate_to() -> None:
    same = {"x": np.ones(3)}
    (found,) = parity.compare([same], [same])
    assert isinstance(found, OutputError)
    assert (found.max_abs, found.snr_db, found.max_sigma) == (0.0, None, None)


@pytest.mark.parametrize(
    ("got", "told"),
    [
        ({"x": np.ones((2, 3))}, r"shape \(2, 3\)"),
        ({"x": np.ones((3, 2)), "y": np.ones(1)}, "2 outputs instead of 1"),
        ({"x": np.full((3, 2), np.nan)}, "infinite or undefined"),
    ],
)
def test_what_cannot_be_compared_is_told(got, told) -> None:
    found = parity.compare([{"x": np.ones((3, 2))}], [got])
    assert isinstance(found, str)
    assert __import__("re").search(told, found)


def test_infinities_at_the_same_places_do_not_count() -> None:
    want = np.array([-np.inf, 1.0, 2.0])
    (found,) = parity.compare([{"x": want}], [{"x": want + np.array([0, 0, 1])}])
    assert isinstance(found, OutputError)
    assert found.max_abs == 1.0


def test_detections_match_by_class_and_overlap_and_only_the_confident() -> None:
    ours = detections((0, 0, 10, 10, 0.9, 1), (50, 50, 10, 10, 0.8, 2), (0, 0, 9, 9, 0.1, 1))
    theirs = detections((0, 0, 10, 5, 0.9, 1), (50, 50, 10, 10, 0.8, 3))
    assert parity.agreement([ours], [theirs]) == {"matched": 0.5, "iou": 0.5}


def test_one_detection_answers_for_one_other() -> None:
    ours = detections((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1))
    found = parity.agreement([ours], [detections((0, 0, 10, 10, 0.9, 1))])
    assert found["matched"] == pytest.approx(2 / 3)


def test_without_a_confident_detection_there_is_nothing_to_agree_on() -> None:
    nothing = detections((0, 0, 1, 1, 0.1, 1))
    assert parity.agreement([nothing], [nothing]) == {}


def test_maps_agree_by_pixels_and_by_classes() -> None:
    ours = LabelMap(np.array([[0, 0], [0, 1]], np.uint8))
    theirs = LabelMap(np.array([[0, 0], [1, 1]], np.uint8))
    assert parity.agreement([ours], [theirs]) == {"pixels": 0.75, "miou": (2 / 3 + 1 / 2) / 2}


def test_classes_agree_by_the_best_and_by_the_whole_distribution() -> None:
    one, other = (ClassScores(np.array(v, np.float32)) for v in ([0.75, 0.25], [0.25, 0.75]))
    assert parity.agreement([one, one], [one, other]) == {"top1": 0.5, "overlap": 0.75}


def test_scores_that_do_not_sum_to_one_overlap_by_their_sums_and_logits_not_at_all() -> None:
    sure = ClassScores(np.array([0.9, 0.8, 0.3], np.float32))
    half = ClassScores(np.array([0.45, 0.4, 0.15], np.float32))
    assert parity.agreement([sure], [sure])["overlap"] == pytest.approx(1)
    assert parity.agreement([sure], [half])["overlap"] == pytest.approx(2 / 3)
    logits = ClassScores(np.array([3.0, -1.0], np.float32))
    assert parity.agreement([logits], [logits]) == {"top1": 1.0}


def test_poses_and_turned_boxes_agree_by_what_they_cover() -> None:
    box, score, label = np.array([[10.0, 10, 20, 20]]), np.array([0.9]), np.array([1])
    away = Poses(box + 100, score, label, np.zeros((1, 2, 3)))
    pose = Poses(box, score, label, np.zeros((1, 2, 3)))
    assert parity.agreement([pose], [pose]) == {"matched": 1.0, "iou": 1.0}
    assert parity.agreement([pose], [away]) == {"matched": 0.0}
    flat = OrientedDetections(np.array([[50.0, 50, 40, 10, 0.0]]), score, label)
    turned = OrientedDetections(np.array([[50.0, 50, 10, 40, np.pi / 2]]), score, label)
    assert parity.agreement([flat], [turned]) == pytest.approx({"matched": 1.0, "iou": 1.0})
    upright = OrientedDetections(np.array([[50.0, 50, 10, 40, 0.0]]), score, label)
    assert parity.agreement([flat], [upright]) == {"matched": 0.0}


def test_panoptic_maps_agree_by_category_whatever_the_segments_are_called() -> None:
    pixels = np.array([[0, 1, 1, 2]], np.uint16)
    ours = PanopticMap(pixels, np.array([7, 9]))
    same = PanopticMap(np.array([[0, 2, 2, 1]], np.uint16), np.array([9, 7]))
    other = PanopticMap(np.array([[1, 1, 1, 2]], np.uint16), np.array([7, 9]))
    assert parity.agreement([ours], [same]) == {"pixels": 1.0}
    assert parity.agreement([ours], [other]) == {"pixels": 0.75}


def test_prompted_masks_agree_prompt_by_prompt() -> None:
    def masks(*runs: list[int]) -> PromptedMasks:
        lengths = np.array([len(one) for one in runs])
        flat = np.concatenate([np.array(one, np.uint32) for one in runs])
        return PromptedMasks(np.arange(len(runs)), np.ones(len(runs)), lengths, flat)

    first, second = [0, 4, 12], [8, 4, 4]
    assert parity.agreement([masks(first, second)], [masks(first, second)]) == {"iou": 1.0}
    assert parity.agreement([masks(first, second)], [masks(second, second)]) == {"iou": 0.5}


def test_every_task_can_be_compared_and_forecast() -> None:
    assert set(parity._BY_KIND) == set(PREDICTION_TYPES.values())
    assert set(IMAGE_BYTES) == set(PREDICTION_TYPES) == set(get_args(TaskName))


def test_a_noisy_fp16_artifact_is_doubted_and_a_noisy_int8_one_by_its_predictions() -> None:
    noisy = OutputError(name="boxes", max_abs=1, mean_abs=1, max_sigma=1, cosine=0.9, snr_db=15.0)
    parity_of = Parity(reference="onnx", images=8, outputs=(noisy,), agreement={"matched": 0.9})
    (caveat,) = parity.doubts(parity_of, "fp16")
    assert caveat.figures == {"output": "boxes", "snr_db": 15.0, "expected_db": 35.0}
    assert parity.doubts(parity_of, "int8") == ()
    worse = parity_of.model_copy(update={"agreement": {"matched": 0.5, "iou": 0.9}})
    (caveat,) = parity.doubts(worse, "int8")
    assert caveat.figures == {"agreement": "matched", "value": 0.5}
