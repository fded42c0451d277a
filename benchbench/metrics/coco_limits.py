"""What the COCO metrics of boxes and of masks share: their limits, and their numbers again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_numbers import Limits
from benchbench.types import Record, Tally


class CocoLimits(Record):
    """Options of every COCO metric, and its values over weighted images from stored matches."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("hotcoco",),)
    extra: ClassVar[str] = ""
    by_object: ClassVar[bool] = True

    max_detections: Limits = (1, 10, 100)
    """Best detections of an image and class that count; AP uses the last, AR each."""

    def estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B,) values of the 12 numbers; see :class:`benchbench.protocols.Resampled`."""
        return coco_tally.estimates(tally, weights)

    def class_estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B, K) values of ``map`` and ``map_50``, NaN where a class has no object."""
        return coco_tally.class_estimates(tally, weights)
