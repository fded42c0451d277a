"""The segments of one image, true and predicted, and by how many pixels each pair overlaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.masks import rle_runs
from benchbench.truth import segmentation_rle
from benchbench.types import Annotation, Image, PanopticMap

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
_DENSE_CELLS = 1 << 22
"""Pairs of segments up to which a table of all of them is counted; beyond, pixels are sorted."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The true segments of one image; row 0 is void, so that a segment's number is its row."""

    map: NDArray[np.int32]
    """(W · H,): number of each pixel's segment, column by column; 0 is void."""
    classes: Ints
    """(T + 1,): position of each segment's class; -1 for void."""
    crowd: Flags
    """(T + 1,)."""
    ignored: Flags
    """(T + 1,): costs nothing, whether it is found or not."""
    covered_px: int
    """Pixels that more than one segment claims."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pixels that a true and a predicted segment share, for pairs that share any, (E,) each."""

    truth: Ints
    predicted: Ints
    pixels: Ints


def true_segments(
    annotations: Sequence[Annotation], image: Image, index: Mapping[int, int], void: frozenset[int]
) -> Truth:
    """Return the segments that the *annotations* of *image* are.

    *index* gives the position of each category, *void* those categories of which the segments count
    neither way. Where segments overlap, as objects of an instance file do, crowds lie
    lowest and then the largest, so that small objects stay visible. Raises
    :class:`~benchbench.errors.DatasetError` for a segmentation that cannot be drawn.
    """
    size = image.height, image.width
    pixels = [_pixels(rle_runs(segmentation_rle(a, *size), *size)) for a in annotations]
    claimed = sum(map(len, pixels))
    painted = np.zeros(size[0] * size[1], np.int32)
    order = sorted(range(len(pixels)), key=lambda i: (not annotations[i].iscrowd, -len(pixels[i])))
    for i in order:
        painted[pixels[i]] = i + 1
    return Truth(
        map=painted,
        classes=np.array([-1, *(index[a.category_id] for a in annotations)], np.int64),
        crowd=np.array([False, *(a.iscrowd for a in annotations)], np.bool_),
        ignored=np.array(
            [False, *(a.ignored or a.category_id in void for a in annotations)], np.bool_
        ),
        covered_px=claimed - int(np.count_nonzero(painted)),
    )


def _pixels(runs: NDArray[np.uint32]) -> Ints:
    """Return the places of the ones of *runs*, column by column."""
    ends = np.cumsum(runs, dtype=np.int64)
    lengths = runs[1::2].astype(np.int64)
    starts = ends[: 2 * len(lengths) : 2]
    before = np.cumsum(lengths) - lengths
    places: Ints = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return places


def predicted_classes(prediction: PanopticMap, image: Image, index: Mapping[int, int]) -> Ints:
    """Return (P + 1,) positions of the predicted segments' classes, -1 for none.

    Raises :class:`~benchbench.errors.PredictionError` naming *image* if the map is not of its size,
    a number has no label, a label no pixel, or a label is no category of the dataset.
    """
    found, labels = prediction.segments, np.asarray(prediction.labels)
    if found.shape != (image.height, image.width):
        shown = " × ".join(map(str, found.shape))
        raise _fault(
            image, f"the map is {shown} pixels, the image {image.height} × {image.width} (h × w)"
        )
    unknown = [int(label) for label in labels if int(label) not in index]
    if unknown:
        raise _fault(image, f"the category {unknown[0]} is not in the dataset")
    highest = int(found.max(initial=0))
    if highest > len(labels) or int(found.min(initial=0)) < 0:
        raise _fault(image, f"a pixel is of segment {highest}, but there are {len(labels)} labels")
    return np.array([-1, *(index[int(label)] for label in labels)], np.int64)


def overlaps(truth: Truth, prediction: PanopticMap, image: Image) -> Overlaps:
    """Return the overlaps; raise PredictionError if a predicted segment has no pixel."""
    width = len(prediction.labels) + 1
    keys = prediction.segments.T.ravel() + truth.map.astype(np.int64) * width
    values, counts = _counted(keys, len(truth.classes) * width)
    pairs = Overlaps(values // width, values % width, counts)
    empty = np.setdiff1d(np.arange(1, width), pairs.predicted)
    if empty.size:
        raise _fault(image, f"segment {int(empty[0])} has a label, but no pixel")
    return pairs


def _counted(keys: Ints, cells: int) -> tuple[Ints, Ints]:
    if cells > max(_DENSE_CELLS, keys.size):
        values, counts = np.unique(keys, return_counts=True)
        return values, counts.astype(np.int64)
    table = np.bincount(keys, minlength=1)
    values = np.flatnonzero(table)
    return values, table[values]


def fused(
    pairs: Overlaps, truth: Truth, predicted: Ints, stuff: Flags
) -> tuple[Overlaps, Truth, Ints]:
    """Return the same with the segments of each class of *stuff* (K,) made one.

    True segments are united with those that are crowd and ignored alike. ``map`` stays as it is.
    """
    width = len(stuff)
    kinds = (2 * truth.crowd + truth.ignored) * width + truth.classes
    rows, old_rows = _united(kinds, truth.classes, stuff)
    columns, old_columns = _united(predicted, predicted, stuff)
    values, places = np.unique(
        rows[pairs.truth] * len(old_columns) + columns[pairs.predicted], return_inverse=True
    )
    pixels = np.bincount(places, pairs.pixels, len(values)).astype(np.int64)
    parts: dict[str, Any] = {
        name: getattr(truth, name)[old_rows] for name in ("classes", "crowd", "ignored")
    }
    return (
        Overlaps(values // len(old_columns), values % len(old_columns), pixels),
        Truth(map=truth.map, covered_px=truth.covered_px, **parts),
        predicted[old_columns],
    )


def _united(kinds: Ints, classes: Ints, stuff: Flags) -> tuple[Ints, Ints]:
    """Return the new number of each segment, and the first old number of each new one."""
    # A segment that stays apart is a kind of its own.
    alone = ~np.append(stuff, False)[classes]
    own = np.where(alone, -1 - np.arange(len(kinds)), kinds)
    _, first, places = np.unique(own, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[places], np.sort(first)


def _fault(image: Image, what: str) -> PredictionError:
    return PredictionError(
        f"image {image.id}: {what}",
        hint="segments are numbered from 1, each with one label and some pixels; 0 is none",
    )
