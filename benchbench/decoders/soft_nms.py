"""Soft-NMS: overlapping boxes lose score instead of their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.nms import overlaps

Method = Literal["linear", "gaussian"]


@dataclass(frozen=True, slots=True)
class Decay:
    """How much of its score a box keeps beside a better one.

    linear: 1 − IoU where IoU is above the threshold, else all; gaussian: exp(−IoU² / sigma).
    Source: Bodla et al., Soft-NMS, ICCV 2017, equations 2 and 3.
    """

    method: Method
    threshold: float
    sigma: float

    def kept(self, overlap: NDArray[Any]) -> NDArray[Any]:
        """Return the share of the score that is kept at each *overlap* (NaN: none)."""
        overlap = np.nan_to_num(overlap)
        share: NDArray[Any] = (
            np.exp(-(overlap**2) / self.sigma)
            if self.method == "gaussian"
            else np.where(overlap > self.threshold, 1 - overlap, 1)
        )
        return share


def soft_nms(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    decay: Decay,
    floor: float,
    groups: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the indices of the boxes that stay and their new scores, best first.

    The best remaining box is taken, and all others of its group (class) lose score by *decay*; who
    is no longer above *floor* goes. *boxes* are (N, 4) corners x1, y1, x2, y2. Among equal scores
    the first wins.
    """
    parts = [np.arange(len(scores))] if groups is None else _members(groups)
    taken = [_decayed(boxes, scores, decay, floor, members) for members in parts]
    kept = np.concatenate([indices for indices, _ in taken] or [np.zeros(0, np.int64)])
    values = np.concatenate([found for _, found in taken] or [np.zeros(0)])
    order = np.lexsort((kept, -values))
    return kept[order], values[order]


def _members(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _decayed(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    decay: Decay,
    floor: float,
    members: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    left = members[scores[members] > floor]
    values = scores[left].astype(np.float64)
    taken, found = [], []
    while len(left):
        best = int(values.argmax())
        taken.append(left[best])
        found.append(values[best])
        values *= decay.kept(overlaps(boxes[left[best : best + 1]], boxes[left])[0])
        values[best] = -np.inf
        stays = values > floor
        left, values = left[stays], values[stays]
    return np.array(taken, np.int64), np.array(found, np.float64)
