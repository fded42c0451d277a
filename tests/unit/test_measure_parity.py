"""Tensor errors by their formulas; agreement of predictions by hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.measure import parity
from benchbench.types import ClassScores, Detections, LabelMap, OutputError, Parity


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


def test_a_noisy_fp16_artifact_is_doubted_and_a_noisy_int8_one_by_its_predictions() -> None:
    noisy = OutputError(name="boxes", max_abs=1, mean_abs=1, max_sigma=1, cosine=0.9, snr_db=15.0)
    parity_of = Parity(reference="onnx", images=8, outputs=(noisy,), agreement={"matched": 0.9})
    (caveat,) = parity.doubts(parity_of, "fp16")
    assert caveat.figures == {"output": "boxes", "snr_db": 15.0, "expected_db": 35.0}
    assert parity.doubts(parity_of, "int8") == ()
    worse = parity_of.model_copy(update={"agreement": {"matched": 0.5, "iou": 0.9}})
    (caveat,) = parity.doubts(worse, "int8")
    assert caveat.figures == {"agreement": "matched", "value": 0.5}
