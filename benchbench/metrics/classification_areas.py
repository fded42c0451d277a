"""ROC AUC and average precision over weighted images, compiled; imported inside functions only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchbench.metrics.classification_rates import quotient

Indices = NDArray[np.int64]
Values = NDArray[np.float64]

_LANES = 32
"""Selections of images that one pass carries side by side: the inner loops become SIMD code."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile *function* at its first call, keeping the machine code where numba can."""
    try:
        kept: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": numba has nowhere to keep it
        kept = njit(nogil=True, error_model="numpy")(function)
    return cast("_Function", kept)


def weighted_areas(
    labels: Indices, scores: NDArray[Any], weights: Indices, classes: int
) -> tuple[Values, Values]:
    """Return (B, *classes*) ROC AUC and average precision of each class against the rest.

    *labels* (N,), *scores* (N, C), *weights* (B, N). NaN where a class has no images or, for the
    ROC, where there are no others; NaN too for the classes beyond C.
    """
    count = len(weights)
    lanes = _lanes(weights)
    roc, precision = (np.full((count, classes), np.nan) for _ in range(2))
    for index in range(scores.shape[1]):
        positive = labels == index
        # Positives first among equals: each step then knows where its negatives begin.
        order = np.lexsort((~positive, -scores[:, index].astype(np.float64)))
        falling = scores[order, index]
        ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]) + 1, len(order))
        starts = np.append(0, ends[:-1])
        above, ahead, own, others = _sweep(lanes, order, positive[order], starts, ends)
        roc[:, index] = quotient(above, own * others)[:count]
        precision[:, index] = quotient(ahead, own)[:count]
    return roc, precision


def _lanes(weights: Indices) -> Values:
    """Return the weights as (ceil(B / 32), N, 32), so that 32 selections are summed at once."""
    count, images = weights.shape
    blocks = -(-count // _LANES)
    lanes = np.zeros((blocks, images, _LANES))
    for block in range(blocks):
        part = weights[block * _LANES : (block + 1) * _LANES]
        lanes[block, :, : len(part)] = part.T
    return lanes


@_compiled
def _sweep(
    lanes: Values, order: Indices, positive: NDArray[np.bool_], starts: Indices, ends: Indices
) -> tuple[Values, Values, Values, Values]:
    """Return pairs won (ties half), precision summed over own images, own and other images."""
    blocks, _, width = lanes.shape
    found = np.zeros((4, blocks, width))
    rise, run = np.zeros(width), np.zeros(width)
    for block in range(blocks):
        weights, (won, summed, tp, fp) = lanes[block], found[:, block]
        for start, end in zip(starts, ends):  # noqa: B905  # numba knows no strict
            if end - start == 1 and not positive[start]:
                row = weights[order[start]]
                for lane in range(width):
                    won[lane] += row[lane] * tp[lane]
                    fp[lane] += row[lane]
                continue
            rise[:] = 0.0
            run[:] = 0.0
            for at in range(start, end):
                row, into = weights[order[at]], rise if positive[at] else run
                for lane in range(width):
                    into[lane] += row[lane]
            for lane in range(width):
                # The step's negatives lose to all own images above and tie with its own.
                won[lane] += run[lane] * (tp[lane] + 0.5 * rise[lane])
                tp[lane] += rise[lane]
                fp[lane] += run[lane]
                if rise[lane] > 0:
                    summed[lane] += rise[lane] * tp[lane] / (tp[lane] + fp[lane])
    return found[0].ravel(), found[1].ravel(), found[2].ravel(), found[3].ravel()
