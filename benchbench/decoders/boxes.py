"""Models that end in boxes, scores and labels, such as torchvision's detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import (
    Candidates,
    Coordinates,
    Selection,
    Unit,
    corners_of,
    in_pixels,
)
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class Finished(Selection):
    """Options of decoders of models that have chosen their boxes themselves."""

    title: ClassVar[str]

    score_floor: Unit = 0.0
    """Only scores above this are kept; padded rows have the score 0."""
    nms_iou: Unit | None = None
    """Overlap above which the lesser box goes; None: the model has already suppressed."""
    label_offset: int = 0
    """Label of the class list's first entry: 1 if the model counts from 1."""
    coordinates: Coordinates = "pixels"
    """Whether boxes come in pixels of the input or as shares of its sides."""
    corners: Literal["xyxy", "yxyx", "cxcywh"] = "xyxy"
    """A box's numbers: x1, y1, x2, y2, TensorFlow's y1, x1, y2, x2, or centre and size."""

    def candidates(
        self,
        outputs: Outputs,
        at: tuple[int, int, int],
        found: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Candidates:
        """Return the candidates of an image from its boxes, scores and labels.

        *at* says which outputs they were taken from, for an error message.
        """
        boxes, scores, labels = found
        outputs.finite(at[1], scores)
        kept = scores > self.score_floor
        outputs.finite(at[0], boxes[kept])
        outputs.finite(at[2], labels[kept])
        indices = np.rint(labels[kept]).astype(np.int64) - self.label_offset
        wrong = indices[(indices < 0) | (indices >= len(classes.names))]
        if wrong.size:
            raise outputs.mismatch(
                f"label {wrong[0] + self.label_offset} with label_offset {self.label_offset} is"
                f" outside the class list of {len(classes.names)}"
            )
        order = [1, 0, 3, 2] if self.corners == "yxyx" else [0, 1, 2, 3]
        pixels = in_pixels(boxes[kept][:, order], geometry, self.coordinates)
        pixels = corners_of(pixels) if self.corners == "cxcywh" else pixels
        return pixels, scores[kept], indices

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        lines = {
            "decoder": f"{self.title} (counted from {self.label_offset}),"
            f" {self.corners} in {self.coordinates}",
            "score": "as the model gives it",
            **super().describe(),
        }
        return lines if self.nms_iou is not None else lines | {"nms": "inside the model"}


class BoxesScoresLabels(Finished):
    """Decodes boxes (M, 4) or (N, M, 4), scores and labels (M,) or (N, M)."""

    title: ClassVar[str] = "boxes, scores, labels"
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
        return self.each(
            geometries,
            classes,
            lambda row, geometry: self.candidates(
                chosen, (0, 1, 2), (boxes[row], scores[row], labels[row]), geometry, classes
            ),
        )

    def _batched(self, outputs: Feed) -> Feed:
        names = self.outputs or tuple(outputs)
        first = outputs.get(names[0]) if names else None
        if first is None or first.ndim != 2:
            return outputs
        return {name: array[None] for name, array in outputs.items()}
