"""Average precision and recall of boxes, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_limits import CocoLimits
from benchbench.metrics.coco_numbers import (
    Evaluation,
    Limits,
    class_names,
    class_reason,
    curves,
    numbers,
    per_class,
    reasons,
)
from benchbench.metrics.detection_diagnostics import Diagnostics, conventions, diagnose
from benchbench.metrics.detection_matches import match
from benchbench.metrics.detection_table import detected_columns, truth_columns
from benchbench.metrics.pairing import pair, split_counts
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Detections,
    Prediction,
    Scores,
    Tally,
    TaskName,
)


class CocoBoxes(CocoLimits):
    """The 12 COCO numbers for boxes, by hotcoco, equal to pycocotools."""

    task: ClassVar[TaskName] = "detection"
    usual: ClassVar[bool] = True

    diagnostics: bool = True
    """Give F1, confusions, kinds of errors and calibration beside the 12 numbers."""
    calibration_bins: int = Field(default=10, ge=1, le=1000)
    """Bins of equal width between 0 and 1 in which scores are compared with precision."""
    confusion_classes: int = Field(default=200, ge=0)
    """Most categories for which a confusion matrix is given: it has their square in cells."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises :class:`~benchbench.errors.PredictionError` naming the image and the value for
        predictions that are not fit to be scored (boxes without area are: they are counted), and
        :class:`~benchbench.errors.DatasetError` for annotations without a usable box.
        """
        import hotcoco

        known = truth_columns(truth)
        detected = detected_columns(truth, pair(truth, predictions, Detections))
        more = self._diagnostics(truth, detected, known)
        arrays = _evaluate(truth, known, detected, self.max_detections)
        limits = self.max_detections
        values = numbers(arrays, limits)
        why = reasons(values, limits) | class_reason(arrays)
        return Scores(
            metrics=values | more.metrics,
            per_class=per_class(truth, arrays) | more.per_class,
            reasons=_joined(why, more.reasons),
            curves=curves(arrays) | more.curves,
            matrices=more.matrices,
            primary="map",
            lower_is_better=tuple(name for name in more.metrics if name.startswith(_ERRORS)),
            evaluator=f"hotcoco {hotcoco.__version__}",
            convention=_convention(self.max_detections) | self._conventions(),
            counts=_counts(truth, detected, classes),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image, as :func:`benchbench.metrics.coco_tally.tally` does.

        Raises what :meth:`score` raises.
        """
        del classes
        found = detected_columns(truth, pair(truth, predictions, Detections))
        known = truth_columns(truth)
        ids = np.array([image.id for image in truth.images], np.int64)
        place = np.argsort(ids)
        return coco_tally.tally(
            ids,
            class_names(truth),
            replace(known, image=place[known.image]),
            replace(found, image=place[found.image]),
            max_detections=self.max_detections,
        )

    def _diagnostics(self, truth: DatasetSplit, detected: Found, known: Truth) -> Diagnostics:
        if not self.diagnostics:
            return Diagnostics({}, {}, {})
        matches = match(detected, known, self.max_detections[-1])
        return diagnose(matches, class_names(truth), self.calibration_bins, self.confusion_classes)

    def _conventions(self) -> dict[str, str]:
        return conventions(self.calibration_bins) if self.diagnostics else {}


_ERRORS = ("error_", "calibration_error")


_AT_ONCE = 1_000_000
"""Detections that the evaluator holds at a time; it takes some 220 bytes for each."""


def _evaluate(split: DatasetSplit, truth: Truth, found: Found, limits: Limits) -> Evaluation:
    """Evaluate some categories after the others: none depends on another, and memory is bounded."""
    bounds = _bounds(np.bincount(found.category, minlength=truth.categories))
    if len(bounds) == 1:
        return _evaluate_part(split, truth, found, limits)
    parts = [
        _evaluate_part(split, _known_part(truth, *bound), _found_part(found, *bound), limits)
        for bound in bounds
    ]
    precision, recall = zip(*parts, strict=True)
    return np.concatenate(precision, axis=2), np.concatenate(recall, axis=1)


