"""SSD: default boxes at several strides, softmax with background."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.decoders.anchors import Anchored, Variances
from benchbench.decoders.classification import activated
from benchbench.decoders.detections import Candidates, Count, Positive, Unit
from benchbench.decoders.scores import above, best_of_each


class Ssd(Anchored):
    """Decodes class logits with background (N, M, C + 1) then offsets (N, M, 4).

    The score is softmax over classes and background. The anchors of a stride with scale s and the
    next one's s' are, as shares of the input, squares of s and of sqrt(s · s'), and for each aspect
    ratio r the two of s · sqrt(r) by s / sqrt(r), lying and standing. Defaults are those of
    torchvision's SSD300. Sources: Liu et al., SSD, section 2.2; torchvision DefaultBoxGenerator.
    """

    score_floor: Unit = 0.01
    """Only scores above this are kept."""
    nms_iou: Unit | None = 0.45
    """Overlap above which the lesser box goes; None: no suppression."""
    max_detections: Count | None = 200
    """How many detections an image keeps; None: all."""
    class_top_k: Count | None = 400
    """How many of a class's best candidates enter suppression; None: all."""
    strides: tuple[Count, ...] = Field(default=(8, 16, 32, 64, 100, 300), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the outputs."""
    spacing: Literal["stride", "cells"] = "stride"
    """Distance of neighbouring anchors: the stride, or the input's side over its cells."""
    scales: tuple[Positive, ...] = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
    """Size of the square anchor of each stride as a share of the input, and one more."""
    aspect_ratios: tuple[tuple[Positive, ...], ...] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
    """Further shapes of each stride."""
    clip_anchors: bool = True
    """Let no anchor be larger than the input."""
    variances: Variances = (0.1, 0.1, 0.2, 0.2)
    """Factors of the offsets of centre x, centre y, width and height."""
    background: Literal["first", "last"] = "first"
    """Which of the class logits is background."""

    centre: ClassVar[float] = 0.5
    relative: ClassVar[bool] = True
    background_channels: ClassVar[int] = 1

    @model_validator(mode="after")
    def _one_shape_list_a_stride(self) -> Self:
        count = len(self.strides)
        if len(self.aspect_ratios) != count or len(self.scales) != count + 1:
            raise ValueError(
                f"{count} strides need as many aspect_ratios and {count + 1} scales, not"
                f" {len(self.aspect_ratios)} and {len(self.scales)}"
            )
        return self

    def _shapes(self, level: int) -> NDArray[np.float64]:
        scale = self.scales[level]
        middle = math.sqrt(scale * self.scales[level + 1])
        shares = [(scale, scale), (middle, middle)]
        for ratio in self.aspect_ratios[level]:
            lying = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            shares += [lying, lying[::-1]]
        found = np.array(shares)
        return np.minimum(found, 1) if self.clip_anchors else found

    def _scored(self, logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        scores = activated(logits, "softmax", axis=1)
        scores = scores[:, 1:] if self.background == "first" else scores[:, :-1]
        rows, indices = above(scores, self.score_floor, multi_label=True)
        return rows, indices, scores[rows, indices]

    def _trimmed(self, candidates: Candidates) -> Candidates:
        boxes, scores, indices = candidates
        best = best_of_each(scores, indices, self.class_top_k)
        return boxes[best], scores[best], indices[best]

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        lines = {
            "decoder": "SSD, multi-label",
            "score": f"softmax with background {self.background}",
            **super().describe(),
        }
        if self.class_top_k is not None:
            lines["candidates"] = f"best {self.class_top_k} a class, of these {lines['candidates']}"
        return lines
