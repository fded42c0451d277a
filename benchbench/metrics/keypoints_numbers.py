"""The 10 COCO numbers of keypoints: from an evaluation's arrays, and again from stored matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_numbers import Evaluation
from benchbench.types import Tally

AREAS = ("all", "medium", "large")
_AT_50, _AT_75 = 0, 5
_WHY = {
    "all": "no ground-truth object with a labelled point but crowds",
    "medium": "no ground-truth object with a labelled point and an area of 32² to 96² pixels",
    "large": "no ground-truth object with a labelled point and an area from 96² pixels",
}


def names(limit: int) -> dict[str, str]:
    """Return the names of the numbers, in ``summarize``'s order, with their area ranges."""
    return {
        **dict.fromkeys(("map", "map_50", "map_75"), "all"),
        **{f"map_{area}": area for area in AREAS[1:]},
        **dict.fromkeys((f"mar_{limit}", "mar_50", "mar_75"), "all"),
        **{f"mar_{area}": area for area in AREAS[1:]},
    }


def numbers(found: Evaluation, limit: int) -> dict[str, float | None]:
    """Return the 10 numbers as pycocotools' ``summarize`` forms them, None where undefined.

    *found*: precision (OKS, recall, class, area, 1) and recall (OKS, class, area, 1).
    """
    values = []
    for array in (part[..., -1] for part in found):
        whole = array[..., 0]
        values += [whole, whole[_AT_50], whole[_AT_75]]
        values += [array[..., area] for area in range(1, len(AREAS))]
    return dict(zip(names(limit), map(_mean, values), strict=True))


def reasons(values: Mapping[str, float | None], limit: int) -> dict[str, str]:
    """Return why each absent number is absent."""
    return {name: _WHY[area] for name, area in names(limit).items() if values[name] is None}


def class_reason(found: Evaluation) -> dict[str, str]:
    """Return why a class has no value, if one has none."""
    absent = (found[0][..., 0, -1] == -1).all(axis=(0, 1)).any()
    why = "the class has no keypoints, or no ground-truth object with a labelled point but crowds"
    return {"per_class": why} if absent else {}


def estimates(tally: Tally, weights: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return (B,) values of the 10 numbers for (B, N) *weights*, NaN where undefined."""
    limit = int(tally.arrays["max_detections"][-1])
    recall, order = f"mar_{limit}", names(limit)
    values = coco_tally.estimates(tally, weights, [n for n in order if n not in _SINGLE_RECALLS])
    for name, threshold in _SINGLE_RECALLS.items():
        one = coco_tally.estimates(_matched_at(tally, threshold), weights, [recall])
        # Recall is a mean over all thresholds, of which but one is left.
        values[name] = one[recall] * len(coco_tally.IOU_THRESHOLDS)
    return {name: values[name] for name in order}


_SINGLE_RECALLS = {"mar_50": _AT_50, "mar_75": _AT_75}


def _matched_at(tally: Tally, threshold: int) -> Tally:
    """Return *tally* without the matches at other thresholds."""
    left = tally.arrays["found_match"] & np.uint16(1 << threshold)
    return replace(tally, arrays={**tally.arrays, "found_match": left})


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is defined (the reference marks the rest with -1), or None."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None
