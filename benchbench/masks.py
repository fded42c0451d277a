"""Masks of objects as run lengths: the columns of ``Instances``, COCO's RLE, and dense arrays.

Runs are COCO's: column by column, zeros first, so that runs 1, 3, 5, … (from 0) are the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.types import Instances

Runs = NDArray[np.uint32]
_DIGIT_BITS = 5
_MAX_DIGITS = 7
"""Characters of the longest number: 32 bits and a sign."""


def mask_runs(mask: NDArray[np.bool_]) -> Runs:
    """Return the runs of a (H, W) boolean *mask*."""
    return window_runs(mask, (0, 0), mask.shape)


def window_runs(window: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, ...]) -> Runs:
    """Return the runs of a mask of *size* (H, W) that is zero but for *window* at *corner*.

    *window* (h, w) must lie inside; *corner* is its (top, left). Costs the window, not the image.
    """
    top, left = corner
    height, width = size
    step = window.shape[0] + 1
    # Columns one after the other, a zero before each and one at the end.
    flat = np.zeros(window.shape[1] * step + 1, np.bool_)
    flat[:-1].reshape(-1, step)[:, 1:] = window.T
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    starts, lasts = (
        (places // step + left) * height + (places % step + top - 1)
        for places in (changes[::2] + 1, changes[1::2])
    )
    return _runs_between(starts, lasts + 1, height * width)


def _runs_between(starts: NDArray[np.int64], ends: NDArray[np.int64], pixels: int) -> Runs:
    # A column that ends at the lower border goes on at the top of the next.
    apart = starts[1:] != ends[:-1]
    if not apart.all():
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    edges = np.zeros(2 * len(starts) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = starts, ends, pixels
    runs = (edges[1:] - edges[:-1]).astype(np.uint32)
    return runs if runs[-1] else runs[:-1]


def dense_mask(runs: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Return the (height, width) boolean mask of *runs*, which must sum to its pixels."""
    values = np.arange(len(runs)) % 2 == 1
    dense: NDArray[np.bool_] = np.repeat(values, runs).reshape(width, height).T
    return dense


def runs_by_mask(lengths: NDArray[Any], runs: NDArray[Any]) -> list[NDArray[Any]]:
    """Return a view of each mask's own runs."""
    return list(np.split(runs, np.cumsum(lengths)[:-1])) if len(lengths) else []


def totals_px(lengths: NDArray[Any], runs: NDArray[Any]) -> NDArray[np.int64]:
    """Return (N,) pixels, zeros and ones, that the runs of each mask cover (at least one each)."""
    if not len(lengths):
        return np.zeros(0, np.int64)
    totals: NDArray[np.int64] = np.add.reduceat(runs, _starts(lengths), dtype=np.int64)
    return totals


def _starts(lengths: NDArray[Any]) -> NDArray[np.int64]:
    starts: NDArray[np.int64] = np.cumsum(lengths, dtype=np.int64) - lengths
    return starts


def instances(
    boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[Any], runs: Sequence[NDArray[Any]]
) -> Instances:
    """Return the columns of objects with the *runs* of each.

    *boxes* (N, 4) are x, y, width, height in pixels of the image, *labels* category ids.
    """
    return Instances(
        boxes=np.asarray(boxes, np.float64).reshape(-1, 4),
        scores=np.asarray(scores, np.float64),
        labels=np.asarray(labels, np.int64),
        lengths=np.array([len(one) for one in runs], np.int64),
        runs=np.concatenate([np.zeros(0, np.uint32), *runs]).astype(np.uint32),
    )


def chosen(found: Instances, rows: NDArray[Any]) -> Instances:
    """Return the objects of *rows*: indices, or (N,) booleans."""
    wanted = np.arange(len(found.scores))[rows]
    parts = runs_by_mask(found.lengths, found.runs)
    return instances(
        found.boxes[wanted],
        found.scores[wanted],
        found.labels[wanted],
        [parts[row] for row in wanted],
    )


def mask_overlaps(one: Instances, other: Instances) -> NDArray[np.float64]:
    """Return the (N, M) intersections over union of the masks of two predictions of an image."""
    from hotcoco import mask

    if not (len(one.scores) and len(other.scores)):
        return np.zeros((len(one.scores), len(other.scores)))
    # Overlaps do not depend on how the pixels are folded into columns.
    pixels = int(one.runs[: one.lengths[0]].sum(dtype=np.int64))
    mine, theirs = rles(one, pixels, 1), rles(other, pixels, 1)
    return np.asarray(mask.iou(mine, theirs, [False] * len(theirs)), np.float64)


