"""From a label map to COCO's run lengths: one mask a value, without a dense mask of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Region:
    """All pixels of one value of a label map."""

    value: int
    segmentation: dict[str, Any]
    """COCO's compressed run lengths: ``size`` and ``counts`` as text."""
    bbox: list[int]
    """x, y, width, height in pixels."""
    area: int
    """Pixels."""


def regions(labels: NDArray[np.integer]) -> Iterator[Region]:
    """Yield the region of each value in *labels* (H, W), by ascending value.

    The map is read once, column by column as COCO's run lengths go; what follows works on its
    runs.
    """
    height, width = labels.shape
    flat = labels.ravel(order="F")
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ends = np.concatenate((starts[1:], [flat.size]))
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    breaks = np.flatnonzero(np.diff(values[order])) + 1
    for chosen in np.split(order, breaks):
        yield _region(int(values[chosen[0]]), starts[chosen], ends[chosen], height, width)


def _region(
    value: int, starts: NDArray[np.intp], ends: NDArray[np.intp], height: int, width: int
) -> Region:
    edges = np.stack((starts, ends), 1).ravel()
    counts = np.diff(edges, prepend=0, append=height * width)
    runs = counts[:-1] if not counts[-1] else counts
    columns = int(starts[0]) // height, int(ends[-1] - 1) // height
    # A run over the end of a column fills rows down to the last and from the first.
    over = (starts // height != (ends - 1) // height).any()
    top = 0 if over else int((starts % height).min())
    bottom = height - 1 if over else int(((ends - 1) % height).max())
    return Region(
        value,
        {"size": [height, width], "counts": compressed(runs)},
        [columns[0], top, columns[1] - columns[0] + 1, bottom - top + 1],
        int((ends - starts).sum()),
    )


def compressed(runs: NDArray[np.intp]) -> str:
    """Return COCO's compressed text of run *lengths* (``rleToString`` of pycocotools).

    From the fourth number on each is the difference to the last but one; a number goes in groups
    of five bits, the least first, and bit 6 says that it goes on.
    """
    values = runs.astype(np.int64)
    values[3:] -= runs[1:-2]
    groups = []
    more = np.ones(len(values), np.bool_)
    while more.any():
        low = values & 31
        values = values >> 5
        ended = ((values == 0) & (low < 16)) | ((values == -1) & (low >= 16))
        groups.append(np.where(more, low + 48 + np.where(ended, 0, 32), 0))
        more &= ~ended
    text = np.stack(groups, 1).ravel()
    return text[text > 0].astype(np.uint8).tobytes().decode("ascii")


def indexed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (H, W) of R × 65536 + G × 256 + B for an (H, W, 3) RGB map."""
    found: NDArray[np.int64] = colours.astype(np.int64) @ np.array([65536, 256, 1])
    return found
