"""Masks of a COCO file: polygons and run lengths that are sound, before anything is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchbench.datasets.coco_file import Item, is_coordinate, shown
from benchbench.types import Image

MAX_OUTLINE_PX = 1e7
"""Longest outline of one object's polygons; rasterising takes time and memory by the pixel."""


def check_mask(item: Item, value: Any, image: Image) -> None:
    """Check the polygons or run lengths *value* of an entry against the size of its *image*."""
    if isinstance(value, dict):
        _check_runs(item, value, image)
        return
    for polygon in value:
        if type(polygon) is not list or len(polygon) < 6 or len(polygon) % 2:
            raise item.fault(
                f"a polygon is {shown(polygon)}, not a list of at least three pairs of numbers"
            )
        if not all(map(is_coordinate, polygon)):
            wrong = next(v for v in polygon if not is_coordinate(v))
            raise item.fault(f"a polygon holds {shown(wrong)}, which is not a finite number")
    outline = sum(map(_outline_px, value))
    if outline > MAX_OUTLINE_PX:
        raise item.fault(
            f"the polygons' outline is {outline:.3g} pixels long, more than {MAX_OUTLINE_PX:.0e}"
        )


def _outline_px(polygon: list[float]) -> float:
    """Return how many pixels the outline of *polygon* passes: its sides, by their longer axis."""
    points = np.array(polygon, np.float64).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _check_runs(item: Item, value: dict[str, Any], image: Image) -> None:
    size, counts = value.get("size"), value.get("counts")
    if size != [image.height, image.width]:
        raise item.fault(
            f"the run lengths are of size {shown(size)}, the image's [height, width] is"
            f" [{image.height}, {image.width}]"
        )
    if isinstance(counts, str) and counts and all("0" <= char <= "o" for char in counts):
        counts = _decoded_runs(counts, image.height * image.width)
    if not isinstance(counts, list) or not all(type(v) is int and v >= 0 for v in counts):
        raise item.fault(
            f"'counts' is {shown(counts)}, neither whole numbers nor COCO's compressed text"
        )
    if sum(counts) != image.height * image.width:
        raise item.fault(
            f"the run lengths cover {sum(counts)} pixels, the image has"
            f" {image.height * image.width}"
        )


def _decoded_runs(text: str, most: int) -> list[int] | None:
    """Return the run lengths that COCO's compressed *text* stands for; None if it is malformed.

    Five bits a character, the least first; bit 6 says that the number goes on, and from the fourth
    number on each is the difference to the last but one (``rleFrString`` of pycocotools). Numbers
    beyond *most* are malformed, so that nothing overflows.
    """
    digits = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(digits < 32)
    if not len(ends) or ends[-1] != len(digits) - 1:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 12:
        return None
    shifts = 5 * (np.arange(len(digits)) - np.repeat(starts, lengths))
    values = np.add.reduceat((digits & 31) << shifts, starts)
    values -= np.where(digits[ends] & 16, np.int64(1) << 5 * lengths, 0)
    if np.abs(values).max() > most:
        return None
    for offset in (1, 2):
        values[offset::2] = np.cumsum(values[offset::2])
    runs: list[int] = values.tolist()
    return runs
