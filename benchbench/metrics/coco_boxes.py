"""Average precision and recall of boxes, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from benchbench.metrics import coco_tally
from benchbench.metrics.detection_diagnostics import Diagnostics, conventions, diagnose
from benchbench.metrics.detection_matches import match
from benchbench.metrics.detection_table import Detected, Truth, detected_columns, truth_columns
from benchbench.metrics.pairing import pair, unique_names
from benchbench.types import (
    ClassMap,
    Curve,
    DatasetSplit,
    Detections,
    Prediction,
    Record,
    Scores,
    Tally,
    TaskName,
)

_AREAS = ("all", "small", "medium", "large")
_WHY = {
    "all": "no ground-truth object but crowds",
    "small": "no ground-truth object with an area up to 32² pixels",
    "medium": "no ground-truth object with an area of 32² to 96² pixels",
    "large": "no ground-truth object with an area from 96² pixels",
}


class CocoBoxes(Record):
    """The 12 COCO numbers for boxes, by hotcoco, equal to pycocotools."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("hotcoco",),)
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "detection"

    max_detections: tuple[int, int, int] = (1, 10, 100)
    """Best detections of an image and class that count; AP uses the last, AR each."""

    @field_validator("max_detections")
    @classmethod
    def _ascending(cls, limits: tuple[int, int, int]) -> tuple[int, int, int]:
        if not 0 < limits[0] < limits[1] < limits[2]:
            raise ValueError(f"must be positive and ascending, not {list(limits)}")
        return limits

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

        names, known = _names(truth), truth_columns(truth)
        more, counts, table = self._own(truth, predictions, classes, known)
        coco = _ground_truth(truth, known)
        found = coco.load_res(table)
        del table  # 0.3 GB at 5 million detections, while the evaluator needs most
        precision, recall = _evaluate(coco, found, self.max_detections)
        numbers = _numbers(precision, recall, self.max_detections)
        return Scores(
            metrics={name: value for name, (value, _) in numbers.items()} | more.metrics,
            per_class=_per_class(names, precision) | more.per_class,
            reasons=_joined(_reasons(numbers, precision), more.reasons),
            curves=_curves(precision) | more.curves,
            matrices=more.matrices,
            primary="map",
            evaluator=f"hotcoco {hotcoco.__version__}",
            convention=_convention(self.max_detections) | self._conventions(),
            counts=counts,
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
            _names(truth),
            coco_tally.Truth(
                place[known.image], known.category, known.boxes, known.area, known.crowd
            ),
            coco_tally.Found(place[found.image], found.category, found.boxes, found.scores),
            max_detections=self.max_detections,
        )

    def estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B,) values of the 12 numbers; see :class:`benchbench.protocols.Resampled`."""
        return coco_tally.estimates(tally, weights)

    def class_estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B, K) values of ``map`` and ``map_50``, NaN where a class has no object."""
        return coco_tally.class_estimates(tally, weights)

    def _own(
        self,
        truth: DatasetSplit,
        predictions: Mapping[int, Prediction],
        classes: ClassMap,
        known: Truth,
    ) -> tuple[Diagnostics, dict[str, int], NDArray[np.float64]]:
        """Return what does not need the evaluator, and the table that it needs."""
        detected = detected_columns(truth, pair(truth, predictions, Detections))
        more = Diagnostics({}, {}, {})
        if self.diagnostics:
            matches = match(detected, known, self.max_detections[-1])
            more = diagnose(matches, _names(truth), self.calibration_bins, self.confusion_classes)
        return more, _counts(truth, detected, classes), _table(detected)

    def _conventions(self) -> dict[str, str]:
        return conventions(self.calibration_bins) if self.diagnostics else {}


def _evaluate(
    known: Any, found: Any, limits: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision (IoU, recall, class, area, limit) and recall (IoU, class, area, limit)."""
    from hotcoco import COCOeval

    evaluator = COCOeval(known, found, "bbox")
    evaluator.params.max_dets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    arrays = evaluator.eval
    assert arrays is not None
    return np.asarray(arrays["precision"]), np.asarray(arrays["recall"])


def _table(detected: Detected) -> NDArray[np.float64]:
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


_Number = tuple[float | None, str]


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is defined (the reference marks the rest with -1), or None."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None


def _numbers(
    precision: NDArray[np.float64], recall: NDArray[np.float64], limits: tuple[int, int, int]
) -> dict[str, _Number]:
    """Return metric name → value and area range, as pycocotools' ``summarize`` forms them."""
    numbers: dict[str, _Number] = {
        "map": (_mean(precision[:, :, :, 0, -1]), "all"),
        "map_50": (_mean(precision[0:1, :, :, 0, -1]), "all"),
        "map_75": (_mean(precision[5:6, :, :, 0, -1]), "all"),
    }
    for index, area in enumerate(_AREAS[1:], 1):
        numbers[f"map_{area}"] = (_mean(precision[:, :, :, index, -1]), area)
    for index, limit in enumerate(limits):
        numbers[f"mar_{limit}"] = (_mean(recall[:, :, 0, index]), "all")
    for index, area in enumerate(_AREAS[1:], 1):
        numbers[f"mar_{area}"] = (_mean(recall[:, :, index, -1]), area)
    return numbers


def _names(split: DatasetSplit) -> list[str]:
    """Return names of the categories by ascending id, each of them once."""
    order = sorted(split.categories, key=lambda category: category.id)
    return unique_names([one.name for one in order], [f"id {one.id}" for one in order])


def _per_class(
    names: Sequence[str], precision: NDArray[np.float64]
) -> dict[str, dict[str, float | None]]:
    slices = {"map": precision[:, :, :, 0, -1], "map_50": precision[0:1, :, :, 0, -1]}
    return {
        metric: {name: _mean(values[:, :, k]) for k, name in enumerate(names)}
        for metric, values in slices.items()
    }


def _curves(precision: NDArray[np.float64]) -> dict[str, Curve]:
    """Return precision over recall, mean over the classes that have objects."""
    found = {}
    for name, iou in (("precision_recall_50", 0), ("precision_recall_75", 5)):
        defined = precision[iou, :, precision[iou, 0, :, 0, -1] > -1, 0, -1]
        if len(defined):
            found[name] = Curve(
                x_name="recall",
                y_name="precision",
                x=tuple(np.linspace(0, 1, 101).tolist()),
                y=tuple(defined.mean(axis=0).tolist()),
            )
    return found


def _reasons(numbers: Mapping[str, _Number], precision: NDArray[np.float64]) -> dict[str, str]:
    reasons = {name: _WHY[area] for name, (value, area) in numbers.items() if value is None}
    if (precision[:, :, :, 0, -1] == -1).all(axis=(0, 1)).any():
        reasons["per_class"] = "the class has no ground-truth object but crowds"
    return reasons


def _joined(reasons: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    both = [found["per_class"] for found in (reasons, more) if "per_class" in found]
    return {**reasons, **more, **({"per_class": "; ".join(both)} if both else {})}


def _convention(limits: tuple[int, int, int]) -> dict[str, str]:
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


def _counts(split: DatasetSplit, detected: Detected, classes: ClassMap) -> dict[str, int]:
    flat = (detected.boxes[:, 2] <= 0) | (detected.boxes[:, 3] <= 0)
    unknown = {category.id for category in split.categories} - set(classes.category_ids)
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "crowd": sum(a.iscrowd for a in split.annotations),
        "categories": len(split.categories),
        "categories_without_model_class": len(unknown),
        "predictions": len(detected.scores),
        "zero_size_predictions": int(flat.sum()),
        **split.notes,
    }
