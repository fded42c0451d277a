"""The compiled loops of values over weighted images; import this inside functions only.

They run on one thread: a worker is held to the CPUs of its cell, and the figures that are promised
are CPU seconds. They release the interpreter's lock. Whatever needs no loop stays in numpy, outside
of them: each array expression inside takes half a second more to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 16
"""Replicates that one pass carries side by side, so that the inner loops become SIMD code."""
_EPS = np.spacing(1.0)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile *function* at its first call and keep the machine code for later processes.

    numba keeps it in ``NUMBA_CACHE_DIR``, else beside this file, else in the user's cache; where
    none of them can be written, each process compiles anew.
    """
    try:
        kept: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": numba has nowhere to keep it
        kept = njit(nogil=True, error_model="numpy")(function)
    return cast("_Function", kept)


class Cells(NamedTuple):
    """The pairs of image and class that have detections, one after the other."""

    found_row: NDArray[np.int64]
    """(D,): rows of the detections, best score first within a cell, cut at the limit."""
    found_start: NDArray[np.int64]
    """(C + 1,): where each cell begins in *found_row*."""
    truth_row: NDArray[np.int64]
    """(M,): rows of the ground truth by image and class."""
    truth_start: NDArray[np.int64]
    """(C,): where each cell's ground truth begins in *truth_row*."""
    truth_stop: NDArray[np.int64]
    """(C,): where it ends."""
    pair_start: NDArray[np.int64]
    """(C + 1,): where each cell's IoUs begin, detection by detection."""


class Ranking(NamedTuple):
    """Detections by class and falling score, and what happens along them at T thresholds.

    An event is a true positive, or a detection that is ignored at some thresholds only; a point is
    a detection that has an event at any threshold.
    """

    image: NDArray[np.int32]
    """(D,)."""
    start: NDArray[np.int64]
    """(K + 1,): where each class begins in *image*."""
    points: NDArray[np.int64]
    """(P,): rows of *image*."""
    point_start: NDArray[np.int64]
    """(K + 1,)."""
    event_point: NDArray[np.int64]
    """(E,): index into *points*; threshold by threshold, class by class."""
    event_hit: NDArray[np.bool_]
    """(E,): whether it is a true positive."""
    event_start: NDArray[np.int64]
    """(T, K + 1)."""


@compiled
def class_sums(
    weights: NDArray[np.int32],
    image: NDArray[np.int32],
    value: NDArray[np.int64],
    start: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return (K, LANES) sums of ``value * weights[image]`` over the rows of each class."""
    out = np.zeros((len(start) - 1, LANES), np.int64)
    for k in range(len(out)):
        for row in range(start[k], start[k + 1]):
            for lane in range(LANES):
                out[k, lane] += value[row] * weights[image[row], lane]
    return out


@compiled
def _count(
    weights: NDArray[np.int32],
    ranking: Ranking,
    k: int,
    seen: NDArray[np.int32],
    own: NDArray[np.int32],
) -> None:
    """Fill, by point of class *k*, how many detections it and its betters are, and its weight."""
    total = np.zeros(LANES, np.int32)
    row = ranking.start[k]
    for i in range(ranking.point_start[k + 1] - ranking.point_start[k]):
        point = ranking.points[ranking.point_start[k] + i]
        while row <= point:
            image = ranking.image[row]
            for lane in range(LANES):
                total[lane] += weights[image, lane]
            row += 1
        image = ranking.image[point]
        for lane in range(LANES):
            seen[i, lane] = total[lane]
            own[i, lane] = weights[image, lane]


@compiled
def _precision(
    ranking: Ranking,
    t: int,
    k: int,
    counted: tuple[NDArray[np.int32], NDArray[np.int32]],
    precision: NDArray[np.float64],
    hits: NDArray[np.int32],
) -> int:
    """Fill precision and the number of hits at each true positive; return how many they are."""
    seen, own = counted
    hit, ignored = np.zeros(LANES, np.int32), np.zeros(LANES, np.int32)
    n = 0
    for event in range(ranking.event_start[t, k], ranking.event_start[t, k + 1]):
        i = ranking.event_point[event] - ranking.point_start[k]
        if ranking.event_hit[event]:
            for lane in range(LANES):
                hit[lane] += own[i, lane]
                hits[n, lane] = hit[lane]
                precision[n, lane] = hit[lane] / (seen[i, lane] - ignored[lane] + _EPS)
            n += 1
        else:
            for lane in range(LANES):
                ignored[lane] += own[i, lane]
    return n


@compiled
def _interpolated(
    precision: NDArray[np.float64],
    hits: NDArray[np.int32],
    positives: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill *out* (LANES,) with the mean of interpolated precision at the recalls 0, 0.01, … 1.

    From the last true positive back: each recall threshold takes the best precision from the first
    point that reaches it on. ``reached`` counts the thresholds not above a recall; the two
    comparisons mend the rounding of ``recall * 100``.
    """
    best, total, reached = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for j in range(len(precision), 0, -1):
        for lane in range(LANES):
            recall = hits[j - 1, lane] / positives[lane]
            step = np.floor(recall * 100.0)
            below = step + 1.0 + ((step + 1.0) * 0.01 <= recall) - (step * 0.01 > recall)
            # Thresholds between this point and the next take what is best after this point.
            total[lane] += best[lane] * (reached[lane] - below)
            best[lane] = max(best[lane], precision[j - 1, lane])
            reached[lane] = below
    for lane in range(LANES):
        out[lane] = (total[lane] + best[lane] * reached[lane]) / 101.0


def average_precision(
    weights: NDArray[np.int32], ranking: Ranking, positives: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (K, T, LANES) average precision over images weighted (N, LANES).

    *positives* (K, LANES): objects to find; where there is none, the value means nothing.
    """
    out = np.zeros((len(positives), len(ranking.event_start), LANES))
    most = int(np.diff(ranking.point_start).max(initial=0))
    whole = np.maximum(positives, 1).astype(np.float64)
    _average_precision(weights, ranking, whole, most, out)
    return out


@compiled
def _average_precision(
    weights: NDArray[np.int32],
    ranking: Ranking,
    positives: NDArray[np.float64],
    most: int,
    out: NDArray[np.float64],
) -> None:
    """Fill *out*; no class has more than *most* points."""
    seen, own = np.empty((most, LANES), np.int32), np.empty((most, LANES), np.int32)
    precision, hits = np.empty((most, LANES)), np.empty((most, LANES), np.int32)
    for k in range(len(positives)):
        _count(weights, ranking, k, seen, own)
        for t in range(len(ranking.event_start)):
            n = _precision(ranking, t, k, (seen, own), precision, hits)
            _interpolated(precision[:n], hits[:n], positives[k], out[k, t])
