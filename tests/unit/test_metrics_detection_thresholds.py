"""The threshold of the best F1 and the calibration error: against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.detection_thresholds import Operating, best_f1, calibration
from tests.unit.test_metrics_coco_boxes import Coco, Found, scored, simple
from tests.unit.test_metrics_detection_errors import hotcoco_run, matched, random_scene, worlds

grades = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.7, 0.70000001, 1.0])
ranked = st.lists(st.tuples(grades, st.booleans()), max_size=15).map(
    lambda rows: sorted(rows, key=lambda row: -row[0])
)


def columns(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in rows], float), np.array([r for _, r in rows], bool)


@given(ranked, st.integers(0, 5))
def test_no_threshold_gives_a_better_f1(rows: list[tuple[float, bool]], extra: int) -> None:
    scores, right = columns(rows)
    objects = int(right.sum()) + extra
    point = best_f1(scores, right, objects)
    if not objects:
        assert point == Operating(None, None, None, None)
        return
    kept = {t: scores >= t for t in scores}
    f1 = {t: 2 * right[k].sum() / (k.sum() + objects) for t, k in kept.items()}
    best = max(f1.values(), default=0)
    assert point.f1 == pytest.approx(best)
    if not best:
        assert point == Operating(0.0, None, None, 0.0)
        return
    assert point.threshold == max(t for t, value in f1.items() if value == best)
    chosen = right[kept[point.threshold]]
    assert (point.precision, point.recall) == pytest.approx((chosen.mean(), chosen.sum() / objects))


@settings(max_examples=40, deadline=None)
@given(worlds)
def test_f1_is_reached_by_dropping_what_lies_below_its_threshold(
    made: tuple[Coco, Found],
) -> None:
    data, found = made
    scores = scored(data, found)
    threshold = scores.metrics["f1_threshold"]
    if threshold is None:
        assert scores.metrics["f1"] in {0.0, None}
        return
    left = matched(data, [one for one in found if one["score"] >= threshold])
    hits, objects = int((left.taken[left.ranking] >= 0).sum()), int(left.objects.sum())
    precision, recall = hits / len(left.ranking), hits / objects
    assert scores.metrics["precision"] == pytest.approx(precision)
    assert scores.metrics["recall"] == pytest.approx(recall)
    assert scores.metrics["f1"] == pytest.approx(2 / (1 / precision + 1 / recall))
    for name, own in scores.per_class["f1"].items():
        if own:
            row = {m: scores.per_class[m][name] for m in ("precision", "recall")}
            assert own == pytest.approx(2 / (1 / row["precision"] + 1 / row["recall"]))


def test_a_class_that_is_never_found_has_an_f1_of_0_and_no_threshold() -> None:
    data = simple()
    data["annotations"].append({**data["annotations"][0], "id": 3, "category_id": 2})
    scores = scored(data, [{"image_id": 3, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.5}])
    values = {metric: row["bolt (id 2)"] for metric, row in scores.per_class.items()}
    assert values["f1"] == values["recall"] == 0
    assert values["f1_threshold"] is values["precision"] is None
    assert "f1_threshold" in scores.reasons["per_class"]


@given(ranked, st.integers(1, 12))
def test_calibration_error_is_the_weighted_gap_of_the_bins(
    rows: list[tuple[float, bool]], bins: int
) -> None:
    scores, right = columns(rows)
    found = calibration(scores, right, bins)
    if not rows:
        assert found is None
        return
    assert found is not None
    error, curve = found
    index = np.minimum((scores * bins).astype(int), bins - 1)
    gap = 0.0
    for one in range(bins):
        inside = index == one
        if inside.any():
            mean, precision = scores[inside].mean(), right[inside].mean()
            gap += inside.mean() * abs(mean - precision)
            assert (curve.x[one], curve.y[one]) == pytest.approx((mean, precision))
        else:
            assert (curve.x[one], curve.y[one]) == (pytest.approx((one + 0.5) / bins), None)
    assert error == pytest.approx(gap)


@pytest.mark.parametrize("seed", range(4))
def test_hotcoco_finds_the_same_calibration_error(seed: int) -> None:
    data, found = random_scene(seed)
    ours = scored(data, found, CocoBoxes(calibration_bins=7)).metrics["calibration_error"]
    theirs = hotcoco_run(data, found).calibration(n_bins=7)["ece"]
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("score", [-0.1, 1.5])
def test_scores_that_are_no_probabilities_have_no_calibration_error(score: float) -> None:
    found = [{"image_id": 3, "category_id": 1, "bbox": [0, 0, 10, 10], "score": score}]
    scores = scored(simple(), found)
    assert scores.metrics["calibration_error"] is None
    assert scores.reasons["calibration_error"] == "scores lie outside 0 to 1"
    assert scores.metrics["f1_threshold"] == score


@pytest.mark.parametrize("bins", [0, 1001])
def test_bins_are_limited(bins: int) -> None:
    with pytest.raises(ValidationError):
        CocoBoxes(calibration_bins=bins)
