"""Average precision and recall of boxes, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.pairing import pair, unique_names
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Detections,
    Image,
    Prediction,
    Record,
    Scores,
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

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises :class:`~benchbench.errors.PredictionError` naming the image and the value for
        predictions that are not fit to be scored (boxes without area are: they are counted), and
        :class:`~benchbench.errors.DatasetError` for annotations without a usable box.
        """
        import hotcoco

        # The reference walks images and categories by ascending id; ties depend on that order.
        pairs = sorted(pair(truth, predictions, Detections), key=lambda one: one[0].id)
        ids = _Ids.of(truth)
        table = _table(pairs, ids)
        precision, recall = _evaluate(truth, ids, table, self.max_detections)
        numbers = _numbers(precision, recall, self.max_detections)
        return Scores(
            metrics={name: value for name, (value, _) in numbers.items()},
            per_class=_per_class(truth, ids, precision),
            reasons=_reasons(numbers, precision),
            primary="map",
            evaluator=f"hotcoco {hotcoco.__version__}",
            convention=_convention(self.max_detections),
            counts=_counts(truth, table, classes),
        )


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids as the evaluator sees them: 1, 2, … in ascending order of the dataset's own."""

    images: dict[int, int]
    categories: dict[int, int]

    @classmethod
    def of(cls, split: DatasetSplit) -> _Ids:
        images = sorted(image.id for image in split.images)
        categories = sorted(category.id for category in split.categories)
        return cls(
            {old: new for new, old in enumerate(images, 1)},
            {old: new for new, old in enumerate(categories, 1)},
        )


def _table(pairs: Sequence[tuple[Image, Detections]], ids: _Ids) -> NDArray[np.float64]:
    """Return (N, 7) detections: image, x, y, width, height, score, category; ids renumbered."""
    for image, found in pairs:
        _check_shapes(image, found)
    if not pairs:
        return np.zeros((0, 7))
    lengths = [len(found.scores) for _, found in pairs]
    owners = np.repeat([image.id for image, _ in pairs], lengths)
    boxes = np.concatenate([found.boxes for _, found in pairs]).astype(np.float64)
    scores = np.concatenate([found.scores for _, found in pairs]).astype(np.float64)
    labels = np.concatenate([found.labels for _, found in pairs])
    _refuse(owners, ~np.isfinite(scores), scores, "score")
    _refuse(owners, np.any(~np.isfinite(boxes), axis=1), boxes, "box")
    known = np.array(sorted(ids.categories), dtype=np.int64)
    _refuse(owners, ~np.isin(labels, known), labels, "label")
    numbers = np.repeat([ids.images[image.id] for image, _ in pairs], lengths)
    columns = (numbers, *boxes.T, scores, np.searchsorted(known, labels) + 1)
    return np.column_stack(columns).astype(np.float64)


def _check_shapes(image: Image, found: Detections) -> None:
    boxes, scores, labels = found.boxes.shape, found.scores.shape, found.labels.shape
    count = len(found.scores) if scores else 0
    if (boxes, scores, labels) != ((count, 4), (count,), (count,)):
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


def _refuse(owners: NDArray[Any], bad: NDArray[np.bool_], values: NDArray[Any], what: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        row = rows[0]
        raise PredictionError(
            f"image {owners[row]}: {what} {values[row].tolist()} ({rows.size} in all)",
            hint=_HINTS[what],
        )


def _evaluate(
    split: DatasetSplit, ids: _Ids, table: NDArray[np.float64], limits: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision (IoU, recall, class, area, limit) and recall (IoU, class, area, limit)."""
    from hotcoco import COCOeval

    known = _ground_truth(split, ids)
    evaluator = COCOeval(known, known.load_res(table), "bbox")
    evaluator.params.max_dets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    found = evaluator.eval
    assert found is not None
    return np.asarray(found["precision"]), np.asarray(found["recall"])


def _ground_truth(split: DatasetSplit, ids: _Ids) -> Any:
    from hotcoco import COCO

    annotations = split.annotations
    boxes = _truth_boxes(split)
    return COCO.from_arrays(
        [
            {"id": ids.images[i.id], "width": i.width, "height": i.height, "file_name": i.file_name}
            for i in split.images
        ],
        [{"id": ids.categories[c.id], "name": c.name} for c in split.categories],
        np.array([ids.images[a.image_id] for a in annotations], dtype=np.int64),
        np.array([ids.categories[a.category_id] for a in annotations], dtype=np.int64),
        boxes,
        # An annotation id of 0 means "unmatched" to the reference, so they are counted from 1.
        ids=np.arange(1, len(annotations) + 1),
        area=np.array([a.area for a in annotations], dtype=np.float64),
        iscrowd=np.array([a.iscrowd for a in annotations], dtype=np.int64),
    )


def _truth_boxes(split: DatasetSplit) -> NDArray[np.float64]:
    for one in split.annotations:
        if one.bbox is None or not np.isfinite((*one.bbox, one.area)).all():
            raise DatasetError(
                f"annotation {one.id} (image {one.image_id}) has the box {one.bbox} and the area"
                f" {one.area}; finite ones are needed",
                hint="mend or remove this annotation in the annotation file",
            )
    return np.array([a.bbox for a in split.annotations], dtype=np.float64).reshape(-1, 4)


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


def _per_class(
    split: DatasetSplit, ids: _Ids, precision: NDArray[np.float64]
) -> dict[str, dict[str, float | None]]:
    tags = [f"id {category.id}" for category in split.categories]
    names = unique_names([category.name for category in split.categories], tags)
    columns = [ids.categories[category.id] - 1 for category in split.categories]
    slices = {"map": precision[:, :, :, 0, -1], "map_50": precision[0:1, :, :, 0, -1]}
    return {
        metric: {n: _mean(values[:, :, k]) for n, k in zip(names, columns, strict=True)}
        for metric, values in slices.items()
    }


def _reasons(numbers: Mapping[str, _Number], precision: NDArray[np.float64]) -> dict[str, str]:
    reasons = {name: _WHY[area] for name, (value, area) in numbers.items() if value is None}
    if (precision[:, :, :, 0, -1] == -1).all(axis=(0, 1)).any():
        reasons["per_class"] = "the class has no ground-truth object but crowds"
    return reasons


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


def _counts(split: DatasetSplit, table: NDArray[np.float64], classes: ClassMap) -> dict[str, int]:
    unknown = {category.id for category in split.categories} - set(classes.category_ids)
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "crowd": sum(a.iscrowd for a in split.annotations),
        "categories": len(split.categories),
        "categories_without_model_class": len(unknown),
        "predictions": len(table),
        "zero_size_predictions": int((table[:, 3:5] <= 0).any(axis=1).sum()),
        **split.notes,
    }
