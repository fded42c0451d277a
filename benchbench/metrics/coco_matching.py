"""The compiled loops that match detections with objects; import this inside functions only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_kernels import Cells, compiled

Rows = NDArray[np.int64]


class Outcome(NamedTuple):
    """What comes of the detections: bits of the thresholds, by area range."""

    column: Rows
    """(D,): where the bits of each detection of the cells stand."""
    matched: NDArray[np.uint16]
    """(A, D)."""
    ignored: NDArray[np.uint16]
    """(A, D)."""


class Objects(NamedTuple):
    """The ground truth in the order of ``Cells.truth_row``."""

    ignored: NDArray[np.bool_]
    """(A, M): by area range."""
    crowd: NDArray[np.bool_]
    """(M,)."""
    free: NDArray[np.int64]
    """(A, M): bits of the thresholds at which it can be taken; all of them at first."""


class Candidates(NamedTuple):
    """Room for the objects that a detection reaches, as many as a cell has; best last."""

    place: Rows
    iou: NDArray[np.float64]
    bits: Rows
    """Of the thresholds that the IoU reaches."""


@compiled
def box_overlaps(
    cells: Cells,
    found: NDArray[np.float64],
    truth: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Set the IoUs of each cell, of (D, 4) and (M, 4) boxes x, y, width, height, where not 0.

    As in the COCO API's ``bbIou``: on a crowd the union is the detection's own area.
    """
    for cell in range(len(cells.truth_start)):
        at = cells.pair_start[cell]
        for i in range(cells.found_start[cell], cells.found_start[cell + 1]):
            mine = cells.found_row[i]
            left, top = found[mine, 0], found[mine, 1]
            right, bottom = left + found[mine, 2], top + found[mine, 3]
            area = found[mine, 2] * found[mine, 3]
            for j in range(cells.truth_start[cell], cells.truth_stop[cell]):
                row = cells.truth_row[j]
                x, y, w, h = truth[row, 0], truth[row, 1], truth[row, 2], truth[row, 3]
                width = min(right, x + w) - max(left, x)
                height = min(bottom, y + h) - max(top, y)
                if width > 0 and height > 0:
                    shared = width * height
                    out[at] = shared / (area if crowd[row] else area + w * h - shared)
                at += 1


@compiled
def _reach(
    ious: NDArray[np.float64],
    at: int,
    objects: tuple[int, int],
    thresholds: NDArray[np.float64],
    out: Candidates,
) -> int:
    """Fill the candidates of a detection among *objects*; return how many.

    Of equal IoUs the last object counts as best. *at*: the detection's first IoU.
    """
    n = 0
    for place in range(*objects):
        iou = ious[at + place - objects[0]]
        if not iou >= thresholds[0]:
            continue
        i = n
        while i > 0 and out.iou[i - 1] > iou:
            out.place[i], out.iou[i] = out.place[i - 1], out.iou[i - 1]
            i -= 1
        out.place[i], out.iou[i] = place, iou
        n += 1
    for i in range(n):
        t = 0
        while t < len(thresholds) and out.iou[i] >= min(thresholds[t], 1 - 1e-10):
            t += 1
        out.bits[i] = (1 << t) - 1
    return n


@compiled
def _take(
    wanted: Candidates, count: int, objects: Objects, area: int, ignored: bool, settled: np.int64
) -> np.int64:
    """Return at which thresholds that are not *settled* a detection takes an object.

    The best free one of those that are so *ignored*; crowds stay free.
    """
    taken = np.int64(0)
    for i in range(count - 1, -1, -1):
        place = wanted.place[i]
        if objects.ignored[area, place] == ignored:
            bits = wanted.bits[i] & objects.free[area, place] & ~(settled | taken)
            taken |= bits
            if not objects.crowd[place]:
                objects.free[area, place] &= ~bits
    return taken


@compiled
def _settle(wanted: Candidates, count: int, objects: Objects, at: int, out: Outcome) -> None:
    """Set the bits of a detection: it takes an ignored object only if no other is left.

    All thresholds at once: what is free at one has nothing to do with another.
    """
    column = out.column[at]
    for area in range(len(out.matched)):
        counted = other = np.int64(0)
        for ignored in (False, True):
            counted, other = other, _take(wanted, count, objects, area, ignored, other)
        out.matched[area, column] = counted | other
        out.ignored[area, column] = (out.ignored[area, column] & ~counted) | other


@compiled
def match(
    cells: Cells,
    ious: NDArray[np.float64],
    objects: Objects,
    thresholds: NDArray[np.float64],
    wanted: Candidates,
    out: Outcome,
) -> None:
    """Set in *out* at which of the *thresholds*, which ascend, detections are matched and ignored.

    As in pycocotools' ``evaluateImg``. On entry nothing is matched, and what is to be ignored
    unless it is matched is ignored.
    """
    for cell in range(len(cells.truth_start)):
        own = (cells.truth_start[cell], cells.truth_stop[cell])
        if own[0] == own[1]:
            continue
        at = cells.pair_start[cell]
        for i in range(cells.found_start[cell], cells.found_start[cell + 1]):
            count = _reach(ious, at, own, thresholds, wanted)
            at += own[1] - own[0]
            if count > 0:
                _settle(wanted, count, objects, i, out)
