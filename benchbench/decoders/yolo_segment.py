"""YOLOv8 and later with masks: each box has coefficients of prototypes that all share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Coordinates, Unit, corners_of, in_pixels
from benchbench.decoders.mask_sampling import ImageSampler
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import above, logit, sigmoid
from benchbench.decoders.yolo import Yolo
from benchbench.masks import instances
from benchbench.types import ClassMap, Feed, Geometry, Instances, Prediction, TaskName


class YoloV8Segment(Yolo):
    """Decodes (N, 4 + C + K, M), or (N, M, 4 + C + K), and prototypes (N, K, h, w).

    A row is centre x, centre y, width, height, class probabilities and K mask coefficients; a mask
    is the sigmoid of coefficients · prototypes, upsampled bilinearly to the original image, cut at
    its box and thresholded. Source: ultralytics, utils/ops.py, ``process_mask_native`` (what their
    validation uses for COCO's JSON), with the letterbox undone exactly: the same numbers where its
    border is a whole number of cells, else shifted by less than a cell.
    """

    task: ClassVar[TaskName] = "instance-segmentation"

    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""
    interpolate: Literal["logits", "probabilities"] = "logits"
    """What is upsampled: the logits, as Ultralytics does now, or, as it once did, their sigmoid."""
    mask_threshold: Unit = 0.5
    """A pixel belongs to the object if its probability is above this."""

    expected: ClassVar[str] = (
        "two outputs: (N, 4 + classes + coefficients, boxes), or its last axes swapped, and"
        " prototypes (N, coefficients, h, w)"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(2)
        rows, prototypes = chosen.shape(0, None, None), chosen.shape(1, None, None, None)
        channels = 4 + len(classes.names) + prototypes.shape[1]
        if channels not in rows.shape[1:]:
            raise chosen.mismatch(
                f"no axis of {channels} for a class list of {len(classes.names)} and"
                f" {prototypes.shape[1]} prototypes"
            )
        if rows.shape[1] == channels:
            rows = rows.transpose(0, 2, 1)
        chosen.finite(1, prototypes)
        return [
            self._image(chosen, rows[index], prototypes[index], geometry, classes)
            for index, geometry in enumerate(geometries)
        ]

    def _image(
        self,
        outputs: Outputs,
        values: NDArray[Any],
        prototypes: NDArray[Any],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Instances:
        end = 4 + len(classes.names)
        outputs.finite(0, values[:, 4:end])
        rows, indices = above(values[:, 4:end], self.score_floor, multi_label=self.multi_label)
        boxes = in_pixels(values[rows, :4], geometry, self.coordinates)
        outputs.finite(0, boxes)
        candidates = corners_of(boxes), values[rows, indices + 4], indices
        kept = self.keep(candidates, geometry, classes)
        coefficients = values[rows[kept.rows], end:]
        outputs.finite(0, coefficients)
        runs = self._masks(coefficients, prototypes, kept.corners, geometry)
        found = kept.detections()
        return instances(found.boxes, found.scores, found.labels, runs)

    def _masks(
        self,
        coefficients: NDArray[Any],
        prototypes: NDArray[Any],
        corners: NDArray[np.float64],
        geometry: Geometry,
    ) -> list[NDArray[np.uint32]]:
        flat = prototypes.reshape(len(prototypes), -1).astype(np.float32)
        maps = (coefficients.astype(np.float32) @ flat).reshape(-1, *prototypes.shape[1:])
        threshold = logit(self.mask_threshold)
        if self.interpolate == "probabilities":
            maps, threshold = sigmoid(maps), self.mask_threshold
        sampler = ImageSampler(geometry, prototypes.shape[1:])
        return [sampler.inside(one, box, threshold) for one, box in zip(maps, corners, strict=True)]

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {
            "decoder": f"YOLOv8 with masks, boxes in {self.coordinates}",
            "score": "class probability",
            "masks": f"sigmoid of coefficients · prototypes > {self.mask_threshold:g}, at the"
            f" original image's size ({self.interpolate} upsampled bilinearly), cut at the box",
            **super().describe(),
        }
