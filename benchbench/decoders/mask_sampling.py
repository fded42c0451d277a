"""From a map of mask values to run lengths over the original image, a window at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.masks import Runs, window_runs
from benchbench.types import Geometry

_SLACK = 0.1
"""Cells by which a border may miss a whole cell and still count as one (Ultralytics'
``scale_masks``)."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Between which two cells each pixel's centre lies, and how near to the second."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def at(cls, position: NDArray[Any], first: int, stop: int) -> Axis:
        """Return the neighbours of *position* (cell i is centred at i) among first…stop - 1."""
        inside = np.clip(position, first, stop - 1)
        low = np.minimum(inside.astype(np.int64), max(first, stop - 2))
        high = np.minimum(low + 1, stop - 1)
        return cls(low, high, (inside - low).astype(np.float32))

    def part(self, start: int, stop: int) -> Axis:
        """Return the pixels *start*…*stop* - 1."""
        return Axis(self.low[start:stop], self.high[start:stop], self.weight[start:stop])

    def touching(self, cells: NDArray[np.bool_]) -> tuple[int, int]:
        """Return the first and the end of the pixels that have one of *cells* as a neighbour."""
        near = np.flatnonzero(cells[self.low] | cells[self.high])
        return (int(near[0]), int(near[-1]) + 1) if near.size else (0, 0)


def bilinear(values: NDArray[Any], rows: Axis, columns: Axis) -> NDArray[np.float32]:
    """Return *values* (h, w) interpolated at the pixels of *rows* and *columns*."""
    if not len(rows.low) or not len(columns.low):
        return np.zeros((len(rows.low), len(columns.low)), np.float32)
    first = rows.low[0]
    some = values[first : rows.high[-1] + 1].astype(np.float32)
    wide = some[:, columns.low] * (1 - columns.weight) + some[:, columns.high] * columns.weight
    tall: NDArray[np.float32] = wide[rows.low - first] * (1 - rows.weight)[:, None]
    tall += wide[rows.high - first] * rows.weight[:, None]
    return tall


class ImageSampler:
    """Samples maps that cover the whole input at the pixel centres of the original image.

    The map's cells outside the image (the padding of a letterbox) take no part.
    """

    def __init__(self, geometry: Geometry, cells: tuple[int, ...]) -> None:
        self.height, self.width = geometry.image_height, geometry.image_width
        self.rows = _axis(
            self.height, geometry.scale_y, geometry.offset_y, geometry.input_height, cells[0]
        )
        self.columns = _axis(
            self.width, geometry.scale_x, geometry.offset_x, geometry.input_width, cells[1]
        )

    def inside(self, values: NDArray[Any], corners: NDArray[np.float64], threshold: float) -> Runs:
        """Return the runs of what is above *threshold* among the pixels of a box.

        *corners* x1, y1, x2, y2 in pixels of the image; pixel i is in the box if x1 ≤ i < x2.
        """
        left, right = _span(corners[0], corners[2], self.width)
        top, bottom = _span(corners[1], corners[3], self.height)
        return self._window(values, (top, bottom, left, right), threshold)

    def anywhere(self, values: NDArray[Any], threshold: float) -> Runs:
        """Return the runs of what is above *threshold* in the whole image."""
        # An interpolated value exceeds what its neighbours do not: only theirs need be computed.
        above = values > threshold
        rows, columns = (np.asarray(above.any(axis=axis)) for axis in (1, 0))
        window = (*self.rows.touching(rows), *self.columns.touching(columns))
        return self._window(values, window, threshold)

    def whole(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return (H, W) values at the pixels of the image."""
        return bilinear(values, self.rows, self.columns)

    def _window(
        self, values: NDArray[Any], window: tuple[int, int, int, int], threshold: float
    ) -> Runs:
        top, bottom, left, right = window
        sampled = bilinear(values, self.rows.part(top, bottom), self.columns.part(left, right))
        return window_runs(sampled > threshold, (top, left), (self.height, self.width))


def _axis(pixels: int, scale: float, offset: float, length: int, cells: int) -> Axis:
    step = cells / length
    position = ((np.arange(pixels) + 0.5) * scale + offset) * step - 0.5
    start, end = offset * step, (offset + pixels * scale) * step
    first = min(max(round(start - _SLACK), 0), cells - 1)
    stop = max(min(cells - round(cells - end + _SLACK), cells), first + 1)
    return Axis.at(position, first, stop)


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    start = min(max(math.ceil(low), 0), limit)
    return start, max(start, min(math.ceil(high), limit))
