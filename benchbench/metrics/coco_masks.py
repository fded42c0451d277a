"""Average precision and recall of masks, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from benchbench.metrics import masks_boundary, masks_tally
from benchbench.metrics.coco_limits import CocoLimits
from benchbench.metrics.coco_numbers import (
    Evaluation,
    Limits,
    class_reason,
    curves,
    names,
    numbers,
    per_class,
    reasons,
)
from benchbench.metrics.masks_columns import Columns, Ids, columns, truth_rles
from benchbench.metrics.pairing import pair, split_counts
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Instances,
    Prediction,
    Scores,
    Tally,
    TaskName,
)


class CocoMasks(CocoLimits):
    """The 12 COCO numbers for masks, by hotcoco, equal to pycocotools; boundary AP by vernier."""

    task: ClassVar[TaskName] = "instance-segmentation"
    usual: ClassVar[bool] = True

    boundary: bool = False
    """Score by boundary IoU too: the 12 numbers again, named ``boundary_…``; needs vernier."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: masks over the original image, labels dataset category ids.

        The predicted boxes play no part. Raises :class:`~benchbench.errors.PredictionError` naming
        the image and the value for predictions that are not fit to be scored (empty masks are: they
        are counted), and :class:`~benchbench.errors.DatasetError` for annotations without a usable
        segmentation.
        """
        import hotcoco

        ids = Ids.of(truth)
        found = columns(pair(truth, predictions, Instances), ids)
        rles = truth_rles(truth)
        evaluation = _evaluate(truth, ids, found, rles, self.max_detections)
        values = numbers(evaluation, self.max_detections)
        plain = Scores(
            metrics=values,
            per_class=per_class(truth, evaluation),
            reasons=reasons(values, self.max_detections) | class_reason(evaluation),
            primary="map",
            evaluator=f"hotcoco {hotcoco.__version__}",
            curves=curves(evaluation),
            convention=_convention(self.max_detections),
            counts=_counts(truth, found, classes),
        )
        return self._with_boundary(plain, truth, ids, found, rles) if self.boundary else plain

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image by mask IoU; raises what :meth:`score` raises."""
        del classes
        ids = Ids.of(truth)
        found = columns(pair(truth, predictions, Instances), ids)
        return masks_tally.tally(truth, ids, found, truth_rles(truth), self.max_detections)

    def _with_boundary(
        self,
        plain: Scores,
        truth: DatasetSplit,
        ids: Ids,
        found: Columns,
        rles: Sequence[dict[str, Any]],
    ) -> Scores:
        """Return *plain* with the numbers by boundary IoU, or with why they are absent."""
        why = masks_boundary.absent()
        if why is not None:
            return _without_boundary(plain, self.max_detections, why)
        evaluation, name = masks_boundary.evaluate(truth, ids, found, rles, self.max_detections)
        values = numbers(evaluation, self.max_detections)
        return plain.model_copy(
            update={
                "metrics": plain.metrics | _prefixed(values),
                "per_class": plain.per_class | _prefixed(per_class(truth, evaluation)),
                "reasons": plain.reasons | _prefixed(reasons(values, self.max_detections)),
                "evaluator": f"{plain.evaluator}, {name}",
                "convention": plain.convention | {"boundary": _BOUNDARY},
            }
        )


_BOUNDARY = (
    "lesser of mask IoU and the IoU of the outlines,"
    f" {masks_boundary.DILATION_RATIO:g} of the image's diagonal wide (Cheng et al. 2021); with a"
    " crowd the mask's alone"
)


def _without_boundary(plain: Scores, limits: Limits, why: str) -> Scores:
    gone = [f"boundary_{name}" for name in names(limits)]
    absent = {
        "metrics": plain.metrics | dict.fromkeys(gone),
        "reasons": plain.reasons | dict.fromkeys(gone, why),
    }
    return plain.model_copy(update=absent)


def _prefixed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"boundary_{name}": value for name, value in values.items()}


def _evaluate(
    split: DatasetSplit,
    ids: Ids,
    found: Columns,
    truth: Sequence[dict[str, Any]],
    limits: Limits,
) -> Evaluation:
    from hotcoco import COCOeval

    known = _ground_truth(split, ids, truth)
    evaluator = COCOeval(known, _results(known, found), "segm")
    evaluator.params.max_dets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    result = evaluator.eval
    assert result is not None
    return np.asarray(result["precision"]), np.asarray(result["recall"])


def _ground_truth(split: DatasetSplit, ids: Ids, rles: Sequence[dict[str, Any]]) -> Any:
    from hotcoco import COCO

    annotations = split.annotations
    return COCO.from_arrays(
        [
            {"id": ids.images[i.id], "width": i.width, "height": i.height, "file_name": i.file_name}
            for i in split.images
        ],
        [{"id": ids.categories[c.id], "name": c.name} for c in split.categories],
        np.array([ids.images[a.image_id] for a in annotations], np.int64),
        np.array([ids.categories[a.category_id] for a in annotations], np.int64),
        np.zeros((len(annotations), 4)),
        # An annotation id of 0 means "unmatched" to the reference, so they are counted from 1.
        ids=np.arange(1, len(annotations) + 1),
        area=np.array([a.area for a in annotations], np.float64),
        iscrowd=np.array([a.iscrowd for a in annotations], np.int64),
        segmentation=list(rles),
    )


def _results(known: Any, found: Columns) -> Any:
    rows = np.zeros((len(found.scores), 7))
    rows[:, 0], rows[:, 5], rows[:, 6] = found.images, found.scores, found.categories
    results = known.load_res(rows, segmentation=found.rles)
    # Else small, medium and large would go by the area of the (absent) boxes.
    results.update_anns(ids=np.arange(1, len(rows) + 1), area=found.areas.astype(np.float64))
    return results


def _convention(limits: Limits) -> dict[str, str]:
    last = limits[2]
    ap = f"AP and the areas' AR use {last}"
    if last != 100:
        ap += " (pycocotools' summarize prints -1 for AP unless 100 is a limit)"
    return {
        "iou": "map: mean over IoU 0.50:0.05:0.95; map_50, map_75: that IoU; area of masks",
        "recall": "AP: mean of interpolated precision at 101 recalls 0:0.01:1; AR: best recall",
        "mean": "over classes with a ground-truth object that is no crowd",
        "areas": "small up to 32², medium 32² to 96², large from 96² pixels of the annotation's"
        " area field, bounds in both; unmatched objects by their mask's pixels",
        "max_detections": f"{limits[0]}, {limits[1]}, {last} an image and class; {ap}",
        "crowd": "crowds are ignored: an object on one counts neither way, IoU over its own area",
        "polygons": "rasterised as pycocotools does it; several polygons of an object are united",
        "empty_masks": "predicted masks without a pixel are kept, as the reference keeps them",
    }


def _counts(split: DatasetSplit, found: Columns, classes: ClassMap) -> dict[str, int]:
    return {
        **split_counts(split, classes),
        "predictions": len(found.scores),
        "empty_predictions": int((found.areas == 0).sum()),
    }
