"""Predictions and annotations of a split as flat columns, checked before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.types import DatasetSplit, Detections, Image


def truth_columns(split: DatasetSplit) -> Truth:
    """Return the annotations of *split*; positions are those of the ids in ascending order.

    Raises :class:`~benchbench.errors.DatasetError` naming the first annotation whose box is absent
    or whose box or area is not finite.
    """
    annotations = split.annotations
    sides = chain.from_iterable(a.bbox or (np.nan,) * 4 for a in annotations)
    boxes = np.fromiter(sides, np.float64, 4 * len(annotations)).reshape(-1, 4)
    area = np.array([a.area for a in annotations], np.float64)
    unfit = np.flatnonzero(~(np.isfinite(boxes).all(axis=1) & np.isfinite(area)))
    if unfit.size:
        one = annotations[unfit[0]]
        raise DatasetError(
            f"annotation {one.id} (image {one.image_id}) has the box {one.bbox} and the area"
            f" {one.area}; finite ones are needed",
            hint="mend or remove this annotation in the annotation file",
        )
    return Truth(
        _positions(image_ids(split), [a.image_id for a in annotations]),
        _positions(category_ids(split), [a.category_id for a in annotations]),
        boxes,
        area,
        np.array([a.iscrowd for a in annotations], np.bool_),
        len(split.images),
        len(split.categories),
        np.array([a.ignored for a in annotations], np.bool_),
        split.area_range,
    )


def image_ids(split: DatasetSplit) -> NDArray[np.int64]:
    """Return the image ids of *split*, ascending."""
    return np.array(sorted(image.id for image in split.images), np.int64)


def category_ids(split: DatasetSplit) -> NDArray[np.int64]:
    """Return the category ids of *split*, ascending."""
    return np.array(sorted(category.id for category in split.categories), np.int64)


def _positions(ascending: NDArray[np.int64], ids: Sequence[int]) -> NDArray[np.int64]:
    return np.searchsorted(ascending, np.array(ids, np.int64)).astype(np.int64)


def detected_columns(split: DatasetSplit, pairs: Sequence[tuple[Image, Detections]]) -> Found:
    """Return the predictions of *pairs*, which hold every image of *split* once.

    Raises :class:`~benchbench.errors.PredictionError` naming the image and the value where shapes
    differ, a score or box is not finite, or a label is no category id of the split.
    """
    # The reference walks images by ascending id; the order of tied scores depends on that.
    pairs = sorted(pairs, key=lambda one: one[0].id)
    for image, found in pairs:
        _check_shapes(image, found)
    if not pairs:
        none = np.zeros(0, np.int64)
        return Found(none, none, np.zeros((0, 4)), np.zeros(0))
    return _checked(split, [found for _, found in pairs])


def _checked(split: DatasetSplit, found: Sequence[Detections]) -> Found:
    boxes = np.concatenate([one.boxes for one in found]).astype(np.float64, copy=False)
    scores = np.concatenate([one.scores for one in found]).astype(np.float64, copy=False)
    labels = np.concatenate([one.labels for one in found])
    rows = np.repeat(np.arange(len(found)), [len(one.scores) for one in found])
    owners = image_ids(split)[rows]
    _refuse(owners, np.isfinite(scores), scores, "score")
    _refuse(owners, np.isfinite(boxes), boxes, "box")
    known = category_ids(split)
    column = _columns(known, labels)
    _refuse(owners, column < len(known), labels, "label")
    return Found(rows, column, boxes, scores)


def _columns(known: NDArray[np.int64], labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the position of each label among the *known*, their number for any other."""
    low, high = int(labels.min(initial=0)), int(max(labels.max(initial=0), known.max(initial=0)))
    if low < 0 or high >= _LARGEST_TABLE or known.min(initial=0) < 0:
        place = np.searchsorted(known, labels).astype(np.int64)
        place[np.append(known, high + 1)[place] != labels] = len(known)
        return place
    table = np.full(high + 1, len(known), np.int64)
    table[known] = np.arange(len(known))
    found: NDArray[np.int64] = table[labels]
    return found


_LARGEST_TABLE = 1 << 20
"""Labels below it are looked up in a table: ten times as fast as a search."""


def _check_shapes(image: Image, found: Detections) -> None:
    count = found.scores.shape[0] if found.scores.ndim else 0
    shapes = boxes, scores, labels = found.boxes.shape, found.scores.shape, found.labels.shape
    if shapes != ((count, 4), (count,), (count,)):
        raise PredictionError(
            f"image {image.id}: boxes {boxes}, scores {scores} and labels {labels} do not belong"
            " together: (N, 4), (N,) and (N,) are expected",
            hint="mend the decoder",
        )
    if found.labels.dtype.kind not in "iu":
        raise PredictionError(
            f"image {image.id}: labels are {found.labels.dtype}, not integers",
            hint="labels are category ids of the dataset",
        )


_HINTS = {
    "score": "scores must be finite; look at the model's outputs at this precision",
    "box": "boxes must be finite; look at the model's outputs at this precision",
    "label": "labels are category ids of the dataset; look at the class map",
}


def _refuse(owners: NDArray[Any], fit: NDArray[np.bool_], values: NDArray[Any], what: str) -> None:
    if not fit.all():
        rows = np.flatnonzero(~fit.reshape(len(fit), -1).all(axis=1))
        row = rows[0]
        raise PredictionError(
            f"image {owners[row]}: {what} {values[row].tolist()} ({rows.size} in all)",
            hint=_HINTS[what],
        )
