"""Distances between the outlines of two masks: HD95, ASSD, normalised surface Dice, boundary F.

Outlines are sets of pixels, distances Euclidean between pixel centres, exact by a k-d tree: its
time goes with the length of the outlines, a distance transform's with the area.
Definitions: Maier-Hein et al., "Metrics reloaded" (2024); surface distances as in MONAI;
boundary F-score as in Csurka et al. (2013) with the outlines of Perazzi et al. (DAVIS, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
Values = NDArray[np.float64]
Hd95Rule = Literal["max", "pooled", "mean"]


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The outlines of truth and prediction, as distances from each to the other's nearest point."""

    from_truth: Values
    """(T,): of each outline pixel of the truth to the prediction's outline."""
    from_prediction: Values
    """(P,)."""

    @classmethod
    def between(cls, truth: Mask, predicted: Mask, spacing: Sequence[float]) -> Surfaces | None:
        """Return those of two (H, W) masks, None if a mask is empty.

        *spacing* is the distance of two rows and of two columns, in the unit of the results.
        """
        ends = [inner_outline(mask) for mask in (truth, predicted)]
        if not all(outline.any() for outline in ends):
            return None
        unit = np.asarray(spacing, np.float64)
        one, two = (np.argwhere(outline).astype(np.float64) * unit for outline in ends)
        return cls(nearest(one, two), nearest(two, one))

    def hd95(self, rule: Hd95Rule) -> float:
        """Return the 95th percentile of the distances (linear interpolation).

        ``max``: the larger of the two directions' (Metrics Reloaded, MONAI); ``mean``: their mean;
        ``pooled``: that of both directions' distances together (MedPy).
        """
        if rule == "pooled":
            both = np.concatenate([self.from_truth, self.from_prediction])
            return float(np.percentile(both, 95))
        ends = [float(np.percentile(d, 95)) for d in (self.from_truth, self.from_prediction)]
        return max(ends) if rule == "max" else sum(ends) / 2

    def assd(self) -> float:
        """Return the average symmetric surface distance: the mean over both outlines' pixels."""
        total = self.from_truth.sum() + self.from_prediction.sum()
        return float(total / (self.from_truth.size + self.from_prediction.size))

    def nsd(self, tolerance: float) -> float:
        """Return the share of both outlines' pixels within *tolerance* of the other outline.

        A distance that exceeds it by rounding only (1e-9 of it) is within.
        """
        limit = tolerance * (1 + 1e-9)  # 3 × 0.7 mm − 2 × 0.7 mm is more than 0.7 mm
        near = (self.from_truth <= limit).sum() + (self.from_prediction <= limit).sum()
        return float(near / (self.from_truth.size + self.from_prediction.size))


def inner_outline(mask: Mask) -> Mask:
    """Return the pixels of *mask* (H, W) with a 4-neighbour outside; beyond the frame is outside.

    This is the mask without its erosion by a cross, as in MONAI and MedPy.
    """
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def davis_outline(mask: Mask) -> Mask:
    """Return the pixels that differ from the next one right, below or diagonally below.

    As DAVIS's ``seg2bmap``: where a mask ends at the frame there is no outline.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    outline: Mask = (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1]) | (mask ^ padded[1:, 1:])
    return outline


def nearest(points: Points, others: Points, limit: float = np.inf) -> Values:
    """Return (N,) distances of *points* (N, 2) to the nearest of *others* (M, 2).

    A distance above *limit* may come back as infinite, which is found faster.
    """
    from scipy.spatial import KDTree

    found: Values = KDTree(others).query(points, distance_upper_bound=limit + 1)[0]
    return found


def boundary_f1(truth: Mask, predicted: Mask, tolerance_px: float) -> float:
    """Return 2PR / (P + R) of the outlines of two (H, W) masks.

    P is the share of the prediction's outline within *tolerance_px* of the truth's, R the reverse.
    As in DAVIS: 1 if neither has an outline, 0 if only one has.
    """
    outlines = [np.argwhere(davis_outline(mask)).astype(np.float64) for mask in (predicted, truth)]
    if not all(len(one) for one in outlines):
        return 0.0 if any(len(one) for one in outlines) else 1.0
    precision, recall = (
        float((nearest(one, two, tolerance_px) <= tolerance_px).mean())
        for one, two in (outlines, reversed(outlines))
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
