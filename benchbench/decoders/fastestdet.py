"""FastestDet: one map of objectness, box and class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Clip, Selection, Unit
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Detections, Feed, Geometry, Prediction


class FastestDet(Selection):
    """Decodes (N, 5 + C, h, w): objectness, four box values, class probabilities; one box a cell.

    Centre = (tanh(tx) + x, tanh(ty) + y) in cells, size = sigmoid(tw), sigmoid(th) of the input.
    Source: dog-qiuqiu/FastestDet, utils/tool.py.
    """

    score_floor: Unit = 0.001
    """Only scores above this are kept."""
    nms_iou: Unit | None = 0.45
    """Overlap above which the lesser box goes; None: no suppression."""
    clip: Clip = True
    """Cut boxes at the border of the original image: true before suppression, or after."""
    exponents: tuple[Unit, Unit] = (0.6, 0.4)
    """Score = objectness to the first power times class probability to the second."""

    expected: ClassVar[str] = "one output (N, 5 + classes, h, w)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        maps = chosen.shape(0, None, None, None)
        chosen.classes(maps.shape[1] - 5, classes)
        chosen.finite(0, maps)
        return [
            self._image(values, geometry, classes)
            for values, geometry in zip(maps, geometries, strict=True)
        ]

    def _image(self, values: NDArray[Any], geometry: Geometry, classes: ClassMap) -> Detections:
        # Probabilities may leave 0…1 by a rounding at low precision; powers need them inside.
        probabilities = np.clip(values[5:], 0, 1)
        objectness = np.clip(values[0], 0, 1)
        scores = objectness ** self.exponents[0] * probabilities.max(axis=0) ** self.exponents[1]
        y, x = np.nonzero(scores > self.score_floor)
        boxes = _boxes(values[1:5, y, x], x, y, geometry, values.shape[1:])
        return self.select(
            boxes, scores[y, x], probabilities[:, y, x].argmax(axis=0), geometry, classes
        )

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        objectness, probability = self.exponents
        return {
            "decoder": "FastestDet, one class a cell",
            "score": f"objectness^{objectness:g} × max class^{probability:g}",
            **super().describe(),
        }


def _boxes(
    values: NDArray[Any],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    geometry: Geometry,
    cells: tuple[int, ...],
) -> NDArray[np.float64]:
    raw = values.astype(np.float64)
    size = np.array([geometry.input_width, geometry.input_height])
    step = size / (cells[1], cells[0])
    centre = (np.tanh(raw[:2]) + np.stack([x, y])).T * step
    half = (0.5 * np.tanh(0.5 * raw[2:]) + 0.5).T * size / 2
    return np.concatenate([centre - half, centre + half], axis=1)
