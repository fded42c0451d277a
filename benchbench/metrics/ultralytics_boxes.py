"""Average precision of boxes by the rules of Ultralytics' ``val``.

Written from the published description of the rules and checked against the package's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.metrics.box_matching import Arithmetic, Matching
from benchbench.metrics.box_precision import Interpolation, recall_precision
from benchbench.metrics.box_rules import BoxRules, Ranked, box_counts, mean_precision
from benchbench.types import ClassMap, DatasetSplit, Prediction, Scores

Floats = NDArray[np.float64]
Release = Literal["8.3", "8.4.100", "8.4.190"]

RELEASES: Mapping[Release, Mapping[str, Any]] = {
    "8.3": {"matching": "best-object", "interpolation": "linear"},
    "8.4.100": {"matching": "best-object", "interpolation": "linear-cut"},
    "8.4.190": {"matching": "by-score", "interpolation": "linear-cut"},
}
"""What changed between the releases that were looked at (8.3.200, 8.4.0: as ``8.3``)."""
_GRID = np.linspace(0, 1, 1000)
_SMOOTHED = 0.1


class UltralyticsBoxes(BoxRules):
    """mAP50-95, mAP50, precision and recall as Ultralytics' ``val`` forms them."""

    decoding: ClassVar[Mapping[str, float]] = {
        "score_floor": 0.001,
        "nms_iou": 0.7,
        "max_detections": 300,
    }
    """What ``val`` decodes with, by the names of the decoders' options."""

    release: Release = "8.4.190"
    """Whose rules hold for the options that are not given."""
    crowds: Literal["ignored", "ignored-iou", "dropped"] = "dropped"
    """Detections on crowds count neither way, by COCO's overlap or by IoU; or crowds are no truth,
    and what lies on them is false."""
    empty_boxes: Literal["kept", "dropped"] = "dropped"
    """Truth boxes without width or height."""
    duplicate_boxes: Literal["kept", "dropped"] = "dropped"
    """Truth boxes that an image has twice with one class."""
    score_floor: float | None = 0.001
    """Only scores above this count; None: all."""
    max_per_image: int | None = Field(default=300, gt=0)
    """Best detections of an image, whatever their class, that count; None: all."""
    arithmetic: Arithmetic = "single"
    """IoU in 64 bits, rounded to 32, or computed in 32."""
    matching: Matching = "by-score"
    """Who gets an object that several detections overlap."""
    interpolation: Interpolation = "linear-cut"
    """How precision between two recalls is read."""

    @model_validator(mode="before")
    @classmethod
    def _of_release(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        named = data.get("release")
        rules = RELEASES.get(named, {}) if isinstance(named, str) else {}  # type: ignore[call-overload]  # any text
        return {**rules, **data}

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises what :meth:`benchbench.metrics.coco_boxes.CocoBoxes.score` raises.
        """
        del classes
        ranked = self.ranked(truth, predictions)
        metrics, per_class, reasons = mean_precision(ranked, self.average_precision(ranked))
        names = ("precision", "recall", "f1", "f1_threshold")
        best = best_f1(ranked) if ranked.objects.any() else (None,) * 4
        metrics |= dict(zip(names, best, strict=True))
        why = reasons.get("map")
        return Scores(
            metrics=metrics,
            per_class=per_class,
            reasons=reasons | (dict.fromkeys(names, why) if why else {}),
            primary="map",
            evaluator=f"benchbench, rules of ultralytics {self.release} (numpy {np.__version__})",
            convention=self.convention()
            | {
                "precision": "with recall at the confidence of greatest F1, all means over classes;"
                " 1000 confidences, F1 smoothed over a tenth of them"
            },
            counts=box_counts(truth, ranked),
        )


def best_f1(ranked: Ranked) -> tuple[float, float, float, float]:
    """Return precision, recall and F1 at IoU 0.5, and the confidence at which they stand.

    Each class's precision and recall are read off, linearly, at 1000 confidences from 0 to 1 (above
    its best score: 1 and 0); the mean F1 is smoothed by a box filter, the best chosen.
    """
    present = np.flatnonzero(ranked.objects)
    curves = np.stack([_curves(ranked, int(row)) for row in present])
    precision, recall = curves[:, 0], curves[:, 1]
    f1 = 2 * precision * recall / (precision + recall + 1e-16)
    at = int(_smoothed(f1.mean(axis=0)).argmax())
    values = (one[:, at].mean() for one in (precision, recall, f1))
    first, second, third = map(float, values)
    return first, second, third, float(_GRID[at])


def _curves(ranked: Ranked, row: int) -> Floats:
    """Return (2, 1000) precision and recall of one class over confidence; zeros if none found."""
    part = ranked.of(row)
    counts = ~ranked.ignored[0, part]
    hit, scores = ranked.hit[0, part][counts], ranked.scores[part][counts]
    if not len(hit):
        return np.zeros((2, len(_GRID)))
    recall, precision = recall_precision(hit, int(ranked.objects[row]))
    beyond = ((precision, 1.0), (recall, 0.0))
    return np.stack([np.interp(-_GRID, -scores, values, left=left) for values, left in beyond])


def _smoothed(values: Floats) -> Floats:
    """Return the mean over a window of a tenth of the values, the ends repeated beyond them."""
    half = round(len(values) * _SMOOTHED * 2) // 4
    padded = np.pad(values, half, mode="edge")
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")
