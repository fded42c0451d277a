"""The objects of one image in one form, whatever the task: outlines, masks, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.gallery.matching import FOUND, LEAST_IOU, MISSED, Matched, Sides, match
from benchbench.masks import Runs, mask_runs, rle_runs, runs_by_mask
from benchbench.oriented import corners
from benchbench.truth import segmentation_rle
from benchbench.types import (
    Annotation,
    Detections,
    Image,
    Instances,
    OrientedDetections,
    PanopticMap,
    Poses,
    Prediction,
    PromptedMasks,
    TaskName,
)

OBJECT_TASKS: tuple[TaskName, ...] = (
    "detection",
    "instance-segmentation",
    "keypoints",
    "oriented-detection",
    "panoptic-segmentation",
    "promptable-segmentation",
)
MASK_TASKS: tuple[TaskName, ...] = (
    "instance-segmentation",
    "panoptic-segmentation",
    "promptable-segmentation",
)


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of one image, of the truth or predicted."""

    labels: NDArray[np.int64]
    """(N,) category ids."""
    outlines: NDArray[np.float64]
    """(N, 4, 2): corners x, y in pixels of the image; NaN for one without a box."""
    scores: NDArray[np.float64] | None = None
    """(N,); None for the truth."""
    crowd: NDArray[np.bool_] | None = None
    turned: NDArray[np.float64] | None = None
    """(N, 5) of turned boxes."""
    runs: tuple[Runs, ...] = ()
    """Of each its mask, where the task has masks."""
    points: tuple[NDArray[np.float64], ...] = ()
    """Of each its keypoints (K, 3): x, y, and 0 for one that is not drawn."""


def true_objects(task: TaskName, image: Image, annotations: Sequence[Annotation]) -> Objects:
    """Return the annotated objects of *image*."""
    size = image.height, image.width
    masks: tuple[Runs, ...] = ()
    if task in MASK_TASKS:
        annotations = [one for one in annotations if one.segmentation]
        masks = tuple(rle_runs(segmentation_rle(one, *size), *size) for one in annotations)
    turned = np.array([one.oriented or (np.nan,) * 5 for one in annotations]).reshape(-1, 5)
    upright = np.array([one.bbox or (np.nan,) * 4 for one in annotations], np.float64)
    as_turned = task == "oriented-detection"
    return Objects(
        labels=np.array([one.category_id for one in annotations], np.int64),
        outlines=corners(turned) if as_turned else _upright(upright),
        crowd=np.array([one.iscrowd for one in annotations], np.bool_),
        turned=turned if as_turned else None,
        runs=masks,
        points=tuple(np.array(one.keypoints or ()).reshape(-1, 3) for one in annotations)
        if task == "keypoints"
        else (),
    )


def predicted_objects(
    prediction: Prediction, annotations: Sequence[Annotation] = ()
) -> Objects | None:
    """Return the predicted objects of an image; None for a task without objects.

    The *annotations* of the image give the classes of prompted masks.
    """
    found: Objects | None = None
    match prediction:
        case Detections(boxes, scores, labels):
            found = Objects(labels, _upright(boxes), scores)
        case Poses(boxes, scores, labels, points):
            found = Objects(labels, _upright(boxes), scores, points=tuple(points))
        case OrientedDetections(boxes, scores, labels):
            found = Objects(labels, corners(boxes), scores, turned=boxes)
        case Instances(boxes, scores, labels, lengths, runs):
            found = Objects(labels, _upright(boxes), scores, runs=_masks(lengths, runs))
        case PanopticMap():
            found = _segments(prediction)
        case PromptedMasks():
            found = _prompted(prediction, annotations)
    return found


def _masks(lengths: NDArray[np.int64], runs: Runs) -> tuple[Runs, ...]:
    return tuple(runs_by_mask(lengths, runs))


def _segments(found: PanopticMap) -> Objects:
    count = len(found.labels)
    masks = tuple(mask_runs(found.segments == number) for number in range(1, count + 1))
    return Objects(found.labels, _none(count), np.ones(count), runs=masks)


def _prompted(found: PromptedMasks, annotations: Sequence[Annotation]) -> Objects:
    classes = {one.id: one.category_id for one in annotations}
    labels = np.array([classes.get(one, -1) for one in found.annotation_ids.tolist()], np.int64)
    masks = _masks(found.lengths, found.runs)
    return Objects(labels, _none(len(labels)), found.scores, runs=masks)


