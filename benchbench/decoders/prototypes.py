"""Masks as sums of prototypes that all objects of an image share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Kept, Unit
from benchbench.decoders.mask_sampling import ImageSampler
from benchbench.decoders.scores import logit, sigmoid
from benchbench.masks import instances
from benchbench.types import Geometry, Instances, Record


class PrototypeMasks(Record):
    """Options of the decoders of Ultralytics' segmentation models.

    A mask is the sigmoid of coefficients · prototypes, upsampled bilinearly to the original image,
    cut at its box and thresholded. Source: ultralytics, utils/ops.py, ``process_mask_native`` (what
    their validation uses for COCO's JSON), with the letterbox undone exactly: the same pixels where
    its border is a whole number of cells; else Ultralytics rounds the border to cells, or (since
    8.4) upsamples twice, which moves edges by a part of a cell.
    """

    interpolate: Literal["logits", "probabilities"] = "logits"
    """What is upsampled: the logits, as Ultralytics does now, or, as it once did, their sigmoid."""
    mask_threshold: Unit = 0.5
    """A pixel belongs to the object if its probability is above this."""

    def instances(
        self,
        kept: Kept,
        coefficients: NDArray[Any],
        prototypes: NDArray[Any],
        geometry: Geometry,
    ) -> Instances:
        """Return the objects of an image from *coefficients* (n, K) and *prototypes* (K, h, w)."""
        flat = prototypes.reshape(len(prototypes), -1).astype(np.float32)
        maps = (coefficients.astype(np.float32) @ flat).reshape(-1, *prototypes.shape[1:])
        threshold = logit(self.mask_threshold)
        if self.interpolate == "probabilities":
            maps, threshold = sigmoid(maps), self.mask_threshold
        sampler = ImageSampler(geometry, prototypes.shape[1:])
        pairs = zip(maps, kept.corners, strict=True)
        runs = [sampler.inside(one, box, threshold) for one, box in pairs]
        found = kept.detections()
        return instances(found.boxes, found.scores, found.labels, runs)

    @property
    def mask_line(self) -> str:
        """The protocol card's line on masks."""
        return (
            f"sigmoid of coefficients · prototypes > {self.mask_threshold:g}, at the original"
            f" image's size ({self.interpolate} upsampled bilinearly), cut at the box"
        )
