"""Anchor-free detectors that predict distances from each cell's centre (FCOS)."""

from __future__ import annotations

import numpy as np

from benchbench.decoders.detections import Candidates, Count, around
from benchbench.decoders.levels import Levels
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import logit, sigmoid
from benchbench.types import ClassMap, Geometry


class Fcos(Levels):
    """Decodes, for each stride, class logits (N, C, h, w) and distances (N, 4, h, w).

    Distances are left, top, right, bottom in units of the stride, from ((x + 0.5) · s,
    (y + 0.5) · s).
    """

    top_k: Count | None = 1000
    """How many of an image's best candidates enter suppression; None: all."""

    def _expected(self) -> str:
        return self._shapes_of("(N, classes, h, w)", "(N, 4, h, w)")

    def _level(
        self, outputs: Outputs, level: int, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        scores_at, boxes_at = self._at(level)
        cells = self._cells(level, geometry)
        logits = outputs.shape(scores_at, None, *cells)[row]
        distances = outputs.shape(boxes_at, 4, *cells)[row]
        outputs.classes(len(logits), classes)
        outputs.finite(scores_at, logits)
        index, y, x = np.nonzero(logits > logit(self.score_floor))
        sides = distances[:, y, x].T.astype(np.float32) * self.strides[level]
        outputs.finite(boxes_at, sides)
        centres = (np.stack([x, y], axis=1).astype(np.float32) + 0.5) * self.strides[level]
        return around(centres, sides), sigmoid(logits[index, y, x]), index

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        strides = ", ".join(map(str, self.strides))
        return {
            "decoder": f"FCOS, strides {strides}, multi-label",
            "score": "sigmoid(logit)",
            **super().describe(),
        }
