"""Poses and annotated points of a split as flat columns, checked before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.detection_table import category_ids, detected_columns, truth_columns
from benchbench.types import Annotation, DatasetSplit, Detections, Image, Poses

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """Ground truth of the categories that have keypoints."""

    columns: Truth
    """``ignored`` holds also those without a labelled point."""
    points: Points
    """(M, P, 3): x, y, v; zeros beyond the points of the object's category."""
    labelled: NDArray[np.int64]
    """(M,): how many points have v > 0."""


@dataclass(frozen=True, slots=True)
class Detected:
    """Predicted poses of the categories that have keypoints."""

    columns: Found
    """Boxes are those around the points."""
    points: Points
    """(D, P, 3): x, y and confidence."""


def counts(split: DatasetSplit, sigmas: Mapping[int, Sequence[float]]) -> NDArray[np.int64]:
    """Return (C,) how many points each category has, by ascending id."""
    return np.array([len(sigmas.get(i, ())) for i in category_ids(split).tolist()], np.int64)


def known_columns(split: DatasetSplit, points: NDArray[np.int64]) -> Known:
    """Return the annotations of *split*; *points* says how many each category has.

    An annotation without keypoints counts as one of which no point is labelled. Raises
    :class:`~benchbench.errors.DatasetError` naming the annotation for boxes, areas and keypoints
    that are absent, not finite or of the wrong number.
    """
    truth = truth_columns(split)
    rows = np.flatnonzero(points[truth.category] > 0)
    found = np.zeros((len(rows), int(points.max()), 3))
    for out, row in zip(found, rows.tolist(), strict=True):
        _fill(out, split.annotations[row], int(points[truth.category[row]]))
    labelled = (found[..., 2] > 0).sum(axis=1).astype(np.int64)
    kept = _rows(truth, rows)
    assert kept.ignored is not None
    return Known(replace(kept, ignored=kept.ignored | (labelled == 0)), found, labelled)


def _rows(truth: Truth, rows: NDArray[np.int64]) -> Truth:
    return replace(
        truth,
        image=truth.image[rows],
        category=truth.category[rows],
        boxes=truth.boxes[rows],
        area=truth.area[rows],
        crowd=truth.crowd[rows],
        ignored=None if truth.ignored is None else truth.ignored[rows],
    )


def _fill(out: Points, annotation: Annotation, count: int) -> None:
    if annotation.keypoints is None:
        return
    given = np.array(annotation.keypoints, np.float64)
    if given.shape != (3 * count,) or not np.isfinite(given).all():
        raise DatasetError(
            f"annotation {annotation.id} (image {annotation.image_id}) has {given.size} keypoint"
            f" numbers; {count} times x, y, v, all finite, are needed",
            hint="mend or remove this annotation in the annotation file",
        )
    out[:count] = given.reshape(count, 3)


def found_columns(
    split: DatasetSplit, pairs: Sequence[tuple[Image, Poses]], points: NDArray[np.int64]
) -> Detected:
    """Return the predictions of *pairs*, which hold every image of *split* once.

    Raises :class:`~benchbench.errors.PredictionError` naming the image and the value where shapes
    differ, a score or point is not finite, or a label is no category id of the split.
    """
    pairs = sorted(pairs, key=lambda one: one[0].id)
    most = int(points.max())
    each = [_checked(image, found, most) for image, found in pairs]
    boxless = [
        (image, Detections(np.zeros(found.boxes.shape), found.scores, found.labels))
        for image, found in pairs
    ]
    columns = detected_columns(split, boxless)
    rows = np.flatnonzero(points[columns.category] > 0)
    chosen = np.concatenate([np.zeros((0, most, 3)), *each])[rows]
    boxes = hulls(chosen, points[columns.category[rows]])
    image, category, scores = columns.image[rows], columns.category[rows], columns.scores[rows]
    return Detected(Found(image, category, boxes, scores), chosen)


def hulls(points: Points, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (D, 4) boxes x, y, width, height around the first *counts* of the points (D, P, ≥2).

    All points count, whatever their confidence: so pycocotools' ``loadRes`` has it.
    """
    beyond = np.arange(points.shape[1]) >= counts[:, None]
    places = np.where(beyond[..., None], points[:, :1, :2], points[..., :2])
    low, high = places.min(axis=1), places.max(axis=1)
    return np.concatenate([low, high - low], axis=1)


def _checked(image: Image, found: Poses, most: int) -> Points:
    count = len(found.scores) if found.scores.ndim else 0
    shape = found.keypoints.shape
    if shape[:1] != (count,) or (count and shape != (count, most, 3)):
        raise PredictionError(
            f"image {image.id}: keypoints {shape} for {count} objects: ({count}, {most}, 3) are"
            " expected",
            hint="the points must be those that the dataset's category names, in its order",
        )
    unfit = np.argwhere(~np.isfinite(found.keypoints))
    if unfit.size:
        row, point = unfit[0][:2].tolist()
        raise PredictionError(
            f"image {image.id}: point {point} of object {row} is"
            f" {found.keypoints[row, point].tolist()}",
            hint="points must be finite; look at the model's outputs at this precision",
        )
    return found.keypoints.astype(np.float64).reshape(count, most, 3)
