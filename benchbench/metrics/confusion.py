"""How many pixels of each true class were predicted as each class.

Two counters give the same integers. hotcoco's is loaded already where truth is painted, and counts
some 350 to 650 megapixels a CPU second. The compiled one counts up to twice as many, most where
maps are smooth, but a worker that uses it pays half a second for numba's import, and two more where
nothing has compiled it yet. So a small cell never meets it: :func:`counter_for` takes it from a
gigapixel on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
Counts = NDArray[np.int64]
Counter = Callable[[Labels, Labels, int, int | None], Counts]
"""From truth, labels, number of classes and void value to (C, C) counts; see :func:`confusion`."""

COMPILED_FROM_PX = 1_000_000_000
"""Pixels of a cell from which compiling pays."""


def counter_for(pixels: int) -> Counter:
    """Return the counter that is cheaper for a cell of so many *pixels* in all."""
    return count_compiled if pixels >= COMPILED_FROM_PX else confusion


def confusion(truth: Labels, labels: Labels, classes: int, void: int | None = None) -> Counts:
    """Return (C, C) pixel counts, row truth, column prediction, without pixels of truth *void*.

    Every other value must be below *classes*, which is at most 256. Counted by hotcoco.
    """
    from hotcoco.metrics import pixel_confusion

    counts: Counts = pixel_confusion(truth, labels, classes, ignore_index=void).astype(np.int64)
    return counts


def count_compiled(truth: Labels, labels: Labels, classes: int, void: int | None = None) -> Counts:
    """Return what :func:`confusion` returns, counted by a loop of our own."""
    from benchbench.metrics.semantic_kernels import count_pairs

    one, two = (np.ascontiguousarray(flat).reshape(-1) for flat in (truth, labels))
    whole = one.size // 8 * 8
    words = one[:whole].view(np.uint64), two[:whole].view(np.uint64)
    counts: Counts = count_pairs(one, two, words[0], words[1], classes).reshape(classes, classes)
    if void is not None and void < classes:
        counts[void] = 0
    return counts
