"""From class scores to candidates: what lies above the floor, and under which class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def above(scores: NDArray[Any], floor: float, *, multi_label: bool) -> tuple[Rows, Rows]:
    """Return rows and class indices of the *scores* (M, C) that are above *floor*.

    With *multi_label* a row may come several times, once for each class above the floor; without,
    only with its best class.
    """
    rows = np.flatnonzero(scores.max(axis=1, initial=-math.inf) > floor)
    some = scores[rows]
    if not multi_label:
        return rows, some.argmax(axis=1)
    hit, indices = np.nonzero(some > floor)
    return rows[hit], indices


def weighted(
    scores: NDArray[Any], objectness: NDArray[Any], floor: float, *, multi_label: bool
) -> tuple[Rows, Rows, NDArray[Any]]:
    """Return rows, class indices and values of class probability (M, C) × objectness (M,).

    A product of probabilities is at most the objectness, so rows are first chosen by that.
    """
    likely = np.flatnonzero(objectness > floor)
    products = scores[likely] * objectness[likely, None]
    rows, indices = above(products, floor, multi_label=multi_label)
    return likely[rows], indices, products[rows, indices]


def best_of_each(scores: NDArray[Any], groups: Rows, count: int | None) -> Rows:
    """Return the positions of the *count* best scores of each group; None: of all, in order."""
    if count is None:
        return np.arange(len(scores))
    order = np.lexsort((-scores, groups))
    ordered = groups[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return order[rank < count]


def logit(probability: float) -> float:
    """Return the logit of *probability*: infinite at 0 and 1."""
    if probability in {0.0, 1.0}:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probabilities of *logits*."""
    # Through tanh: exp(-x) overflows for large negative logits.
    half: NDArray[np.float64] = 0.5 * np.tanh(0.5 * logits.astype(np.float64)) + 0.5
    return half
