"""What LVIS's metrics of boxes and of masks share: options, evaluator, convention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics import coco_tally, lvis_numbers
from benchbench.metrics.coco_numbers import Evaluation, curves
from benchbench.metrics.lvis_rules import Federation
from benchbench.types import ClassMap, DatasetSplit, Record, Scores, Tally


class LvisLimits(Record):
    """Options of LVIS's metrics, and their values over weighted images from stored matches."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("hotcoco",),)
    extra: ClassVar[str] = ""
    by_object: ClassVar[bool] = True

    max_detections: int = Field(default=300, ge=1)
    """Best detections of an image, of all categories together, that count."""

    def estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B,) values of the numbers; see :class:`benchbench.protocols.Resampled`."""
        return lvis_numbers.estimates(tally, weights)

    def class_estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B, K) values of ``map`` and ``map_50``, NaN where a category has no object."""
        return coco_tally.class_estimates(tally, weights)

    def told(
        self, split: DatasetSplit, rules: Federation, found: Evaluation, counts: Mapping[str, int]
    ) -> Scores:
        """Return the scores of an evaluation."""
        import hotcoco

        values = lvis_numbers.numbers(found, rules.frequency, self.max_detections)
        why = lvis_numbers.reasons(values, rules.frequency) | lvis_numbers.class_reason(found)
        return Scores(
            metrics=values,
            per_class=lvis_numbers.per_class(split, found),
            reasons=why,
            curves=curves(found),
            primary="map",
            evaluator=f"hotcoco {hotcoco.__version__}, lvis_style",
            convention=_convention(self.max_detections),
            counts=dict(counts),
        )


def evaluate(
    known: Any, table: NDArray[np.float64], limit: int, masks: Masks | None = None
) -> Evaluation:
    """Return precision and recall of (N, 7) detections: image, box, score, category, ids from 1."""
    from hotcoco import COCOeval

    rles, areas = masks or (None, None)
    found = known.load_res(table, segmentation=rles)
    if areas is not None:
        # Else small, medium and large would go by the area of the (absent) boxes.
        found.update_anns(ids=np.arange(1, len(table) + 1), area=areas.astype(np.float64))
    evaluator = COCOeval(known, found, "bbox" if masks is None else "segm", lvis_style=True)
    evaluator.params.max_dets = [limit]
    evaluator.evaluate()
    evaluator.accumulate()
    arrays = evaluator.eval
    assert arrays is not None
    return np.asarray(arrays["precision"]), np.asarray(arrays["recall"])


Masks = tuple[Sequence[dict[str, Any]], NDArray[np.int64]]
"""Run lengths of detections, and their pixels."""
Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""Of annotations: positions of image and category, boxes (M, 4) and areas."""


def ground_truth(
    split: DatasetSplit, columns: Columns, rles: Sequence[dict[str, Any]] | None = None
) -> Any:
    """Return *split* as the evaluator takes it; ids count from 1 in ascending order of its own."""
    from hotcoco import COCO

    categories = sorted(category.id for category in split.categories)
    number = {old: new for new, old in enumerate(categories, 1)}
    order = sorted(split.images, key=lambda image: image.id)
    image, category, boxes, area = columns
    return COCO.from_arrays(
        [
            {
                "id": n,
                "width": one.width,
                "height": one.height,
                "neg_category_ids": [number[old] for old in one.negatives or ()],
                "not_exhaustive_category_ids": [number[old] for old in one.incomplete],
            }
            for n, one in enumerate(order, 1)
        ],
        [{"id": n, "name": str(n)} for n in number.values()],
        image + 1,
        category + 1,
        boxes,
        ids=np.arange(1, len(area) + 1),
        area=area,
        segmentation=None if rles is None else list(rles),
    )


def counts(
    split: DatasetSplit, classes: ClassMap, predictions: int, left: tuple[int, int]
) -> dict[str, int]:
    """Return what was counted; *left*: detections within the limit, and those of them judged."""
    unknown = {category.id for category in split.categories} - set(classes.category_ids)
    within, judged = left
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "categories": len(split.categories),
        "categories_without_model_class": len(unknown),
        "predictions": predictions,
        "predictions_beyond_limit": predictions - within,
        "predictions_not_judged": within - judged,
        **split.notes,
    }


def _convention(limit: int) -> dict[str, str]:
    return {
        "iou": "map: mean over IoU 0.50:0.05:0.95; map_50, map_75: that IoU",
        "recall": "AP: mean of interpolated precision at 101 recalls 0:0.01:1; AR: best recall",
        "mean": "over categories with an object; map_rare, map_common, map_frequent: over those"
        " that the annotation file calls so (in 1-10, 11-100, over 100 training images)",
        "federated": "a detection counts where its category is annotated or verified absent on the"
        " image; of categories not exhaustively annotated there, unmatched ones are ignored",
        "areas": "small up to 32², medium 32² to 96², large from 96² pixels of the annotation's"
        " area field, bounds in both; unmatched detections by their own",
        "max_detections": f"the {limit} best of an image, all categories together",
        "crowd": "LVIS has none: an object marked as a crowd is one object, as in lvis-api",
    }
