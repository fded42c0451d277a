"""Detectors with anchors, from their heads' raw outputs: what SSD and RetinaNet share."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Candidates, Clip, Positive, corners_of
from benchbench.decoders.levels import Levels
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Geometry

LARGEST_GROWTH = math.log(1000 / 16)
"""torchvision lets no box grow further beyond its anchor: exp of a raw size could overflow."""
Variances = tuple[Positive, Positive, Positive, Positive]


class Anchored(Levels):
    """Reads class logits and box offsets of anchors, and applies the offsets.

    Centre = anchor's centre + offset · variance · anchor's size; size = anchor's size ·
    exp(offset · variance). The outputs are logits (N, M, K) then offsets (N, M, 4) of all strides
    together, or both for each stride, as (N, h·w·A, K) or as maps (N, A·K, h, w). Anchors run by
    row, column, then shape.
    """

    clip: Clip = True
    """Cut boxes at the border of the original image: true before suppression, or after."""
    spacing: Literal["stride", "cells"]
    """Distance of neighbouring anchors: the stride, or the input's side over its cells."""
    variances: Variances
    """Factors of the offsets of centre x, centre y, width and height."""

    centre: ClassVar[float]
    """Where in its cell an anchor's centre lies, 0…1."""
    relative: ClassVar[bool] = False
    """Whether shapes are shares of the input's sides, or pixels."""
    background_channels: ClassVar[int] = 0

    @abstractmethod
    def _shapes(self, level: int) -> NDArray[np.float64]:
        """Return widths and heights (A, 2) of the anchors of a cell."""

    @abstractmethod
    def _scored(self, logits: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return row, class index and score of the *logits* (n, K) above the floor."""

    def _step(self, side: int, cells: int, stride: int) -> float:
        return stride if self.spacing == "stride" else side / cells

    def _check_count(self, outputs: Outputs) -> None:
        if len(outputs.arrays) != 2:
            super()._check_count(outputs)

    def _expected(self) -> str:
        classes = "classes + 1" if self.background_channels else "classes"
        each = self._shapes_of(f"(N, h·w·A, {classes})", "(N, h·w·A, 4)")
        return (
            f"logits (N, anchors, {classes}) and offsets (N, anchors, 4) of all strides together,"
            f" or {each}; A: anchors of a cell; also as maps (N, A·channels, h, w)"
        )

    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        together = len(outputs.arrays) == 2
        scores_at, boxes_at = (0, 1) if together else self._at(level)
        logits = self._rows(outputs, scores_at, level, row, geometry)
        offsets = self._rows(outputs, boxes_at, level, row, geometry)
        outputs.classes(logits.shape[1] - self.background_channels, classes)
        if offsets.shape[1] != 4:
            raise outputs.mismatch(f"{offsets.shape[1]} offsets of an anchor instead of 4")
        outputs.finite(scores_at, logits)
        rows, indices, scores = self._scored(logits)
        chosen, back = np.unique(rows, return_inverse=True)
        outputs.finite(boxes_at, offsets[chosen])
        boxes = self._applied(offsets[chosen], self._anchors(chosen, level, geometry))
        return boxes[back], scores, indices

    def _rows(
        self, outputs: Outputs, index: int, level: int, row: int, geometry: Geometry
    ) -> NDArray[Any]:
        """Return what output *index* holds of one image and *level*: (h·w·A, channels)."""
        anchors = [
            math.prod(self._cells(at, geometry)) * len(self._shapes(at))
            for at in range(len(self.strides))
        ]
        rows: NDArray[Any]
        if len(outputs.arrays) == 2 and len(self.strides) > 1:
            start = sum(anchors[:level])
            rows = outputs.shape(index, sum(anchors), None)[row]
            return rows[start : start + anchors[level]]
        if outputs.arrays[index].ndim == 4:
            cells = self._cells(level, geometry)
            return self._unrolled(outputs, outputs.shape(index, None, *cells)[row], level)
        rows = outputs.shape(index, anchors[level], None)[row]
        return rows

    def _unrolled(self, outputs: Outputs, maps: NDArray[Any], level: int) -> NDArray[Any]:
        count, (channels, *cells) = len(self._shapes(level)), maps.shape
        if channels % count:
            raise outputs.mismatch(f"{channels} channels for {count} anchors a cell")
        split = maps.reshape(count, channels // count, *cells)
        return split.transpose(2, 3, 0, 1).reshape(-1, channels // count)

    def _anchors(
        self, rows: NDArray[np.int64], level: int, geometry: Geometry
    ) -> NDArray[np.float64]:
        """Return the anchors (n, 4) of the chosen *rows*: centre x, centre y, width, height."""
        shapes = self._shapes(level)
        height, width = self._cells(level, geometry)
        cell, shape = np.divmod(rows, len(shapes))
        y, x = np.divmod(cell, width)
        stride = self.strides[level]
        step_x = self._step(geometry.input_width, width, stride)
        step_y = self._step(geometry.input_height, height, stride)
        centres = np.stack([(x + self.centre) * step_x, (y + self.centre) * step_y], axis=1)
        sides = (geometry.input_width, geometry.input_height) if self.relative else (1, 1)
        return np.concatenate([centres, shapes[shape] * sides], axis=1)

    def _applied(self, offsets: NDArray[Any], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = offsets.astype(np.float64) * self.variances
        sizes = anchors[:, 2:]
        centres = anchors[:, :2] + scaled[:, :2] * sizes
        grown = np.exp(np.minimum(scaled[:, 2:], LARGEST_GROWTH)) * sizes
        boxes: NDArray[np.float64] = corners_of(np.concatenate([centres, grown], axis=1))
        return boxes

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        options = self.model_dump(mode="json", include=self._anchor_options())
        lines = {"anchors": "; ".join(f"{key} {value}" for key, value in options.items())}
        return super().describe() | lines

    def _anchor_options(self) -> set[str]:
        own = set(type(self).model_fields) - set(Levels.model_fields)
        return own - {"background", "class_top_k"} | {"strides"}
