"""What every box decoder does last: choose, suppress, and return to the original image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.decoders.nms import nms as survivors
from benchbench.decoders.soft_nms import Decay, soft_nms
from benchbench.types import ClassMap, Detections, Geometry, Prediction, Record, TaskName

Candidates = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]
"""Boxes (n, 4) as x1 y1 x2 y2 in pixels of the input, scores (n,), class indices (n,)."""
Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Clip = Literal["after"] | bool
Coordinates = Literal["pixels", "relative"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of an image's candidates, best score first."""

    rows: NDArray[np.int64]
    """(n,): which of the candidates."""
    corners: NDArray[np.float64]
    """(n, 4): x1, y1, x2, y2 in pixels of the original image."""
    scores: NDArray[np.float64]
    """(n,): soft-NMS has lowered them."""
    labels: NDArray[np.int64]
    """(n,): category ids of the dataset."""

    def detections(self) -> Detections:
        """Return them with boxes as x, y, width, height."""
        low, high = self.corners[:, :2], self.corners[:, 2:]
        return Detections(
            boxes=np.concatenate([low, high - low], axis=1), scores=self.scores, labels=self.labels
        )


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
    soft: Literal["none", "linear", "gaussian"] = "none"
    """Soft-NMS: the lesser box loses score (linear: where the overlap is above nms_iou)."""
    sigma: Positive = 0.5
    """Width of gaussian soft-NMS: a score is multiplied by exp(-IoU² / sigma)."""
    top_k: Count | None = None
    """How many of an image's best candidates enter suppression; None: all."""
    max_detections: Count | None = 100
    """How many detections an image keeps; None: all."""
    clip: Clip = False
    """Cut boxes at the border of the original image: true before suppression, or after."""

    @model_validator(mode="after")
    def _soft_suppresses(self) -> Self:
        if self.soft != "none" and self.nms_iou is None:
            raise ValueError(f"soft: {self.soft} is a kind of suppression and needs nms_iou")
        return self

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
        return self.keep((boxes, scores, indices), geometry, classes).detections()

    def keep(self, candidates: Candidates, geometry: Geometry, classes: ClassMap) -> Kept:
        """Return which of an image's candidates stay; see :meth:`select`."""
        boxes, scores, indices = candidates
        ids = np.array([-1 if i is None else i for i in classes.category_ids], np.int64)
        known = np.flatnonzero(ids[indices] >= 0)
        order = known[np.argsort(-scores[known], kind="stable")[: self._most()]]
        corners = to_image(boxes[order], geometry)
        if self.clip is True:
            _clip(corners, geometry)
        chosen, values = self._suppressed(corners, scores[order], indices[order])
        chosen, values = chosen[: self.max_detections], values[: self.max_detections]
        corners = corners[chosen]
        if self.clip == "after":
            _clip(corners, geometry)
        rows = order[chosen]
        return Kept(rows, corners, values.astype(np.float64), ids[indices[rows]])

    def each(
        self,
        geometries: Sequence[Geometry],
        classes: ClassMap,
        candidates: Callable[[int, Geometry], Candidates],
    ) -> list[Prediction]:
        """Return the detections of each image of a batch; *candidates* takes its row."""
        return [
            self.select(*candidates(row, geometry), geometry, classes)
            for row, geometry in enumerate(geometries)
        ]

    def _most(self) -> int | None:
        # Without suppression nothing beyond the final number can come up from behind.
        limits = [self.top_k, self.max_detections if self.nms_iou is None else None]
        return min((limit for limit in limits if limit is not None), default=None)

    def _suppressed(
        self, corners: NDArray[np.float64], scores: NDArray[Any], indices: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        if self.nms_iou is None:
            return np.arange(len(scores)), scores
        groups = indices if self.nms == "class-aware" else None
        if self.soft != "none":
            decay = Decay(self.soft, self.nms_iou, self.sigma)
            return soft_nms(corners, scores, decay, self.score_floor, groups)
        kept = survivors(corners, scores, self.nms_iou, groups)
        return kept, scores[kept]

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        most = self.max_detections
        clips = {"False": "no", "True": "to the image, before NMS"}
        return {
            "score floor": f"score > {self.score_floor:g}",
            "candidates": "all" if self.top_k is None else f"best {self.top_k} an image",
            "nms": self._suppression(),
            "detections": "all" if most is None else f"at most {most} an image",
            "clip": clips.get(str(self.clip), "to the image, after NMS"),
        }

    def _suppression(self) -> str:
        if self.nms_iou is None:
            return "none"
        how = {
            "none": f"greedy, IoU > {self.nms_iou:g} goes",
            "linear": f"soft, score × (1 − IoU) where IoU > {self.nms_iou:g}",
            "gaussian": f"soft, score × exp(−IoU² / {self.sigma:g})",
        }
        return f"{self.nms}, {how[self.soft]}"


def to_image(boxes: NDArray[Any], geometry: Geometry) -> NDArray[np.float64]:
    """Map (N, 4) corner boxes from the input's pixels to the original image's."""
    offset = np.array((geometry.offset_x, geometry.offset_y) * 2)
    scale = np.array((geometry.scale_x, geometry.scale_y) * 2)
    mapped: NDArray[np.float64] = (boxes - offset) / scale
    return mapped


def _clip(corners: NDArray[np.float64], geometry: Geometry) -> None:
    np.clip(corners, 0, (geometry.image_width, geometry.image_height) * 2, out=corners)


def in_pixels(
    boxes: NDArray[Any], geometry: Geometry, coordinates: Coordinates
) -> NDArray[np.float64]:
    """Return *boxes* (N, 4), x and y alternating, in pixels of the input.

    Relative coordinates are shares of the input's width and height.
    """
    exact = boxes.astype(np.float64)
    if coordinates == "relative":
        exact *= (geometry.input_width, geometry.input_height) * 2
    return exact


def corners_of(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return corner boxes (N, 4) from centre x, centre y, width, height."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def grid(length: int, stride: int) -> int:
    """Return how many cells of *stride* pixels cover *length* pixels."""
    return -(-length // stride)


def around(centres: NDArray[Any], distances: NDArray[Any]) -> NDArray[Any]:
    """Return corner boxes (N, 4) from centres (N, 2) and left, top, right, bottom distances."""
    low, high = centres - distances[:, :2], centres + distances[:, 2:]
    return np.concatenate([low, high], axis=1)
