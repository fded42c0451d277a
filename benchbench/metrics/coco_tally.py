"""COCO average precision and recall from stored matches, over any weights of the images.

Detections are matched once per image, exactly as pycocotools does; what came of it is kept as bits.
Average precision over weighted images is then one pass over the detections in order of score, each
counted as often as its image. With weights of one the values are pycocotools'; with others they are
those of the images repeated, copies side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_arrangement import Arranged, arrange, cells, ordered
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.types import Tally

if TYPE_CHECKING:
    from benchbench.metrics.coco_kernels import Cells, Ranking

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""0.50, 0.55, … 0.95, as pycocotools forms them; bit *t* of a mask belongs to the *t*-th."""
AREAS: Mapping[str, tuple[float, float]] = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
}
"""Square pixels, bounds included."""
_ALL = tuple(range(len(IOU_THRESHOLDS)))
_AT_50, _AT_75 = (0,), (5,)
Overlap = Callable[["Cells"], NDArray[np.float64]]
_Flags = NDArray[np.bool_]
_Bits = NDArray[np.uint16]


def tally(
    image_ids: NDArray[np.int64],
    classes: Sequence[str],
    truth: Truth,
    found: Found,
    *,
    max_detections: tuple[int, int, int] = (1, 10, 100),
    overlap: Overlap | None = None,
) -> Tally:
    """Match *found* with *truth* and keep what came of it.

    *image_ids* in the split's order; where scores tie, images count by ascending id, as the
    reference walks them. *overlap* returns the IoUs of each cell, detection by detection, instead
    of the boxes' (masks, oriented boxes).

    The arrays, detections by class and falling score: ``found_image`` and ``found_class``
    (positions), ``found_rank`` (within image and class, from 0), ``found_score``, ``found_match``
    and ``found_ignore`` (area, D) with a bit for each IoU threshold; of the ground truth, by
    class: ``truth_image``, ``truth_class``, ``truth_ignore`` (area, M); and ``max_detections``.
    """
    place = np.argsort(np.argsort(image_ids))
    arranged = arrange(place[found.image], found, len(classes), max_detections[-1])
    pairs = cells(arranged, place[truth.image], truth, len(classes))
    ious = overlap(pairs) if overlap else _box_overlaps(pairs, truth, found)
    ignored = _ignored(truth)
    outside = _found_outside(truth, found, arranged.order)
    bits = _match(pairs, ious, (ignored, truth.crowd), arranged.column, outside)
    arrays = _found_columns(arranged, found, bits) | _truth_columns(place, truth, ignored)
    limits = np.array(max_detections, dtype=np.int64)
    return Tally(np.asarray(image_ids), tuple(classes), arrays | {"max_detections": limits})


def _ignored(truth: Truth) -> _Flags:
    """Return (A, M): whether an object is ignored in an area range."""
    ignored = _outside(truth.area) | truth.crowd
    return ignored if truth.ignored is None else ignored | truth.ignored


def _found_outside(truth: Truth, found: Found, rows: NDArray[np.int64]) -> _Flags:
    """Return (A, D): whether a detection is ignored in an area range unless it is matched."""
    areas = found.boxes[:, 2] * found.boxes[:, 3] if found.area is None else found.area
    areas = areas[rows]
    outside = _outside(areas)
    if truth.area_range is not None:
        outside |= (areas < truth.area_range[0]) | (areas > truth.area_range[1])
    return outside


def _outside(areas: NDArray[np.float64]) -> _Flags:
    low, high = np.array(list(AREAS.values())).T[:, :, None]
    return np.asarray((areas < low) | (areas > high))


def _box_overlaps(cells: Cells, truth: Truth, found: Found) -> NDArray[np.float64]:
    from benchbench.metrics import coco_matching

    mine, theirs = (np.ascontiguousarray(one.boxes, dtype=np.float64) for one in (found, truth))
    out = np.zeros(cells.pair_start[-1])
    coco_matching.box_overlaps(cells, mine, theirs, truth.crowd, out)
    return out


def _match(
    cells: Cells,
    ious: NDArray[np.float64],
    truth: tuple[_Flags, _Flags],
    column: NDArray[np.int64],
    outside: _Flags,
) -> tuple[_Bits, _Bits]:
    """Return (A, D) bits of the thresholds at which detections are matched, and ignored.

    *truth*: objects that are ignored in each area range, and crowds. *column*: where the bits of
    each detection of the cells go; *outside*: as those, where it is ignored unless it is matched.
    """
    from benchbench.metrics import coco_matching

    every = (1 << len(IOU_THRESHOLDS)) - 1
    ignored, crowd = truth
    counted = np.ascontiguousarray(ignored[:, cells.truth_row])
    objects = coco_matching.Objects(
        counted, crowd[cells.truth_row], np.full(counted.shape, every, np.int64)
    )
    most = int((cells.truth_stop - cells.truth_start).max(initial=0))
    room = coco_matching.Candidates(
        np.empty(most, np.int64), np.empty(most), np.empty(most, np.int64)
    )
    bits = outside * np.uint16(every)
    out = coco_matching.Outcome(column, np.zeros_like(bits), bits)
    coco_matching.match(cells, ious, objects, IOU_THRESHOLDS, room, out)
    return out.matched, out.ignored


