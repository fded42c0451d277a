"""Which detection takes which object at IoU 0.5, and every overlap that explains why not.

The matching of the 12 numbers keeps who is matched, not with whom, and no overlap below 0.5 or with
another class; hotcoco's error decomposition takes crowds for objects. So the diagnostics match for
themselves, in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_columns import Found, Truth

FOREGROUND_IOU = 0.5
BACKGROUND_IOU = 0.1
_MAX_AREA = 1e5**2
"""Upper bound of pycocotools' area range ``all``; what lies outside it is ignored."""
_BLOCK = 1 << 17
"""Pairs compared at a time: bounds the memory, and the arrays stay in the cache."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """(P,) detections and annotations of one image whose IoU is at least 0.1."""

    detection: Ints
    """Row of the detection; ascending."""
    object: Ints
    """Row of the annotation; ascending within a detection."""
    iou: Floats
    """With a crowd: the intersection over the detection's own area."""

    def where(self, chosen: Flags) -> Pairs:
        """Return the chosen pairs."""
        return Pairs(self.detection[chosen], self.object[chosen], self.iou[chosen])


@dataclass(frozen=True, slots=True)
class Matches:
    """The state of every detection and annotation at IoU 0.5, as COCO's evaluation leaves it."""

    detected: Found
    truth: Truth
    pairs: Pairs
    ranking: Ints
    """Rows of the detections that count, best score first; equal scores by image id."""
    taken: Ints
    """(N,) row of the object that a detection found, -1 if none."""
    ignored: Flags
    """(M,) annotations that are no object: crowds."""
    objects: Ints
    """(K,) how many objects each category has."""


def match(detected: Found, truth: Truth, limit: int) -> Matches:
    """Match each image and class by falling score, as pycocotools does at IoU 0.5, all areas.

    *limit*: best detections of an image and class that count.
    """
    ignored = truth.crowd | (truth.area < 0) | (truth.area > _MAX_AREA)
    by_score = np.argsort(-detected.scores, kind="stable")
    ranked = _ranked(detected, by_score, limit)
    counting = np.sort(ranked)
    # Boxes far beyond any image overflow; their overlaps are no match then.
    with np.errstate(over="ignore", invalid="ignore"):
        pairs = _overlaps(detected, truth, ignored, counting)
    same = detected.category[pairs.detection] == truth.category[pairs.object]
    near = pairs.where(same & (pairs.iou >= FOREGROUND_IOU))
    group = detected.image * truth.categories + detected.category
    taken = assign(near, ranked, group, ignored, truth.crowd)
    ranking = by_score[_that_count(detected, counting, taken, ignored)[by_score]]
    objects = np.bincount(truth.category[~ignored], minlength=truth.categories).astype(np.int64)
    return Matches(detected, truth, pairs, ranking, taken, ignored, objects)


def assign(near: Pairs, ranked: Ints, group: Ints, ignored: Flags, crowd: Flags) -> Ints:
    """Return the row of the annotation that each detection takes, or -1, by greedy matching.

    *ranked*: detections in the order in which they choose within their *group* (one value a
    detection; a group's are adjacent in it). Each takes the free annotation of greatest IoU, the
    last of equals, and an ignored one only if no other is left; crowds are never used up.

    The nth detections of all groups choose at once: they cannot want the same annotation.
    """
    turn = np.empty(len(group), np.int64)
    turn[ranked] = np.arange(len(ranked))
    order = np.lexsort((-near.object, -near.iou, ignored[near.object], turn[near.detection]))
    detection, wanted = near.detection[order], near.object[order]
    rounds = _ordinals(detection, group)
    by_round = np.argsort(rounds, kind="stable")
    bounds = np.searchsorted(rounds[by_round], np.arange(rounds.max(initial=-1) + 2))
    taken, used = np.full(len(group), -1, np.int64), np.zeros(len(ignored), np.bool_)
    for start, stop in pairwise(bounds.tolist()):
        choices = by_round[start:stop]
        choices = choices[~used[wanted[choices]]]
        choices = choices[_firsts(detection[choices])]
        taken[detection[choices]] = wanted[choices]
        used[wanted[choices]] = ~crowd[wanted[choices]]
    return taken


