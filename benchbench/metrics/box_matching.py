"""Which detection finds which object, by the rules of several tools.

Used where another tool's figure is to be reproduced; :mod:`benchbench.metrics.coco_kernels` is the
fast way to COCO's own. Everything is numpy over the pairs of one image and class.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_columns import Found, Truth

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Arithmetic = Literal["double", "rounded", "single"]
Matching = Literal["by-score", "by-score-first-free", "best-object"]
SINGLE_EPSILON = np.float32(1e-7)
"""Ultralytics adds it to the union."""


@dataclass(frozen=True, slots=True)
class Near:
    """(P,) pairs of a detection and an object of its image and class."""

    detection: Ints
    object: Ints
    iou: Floats

    def where(self, chosen: Flags | Ints) -> Near:
        """Return the chosen pairs."""
        return Near(self.detection[chosen], self.object[chosen], self.iou[chosen])


def pairs(found: Found, truth: Truth) -> tuple[Ints, Ints]:
    """Return the rows of every detection and object that share image and class."""
    mine, theirs = _keys(found, truth.categories), _keys(truth, truth.categories)
    order = np.argsort(theirs, kind="stable")
    first = np.searchsorted(theirs[order], mine, "left")
    counts = np.searchsorted(theirs[order], mine, "right") - first
    detection = np.repeat(np.arange(len(mine)), counts)
    nth = np.arange(len(detection)) - np.repeat(np.cumsum(counts) - counts, counts)
    return detection, order[np.repeat(first, counts) + nth]


def _keys(columns: Found | Truth, categories: int) -> Ints:
    keys: Ints = columns.image * categories + columns.category
    return keys


def ranks(found: Found, categories: int) -> Ints:
    """Return (D,) each detection's place, by falling score, in its image and class; from 0."""
    keys = _keys(found, categories)
    return _places(keys, np.lexsort((-found.scores, keys)))


def image_ranks(found: Found) -> Ints:
    """Return (D,) each detection's place, by falling score, in its image; from 0."""
    return _places(found.image, np.lexsort((-found.scores, found.image)))


def _places(keys: Ints, order: Ints) -> Ints:
    """Return how many of the same key stand before each in *order*, which is sorted by key."""
    places = np.empty(len(keys), np.int64)
    places[order] = np.arange(len(keys)) - np.searchsorted(keys[order], keys[order])
    return places


def near(found: Found, truth: Truth, arithmetic: Arithmetic, *, crowd_area: bool) -> Near:
    """Return all pairs with their IoU; with *crowd_area* a crowd's is over the detection's area.

    ``double`` is pycocotools' arithmetic; ``rounded`` is the same kept in 32 bits, as the Accuracy
    Checker keeps it; ``single`` is Ultralytics' ``box_iou``: 32 bits throughout.
    """
    detection, thing = pairs(found, truth)
    boxes, objects = found.boxes[detection], truth.boxes[thing]
    if arithmetic == "single":
        return Near(detection, thing, _single(boxes, objects).astype(np.float64))
    shared = _shared(_corners(boxes), _corners(objects))
    own = boxes[:, 2] * boxes[:, 3]
    union = own + objects[:, 2] * objects[:, 3] - shared
    if crowd_area:
        union = np.where(truth.crowd[thing], own, union)
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    if arithmetic == "rounded":
        iou = iou.astype(np.float32).astype(np.float64)
    return Near(detection, thing, iou)


def _corners(boxes: Floats) -> Floats:
    corners: Floats = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return corners


def _shared(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    sides = np.maximum(sides, 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def _single(boxes: Floats, objects: Floats) -> NDArray[np.floating]:
    a, b = (_corners(one).astype(np.float32) for one in (boxes, objects))
    shared = _shared(a, b)
    sizes = [(one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1]) for one in (b, a)]
    return np.asarray(shared / (sizes[0] + sizes[1] - shared + SINGLE_EPSILON))


def thresholds(arithmetic: Arithmetic) -> Floats:
    """Return 0.50, 0.55, … 0.95; for ``single`` as ``torch.linspace`` rounds them to 32 bits."""
    if arithmetic != "single":
        return np.linspace(0.5, 0.95, 10)
    low, high = np.float32(0.5), np.float32(0.95)
    step, nth = (high - low) / np.float32(9), np.arange(10, dtype=np.float32)
    values = np.where(nth < 5, low + step * nth, high - step * (9 - nth))
    return values.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Side:
    """What matching must know of detections and objects beside their overlap."""

    rank: Ints
    """(D,): place of the detection in its image and class."""
    ignored: Flags
    """(M,): objects that count neither way."""
    lasting: Flags
    """(M,): objects that any number of detections may take."""


def assign(close: Near, side: Side, matching: Matching) -> Ints:
    """Return (D,) the row of the object that each detection takes of *close*, -1 for none.

    ``by-score``: by falling score each takes the free object of greatest IoU, an ignored one only
    if no other is left, the last of equals (pycocotools). ``by-score-first-free``: the same, but
    what the first detection of an image and class takes stays free for one more (Accuracy
    Checker, whose mark of a taken object is the detection's number, 0 for the first).
    ``best-object``: each wants its object of greatest IoU and no other; the best score gets it.
    """
    keys = (-close.object, -close.iou, side.ignored[close.object], close.detection)
    wanted = close.where(np.lexsort((*keys, side.rank[close.detection])))
    if matching == "best-object":
        wanted = wanted.where(firsts(wanted.detection))
    taken = np.full(len(side.rank), -1, np.int64)
    used = np.zeros(len(side.ignored), np.bool_)
    turns = side.rank[wanted.detection]
    edges = np.searchsorted(turns, np.arange(turns.max(initial=-1) + 2))
    for turn, (start, stop) in enumerate(pairwise(edges.tolist())):
        block = wanted.where(np.arange(start, stop))
        block = block.where(~used[block.object])
        block = block.where(firsts(block.detection))
        taken[block.detection] = block.object
        if turn or matching != "by-score-first-free":
            used[block.object] = ~side.lasting[block.object]
    return taken


def firsts(values: Ints) -> Flags:
    """Return which of *values* differ from the one before."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]
