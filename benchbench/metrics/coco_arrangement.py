"""Detections of all images in the orders that matching and ranking want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_columns import Found, Truth

if TYPE_CHECKING:
    from benchbench.metrics.coco_kernels import Cells

_MOST_BITS = 63
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Arranged:
    """Detections within the limit, by class and falling score, and cell by cell.

    A cell is an image and a class. Cells come image by image: what is read together lies together.
    """

    order: Rows
    """(D,): rows by class and falling score; equal scores by the image's turn, then as given."""
    column: Rows
    """(D,): cell by cell, best first: place in *order*."""
    key: Rows
    """(D,): as *column*: turn and class of the cell as one number."""
    rank: Rows
    """(D,): as *column*: rank in the cell, from 0."""


def arrange(turn: Rows, found: Found, classes: int, limit: int) -> Arranged:
    """Arrange *found*, the best *limit* of each image and class; *turn*: of each one's image."""
    ties = (turn,) if (turn[1:] < turn[:-1]).any() else ()
    order = ordered(found.category, _steps(found.scores), *ties)
    column = ordered(turn[order])
    rows = order[column]
    key = turn[rows] * classes + found.category[rows]
    start = _starts(key)
    rank = np.arange(len(rows)) - np.repeat(start[:-1], np.diff(start))
    if rank.max(initial=0) < limit:
        return Arranged(order, column, key, rank)
    within = rank < limit
    kept = np.zeros(len(order), np.bool_)
    kept[column[within]] = True
    column = (np.cumsum(kept) - 1)[column[within]]
    return Arranged(order[kept], column, key[within], rank[within])


def cells(arranged: Arranged, turn: Rows, truth: Truth, classes: int) -> Cells:
    """Return the cells of *arranged* with their ground truth; *turn*: of each object's image."""
    from benchbench.metrics.coco_kernels import Cells

    rows = ordered(turn, truth.category)
    keys = (turn * classes + truth.category)[rows]
    start = _starts(arranged.key)
    own = arranged.key[start[:-1]]
    begin = np.searchsorted(keys, own, "left")
    end = np.searchsorted(keys, own, "right")
    pairs = np.concatenate([[0], np.cumsum(np.diff(start) * (end - begin))]).astype(np.int64)
    return Cells(arranged.order[arranged.column], start, rows, begin, end, pairs)


def ordered(*keys: Rows) -> Rows:
    """Return the order by *keys* >= 0, the first foremost, equal ones as they come.

    Packed into one integer each, they are sorted in a fraction of the time of :func:`np.lexsort`.
    """
    rows = np.arange(len(keys[0]))
    bits = [int(key.max(initial=0)).bit_length() for key in (*keys, rows)]
    if sum(bits) > _MOST_BITS:
        return np.lexsort(keys[::-1])
    packed = np.zeros(len(rows), np.int64)
    for key, width in zip((*keys, rows), bits, strict=True):
        packed <<= width
        packed |= key
    packed.sort()
    packed &= (1 << bits[-1]) - 1
    return packed


def _steps(scores: NDArray[np.float64]) -> Rows:
    """Return by row how many distinct scores are greater."""
    ascending = np.argsort(scores)
    values = scores[ascending]
    step = np.append(0, np.cumsum(values[1:] != values[:-1]))[: len(values)]
    out = np.empty(len(scores), np.int64)
    out[ascending] = step[-1:] - step
    return out


def _starts(keys: Rows) -> Rows:
    """Return where each run of equal *keys* begins, and the end."""
    changes = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    return np.concatenate([[0], changes, [len(keys)]] if len(keys) else [[0]]).astype(np.int64)
