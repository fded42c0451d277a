"""Truth and prediction of one image as maps of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.semantic_rules import NearestRule, RuleOptions
from benchbench.truth import VOID, paint
from benchbench.types import Annotation, ClassMap, Image, LabelMap

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Maps:
    """Truth and prediction of one image, (H, W) class indices each."""

    truth: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    kept: Mask | None
    """False where void truth takes a pixel out of every class; None if none is."""
    image_shape: tuple[int, int]
    """Height and width of the image, where the maps may have another size."""

    def masks(self, index: int) -> tuple[Mask, Mask]:
        """Return where the truth and where the prediction is the class *index*."""
        truth, labels = self.truth == index, self.labels == index
        if self.kept is None:
            return truth, labels
        return truth & self.kept, labels & self.kept


def resize_nearest(labels: Labels, shape: tuple[int, ...], rule: NearestRule) -> Labels:
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


def maps_of(
    options: RuleOptions,
    image: Image,
    annotations: Sequence[Annotation],
    prediction: LabelMap,
    classes: ClassMap,
    *,
    dense: bool = False,
) -> Maps:
    """Return truth and prediction of *image* at the prediction's size, void as it is treated.

    Where *dense*, pixels without annotation are void. Raises
    :class:`~benchbench.errors.PredictionError` for labels that cannot be scored, and
    :class:`~benchbench.errors.DatasetError` for truth of no class.
    """
    known, void = len(classes.names), options.void
    labels = _checked(image, prediction, known)
    truth = paint(annotations, image, classes, crowd=options.crowd, dense=dense)
    truth = resize_nearest(truth, labels.shape, options.nearest)
    _check_truth(image, truth, known, void)
    kept = None
    if void is not None and options.void_policy == "ignored":
        kept = truth != void
    elif void is not None and (options.void_policy == "false_positive" or void >= known):
        truth = np.where(truth == void, np.uint8(known), truth)
    return Maps(truth, labels, kept, (image.height, image.width))


def _checked(image: Image, prediction: LabelMap, classes: int) -> Labels:
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


def _check_truth(image: Image, painted: Labels, classes: int, void: int | None) -> None:
    if void != VOID and classes <= VOID and painted.max() == VOID:
        raise DatasetError(
            f"image {image.id}: {int((painted == VOID).sum())} truth pixels belong to no class",
            hint=f"set void: {VOID} to leave them out, or name one of the classes background",
        )
