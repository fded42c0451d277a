"""YOLOv5, YOLOv7, YOLOv8 and later: a box in pixels and class probabilities in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import (
    Candidates,
    Clip,
    Coordinates,
    Count,
    Positive,
    Selection,
    Unit,
    corners_of,
    grid,
    in_pixels,
    joined,
)
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import above, logit, sigmoid, weighted
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class Yolo(Selection):
    """Options of the YOLO decoders. Defaults are those of Ultralytics' validation."""

    score_floor: Unit = 0.001
    """Only scores above this are kept."""
    nms_iou: Unit | None = 0.7
    """Overlap above which the lesser box goes; None: no suppression."""
    top_k: Count | None = 30000
    """How many of an image's best candidates enter suppression; None: all."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""
    clip: Clip = "after"
    """Cut boxes at the border of the original image: true before suppression, or after."""
    multi_label: bool = True
    """Whether a box stands for every class above the floor, or for its best class only."""

    def rows(
        self, outputs: Feed, expected: str, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one output (N, M, 5 + C): box, objectness, class probabilities."""
        chosen = Outputs(outputs, self.outputs, expected, images=len(geometries))
        chosen.count(1)
        found = chosen.shape(0, None, None)
        chosen.classes(found.shape[2] - 5, classes)
        return self.each(
            geometries, classes, lambda row, geometry: self._row(chosen, found[row], geometry)
        )

    def _row(self, outputs: Outputs, values: NDArray[Any], geometry: Geometry) -> Candidates:
        outputs.finite(0, values[:, 4:])
        rows, indices, scores = weighted(
            values[:, 5:], values[:, 4], self.score_floor, multi_label=self.multi_label
        )
        boxes = self._boxes(values[:, :4], rows, geometry)
        outputs.finite(0, boxes)
        return corners_of(boxes), scores, indices

    def _boxes(
        self, values: NDArray[Any], rows: NDArray[np.int64], geometry: Geometry
    ) -> NDArray[np.float64]:
        """Return centre x, centre y, width and height in pixels of the chosen *rows*."""
        return in_pixels(values[rows], geometry, "pixels")

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return super().describe() | {
            "labels": "every class above the floor" if self.multi_label else "best class of a box"
        }


class YoloV5(Yolo):
    """Decodes (N, M, 5 + C): centre x, y, width, height, objectness, class probabilities.

    With *anchors*, instead, a raw head (N, A, h, w, 5 + C) for each stride, all values logits s:
    centre = (2 · sigmoid(s) − 0.5 + cell) · stride, size = (2 · sigmoid(s))² · anchor. Source:
    ultralytics/yolov5, models/yolo.py, Detect; YOLOv7's is the same.
    """

    nms_iou: Unit | None = 0.6
    """Overlap above which the lesser box goes; None: no suppression."""
    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""
    anchors: tuple[tuple[tuple[Positive, Positive], ...], ...] | None = None
    """Widths and heights in pixels, for each stride, of raw heads; None: the model applied them."""
    strides: tuple[Count, ...] = Field(default=(8, 16, 32), min_length=1)
    """Pixels of the input between neighbouring cells of raw heads, in the order of the outputs."""

    expected: ClassVar[str] = "one output (N, boxes, 5 + classes)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        if self.anchors is not None:
            return self._heads(outputs, geometries, classes, self.anchors)
        return self.rows(outputs, self.expected, geometries, classes)

    def _boxes(
        self, values: NDArray[Any], rows: NDArray[np.int64], geometry: Geometry
    ) -> NDArray[np.float64]:
        return in_pixels(values[rows], geometry, self.coordinates)

    def _heads(
        self,
        outputs: Feed,
        geometries: Sequence[Geometry],
        classes: ClassMap,
        anchors: tuple[tuple[tuple[float, float], ...], ...],
    ) -> list[Prediction]:
        expected = (
            "raw heads (N, anchors, h, w, 5 + classes), as many anchors as given, for each of the"
            f" strides {', '.join(map(str, self.strides))}"
        )
        chosen = Outputs(outputs, self.outputs, expected, images=len(geometries))
        chosen.count(len(self.strides))
        if len(anchors) != len(self.strides):
            raise chosen.mismatch(f"anchors for {len(anchors)} of {len(self.strides)} strides")
        return self.each(
            geometries,
            classes,
            lambda row, geometry: joined(
                self._level(chosen, level, row, geometry, classes)
                for level in range(len(self.strides))
            ),
        )

    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        assert self.anchors is not None
        stride, sizes = self.strides[level], np.array(self.anchors[level])
        cells = grid(geometry.input_height, stride), grid(geometry.input_width, stride)
        head = outputs.shape(level, len(sizes), *cells, None)[row]
        outputs.classes(head.shape[3] - 5, classes)
        outputs.finite(level, head[..., 4:])
        anchor, y, x = np.nonzero(head[..., 4] > logit(self.score_floor))
        some = head[anchor, y, x]
        outputs.finite(level, some)
        values = sigmoid(some)
        rows, indices, scores = weighted(
            values[:, 5:], values[:, 4], self.score_floor, multi_label=self.multi_label
        )
        centres = (2 * values[rows, :2] - 0.5 + np.stack([x, y], axis=1)[rows]) * stride
        extents = (2 * values[rows, 2:4]) ** 2 * sizes[anchor[rows]]
        return corners_of(np.concatenate([centres, extents], axis=1)), scores, indices

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        strides = ", ".join(map(str, self.strides))
        heads = f"raw heads, strides {strides}, anchors {self.anchors}"
        return {
            "decoder": f"YOLOv5, {heads if self.anchors else f'boxes in {self.coordinates}'}",
            "score": "objectness × class probability",
            **super().describe(),
        }


class YoloV8(Yolo):
    """Decodes (N, 4 + C, M), or (N, M, 4 + C): centre x, y, width, height, class probabilities.

    If both fit, it is the first. YOLOv8, v9, v11 and v12 end so. Source: ultralytics,
    nn/modules/head.py, Detect.
    """

    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""

    expected: ClassVar[str] = "one output (N, 4 + classes, boxes) or (N, boxes, 4 + classes)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        rows, channels = chosen.shape(0, None, None), 4 + len(classes.names)
        if channels not in rows.shape[1:]:
            raise chosen.mismatch(f"no axis of {channels} for a class list of {len(classes.names)}")
        if rows.shape[1] == channels:
            rows = rows.transpose(0, 2, 1)
        return self.each(
            geometries, classes, lambda row, geometry: self._image(chosen, rows[row], geometry)
        )

    def _image(self, outputs: Outputs, values: NDArray[Any], geometry: Geometry) -> Candidates:
        outputs.finite(0, values[:, 4:])
        rows, indices = above(values[:, 4:], self.score_floor, multi_label=self.multi_label)
        boxes = in_pixels(values[rows, :4], geometry, self.coordinates)
        outputs.finite(0, boxes)
        return corners_of(boxes), values[rows, indices + 4], indices

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {
            "decoder": f"YOLOv8, boxes in {self.coordinates}",
            "score": "class probability",
            **super().describe(),
        }
