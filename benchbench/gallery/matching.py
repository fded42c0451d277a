"""Which predicted object finds which object of one image, as a picture tells it.

The matching of COCO at IoU 0.5, made at one threshold and without its limits of area: by falling
score each prediction takes the free object of its class that it overlaps most. What is then left
over on both sides may still mean one another in the wrong class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.gallery_view import GalleryCounts

LEAST_IOU = 0.5
FOUND, MISSED, CONFUSED, FALSE, IGNORED, HIDDEN, TRUE = range(7)
"""States. Ignored: crowds and what lies on them, classes not annotated in this image. Hidden: a
prediction below the threshold. True: an object beside two cells that may not agree on it."""

States = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sides:
    """The objects of an image and what was predicted, with their overlaps."""

    overlaps: NDArray[np.float64]
    """(P, T): IoU; with a crowd, the share of the prediction that lies on it."""
    classes: NDArray[np.int64]
    """(T,) category ids."""
    crowd: NDArray[np.bool_]
    """(T,)."""
    labels: NDArray[np.int64]
    """(P,) category ids."""
    scores: NDArray[np.float64]
    """(P,)."""
    looked_for: NDArray[np.bool_]
    """(P,): whether the image is annotated for the prediction's class."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The states of both sides."""

    objects: States
    """(T,)."""
    predictions: States
    """(P,)."""
    wrong_score: float = 0.0
    """Sum of the scores of the false and confused predictions."""

    @property
    def counts(self) -> GalleryCounts:
        """Return how many there are of each."""
        return GalleryCounts(
            found=int((self.objects == FOUND).sum()),
            missed=int((self.objects == MISSED).sum()),
            false=int((self.predictions == FALSE).sum()),
            confused=int((self.objects == CONFUSED).sum()),
        )


def match(sides: Sides, threshold: float) -> Matched:
    """Return what became of each object, and of each prediction of at least *threshold*."""
    objects = np.where(sides.crowd, IGNORED, MISSED).astype(np.uint8)
    predictions = np.full(len(sides.scores), HIDDEN, np.uint8)
    kept = np.flatnonzero(sides.scores >= threshold)
    kept = kept[np.argsort(-sides.scores[kept], kind="stable")]
    predictions[kept] = FALSE
    near = np.where(sides.overlaps >= LEAST_IOU, sides.overlaps, -1.0)
    same = sides.labels[:, None] == sides.classes[None]
    _take(kept, np.where(same, near, -1.0), objects, predictions, FOUND)
    on_crowd = (same & sides.crowd & (near > 0)).any(axis=1)
    open_ = predictions == FALSE
    predictions[open_ & (on_crowd | ~sides.looked_for)] = IGNORED
    _take(kept, np.where(same, -1.0, near), objects, predictions, CONFUSED)
    wrong = (predictions == FALSE) | (predictions == CONFUSED)
    return Matched(objects, predictions, float(sides.scores[wrong].sum()))


def _take(
    kept: NDArray[np.int64],
    near: NDArray[np.float64],
    objects: States,
    predictions: States,
    state: int,
) -> None:
    """Give each open prediction, in the order of *kept*, the free object that it overlaps most."""
    if not near.size:
        return
    for row in kept[predictions[kept] == FALSE]:
        free = np.where(objects == MISSED, near[row], -1.0)
        best = int(free.argmax())
        if free[best] > 0:
            objects[best] = predictions[row] = state


def best_threshold(scores: NDArray[np.float64], right: NDArray[np.bool_], objects: int) -> float:
    """Return the highest threshold of greatest F1; 0.5 where nothing is right.

    *scores* and *right*: (N,) of all predictions matched without a threshold, which takes the same
    pairs as any threshold does; *objects*: how many there are to find.
    """
    if not right.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + objects)
    # Only where the score falls can a threshold stand.
    ends = np.append(np.diff(scores[order]) != 0, True)
    return float(scores[order][np.where(ends, f1, -1.0).argmax()])
