"""Non-maximum suppression in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOGETHER = 96
"""Up to this many boxes all classes are compared at once."""
_PAIRWISE = 512
"""Up to this many boxes all overlaps are computed at once; above, a row for each box kept."""
_PAIRS = 2_000_000
"""Up to this many pairs of neighbours are looked at one by one."""


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
    pairs = _neighbours(boxes, threshold, groups)
    if pairs is not None:
        return order[_greedy(boxes, threshold, *pairs)]
    keep = np.ones(len(order), np.bool_)
    for group in np.flatnonzero(np.bincount(groups) > 1):
        members = np.flatnonzero(groups == group)
        keep[members] = _survivors(boxes[members], threshold)
    return order[keep]


def overlaps(one: NDArray[Any], many: NDArray[Any]) -> NDArray[Any]:
    """Return the intersection over union (N, M) of corner boxes (N, 4) and (M, 4).

    NaN where the union is empty.
    """
    columns = [column[:, None] for column in np.ascontiguousarray(one.T)]
    return _overlaps(columns, list(np.ascontiguousarray(many.T)))


def _overlaps(one: Sequence[NDArray[Any]], many: Sequence[NDArray[Any]]) -> NDArray[Any]:
    left, top, right, bottom = one
    x1, y1, x2, y2 = many
    inter: NDArray[Any] = np.maximum(np.minimum(right, x2) - np.maximum(left, x1), 0)
    inter *= np.maximum(np.minimum(bottom, y2) - np.maximum(top, y1), 0)
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1)
    union -= inter
    with np.errstate(invalid="ignore", divide="ignore"):
        inter /= union
    return inter


def _neighbours(
    boxes: NDArray[Any], threshold: float, groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return all pairs of a group that may overlap by more than *threshold*; None: too many.

    Sorted by left edge, a box overlaps a later one by a share above t of its own width only if the
    later begins before right − t · width.
    """
    left, right = boxes[:, 0].astype(np.float64), boxes[:, 2].astype(np.float64)
    # A thousandth and a millionth of a pixel are more than what rounding can move.
    limit = right - max(0, threshold - 1e-3) * (right - left) + 1e-6
    low = left.min()
    shift = groups * (max(limit.max(), left.max()) - low + 1) - low
    order = np.argsort(left + shift)
    ends = np.searchsorted((left + shift)[order], (limit + shift)[order], side="right")
    after = np.arange(1, len(order) + 1)
    counts = np.maximum(ends - after, 0)
    total = int(counts.sum())
    if total > _PAIRS:
        return None
    start = np.repeat(after - np.cumsum(counts) + counts, counts)
    return np.repeat(order, counts), order[np.arange(total) + start]


def _greedy(
    boxes: NDArray[Any], threshold: float, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which *boxes*, best first, survive, given the pairs that may compete."""
    columns = np.ascontiguousarray(boxes.T)
    over = _overlaps([c[one] for c in columns], [c[other] for c in columns]) > threshold
    better, worse = np.minimum(one, other)[over], np.maximum(one, other)[over]
    order = np.argsort(better, kind="stable")
    keep = [True] * len(boxes)
    for strong, weak in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if keep[strong]:
            keep[weak] = False
    return np.array(keep, np.bool_)


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
