"""Average precision of boxes by torchmetrics' MeanAveragePrecision itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_numbers import Limits, names, reasons
from benchbench.metrics.detection_table import detected_columns, truth_columns
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

Grid = Literal["single", "double"]


class TorchmetricsBoxes(Record):
    """The 12 numbers of torchmetrics' MeanAveragePrecision: slow; for the record."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("torchmetrics",),
        ("torchvision",),
        ("pycocotools",),
    )
    extra: ClassVar[str] = "reference"
    task: ClassVar[TaskName] = "detection"

    max_detections: Limits = (1, 10, 100)
    """Best detections of an image and class that count."""
    iou_grid: Grid = "single"
    """IoU thresholds 0.5:0.05:0.95 rounded to 32 bits, the library's default, or in 64."""
    recall_grid: Grid = "single"
    """Recalls 0:0.01:1 rounded to 32 bits, the library's default, or in 64."""

    def as_ours(self, ours: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the options that follow *ours*, a metric with its options; None if none do."""
        if ours["kind"] != "coco-boxes":
            return None
        limits = tuple(ours["max_detections"])
        return {"max_detections": limits, "iou_grid": "double", "recall_grid": "double"}

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Crowds and areas are passed to the library. Raises what
        :meth:`benchbench.metrics.coco_boxes.CocoBoxes.score` raises.
        """
        del classes
        import torchmetrics

        found = detected_columns(truth, pair(truth, predictions, Detections))
        known = truth_columns(truth)
        values = self._computed(known, found)
        metrics = {
            name: None if values[name] < 0 else values[name] for name in names(self.max_detections)
        }
        return Scores(
            metrics=metrics,
            reasons=reasons(metrics, self.max_detections),
            primary="map",
            evaluator=f"torchmetrics {torchmetrics.__version__} (pycocotools)",
            convention={
                "rules": "MeanAveragePrecision with its defaults, iscrowd and area given",
                "grids": f"IoU thresholds: {self.iou_grid} precision, recalls: {self.recall_grid}",
                "zero_size": "an area of 0 is replaced by the box's",
                "max_detections": f"{self.max_detections}, an image and class",
            },
            counts={"images": len(truth.images), "predictions": len(found.scores)},
        )

    def _computed(self, truth: Truth, found: Found) -> dict[str, float]:
        from torchmetrics.detection import MeanAveragePrecision

        grids = (self.iou_grid, np.linspace(0.5, 0.95, 10)), (self.recall_grid, _RECALLS)
        iou, recall = (values.tolist() if grid == "double" else None for grid, values in grids)
        metric = MeanAveragePrecision(
            box_format="xywh",
            iou_thresholds=iou,
            rec_thresholds=recall,
            max_detection_thresholds=list(self.max_detections),
        )
        metric.warn_on_many_detections = False  # the limits are the caller's choice
        if not truth.images:
            return dict.fromkeys(names(self.max_detections), -1.0)
        metric.update(_by_image(found, truth.images), _by_image(truth, truth.images))
        return {name: float(v) for name, v in metric.compute().items() if v.numel() == 1}


_RECALLS = np.linspace(0, 1, 101)


def _by_image(columns: Found | Truth, images: int) -> list[dict[str, Any]]:
    """Return the library's dictionary of each image."""
    import torch

    order = np.argsort(columns.image, kind="stable")
    cuts = np.searchsorted(columns.image[order], np.arange(1, images))
    arrays: dict[str, Any] = {"boxes": columns.boxes, "labels": columns.category}
    if isinstance(columns, Truth):
        arrays |= {"iscrowd": columns.crowd.astype(np.int64), "area": columns.area}
    else:
        arrays["scores"] = columns.scores
    parts = {n: np.split(np.asarray(a)[order], cuts) for n, a in arrays.items()}
    return [{n: torch.from_numpy(p[i].copy()) for n, p in parts.items()} for i in range(images)]