def _bounds(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return first and last + 1 of runs of categories; one that has too many runs alone."""
    starts, held = [0], 0
    for category, count in enumerate(counts.tolist()):
        if held and held + count > _AT_ONCE:
            starts.append(category)
            held = 0
        held += count
    return list(zip(starts, [*starts[1:], len(counts)], strict=True))


def _known_part(truth: Truth, first: int, last: int) -> Truth:
    rows = np.flatnonzero((truth.category >= first) & (truth.category < last))
    return replace(
        truth,
        image=truth.image[rows],
        category=truth.category[rows] - first,
        boxes=truth.boxes[rows],
        area=truth.area[rows],
        crowd=truth.crowd[rows],
        categories=last - first,
    )


def _found_part(found: Found, first: int, last: int) -> Found:
    rows = np.flatnonzero((found.category >= first) & (found.category < last))
    return Found(
        found.image[rows], found.category[rows] - first, found.boxes[rows], found.scores[rows]
    )


def _evaluate_part(split: DatasetSplit, truth: Truth, found: Found, limits: Limits) -> Evaluation:
    from hotcoco import COCOeval

    known = _ground_truth(split, truth)
    evaluator = COCOeval(known, known.load_res(_table(found)), "bbox")
    evaluator.params.max_dets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    arrays = evaluator.eval
    assert arrays is not None
    return np.asarray(arrays["precision"]), np.asarray(arrays["recall"])


def _table(detected: Found) -> NDArray[np.float64]:
    """Return (N, 7) detections: image, x, y, width, height, score, category; ids from 1."""
    table = np.empty((len(detected.scores), 7))
    table[:, 0], table[:, 6] = detected.image + 1, detected.category + 1
    table[:, 1:5], table[:, 5] = detected.boxes, detected.scores
    return table


def _ground_truth(split: DatasetSplit, truth: Truth) -> Any:
    from hotcoco import COCO

    order = sorted(split.images, key=lambda image: image.id)
    return COCO.from_arrays(
        [{"id": n, "width": i.width, "height": i.height} for n, i in enumerate(order, 1)],
        [{"id": n, "name": str(n)} for n in range(1, truth.categories + 1)],
        truth.image + 1,
        truth.category + 1,
        truth.boxes,
        # An annotation id of 0 means "unmatched" to the reference, so they are counted from 1.
        ids=np.arange(1, len(truth.area) + 1),
        area=truth.area,
        iscrowd=truth.crowd.astype(np.int64),
    )


def _joined(first: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    both = [found["per_class"] for found in (first, more) if "per_class" in found]
    return {**first, **more, **({"per_class": "; ".join(both)} if both else {})}


def _convention(limits: Limits) -> dict[str, str]:
    last = limits[2]
    ap = f"AP and the areas' AR use {last}"
    if last != 100:
        ap += " (pycocotools' summarize prints -1 for AP unless 100 is a limit)"
    return {
        "iou": "map: mean over IoU 0.50:0.05:0.95; map_50, map_75: that IoU; area of boxes",
        "recall": "AP: mean of interpolated precision at 101 recalls 0:0.01:1; AR: best recall",
        "mean": "over classes with a ground-truth object that is no crowd",
        "areas": "small up to 32², medium 32² to 96², large from 96² pixels of the annotation's"
        " area field, bounds in both; unmatched detections by their box",
        "max_detections": f"{limits[0]}, {limits[1]}, {last} an image and class; {ap}",
        "crowd": "crowds are ignored: a detection on one counts neither way, IoU over its own area",
        "zero_size": "boxes without area are kept, as the reference keeps them",
    }


def _counts(split: DatasetSplit, detected: Found, classes: ClassMap) -> dict[str, int]:
    flat = (detected.boxes[:, 2] <= 0) | (detected.boxes[:, 3] <= 0)
    return {
        **split_counts(split, classes),
        "predictions": len(detected.scores),
        "zero_size_predictions": int(flat.sum()),
    }
