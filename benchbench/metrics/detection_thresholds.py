"""What scores are worth: the threshold of the best F1, and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbench.metrics.detection_matches import Flags, Floats, Ints, Matches, stable_order
from benchbench.types import Curve


@dataclass(frozen=True, slots=True)
class Operating:
    """Figures where detections below a score are dropped; None where they are not defined."""

    f1: float | None
    threshold: float | None
    """The score from which on detections are kept."""
    precision: float | None
    recall: float | None


def best_f1(scores: Floats, right: Flags, objects: int) -> Operating:
    """Return the threshold of the best F1 = 2 TP / (detections + objects), the highest of equals.

    *scores*: falling; *right*: which detections are true positives. Equal scores stay together.
    """
    if not objects:
        return Operating(None, None, None, None)
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    hits = np.cumsum(right)[last]
    if not hits.any():
        return Operating(0.0, None, None, 0.0)
    f1 = 2 * hits / (last + 1 + objects)
    best = int(f1.argmax())
    return Operating(
        float(f1[best]),
        float(scores[last[best]]),
        float(hits[best] / (last[best] + 1)),
        float(hits[best] / objects),
    )


def operating_points(matches: Matches) -> tuple[Operating, list[Operating]]:
    """Return the best point of all classes pooled, and of each class (by ascending id)."""
    ranking, objects = matches.ranking, matches.objects
    scores, right = matches.detected.scores[ranking], matches.taken[ranking] >= 0
    category = matches.detected.category[ranking]
    order = stable_order(category)
    cuts = np.cumsum(np.bincount(category, minlength=len(objects)))[:-1]
    parts = np.split(order, cuts) if len(objects) else []
    each = [
        best_f1(scores[part], right[part], int(count))
        for part, count in zip(parts, objects, strict=True)
    ]
    return best_f1(scores, right, int(objects.sum())), each


def calibration(scores: Floats, right: Flags, bins: int) -> tuple[float, Curve] | None:
    """Return the expected calibration error of scores in 0..1 and the reliability curve.

    The error is the mean over detections of |mean score - precision| of their bin, with *bins* of
    equal width (Guo et al. 2017, with precision in accuracy's place: Küppers et al. 2020). None
    without any detection, and for scores outside 0..1.
    """
    if not len(scores) or scores.min() < 0 or scores.max() > 1:
        return None
    index = np.minimum((scores * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    filled = counts > 0
    size = np.maximum(counts, 1)
    mean = np.where(filled, _sums(index, scores, bins) / size, (np.arange(bins) + 0.5) / bins)
    precision = _sums(index, right, bins) / size
    error = float(np.sum(counts * np.abs(mean - precision) * filled) / len(scores))
    return error, Curve(
        x_name="score",
        y_name="precision",
        x=tuple(mean.tolist()),
        y=tuple(p if some else None for p, some in zip(precision.tolist(), filled, strict=True)),
    )


def _sums(index: Ints, values: Floats | Flags, bins: int) -> Floats:
    sums = np.bincount(index, weights=values, minlength=bins)
    return sums.astype(np.float64, copy=False)
