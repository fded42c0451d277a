"""YOLOv8 and later with masks: each box has coefficients of prototypes that all share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from benchbench.decoders.boxes import Finished
from benchbench.decoders.detections import Clip, Coordinates, Count, Unit, corners_of, in_pixels
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.prototypes import PrototypeMasks
from benchbench.decoders.scores import above
from benchbench.decoders.yolo import Yolo
from benchbench.types import ClassMap, Feed, Geometry, Instances, Prediction, TaskName


class YoloV8Segment(Yolo, PrototypeMasks):
    """Decodes (N, 4 + C + K, M), or (N, M, 4 + C + K), and prototypes (N, K, h, w).

    A row is centre x, centre y, width, height, class probabilities and K mask coefficients.
    """

    task: ClassVar[TaskName] = "instance-segmentation"

    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""

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
        return self.instances(kept, coefficients, prototypes, geometry)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {
            "decoder": f"YOLOv8 with masks, boxes in {self.coordinates}",
            "score": "class probability",
            "masks": self.mask_line,
            **super().describe(),
        }


class YoloEndToEndSegment(Finished, PrototypeMasks):
    """Decodes (N, M, 6 + K) and prototypes (N, K, h, w).

    A row is x1, y1, x2, y2, score, class and K mask coefficients: YOLO26 exported without NMS, and
    Ultralytics' exports of segmentation models with NMS inside (``nms=True``). Source: ultralytics,
    nn/modules/head.py, Detect.postprocess.
    """

    task: ClassVar[TaskName] = "instance-segmentation"

    score_floor: Unit = 0.001
    """Only scores above this are kept; padded rows have the score 0."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""
    clip: Clip = "after"
    """Cut boxes at the border of the original image: true before suppression, or after."""

    title: ClassVar[str] = "rows of box, score, class, mask coefficients"
    expected: ClassVar[str] = (
        "two outputs: (N, boxes, 6 + coefficients) and prototypes (N, coefficients, h, w)"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(2)
        prototypes = chosen.shape(1, None, None, None)
        rows = chosen.shape(0, None, 6 + prototypes.shape[1])
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
        found = values[:, :4], values[:, 4], values[:, 5]
        kept = self.keep(
            self.candidates(outputs, (0, 0, 0), found, geometry, classes), geometry, classes
        )
        coefficients = values[values[:, 4] > self.score_floor][kept.rows, 6:]
        outputs.finite(0, coefficients)
        return self.instances(kept, coefficients, prototypes, geometry)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        none = {"nms": "inside the model, or none needed"}
        lines = super().describe() | {"masks": self.mask_line}
        return lines | ({} if self.nms_iou is not None else none)
