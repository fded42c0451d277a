"""Average precision and recall of boxes, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchbench.metrics import coco_evaluation, coco_tally
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_limits import CocoLimits
from benchbench.metrics.coco_numbers import (
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
    """The 12 COCO numbers for boxes, from our own matches, equal to pycocotools."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
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
        known = truth_columns(truth)
        detected = detected_columns(truth, pair(truth, predictions, Detections))
        more = self._diagnostics(truth, detected, known)
        arrays = coco_evaluation.evaluation(self._matched(truth, known, detected))
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
            evaluator=f"benchbench boxes (numpy {np.__version__})",
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
        return self._matched(truth, known, found)

    def _matched(self, split: DatasetSplit, truth: Truth, found: Found) -> Tally:
        ids = np.array([image.id for image in split.images], np.int64)
        place = np.argsort(ids)
        return coco_tally.tally(
            ids,
            class_names(split),
            replace(truth, image=place[truth.image]),
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
