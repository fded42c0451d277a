"""The compiled loop of :mod:`benchbench.metrics.confusion`; import this inside functions only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ONES = np.uint64(0x0101010101010101)
_BYTE = np.uint64(0xFF)


def _compiled(function: _Function) -> _Function:
    """Compile *function* at its first call and keep the machine code where numba can write."""
    try:
        kept: _Function = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "no locator available": each process compiles anew
        kept = njit(nogil=True)(function)
    return kept


@_compiled
def count_pairs(
    truth: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    truth_words: NDArray[np.uint64],
    label_words: NDArray[np.uint64],
    classes: int,
) -> NDArray[np.int64]:
    """Return (classes²,) counts of truth × classes + label; truth from *classes* on is left out.

    *truth* and *labels* are flat, every label is below *classes*, and the words are the same
    memory eight pixels at a time: eight equal pairs, the rule inside of objects, are counted at
    once. Four histograms by turns, so that equal neighbours do not wait for one another.
    """
    found = np.zeros((4, 256 * classes), np.uint32)
    for j in range(truth_words.size):
        a, b = truth_words[j], label_words[j]
        if a == (a & _BYTE) * _ONES and b == (b & _BYTE) * _ONES:
            found[j & 3, np.intp(a & _BYTE) * classes + np.intp(b & _BYTE)] += np.uint32(8)
        else:
            for i in range(8 * j, 8 * j + 8, 4):
                found[0, np.intp(truth[i]) * classes + labels[i]] += np.uint32(1)
                found[1, np.intp(truth[i + 1]) * classes + labels[i + 1]] += np.uint32(1)
                found[2, np.intp(truth[i + 2]) * classes + labels[i + 2]] += np.uint32(1)
                found[3, np.intp(truth[i + 3]) * classes + labels[i + 3]] += np.uint32(1)
    for i in range(8 * truth_words.size, truth.size):
        found[0, np.intp(truth[i]) * classes + labels[i]] += np.uint32(1)
    summed = np.zeros(classes * classes, np.int64)
    for lane in range(4):
        for key in range(classes * classes):
            summed[key] += found[lane, key]
    return summed
