"""The compiled loops of :mod:`benchbench.metrics.coco_tally`; import this inside functions only.

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
    """The pairs of class and image that have detections, one after the other."""

    found_row: NDArray[np.int64]
    """(D,): rows of the detections, best score first within a cell, cut at the limit."""
    found_start: NDArray[np.int64]
    """(C + 1,): where each cell begins in *found_row*."""
    truth_row: NDArray[np.int64]
    """(M,): rows of the ground truth by class and image."""
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
def _overlap(found: NDArray[np.float64], truth: NDArray[np.float64], crowd: bool) -> float:
    width = min(found[0] + found[2], truth[0] + truth[2]) - max(found[0], truth[0])
    if width <= 0:
        return 0.0
    height = min(found[1] + found[3], truth[1] + truth[3]) - max(found[1], truth[1])
    if height <= 0:
        return 0.0
    shared = width * height
    union = found[2] * found[3]
    if not crowd:
        union = union + truth[2] * truth[3] - shared
    return float(shared / union)


@compiled
def box_overlaps(
    cells: Cells,
    found: NDArray[np.float64],
    truth: NDArray[np.float64],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the IoUs of each cell, of (D, 4) and (M, 4) boxes x, y, width, height.

    As in the COCO API's ``bbIou``: on a crowd the union is the detection's own area.
    """
    out = np.empty(cells.pair_start[-1])
    for cell in range(len(cells.truth_start)):
        at = cells.pair_start[cell]
        for i in range(cells.found_start[cell], cells.found_start[cell + 1]):
            box = found[cells.found_row[i]]
            for j in range(cells.truth_start[cell], cells.truth_stop[cell]):
                row = cells.truth_row[j]
                out[at] = _overlap(box, truth[row], crowd[row])
                at += 1
    return out


@compiled
def _order(ignored: NDArray[np.bool_], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill *order* with the positions of objects: those that count first, each part as it was."""
    n = 0
    for wanted in (False, True):
        for j in range(len(ignored)):
            if ignored[j] == wanted:
                order[n] = j
                n += 1
    return order[:n]


@compiled
def _best(
    ious: NDArray[np.float64],
    least: float,
    order: NDArray[np.int64],
    ignored: NDArray[np.bool_],
    free: NDArray[np.bool_],
) -> int:
    """Return the object that a detection takes, -1 for none.

    All by position in the cell, tried in *order*. The last of equal IoUs wins; an object that is
    ignored never displaces one that is not.
    """
    best, found = least, -1
    for j in order:
        if not free[j]:
            continue
        if found > -1 and not ignored[found] and ignored[j]:
            break
        if ious[j] >= best:
            best, found = ious[j], j
    return found


@compiled
def _match_cell(
    ious: NDArray[np.float64],
    near: NDArray[np.bool_],
    objects: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    thresholds: NDArray[np.float64],
    out: NDArray[np.uint16],
) -> None:
    """Set in *out* (2, D) the bits of matched and ignored detections; *ious* is (D, M).

    *objects*: the order to try them in, whether ignored, whether a crowd, and room for free ones.
    """
    order, ignored, crowd, free = objects
    for t in range(len(thresholds)):
        bit = np.uint16(1 << t)
        least = min(thresholds[t], 1 - 1e-10)
        free[:] = True
        for i in range(len(ious)):
            at = _best(ious[i], least, order, ignored, free) if near[i] else -1
            if at > -1:
                out[0, i] |= bit
                out[1, i] = out[1, i] | bit if ignored[at] else out[1, i] & ~bit
                free[at] = crowd[at]


@compiled
def _mark_near(ious: NDArray[np.float64], least: float, near: NDArray[np.bool_]) -> bool:
    """Fill which detections reach *least* on any object; return whether any does."""
    found = False
    for i in range(len(ious)):
        near[i] = False
        for j in range(ious.shape[1]):
            near[i] = near[i] or ious[i, j] >= least
        found = found or near[i]
    return found


def match(
    cells: Cells,
    ious: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
) -> NDArray[np.uint16]:
    """Return (2, A, D) bits by threshold of each detection of *cells*: matched, ignored.

    As in pycocotools' ``evaluateImg``. *ignored* (A, M) and *crowd* (M,) by row of the ground
    truth, *outside* (A, D) by row of the detections: its area lies outside the range, so that it
    is ignored where it is not matched. *thresholds* ascend.
    """
    out = np.zeros((2, len(ignored), len(cells.found_row)), np.uint16)
    out[1] = outside[:, cells.found_row] * np.uint16((1 << len(thresholds)) - 1)
    counted = np.ascontiguousarray(ignored[:, cells.truth_row])
    _match_cells(cells, ious, counted, crowd[cells.truth_row], thresholds, out)
    return out


@compiled
def _match_cells(
    cells: Cells,
    ious: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
    out: NDArray[np.uint16],
) -> None:
    """Set the bits of *out* cell by cell; *ignored* and *crowd* in the cells' order."""
    near = np.empty(len(cells.found_row), np.bool_)
    order = np.empty(len(cells.truth_row), np.int64)
    free = np.empty(len(cells.truth_row), np.bool_)
    for cell in range(len(cells.truth_start)):
        first, last = cells.found_start[cell], cells.found_start[cell + 1]
        begin, end = cells.truth_start[cell], cells.truth_stop[cell]
        own = ious[cells.pair_start[cell] : cells.pair_start[cell + 1]]
        own = own.reshape(last - first, end - begin)
        if not _mark_near(own, thresholds[0], near):
            continue
        for a in range(len(ignored)):
            counted = ignored[a, begin:end]
            objects = (_order(counted, order), counted, crowd[begin:end], free[: end - begin])
            _match_cell(own, near, objects, thresholds, out[:, a, first:last])


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
