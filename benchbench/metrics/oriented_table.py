"""Turned boxes of a split as flat columns, checked before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.detection_table import category_ids, detected_columns, image_ids
from benchbench.types import DatasetSplit, Detections, Image, OrientedDetections

Boxes = NDArray[np.float64]


def turned_truth(split: DatasetSplit) -> tuple[Truth, Boxes]:
    """Return the annotations of *split*, and their turned boxes (M, 5); areas are the boxes' own.

    Raises :class:`~benchbench.errors.DatasetError` naming the first annotation whose turned box is
    absent or not finite.
    """
    rows = split.annotations
    boxes = np.array([a.oriented or (np.nan,) * 5 for a in rows], np.float64).reshape(-1, 5)
    unfit = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if unfit.size:
        one = rows[unfit[0]]
        raise DatasetError(
            f"annotation {one.id} (image {one.image_id}) has the turned box {one.oriented}; five"
            " finite numbers are needed",
            hint="'obb' of a COCO annotation is centre x, centre y, width, height, radians",
        )
    owners = np.array([a.image_id for a in rows], np.int64)
    labels = np.array([a.category_id for a in rows], np.int64)
    known = Truth(
        np.searchsorted(image_ids(split), owners).astype(np.int64),
        np.searchsorted(category_ids(split), labels).astype(np.int64),
        boxes[:, :4],
        boxes[:, 2] * boxes[:, 3],
        np.array([a.iscrowd for a in rows], np.bool_),
        len(split.images),
        len(split.categories),
        np.array([a.ignored for a in rows], np.bool_),
        split.area_range,
    )
    return known, boxes


def turned_found(
    split: DatasetSplit, pairs: Sequence[tuple[Image, OrientedDetections]]
) -> tuple[Found, Boxes]:
    """Return the predictions of *pairs*, which hold every image of *split* once, and (D, 5) boxes.

    Images by ascending id. Raises :class:`~benchbench.errors.PredictionError` naming the image and
    the value where shapes differ, a score or box is not finite, or a label is unknown.
    """
    pairs = sorted(pairs, key=lambda one: one[0].id)
    for image, one in pairs:
        _check(image, one.boxes)
    upright = [(i, Detections(one.boxes[:, :4], one.scores, one.labels)) for i, one in pairs]
    found = detected_columns(split, upright)
    boxes = np.concatenate([np.zeros((0, 5)), *(one.boxes for _, one in pairs)]).astype(np.float64)
    return Found(found.image, found.category, found.boxes, found.scores, _areas(boxes)), boxes


def _check(image: Image, boxes: Boxes) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise PredictionError(
            f"image {image.id}: boxes {boxes.shape}; (N, 5) are expected: centre x, centre y,"
            " width, height, radians",
            hint="mend the decoder",
        )
    wrong = np.flatnonzero(~np.isfinite(boxes[:, 4]))
    if wrong.size:
        raise PredictionError(
            f"image {image.id}: angle {boxes[wrong[0], 4]} ({wrong.size} in all)",
            hint="angles must be finite; look at the model's outputs at this precision",
        )


def _areas(boxes: Boxes) -> Boxes:
    areas: Boxes = boxes[:, 2] * boxes[:, 3]
    return areas
