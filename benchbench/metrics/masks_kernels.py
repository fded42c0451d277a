"""The compiled loop that checks and codes masks; import this inside functions only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_kernels import compiled

_MOST_CHARACTERS = 7
"""Of a number: 32 bits and a sign, five bits each."""


class Coded(NamedTuple):
    """What one pass over the runs of N masks finds."""

    counts: list[bytes]
    """The ``counts`` of COCO's compressed RLE of each mask."""
    totals: NDArray[np.int64]
    """(N,) pixels that the runs cover, zeros and ones."""
    areas: NDArray[np.int64]
    """(N,) pixels of the mask."""


def code(lengths: NDArray[Any], runs: NDArray[np.uint32]) -> Coded:
    """Return text, pixels covered and pixels set of masks of *lengths* runs, which sum to *runs*.

    The text is that of the COCO API's ``rleToString``: each run from the fourth on as its
    difference to the last but one, five bits a character.
    """
    text = np.empty(_MOST_CHARACTERS * len(runs), np.uint8)
    ends, totals, areas = np.empty((3, len(lengths)), np.int64)
    _code(lengths.astype(np.int64), np.ascontiguousarray(runs), text, (ends, totals, areas))
    stops = ends.tolist()
    written = text[: stops[-1] if stops else 0].tobytes()
    counts = [written[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=False)]
    return Coded(counts, totals, areas)


@compiled
def _code(
    lengths: NDArray[np.int64],
    runs: NDArray[np.uint32],
    text: NDArray[np.uint8],
    found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Fill *text* and, of each mask, where it ends there, its pixels and those that are set."""
    ends, totals, areas = found
    at, written = 0, 0
    for mask in range(len(lengths)):
        totals[mask], areas[mask] = 0, 0
        for place in range(lengths[mask]):
            value = np.int64(runs[at])  # int() would stay unsigned, and differences have a sign
            totals[mask] += value
            areas[mask] += value * (place & 1)
            if place > 2:
                value -= np.int64(runs[at - 2])
            written = _write(value, text, written)
            at += 1
        ends[mask] = written


@compiled
def _write(value: np.int64, text: NDArray[np.uint8], at: int) -> int:
    """Write one number at *at*, the least five bits first; return where it ends."""
    more = True
    while more:
        bits = value & 31
        value >>= 5
        more = value != (-1 if bits & 16 else 0)
        text[at] = bits + 48 + (32 if more else 0)
        at += 1
    return at
