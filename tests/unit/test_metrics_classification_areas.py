"""Areas, curves, calibration and scoring rules: by hand, against scikit-learn and torchmetrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchbench.metrics.classification import ClassificationMetrics
from benchbench.metrics.classification_curves import Ranking
from benchbench.types import ClassMap, ClassScores, Scores
from tests.unit.test_metrics_classification import scored, split_of


def model_of(count: int) -> ClassMap:
    return ClassMap(tuple("abcdefg"[:count]), tuple(range(10, 10 + count)))


def few(labels: list[int], scores: Any, **options: Any) -> Scores:
    """Score with as many model and dataset classes as *scores* has columns."""
    values = np.asarray(scores, np.float32)
    predictions = {i: ClassScores(row) for i, row in enumerate(values)}
    count = values.shape[1]
    split = split_of(labels, categories=max(count, *(label + 1 for label in labels)))
    return ClassificationMetrics(**options).score(split, predictions, model_of(count))


def softmax(seed: int, images: int = 200, classes: int = 7) -> tuple[list[int], Any]:
    """Return labels and probabilities of a middling model, each class in truth."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, images - classes)]
    values = rng.normal(size=(images, classes))
    values[np.arange(images), labels] += 1
    powers = np.exp(values)
    return labels.tolist(), (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_areas_of_any_ranking_equal_scikit_learn(data: st.DataObject) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=2, max_size=30)))
    scores = data.draw(arrays(np.float32, len(positive), elements=st.integers(0, 6)))
    ranking = Ranking.of(scores, positive)
    if positive.any():
        expected = sklearn.average_precision_score(positive, scores)
        assert ranking.average_precision == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(ranking.average_precision)
    if positive.any() and not positive.all():
        expected = sklearn.roc_auc_score(positive, scores)
        assert ranking.roc_auc == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(ranking.roc_auc)


def test_averaged_areas_and_scoring_rules_equal_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, scores = softmax(0)
    metrics = scored(labels, scores).metrics
    double = scores.astype(np.float64)
    double /= double.sum(axis=1, keepdims=True)
    truth = np.eye(7)[labels]
    for average in ("macro", "weighted"):
        auc = sklearn.roc_auc_score(labels, double, multi_class="ovr", average=average)
        assert metrics[f"roc_auc_{average}"] == pytest.approx(auc, abs=1e-9)
        precision = sklearn.average_precision_score(truth, scores, average=average)
        assert metrics[f"average_precision_{average}"] == pytest.approx(precision, abs=1e-12)
    assert metrics["nll"] == pytest.approx(sklearn.log_loss(labels, double), abs=1e-6)
    assert metrics["brier"] == pytest.approx(((double - truth) ** 2).sum(axis=1).mean(), abs=1e-6)
    balanced = sklearn.balanced_accuracy_score(labels, scores.argmax(axis=1))
    assert metrics["balanced_accuracy"] == pytest.approx(balanced, abs=1e-12)


def test_areas_and_calibration_equal_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.functional.classification")
    labels, scores = softmax(1)
    metrics = scored(labels, scores).metrics
    pair = torch.tensor(scores), torch.tensor(labels)
    ece = peer.multiclass_calibration_error(*pair, 7, n_bins=15).item()
    assert metrics["ece"] == pytest.approx(ece, abs=1e-6)
    for average in ("macro", "weighted"):
        auc = peer.multiclass_auroc(*pair, 7, average=average).item()
        assert metrics[f"roc_auc_{average}"] == pytest.approx(auc, abs=1e-6)
        precision = peer.multiclass_average_precision(*pair, 7, average=average).item()
        assert metrics[f"average_precision_{average}"] == pytest.approx(precision, abs=1e-6)


