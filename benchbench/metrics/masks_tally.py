"""What mask AP keeps of each image: matches by mask IoU, for intervals and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_numbers import Limits, class_names
from benchbench.metrics.masks_columns import Columns, Ids
from benchbench.types import DatasetSplit, Tally

if TYPE_CHECKING:
    from benchbench.metrics.coco_kernels import Cells


def tally(
    split: DatasetSplit,
    ids: Ids,
    found: Columns,
    truth: Sequence[dict[str, Any]],
    limits: Limits,
) -> Tally:
    """Match *found* with the RLE of each annotation; see :func:`coco_tally.tally`."""
    image_ids = np.array([image.id for image in split.images], np.int64)
    place = np.argsort(image_ids)
    annotations = split.annotations
    crowd = np.array([a.iscrowd for a in annotations], np.bool_)
    known = Truth(
        image=place[_numbers(ids.images, [a.image_id for a in annotations])],
        category=_numbers(ids.categories, [a.category_id for a in annotations]),
        boxes=np.zeros((len(annotations), 4)),
        area=np.array([a.area for a in annotations], np.float64),
        crowd=crowd,
        images=len(split.images),
        categories=len(split.categories),
        ignored=np.array([a.ignored for a in annotations], np.bool_),
        area_range=split.area_range,
    )
    detected = Found(
        image=place[found.images - 1],
        category=found.categories - 1,
        boxes=np.zeros((len(found.scores), 4)),
        scores=found.scores,
        area=found.areas.astype(np.float64),
    )
    return coco_tally.tally(
        image_ids,
        class_names(split),
        known,
        detected,
        max_detections=limits,
        overlap=_overlaps(found.rles, truth, crowd),
    )


def _numbers(known: dict[int, int], values: Sequence[int]) -> NDArray[np.int64]:
    return np.array([known[value] - 1 for value in values], np.int64)


def _overlaps(
    found: Sequence[dict[str, Any]], truth: Sequence[dict[str, Any]], crowd: NDArray[np.bool_]
) -> Callable[[Cells], NDArray[np.float64]]:
    def overlaps(cells: Cells) -> NDArray[np.float64]:
        from hotcoco import mask

        out = np.zeros(cells.pair_start[-1])
        for cell in np.flatnonzero(np.diff(cells.pair_start)):
            mine = cells.found_row[cells.found_start[cell] : cells.found_start[cell + 1]]
            theirs = cells.truth_row[cells.truth_start[cell] : cells.truth_stop[cell]]
            ious = mask.iou(
                [found[row] for row in mine], [truth[row] for row in theirs], crowd[theirs].tolist()
            )
            out[cells.pair_start[cell] : cells.pair_start[cell + 1]] = ious.ravel()
        return out

    return overlaps
