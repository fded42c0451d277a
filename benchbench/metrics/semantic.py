"""IoU, Dice and accuracy of label maps; the conventions in use are part of every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.pairing import pair, unique_names
from benchbench.truth import VOID, annotations_by_image, background_index, paint
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Image,
    LabelMap,
    Prediction,
    Record,
    Scores,
    TaskName,
)

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Chosen = NDArray[np.bool_]
EmptyRule = Literal["skip", "one", "zero"]
NearestRule = Literal["floor", "centre"]


class SemanticMetrics(Record):
    """IoU, Dice and accuracy over the pixels, from one confusion matrix an image."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "semantic-segmentation"

    include_background: bool = True
    """Whether ``miou`` counts the class named background; Dice never does."""
    empty: EmptyRule = "skip"
    """Dice of a class that is neither in an image's truth nor predicted there."""
    nearest: NearestRule = "floor"
    """How truth is resized to the prediction: OpenCV's INTER_NEAREST or pixel centres."""
    crowd: Literal["class", "void"] = "class"
    """Whether crowd regions are truth of their class, or void (255; needs ``void: 255``)."""
    void: int | None = Field(default=None, ge=0, le=255)
    """Truth pixels of this value are left out, predictions on them too."""

    @model_validator(mode="after")
    def _void_is_left_out(self) -> SemanticMetrics:
        if self.crowd == "void" and self.void != VOID:
            raise ValueError(f"crowd: void needs void: {VOID}")
        return self

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score label maps of model class indices, at any resolution.

        Raises :class:`~benchbench.errors.PredictionError` naming the image for a map that is empty
        or holds an unknown class, and :class:`~benchbench.errors.DatasetError` for truth that
        cannot be painted or has no class.
        """
        pairs = pair(truth, predictions, LabelMap)
        annotations = annotations_by_image(truth)
        background = background_index(classes)
        tally = _Tally.of(len(classes.names), background, self.empty)
        resized = 0
        for image, prediction in pairs:
            labels = _checked(image, prediction, len(classes.names))
            painted = paint(annotations[image.id], image, classes, crowd=self.crowd)
            resized += painted.shape != labels.shape
            painted = resize_nearest(painted, labels.shape, self.nearest)
            _check_truth(image, painted, len(classes.names), self.void)
            tally.add(confusion(painted, labels, len(classes.names), self.void))
        metrics, reasons = _metrics(tally, self.include_background)
        return Scores(
            metrics=metrics,
            per_class=_per_class(tally, classes),
            reasons=reasons,
            primary="miou",
            evaluator=f"benchbench semantic (numpy {np.__version__})",
            convention=self._convention(classes, background),
            counts=_counts(truth, tally, classes) | {"images_resized_truth": resized},
        )

    def _convention(self, classes: ClassMap, background: int | None) -> dict[str, str]:
        scope = "all classes" if self.include_background else "the foreground classes"
        shown = "none; unpainted truth is void (255)"
        if background is not None:
            shown = f"'{classes.names[background]}' (index {background}), where nothing is painted"
        return {
            "miou": f"pooled over the dataset; mean over {scope} in truth or prediction",
            "dice": "per image: mean over the foreground classes, then over the images",
            "dice_pooled": "pooled over the dataset; mean over the foreground classes in truth or"
            " prediction",
            "mean_accuracy": "recall pooled over the dataset; mean over all classes in truth",
            "empty": _EMPTY[self.empty] + "; absent from the truth but predicted: 0",
            "background": shown,
            "void": "none" if self.void is None else f"truth pixels of {self.void} are left out",
            "crowd": "truth of its class" if self.crowd == "class" else "void",
            "overlap": "objects are painted by area, largest first",
            "unknown": "objects of categories that the model lacks are not painted",
            "resize": f"truth to the prediction's size, nearest, index {_INDEX[self.nearest]}",
        }


_EMPTY = {
    "skip": "dice of a class absent from truth and prediction: left out",
    "one": "dice of a class absent from truth and prediction: 1",
    "zero": "dice of a class absent from truth and prediction: 0",
}
_INDEX = {
    "floor": "floor(i × (1 / (target / source))) as in OpenCV",
    "centre": "floor((i + 0.5) × source / target)",
}


def resize_nearest(
    labels: NDArray[np.uint8], shape: tuple[int, ...], rule: NearestRule
) -> NDArray[np.uint8]:
    """Return *labels* (H, W) at *shape*, each pixel that of the source index of *rule*."""
    if labels.shape == shape:
        return labels
    rows, columns = (_sources(a, b, rule) for a, b in zip(labels.shape, shape, strict=True))
    return labels[rows[:, None], columns[None, :]]


def _sources(source: int, target: int, rule: NearestRule) -> NDArray[np.int64]:
    index = np.arange(target, dtype=np.int64)
    if rule == "centre":
        return (2 * index + 1) * source // (2 * target)
    # OpenCV's own order of operations: the exact quotient differs where it is a whole number.
    scaled: NDArray[np.float64] = np.floor(index * (1.0 / (target / source)))
    return scaled.clip(0, source - 1).astype(np.int64)


def confusion(
    truth: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int, void: int | None = None
) -> Counts:
    """Return (C, C) pixel counts, row truth, column prediction, without pixels of truth *void*.

    Every other value must be below *classes*, which is at most 255.
    """
    if void is not None:
        kept = truth != void
        truth, labels = truth[kept], labels[kept]
    key = truth.astype(np.uint16)  # 255 × 255 keys fit
    key *= np.uint16(classes)
    key += labels
    counts = np.bincount(key.ravel(), minlength=classes * classes)
    return counts.astype(np.int64, copy=False).reshape(classes, classes)


def _checked(image: Image, prediction: LabelMap, classes: int) -> NDArray[np.uint8]:
    labels = prediction.labels
    if labels.ndim != 2 or labels.size == 0 or labels.dtype != np.uint8:
        raise PredictionError(
            f"image {image.id}: label map of shape {labels.shape} and dtype {labels.dtype};"
            " (H, W) uint8 is expected",
            hint="mend the decoder",
        )
    if labels.max() >= classes:
        raise PredictionError(
            f"image {image.id}: label {labels.max()}, but the model has {classes} classes",
            hint="list every class of the model in its class map",
        )
    return labels


def _check_truth(image: Image, painted: NDArray[np.uint8], classes: int, void: int | None) -> None:
    if void != VOID and classes <= VOID and painted.max() == VOID:
        raise DatasetError(
            f"image {image.id}: {int((painted == VOID).sum())} truth pixels belong to no class",
            hint=f"set void: {VOID} to leave them out, or name one of the classes background",
        )


@dataclass(slots=True)
class _Tally:
    """Sums over the images seen so far; its size does not depend on their number."""

    foreground: Chosen
    empty: EmptyRule
    matrix: Counts
    dice_sum: Values
    dice_images: Counts
    mean_sum: float = 0.0
    """Sum over images of the mean foreground Dice."""
    mean_images: int = 0
    """Images that have one."""
    images: int = 0

    @classmethod
    def of(cls, classes: int, background: int | None, empty: EmptyRule) -> _Tally:
        square = np.zeros((classes, classes), np.int64)
        foreground = np.arange(classes) != (-1 if background is None else background)
        return cls(foreground, empty, square, np.zeros(classes), np.zeros(classes, np.int64))

    def add(self, matrix: Counts) -> None:
        """Add the (C, C) confusion of one image."""
        dice, valid = image_dice(matrix, self.empty)
        self.matrix += matrix
        self.dice_sum += np.where(valid, dice, 0.0)
        self.dice_images += valid
        self.images += 1
        shown = dice[valid & self.foreground]
        if shown.size:
            self.mean_sum += float(shown.mean())
            self.mean_images += 1


def image_dice(matrix: Counts, empty: EmptyRule) -> tuple[Values, Chosen]:
    """Return 2·TP / (truth + predicted) of each class, and which of them count."""
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    present = both > 0
    absent_value = 1.0 if empty == "one" else 0.0
    dice = np.where(present, 2 * matrix.diagonal() / np.maximum(both, 1), absent_value)
    return dice, present | (empty != "skip")


def _pooled(matrix: Counts) -> dict[str, tuple[Values, Chosen]]:
    """Return IoU, Dice and recall of each class over the dataset, and where they are defined."""
    hits, truth, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    union, both = truth + predicted - hits, truth + predicted
    return {
        "iou": (hits / np.maximum(union, 1), union > 0),
        "dice_pooled": (2 * hits / np.maximum(both, 1), both > 0),
        "accuracy": (hits / np.maximum(truth, 1), truth > 0),
    }


def _mean(values: Values, chosen: Chosen) -> float | None:
    return float(values[chosen].mean()) if chosen.any() else None


_WHY = {
    "miou": "no class of those averaged is in truth or prediction",
    "dice": "no image has a foreground class in truth or prediction",
    "dice_pooled": "no foreground class is in truth or prediction",
    "pixel_accuracy": "every truth pixel is void",
    "mean_accuracy": "every truth pixel is void",
}


def _metrics(
    tally: _Tally, include_background: bool
) -> tuple[dict[str, float | None], dict[str, str]]:
    pooled, foreground, matrix = _pooled(tally.matrix), tally.foreground, tally.matrix
    iou, in_union = pooled["iou"]
    dice, in_dice = pooled["dice_pooled"]
    total = int(matrix.sum())
    metrics = {
        "miou": _mean(iou, in_union if include_background else in_union & foreground),
        "dice": tally.mean_sum / tally.mean_images if tally.mean_images else None,
        "dice_pooled": _mean(dice, in_dice & foreground),
        "pixel_accuracy": float(matrix.trace()) / total if total else None,
        "mean_accuracy": _mean(*pooled["accuracy"]),
    }
    reasons = {name: _WHY[name] for name, value in metrics.items() if value is None}
    if not all(defined.all() for _, defined in pooled.values()) or not tally.dice_images.all():
        reasons["per_class"] = "the class is absent: from the truth (accuracy), or from both"
    return metrics, reasons


def _per_class(tally: _Tally, classes: ClassMap) -> dict[str, dict[str, float | None]]:
    tags = [f"index {index}" for index in range(len(classes.names))]
    names = unique_names(classes.names, tags)
    per_image = tally.dice_sum / np.maximum(tally.dice_images, 1)
    columns = _pooled(tally.matrix) | {"dice": (per_image, tally.dice_images > 0)}
    return {
        metric: {
            name: float(value) if defined else None
            for name, value, defined in zip(names, values, shown, strict=True)
        }
        for metric, (values, shown) in columns.items()
    }


def _counts(split: DatasetSplit, tally: _Tally, classes: ClassMap) -> dict[str, int]:
    known = set(classes.category_ids)
    return {
        "images": tally.images,
        "images_without_dice": tally.images - tally.mean_images,
        "annotations": len(split.annotations),
        "annotations_without_model_class": sum(
            a.category_id not in known for a in split.annotations
        ),
        "crowd": sum(a.iscrowd for a in split.annotations),
        "classes": len(classes.names),
        "pixels": int(tally.matrix.sum()),
        **split.notes,
    }
