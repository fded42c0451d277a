"""Precision and recall of all images from stored matches, as pycocotools accumulates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_numbers import Evaluation
from benchbench.metrics.coco_tally import AREAS, IOU_THRESHOLDS
from benchbench.types import Tally

if TYPE_CHECKING:
    from benchbench.metrics.coco_accumulation import Outcomes

_RECALLS = np.linspace(0.0, 1.0, 101)


def evaluation(tally: Tally) -> Evaluation:
    """Return precision, at the last limit only, and recall, each image counted once.

    The arrays of pycocotools' ``accumulate``: :data:`benchbench.metrics.coco_numbers.Evaluation`.
    """
    from benchbench.metrics import coco_accumulation

    classes, limits = len(tally.classes), tally.arrays["max_detections"]
    precision = np.full((len(AREAS), classes, len(IOU_THRESHOLDS), len(_RECALLS)), -1.0)
    recall = np.full((len(AREAS), classes, len(IOU_THRESHOLDS), len(limits)), -1.0)
    start = np.searchsorted(tally.arrays["found_class"], np.arange(classes + 1)).astype(np.int64)
    most = int(np.diff(start).max(initial=0))
    hit, ignored, rank, seen = np.empty((4, most), np.int64)
    events = coco_accumulation.Events(hit, ignored, rank, seen, np.empty(most))
    for area, out in enumerate(zip(precision, recall, strict=True)):
        found = _outcomes(tally, area, start)
        coco_accumulation.accumulate(found, limits, _RECALLS, events, out)
    return (
        np.ascontiguousarray(precision.transpose(2, 3, 1, 0))[..., None],
        np.ascontiguousarray(recall.transpose(2, 1, 0, 3)),
    )


def _outcomes(tally: Tally, area: int, start: NDArray[np.int64]) -> Outcomes:
    from benchbench.metrics.coco_accumulation import Outcomes

    arrays = tally.arrays
    counted = arrays["truth_class"][~arrays["truth_ignore"][area]]
    return Outcomes(
        arrays["found_match"][area],
        arrays["found_ignore"][area],
        arrays["found_rank"],
        start,
        np.bincount(counted, minlength=len(tally.classes)).astype(np.int64),
    )
