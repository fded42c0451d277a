"""Average precision and recall of turned boxes, by COCO's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_limits import CocoLimits
from benchbench.metrics.coco_numbers import (
    Evaluation,
    Limits,
    class_names,
    class_reason,
    curves,
    numbers,
    per_class,
    reasons,
)
from benchbench.metrics.oriented_table import Boxes, turned_found, turned_truth
from benchbench.metrics.pairing import pair, split_counts
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    OrientedDetections,
    Prediction,
    Scores,
    Tally,
    TaskName,
)

if TYPE_CHECKING:
    from benchbench.metrics.coco_kernels import Cells


class OrientedBoxes(CocoLimits):
    """The 12 COCO numbers for turned boxes, by hotcoco."""

    task: ClassVar[TaskName] = "oriented-detection"

    max_detections: Limits = (10, 100, 1000)
    """Best detections of an image and class that count; AP uses the last, AR each."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: turned boxes in pixels, labels dataset category ids.

        Raises :class:`~benchbench.errors.PredictionError` naming the image and the value for
        predictions that are not fit to be scored (boxes without area are: they are counted), and
        :class:`~benchbench.errors.DatasetError` for annotations without a usable turned box.
        """
        import hotcoco

        known, boxes = turned_truth(truth)
        found, turned = turned_found(truth, pair(truth, predictions, OrientedDetections))
        evaluation = _evaluate(_ground_truth(known, boxes), found, turned, self.max_detections)
        values = numbers(evaluation, self.max_detections)
        return Scores(
            metrics=values,
            per_class=per_class(truth, evaluation),
            reasons=reasons(values, self.max_detections) | class_reason(evaluation),
            curves=curves(evaluation),
            primary="map_50",
            evaluator=f"hotcoco {hotcoco.__version__}, obb",
            convention=_convention(self.max_detections),
            counts=_counts(truth, turned, classes),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image by the IoU of turned boxes.

        As :func:`benchbench.metrics.coco_tally.tally` does. Raises what :meth:`score` raises.
        """
        del classes
        known, boxes = turned_truth(truth)
        found, turned = turned_found(truth, pair(truth, predictions, OrientedDetections))
        ids = np.array([image.id for image in truth.images], np.int64)
        place = np.argsort(ids)

        def overlap(cells: Cells) -> NDArray[np.float64]:
            from benchbench.metrics.oriented_kernels import turned_overlaps

            return turned_overlaps(cells, turned, boxes, known.crowd)

        return coco_tally.tally(
            ids,
            class_names(truth),
            replace(known, image=place[known.image]),
            replace(found, image=place[found.image]),
            max_detections=self.max_detections,
            overlap=overlap,
        )


def _ground_truth(truth: Truth, boxes: Boxes) -> Any:
    from hotcoco import COCO

    columns = (truth.image + 1, truth.category + 1, truth.area, truth.crowd.astype(int), boxes)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return COCO(
        {
            "images": [{"id": n, "width": 1, "height": 1} for n in range(1, truth.images + 1)],
            "categories": [{"id": n, "name": str(n)} for n in range(1, truth.categories + 1)],
            # An annotation id of 0 means "unmatched" to the reference: they are counted from 1.
            "annotations": [
                {
                    "id": n,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [0, 0, 0, 0],
                    "area": area,
                    "iscrowd": crowd,
                    "obb": box,
                }
                for n, (image, category, area, crowd, box) in enumerate(rows, 1)
            ],
        }
    )


def _evaluate(known: Any, found: Found, turned: Boxes, limits: Limits) -> Evaluation:
    from hotcoco import COCOeval

    columns = (found.image + 1, found.category + 1, found.scores, turned)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    results = [
        {"image_id": image, "category_id": category, "score": score, "obb": box}
        for image, category, score, box in rows
    ]
    evaluator = COCOeval(known, known.load_res(results), "obb")
    evaluator.params.max_dets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    arrays = evaluator.eval
    assert arrays is not None
    return np.asarray(arrays["precision"]), np.asarray(arrays["recall"])


def _convention(limits: Limits) -> dict[str, str]:
    return {
        "iou": "map: mean over IoU 0.50:0.05:0.95; map_50, map_75: that IoU; exact area of turned"
        " boxes",
        "recall": "AP: mean of interpolated precision at 101 recalls 0:0.01:1; AR: best recall",
        "mean": "over classes with a ground-truth object that is no crowd",
        "areas": "small up to 32², medium 32² to 96², large from 96² pixels of the turned box,"
        " bounds in both",
        "max_detections": f"{limits[0]}, {limits[1]}, {limits[2]} an image and class; AP and the"
        f" areas' AR use {limits[2]}",
        "crowd": "crowds (DOTA's difficult objects, as imported) are ignored: a detection on one"
        " counts neither way, IoU over its own area; DOTA's own script asks for the usual IoU",
        "zero_size": "boxes without area match nothing; of negative area they are ignored",
    }


def _counts(split: DatasetSplit, turned: Boxes, classes: ClassMap) -> dict[str, int]:
    return {
        **split_counts(split, classes),
        "predictions": len(turned),
        "zero_size_predictions": int((turned[:, 2:4] <= 0).any(axis=1).sum()),
    }
