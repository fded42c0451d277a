"""Models that end in boxes, scores and labels, such as torchvision's detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Selection, Unit
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class BoxesScoresLabels(Selection):
    """Decodes boxes (M, 4) or (N, M, 4), scores and labels (M,) or (N, M).

    Boxes are corners x1, y1, x2, y2 in pixels of the input.
    """

    score_floor: Unit = 0.0
    """Only scores above this are kept; padded rows have the score 0."""
    nms_iou: Unit | None = None
    """Overlap above which the lesser box goes; None: the model has already suppressed."""
    label_offset: int = 0
    """Label of the class list's first entry: 1 if the model counts from 1."""

    expected: ClassVar[str] = (
        "boxes (M, 4), scores (M,) and labels (M,), or each with the batch as first axis"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(
            self._batched(outputs), self.outputs, self.expected, images=len(geometries)
        )
        chosen.count(3)
        boxes = chosen.shape(0, None, 4)
        scores, labels = (chosen.shape(i, boxes.shape[1]) for i in (1, 2))
        chosen.finite(1, scores)
        return [
            self.select(
                *self._image(chosen, boxes[row], scores[row], labels[row], classes),
                geometry,
                classes,
            )
            for row, geometry in enumerate(geometries)
        ]

    def _batched(self, outputs: Feed) -> Feed:
        names = self.outputs or tuple(outputs)
        first = outputs.get(names[0]) if names else None
        if first is None or first.ndim != 2:
            return outputs
        return {name: array[None] for name, array in outputs.items()}

    def _image(
        self,
        outputs: Outputs,
        boxes: NDArray[Any],
        scores: NDArray[Any],
        labels: NDArray[Any],
        classes: ClassMap,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
        kept = scores > self.score_floor
        outputs.finite(0, boxes[kept])
        outputs.finite(2, labels[kept])
        indices = np.rint(labels[kept]).astype(np.int64) - self.label_offset
        wrong = indices[(indices < 0) | (indices >= len(classes.names))]
        if wrong.size:
            raise outputs.mismatch(
                f"label {wrong[0] + self.label_offset} with label_offset {self.label_offset} is"
                f" outside the class list of {len(classes.names)}"
            )
        return boxes[kept], scores[kept], indices

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        lines = {
            "decoder": f"boxes, scores, labels (counted from {self.label_offset})",
            "score": "as the model gives it",
            **super().describe(),
        }
        return lines if self.nms_iou is not None else lines | {"nms": "inside the model"}
