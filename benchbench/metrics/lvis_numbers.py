"""LVIS's numbers, from an evaluation's arrays or from stored matches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_numbers import AREAS, Evaluation, class_names
from benchbench.metrics.lvis_rules import FREQUENCIES, Federation
from benchbench.types import DatasetSplit, Tally

Values = NDArray[np.float64]
_GROUPS = FREQUENCIES[1:]
_SIZES = {
    "small": "no object with an area up to 32² pixels",
    "medium": "no object with an area of 32² to 96² pixels",
    "large": "no object with an area from 96² pixels",
}


def names(limit: int) -> tuple[str, ...]:
    """Return the names of the numbers, in the order in which lvis-api prints them."""
    sizes = AREAS[1:]
    return (
        *("map", "map_50", "map_75"),
        *(f"map_{one}" for one in (*sizes, *_GROUPS)),
        f"mar_{limit}",
        *(f"mar_{size}" for size in sizes),
    )


def numbers(found: Evaluation, frequency: NDArray[np.int8], limit: int) -> dict[str, float | None]:
    """Return the numbers as lvis-api's ``summarize`` forms them, None where undefined."""
    precision, recall = (array[..., -1] for array in found)
    everywhere = precision[..., 0]
    values = [
        *(everywhere, everywhere[0:1], everywhere[5:6]),
        *(precision[..., area] for area in range(1, len(AREAS))),
        *(everywhere[:, :, frequency == FREQUENCIES.index(group)] for group in _GROUPS),
        *(recall[:, :, area] for area in range(len(AREAS))),
    ]
    return dict(zip(names(limit), map(_mean, values), strict=True))


def per_class(split: DatasetSplit, found: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return ``map`` and ``map_50`` of each category."""
    values = found[0][..., 0, -1]
    return {
        metric: {name: _mean(part[:, :, row]) for row, name in enumerate(class_names(split))}
        for metric, part in (("map", values), ("map_50", values[0:1]))
    }


def reasons(values: Mapping[str, float | None], frequency: NDArray[np.int8]) -> dict[str, str]:
    """Return why each absent number is absent."""
    known = {FREQUENCIES[one] for one in frequency.tolist()}
    return {name: _why(name, known) for name, value in values.items() if value is None}


def class_reason(found: Evaluation) -> dict[str, str]:
    """Return why a category has no value, if one has none."""
    absent = (found[0][..., 0, -1] == -1).all(axis=(0, 1)).any()
    return {"per_class": "the category has no object"} if absent else {}


def estimates(tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
    """Return (B,) values of the numbers, NaN where one is absent, for (B, N) *weights*."""
    limit = int(tally.arrays["max_detections"][-1])
    frequency = tally.arrays["class_frequency"]
    average = coco_tally.class_estimates(tally, weights, ("map",))["map"]
    grouped = {
        f"map_{group}": _mean_defined(average[:, frequency == FREQUENCIES.index(group)])
        for group in _GROUPS
    }
    own = {"map": _mean_defined(average)} | grouped
    rest = [name for name in names(limit) if name not in own]
    found = own | coco_tally.estimates(tally, weights, rest)
    return {name: found[name] for name in names(limit)}


def federated(tally: Tally, rules: Federation) -> Tally:
    """Return *tally* with unmatched detections of incomplete categories ignored, and frequencies.

    Which detections are matched does not depend on who is ignored unmatched.
    """
    arrays: dict[str, Any] = dict(tally.arrays)
    rank = np.argsort(np.argsort(tally.image_ids))
    image, category = rank[arrays["found_image"]], arrays["found_class"].astype(np.int64)
    partly = rules.is_incomplete(image, category)
    all_bits = np.uint16((1 << len(coco_tally.IOU_THRESHOLDS)) - 1)
    missed = np.where(partly, ~arrays["found_match"] & all_bits, np.uint16(0))
    arrays["found_ignore"] = arrays["found_ignore"] | missed
    arrays["class_frequency"] = rules.frequency
    return Tally(tally.image_ids, tally.classes, arrays)


def _why(name: str, frequencies: set[str]) -> str:
    last = name.rpartition("_")[2]
    if last not in _GROUPS:
        return _SIZES.get(last, "no object")
    if last in frequencies:
        return f"no {last} category has an object"
    return f"the annotation file calls no category {last} ('frequency': r, c or f)"


def _mean(values: Values) -> float | None:
    """Return the mean of what is defined (the evaluator marks the rest with -1), or None."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None


def _mean_defined(values: Values) -> Values:
    """Return (B,) means over the classes that are defined, NaN where none is."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    sums = np.where(defined, values, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
