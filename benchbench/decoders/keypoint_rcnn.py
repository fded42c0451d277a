"""Models that end in boxes, labels, scores and keypoints, as torchvision's Keypoint R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.boxes import BoxesScoresLabels
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.yolov8_pose import points_line, posed
from benchbench.types import ClassMap, Feed, Geometry, Poses, Prediction, TaskName


class KeypointRcnn(BoxesScoresLabels):
    """Decodes boxes (M, 4), labels (M,), scores (M,), keypoints (M, K, 3), keypoints_scores (M, K).

    Each may have the batch as first axis; ``coordinates`` and ``corners`` hold for boxes and
    points. A point's third value is a visibility that torchvision always gives as 1; its confidence
    is taken from the fifth output, in torchvision the logit at the peak of the point's heatmap, or,
    where there is none, from that third value.
    """

    title: ClassVar[str] = "boxes, labels, scores, keypoints"
    task: ClassVar[TaskName] = "keypoints"
    expected: ClassVar[str] = (
        "boxes (M, 4), labels (M,), scores (M,), keypoints (M, K, 3) and, if the model gives them,"
        " keypoints_scores (M, K), or each with the batch as first axis"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(
            self._batched(outputs), self.outputs, self.expected, images=len(geometries)
        )
        if len(chosen.arrays) not in {4, 5}:
            raise chosen.mismatch(f"{len(chosen.arrays)} outputs instead of 4 or 5")
        boxes = chosen.shape(0, None, 4)
        labels, scores = (chosen.shape(i, boxes.shape[1]) for i in (1, 2))
        points = self._points(chosen, boxes.shape[1])
        return [
            self._image(
                chosen, (boxes[row], scores[row], labels[row]), points[row], geometry, classes
            )
            for row, geometry in enumerate(geometries)
        ]

    def _points(self, outputs: Outputs, count: int) -> NDArray[np.float64]:
        """Return the points (N, M, K, 3): x, y and confidence."""
        points = outputs.shape(3, count, None, 3).astype(np.float64)
        if len(outputs.arrays) == 5:
            points[..., 2] = outputs.shape(4, count, points.shape[2])
        return points

    def _image(
        self,
        outputs: Outputs,
        found: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        points: NDArray[np.float64],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Poses:
        candidates = self.candidates(outputs, (0, 2, 1), found, geometry, classes)
        kept = self.keep(candidates, geometry, classes)
        chosen = points[np.flatnonzero(found[1] > self.score_floor)[kept.rows]]
        outputs.finite(3, chosen[..., :2])
        outputs.finite(len(outputs.arrays) - 1, chosen[..., 2])
        if self.corners == "yxyx":
            chosen = chosen[..., [1, 0, 2]]
        if self.coordinates == "relative":
            chosen = chosen * [geometry.input_width, geometry.input_height, 1]
        return posed(kept, chosen, geometry, cut=self.clip is not False)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return super().describe() | {"keypoints": points_line(cut=self.clip is not False)}