def _found_columns(arranged: Arranged, found: Found, bits: tuple[_Bits, _Bits]) -> dict[str, Any]:
    rows = arranged.order
    rank = np.empty(len(rows), np.int32)
    rank[arranged.column] = arranged.rank
    return {
        "found_image": found.image[rows].astype(np.int32),
        "found_class": found.category[rows].astype(np.int32),
        "found_rank": rank,
        "found_score": found.scores[rows].astype(np.float64),
        "found_match": bits[0],
        "found_ignore": bits[1],
    }


def _truth_columns(place: NDArray[np.int64], truth: Truth, ignored: _Flags) -> dict[str, Any]:
    rows = ordered(truth.category, place[truth.image])
    return {
        "truth_image": truth.image[rows].astype(np.int32),
        "truth_class": truth.category[rows].astype(np.int32),
        "truth_ignore": np.ascontiguousarray(ignored[:, rows]),
    }


@dataclass(frozen=True, slots=True)
class _Precision:
    """A metric that is average precision, over one area range and some thresholds."""

    area: int
    thresholds: tuple[int, ...] = _ALL


@dataclass(frozen=True, slots=True)
class _Recall:
    """A metric that is average recall, over one area range with a limit of detections."""

    area: int
    limit: int


def _metrics(limits: Sequence[int]) -> dict[str, _Precision | _Recall]:
    """Return what each of the 12 numbers is, in pycocotools' order."""
    sizes = list(enumerate(AREAS))[1:]
    return {
        "map": _Precision(0),
        "map_50": _Precision(0, _AT_50),
        "map_75": _Precision(0, _AT_75),
        **{f"map_{area}": _Precision(a) for a, area in sizes},
        **{f"mar_{limit}": _Recall(0, limit) for limit in limits},
        **{f"mar_{area}": _Recall(a, limits[-1]) for a, area in sizes},
    }


