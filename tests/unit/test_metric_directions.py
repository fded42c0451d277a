"""Which way each metric is better: right predictions are at least as good by every one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.masks import mask_runs
from benchbench.metrics.classification import ClassificationMetrics
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.semantic import SemanticMetrics
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    ClassScores,
    DatasetSplit,
    Detections,
    Image,
    LabelMap,
)

SIDE = 32
CATEGORIES = (Category(1, "a"), Category(2, "b"))
CLASSES = ClassMap(("a", "b"), (1, 2))


def split(annotations: list[Annotation]) -> DatasetSplit:
    images = tuple(Image(i, f"{i}.png", Path(f"{i}.png"), SIDE, SIDE) for i in range(1, 9))
    return DatasetSplit("d", "validation", images, CATEGORIES, tuple(annotations))


def square(i: int) -> tuple[int, int, int, int]:
    return i, 2 * i, 8 + i, 10


def boxes(*, right: bool) -> Any:
    truth = split([Annotation(i, i, 1 + i % 2, square(i), 100.0) for i in range(1, 9)])
    random = np.random.default_rng(0)
    found = {}
    for one in truth.annotations:
        moved = 0 if right else random.normal(0, 3, 4)
        label = one.category_id if right or one.id % 3 else 3 - one.category_id
        score = 1.0 if right else random.uniform()
        box = np.abs(np.array([one.bbox]) + moved)
        found[one.image_id] = Detections(box, np.array([score]), np.array([label]))
    return CocoBoxes().score(truth, found, CLASSES)


def labels(*, right: bool) -> Any:
    annotations = [Annotation(i, i, 1 + i % 2) for i in range(1, 9)]
    found = {}
    for one in annotations:
        sure = 1.0 if right else 0.3 + 0.05 * one.id
        place = one.category_id - 1
        scores = np.full(2, 1 - sure, np.float32)
        scores[place] = sure
        found[one.image_id] = ClassScores(scores)
    return ClassificationMetrics().score(split(annotations), found, CLASSES)


def pixels(*, right: bool) -> Any:
    annotations, found = [], {}
    for i in range(1, 9):
        x, y, width, height = square(i)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[y : y + height, x : x + width] = 1
        rle = {"size": [SIDE, SIDE], "counts": mask_runs(mask == 1).tolist()}
        annotations.append(Annotation(i, i, 1, square(i), float(mask.sum()), segmentation=rle))
        found[i] = LabelMap(mask if right else np.roll(mask, 3, axis=1))
    classes = ClassMap(("background", "a"), (None, 1), 0)
    return SemanticMetrics(surface=True).score(split(annotations), found, classes)


@pytest.mark.parametrize(
    ("scored", "some"),
    [
        (boxes, {"error_localisation", "calibration_error"}),
        (labels, {"ece", "brier", "nll"}),
        (pixels, {"hd95_px", "assd_px"}),
    ],
)
def test_right_predictions_are_the_better_ones(scored: Callable[..., Any], some: set[str]) -> None:
    best, worse = scored(right=True), scored(right=False)
    assert some <= set(best.lower_is_better) <= set(best.metrics)
    compared = 0
    for name, value in best.metrics.items():
        other = worse.metrics[name]
        if value is None or other is None or name == "f1_threshold":
            continue
        sign = -1 if name in best.lower_is_better else 1
        assert sign * (value - other) >= 0, name
        compared += value != other
    assert compared > len(some)
