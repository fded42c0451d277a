"""Compiled loops over turned boxes; import this inside functions only.

A box is centre x, centre y, width, height, radians. The loops run on one thread and release the
interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, hypot, log, sin, sqrt
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile *function* at its first call and keep the machine code for later processes."""
    try:
        kept: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": numba has nowhere to keep it
        kept = njit(nogil=True, error_model="numpy")(function)
    return cast("_Function", kept)


@compiled
def _set_corners(box: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Fill the first four rows of *out* with the corners, all boxes in the same sense."""
    x_w, y_w = box[2] / 2 * cos(box[4]), box[2] / 2 * sin(box[4])
    x_h, y_h = box[3] / 2 * sin(box[4]), box[3] / 2 * cos(box[4])
    out[0, 0], out[0, 1] = box[0] - x_w + x_h, box[1] - y_w - y_h
    out[1, 0], out[1, 1] = box[0] + x_w + x_h, box[1] + y_w - y_h
    out[2, 0], out[2, 1] = box[0] + x_w - x_h, box[1] + y_w + y_h
    out[3, 0], out[3, 1] = box[0] - x_w - x_h, box[1] - y_w + y_h


@compiled
def _cut(
    polygon: NDArray[np.float64],
    count: int,
    line: tuple[float, float, float, float],
    out: NDArray[np.float64],
) -> int:
    """Fill *out* with the part of *polygon* (*count* rows) left of *line*; return its rows.

    *line* is a point x, y and a direction x, y.
    """
    x, y, along_x, along_y = line
    n, before = 0, count - 1
    was = along_x * (polygon[before, 1] - y) - along_y * (polygon[before, 0] - x) >= 0
    for i in range(count):
        inside = along_x * (polygon[i, 1] - y) - along_y * (polygon[i, 0] - x) >= 0
        if inside != was:
            step_x = polygon[i, 0] - polygon[before, 0]
            step_y = polygon[i, 1] - polygon[before, 1]
            cross = step_x * along_y - step_y * along_x
            if abs(cross) >= 1e-12:
                gap = (x - polygon[before, 0]) * along_y - (y - polygon[before, 1]) * along_x
                out[n, 0] = polygon[before, 0] + gap / cross * step_x
                out[n, 1] = polygon[before, 1] + gap / cross * step_y
                n += 1
        if inside:
            out[n, 0], out[n, 1] = polygon[i, 0], polygon[i, 1]
            n += 1
        before, was = i, inside
    return n


@compiled
def _shared_area(
    one: NDArray[np.float64], other: NDArray[np.float64], room: NDArray[np.float64]
) -> float:
    """Return the area that two boxes share: one cut by each side of the other.

    Sutherland and Hodgman, Communications of the ACM 17(1), 1974.
    """
    polygon, cut, clip = room[0], room[1], room[2]
    _set_corners(one, polygon)
    _set_corners(other, clip)
    count = 4
    for i in range(4):
        j = (i + 1) % 4
        line = (clip[i, 0], clip[i, 1], clip[j, 0] - clip[i, 0], clip[j, 1] - clip[i, 1])
        count = _cut(polygon, count, line, cut)
        if count < 3:
            return 0.0
        polygon, cut = cut, polygon
    total = 0.0
    for i in range(count):
        after = i + 1 if i + 1 < count else 0
        total += polygon[i, 0] * polygon[after, 1]
        total -= polygon[after, 0] * polygon[i, 1]
    return float(abs(total * 0.5))


@compiled
def overlap(
    one: NDArray[np.float64], other: NDArray[np.float64], crowd: bool, room: NDArray[np.float64]
) -> float:
    """Return the intersection over union of two boxes; 0 where one has no area.

    With *crowd* the union is *one*'s own area. *room* (3, 12, 2) is overwritten.
    """
    area, its = one[2] * one[3], other[2] * other[3]
    if area <= 0 or its <= 0:
        return 0.0
    reach = hypot(one[2], one[3]) + hypot(other[2], other[3])
    if 2 * hypot(one[0] - other[0], one[1] - other[1]) > reach:
        return 0.0
    shared = _shared_area(one, other, room)
    union = area if crowd else area + its - shared
    return float(shared / union) if union > 0 else 0.0


@compiled
def overlaps(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union (N, M) of boxes (N, 5) and (M, 5)."""
    out, room = np.empty((len(one), len(other))), np.empty((3, 12, 2))
    for i in range(len(one)):
        for j in range(len(other)):
            out[i, j] = overlap(one[i], other[j], False, room)
    return out


@compiled
def _spread(box: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return variance in x, variance in y and covariance of a uniform box."""
    along, across = box[2] * box[2] / 12, box[3] * box[3] / 12
    c, s = cos(box[4]), sin(box[4])
    return along * c * c + across * s * s, along * s * s + across * c * c, (along - across) * c * s


@compiled
def prob_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return ProbIoU of two boxes: 1 - Hellinger distance of Gaussians with their moments.

    Llerena et al., arXiv:2106.06072: with Σ = (Σ1 + Σ2) / 2 and d between the centres,
    B = dᵀ Σ⁻¹ d / 8 + log(det Σ / √(det Σ1 · det Σ2)) / 2, and 1 - √(1 - exp(-B)).
    """
    xx, yy, xy = _spread(one)
    own = (one[2] * one[3] / 12) ** 2 * (other[2] * other[3] / 12) ** 2
    if own <= 0:
        return 0.0
    xx_2, yy_2, xy_2 = _spread(other)
    xx, yy, xy = (xx + xx_2) / 2, (yy + yy_2) / 2, (xy + xy_2) / 2
    det = xx * yy - xy * xy
    if det <= 0:
        return 0.0
    x, y = one[0] - other[0], one[1] - other[1]
    distance = (yy * x * x - 2 * xy * x * y + xx * y * y) / det / 8 + log(det / sqrt(own)) / 2
    return 1 - sqrt(max(0.0, 1 - exp(-distance)))


@compiled
def prob_ious(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ProbIoU (N, M) of boxes (N, 5) and (M, 5)."""
    out = np.empty((len(one), len(other)))
    for i in range(len(one)):
        for j in range(len(other)):
            out[i, j] = prob_iou(one[i], other[j])
    return out


@compiled
def _meet(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    threshold: float,
    room: NDArray[np.float64],
) -> bool:
    """Return whether ProbIoU reaches *threshold*, or the exact IoU where *room* has any."""
    if len(room):
        return bool(overlap(one, other, False, room) >= threshold)
    return bool(prob_iou(one, other) >= threshold)


@compiled
def survivors(
    boxes: NDArray[np.float64],
    groups: NDArray[np.int64],
    threshold: float,
    exact: bool,
    greedy: bool,
) -> NDArray[np.bool_]:
    """Return which of *boxes* (N, 5), best first, no better one of its group suppresses.

    One is suppressed by an overlap of at least *threshold*: the exact IoU, or ProbIoU. *greedy*:
    only boxes that survive suppress others.
    """
    keep = np.ones(len(boxes), np.bool_)
    room = np.empty((3 if exact else 0, 12, 2))
    side = np.maximum(boxes[:, 2], boxes[:, 3]) ** 2
    # d' inv(S) d / 8 is at least 3 d² over the sum of both longest sides' squares, and boxes
    # further apart than their diagonals do not meet: no need to look at far ones.
    far = 2.0 if exact else -log(max(1e-300, 1 - (1 - threshold) ** 2)) / 3 * 1.001
    for i in range(len(boxes)):
        for j in range(i):
            if groups[i] != groups[j] or (greedy and not keep[j]):
                continue
            x, y = boxes[i, 0] - boxes[j, 0], boxes[i, 1] - boxes[j, 1]
            if x * x + y * y > far * (side[i] + side[j]):
                continue
            if _meet(boxes[i], boxes[j], threshold, room):
                keep[i] = False
                break
    return keep