def _none(count: int) -> NDArray[np.float64]:
    return np.full((count, 4, 2), np.nan)


def _upright(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, width, height = np.asarray(boxes, np.float64).reshape(-1, 4).T
    left_right = np.stack([x, x + width, x + width, x], axis=1)
    top_bottom = np.stack([y, y, y + height, y + height], axis=1)
    return np.stack([left_right, top_bottom], axis=2)


def overlaps(one: Objects, other: Objects, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the IoU (N, M) of objects of an image of *size* (height, width).

    By masks where both have them, by turned boxes where both have those, else by upright boxes.
    With a crowd of *other* it is the share of the first that lies on it.
    """
    if not len(one.labels) or not len(other.labels):
        return np.zeros((len(one.labels), len(other.labels)))
    crowd = other.crowd if other.crowd is not None else np.zeros(len(other.labels), np.bool_)
    if one.runs and other.runs:
        return _mask_overlaps(one.runs, other.runs, crowd, size)
    if one.turned is not None and other.turned is not None:
        from benchbench.oriented_kernels import overlaps as turned_overlaps

        found: NDArray[np.float64] = turned_overlaps(
            np.ascontiguousarray(one.turned), np.ascontiguousarray(other.turned)
        )
        return np.nan_to_num(found)
    return _box_overlaps(one.outlines, other.outlines, crowd)


def _mask_overlaps(
    one: Sequence[Runs], other: Sequence[Runs], crowd: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.float64]:
    from hotcoco import mask

    mine, theirs = (
        [{"size": list(size), "counts": runs.tolist()} for runs in side] for side in (one, other)
    )
    return mask.iou(mine, theirs, crowd.tolist()).reshape(len(one), len(other))


def _box_overlaps(
    one: NDArray[np.float64], other: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    low = np.maximum(one[:, None, 0], other[None, :, 0])
    high = np.minimum(one[:, None, 2], other[None, :, 2])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    mine, theirs = ((side[:, 2] - side[:, 0]).prod(axis=1) for side in (one, other))
    total = np.where(crowd, mine[:, None], mine[:, None] + theirs[None] - shared)
    # A box of a crowd, of no size or that is absent overlaps nothing.
    fair = np.nan_to_num(total) > 0
    ratio = np.divide(shared, total, out=np.zeros_like(shared), where=fair)
    found: NDArray[np.float64] = np.nan_to_num(ratio)
    return found


def judge(
    image: Image,
    truth: Sequence[Annotation],
    prediction: Prediction,
    task: TaskName,
    threshold: float,
) -> Matched:
    """Return what became of the objects of one image and of what was predicted in it."""
    real, found = true_objects(task, image, truth), predicted_objects(prediction, truth)
    assert found is not None, "the task has objects"
    assert real.crowd is not None, "the truth says which are crowds"
    shared = overlaps(found, real, (image.height, image.width))
    if isinstance(prediction, PromptedMasks):
        return _of_prompts(prediction, truth, shared)
    scores = np.zeros(0) if found.scores is None else found.scores
    wanted = _looked_for(image, truth, found.labels)
    sides = Sides(shared, real.labels, real.crowd, found.labels, scores, wanted)
    return match(sides, threshold)


def _looked_for(
    image: Image, truth: Sequence[Annotation], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    if image.negatives is None:
        return np.ones(len(labels), np.bool_)
    known = {one.category_id for one in truth} | set(image.negatives)
    return np.isin(labels, sorted(known - set(image.incomplete)))


def _of_prompts(
    found: PromptedMasks, truth: Sequence[Annotation], shared: NDArray[np.float64]
) -> Matched:
    """Return the states of objects whose masks were asked for one by one."""
    place = {one.id: row for row, one in enumerate(a for a in truth if a.segmentation)}
    objects = np.full(len(place), MISSED, np.uint8)
    for row, identity in enumerate(found.annotation_ids.tolist()):
        if identity in place and shared[row, place[identity]] >= LEAST_IOU:
            objects[place[identity]] = FOUND
    predictions = [objects[place[i]] if i in place else MISSED for i in found.annotation_ids]
    return Matched(objects, np.array(predictions, np.uint8))
