"""Models that end in a fixed number of finished rows: NMS-free heads and NMS plug-ins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchbench.decoders.boxes import Finished
from benchbench.decoders.detections import Candidates, Clip, Count, Unit
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, Prediction


class YoloEndToEnd(Finished):
    """Decodes (N, K, 6): x1, y1, x2, y2, score, class.

    YOLOv10, YOLO26 and other heads that need no NMS, and Ultralytics exports with NMS inside.
    Defaults are those of Ultralytics' validation. Its RT-DETR (since 8.4) ends so too, with
    ``corners: cxcywh`` and ``coordinates: relative``. Sources: THU-MIG/yolov10,
    nn/modules/head.py, v10Detect; ultralytics, nn/modules/head.py, Detect and RTDETRDecoder.
    """

    score_floor: Unit = 0.001
    """Only scores above this are kept; padded rows have the score 0."""
    clip: Clip = "after"
    """Cut boxes at the border of the original image: true before suppression, or after."""
    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""

    title: ClassVar[str] = "rows of box, score, class"
    expected: ClassVar[str] = "one output (N, boxes, 6): corners, score, class"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        rows = chosen.shape(0, None, 6)
        return self.each(
            geometries,
            classes,
            lambda row, geometry: self.candidates(
                chosen,
                (0, 0, 0),
                (rows[row, :, :4], rows[row, :, 4], rows[row, :, 5]),
                geometry,
                classes,
            ),
        )

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        none = {"nms": "inside the model, or none needed"}
        return super().describe() | ({} if self.nms_iou is not None else none)


class EfficientNms(Finished):
    """Decodes count (N, 1) or (N,), boxes (N, K, 4), scores and classes (N, K).

    What stands behind an image's count is ignored. Source: NVIDIA/TensorRT,
    plugin/efficientNMSPlugin.
    """

    max_detections: Count | None = 300
    """How many detections an image keeps; None: all."""

    title: ClassVar[str] = "count, boxes, scores, classes"
    expected: ClassVar[str] = "count (N, 1), boxes (N, K, 4), scores (N, K) and classes (N, K)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(4)
        return self.each(
            geometries,
            classes,
            lambda row, geometry: self._image(chosen, row, geometry, classes),
        )

    def _image(
        self, outputs: Outputs, row: int, geometry: Geometry, classes: ClassMap
    ) -> Candidates:
        counts = outputs.shape(0, *([1] * (outputs.arrays[0].ndim - 1)))
        boxes = outputs.shape(1, None, 4)[row]
        scores, labels = (outputs.shape(at, len(boxes))[row] for at in (2, 3))
        count = float(counts.reshape(-1)[row])
        if not 0 <= count <= len(boxes):
            raise outputs.mismatch(f"a count of {count:g} among {len(boxes)} boxes")
        some = slice(int(count))
        found = boxes[some], scores[some], labels[some]
        return self.candidates(outputs, (1, 2, 3), found, geometry, classes)
