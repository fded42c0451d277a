"""Shares, rates and calibration over weighted images: (B, N) weights in, (B,) or (B, K) out.

Each is a quotient of weighted sums over the images, so that a thousand selections of images cost a
few matrix products and no array grows with images × classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Values = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]

_BLOCK = 1 << 22
"""Weights that are gathered at a time: 32 MiB."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Weighted numbers of images of each class, all (B, K)."""

    hits: Indices
    truth: Indices
    chosen: Indices
    """Images whose best-scored class it is."""


def counted(arrays: Arrays, weights: Indices, classes: int) -> Counts:
    """Return the numbers of hits, of true and of chosen images of each class."""
    labels, top1 = arrays["labels"], arrays["ranks"][:, 0]
    hit = labels == top1
    return Counts(
        hits=class_sums(weights, np.where(hit, labels, -1), classes),
        truth=class_sums(weights, labels, classes),
        chosen=class_sums(weights, top1, classes),
    )


def class_sums(weights: Indices, labels: Indices, classes: int) -> Indices:
    """Return (B, *classes*) sums of the weights of each label; labels below 0 are left out."""
    order = np.argsort(labels, kind="stable")
    order = order[np.searchsorted(labels[order], 0) :]
    present, starts = np.unique(labels[order], return_index=True)
    found = np.zeros((len(weights), classes), np.int64)
    if present.size:
        for rows in _blocks(weights):
            gathered = np.take(weights[rows], order, axis=1)
            found[rows, present] = np.add.reduceat(gathered, starts, axis=1)
    return found


def _blocks(weights: Indices) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, weights.shape[1]))
    return (slice(start, start + step) for start in range(0, len(weights), step))


def class_rates(counts: Counts) -> dict[str, Values]:
    """Return (B, K) precision, recall and F1, NaN for a class in neither truth nor choice."""
    both = counts.truth + counts.chosen
    rates = {
        "precision": counts.hits / np.maximum(counts.chosen, 1),
        "recall": counts.hits / np.maximum(counts.truth, 1),
        "f1": 2 * counts.hits / np.maximum(both, 1),
    }
    return {name: np.where(both > 0, values, np.nan) for name, values in rates.items()}


def averaged_rates(counts: Counts) -> dict[str, Values]:
    """Return (B,) precision, recall and F1, each macro, micro and weighted, balanced accuracy."""
    rates = class_rates(counts)
    # Each image has one truth and one choice, so false positives are as many as misses.
    share = quotient(counts.hits.sum(axis=1), counts.truth.sum(axis=1))
    return {
        **{f"{name}_macro": mean(values) for name, values in rates.items()},
        **{f"{name}_micro": share for name in rates},
        **{f"{name}_weighted": mean(values, counts.truth) for name, values in rates.items()},
        "balanced_accuracy": mean(np.where(counts.truth > 0, rates["recall"], np.nan)),
    }


def mean(values: Values, weights: Indices | None = None) -> Values:
    """Return (B,) means of (B, K) *values* that are not NaN; NaN where there is none."""
    shown = ~np.isnan(values)
    parts = shown if weights is None else np.where(shown, weights, 0)
    return quotient((np.where(shown, values, 0.0) * parts).sum(axis=1), parts.sum(axis=1))


def quotient(over: NDArray[Any], under: NDArray[Any]) -> Values:
    """Return *over* / *under*, NaN where *under* is 0."""
    return np.where(under > 0, over / np.where(under > 0, under, 1), np.nan)


def shares(arrays: Arrays, weights: Indices, bins: int) -> dict[str, Values]:
    """Return (B,) top-1, top-5, expected calibration error, Brier score and log loss."""
    hits = arrays["ranks"] == arrays["labels"][:, None]
    graded = [arrays[name] for name in ("confidence", "brier", "nll")]
    gaps = bin_sums(arrays["confidence"], hits[:, 0] - arrays["confidence"], bins)
    columns = np.column_stack(
        [hits[:, 0], hits.any(axis=1), *(np.isnan(v) for v in graded), *graded[1:], gaps]
    )
    sums = np.empty((len(weights), columns.shape[1]))
    columns = np.nan_to_num(columns)
    for rows in _blocks(weights):
        sums[rows] = weights[rows].astype(np.float64) @ columns
    total = weights.sum(axis=1)
    means = quotient(sums, total[:, None])
    # One image without a probability, and the metric is not defined over these images.
    lacks = sums[:, 2:5] > 0
    errors = np.column_stack([np.abs(means[:, 7:]).sum(axis=1), means[:, 5:7]])
    errors[lacks] = np.nan
    enough = int(arrays["model_classes"][0]) > 5
    return {
        "top1": means[:, 0],
        "top5": means[:, 1] if enough else np.full(len(weights), np.nan),
        "ece": errors[:, 0],
        "brier": errors[:, 1],
        "nll": errors[:, 2],
    }


def bin_index(confidence: Values, bins: int) -> Indices:
    """Return (N,) the bin m of ((m) / M, (m + 1) / M]; a confidence of 0 is in the first.

    Bins of equal width as in Guo et al., On Calibration of Modern Neural Networks (2017). NaN is
    given the last bin.
    """
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(inner, confidence, side="left").astype(np.int64)


def bin_sums(confidence: Values, values: Values, bins: int) -> Values:
    """Return (N, *bins*): *values* in the column of the image's bin, 0 elsewhere."""
    table = np.zeros((len(confidence), bins))
    table[np.arange(len(confidence)), bin_index(confidence, bins)] = values
    return table
