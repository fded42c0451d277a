"""The 12 COCO numbers for boxes by pycocotools itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_numbers import Limits, names, reasons
from benchbench.metrics.detection_table import detected_columns, image_ids, truth_columns
from benchbench.metrics.pairing import pair
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Detections,
    Prediction,
    Record,
    Scores,
    TaskName,
)

_SUMMARIZED = 100


class PycocotoolsBoxes(Record):
    """The 12 COCO numbers for boxes by pycocotools: slow; for the record."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("pycocotools",),)
    extra: ClassVar[str] = "reference"
    task: ClassVar[TaskName] = "detection"

    max_detections: Limits = (1, 10, 100)
    """Best detections of an image and class that count; without 100 among them ``map`` is None."""

    def as_ours(self, ours: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the options that follow *ours*, a metric with its options; None if none do."""
        if ours["kind"] != "coco-boxes":
            return None
        return {"max_detections": tuple(ours["max_detections"])}

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises what :meth:`benchbench.metrics.coco_boxes.CocoBoxes.score` raises.
        """
        del classes
        found = detected_columns(truth, pair(truth, predictions, Detections))
        stats = self._stats(truth, truth_columns(truth), found)
        metrics = {
            name: None if value < 0 else float(value)
            for name, value in zip(names(self.max_detections), stats, strict=True)
        }
        return Scores(
            metrics=metrics,
            reasons=self._reasons(metrics),
            primary="map",
            evaluator=f"pycocotools {_version()}",
            convention={
                "rules": "pycocotools' COCOeval.summarize with its defaults",
                "max_detections": f"{self.max_detections}, an image and class",
            },
            counts={"images": len(truth.images), "predictions": len(found.scores)},
        )

    def _stats(self, split: DatasetSplit, truth: Truth, found: Found) -> NDArray[np.float64]:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        if not len(truth.image):
            return np.full(12, -1.0)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            known = COCO()
            known.dataset = document(split, truth)
            known.createIndex()
            if not len(found.scores):
                return _nothing_found(known, COCOeval, self.max_detections)
            evaluator = COCOeval(known, known.loadRes(table(found)), "bbox")
            return _summary(evaluator, self.max_detections)

    def _reasons(self, metrics: Mapping[str, float | None]) -> dict[str, str]:
        found = reasons(metrics, self.max_detections)
        if _SUMMARIZED in self.max_detections:
            return found
        return found | {
            "map": "summarize reads it at 100 detections, which is not among the limits"
        }


def _version() -> str:
    from importlib.metadata import version

    return version("pycocotools")


def document(split: DatasetSplit, truth: Truth) -> dict[str, Any]:
    """Return the truth as COCO's JSON; ids count from 1: to the reference 0 means unmatched."""
    columns = (truth.image, truth.category, truth.boxes, truth.area, truth.crowd)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    keys = ("image_id", "category_id", "bbox", "area", "iscrowd")
    annotations = [
        {"id": n, **dict(zip(keys, (i + 1, c + 1, box, area, int(crowd)), strict=True))}
        for n, (i, c, box, area, crowd) in enumerate(rows, 1)
    ]
    return {
        "info": {},
        "images": [{"id": n} for n in range(1, len(image_ids(split)) + 1)],
        "annotations": annotations,
        "categories": [{"id": n, "name": str(n)} for n in range(1, truth.categories + 1)],
    }


def table(found: Found) -> NDArray[np.float64]:
    """Return (N, 7) detections: image, x, y, width, height, score, category; ids from 1."""
    columns = (found.image + 1, found.boxes, found.scores, found.category + 1)
    return np.column_stack(columns)


def _nothing_found(known: Any, evaluator: Any, limits: Limits) -> NDArray[np.float64]:
    """Return what is evaluated without any detection: the library cannot load an empty list."""
    empty = type(known)()
    empty.dataset = {**known.dataset, "annotations": []}
    empty.createIndex()
    return _summary(evaluator(known, empty, "bbox"), limits)


def _summary(evaluator: Any, limits: Limits) -> NDArray[np.float64]:
    evaluator.params.maxDets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return np.asarray(evaluator.stats)