def _firsts(values: Ints) -> Flags:
    """Return where a run of equal values begins."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]


def _ordinals(detection: Ints, group: Ints) -> Ints:
    """Return for each pair the how-manieth of its group its detection is, from 0."""
    heads = _firsts(detection)
    number = np.cumsum(heads) - 1
    starts = np.flatnonzero(_firsts(group[detection[heads]]))
    sizes = np.diff(np.append(starts, heads.sum()))
    found: Ints = number - np.repeat(starts, sizes)[number] if len(number) else number
    return found


def _ranked(detected: Found, by_score: Ints, limit: int) -> Ints:
    """Return the best *limit* rows of each image and category: by image, category, score."""
    by_class = by_score[stable_order(detected.category[by_score])]
    order = by_class[stable_order(detected.image[by_class])]
    starts = np.flatnonzero(_firsts(detected.image[order]) | _firsts(detected.category[order]))
    sizes = np.diff(np.append(starts, len(order)))
    found: Ints = order[np.arange(len(order)) - np.repeat(starts, sizes) < limit]
    return found


def stable_order(values: NDArray[np.integer]) -> Ints:
    """Return the stable order of small non-negative *values*; numpy sorts 16 bits by radix."""
    small = values.astype(np.uint16) if values.max(initial=0) < 1 << 16 else values
    return np.argsort(small, kind="stable")


def _that_count(detected: Found, counting: Ints, taken: Ints, ignored: Flags) -> Flags:
    """Return which detections are a true or false positive."""
    with np.errstate(over="ignore"):
        area = detected.boxes[counting, 2] * detected.boxes[counting, 3]
    found = taken[counting]
    outside = (found < 0) & ((area < 0) | (area > _MAX_AREA))
    on_ignored = np.append(ignored, False)[found]
    flags = np.zeros(len(taken), np.bool_)
    flags[counting] = ~(outside | on_ignored)
    return flags


def _overlaps(detected: Found, truth: Truth, ignored: Flags, rows: Ints) -> Pairs:
    """Return the pairs of *rows* (ascending): objects of any class, ignored ones of its own."""
    order = np.argsort(truth.image, kind="stable")
    starts = np.searchsorted(truth.image[order], np.arange(truth.images + 1))
    counts = np.diff(starts)[detected.image[rows]]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.unique(np.searchsorted(ends, np.arange(_BLOCK, total, _BLOCK)))
    objects = _Objects(order, truth, ignored, starts)
    parts = [
        objects.near(detected, some, some_counts)
        for some, some_counts in zip(np.split(rows, cuts), np.split(counts, cuts), strict=True)
    ]
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class _Objects:
    """Annotations by image, as the inner loop wants them."""

    def __init__(self, order: Ints, truth: Truth, ignored: Flags, starts: Ints) -> None:
        self._order, self._starts = order, starts
        boxes = truth.boxes[order]
        self._left, self._top, width, height = boxes.T
        self._right, self._bottom = self._left + width, self._top + height
        self._area = width * height
        self._crowd, self._ignored = truth.crowd[order], ignored[order]
        self._category = truth.category[order]

    def near(self, detected: Found, rows: Ints, counts: Ints) -> tuple[Ints, Ints, Floats]:
        """Return detection, annotation and IoU of the pairs of *rows* that are near enough."""
        left, top, width, height = detected.boxes[rows].T
        one = np.repeat(np.arange(len(rows)), counts)
        shift = self._starts[detected.image[rows]] - (np.cumsum(counts) - counts)
        other = np.arange(len(one)) + shift[one]
        across = np.minimum((left + width)[one], self._right[other])
        across -= np.maximum(left[one], self._left[other])
        kept = np.flatnonzero(across > 0)
        one, other, across = one[kept], other[kept], across[kept]
        down = np.minimum((top + height)[one], self._bottom[other])
        down -= np.maximum(top[one], self._top[other])
        kept = np.flatnonzero(down > 0)
        one, other, shared = one[kept], other[kept], across[kept] * down[kept]
        own = (width * height)[one]
        union = np.where(self._crowd[other], own, own + self._area[other] - shared)
        iou = shared / union
        same = detected.category[rows[one]] == self._category[other]
        kept = np.flatnonzero((iou >= BACKGROUND_IOU) & (same | ~self._ignored[other]))
        return rows[one[kept]], self._order[other[kept]], iou[kept]
