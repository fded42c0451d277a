"""Truth and class scores of a split as arrays, checked; what a tally keeps of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.pairing import pair, unique_names
from benchbench.truth import annotations_by_image
from benchbench.types import ClassMap, ClassScores, DatasetSplit, Image, Prediction

Indices = NDArray[np.int64]
Values = NDArray[np.float64]
Rows = NDArray[Any]

SUM_TOLERANCE = 0.01
"""How far the scores of an image may sum from 1 and be a distribution: half precision's
rounding over thousands of classes stays below it."""
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as in a logarithm: 2 to the power of -126."""
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """A split and its predictions as arrays."""

    names: tuple[str, ...]
    """(K,): the model's C classes, then the dataset's that the model lacks."""
    labels: Indices
    """(N,): index of the true class, 0..K-1."""
    scores: Rows
    """(N, C): class scores as the decoder gave them, finite."""


def read(truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap) -> Reading:
    """Return the arrays of *truth* and *predictions*, in the split's order.

    Raises :class:`~benchbench.errors.DatasetError` naming an image that has not exactly one
    annotation, :class:`~benchbench.errors.PredictionError` naming the image and the value for
    scores of another length than the class list or that are not finite.
    """
    pairs = pair(truth, predictions, ClassScores)
    known = set(classes.category_ids)
    lacking = [category for category in truth.categories if category.id not in known]
    ids = [*classes.category_ids, *(category.id for category in lacking)]
    tags = [f"index {i}" for i in range(len(classes.names))] + [f"id {c.id}" for c in lacking]
    names = unique_names([*classes.names, *(category.name for category in lacking)], tags)
    labels = _labels(truth, {category: i for i, category in enumerate(ids)})
    rows = [_checked(image, prediction, classes) for image, prediction in pairs]
    scores = np.stack(rows) if rows else np.zeros((0, len(classes.names)), np.float32)
    return Reading(tuple(names), labels, scores)


def _labels(split: DatasetSplit, index: Mapping[int | None, int]) -> Indices:
    annotations = annotations_by_image(split)
    for image in split.images:
        count = len(annotations[image.id])
        if count != 1:
            raise DatasetError(
                f"image {image.id} ({image.file_name}) has {count} annotations; classification"
                " needs exactly one an image",
                hint="mend the annotation file, or choose another task",
            )
    found = [index[annotations[image.id][0].category_id] for image in split.images]
    return np.array(found, dtype=np.int64)


def _checked(image: Image, prediction: ClassScores, classes: ClassMap) -> Rows:
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
    return scores


def ranked(scores: Rows) -> Indices:
    """Return (N, up to 5) best class indices, best first, the lowest first among equals."""
    images, classes = scores.shape
    best = np.empty((images, max(1, min(5, classes))), np.int64)
    for start in range(0, images, _BLOCK):
        negative = -scores[start : start + _BLOCK].astype(np.float64)
        order = np.argsort(negative, axis=1, kind="stable")
        best[start : start + _BLOCK] = order[:, : best.shape[1]]
    return best


def graded(labels: Indices, scores: Rows) -> dict[str, Values]:
    """Return what proper scoring rules say of each image, all (N,).

    ``confidence``: the highest score, NaN unless all scores of the image are within 0..1.
    ``brier``: squared distance from the truth, summed over the classes (Brier 1950), 0..2.
    ``nll``: negative natural logarithm of the true class's probability, which is at least
    :data:`LEAST_PROBABILITY`. Both are NaN unless the scores also sum to 1.
    """
    found = {name: np.full(len(labels), np.nan) for name in ("confidence", "brier", "nll")}
    for start in range(0, len(labels), _BLOCK):
        part = slice(start, start + _BLOCK)
        values = scores[part].astype(np.float64)
        share = _true_share(labels[part], values)
        within = (values.min(axis=1) >= 0) & (values.max(axis=1) <= 1)
        summed = within & (np.abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE)
        brier = np.square(values).sum(axis=1) - 2 * share + 1
        nll = -np.log(np.clip(share, LEAST_PROBABILITY, None))
        found["confidence"][part] = np.where(within, values.max(axis=1), np.nan)
        found["brier"][part] = np.where(summed, brier, np.nan)
        found["nll"][part] = np.where(summed, nll, np.nan)
    return found


def _true_share(labels: Indices, values: Values) -> Values:
    """Return the score of each image's true class, 0 for a class that the model lacks."""
    known = labels < values.shape[1]
    share = values[np.arange(len(labels)), np.where(known, labels, 0)]
    return np.where(known, share, 0.0)
