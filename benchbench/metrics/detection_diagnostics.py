"""What AP does not tell of a detector: thresholds, confusions, kinds of errors, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.detection_errors import error_costs
from benchbench.metrics.detection_matches import FOREGROUND_IOU, Matches, assign, stable_order
from benchbench.metrics.detection_thresholds import Operating, calibration, operating_points
from benchbench.metrics.pairing import unique_names
from benchbench.types import Curve, Matrix

_NO_OBJECT = "no ground-truth object but crowds"
_NO_HIT = "no detection finds an object at IoU 0.5"
_CLASS_NO_HIT = "f1_threshold and precision: no detection finds an object of the class"


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Parts of :class:`~benchbench.types.Scores`, under the names they have there."""

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | None]]
    reasons: dict[str, str]
    curves: dict[str, Curve] = field(default_factory=dict)
    matrices: dict[str, Matrix] = field(default_factory=dict)


def diagnose(matches: Matches, names: Sequence[str], bins: int, largest: int) -> Diagnostics:
    """Return all diagnostics at IoU 0.5.

    *names*: of the categories by ascending id; *bins*: of the calibration; *largest*: most
    categories that a confusion matrix is made for.
    """
    pooled, each = operating_points(matches)
    metrics, reasons = _pooled(pooled)
    metrics |= _costs(matches, reasons)
    if any(one.f1 == 0 for one in each):
        reasons["per_class"] = _CLASS_NO_HIT
    found = Diagnostics(metrics, _per_class(names, each), reasons)
    _calibrate(matches, bins, found)
    if pooled.threshold is None:
        reasons["confusion"] = reasons["f1_threshold"]
    elif len(names) > largest:
        reasons["confusion"] = f"{len(names)} categories; confusion_classes is {largest}"
    else:
        found.matrices["confusion"] = confusion(matches, names, pooled.threshold)
    return found


def conventions(bins: int) -> dict[str, str]:
    """Return the lines of the protocol that belong to the diagnostics."""
    return {
        "f1": "best of all thresholds at IoU 0.5, all classes pooled; each class at its own best;"
        " the highest threshold of equals",
        "confusion": "at f1_threshold; by falling score each detection takes the free object of"
        " greatest IoU from 0.5 on, whatever its class",
        "errors": "AP at IoU 0.5 gained were the kind repaired (TIDE; background below IoU 0.1);"
        " mean over the classes with objects, also those that lose their last",
        "calibration": f"|mean score - precision| at IoU 0.5 over {bins} bins, weighted by"
        " detections",
    }


def _pooled(point: Operating) -> tuple[dict[str, float | None], dict[str, str]]:
    values = _values(point)
    why = _NO_OBJECT if point.f1 is None else _NO_HIT
    return values, {name: why for name, value in values.items() if value is None}


def _values(point: Operating) -> dict[str, float | None]:
    return {
        "f1": point.f1,
        "f1_threshold": point.threshold,
        "precision": point.precision,
        "recall": point.recall,
    }


def _per_class(
    names: Sequence[str], points: Sequence[Operating]
) -> dict[str, dict[str, float | None]]:
    rows = {name: _values(point) for name, point in zip(names, points, strict=True)}
    metrics = ("f1", "f1_threshold", "precision", "recall")
    return {metric: {name: row[metric] for name, row in rows.items()} for metric in metrics}


def _costs(matches: Matches, reasons: dict[str, str]) -> dict[str, float | None]:
    found = {f"error_{kind}": cost for kind, cost in error_costs(matches).items()}
    reasons |= {name: _NO_OBJECT for name, cost in found.items() if cost is None}
    return found


def _calibrate(matches: Matches, bins: int, found: Diagnostics) -> None:
    scores = matches.detected.scores[matches.ranking]
    result = calibration(scores, matches.taken[matches.ranking] >= 0, bins)
    found.metrics["calibration_error"] = None if result is None else result[0]
    if result is not None:
        found.curves["calibration"] = result[1]
    else:
        why = "scores lie outside 0 to 1" if len(scores) else "no detection"
        found.reasons["calibration_error"] = why


def confusion(matches: Matches, names: Sequence[str], threshold: float) -> Matrix:
    """Return how often objects of each class (rows) are found as each class (columns).

    Detections with a score of at least *threshold* choose by falling score the free object of
    greatest IoU (at least 0.5), whatever its class. The last row holds detections that find no
    object, the last column objects that nothing finds. Those that count for AP neither way, such
    as detections on a crowd of their class, do not count here.
    """
    detected, truth = matches.detected, matches.truth
    kept = matches.ranking[detected.scores[matches.ranking] >= threshold]
    kept = kept[stable_order(detected.image[kept])]
    allowed = np.zeros(len(detected.scores), np.bool_)
    allowed[kept] = True
    near = matches.pairs.where(
        allowed[matches.pairs.detection] & (matches.pairs.iou >= FOREGROUND_IOU)
    )
    taken = assign(near, kept, detected.image, matches.ignored, truth.crowd)[kept]
    background = truth.categories
    row = np.append(truth.category, background)[taken]
    counting = ~np.append(matches.ignored, False)[taken]
    unseen = ~matches.ignored
    unseen[taken[taken >= 0]] = False
    values = _counted(row[counting], detected.category[kept][counting], background + 1)
    lost = truth.category[unseen]
    values += _counted(lost, np.full(len(lost), background), background + 1)
    labels = unique_names([*names, "background"], [*map(str, range(len(names))), "none"])
    return Matrix(
        row_name="truth",
        column_name="prediction",
        rows=tuple(labels),
        columns=tuple(labels),
        values=tuple(map(tuple, values.tolist())),
    )


def _counted(row: NDArray[np.int64], column: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    counts = np.bincount(row * size + column, minlength=size * size)
    return counts.reshape(size, size).astype(np.float64)
