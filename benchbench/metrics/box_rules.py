"""Average precision of boxes by rules that can be set one by one, to follow other tools'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics import box_matching, box_precision
from benchbench.metrics.box_matching import Arithmetic, Matching, Side
from benchbench.metrics.box_precision import Interpolation
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_numbers import class_names
from benchbench.metrics.detection_table import detected_columns, truth_columns
from benchbench.metrics.pairing import pair
from benchbench.types import DatasetSplit, Detections, Prediction, Record, TaskName

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

COCO: Mapping[str, Any] = {
    "crowds": "ignored",
    "empty_boxes": "kept",
    "duplicate_boxes": "kept",
    "score_floor": None,
    "max_per_class": 100,
    "max_per_image": None,
    "arithmetic": "double",
    "matching": "by-score",
    "interpolation": "step",
}
"""The rules of ``coco-boxes``: with these, ``map`` is COCO's."""

_CROWDS = {
    "ignored": "ignored: a detection on one counts neither way, IoU over its own area",
    "ignored-iou": "ignored: a detection on one counts neither way, by ordinary IoU",
    "dropped": "left out of the truth: a detection on one is false",
}
_MATCHING = {
    "by-score": "by falling score, each the free object of greatest IoU",
    "by-score-first-free": "by falling score, each the free object of greatest IoU; the object of"
    " an image and class's best detection stays free for one more",
    "best-object": "each its object of greatest IoU or none; the best score gets it",
}
_INTERPOLATION = {
    "step": "precision envelope at 101 recalls, mean",
    "linear": "precision envelope drawn to 0 at recall 1, linear at 101 recalls, trapezoids",
    "linear-cut": "precision envelope, 0 beyond the last recall, linear at 101 recalls, trapezoids",
}
_ARITHMETIC = {
    "double": "IoU in 64 bits",
    "rounded": "IoU rounded to 32 bits",
    "single": "boxes, IoU (1e-7 added to the union) and its thresholds in 32 bits",
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """The detections that count, by class and falling score, and what they found."""

    names: tuple[str, ...]
    """(K,): the classes."""
    start: NDArray[np.int64]
    """(K + 1,): where each class begins among the detections."""
    scores: Floats
    """(D,)."""
    hit: Flags
    """(T, D): found an object, at each IoU threshold."""
    ignored: Flags
    """(T, D): on an ignored object: counts neither way."""
    objects: NDArray[np.int64]
    """(K,): objects to be found."""

    def of(self, row: int) -> slice:
        """Return the detections of one class."""
        return slice(int(self.start[row]), int(self.start[row + 1]))


class BoxRules(Record):
    """Which boxes count, how they are matched, and how precision becomes one number."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "detection"

    crowds: Literal["ignored", "ignored-iou", "dropped"] = "ignored"
    """Detections on crowds count neither way, by COCO's overlap or by IoU; or crowds are no truth,
    and what lies on them is false."""
    empty_boxes: Literal["kept", "dropped"] = "kept"
    """Truth boxes without width or height."""
    duplicate_boxes: Literal["kept", "dropped"] = "kept"
    """Truth boxes that an image has twice with one class."""
    score_floor: float | None = None
    """Only scores above this count; None: all."""
    max_per_class: int | None = Field(default=None, gt=0)
    """Best detections of an image and class that count; None: all."""
    max_per_image: int | None = Field(default=None, gt=0)
    """Best detections of an image, whatever their class, that count; None: all."""
    arithmetic: Arithmetic = "double"
    """IoU in 64 bits, rounded to 32, or computed in 32."""
    matching: Matching = "by-score"
    """Who gets an object that several detections overlap."""
    interpolation: Interpolation = "step"
    """How precision between two recalls is read."""

    def as_ours(self, ours: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the options that follow *ours*, a metric with its options; None if none do."""
        if ours["kind"] != "coco-boxes":
            return None
        return {**COCO, "max_per_class": ours["max_detections"][-1]}

    def ranked(self, truth: DatasetSplit, predictions: Mapping[int, Prediction]) -> Ranked:
        """Return what each detection that counts found; raises what ``CocoBoxes.score`` raises."""
        found = self._kept(detected_columns(truth, pair(truth, predictions, Detections)), truth)
        known = self._truth(truth_columns(truth))
        crowd_area = self.crowds == "ignored"
        every = box_matching.near(found, known, self.arithmetic, crowd_area=crowd_area)
        side = Side(box_matching.ranks(found, known.categories), known.crowd, known.crowd)
        limits = np.minimum(box_matching.thresholds(self.arithmetic), 1 - 1e-10)
        taken = [
            box_matching.assign(every.where(every.iou >= t), side, self.matching) for t in limits
        ]
        order = np.lexsort((-found.scores, found.category))
        rows = np.stack(taken)[:, order]
        on_ignored = (rows >= 0) & np.append(known.crowd, False)[rows]
        return Ranked(
            tuple(class_names(truth)),
            np.searchsorted(found.category[order], np.arange(known.categories + 1)),
            found.scores[order],
            (rows >= 0) & ~on_ignored,
            on_ignored,
            np.bincount(known.category[~known.crowd], minlength=known.categories).astype(np.int64),
        )

    def _kept(self, found: Found, truth: DatasetSplit) -> Found:
        if self.score_floor is not None:
            found = _rows(found, found.scores > self.score_floor)
        if self.max_per_class is not None:
            ranks = box_matching.ranks(found, len(truth.categories))
            found = _rows(found, ranks < self.max_per_class)
        if self.max_per_image is not None:
            found = _rows(found, box_matching.image_ranks(found) < self.max_per_image)
        return found

    def _truth(self, known: Truth) -> Truth:
        kept = np.ones(len(known.image), np.bool_)
        if self.crowds == "dropped":
            kept &= ~known.crowd
        if self.empty_boxes == "dropped":
            kept &= (known.boxes[:, 2:] > 0).all(axis=1)
        if self.duplicate_boxes == "dropped":
            kept &= _unique(known, kept)
        return _rows(known, kept)

    def average_precision(self, ranked: Ranked) -> Floats:
        """Return (K, T) average precision, NaN for a class without objects."""
        area = box_precision.AREAS[self.interpolation]
        values = np.full((len(ranked.names), len(ranked.hit)), np.nan)
        for row in np.flatnonzero(ranked.objects):
            for level, (hit, ignored) in enumerate(_columns(ranked, int(row))):
                values[row, level] = area(hit[~ignored], int(ranked.objects[row]))
        return values

    def convention(self) -> dict[str, str]:
        """Return the protocol's lines: the rules in force."""
        most = {"class": self.max_per_class, "image": self.max_per_image}
        limits = [
            f"{n} an image{' and class' if k == 'class' else ''}" for k, n in most.items() if n
        ]
        return {
            "iou": f"map: mean over IoU 0.50:0.05:0.95; {_ARITHMETIC[self.arithmetic]}",
            "matching": _MATCHING[self.matching],
            "recall": _INTERPOLATION[self.interpolation],
            "mean": "over classes with an object",
            "areas": "none",
            "score_floor": "none" if self.score_floor is None else f"score > {self.score_floor:g}",
            "max_detections": ", ".join(limits) or "all",
            "crowd": _CROWDS[self.crowds],
            "zero_size": f"truth boxes without area are {self.empty_boxes}",
            "duplicates": f"equal truth boxes of one class are {self.duplicate_boxes}",
        }


_COLUMNS = ("image", "category", "boxes", "scores", "area", "crowd", "ignored")
Columns = TypeVar("Columns", Found, Truth)


def _rows(columns: Columns, chosen: Flags) -> Columns:
    """Return *columns* with the chosen rows only."""
    arrays = {name: getattr(columns, name, None) for name in _COLUMNS}
    return replace(columns, **{n: a[chosen] for n, a in arrays.items() if a is not None})


def _unique(known: Truth, kept: Flags) -> Flags:
    """Return which rows are the first of their image, class and box among *kept*."""
    table = np.column_stack([known.image, known.category, known.boxes])[kept]
    rows = np.flatnonzero(kept)[np.unique(table, axis=0, return_index=True)[1]]
    first = np.zeros(len(kept), np.bool_)
    first[rows] = True
    return first


def _columns(ranked: Ranked, row: int) -> Sequence[tuple[Flags, Flags]]:
    part = ranked.of(row)
    return list(zip(ranked.hit[:, part], ranked.ignored[:, part], strict=True))


def mean_precision(
    ranked: Ranked, values: Floats
) -> tuple[dict[str, float | None], dict[str, dict[str, float | None]], dict[str, str]]:
    """Return ``map``, ``map_50`` and ``map_75``, the first two by class, and why one is absent."""
    present = ranked.objects > 0
    columns = {"map": slice(None), "map_50": slice(0, 1), "map_75": slice(5, 6)}
    metrics = {name: _mean(values[present, part]) for name, part in columns.items()}
    per_class = {
        name: {c: _mean(values[row : row + 1, columns[name]]) for row, c in enumerate(ranked.names)}
        for name in ("map", "map_50")
    }
    why = "no ground-truth object that counts"
    reasons = {name: why for name, value in metrics.items() if value is None}
    lacking = {} if present.all() else {"per_class": "the class has no object that counts"}
    return metrics, per_class, reasons | lacking


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size and not np.isnan(values).any() else None


def box_counts(split: DatasetSplit, ranked: Ranked) -> dict[str, int]:
    """Return how much was scored."""
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "objects": int(ranked.objects.sum()),
        "crowd": sum(a.iscrowd for a in split.annotations),
        "categories": len(split.categories),
        "predictions": len(ranked.scores),
        **split.notes,
    }
