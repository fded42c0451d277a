"""The compiled loops from matches to precision and recall; import this inside functions only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_kernels import compiled

_EPS = np.spacing(1.0)


class Outcomes(NamedTuple):
    """Detections of one area range by class and falling score."""

    matched: NDArray[np.uint16]
    """(D,): a bit for each threshold."""
    ignored: NDArray[np.uint16]
    """(D,): so."""
    rank: NDArray[np.int32]
    """(D,): within image and class."""
    start: NDArray[np.int64]
    """(K + 1,): where each class begins."""
    objects: NDArray[np.int64]
    """(K,): how many there are to find."""


class Events(NamedTuple):
    """Room for the detections of a class that are matched, or ignored at some thresholds only."""

    hit: NDArray[np.int64]
    """Bits of the thresholds at which it is a true positive."""
    ignored: NDArray[np.int64]
    """So, at which it is ignored."""
    rank: NDArray[np.int64]
    seen: NDArray[np.int64]
    """How many it and its betters are, without those that are ignored at all thresholds."""
    precision: NDArray[np.float64]
    """At each true positive."""


@compiled
def _events(found: Outcomes, k: int, every: int, out: Events) -> int:
    """Fill *out* with the events of class *k*; return how many they are."""
    n, seen = 0, 0
    for row in range(found.start[k], found.start[k + 1]):
        hit, ignored = np.int64(found.matched[row]), np.int64(found.ignored[row])
        if ignored == every:
            continue
        seen += 1
        if hit | ignored:
            out.hit[n], out.ignored[n] = hit & ~ignored, ignored
            out.rank[n], out.seen[n] = found.rank[row], seen
            n += 1
    return n


@compiled
def _interpolated(
    precision: NDArray[np.float64],
    count: int,
    objects: float,
    recalls: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Fill *out* with the best precision from the first true positive on that has each recall."""
    for i in range(count - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    i = 0
    for r in range(len(recalls)):
        while i < count and (i + 1) / objects < recalls[r]:
            i += 1
        out[r] = precision[i] if i < count else 0.0


@compiled
def _threshold(
    events: Events,
    count: int,
    bit: int,
    limits: NDArray[np.int64],
    found: NDArray[np.float64],
) -> int:
    """Fill the precision, count those each limit leaves in *found*; return how many there are."""
    hits, ignored = 0, 0
    for i in range(count):
        if events.ignored[i] & bit:
            ignored += 1
        if events.hit[i] & bit:
            hits += 1
            events.precision[hits - 1] = hits / (events.seen[i] - ignored + _EPS)
            for limit in range(len(limits)):
                found[limit] += events.rank[i] < limits[limit]
    return hits


@compiled
def accumulate(
    outcomes: Outcomes,
    limits: NDArray[np.int64],
    recalls: NDArray[np.float64],
    events: Events,
    out: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Fill precision (K, T, R) and recall (K, T, L) where a class has objects.

    As pycocotools' ``accumulate`` forms them, at the last of the *limits* and at each.
    """
    precision, recall = out
    thresholds = precision.shape[1]
    for k in range(len(outcomes.objects)):
        if outcomes.objects[k] == 0:
            continue
        objects = float(outcomes.objects[k])
        count = _events(outcomes, k, (1 << thresholds) - 1, events)
        for t in range(thresholds):
            found = recall[k, t]
            found[:] = 0
            hits = _threshold(events, count, 1 << t, limits, found)
            _interpolated(events.precision, hits, objects, recalls, precision[k, t])
            for limit in range(len(limits)):
                found[limit] /= objects
