"""Anchor-free detectors that predict distances from each cell's centre (FCOS)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import Candidates, Count, Selection, around, grid, joined
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class Fcos(Selection):
    """Decodes, for each stride, class logits (N, C, h, w) and distances (N, 4, h, w).

    The outputs alternate: scores and boxes of the first stride, of the second, and so on. Distances
    are left, top, right, bottom in units of the stride, from ((x + 0.5) · s, (y + 0.5) · s).
    """

    top_k: Count | None = 1000
    """How many of an image's best candidates enter suppression; None: all."""
    strides: tuple[Count, ...] = Field(default=(8, 16, 32), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the outputs."""

    expected: ClassVar[str] = (
        "scores (N, classes, h, w) then boxes (N, 4, h, w) for each of the strides"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        expected = f"{self.expected} {', '.join(map(str, self.strides))}"
        chosen = Outputs(outputs, self.outputs, expected, images=len(geometries))
        chosen.count(2 * len(self.strides))
        return [
            self.select(
                *joined(
                    self._level(chosen, level, row, geometry, classes)
                    for level in range(len(self.strides))
                ),
                geometry,
                classes,
            )
            for row, geometry in enumerate(geometries)
        ]

    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        stride = self.strides[level]
        cells = grid(geometry.input_height, stride), grid(geometry.input_width, stride)
        logits = outputs.shape(2 * level, None, *cells)[row]
        distances = outputs.shape(2 * level + 1, 4, *cells)[row]
        outputs.classes(len(logits), classes)
        outputs.finite(2 * level, logits)
        index, y, x = np.nonzero(logits > _logit(self.score_floor))
        sides = distances[:, y, x].T.astype(np.float32) * stride
        outputs.finite(2 * level + 1, sides)
        centres = (np.stack([x, y], axis=1).astype(np.float32) + 0.5) * stride
        return around(centres, sides), _sigmoid(logits[index, y, x]), index

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        strides = ", ".join(map(str, self.strides))
        return {
            "decoder": f"FCOS, strides {strides}, multi-label",
            "score": "sigmoid(logit)",
            **super().describe(),
        }


def _logit(probability: float) -> float:
    if probability in {0.0, 1.0}:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability / (1 - probability))


def _sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    # Through tanh: exp(-x) overflows for large negative logits.
    half: NDArray[np.float64] = 0.5 * np.tanh(0.5 * logits.astype(np.float64)) + 0.5
    return half
