"""Boundary AP: mask AP with the overlap limited to the objects' outlines (Cheng et al. 2021)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_numbers import Evaluation, Limits
from benchbench.metrics.masks_columns import Columns, Ids
from benchbench.types import DatasetSplit

PACKAGE = "vernier"
DILATION_RATIO = 0.02
"""Width of the outline as a share of the image's diagonal, as the paper has it for COCO."""


def absent() -> str | None:
    """Return why boundary AP cannot be computed here, None if it can."""
    if importlib.util.find_spec(PACKAGE) is None:
        return f"the package '{PACKAGE}' is not installed (pip install 'benchbench[boundary]')"
    return None


def evaluate(
    split: DatasetSplit,
    ids: Ids,
    found: Columns,
    truth: Sequence[dict[str, Any]],
    limits: Limits,
) -> tuple[Evaluation, str]:
    """Return precision and recall by boundary IoU, and the evaluator's name and version.

    The overlap is the lesser of the masks' IoU and their outlines' IoU, and with a crowd the masks'
    alone. *truth* is the RLE of each annotation.
    """
    import vernier
    from vernier.instance import evaluate_boundary_grid

    grid = evaluate_boundary_grid(
        _dataset(split, ids, truth),
        _detections(found, len(ids.images)),
        parity_mode="strict",
        max_dets_per_image=limits[2],
        use_cats=True,
        dilation_ratio=DILATION_RATIO,
        dt_area="mask",
    )
    result = grid.accumulate(list(limits))
    return (
        (np.asarray(result.precision), np.asarray(result.recall)),
        f"{PACKAGE} {vernier.version()}",
    )


def _dataset(split: DatasetSplit, ids: Ids, truth: Sequence[dict[str, Any]]) -> Any:
    from vernier.instance import CocoDataset

    annotations = split.annotations
    return CocoDataset.from_arrays(
        {
            "id": np.array([ids.images[i.id] for i in split.images], np.int64),
            "width": np.array([i.width for i in split.images], np.int64),
            "height": np.array([i.height for i in split.images], np.int64),
        },
        {
            "id": np.arange(1, len(annotations) + 1),
            "image_id": np.array([ids.images[a.image_id] for a in annotations], np.int64),
            "category_id": np.array([ids.categories[a.category_id] for a in annotations], np.int64),
            "bbox": np.zeros((len(annotations), 4)),
            "area": np.array([a.area for a in annotations], np.float64),
            "iscrowd": np.array([a.iscrowd for a in annotations], np.int64),
            "segmentation": list(truth),
        },
        [{"id": ids.categories[c.id], "name": c.name} for c in split.categories],
    )


def _detections(found: Columns, images: int) -> list[dict[str, Any]]:
    bounds = np.searchsorted(found.images, np.arange(1, images + 2)).tolist()
    return [
        {
            "image_id": number,
            "boxes": np.zeros((stop - start, 4)),
            "scores": _own(found.scores[start:stop]),
            "labels": _own(found.categories[start:stop]),
            "rles": found.rles[start:stop],
        }
        for number, (start, stop) in enumerate(pairwise(bounds), 1)
    ]


def _own(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values)
