"""One class against the rest: areas, curves; reliability; confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.classification_rates import bin_index
from benchbench.types import Curve, Matrix

Indices = NDArray[np.int64]
Values = NDArray[np.float64]

GRID = np.linspace(0, 1, 101)
"""False-positive rates, or recalls, at which curves of several classes are averaged."""
_POINTS = 200


@dataclass(frozen=True, slots=True)
class Ranking:
    """One class's images and the others', counted above each different score, best first."""

    tp: Indices
    """(T,): images of the class with at least the t-th score."""
    fp: Indices
    """(T,): other images with at least the t-th score."""

    @classmethod
    def of(cls, scores: NDArray[Any], positive: NDArray[np.bool_]) -> Ranking:
        """Rank (N,) *scores*; equal scores make one step."""
        order = np.argsort(scores, kind="stable")[::-1]
        ends = np.flatnonzero(_last_of_equals(scores[order]))
        tp = np.cumsum(positive[order], dtype=np.int64)[ends]
        return cls(tp, ends + 1 - tp)

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve by trapezoids: ties count half; NaN for one kind of image."""
        rise, run = (np.append(0, counts) for counts in (self.tp, self.fp))
        scale = float(rise[-1]) * float(run[-1])
        area = (np.diff(run) * (rise[1:] + rise[:-1])).sum() / 2
        return float(area / scale) if scale else float("nan")

    @property
    def average_precision(self) -> float:
        """Sum of precision times the step in recall, not interpolated; NaN without positives."""
        if not self.tp.size or not self.tp[-1]:
            return float("nan")
        steps = np.diff(self.tp, prepend=0)
        return float((steps * self.precision).sum() / self.tp[-1])

    @property
    def precision(self) -> Values:
        """(T,): share of the class among the images with at least the t-th score."""
        share: Values = self.tp / (self.tp + self.fp)
        return share

    def roc(self) -> tuple[Values, Values]:
        """Return at most 200 (false-positive rate, true-positive rate) points, ends included."""
        fpr, tpr = (np.append(0, counts) / counts[-1] for counts in (self.fp, self.tp))
        length = fpr + tpr  # evenly along the curve, so that steep and flat parts show
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _POINTS)))
        return fpr[kept], tpr[kept]

    def tpr_at_grid(self) -> Values:
        """Return true-positive rates at :data:`GRID`; where the curve rises, its upper end."""
        fpr, tpr = (np.append(0, counts) / counts[-1] for counts in (self.fp, self.tp))
        last = _last_of_equals(fpr)
        risen: Values = np.interp(GRID, fpr[last], tpr[last])
        return risen

    def precision_at_grid(self) -> Values:
        """Return precision at the first score that reaches each recall of :data:`GRID`."""
        reached = np.searchsorted(self.tp, GRID * self.tp[-1] - 1e-9)
        found: Values = self.precision[reached]
        return found


def _last_of_equals(values: NDArray[Any]) -> NDArray[np.bool_]:
    last = np.ones(len(values), np.bool_)
    last[:-1] = values[1:] != values[:-1]
    return last


@dataclass(frozen=True, slots=True)
class Separation:
    """How well each class's scores part its images from the others."""

    roc_auc: Values
    """(K,): NaN where not defined."""
    average_precision: Values
    """(K,): NaN where not defined."""
    curves: dict[str, Curve]


def separation(labels: Indices, scores: NDArray[Any], names: Sequence[str]) -> Separation:
    """Compare each of the C classes with the rest.

    Curves ``roc`` and ``precision_recall``: with up to two model classes those of the last one,
    else means over the classes that have one (vertical averages, Fawcett 2006).
    """
    areas = np.full((2, len(names)), np.nan)
    rates: list[Values] = []
    precisions: list[Values] = []
    ranking = None
    for index in range(scores.shape[1]):
        ranking = Ranking.of(scores[:, index], labels == index)
        areas[:, index] = ranking.roc_auc, ranking.average_precision
        if not np.isnan(areas[0, index]):
            rates.append(ranking.tpr_at_grid())
        if not np.isnan(areas[1, index]):
            precisions.append(ranking.precision_at_grid())
    last = scores.shape[1] - 1
    if ranking is not None and last < 2:
        roc = None if np.isnan(areas[0, last]) else ranking.roc()
        falls = None if np.isnan(areas[1, last]) else ranking.precision_at_grid()
    else:
        roc = (GRID, np.mean(rates, axis=0)) if rates else None
        falls = np.mean(precisions, axis=0) if precisions else None
    return Separation(areas[0], areas[1], _curves(roc, falls))


def _curves(roc: tuple[Values, Values] | None, precision: Values | None) -> dict[str, Curve]:
    found = {}
    if roc is not None:
        found["roc"] = curve("false positive rate", "true positive rate", *roc)
    if precision is not None:
        found["precision_recall"] = curve("recall", "precision", GRID, precision)
    return found


def curve(x_name: str, y_name: str, x: Values, y: Values) -> Curve:
    """Return a curve; NaN in *y* is a point where the function is not defined."""
    shown = tuple(None if np.isnan(value) else float(value) for value in y)
    return Curve(x_name=x_name, y_name=y_name, x=tuple(map(float, x)), y=shown)


def calibration(confidence: Values, hits: NDArray[np.bool_], bins: int) -> dict[str, Curve]:
    """Return ``reliability`` (top-1 accuracy over mean confidence) and the share of each bin.

    A bin without images stands at its centre, without a value. Empty unless every image has a
    confidence.
    """
    if not confidence.size or np.isnan(confidence).any():
        return {}
    index = bin_index(confidence, bins)
    count = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, weights=values, minlength=bins) for values in (confidence, hits)]
    centre = (np.arange(bins) + 0.5) / bins
    filled = np.maximum(count, 1)
    where = np.where(count > 0, sums[0] / filled, centre)
    right = np.where(count > 0, sums[1] / filled, np.nan)
    return {
        "reliability": curve("mean confidence", "top-1 accuracy", where, right),
        "confidence": curve("confidence", "share of images", centre, count / count.sum()),
    }


def confusion_matrix(
    labels: Indices, predicted: Indices, names: Sequence[str], limit: int
) -> Matrix:
    """Return numbers of images, row truth, column top-1 prediction.

    With more than *limit* classes, the ``limit - 1`` that are mistaken most often have rows and
    columns of their own, in the order of *names*; the others share the last.
    """
    place, shown = np.arange(len(names)), list(names)
    if len(names) > limit:
        kept = _most_mistaken(labels, predicted, len(names), limit - 1)
        place = np.full(len(names), len(kept))
        place[kept] = np.arange(len(kept))
        others = f"{len(names) - len(kept)} other classes"
        shown = [*(names[i] for i in kept), others]
    size = len(shown)
    key = place[labels] * size + place[predicted]
    values = np.bincount(key, minlength=size * size).reshape(size, size).astype(np.float64)
    axis = tuple(shown)
    return Matrix(
        row_name="truth",
        column_name="prediction",
        rows=axis,
        columns=axis,
        values=tuple(map(tuple, values.tolist())),
    )


def _most_mistaken(labels: Indices, predicted: Indices, classes: int, count: int) -> Indices:
    wrong = labels != predicted
    errors = np.bincount(labels[wrong], minlength=classes)
    errors += np.bincount(predicted[wrong], minlength=classes)
    return np.sort(np.argsort(-errors, kind="stable")[:count])
