"""Annotations and detections of a whole split as flat columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth in columns, in the order of the annotation file."""

    image: NDArray[np.int64]
    """(M,): position in the images."""
    category: NDArray[np.int64]
    """(M,): position in the classes."""
    boxes: NDArray[np.float64]
    """(M, 4): x, y, width, height in pixels."""
    area: NDArray[np.float64]
    """(M,): the annotation's area field, square pixels."""
    crowd: NDArray[np.bool_]
    """(M,)."""
    images: int
    """How many images there are."""
    categories: int
    ignored: NDArray[np.bool_] | None = None
    """(M,): true for objects outside the slice that is looked at; None for none."""
    area_range: tuple[float, float] | None = None
    """Square pixels, bounds included: unmatched detections outside of it are ignored."""


@dataclass(frozen=True, slots=True)
class Found:
    """Detections in columns, in the order in which they were given."""

    image: NDArray[np.int64]
    """(D,): position in the images."""
    category: NDArray[np.int64]
    """(D,): position in the classes."""
    boxes: NDArray[np.float64]
    """(D, 4): x, y, width, height in pixels."""
    scores: NDArray[np.float64]
    """(D,): finite."""
    area: NDArray[np.float64] | None = None
    """(D,): square pixels; None for the boxes' own."""
