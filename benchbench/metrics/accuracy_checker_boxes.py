"""Average precision of boxes by the rules of OpenVINO's Accuracy Checker.

Written from ``tools/accuracy_checker`` of openvinotoolkit/open_model_zoo (Apache-2.0), at its last
state: ``metrics/coco_metrics.py`` (``coco_precision``, ``coco_recall``), ``metrics/detection.py``
(``map``), ``metrics/overlap.py`` and ``annotation_converters/ms_coco.py`` (``mscoco_detection``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics import box_matching
from benchbench.metrics.box_matching import Arithmetic, Matching, Near, Side
from benchbench.metrics.box_precision import envelope, recall_precision
from benchbench.metrics.box_rules import BoxRules, Ranked, box_counts, mean_precision
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.detection_table import detected_columns, truth_columns
from benchbench.metrics.pairing import pair
from benchbench.types import ClassMap, DatasetSplit, Detections, Prediction, Scores

Floats = NDArray[np.float64]
RULES_OF = "open_model_zoo 1b97b143"
_VOC_IOU = 0.5
_NO_PREDICTION = "nothing is predicted"


class AccuracyCheckerBoxes(BoxRules):
    """``coco_precision`` and ``map`` as the Accuracy Checker forms them by default."""

    crowds: Literal["ignored", "ignored-iou", "dropped"] = "ignored-iou"
    """Detections on crowds count neither way, by COCO's overlap or by IoU; or crowds are no truth,
    and what lies on them is false."""
    max_per_class: int | None = Field(default=20, gt=0)
    """Best detections of an image and class that count; None: all."""
    arithmetic: Arithmetic = "rounded"
    """IoU in 64 bits, rounded to 32, or computed in 32."""
    matching: Matching = "by-score-first-free"
    """Who gets an object that several detections overlap."""
    include_boundaries: bool = True
    """``voc_map``: a box's sides are one pixel longer than its corners say."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises what :meth:`benchbench.metrics.coco_boxes.CocoBoxes.score` raises.
        """
        del classes
        ranked = self.ranked(truth, predictions)
        metrics, per_class, reasons = mean_precision(ranked, self.average_precision(ranked))
        found = detected_columns(truth, pair(truth, predictions, Detections))
        voc = voc_precision(found, truth_columns(truth), boundary=int(self.include_boundaries))
        metrics |= {"mar": _recall(ranked), "voc_map": voc}
        why = {"mar": reasons.get("map", ""), "voc_map": _NO_PREDICTION}
        return Scores(
            metrics=metrics,
            per_class=per_class,
            reasons=reasons | {n: why[n] for n in why if metrics[n] is None},
            primary="map",
            evaluator=f"benchbench, rules of {RULES_OF}, accuracy_checker (numpy {np.__version__})",
            convention=self.convention()
            | {
                "map": "coco_precision, map_50 and map_75 at that threshold; mar: coco_recall",
                "voc_map": _VOC[self.include_boundaries],
            },
            counts=box_counts(truth, ranked),
        )


_VOC_RULES = (
    "map: IoU 0.50{pixel}; each detection its object of greatest IoU, the best score gets it;"
    " crowds are objects; all points, precision envelope; mean over classes with a prediction"
)
_VOC = {
    True: _VOC_RULES.format(pixel=", sides one pixel longer (include_boundaries)"),
    False: _VOC_RULES.format(pixel=""),
}


def _recall(ranked: Ranked) -> float | None:
    """Return the share of objects found, mean over IoU and classes with objects.

    The tool's way of matching can find an object twice, so that it may exceed 1.
    """
    present = np.flatnonzero(ranked.objects).tolist()
    if not present:
        return None
    found = [ranked.hit[:, ranked.of(row)].sum(axis=1) / ranked.objects[row] for row in present]
    return float(np.mean(found))


def voc_precision(found: Found, truth: Truth, *, boundary: int) -> float | None:
    """Return the metric ``map``: AP at IoU 0.5 over all points; None if nothing is predicted.

    A class without predictions has no part in the mean; one that is predicted and has no object
    counts 0. ``mscoco_detection`` marks no box as difficult, so crowds are objects here.
    """
    close = _overlaps(found, truth, boundary)
    none = np.zeros(len(truth.image), np.bool_)
    side = Side(box_matching.ranks(found, truth.categories), none, none)
    taken = box_matching.assign(close.where(close.iou >= _VOC_IOU), side, "best-object")
    order = np.lexsort((-found.scores, found.category))
    start = np.searchsorted(found.category[order], np.arange(truth.categories + 1))
    objects = np.bincount(truth.category, minlength=truth.categories)
    predicted = np.flatnonzero(np.diff(start))
    if not predicted.size:
        return None
    hits = taken[order] >= 0
    areas = [_all_points(hits[start[k] : start[k + 1]], int(objects[k])) for k in predicted]
    return float(np.mean(areas))


def _overlaps(found: Found, truth: Truth, boundary: int) -> Near:
    """Return all pairs with the IoU of boxes whose sides are *boundary* longer.

    Boxes that do not meet share a side of length *boundary*, as in the original.
    """
    detection, thing = box_matching.pairs(found, truth)
    boxes, objects = found.boxes[detection], truth.boxes[thing]
    low = np.maximum(boxes[:, :2], objects[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], objects[:, :2] + objects[:, 2:])
    shared = np.prod(np.maximum(high - low, 0) + boundary, axis=1)
    areas = [np.prod(one[:, 2:] + boundary, axis=1) for one in (boxes, objects)]
    union = areas[0] + areas[1] - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union != 0)
    return Near(detection, thing, iou)


def _all_points(hit: NDArray[np.bool_], objects: int) -> float:
    """Return the area under the precision envelope, each step in recall at its precision."""
    if not objects:
        return 0.0
    recall, precision = recall_precision(hit, objects)
    return float((np.diff(recall, prepend=0.0) * envelope(precision)).sum())
