"""Decoders of several strides, each with an output of scores and one of boxes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from benchbench.decoders.detections import Candidates, Count, Selection, grid, joined
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class Levels(Selection):
    """Options and loop of decoders that read scores and boxes for each stride."""

    strides: tuple[Count, ...] = Field(default=(8, 16, 32), min_length=1)
    """Pixels of the input between neighbouring cells, in the order of the outputs."""
    order: Literal["alternating", "grouped"] = "alternating"
    """Scores and boxes of the first stride, of the second …; grouped: all scores, all boxes."""
    level_top_k: Count | None = None
    """How many of each stride's best candidates go on; None: all."""

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self._expected(), images=len(geometries))
        self._check_count(chosen)
        return self.each(
            geometries,
            classes,
            lambda row, geometry: self._trimmed(
                joined(
                    self._best(self._level(chosen, level, row, geometry, classes))
                    for level in range(len(self.strides))
                )
            ),
        )

    def _check_count(self, outputs: Outputs) -> None:
        outputs.count(2 * len(self.strides))

    @abstractmethod
    def _expected(self) -> str:
        """Return the shapes that are read, for an error message."""

    @abstractmethod
    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        """Return one image's candidates of one stride."""

    def _at(self, level: int) -> tuple[int, int]:
        """Return which outputs hold the scores and the boxes of *level*."""
        if self.order == "grouped":
            return level, level + len(self.strides)
        return 2 * level, 2 * level + 1

    def _cells(self, level: int, geometry: Geometry) -> tuple[int, int]:
        """Return rows and columns of *level*."""
        stride = self.strides[level]
        return grid(geometry.input_height, stride), grid(geometry.input_width, stride)

    def _best(self, candidates: Candidates) -> Candidates:
        boxes, scores, indices = candidates
        if self.level_top_k is None or len(scores) <= self.level_top_k:
            return candidates
        best = np.argsort(-scores, kind="stable")[: self.level_top_k]
        return boxes[best], scores[best], indices[best]

    def _trimmed(self, candidates: Candidates) -> Candidates:
        """Return those of an image's candidates, of all strides, that go on."""
        return candidates

    def _shapes_of(self, scores: str, boxes: str) -> str:
        strides = ", ".join(map(str, self.strides))
        if self.order == "grouped":
            return f"scores {scores} for each of the strides {strides}, then boxes {boxes} for each"
        return f"scores {scores} then boxes {boxes} for each of the strides {strides}"

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        lines = super().describe()
        if self.level_top_k is not None:
            every = lines["candidates"]
            lines["candidates"] = f"best {self.level_top_k} a stride, of these {every}"
        return lines
