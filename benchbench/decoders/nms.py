"""Non-maximum suppression in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOGETHER = 96
"""Up to this many boxes all classes are compared at once; above, each class by itself."""
_PAIRWISE = 512
"""Up to this many boxes all overlaps are computed at once; above, a row for each box kept."""


def nms(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    threshold: float,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return the indices of the boxes that survive, best score first.

    Greedy: a box goes if its overlap with a better one that stays is *above* the threshold; with
    *groups*, only boxes of the same group (class) compete. Equal scores keep their order, as in
    ``torchvision.ops.nms``. *boxes* are (N, 4) corners x1, y1, x2, y2; overlaps are computed in
    their dtype, and an overlap of two empty boxes is none.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    if groups is None:
        return order[_survivors(boxes, threshold)]
    groups = groups[order]
    if len(order) <= _TOGETHER:
        return order[_pairwise(boxes, threshold, groups)]
    keep = np.ones(len(order), np.bool_)
    for group in np.flatnonzero(np.bincount(groups) > 1):
        members = np.flatnonzero(groups == group)
        keep[members] = _survivors(boxes[members], threshold)
    return order[keep]


def overlaps(one: NDArray[Any], many: NDArray[Any]) -> NDArray[Any]:
    """Return the intersection over union (N, M) of corner boxes (N, 4) and (M, 4).

    NaN where the union is empty.
    """
    left, top, right, bottom = (column[:, None] for column in np.ascontiguousarray(one.T))
    x1, y1, x2, y2 = np.ascontiguousarray(many.T)
    inter: NDArray[Any] = np.maximum(np.minimum(right, x2) - np.maximum(left, x1), 0)
    inter *= np.maximum(np.minimum(bottom, y2) - np.maximum(top, y1), 0)
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1)
    union -= inter
    with np.errstate(invalid="ignore", divide="ignore"):
        inter /= union
    return inter


def _survivors(boxes: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    if len(boxes) <= _PAIRWISE:
        return _pairwise(boxes, threshold, None)
    keep = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes) - 1):
        if keep[index]:
            rest = slice(index + 1, None)
            keep[rest] &= ~(overlaps(boxes[index : index + 1], boxes[rest])[0] > threshold)
    return keep


def _pairwise(
    boxes: NDArray[Any], threshold: float, groups: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    over = overlaps(boxes, boxes) > threshold
    np.fill_diagonal(over, val=False)
    if groups is not None:
        over &= groups[:, None] == groups
    keep = np.ones(len(boxes), np.bool_)
    for index in np.flatnonzero(over.any(1)):
        if keep[index]:
            keep[index + 1 :] &= ~over[index, index + 1 :]
    return keep