def test_the_areas_are_those_computed_by_hand() -> None:
    scores = [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]]
    found = few([0, 0, 1, 1], scores)
    # Of the four pairs the second class wins three and ties one; its images come at ranks 1 and 2-3.
    assert found.metrics["roc_auc_macro"] == 3.5 / 4
    assert found.per_class["roc_auc"] == {"a": 3.5 / 4, "b": 3.5 / 4}
    assert found.per_class["average_precision"]["b"] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_class_without_images_or_without_others_has_no_area_and_is_left_out() -> None:
    found = few([0, 0, 1], np.eye(3)[[0, 1, 1]])
    assert found.per_class["roc_auc"] == {"a": 0.75, "b": 0.75, "c": None}
    assert found.per_class["average_precision"]["c"] is None
    assert found.metrics["roc_auc_macro"] == 0.75
    alone = few([0, 0], np.eye(3)[[0, 1]])
    assert alone.metrics["roc_auc_macro"] is None
    assert alone.metrics["average_precision_macro"] == 1
    assert "of its own and of others" in alone.reasons["roc_auc_macro"]


def test_a_category_that_the_model_lacks_is_among_the_others_and_has_no_area() -> None:
    found = few([0, 1, 2], [[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert found.per_class["roc_auc"] == {"a": 1.0, "b": 1.0, "c": None}
    assert found.metrics["nll"] > -np.log(np.finfo(np.float32).tiny) / 3
    assert found.metrics["balanced_accuracy"] == pytest.approx(2 / 3)


def test_two_classes_draw_the_roc_of_the_second() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 900)
    second = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    found = few(labels.tolist(), np.c_[1 - second, second])
    roc, falls = found.curves["roc"], found.curves["precision_recall"]
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert max(len(roc.x), len(falls.x)) <= 200
    area = float(np.sum(np.diff(roc.x) * (np.array(roc.y)[1:] + np.array(roc.y)[:-1]) / 2))
    assert area == pytest.approx(found.per_class["roc_auc"]["b"], abs=0.005)
    assert np.mean(falls.y) == pytest.approx(found.per_class["average_precision"]["b"], abs=0.02)


def test_more_classes_draw_the_mean_of_their_curves() -> None:
    labels, scores = softmax(3, images=700)
    found = scored(labels, scores)
    roc, falls = found.curves["roc"], found.curves["precision_recall"]
    assert len(roc.x) == len(falls.x) == 101
    assert np.mean(roc.y) == pytest.approx(found.metrics["roc_auc_macro"], abs=0.02)
    assert np.mean(falls.y) == pytest.approx(found.metrics["average_precision_macro"], abs=0.02)


def test_calibration_is_that_computed_by_hand_with_bins_closed_above() -> None:
    scores = [[0.5, 0.5], [0.4, 0.6], [0.1, 0.9], [0.75, 0.25]]
    found = few([0, 1, 0, 0], scores, calibration_bins=4)
    # Bins (0.25, 0.5], (0.5, 0.75] and (0.75, 1]: one, two and one image.
    assert found.metrics["ece"] == pytest.approx((0.5 + abs(2 - 1.35) + 0.9) / 4)
    curve = found.curves["reliability"]
    assert curve.x == pytest.approx((0.125, 0.5, 0.675, 0.9))
    assert curve.y == (None, 1, 1, 0)
    assert found.curves["confidence"].y == (0, 0.25, 0.5, 0.25)


def test_a_confident_and_right_model_makes_no_error() -> None:
    found = few([0, 1, 2], np.eye(3))
    assert [found.metrics[name] for name in ("ece", "brier", "nll")] == [0, 0, 0]
    wrong = few([1, 2, 0], np.eye(3))
    assert wrong.metrics["brier"] == 2
    assert wrong.metrics["nll"] == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    found = few([0, 1], [[0.7, 0.3], [4.5, -2]])
    assert [found.metrics[name] for name in ("ece", "brier", "nll")] == [None] * 3
    assert found.reasons["ece"].startswith("image 1: the scores go from -2 to 4.5")
    assert "reliability" not in found.curves
    assert found.metrics["roc_auc_macro"] == 0


def test_scores_that_do_not_sum_to_one_have_a_calibration_error_only() -> None:
    found = few([0, 1], [[0.9, 0.8], [0.25, 0.75]])
    assert found.metrics["ece"] == pytest.approx((0.1 + 0.25) / 2)
    assert found.metrics["brier"] is None
    assert found.reasons["nll"] == "image 0: the scores sum to 1.7, not to 1"