def estimates(
    tally: Tally, weights: NDArray[np.int64], metrics: Collection[str] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return (B,) values of the 12 COCO numbers, or of *metrics* alone, for (B, N) *weights*.

    NaN where no image with weight has an object of that area but crowds. ``map`` alone takes about
    a third of the time of all; a KeyError names an unknown metric.
    """
    specs = _metrics(tally.arrays["max_detections"].tolist())
    wanted = {name: specs[name] for name in (specs if metrics is None else metrics)}
    out: dict[str, NDArray[np.float64]] = {}
    for area in sorted({spec.area for spec in wanted.values()}):
        own = {name: spec for name, spec in wanted.items() if spec.area == area}
        classwise = _by_class(tally, weights, area, own)
        out |= {name: _mean_defined(values) for name, values in classwise.items()}
    return {name: out[name] for name in wanted}


def class_estimates(
    tally: Tally, weights: NDArray[np.int64], metrics: Collection[str] = ("map", "map_50")
) -> dict[str, NDArray[np.float64]]:
    """Return (B, K) average precision of each class, NaN where it has no object but crowds."""
    specs = {"map": _Precision(0), "map_50": _Precision(0, _AT_50)}
    return _by_class(tally, weights, 0, {name: specs[name] for name in metrics})


def _mean_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B,) means over the classes that are defined, NaN where none is."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    sums = np.where(defined, values, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _by_class(
    tally: Tally,
    weights: NDArray[np.int64],
    area: int,
    specs: Mapping[str, _Precision | _Recall],
) -> dict[str, NDArray[np.float64]]:
    """Return (B, K) values of metrics of one area range."""
    from benchbench.metrics import coco_kernels

    _check(tally, weights)
    parts = [
        _precision_part(tally, area, {n: s for n, s in specs.items() if isinstance(s, _Precision)}),
        _recall_part(tally, area, {n: s for n, s in specs.items() if isinstance(s, _Recall)}),
    ]
    objects = _objects(tally, area)
    out = {name: np.full((len(weights), len(tally.classes)), np.nan) for name in specs}
    for first, block in _blocks(weights):
        positives = coco_kernels.class_sums(block, *objects)
        for name, values in (pair for part in parts for pair in part(block, positives)):
            used = out[name][first : first + coco_kernels.LANES]
            used[:] = np.where(positives > 0, values, np.nan).T[: len(used)]
    return out


_Part = Callable[[NDArray[np.int32], NDArray[np.int64]], Iterator[tuple[str, NDArray[np.float64]]]]
"""From a block of weights and the objects to find, names and (K, LANES) values."""


def _precision_part(tally: Tally, area: int, specs: Mapping[str, _Precision]) -> _Part:
    from benchbench.metrics import coco_kernels

    thresholds = sorted({t for spec in specs.values() for t in spec.thresholds})
    ranking = _ranking(tally, area, thresholds) if specs else None
    columns = {n: [thresholds.index(t) for t in spec.thresholds] for n, spec in specs.items()}

    def part(
        block: NDArray[np.int32], positives: NDArray[np.int64]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        if ranking is not None:
            average = coco_kernels.average_precision(block, ranking, positives)
            yield from ((name, average[:, own].mean(axis=1)) for name, own in columns.items())

    return part


def _recall_part(tally: Tally, area: int, specs: Mapping[str, _Recall]) -> _Part:
    from benchbench.metrics import coco_kernels

    hits = {name: _hits(tally, area, spec.limit) for name, spec in specs.items()}

    def part(
        block: NDArray[np.int32], positives: NDArray[np.int64]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        for name, own in hits.items():
            sums = coco_kernels.class_sums(block, *own)
            yield name, sums / (len(_ALL) * np.maximum(positives, 1))

    return part


def _check(tally: Tally, weights: NDArray[np.int64]) -> None:
    images = len(tally.image_ids)
    if weights.ndim != 2 or weights.shape[1] != images or weights.dtype.kind not in "iu":
        raise ValueError(
            f"weights are {weights.dtype} {weights.shape}; integers (B, {images}) are needed"
        )
    rows = max(len(tally.arrays["found_image"]), len(tally.arrays["truth_image"]), 1)
    if weights.size and (weights.min() < 0 or int(weights.max()) * rows >= 2**31):
        raise ValueError(f"weights must lie in 0..{2**31 // rows - 1}, where counts fit 32 bits")


def _blocks(weights: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Yield the first replicate and (N, LANES) weights of each block, the last filled with 0."""
    from benchbench.metrics.coco_kernels import LANES

    for first in range(0, len(weights), LANES):
        part = weights[first : first + LANES]
        block = np.zeros((weights.shape[1], LANES), np.int32)
        block[:, : len(part)] = part.T
        yield first, block


_Rows = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


def _starts(classes: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    return np.searchsorted(classes, np.arange(count + 1)).astype(np.int64)


def _objects(tally: Tally, area: int) -> _Rows:
    """Return image and value 1 of each object that counts, and where its class begins."""
    rows = np.flatnonzero(~tally.arrays["truth_ignore"][area])
    start = _starts(tally.arrays["truth_class"][rows], len(tally.classes))
    return tally.arrays["truth_image"][rows], np.ones(len(rows), np.int64), start


def _hits(tally: Tally, area: int, limit: int) -> _Rows:
    """Return image and number of thresholds of each true positive among the best *limit*."""
    bits = tally.arrays["found_match"][area] & ~tally.arrays["found_ignore"][area]
    bits[tally.arrays["found_rank"] >= limit] = 0
    rows = np.flatnonzero(bits)
    value = ((bits[rows, None] >> np.arange(len(_ALL), dtype=np.uint16)) & 1).sum(axis=1)
    start = _starts(tally.arrays["found_class"][rows], len(tally.classes))
    return tally.arrays["found_image"][rows], value.astype(np.int64), start


def _ranking(tally: Tally, area: int, thresholds: Sequence[int]) -> Ranking:
    """Return the detections that count at any of *thresholds*, and their events."""
    from benchbench.metrics.coco_kernels import Ranking

    asked = np.uint16(sum(1 << t for t in thresholds))
    ignore = tally.arrays["found_ignore"][area] & asked
    rows = np.flatnonzero(ignore != asked)
    ignore = ignore[rows]
    hit = tally.arrays["found_match"][area][rows] & asked & ~ignore
    start = _starts(tally.arrays["found_class"][rows], len(tally.classes))
    points = np.flatnonzero(hit | ignore)
    point_start = np.searchsorted(points, start)
    hit, ignore = hit[points], ignore[points]
    event_point = [np.flatnonzero((hit | ignore) & np.uint16(1 << t)) for t in thresholds]
    event_hit = [
        (hit[own] & np.uint16(1 << t)) != 0 for t, own in zip(thresholds, event_point, strict=True)
    ]
    offset = np.cumsum([0, *(len(own) for own in event_point)])[:-1]
    first = [np.searchsorted(own, point_start) for own in event_point]
    return Ranking(
        tally.arrays["found_image"][rows],
        start,
        points,
        point_start.astype(np.int64),
        np.concatenate([*event_point, np.zeros(0, np.int64)]),
        np.concatenate([*event_hit, np.zeros(0, np.bool_)]),
        (np.array(first, np.int64).reshape(len(thresholds), -1) + offset[:, None]).astype(np.int64),
    )
