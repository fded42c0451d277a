"""Object keypoint similarity: what IoU is to boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.keypoints_columns import Detected, Known, Points

if TYPE_CHECKING:
    from benchbench.metrics.coco_kernels import Cells

_PAIRS = 1 << 18
"""So many pairs are compared at once: arrays of 2 MB."""
Rows = NDArray[np.int64]


def overlaps(
    known: Known, found: Detected, sigmas: NDArray[np.float64], counts: Rows
) -> Callable[[Cells], NDArray[np.float64]]:
    """Return what gives the similarities of each cell; *sigmas* (C, P), *counts* (C,) of points."""

    def similarities(cells: Cells) -> NDArray[np.float64]:
        out = np.zeros(int(cells.pair_start[-1]))
        for part, mine, theirs in _pairs(cells):
            out[part] = _similarity(known, found, (mine, theirs), sigmas, counts)
        return out

    return similarities


def _pairs(cells: Cells) -> Iterator[tuple[slice, Rows, Rows]]:
    """Yield places among the pairs, and the rows of detections and of the ground truth there."""
    objects = cells.truth_stop - cells.truth_start
    total = int(cells.pair_start[-1])
    for first in range(0, total, _PAIRS):
        pairs = np.arange(first, min(first + _PAIRS, total))
        cell = np.searchsorted(cells.pair_start, pairs, side="right") - 1
        detection, place = np.divmod(pairs - cells.pair_start[cell], objects[cell])
        mine = cells.found_row[cells.found_start[cell] + detection]
        theirs = cells.truth_row[cells.truth_start[cell] + place]
        yield slice(first, first + len(pairs)), mine, theirs


def _similarity(
    known: Known,
    found: Detected,
    rows: tuple[Rows, Rows],
    sigmas: NDArray[np.float64],
    counts: Rows,
) -> NDArray[np.float64]:
    """Return (n,) similarities of pairs: mean over labelled points of exp(-d² / (2 · a · (2σ)²)).

    *d* is the distance, *a* the object's area. Where no point is labelled, *d* is the distance of
    each point from the object's box at double size. As pycocotools' ``computeOks``; summed point by
    point, as hotcoco does it, so that ties fall alike.
    """
    mine, theirs = rows
    category = known.columns.category[theirs]
    loose = known.labelled[theirs] == 0
    boxes = known.columns.boxes[theirs]
    area = known.columns.area[theirs] + np.spacing(1.0)
    total = np.zeros(len(mine))
    for point in range(sigmas.shape[1]):
        here, there = found.points[mine, point], known.points[theirs, point]
        squared = np.where(loose, _squared(_outside(here, boxes)), _squared(here - there))
        error = squared / (sigmas[category, point] * 2) ** 2 / area / 2
        counted = np.where(loose, point < counts[category], there[:, 2] > 0)
        total += np.where(counted, np.exp(-error), 0.0)
    return total / np.where(loose, counts[category], known.labelled[theirs])


def _squared(offsets: Points) -> NDArray[np.float64]:
    x, y = offsets[:, 0], offsets[:, 1]
    return np.asarray(x**2 + y**2)


def _outside(points: Points, boxes: NDArray[np.float64]) -> Points:
    """Return (n, 2) how far *points* lie outside *boxes*, each grown by its size on every side."""
    places, low, size = points[:, :2], boxes[:, :2], boxes[:, 2:]
    before = np.maximum(low - size - places, 0)
    return np.asarray(before + np.maximum(places - (low + size * 2), 0))
