"""What is kept of each image's matches, and panoptic quality formed from it for weighted images.

With TP, FP and FN summed over the images, of each class: PQ = sum of IoU / (TP + FP/2 + FN/2),
SQ = sum of IoU / TP, RQ = TP / (TP + FP/2 + FN/2) (Kirillov et al., Panoptic Segmentation, 2019).
Means go over the classes with any of the three. For (B, N) weights the sums are products of the
weights with (N, K) columns; counts and their halves are exact in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.panoptic_matching import Found
from benchbench.types import Tally

Values = NDArray[np.float64]
NoMatchRule = Literal["zero", "skip"]
GROUPS = ("", "_things", "_stuff")


def sparse(found: Sequence[Found]) -> dict[str, NDArray[Any]]:
    """Return what the images give to classes as columns, a row for each pair that has anything.

    ``image`` (position in the images) and ``class`` (position in the classes), then ``iou``,
    ``tp``, ``fp`` and ``fn`` as in :class:`~benchbench.metrics.panoptic_matching.Found`, (E,) each.
    """
    spots = [np.flatnonzero(one.tp + one.fp + one.fn) for one in found]

    def joined(name: str, kind: type[Any]) -> NDArray[Any]:
        parts = [getattr(one, name)[spot] for one, spot in zip(found, spots, strict=True)]
        return np.concatenate([np.zeros(0), *parts]).astype(kind)

    return {
        "image": np.repeat(np.arange(len(found), dtype=np.int32), [len(spot) for spot in spots]),
        "class": np.concatenate([np.zeros(0, np.int64), *spots]).astype(np.int32),
        "iou": joined("iou", np.float64),
        **{name: joined(name, np.int32) for name in ("tp", "fp", "fn")},
    }


def class_estimates(
    tally: Tally, weights: NDArray[np.int64], no_match: NoMatchRule
) -> dict[str, Values]:
    """Return (B, K) ``pq``, ``sq`` and ``rq`` of each class, NaN where one is absent."""
    arrays, factors = tally.arrays, weights.astype(np.float64)
    shape = len(tally.image_ids), len(tally.classes)
    key = arrays["image"].astype(np.int64) * shape[1] + arrays["class"]

    def total(values: NDArray[Any]) -> Values:
        flat = np.bincount(key, values, minlength=shape[0] * shape[1])
        product: Values = factors @ flat.astype(np.float64, copy=False).reshape(shape)
        return product

    iou, tp = total(arrays["iou"]), total(arrays["tp"])
    segments = tp + total(0.5 * (arrays["fp"] + arrays["fn"]))
    sq = _ratio(iou, tp)
    if no_match == "zero":
        sq[(tp == 0) & (segments > 0)] = 0.0
    return {"pq": _ratio(iou, segments), "sq": sq, "rq": _ratio(tp, segments)}


def estimates(tally: Tally, weights: NDArray[np.int64], no_match: NoMatchRule) -> dict[str, Values]:
    """Return (B,) means over all classes, things and stuff, NaN where one is absent."""
    found, thing = class_estimates(tally, weights, no_match), tally.arrays["thing"]
    chosen = dict(zip(GROUPS, (np.ones_like(thing), thing, ~thing), strict=True))
    return {
        f"{name}{group}": _mean(values[:, classes])
        for group, classes in chosen.items()
        for name, values in found.items()
    }


def totals(arrays: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Return the counts over the whole dataset."""
    names = {
        "matched": "tp",
        "unmatched_predictions": "fp",
        "missed": "fn",
        "ignored_predictions": "excused",
        "hidden_segments": "hidden",
        "covered_pixels": "covered_px",
        "void_pixels": "void_px",
    }
    return {told: int(arrays[name].sum()) for told, name in names.items()}


def _ratio(numerator: Values, denominator: Values) -> Values:
    absent, defined = np.full(np.shape(numerator), np.nan), denominator > 0
    found: Values = np.divide(numerator, denominator, out=absent, where=defined)
    return found


def _mean(values: Values) -> Values:
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))
