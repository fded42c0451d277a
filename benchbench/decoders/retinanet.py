"""RetinaNet: anchors of several sizes and aspect ratios, one sigmoid a class."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.decoders.anchors import Anchored, Variances
from benchbench.decoders.detections import Count, Positive, Unit
from benchbench.decoders.scores import above, logit, sigmoid

Several = Annotated[tuple[Positive, ...], Field(min_length=1)]


class RetinaNet(Anchored):
    """Decodes class logits (N, M, C) then offsets (N, M, 4).

    The score is sigmoid of the logit. The anchors of a cell are centred at its top left corner: for
    each aspect ratio (height / width) those of all sizes (square root of the area). Defaults are
    those of torchvision's. Sources: Lin et al., Focal Loss, section 4; torchvision AnchorGenerator.
    """

    nms_iou: Unit | None = 0.5
    """Overlap above which the lesser box goes; None: no suppression."""
    level_top_k: Count | None = 1000
    """How many of each stride's best candidates go on; None: all."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""
    strides: tuple[Count, ...] = Field(default=(8, 16, 32, 64, 128), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the outputs."""
    spacing: Literal["stride", "cells"] = "cells"
    """Distance of neighbouring anchors: the stride, or whole pixels of the input over its cells."""
    sizes: tuple[Several, ...] = (
        (32, 40, 50),
        (64, 80, 101),
        (128, 161, 203),
        (256, 322, 406),
        (512, 645, 812),
    )
    """Sizes in pixels of the anchors of each stride."""
    aspect_ratios: Several = (0.5, 1, 2)
    """Height over width of the anchors of every stride."""
    round_anchors: bool = True
    """Round half widths and half heights to whole pixels, as torchvision does."""
    variances: Variances = (1, 1, 1, 1)
    """Factors of the offsets of centre x, centre y, width and height."""

    centre: ClassVar[float] = 0

    @model_validator(mode="after")
    def _sizes_for_each_stride(self) -> Self:
        if len(self.sizes) != len(self.strides):
            raise ValueError(f"sizes for {len(self.sizes)} of {len(self.strides)} strides")
        return self

    def _step(self, side: int, cells: int, stride: int) -> float:
        return stride if self.spacing == "stride" else side // cells

    def _shapes(self, level: int) -> NDArray[np.float64]:
        tall = np.sqrt(np.array(self.aspect_ratios))[:, None]
        size = np.array(self.sizes[level])
        half = np.stack([(size / tall).ravel(), (size * tall).ravel()], axis=1) / 2
        return 2 * (np.round(half) if self.round_anchors else half)

    def _scored(self, logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        rows, indices = above(logits, logit(self.score_floor), multi_label=True)
        return rows, indices, sigmoid(logits[rows, indices])

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {
            "decoder": "RetinaNet, multi-label",
            "score": "sigmoid(logit)",
            **super().describe(),
        }
