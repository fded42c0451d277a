"""A metric's values on all images, formed from its tally: one computation for scores and draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchbench.protocols import Resampled
from benchbench.types import Tally

PerClass = dict[str, dict[str, float | None]]


def whole(metric: Resampled, tally: Tally) -> tuple[dict[str, float | None], PerClass]:
    """Return the values of each metric, and those of each class; None where one is not defined."""
    once = np.ones((1, len(tally.image_ids)), np.int64)
    values = {name: told(found[0]) for name, found in metric.estimates(tally, once).items()}
    per_class = {
        name: dict(zip(tally.classes, map(told, found[0]), strict=True))
        for name, found in metric.class_estimates(tally, once).items()
    }
    return values, per_class


def told(value: Any) -> float | None:
    """Return *value* as results hold it: None for what is not defined."""
    return None if np.isnan(value) else float(value)
