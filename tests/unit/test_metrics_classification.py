"""Classification: by hand and against torchmetrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.classification import ClassificationMetrics
from benchbench.types import ClassMap, ClassScores, LabelMap, Scores
from tests.helpers import split_from_coco

CLASSES = ClassMap(tuple("abcdefg"), tuple(range(10, 17)))


def split_of(labels: list[int], categories: int = 7) -> Any:
    """Return a split of one annotation an image; class *i* is category 10 + *i*."""
    return split_from_coco(
        {
            "images": [{"id": i, "height": 1, "width": 1} for i in range(len(labels))],
            "categories": [{"id": 10 + i, "name": "abcdefghij"[i]} for i in range(categories)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 10 + label}
                for i, label in enumerate(labels)
            ],
        }
    )


def scored(labels: list[int], scores: Any, classes: ClassMap = CLASSES, **changes: int) -> Scores:
    predictions = {i: ClassScores(np.asarray(row, np.float32)) for i, row in enumerate(scores)}
    return ClassificationMetrics().score(split_of(labels, **changes), predictions, classes)


def one_hot(*predicted: int) -> Any:
    return np.eye(7)[list(predicted)]


def test_the_numbers_are_those_computed_by_hand() -> None:
    scores = scored([0, 0, 1, 2], one_hot(0, 1, 1, 3))
    assert scores.metrics["top1"] == 2 / 4
    assert scores.per_class["precision"] == (
        {"a": 1.0, "b": 0.5, "c": 0.0, "d": 0.0} | dict.fromkeys("efg")
    )
    assert scores.per_class["recall"]["a"] == 0.5
    assert scores.per_class["f1"]["b"] == pytest.approx(2 / 3)
    assert scores.metrics["precision_macro"] == pytest.approx(1.5 / 4)
    assert scores.metrics["recall_macro"] == pytest.approx(1.5 / 4)
    assert scores.metrics["f1_macro"] == pytest.approx((2 / 3 + 2 / 3) / 4)
    assert scores.counts["correct"] == 2
    assert scores.primary == "top1"
    assert set(scores.reasons) == {"per_class"}


def test_equal_scores_rank_the_lowest_class_first() -> None:
    level = np.zeros((3, 7))
    scores = scored([0, 4, 5], level)
    assert scores.metrics["top1"] == pytest.approx(1 / 3)
    assert scores.metrics["top5"] == pytest.approx(2 / 3)
    assert "lowest class index" in scores.convention["ties"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_top5_is_undefined_below_six_classes(count: int) -> None:
    few = ClassMap(CLASSES.names[:count], CLASSES.category_ids[:count])
    scores = scored([0], np.zeros((1, count)), few, categories=count)
    assert scores.metrics["top5"] is None
    assert f"{count} classes" in scores.reasons["top5"]
    assert scores.metrics["top1"] == 1


def test_a_category_that_the_model_lacks_can_only_be_missed() -> None:
    scores = scored([0, 8], one_hot(0, 1), categories=9)
    assert scores.metrics["top1"] == 0.5
    assert scores.per_class["recall"]["i"] == 0
    assert scores.counts["images_without_model_class"] == 1


def test_a_split_without_images_has_no_numbers() -> None:
    scores = scored([], [])
    assert set(scores.metrics.values()) == {None}
    assert set(scores.metrics) < set(scores.reasons)


def test_the_confusion_matrix_counts_truth_by_prediction() -> None:
    matrix = scored([0, 0, 1, 8], one_hot(0, 1, 1, 3), categories=9).matrices["confusion"]
    assert matrix.rows == matrix.columns == tuple("abcdefghi")
    assert (matrix.row_name, matrix.column_name) == ("truth", "prediction")
    cells = np.array(matrix.values)
    assert {(0, 0), (0, 1), (1, 1), (8, 3)} == set(zip(*map(list, cells.nonzero()), strict=True))
    assert cells.sum() == 4


def test_a_large_confusion_matrix_keeps_the_classes_that_are_mistaken_most() -> None:
    labels, predictions = [0, 1, 2, 5, 5, 6], one_hot(0, 1, 3, 6, 6, 5)
    metric = ClassificationMetrics(confusion_classes=3)
    rows = {i: ClassScores(np.asarray(row, np.float32)) for i, row in enumerate(predictions)}
    matrix = metric.score(split_of(labels), rows, CLASSES).matrices["confusion"]
    assert matrix.rows == ("f", "g", "5 other classes")
    assert matrix.values == ((0, 2, 0), (1, 0, 0), (0, 0, 3))


def test_names_that_occur_twice_are_told_apart() -> None:
    twice = ClassMap(("a", "a", *"cdefg"), CLASSES.category_ids)
    assert list(scored([0], one_hot(0), twice).per_class["f1"])[:3] == [
        "a (index 0)",
        "a (index 1)",
        "c",
    ]


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_everything_equals_torchmetrics(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.classification")
    labels = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=20))
    shape = (len(labels), 7)
    values = data.draw(arrays(np.float32, shape, elements=st.integers(-9, 9)))
    values = values + np.linspace(0.5, 0, 7, dtype=np.float32)  # torch breaks ties otherwise
    found = scored(labels, values)
    arguments = torch.tensor(values), torch.tensor(labels)
    averaged = [
        (f"{short}_{average}", f"Multiclass{kind}", {"average": average})
        for short, kind in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1Score"))
        for average in ("macro", "micro", "weighted")
    ]
    for name, kind, options in (
        ("top1", "MulticlassAccuracy", {"average": "micro"}),
        ("top5", "MulticlassAccuracy", {"average": "micro", "top_k": 5}),
        *averaged,
    ):
        expected = getattr(metrics, kind)(num_classes=7, **options)(*arguments).item()
        assert found.metrics[name] == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize(
    ("images", "count"), [([0, 0, 1], "image 0 (0.png) has 2"), ([1], "image 0 (0.png) has 0")]
)
def test_an_image_needs_exactly_one_annotation(images: list[int], count: str) -> None:
    split = split_from_coco(
        {
            "images": [{"id": i, "height": 1, "width": 1} for i in (0, 1)],
            "categories": [{"id": 10, "name": "a"}],
            "annotations": [
                {"id": i, "image_id": image, "category_id": 10} for i, image in enumerate(images)
            ],
        }
    )
    row = ClassScores(np.zeros(7, np.float32))
    with pytest.raises(DatasetError) as caught:
        ClassificationMetrics().score(split, {0: row, 1: row}, CLASSES)
    assert count in str(caught.value)


def with_value(value: float) -> ClassScores:
    scores = np.zeros(7, np.float32)
    scores[2] = value
    return ClassScores(scores)


@pytest.mark.parametrize(
    ("predictions", "fault"),
    [
        ({0: with_value(np.nan)}, "image 0: score nan of class 'c'"),
        ({0: with_value(-np.inf)}, "image 0: score -inf of class 'c'"),
        ({0: ClassScores(np.zeros(6, np.float32))}, "image 0: scores of shape (6,)"),
        ({0: ClassScores(np.zeros((1, 7), np.float32))}, "image 0: scores of shape (1, 7)"),
        ({0: LabelMap(np.zeros((1, 1), np.uint8))}, "image 0: ClassScores expected, not LabelMap"),
        ({}, "no predictions for images: 0"),
    ],
)
def test_unfit_predictions_are_refused_by_image_and_value(
    predictions: dict[int, Any], fault: str
) -> None:
    with pytest.raises(PredictionError) as caught:
        ClassificationMetrics().score(split_of([0]), predictions, CLASSES)
    assert fault in str(caught.value)
