"""Turned boxes: centre x, centre y, width, height in pixels, and the angle of the width in radians.

Angles are clockwise on the screen, against the x axis: see :attr:`benchbench.types.Annotation`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST, _SECOND = np.triu_indices(4, 1)


def corners(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the corners (N, 4, 2) of turned boxes (N, 5), clockwise on the screen."""
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.stack([cos, sin], axis=1) * boxes[:, 2:3] / 2
    across = np.stack([-sin, cos], axis=1) * boxes[:, 3:4] / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.stack([boxes[:, :2] + a * along + b * across for a, b in signs], axis=1)


def smallest_rectangles(quadrilaterals: NDArray[Any]) -> NDArray[np.float64]:
    """Return turned boxes (N, 5) of the least area around quadrilaterals (N, 4, 2).

    A side of that rectangle lies on a side of the points' convex hull (Freeman and Shapira,
    Communications of the ACM 18(7), 1975); here each line through two of the points is tried. It
    is what ``cv2.minAreaRect`` computes. The width is the longer side, the angle in [-π/2, π/2).
    """
    points = np.asarray(quadrilaterals, np.float64)
    middle = points.mean(axis=1)
    points = points - middle[:, None]
    step = points[:, _SECOND] - points[:, _FIRST]
    along = _unit(step)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    u, v = (np.einsum("nij,nkj->nik", axes, points) for axes in (along, across))
    sides = np.stack([np.ptp(u, axis=2), np.ptp(v, axis=2)], axis=2)
    # Points that coincide give no line.
    areas = np.where(step.any(axis=2), sides.prod(axis=2), np.inf)
    rows, best = np.arange(len(points)), areas.argmin(axis=1)
    centre_u, centre_v = ((one.min(axis=2) + one.max(axis=2))[rows, best] / 2 for one in (u, v))
    axis, normal = along[rows, best], across[rows, best]
    centre = middle + centre_u[:, None] * axis + centre_v[:, None] * normal
    return long_edge(
        np.concatenate(
            [centre, sides[rows, best], np.arctan2(axis[:, 1], axis[:, 0])[:, None]], axis=1
        )
    )


def long_edge(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same boxes (N, 5) with the longer side as width and the angle in [-π/2, π/2)."""
    found = boxes.copy()
    swapped = boxes[:, 2] < boxes[:, 3]
    found[swapped, 2:4] = boxes[swapped, 3:1:-1]
    angle = boxes[:, 4] + np.where(swapped, np.pi / 2, 0)
    found[:, 4] = (angle + np.pi / 2) % np.pi - np.pi / 2
    return found


def envelopes(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return the upright boxes x, y, width, height (N, 4) around points (N, K, 2)."""
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate([low, high - low], axis=1).astype(np.float64)


def rescaled(boxes: NDArray[np.float64], scale_x: float, scale_y: float) -> NDArray[np.float64]:
    """Return boxes (N, 5) in an image whose axes are *scale_x* and *scale_y* times as long.

    Exact where both are equal. Else a turned box becomes a parallelogram; the rectangle given for
    it has its centre and area, and its longer side's direction and length.
    """
    scale = np.array([scale_x, scale_y])
    found = boxes.copy()
    found[:, :2] *= scale
    if scale_x == scale_y:
        found[:, 2:4] *= scale_x
        return found
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    sides = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1) * scale
    lengths = np.hypot(sides[..., 0], sides[..., 1]) * boxes[:, 2:4]
    longer = lengths.argmax(axis=1)
    rows = np.arange(len(boxes))
    length, side = lengths[rows, longer], sides[rows, longer]
    area = boxes[:, 2] * boxes[:, 3] * scale_x * scale_y
    other = np.divide(area, length, out=np.zeros_like(area), where=length > 0)
    # A box whose height is the longer side keeps it as its height.
    found[:, 2] = np.where(longer == 0, length, other)
    found[:, 3] = np.where(longer == 0, other, length)
    found[:, 4] = np.arctan2(side[:, 1], side[:, 0]) - np.where(longer == 0, 0, np.pi / 2)
    return found


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.hypot(vectors[..., 0], vectors[..., 1])[..., None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
