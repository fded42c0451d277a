"""YOLOv8 and later with keypoints: each box carries its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.detections import Coordinates, Count, Kept, corners_of, in_pixels
from benchbench.decoders.outputs import Outputs
from benchbench.decoders.scores import above
from benchbench.decoders.yolo import Yolo
from benchbench.types import ClassMap, Feed, Geometry, Poses, Prediction, TaskName


class YoloV8Pose(Yolo):
    """Decodes (N, 4 + C + 3K, M), or (N, M, 4 + C + 3K).

    A row is centre x, centre y, width, height, class probabilities, then x, y and confidence of
    each of K points; if both shapes fit, it is the first. Points follow their boxes through
    suppression, and are cut at the image's border where boxes are. Source: ultralytics,
    nn/modules/head.py, ``Pose``, and utils/ops.py, ``scale_coords``.
    """

    task: ClassVar[TaskName] = "keypoints"

    coordinates: Coordinates = "pixels"
    """Whether boxes and points come in pixels of the input or as shares of its sides."""
    points: Count = 17
    """How many keypoints each box has."""
    point_values: Literal[2, 3] = 3
    """Numbers of a point: x, y and confidence, or x and y alone, whose confidence is 1."""

    expected: ClassVar[str] = (
        "one output (N, 4 + classes + point_values · points, boxes), or its last axes swapped"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        rows = chosen.shape(0, None, None)
        channels = 4 + len(classes.names) + self.points * self.point_values
        if channels not in rows.shape[1:]:
            raise chosen.mismatch(
                f"no axis of {channels} for a class list of {len(classes.names)} and"
                f" {self.points} points of {self.point_values} values"
            )
        if rows.shape[1] == channels:
            rows = rows.transpose(0, 2, 1)
        return [
            self._image(chosen, rows[index], geometry, classes)
            for index, geometry in enumerate(geometries)
        ]

    def _image(
        self, outputs: Outputs, values: NDArray[Any], geometry: Geometry, classes: ClassMap
    ) -> Poses:
        end = 4 + len(classes.names)
        outputs.finite(0, values[:, 4:end])
        rows, indices = above(values[:, 4:end], self.score_floor, multi_label=self.multi_label)
        boxes = in_pixels(values[rows, :4], geometry, self.coordinates)
        outputs.finite(0, boxes)
        candidates = corners_of(boxes), values[rows, indices + 4], indices
        kept = self.keep(candidates, geometry, classes)
        points = values[rows[kept.rows], end:].reshape(-1, self.points, self.point_values)
        outputs.finite(0, points)
        if self.coordinates == "relative":
            points = points * ([geometry.input_width, geometry.input_height, 1][: points.shape[2]])
        return posed(kept, points, geometry, cut=self.clip is not False)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {
            "decoder": f"YOLOv8 with {self.points} keypoints, in {self.coordinates}",
            "score": "class probability",
            **super().describe(),
            "keypoints": points_line(cut=self.clip is not False),
        }


def posed(kept: Kept, points: NDArray[Any], geometry: Geometry, *, cut: bool) -> Poses:
    """Return the *kept* objects with their *points* (n, K, 2 or 3), in pixels of the input.

    The points go to the original image and, with *cut*, no further than its border; where they have
    no third value, their confidence is 1.
    """
    out = np.ones((*points.shape[:2], 3))
    out[..., : points.shape[2]] = points
    out[..., 0] = (out[..., 0] - geometry.offset_x) / geometry.scale_x
    out[..., 1] = (out[..., 1] - geometry.offset_y) / geometry.scale_y
    if cut:
        border = geometry.image_width, geometry.image_height
        np.clip(out[..., :2], 0, border, out=out[..., :2])
    found = kept.detections()
    return Poses(found.boxes, found.scores, found.labels, out)


def points_line(*, cut: bool) -> str:
    """Return what a protocol card says of the points."""
    return "all points of a kept box" + (", cut at the image's border" if cut else "")
