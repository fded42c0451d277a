"""The 12 COCO numbers of an evaluation's precision and recall, and why one is absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from benchbench.metrics.pairing import unique_names
from benchbench.types import Curve, DatasetSplit

Number = tuple[float | None, str]
"""A value and the area range that it belongs to."""


def _ascending(limits: tuple[int, int, int]) -> tuple[int, int, int]:
    if not 0 < limits[0] < limits[1] < limits[2]:
        raise ValueError(f"must be positive and ascending, not {list(limits)}")
    return limits


Limits = Annotated[tuple[int, int, int], AfterValidator(_ascending)]
"""Three limits of detections, positive and ascending."""
Evaluation = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Precision (IoU, recall, class, area, limit) and recall (IoU, class, area, limit), -1 where
undefined."""

AREAS = ("all", "small", "medium", "large")
_WHY = {
    "all": "no ground-truth object but crowds",
    "small": "no ground-truth object with an area up to 32² pixels",
    "medium": "no ground-truth object with an area of 32² to 96² pixels",
    "large": "no ground-truth object with an area from 96² pixels",
}


def names(limits: Limits) -> dict[str, str]:
    """Return the names of the numbers, in ``summarize``'s order, with their area ranges."""
    areas = AREAS[1:]
    return {
        **dict.fromkeys(("map", "map_50", "map_75"), "all"),
        **{f"map_{area}": area for area in areas},
        **{f"mar_{limit}": "all" for limit in limits},
        **{f"mar_{area}": area for area in areas},
    }


def numbers(found: Evaluation, limits: Limits) -> dict[str, float | None]:
    """Return the 12 numbers as pycocotools' ``summarize`` forms them, None where undefined."""
    precision, recall = found
    last = precision[..., -1]
    values = [
        *(last[..., 0], last[0:1, ..., 0], last[5:6, ..., 0]),
        *(last[..., area] for area in range(1, len(AREAS))),
        *(recall[:, :, 0, limit] for limit in range(len(limits))),
        *(recall[:, :, area, -1] for area in range(1, len(AREAS))),
    ]
    return dict(zip(names(limits), map(_mean, values), strict=True))


def class_names(split: DatasetSplit) -> list[str]:
    """Return names of the categories by ascending id, each of them once."""
    order = sorted(split.categories, key=lambda category: category.id)
    return unique_names([one.name for one in order], [f"id {one.id}" for one in order])


def per_class(split: DatasetSplit, found: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return ``map`` and ``map_50`` of each class."""
    values = found[0][..., 0, -1]
    return {
        metric: {name: _mean(part[:, :, row]) for row, name in enumerate(class_names(split))}
        for metric, part in (("map", values), ("map_50", values[0:1]))
    }


def curves(found: Evaluation) -> dict[str, Curve]:
    """Return precision over recall at IoU 0.50 and 0.75, mean over the classes with objects."""
    drawn = {}
    for name, iou in (("precision_recall_50", 0), ("precision_recall_75", 5)):
        values = found[0][iou, :, :, 0, -1]
        defined = values[:, values[0] > -1]
        if defined.size:
            drawn[name] = Curve(
                x_name="recall",
                y_name="precision",
                x=tuple(np.linspace(0, 1, len(defined)).tolist()),
                y=tuple(defined.mean(axis=1).tolist()),
            )
    return drawn


def reasons(values: Mapping[str, float | None], limits: Limits) -> dict[str, str]:
    """Return why each absent number is absent."""
    return {name: _WHY[area] for name, area in names(limits).items() if values[name] is None}


def class_reason(found: Evaluation) -> dict[str, str]:
    """Return why a class has no value, if one has none."""
    absent = (found[0][..., 0, -1] == -1).all(axis=(0, 1)).any()
    return {"per_class": "the class has no ground-truth object but crowds"} if absent else {}


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of what is defined (the reference marks the rest with -1), or None."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else None
