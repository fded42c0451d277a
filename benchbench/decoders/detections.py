"""What every box decoder does last: choose, suppress, and return to the original image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.nms import nms as survivors
from benchbench.types import ClassMap, Detections, Geometry, Record, TaskName

Candidates = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]
"""Boxes (n, 4) as x1 y1 x2 y2 in pixels of the input, scores (n,), class indices (n,)."""
Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]


def joined(levels: Iterable[Candidates]) -> Candidates:
    """Return the candidates of all *levels* (strides) of an image together."""
    boxes, scores, indices = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return boxes, scores, indices


class Selection(Record):
    """Options of every box decoder."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "detection"

    outputs: tuple[str, ...] | None = None
    """Names of the outputs, in the order the decoder reads them; None: all, in the model's."""
    score_floor: Unit = 0.05
    """Only scores above this are kept."""
    nms_iou: Unit | None = 0.6
    """Overlap above which the lesser box goes; None: no suppression."""
    nms: Literal["class-aware", "class-agnostic"] = "class-aware"
    """Whether only boxes of one class compete."""
    top_k: Count | None = None
    """How many of an image's best candidates enter suppression; None: all."""
    max_detections: Count = 100
    """How many detections an image keeps."""
    clip: bool = False
    """Cut boxes at the border of the original image, before suppression."""

    def select(
        self,
        boxes: NDArray[Any],
        scores: NDArray[Any],
        indices: NDArray[np.int64],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Detections:
        """Return an image's detections from its candidates above the floor.

        *boxes* (N, 4) are corners in pixels of the input, *indices* (N,) the model's classes. What
        the dataset has no category for is dropped first.
        """
        ids = np.array([-1 if i is None else i for i in classes.category_ids], np.int64)
        known = np.flatnonzero(ids[indices] >= 0)
        order = known[np.argsort(-scores[known], kind="stable")[: self.top_k]]
        corners, scores, indices = to_image(boxes[order], geometry), scores[order], indices[order]
        if self.clip:
            limits = (geometry.image_width, geometry.image_height)
            np.clip(corners, 0, limits * 2, out=corners)
        kept = self._suppressed(corners, scores, indices)[: self.max_detections]
        corners = corners[kept]
        corners[:, 2:] -= corners[:, :2]
        return Detections(
            boxes=corners, scores=scores[kept].astype(np.float64), labels=ids[indices[kept]]
        )

    def _suppressed(
        self, corners: NDArray[np.float64], scores: NDArray[Any], indices: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        if self.nms_iou is None:
            return np.arange(len(scores))
        groups = indices if self.nms == "class-aware" else None
        return survivors(corners, scores, self.nms_iou, groups)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        none = self.nms_iou is None
        return {
            "score floor": f"score > {self.score_floor:g}",
            "candidates": "all" if self.top_k is None else f"best {self.top_k} an image",
            "nms": "none" if none else f"{self.nms}, greedy, IoU > {self.nms_iou:g} goes",
            "detections": f"at most {self.max_detections} an image",
            "clip": "to the image, before NMS" if self.clip else "no",
        }


def to_image(boxes: NDArray[Any], geometry: Geometry) -> NDArray[np.float64]:
    """Map (N, 4) corner boxes from the input's pixels to the original image's."""
    offset = np.array((geometry.offset_x, geometry.offset_y) * 2)
    scale = np.array((geometry.scale_x, geometry.scale_y) * 2)
    mapped: NDArray[np.float64] = (boxes - offset) / scale
    return mapped


def grid(length: int, stride: int) -> int:
    """Return how many cells of *stride* pixels cover *length* pixels."""
    return -(-length // stride)


def around(centres: NDArray[Any], distances: NDArray[Any]) -> NDArray[Any]:
    """Return corner boxes (N, 4) from centres (N, 2) and left, top, right, bottom distances."""
    low, high = centres - distances[:, :2], centres + distances[:, 2:]
    return np.concatenate([low, high], axis=1)
