"""YOLOX: offsets from each cell's corner, objectness and class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import Candidates, Clip, Count, Unit, grid
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.yolo import Yolo
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class YoloX(Yolo):
    """Decodes (N, M, 5 + C): box, objectness, class probabilities; M: the cells of all strides.

    Centre = (xy + cell) · stride, size = exp(wh) · stride. Defaults are those of YOLOX's own
    evaluation. Source: Megvii-BaseDetection/YOLOX, models/yolo_head.py and utils/boxes.py.
    """

    score_floor: Unit = 0.01
    """Only scores above this are kept."""
    nms_iou: Unit | None = 0.65
    """Overlap above which the lesser box goes; None: no suppression."""
    top_k: Count | None = None
    """How many of an image's best candidates enter suppression; None: all."""
    max_detections: Count | None = None
    """How many detections an image keeps; None: all."""
    clip: Clip = False
    """Cut boxes at the border of the original image: true before suppression, or after."""
    multi_label: bool = False
    """Whether a box stands for every class above the floor, or for its best class only."""
    strides: tuple[Count, ...] = Field(default=(8, 16, 32), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the rows."""
    decoded: bool = False
    """True if the model gives centre x, y, width, height in pixels itself."""

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        strides = ", ".join(map(str, self.strides))
        cells = "boxes" if self.decoded else f"cells of the strides {strides}"
        expected = f"one output (N, {cells}, 5 + classes)"
        return self.rows(outputs, expected, geometries, classes)

    def _row(self, outputs: Outputs, values: NDArray[Any], geometry: Geometry) -> Candidates:
        if not self.decoded:
            outputs.shape(0, len(_cells(self.strides, geometry)), None)
        return super()._row(outputs, values, geometry)

    def _boxes(
        self, values: NDArray[Any], rows: NDArray[np.int64], geometry: Geometry
    ) -> NDArray[np.float64]:
        boxes = super()._boxes(values, rows, geometry)
        if self.decoded:
            return boxes
        cells = _cells(self.strides, geometry)
        return _applied(boxes, cells[rows])

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        strides = ", ".join(map(str, self.strides))
        return {
            "decoder": f"YOLOX, {'decoded in the model' if self.decoded else f'strides {strides}'}",
            "score": "objectness × class probability",
            **super().describe(),
        }


def _cells(strides: Sequence[int], geometry: Geometry) -> NDArray[np.int64]:
    """Return (M, 3): column, row and stride of each cell."""
    levels = []
    for stride in strides:
        height, width = grid(geometry.input_height, stride), grid(geometry.input_width, stride)
        y, x = np.divmod(np.arange(height * width), width)
        levels.append(np.stack([x, y, np.full_like(x, stride)], axis=1))
    return np.concatenate(levels)


def _applied(boxes: NDArray[np.float64], cells: NDArray[np.int64]) -> NDArray[np.float64]:
    stride = cells[:, 2:]
    with np.errstate(over="ignore"):  # what becomes infinite is refused by name
        extents = np.exp(boxes[:, 2:]) * stride
    return np.concatenate([(boxes[:, :2] + cells[:, :2]) * stride, extents], axis=1)
