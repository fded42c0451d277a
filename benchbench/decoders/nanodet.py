"""NanoDet: class scores and, for each side of the box, a distribution over distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import Candidates, Count, Selection, around, grid, joined
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class NanoDet(Selection):
    """Decodes, for each stride, scores (N, h·w, C) and distributions (N, h·w, 4 · bins).

    The outputs alternate: scores and boxes of the first stride, of the second, and so on. Scores
    are probabilities. A distance is the expectation of softmax over the bins, times the stride;
    boxes are clipped to the input. Source: RangiLyu/nanodet, generalized focal loss head.
    """

    strides: tuple[Count, ...] = Field(default=(8, 16, 32), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the outputs."""
    reg_bins: Annotated[int, Field(gt=1)] = 8
    """Bins of each distribution (reg_max + 1)."""

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        expected = (
            f"scores (N, h·w, classes) then boxes (N, h·w, {4 * self.reg_bins}) for each of the"
            f" strides {', '.join(map(str, self.strides))}"
        )
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
        columns = grid(geometry.input_width, stride)
        cells = columns * grid(geometry.input_height, stride)
        scores = outputs.shape(2 * level, cells, None)[row]
        bins = outputs.shape(2 * level + 1, cells, 4 * self.reg_bins)[row]
        outputs.classes(scores.shape[1], classes)
        outputs.finite(2 * level, scores)
        cell, index = np.nonzero(scores > self.score_floor)
        chosen, back = np.unique(cell, return_inverse=True)
        outputs.finite(2 * level + 1, bins[chosen])
        centres = (np.stack([chosen % columns, chosen // columns], axis=1) + 0.5) * stride
        boxes = around(centres, _expected(bins[chosen], self.reg_bins) * stride)
        np.clip(boxes, 0, (geometry.input_width, geometry.input_height) * 2, out=boxes)
        return boxes[back], scores[cell, index], index

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        strides = ", ".join(map(str, self.strides))
        lines = {
            "decoder": f"NanoDet, strides {strides}, {self.reg_bins} bins a side, multi-label",
            "score": "as the model gives it",
            **super().describe(),
        }
        return lines | {"clip": f"to the {'image' if self.clip else 'input'}, before NMS"}


def _expected(bins: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the distances (N, 4), in units of the stride, of distributions (N, 4 · count)."""
    values = bins.reshape(-1, 4, count).astype(np.float64)
    weights = np.exp(values - values.max(axis=2, keepdims=True))
    mean: NDArray[np.float64] = weights @ np.arange(count) / weights.sum(axis=2)
    return mean
