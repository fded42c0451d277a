"""COCO result files of keypoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.predictions import tables
from benchbench.predictions.coco_results import CocoResults
from benchbench.predictions.tables import Table
from benchbench.types import ClassMap, DatasetSplit, Poses, Prediction, TaskName

_HINT = (
    "COCO's keypoint results have image_id, category_id, score and keypoints [x1, y1, v1, x2, …],"
    " one triple for each point that the category names"
)


class CocoKeypointResults(CocoResults):
    """A list of ``image_id``, ``category_id``, ``score`` and ``keypoints`` (x, y, v flat).

    Detectron2 (``coco_instances_results.json``), MMPose (``*.keypoints.json``) and torchvision's
    references write it so; Ultralytics' ``predictions.json`` of a pose model with ``images: name``.
    ``bbox`` may be there; else the box is the one around the points.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("keypoints",)

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the poses of each image; raise PredictionError naming the item.

        Where categories have different numbers of points, the arrays hold the largest, and zeros
        beyond the category's own.
        """
        del task
        items, table, found = self._placed(split, classes, boxes=False)
        points, around = _points(items, found.labels, split, table.where)
        table = replace(table, boxes=_boxes(items, around, table))
        return {
            image: Poses(table.boxes[rows], table.scores[rows], found.labels[rows], points[rows])
            for image, rows in found.rows.items()
        }


def _points(
    items: Sequence[Any],
    labels: NDArray[np.int64],
    split: DatasetSplit,
    where: Callable[[int], str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points (N, P, 3) and the boxes (N, 4) around them."""
    counts = {category.id: len(category.keypoints) for category in split.categories}
    points = np.zeros((len(items), max(counts.values(), default=0), 3))
    boxes = np.zeros((len(items), 4))
    for row, (item, label) in enumerate(zip(items, labels.tolist(), strict=True)):
        own = _triples(item, counts[label], where(row))
        points[row, : len(own)] = own
        low, high = own[:, :2].min(axis=0), own[:, :2].max(axis=0)
        boxes[row] = *low, *(high - low)
    return points, boxes


def _triples(item: Any, count: int, where: str) -> NDArray[np.float64]:
    given = item.get("keypoints")
    if not count:
        raise PredictionError(
            f"{where}: the dataset names no keypoints for the category {item['category_id']!r}",
            hint="give the category 'keypoints', the names of its points, in the annotation file",
        )
    try:
        values = np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0)
    if not isinstance(given, list) or values.shape != (3 * count,):
        raise PredictionError(
            f"{where}: 'keypoints' is {str(given)[:80]}, not {3 * count} numbers", hint=_HINT
        )
    if not np.isfinite(values).all():
        wrong = values[~np.isfinite(values)][0]
        raise PredictionError(f"{where}: 'keypoints' holds {wrong}", hint=_HINT)
    return values.reshape(count, 3)


def _boxes(items: Sequence[Any], around: NDArray[np.float64], table: Table) -> NDArray[np.float64]:
    """Return the boxes (N, 4) that the file gives, and those *around* the points elsewhere."""
    given = [item.get("bbox") for item in items]
    boxes = [box or own for box, own in zip(given, around.tolist(), strict=True)]
    found: NDArray[np.float64] = tables.numbers(boxes, table.where, "bbox", 4)
    wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if wrong.size:
        raise PredictionError(
            f"{table.where(int(wrong[0]))}: the box {found[wrong[0]].tolist()} is not finite",
            hint="mend the tool that wrote the file, or remove 'bbox': it is not needed",
        )
    return found
