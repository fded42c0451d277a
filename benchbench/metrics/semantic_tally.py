"""What is kept of each image's label maps, and every figure formed from it for weighted images.

Pooled figures need the pixels of each class and image: true, predicted, and both. Figures by image
are values of class and image, NaN where the rules leave the pair out. For (B, N) weights all of
them are products of the weights with (N, K) columns; sums of pixels are exact in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.types import Tally

Values = NDArray[np.float64]
Chosen = NDArray[np.bool_]
EmptyRule = Literal["skip", "one", "zero"]
AbsentRule = Literal["zero", "skip"]
IouRule = Literal["dataset", "images", "pairs"]

BY_IMAGE = ("boundary_f1", "hd95_px", "hd95_mm", "assd_px", "assd_mm", "nsd")
"""Values by image and class that a tally may hold beside ``dice`` and ``iou``."""


@dataclass(frozen=True, slots=True)
class Areas:
    """Pixels of each image and class, (N, K) each."""

    hits: Values
    truth: Values
    predicted: Values
    """On void truth too, where that counts as a false positive."""


def sparse(matrices: Sequence[NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
    """Return the non-zero counts of each image's (R, K) confusion as columns.

    ``image`` (position in the images), ``truth``, ``predicted`` (positions in the classes; a truth
    of K is void that counts as a false positive) and ``count`` in pixels, (E,) each.
    """
    spots = [np.nonzero(matrix) for matrix in matrices]
    sizes = [len(rows) for rows, _ in spots]
    return {
        "image": np.repeat(np.arange(len(matrices), dtype=np.int32), sizes),
        "truth": _joined([rows for rows, _ in spots]).astype(np.int16),
        "predicted": _joined([columns for _, columns in spots]).astype(np.int16),
        "count": _joined([m[spot] for m, spot in zip(matrices, spots, strict=True)]),
    }


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def areas(arrays: Mapping[str, NDArray[Any]], images: int, classes: int) -> Areas:
    """Return the pixels of each image and class from the columns of :func:`sparse`."""
    truth, predicted = arrays["truth"], arrays["predicted"]

    def summed(label: NDArray[Any], chosen: Chosen) -> Values:
        key = arrays["image"][chosen].astype(np.int64) * classes + label[chosen]
        flat = np.bincount(key, arrays["count"][chosen], minlength=images * classes)
        return flat.astype(np.float64, copy=False).reshape(images, classes)

    return Areas(
        hits=summed(truth, truth == predicted),
        truth=summed(truth, truth < classes),
        predicted=summed(predicted, np.ones(len(truth), np.bool_)),
    )


def confusion_total(tally: Tally) -> NDArray[np.int64]:
    """Return (K, K) pixels over all images; (K + 1, K) where void counts as a false positive."""
    width, truth = len(tally.classes), tally.arrays["truth"].astype(np.int64)
    rows = width + bool(len(truth) and truth.max() == width)
    total = np.zeros((rows, width), np.int64)
    np.add.at(total, (truth, tally.arrays["predicted"]), tally.arrays["count"])
    return total


@dataclass(frozen=True, slots=True)
class Rules:
    """How absent classes count in figures by image, and over what IoU is formed."""

    empty: EmptyRule
    absent_truth: AbsentRule
    iou_over: IouRule

    def applied(self, values: Values, found: Areas) -> Values:
        """Return (N, K) *values* with the rules for absent classes applied; NaN is left out."""
        in_truth, predicted = found.truth > 0, found.predicted > 0
        neither = {"skip": np.nan, "one": 1.0, "zero": 0.0}[self.empty]
        only_predicted = {"skip": np.nan, "zero": 0.0}[self.absent_truth]
        absent = np.where(predicted, only_predicted, neither)
        return np.where(in_truth, values, absent)


def overlaps(found: Areas, rules: Rules) -> dict[str, Values]:
    """Return Dice, 2·TP / (truth + predicted), and IoU of each image and class, (N, K) each."""
    both = found.truth + found.predicted
    return {
        "dice": rules.applied(2 * found.hits / np.maximum(both, 1), found),
        "iou": rules.applied(found.hits / np.maximum(both - found.hits, 1), found),
    }


def estimates(tally: Tally, weights: NDArray[np.int64], rules: Rules) -> dict[str, Values]:
    """Return (B,) values of each metric for (B, N) *weights*, NaN where one is absent."""
    factors, arrays = weights.astype(np.float64), tally.arrays
    found = _found(tally)
    pooled = _pooled(found, factors)
    truth = factors @ found.truth
    metrics = {
        "miou": _mean(pooled["iou"], arrays["averaged"]),
        "fw_iou": _ratio(np.nansum(truth * pooled["iou"], axis=1), truth.sum(axis=1)),
        "dice": _over_images(arrays["dice"], arrays["dice_averaged"], factors),
        "dice_pooled": _mean(pooled["dice_pooled"], arrays["dice_averaged"]),
        "pixel_accuracy": _ratio((factors @ found.hits).sum(axis=1), truth.sum(axis=1)),
        "mean_accuracy": _mean(pooled["accuracy"], np.ones(len(tally.classes), np.bool_)),
    }
    if rules.iou_over != "dataset":
        over = _over_images if rules.iou_over == "images" else _over_pairs
        metrics["miou"] = over(arrays["iou"], arrays["averaged"], factors)
    for name in (name for name in BY_IMAGE if name in arrays):
        chosen = arrays["averaged" if name == "boundary_f1" else "foreground"]
        metrics[name] = _over_images(arrays[name], chosen, factors)
    return metrics


def class_estimates(tally: Tally, weights: NDArray[np.int64], rules: Rules) -> dict[str, Values]:
    """Return (B, K) values of each per-class metric, NaN where one is absent."""
    factors, arrays = weights.astype(np.float64), tally.arrays
    columns = _pooled(_found(tally), factors)
    names = ("dice", *BY_IMAGE) if rules.iou_over == "dataset" else ("iou", "dice", *BY_IMAGE)
    by_image = {name: _by_class(arrays[name], factors) for name in names if name in arrays}
    return {**columns, **by_image}


def _found(tally: Tally) -> Areas:
    return areas(tally.arrays, len(tally.image_ids), len(tally.classes))


def _pooled(found: Areas, factors: Values) -> dict[str, Values]:
    """Return (B, K) IoU, Dice and recall of each class over the weighted dataset."""
    hits, truth, predicted = (
        factors @ found.hits,
        factors @ found.truth,
        factors @ found.predicted,
    )
    return {
        "iou": _ratio(hits, truth + predicted - hits),
        "dice_pooled": _ratio(2 * hits, truth + predicted),
        "accuracy": _ratio(hits, truth),
    }


def _ratio(numerator: Values, denominator: Values) -> Values:
    shape, defined = np.shape(numerator), denominator > 0
    found: Values = np.divide(numerator, denominator, out=np.full(shape, np.nan), where=defined)
    return found


def _mean(values: Values, chosen: Chosen) -> Values:
    """Return the mean of (B, K) *values* over the *chosen* classes that have one."""
    shown = values[:, chosen]
    defined = ~np.isnan(shown)
    return _ratio(np.where(defined, shown, 0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _over_images(values: Values, chosen: Chosen, factors: Values) -> Values:
    """Return the mean over images of each image's mean over the *chosen* classes."""
    return _by_class(_mean(values, chosen)[:, None], factors)[:, 0]


def _over_pairs(values: Values, chosen: Chosen, factors: Values) -> Values:
    """Return the mean over all pairs of an image and a *chosen* class that have a value."""
    shown = values[:, chosen]
    defined = ~np.isnan(shown)
    total, pairs = np.where(defined, shown, 0).sum(axis=1), defined.sum(axis=1)
    return _ratio(factors @ total, factors @ pairs)


def _by_class(values: Values, factors: Values) -> Values:
    """Return (B, K) means of (N, K) *values* over the weighted images that have one."""
    defined = ~np.isnan(values)
    return _ratio(factors @ np.where(defined, values, 0), factors @ defined.astype(np.float64))
