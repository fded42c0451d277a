"""Compare a prediction with what a model's own tool made of the same outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchbench.masks import dense_mask, runs_by_mask
from benchbench.types import Detections, Instances


def assert_same(found: Detections | Instances, told: Mapping[str, NDArray]) -> None:
    """Assert equal classes, scores to 1e-6, corners to 0.02 px, masks to 1 pixel in 200.

    *told* holds ``boxes`` (n, 4) as corners, ``scores``, ``classes`` and, for instances, ``masks``
    (n, H, W). Objects whose mask is empty are left out, as Ultralytics' predictor does it.
    """
    kept = np.arange(len(found.scores))
    if isinstance(found, Instances):
        size = told["masks"].shape[1:]
        runs = runs_by_mask(found.lengths, found.runs)
        masks = np.array([dense_mask(one, *size) for one in runs])
        kept = np.flatnonzero(masks.any((1, 2)))
    assert len(kept) == len(told["scores"])
    boxes = found.boxes[kept]
    boxes[:, 2:] += boxes[:, :2]
    ours, theirs = _pairs((boxes, found.scores[kept], found.labels[kept]), told)
    np.testing.assert_array_equal(found.labels[kept][ours], told["classes"][theirs])
    np.testing.assert_allclose(found.scores[kept][ours], told["scores"][theirs], atol=1e-6)
    np.testing.assert_allclose(boxes[ours], told["boxes"][theirs], atol=0.02)
    if isinstance(found, Instances):
        triples = zip(masks[kept][ours], told["masks"][theirs], boxes[ours], strict=True)
        for one, other, (x1, y1, x2, y2) in triples:
            # Rounding decides whether a box that ends on a pixel holds its row and column.
            inner = np.s_[int(y1) + 1 : max(int(y2) - 1, 0), int(x1) + 1 : max(int(x2) - 1, 0)]
            assert (one ^ other)[inner].sum() <= 2 + (one | other).sum() / 200


def _pairs(
    found: tuple[NDArray, NDArray, NDArray], told: Mapping[str, NDArray]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which belong together: their order may differ where scores are all but equal."""
    from scipy.optimize import linear_sum_assignment

    boxes, scores, labels = found
    cost = np.abs(boxes[:, None] - told["boxes"]).max(2)
    cost += 1e3 * np.abs(scores[:, None] - told["scores"])
    cost += 1e6 * (labels[:, None] != told["classes"])
    ours, theirs = linear_sum_assignment(cost)
    return ours, theirs
