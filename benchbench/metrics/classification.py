"""Top-k accuracy and macro precision, recall and F1 of whole images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.pairing import pair, unique_names
from benchbench.truth import annotations_by_image
from benchbench.types import (
    ClassMap,
    ClassScores,
    DatasetSplit,
    Image,
    Prediction,
    Record,
    Scores,
    TaskName,
)

Indices = NDArray[np.int64]
Values = NDArray[np.float64]


class ClassificationMetrics(Record):
    """Top-1 and top-5 accuracy, macro precision, recall and F1; one label an image."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "classification"

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score one vector of class scores an image.

        Raises :class:`~benchbench.errors.DatasetError` naming an image that has not exactly one
        annotation, :class:`~benchbench.errors.PredictionError` naming the image and the value for
        scores of another length than the class list or that are not finite.
        """
        pairs = pair(truth, predictions, ClassScores)
        space = _Space(truth, classes)
        labels = _labels(truth, space)
        ranked = [_ranked(image, prediction, classes) for image, prediction in pairs]
        best = np.array(ranked, dtype=np.int64).reshape(len(pairs), min(5, len(classes.names)))
        top1 = best[:, :1].ravel()
        columns, shown = _rates(labels, top1, len(space.names))
        metrics, reasons = _metrics(labels, best, classes)
        macro = {f"{n}_macro": _mean(values[shown]) for n, values in columns.items()}
        return Scores(
            metrics=metrics | macro,
            per_class=_per_class(columns, shown, space.names),
            reasons=reasons | _reasons(macro, shown),
            primary="top1",
            evaluator=f"benchbench classification (numpy {np.__version__})",
            convention=_CONVENTION,
            counts=_counts(truth, classes, labels, top1),
        )


_CONVENTION = {
    "top1": "share of images whose best-scored class is the truth",
    "top5": "share of images whose truth is among the five best-scored classes",
    "ties": "equal scores: the lowest class index ranks first",
    "macro": "mean over classes that occur in truth or top-1 prediction",
    "zero_division": "precision without predictions, recall without truth: 0",
    "unknown": "categories that the model lacks count as classes that are never predicted",
}


class _Space:
    """Classes that may be the truth: the model's, then the dataset's that the model lacks."""

    def __init__(self, split: DatasetSplit, classes: ClassMap) -> None:
        known = set(classes.category_ids)
        lacking = [c for c in split.categories if c.id not in known]
        ids = [*classes.category_ids, *(category.id for category in lacking)]
        tags = [f"index {i}" for i in range(len(classes.names))] + [f"id {c.id}" for c in lacking]
        self.names = unique_names([*classes.names, *(c.name for c in lacking)], tags)
        self.index = {category: i for i, category in enumerate(ids) if category is not None}


def _labels(split: DatasetSplit, space: _Space) -> Indices:
    """Return the true class of each image, in the split's order."""
    annotations = annotations_by_image(split)
    for image in split.images:
        count = len(annotations[image.id])
        if count != 1:
            raise DatasetError(
                f"image {image.id} ({image.file_name}) has {count} annotations; classification"
                " needs exactly one an image",
                hint="mend the annotation file, or choose another task",
            )
    found = [space.index[annotations[image.id][0].category_id] for image in split.images]
    return np.array(found, dtype=np.int64)


def _ranked(image: Image, prediction: ClassScores, classes: ClassMap) -> Indices:
    """Return the (up to five) best class indices, best first, the lowest first among equals."""
    scores = prediction.scores
    if scores.shape != (len(classes.names),) or not scores.size:
        raise PredictionError(
            f"image {image.id}: scores of shape {scores.shape}, but the model's class list has"
            f" {len(classes.names)} names",
            hint="list every class of the model in its class map",
        )
    finite = np.isfinite(scores)
    if not finite.all():
        index = int(np.argmin(finite))
        raise PredictionError(
            f"image {image.id}: score {scores[index]} of class '{classes.names[index]}'",
            hint="scores must be finite; look at the model's outputs at this precision",
        )
    return np.argsort(-scores.astype(np.float64), kind="stable")[:5]


def _metrics(
    labels: Indices, best: Indices, classes: ClassMap
) -> tuple[dict[str, float | None], dict[str, str]]:
    hits = best == labels[:, None]
    metrics = {"top1": _mean(hits[:, :1].any(axis=1)), "top5": _mean(hits.any(axis=1))}
    reasons = {name: "the split has no images" for name, value in metrics.items() if value is None}
    if len(classes.names) < 6:
        metrics["top5"] = None
        reasons["top5"] = f"the model has {len(classes.names)} classes; top-5 needs 6 or more"
    return metrics, reasons


def _rates(
    labels: Indices, predicted: Indices, classes: int
) -> tuple[dict[str, Values], NDArray[np.bool_]]:
    """Return precision, recall and F1 of each class, and which classes occur."""
    hits = np.bincount(labels[labels == predicted], minlength=classes)
    truth = np.bincount(labels, minlength=classes)
    chosen = np.bincount(predicted, minlength=classes)
    both = truth + chosen
    return {
        "precision": hits / np.maximum(chosen, 1),
        "recall": hits / np.maximum(truth, 1),
        "f1": 2 * hits / np.maximum(both, 1),
    }, both > 0


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float | None:
    return float(np.mean(values)) if values.size else None


def _per_class(
    columns: Mapping[str, Values], shown: NDArray[np.bool_], names: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    return {
        metric: {
            name: float(value) if defined else None
            for name, value, defined in zip(names, values, shown, strict=True)
        }
        for metric, values in columns.items()
    }


def _reasons(macro: Mapping[str, float | None], shown: NDArray[np.bool_]) -> dict[str, str]:
    reasons = {name: "the split has no images" for name, value in macro.items() if value is None}
    if not shown.all():
        reasons["per_class"] = "the class is neither in the truth nor predicted"
    return reasons


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
