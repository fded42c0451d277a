"""Keypoint precision and recall by hotcoco, category by category where their sigmas differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_numbers import Evaluation
from benchbench.metrics.keypoints_columns import Detected, Known
from benchbench.metrics.keypoints_numbers import AREAS

_THRESHOLDS, _RECALLS = 10, 101


def evaluate(
    known: Known, found: Detected, sigmas: Sequence[tuple[float, ...]], limit: int
) -> Evaluation:
    """Return the precision and recall of all categories, -1 for those without *sigmas*.

    *sigmas* by position of the category. COCO's numbers take one class at a time, so categories of
    different points are evaluated apart and put together.
    """
    precision = np.full((_THRESHOLDS, _RECALLS, len(sigmas), len(AREAS), 1), -1.0)
    recall = np.full((_THRESHOLDS, len(sigmas), len(AREAS), 1), -1.0)
    for own in sorted(set(sigmas) - {()}):
        members = np.flatnonzero([one == own for one in sigmas])
        part = _group(known, found, members, own, limit)
        precision[:, :, members], recall[:, members] = part
    return precision, recall


def _group(
    known: Known,
    found: Detected,
    members: NDArray[np.int64],
    sigmas: tuple[float, ...],
    limit: int,
) -> Evaluation:
    from hotcoco import COCO, COCOeval

    document = {
        "images": [{"id": n, "width": 1, "height": 1} for n in range(1, known.columns.images + 1)],
        "categories": [{"id": n, "name": str(n)} for n in (members + 1).tolist()],
        "annotations": _annotations(known, members, len(sigmas)),
    }
    truth = COCO(document)
    evaluator = COCOeval(truth, truth.load_res(_results(found, members, len(sigmas))), "keypoints")
    evaluator.params.kpt_oks_sigmas = list(sigmas)
    evaluator.params.max_dets = [limit]
    evaluator.evaluate()
    evaluator.accumulate()
    arrays = evaluator.eval
    assert arrays is not None
    return np.asarray(arrays["precision"]), np.asarray(arrays["recall"])


def _annotations(known: Known, members: NDArray[np.int64], count: int) -> list[dict[str, Any]]:
    columns = known.columns
    rows = np.flatnonzero(np.isin(columns.category, members))
    values = zip(
        (columns.image[rows] + 1).tolist(),
        (columns.category[rows] + 1).tolist(),
        columns.boxes[rows].tolist(),
        columns.area[rows].tolist(),
        columns.crowd[rows].tolist(),
        known.points[rows, :count].reshape(len(rows), 3 * count).tolist(),
        known.labelled[rows].tolist(),
        strict=True,
    )
    keys = "image_id category_id bbox area iscrowd keypoints num_keypoints".split()
    # An annotation id of 0 means "unmatched" to the reference, so they are counted from 1.
    return [
        {"id": n, **dict(zip(keys, (*one[:4], int(one[4]), *one[5:]), strict=True))}
        for n, one in enumerate(values, 1)
    ]


def _results(found: Detected, members: NDArray[np.int64], count: int) -> list[dict[str, Any]]:
    columns = found.columns
    rows = np.flatnonzero(np.isin(columns.category, members))
    values = zip(
        (columns.image[rows] + 1).tolist(),
        (columns.category[rows] + 1).tolist(),
        columns.scores[rows].tolist(),
        found.points[rows, :count].reshape(len(rows), 3 * count).tolist(),
        strict=True,
    )
    # Without a box, so that sizes go by the points.
    keys = "image_id category_id score keypoints".split()
    return [dict(zip(keys, one, strict=True)) for one in values]
