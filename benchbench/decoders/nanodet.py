"""NanoDet: class scores and, for each side of the box, a distribution over distances."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.detections import Candidates, around
from benchbench.decoders.levels import Levels
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Geometry


class NanoDet(Levels):
    """Decodes, for each stride, scores (N, h·w, C) and distributions (N, h·w, 4 · bins).

    Scores are probabilities. A distance is the expectation of softmax over the bins, times the
    stride; boxes are clipped to the input. Source: RangiLyu/nanodet, generalized focal loss head.
    PicoDet's is the same with a fourth stride, 64, and its outputs grouped.
    """

    reg_bins: Annotated[int, Field(gt=1)] = 8
    """Bins of each distribution (reg_max + 1)."""

    def _expected(self) -> str:
        return self._shapes_of("(N, h·w, classes)", f"(N, h·w, {4 * self.reg_bins})")

    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        scores_at, boxes_at = self._at(level)
        rows, columns = self._cells(level, geometry)
        scores = outputs.shape(scores_at, rows * columns, None)[row]
        bins = outputs.shape(boxes_at, rows * columns, 4 * self.reg_bins)[row]
        outputs.classes(scores.shape[1], classes)
        outputs.finite(scores_at, scores)
        cell, index = np.nonzero(scores > self.score_floor)
        chosen, back = np.unique(cell, return_inverse=True)
        outputs.finite(boxes_at, bins[chosen])
        stride = self.strides[level]
        centres = (np.stack([chosen % columns, chosen // columns], axis=1) + 0.5) * stride
        boxes = around(centres, _distances(bins[chosen], self.reg_bins) * stride)
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
        clips = {
            "False": "to the input, before NMS",
            "after": "to the input before NMS, the image after",
        }
        return lines | {"clip": clips.get(str(self.clip), lines["clip"])}


def _distances(bins: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the distances (N, 4), in units of the stride, of distributions (N, 4 · count)."""
    values = bins.reshape(-1, 4, count).astype(np.float64)
    weights = np.exp(values - values.max(axis=2, keepdims=True))
    mean: NDArray[np.float64] = weights @ np.arange(count) / weights.sum(axis=2)
    return mean
