"""Finds outputs that were quantized with one scale for channels of unlike range.

A detector's output often holds boxes of ±300 and scores of 0..1 in one tensor. One int8 scale for
both leaves a score three or four of its 256 levels, and the scores decide which boxes count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 32
"""A channel that takes fewer values than this over all images is starved …"""
FEWER = 4
"""… if its source takes this many times as many."""
_CHANNELS = 4096
"""An axis longer than this holds positions, not channels."""


@dataclass(frozen=True, slots=True)
class Starved:
    """An output whose channels do not get the levels that they need."""

    output: str
    axis: int
    channels: tuple[int, ...]
    of: int
    """How many channels there are."""
    levels: int
    """The median number of values that a starved channel takes."""
    step: float
    """The smallest difference of two values of the whole output: its scale."""


def starved(name: str, want: Sequence[NDArray[Any]], got: Sequence[NDArray[Any]]) -> Starved | None:
    """Return what is starved in one output over all batches (batch first); None if nothing is."""
    if got[0].ndim < 2 or any(one.shape != got[0].shape for one in (*want, *got)):
        return None
    ours, theirs = np.concatenate(want), np.concatenate(got)
    best: Starved | None = None
    for axis in range(1, theirs.ndim):
        found = _along(name, axis, ours, theirs)
        if found and (best is None or found.of < best.of):
            best = found
    return best


def _along(name: str, axis: int, want: NDArray[Any], got: NDArray[Any]) -> Starved | None:
    count = got.shape[axis]
    if not 2 <= count <= _CHANNELS or got.size // count < FEW * FEWER:
        return None
    levels = _levels(got, axis)
    source = _levels(want, axis)
    channels = np.flatnonzero((levels < FEW) & (source > FEWER * levels))
    if not len(channels):
        return None
    values = np.unique(got)
    return Starved(
        output=name,
        axis=axis,
        channels=tuple(channels.tolist()),
        of=count,
        levels=int(np.median(levels[channels])),
        step=float(np.diff(values).min()) if len(values) > 1 else 0.0,
    )


def _levels(array: NDArray[Any], axis: int) -> NDArray[np.int64]:
    """Return how many different values each channel takes."""
    ordered = np.sort(np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1), axis=1)
    found: NDArray[np.int64] = 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)
    return found


def replaced(array: NDArray[Any], source: NDArray[Any], found: Starved) -> NDArray[Any]:
    """Return *array* with the starved channels of *source*."""
    out = array.copy()
    index: list[Any] = [slice(None)] * out.ndim
    index[found.axis] = list(found.channels)
    out[tuple(index)] = source[tuple(index)]
    return out
