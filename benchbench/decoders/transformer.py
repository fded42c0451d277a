"""Detection transformers: a set of queries, each with class logits and one box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from benchbench.decoders.classification import activated
from benchbench.decoders.detections import (
    Candidates,
    Coordinates,
    Count,
    Selection,
    Unit,
    corners_of,
    in_pixels,
)
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import above
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class Detr(Selection):
    """Decodes class logits (N, Q, C + 1 or C) then boxes (N, Q, 4): centre x, y, width, height.

    softmax (DETR): the last class is no object, a query stands for its
    best other class. sigmoid (Deformable DETR, DINO, RT-DETR, RF-DETR): no such class; the best
    pairs of query and class are kept. Sources: facebookresearch/detr, models/detr.py,
    PostProcess; lyuwenyu/RT-DETR, rtdetr_postprocessor.py.
    """

    score_floor: Unit = 0.0
    """Only scores above this are kept."""
    nms_iou: Unit | None = None
    """Overlap above which the lesser box goes; None: no suppression, as these models need none."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""
    activation: Literal["softmax", "sigmoid"] = "softmax"
    """What turns logits into probabilities: softmax with no-object last, or sigmoid."""
    coordinates: Coordinates = "relative"
    """Whether boxes come in pixels of the input or as shares of its sides."""

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        extra = int(self.activation == "softmax")
        channels = "classes + 1" if extra else "classes"
        expected = f"logits (N, queries, {channels}) then boxes (N, queries, 4)"
        chosen = Outputs(outputs, self.outputs, expected, images=len(geometries))
        chosen.count(2)
        logits = chosen.shape(0, None, None)
        boxes = chosen.shape(1, logits.shape[1], 4)
        chosen.classes(logits.shape[2] - extra, classes)
        return self.each(
            geometries,
            classes,
            lambda row, geometry: self._image(chosen, logits[row], boxes[row], geometry),
        )

    def _image(
        self, outputs: Outputs, logits: NDArray[Any], boxes: NDArray[Any], geometry: Geometry
    ) -> Candidates:
        outputs.finite(0, logits)
        softmax = self.activation == "softmax"
        scores = activated(logits, self.activation, axis=1)
        scores = scores[:, :-1] if softmax else scores
        rows, indices = above(scores, self.score_floor, multi_label=not softmax)
        chosen = in_pixels(boxes[rows], geometry, self.coordinates)
        outputs.finite(1, chosen)
        return corners_of(chosen), scores[rows, indices], indices

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        softmax = self.activation == "softmax"
        return {
            "decoder": f"DETR, boxes in {self.coordinates}",
            "score": "softmax with no-object last" if softmax else "sigmoid(logit)",
            **super().describe(),
            "labels": "best class of a query" if softmax else "every class of a query",
        }
