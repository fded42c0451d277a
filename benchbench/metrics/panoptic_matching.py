"""Which predicted segment finds which true one: panopticapi's rules, for one image.

Source: cocodataset/panopticapi, evaluation.py, ``pq_compute_single_core`` (Kirillov et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.panoptic_segments import Flags, Ints, Overlaps, Truth

Values = NDArray[np.float64]
MATCH_IOU = 0.5
"""A pair matches above it: then neither segment can match another."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one image gives each class, (K,) each."""

    iou: Values
    """Sum of IoU over the matches."""
    tp: Ints
    fp: Ints
    fn: Ints
    excused: int
    """Predicted segments that count neither way."""
    hidden: int
    """True segments of which others leave no pixel; they are left out."""


def matched(pairs: Overlaps, truth: Truth, predicted: Ints, classes: int) -> Found:
    """Return the matches of one image over *classes* classes.

    *predicted*: (P + 1,) positions of the predicted segments' classes, row 0 for no segment.
    """
    areas = _summed(pairs.truth, pairs.pixels, len(truth.classes))
    hit, iou = _hits(pairs, truth, predicted, areas)
    rows, columns = pairs.truth[hit], pairs.predicted[hit]
    counted = ~truth.ignored[rows]
    visible = areas > 0
    missed = visible & ~truth.crowd & ~truth.ignored
    missed[[0, *rows]] = False
    spared = _spared(pairs, truth, predicted)
    spared[[0, *columns]] = True
    own = truth.classes[rows][counted]
    return Found(
        iou=np.bincount(own, iou[hit][counted], minlength=classes).astype(np.float64),
        tp=_per_class(own, classes),
        fp=_per_class(predicted[~spared], classes),
        fn=_per_class(truth.classes[missed], classes),
        excused=int(spared[1:].sum() - counted.sum()),
        hidden=int((~visible[1:]).sum()),
    )


def _hits(pairs: Overlaps, truth: Truth, predicted: Ints, areas: Ints) -> tuple[Flags, Values]:
    """Return which *pairs* match, and their IoU; void pixels are no part of the union."""
    on_void = np.where(pairs.truth == 0, pairs.pixels, 0)
    found = _summed(pairs.predicted, pairs.pixels - on_void, len(predicted))
    union = found[pairs.predicted] + areas[pairs.truth] - pairs.pixels
    iou = pairs.pixels / np.maximum(union, 1)
    alike = truth.classes[pairs.truth] == predicted[pairs.predicted]
    # Void and no segment have one class, -1, so they are kept apart here.
    real = (pairs.truth > 0) & (pairs.predicted > 0) & ~truth.crowd[pairs.truth]
    return alike & real & (iou > MATCH_IOU), iou


def _spared(pairs: Overlaps, truth: Truth, predicted: Ints) -> Flags:
    """Return (P + 1,) which predicted segments lie by more than half where nothing counts.

    That is on void, on the crowd of their own class (the last, where an image has several, as
    panopticapi has it), and on segments that are ignored.
    """
    crowds = np.flatnonzero(truth.crowd)
    last = np.zeros(len(truth.crowd), np.bool_)
    last[[*dict(zip(truth.classes[crowds], crowds, strict=True)).values()]] = True
    own_crowd = last[pairs.truth] & (truth.classes[pairs.truth] == predicted[pairs.predicted])
    free = (pairs.truth == 0) | truth.ignored[pairs.truth] | own_crowd
    areas = _summed(pairs.predicted, pairs.pixels, len(predicted))
    excused = _summed(pairs.predicted, np.where(free, pairs.pixels, 0), len(predicted))
    return excused > 0.5 * areas


def _summed(places: Ints, pixels: Ints, length: int) -> Ints:
    return np.bincount(places, pixels, minlength=length).astype(np.int64)


def _per_class(classes: Ints, count: int) -> Ints:
    return np.bincount(classes, minlength=count)
