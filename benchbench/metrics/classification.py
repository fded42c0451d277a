"""Accuracy, rates, areas and calibration of classifiers: one label an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics.classification_curves import (
    Separation,
    calibration,
    confusion_matrix,
    separation,
)
from benchbench.metrics.classification_rates import (
    averaged_rates,
    class_rates,
    counted,
    mean,
    shares,
)
from benchbench.metrics.classification_reading import Reading, graded, ranked, read
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Prediction,
    Record,
    Scores,
    Tally,
    TaskName,
)

Indices = NDArray[np.int64]
Values = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


class ClassificationMetrics(Record):
    """Accuracy, precision, recall, F1, ROC AUC, average precision and calibration."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "classification"

    calibration_bins: int = Field(default=15, ge=1, le=100)
    """Bins of equal width for the calibration error and the reliability curve."""
    confusion_classes: int = Field(default=100, ge=2, le=1000)
    """Rows of the confusion matrix; beyond it the classes mistaken least share the last one."""
    resample_scores: int = Field(default=1_000_000, ge=0)
    """Areas get intervals where images × classes are at most this many scores; 0 for never."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score one vector of class scores an image.

        Raises :class:`~benchbench.errors.DatasetError` naming an image that has not exactly one
        annotation, :class:`~benchbench.errors.PredictionError` naming the image and the value for
        scores of another length than the class list or that are not finite.
        """
        reading = read(truth, predictions, classes)
        arrays = _arrays(reading)
        parts = separation(reading.labels, reading.scores, reading.names)
        metrics, per_class = self._figures(arrays, parts, reading.names)
        top1 = arrays["ranks"][:, 0]
        return Scores(
            metrics=metrics,
            per_class=per_class,
            reasons=_reasons(truth, reading, arrays, metrics, per_class),
            curves=parts.curves
            | calibration(arrays["confidence"], reading.labels == top1, self.calibration_bins),
            matrices={
                "confusion": confusion_matrix(
                    reading.labels, top1, reading.names, self.confusion_classes
                )
            },
            primary="top1",
            lower_is_better=tuple(_PROPER),
            evaluator=f"benchbench classification (numpy {np.__version__})",
            convention=_CONVENTION | {"ece": f"{self.calibration_bins} {_ECE}"},
            counts=_counts(truth, classes, reading.labels, top1),
        )

    def _figures(
        self, arrays: Arrays, parts: Separation, names: tuple[str, ...]
    ) -> tuple[dict[str, float | None], dict[str, dict[str, float | None]]]:
        ones = np.ones((1, len(arrays["labels"])), np.int64)
        counts = counted(arrays, ones, len(names))
        areas = {
            "roc_auc": parts.roc_auc[None],
            "average_precision": parts.average_precision[None],
        }
        metrics = (
            shares(arrays, ones, self.calibration_bins)
            | averaged_rates(counts)
            | _averaged(areas, counts.truth)
        )
        columns = class_rates(counts) | areas
        return {name: _number(values[0]) for name, values in metrics.items()}, {
            name: dict(zip(names, map(_number, values[0]), strict=True))
            for name, values in columns.items()
        }

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return truth, best classes, confidence and scoring rules of each image.

        Arrays: ``labels`` (N,), ``ranks`` (N, up to 5), ``confidence``, ``brier`` and ``nll``
        (N,), ``model_classes`` (1,), and ``scores`` (N, C) where ``resample_scores`` allows it.
        Raises what :meth:`score` raises.
        """
        reading = read(truth, predictions, classes)
        arrays = _arrays(reading)
        if reading.scores.size <= self.resample_scores:
            arrays["scores"] = reading.scores
        ids = np.array([image.id for image in truth.images], np.int64)
        return Tally(image_ids=ids, classes=reading.names, arrays=arrays)

    def estimates(self, tally: Tally, weights: Indices) -> dict[str, Values]:
        """Return (B,) values for (B, N) *weights*; areas only where the tally has the scores."""
        counts = counted(tally.arrays, weights, len(tally.classes))
        return (
            shares(tally.arrays, weights, self.calibration_bins)
            | averaged_rates(counts)
            | _averaged(_areas(tally, weights), counts.truth)
        )

    def class_estimates(self, tally: Tally, weights: Indices) -> dict[str, Values]:
        """Return (B, K) values for (B, N) *weights*; areas only where the tally has the scores."""
        counts = counted(tally.arrays, weights, len(tally.classes))
        return class_rates(counts) | _areas(tally, weights)


_ECE = (
    "bins of equal width, open below: mean gap of top-1 accuracy and mean highest probability,"
    " weighted by images (Guo et al. 2017)"
)
_CONVENTION = {
    "top1": "share of images whose best-scored class is the truth",
    "top5": "share of images whose truth is among the five best-scored classes",
    "ties": "equal scores: the lowest class index ranks first; half a pair won in the ROC AUC, one"
    " step in the average precision",
    "macro": "mean over classes that occur in truth or top-1 prediction; of an area, over classes"
    " that have it",
    "micro": "all images pooled; with one label an image equal to top1",
    "weighted": "mean over classes, weighted by their images",
    "balanced_accuracy": "mean recall over the classes in truth",
    "zero_division": "precision without predictions, recall without truth: 0",
    "roc_auc": "each class against the rest, trapezoids",
    "average_precision": "each class against the rest; precision × step in recall, summed, not"
    " interpolated",
    "brier": "squared error summed over the classes, 0 to 2",
    "nll": "natural logarithm; a probability of 0 counts as 2^-126",
    "unknown": "categories that the model lacks count as classes that are never predicted",
}


def _arrays(reading: Reading) -> Arrays:
    return {
        "labels": reading.labels,
        "ranks": ranked(reading.scores),
        "model_classes": np.array([reading.scores.shape[1]], np.int64),
        **graded(reading.labels, reading.scores),
    }


def _areas(tally: Tally, weights: Indices) -> dict[str, Values]:
    """Return (B, K) areas; none without scores."""
    if "scores" not in tally.arrays:
        return {}
    from benchbench.metrics.classification_areas import weighted_areas

    labels, scores = tally.arrays["labels"], tally.arrays["scores"]
    roc, precision = weighted_areas(labels, scores, weights, len(tally.classes))
    return {"roc_auc": roc, "average_precision": precision}


def _averaged(areas: Mapping[str, Values], truth: Indices) -> dict[str, Values]:
    macro = {f"{name}_macro": mean(values) for name, values in areas.items()}
    return macro | {f"{name}_weighted": mean(values, truth) for name, values in areas.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _reasons(
    truth: DatasetSplit,
    reading: Reading,
    arrays: Arrays,
    metrics: Mapping[str, float | None],
    per_class: Mapping[str, Mapping[str, float | None]],
) -> dict[str, str]:
    why = {
        "top5": f"the model has {reading.scores.shape[1]} classes; top-5 needs 6 or more",
        "roc_auc_macro": "no class of the model has images of its own and of others",
        "average_precision_macro": "no class of the model is in the truth",
    }
    why["roc_auc_weighted"] = why["roc_auc_macro"]
    why["average_precision_weighted"] = why["average_precision_macro"]
    absent = [name for name, value in metrics.items() if value is None]
    if not truth.images:
        return dict.fromkeys(absent, "the split has no images") | _class_reason(per_class)
    why |= {name: _no_probability(truth, reading, arrays[key]) for name, key in _PROPER.items()}
    return {name: why[name] for name in absent} | _class_reason(per_class)


_PROPER = {"ece": "confidence", "brier": "brier", "nll": "nll"}


def _no_probability(truth: DatasetSplit, reading: Reading, values: Values) -> str:
    index = int(np.argmax(np.isnan(values)))
    row, image = reading.scores[index].astype(np.float64), truth.images[index].id
    if row.min() < 0 or row.max() > 1:
        return (
            f"image {image}: the scores go from {row.min():.4g} to {row.max():.4g}, so they are no"
            " probabilities; the decoder's activation makes them"
        )
    return f"image {image}: the scores sum to {row.sum():.4g}, not to 1"


def _class_reason(per_class: Mapping[str, Mapping[str, float | None]]) -> dict[str, str]:
    if all(value is not None for values in per_class.values() for value in values.values()):
        return {}
    return {
        "per_class": "the class is neither in the truth nor predicted; an area also needs images of"
        " the class (the ROC: and of others) and a score for it"
    }


def _counts(
    split: DatasetSplit, classes: ClassMap, labels: Indices, top1: Indices
) -> dict[str, int]:
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "classes": len(classes.names),
        "correct": int((labels == top1).sum()),
        "images_without_model_class": int((labels >= len(classes.names)).sum()),
        **split.notes,
    }