def mask_boxes(found: Instances, height: int, width: int) -> NDArray[np.float64]:
    """Return (N, 4) x, y, width, height of the smallest box around each mask, zeros if empty."""
    from hotcoco import mask

    coded = rles(found, height, width)
    return np.asarray(mask.to_bbox(coded), np.float64) if coded else np.zeros((0, 4))


# --- COCO's compressed text --------------------------------------------------------------


def coded_counts(lengths: NDArray[Any], runs: NDArray[Any]) -> list[bytes]:
    """Return the ``counts`` of COCO's compressed RLE of each mask (``rleToString``).

    Each run from the fourth on is written as its difference to the last but one, five bits a
    character, the least first; bit 6 says that the number goes on.
    """
    if not len(lengths):
        return []
    starts = _starts(lengths)
    values = runs.astype(np.int64)
    values[2:] -= values[:-2].copy()
    first = (starts[:, None] + np.arange(3))[np.arange(3) < np.asarray(lengths)[:, None]]
    values[first] = runs[first]
    text, ends = _characters(values)
    stops = ends[starts + lengths - 1].tolist()
    return [text[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=True)]


def _characters(values: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
    """Return the text of all *values* and where each ends in it."""
    digits = _digits(values)
    ends = np.cumsum(digits, dtype=np.int64)
    starts = ends - digits
    found = np.empty(ends[-1], np.uint8)
    found[starts] = (values & 31) + 48 + ((digits > 1) << _DIGIT_BITS)
    for place in range(1, int(digits.max())):
        on = np.flatnonzero(digits > place)
        more = (digits[on] > place + 1) << _DIGIT_BITS
        found[starts[on] + place] = (values[on] >> _DIGIT_BITS * place & 31) + 48 + more
    return found.tobytes(), ends


def _digits(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return how many groups of five bits each value and its sign need."""
    magnitude = values ^ (values >> 63)
    digits = np.ones(len(values), np.int8)
    for count in range(1, _MAX_DIGITS):
        more = magnitude >= 1 << (_DIGIT_BITS * count - 1)
        if not more.any():
            break
        digits += more
    return digits


def rles(found: Instances, height: int, width: int) -> list[dict[str, Any]]:
    """Return each mask as COCO's compressed RLE: ``{"size": [height, width], "counts": bytes}``."""
    size = [height, width]
    return [{"size": size, "counts": text} for text in coded_counts(found.lengths, found.runs)]


def rle_runs(rle: Mapping[str, Any], height: int, width: int) -> Runs:
    """Return the runs of a COCO *rle*, compressed or not, of an image of this size.

    Raises :class:`~benchbench.errors.PredictionError` if its size is another, its counts are
    malformed or do not cover the image exactly.
    """
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list | tuple) or tuple(size) != (height, width):
        raise _fault(f"the size of the RLE is {size}, the image's [{height}, {width}]")
    if isinstance(counts, str | bytes):
        counts = _decoded(counts.encode() if isinstance(counts, str) else counts)
    runs = _whole(counts)
    if runs is None or not runs.size:
        raise _fault("the counts are neither whole numbers nor COCO's compressed text")
    total = sum(runs.tolist())
    if runs.min() < 0 or total != height * width:
        raise _fault(f"the run lengths cover {total} pixels, the image has {height * width}")
    return runs.astype(np.uint32)


def _whole(counts: Any) -> NDArray[Any] | None:
    try:
        found = np.asarray(counts)
    except ValueError:  # rows of unequal length
        return None
    return found if found.ndim == 1 and found.dtype.kind in "iu" else None


def _decoded(text: bytes) -> NDArray[np.int64] | None:
    """Return the runs that COCO's compressed *text* stands for, None if it is malformed."""
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(digits < 32)
    if not len(ends) or ends[-1] != len(digits) - 1 or digits.min() < 0 or digits.max() > 63:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_DIGITS:
        return None
    shifts = _DIGIT_BITS * (np.arange(len(digits)) - np.repeat(starts, lengths))
    values = np.add.reduceat((digits & 31) << shifts, starts)
    values -= np.where(digits[ends] & 16, np.int64(1) << _DIGIT_BITS * lengths, 0)
    for offset in (1, 2):
        values[offset::2] = np.cumsum(values[offset::2])
    return values


def _fault(what: str) -> PredictionError:
    return PredictionError(what, hint="write the mask as COCO's RLE over the whole image")
