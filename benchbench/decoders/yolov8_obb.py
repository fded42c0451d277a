"""YOLOv8 and later with turned boxes: upright rows and an angle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import Coordinates, Count, Unit, in_pixels
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import above
from benchbench.oriented import long_edge, rescaled
from benchbench.types import (
    ClassMap,
    Feed,
    Geometry,
    OrientedDetections,
    Prediction,
    Record,
    TaskName,
)

Candidates = tuple[NDArray[np.float64], NDArray[Any], NDArray[np.int64]]
"""Turned boxes (n, 5) in pixels of the input, scores (n,), class indices (n,)."""


class YoloV8Obb(Record):
    """Decodes (N, 4 + C + 1, M), or (N, M, 4 + C + 1): box, class probabilities, angle.

    A row is centre x, centre y, width, height, C probabilities and radians, clockwise on the
    screen. If both axes fit, it is the first. Source: ultralytics, nn/modules/head.py, OBB;
    defaults are those of its validation.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "oriented-detection"

    outputs: tuple[str, ...] | None = None
    """Names of the outputs, in the order the decoder reads them; None: all, in the model's."""
    score_floor: Unit = 0.01
    """Only scores above this are kept."""
    nms_iou: Unit | None = Field(default=0.7, gt=0)
    """Overlap from which the lesser box goes; None: no suppression."""
    nms: Literal["class-aware", "class-agnostic"] = "class-aware"
    """Whether only boxes of one class compete."""
    overlap: Literal["probiou", "exact"] = "probiou"
    """How overlap is measured: ProbIoU, or the shared area of the boxes over their union."""
    suppression: Literal["fast", "greedy"] = "fast"
    """Whether boxes that are themselves suppressed suppress others (fast), or not (greedy)."""
    top_k: Count | None = 30000
    """How many of an image's best candidates enter suppression; None: all."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""
    multi_label: bool = True
    """Whether a box stands for every class above the floor, or for its best class only."""
    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""

    expected: ClassVar[str] = (
        "one output (N, 4 + classes + 1, boxes) or (N, boxes, 4 + classes + 1)"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        rows, channels = chosen.shape(0, None, None), 5 + len(classes.names)
        if channels not in rows.shape[1:]:
            raise chosen.mismatch(f"no axis of {channels} for a class list of {len(classes.names)}")
        if rows.shape[1] == channels:
            rows = rows.transpose(0, 2, 1)
        return [
            self._kept(self._candidates(chosen, rows[row], geometry), geometry, classes)
            for row, geometry in enumerate(geometries)
        ]

    def _candidates(self, outputs: Outputs, values: NDArray[Any], geometry: Geometry) -> Candidates:
        scores = values[:, 4:-1]
        outputs.finite(0, scores)
        rows, indices = above(scores, self.score_floor, multi_label=self.multi_label)
        upright = in_pixels(values[rows, :4], geometry, self.coordinates)
        boxes = np.concatenate([upright, values[rows, -1:].astype(np.float64)], axis=1)
        outputs.finite(0, boxes)
        return boxes, scores[rows, indices], indices

    def _kept(
        self, candidates: Candidates, geometry: Geometry, classes: ClassMap
    ) -> OrientedDetections:
        boxes, scores, indices = candidates
        ids = np.array([-1 if i is None else i for i in classes.category_ids], np.int64)
        known = np.flatnonzero(ids[indices] >= 0)
        order = known[np.argsort(-scores[known], kind="stable")[: self.top_k]]
        # In the input's pixels, as Ultralytics does; ProbIoU is the same in any affine map.
        order = order[self._survivors(boxes[order], indices[order])][: self.max_detections]
        shifted = boxes[order] - (geometry.offset_x, geometry.offset_y, 0, 0, 0)
        mapped = rescaled(shifted, 1 / geometry.scale_x, 1 / geometry.scale_y)
        return OrientedDetections(
            boxes=long_edge(mapped),
            scores=scores[order].astype(np.float64),
            labels=ids[indices[order]],
        )

    def _survivors(
        self, boxes: NDArray[np.float64], indices: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        if self.nms_iou is None:
            return np.ones(len(boxes), np.bool_)
        from benchbench.oriented_kernels import survivors

        groups = indices if self.nms == "class-aware" else np.zeros_like(indices)
        exact, greedy = self.overlap == "exact", self.suppression == "greedy"
        return survivors(boxes, groups, self.nms_iou, exact, greedy)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        most, best = self.max_detections, self.top_k
        return {
            "decoder": f"YOLOv8 with turned boxes, in {self.coordinates}",
            "score": "class probability",
            "score floor": f"score > {self.score_floor:g}",
            "candidates": "all" if best is None else f"best {best} an image",
            "nms": self._suppression(),
            "detections": "all" if most is None else f"at most {most} an image",
            "labels": "every class above the floor" if self.multi_label else "best class of a box",
            "geometry": "boxes are mapped to the image after NMS; where x and y are scaled apart,"
            " with their area and their longer side's direction and length",
        }

    def _suppression(self) -> str:
        if self.nms_iou is None:
            return "none"
        name = {"probiou": "ProbIoU", "exact": "IoU of turned boxes"}[self.overlap]
        how = {"fast": "fast (suppressed boxes suppress too)", "greedy": "greedy"}
        return f"{self.nms}, {how[self.suppression]}, {name} ≥ {self.nms_iou:g} goes"
