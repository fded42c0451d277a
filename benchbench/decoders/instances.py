"""Models that end in boxes, scores, labels and masks, such as torchvision's Mask R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.boxes import BoxesScoresLabels
from benchbench.decoders.detections import Unit
from benchbench.decoders.mask_sampling import Axis, ImageSampler, bilinear
from benchbench.decoders.outputs import Outputs
from benchbench.masks import Runs, instances, window_runs
from benchbench.types import ClassMap, Feed, Geometry, Instances, Prediction, TaskName


class BoxesScoresLabelsMasks(BoxesScoresLabels):
    """Decodes boxes (M, 4), scores (M,), labels (M,) and masks (M, 1, h, w) or (M, h, w).

    Each may have the batch as first axis. Masks are probabilities, of the box or of the input.
    """

    title: ClassVar[str] = "boxes, scores, labels, masks"
    task: ClassVar[TaskName] = "instance-segmentation"

    extent: Literal["box", "input"] = "box"
    """What a mask covers: its box, pasted as torchvision pastes it, or the whole input."""
    mask_threshold: Unit = 0.5
    """A pixel belongs to the object if its value is above this."""

    expected: ClassVar[str] = (
        "boxes (M, 4), scores (M,), labels (M,) and masks (M, 1, h, w) or (M, h, w), or each with"
        " the batch as first axis"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(
            self._batched(outputs), self.outputs, self.expected, images=len(geometries)
        )
        chosen.count(4)
        boxes = chosen.shape(0, None, 4)
        scores, labels = (chosen.shape(i, boxes.shape[1]) for i in (1, 2))
        masks = self._masks(chosen, boxes.shape[1])
        return [
            self._image(
                chosen, (boxes[row], scores[row], labels[row]), masks[row], geometry, classes
            )
            for row, geometry in enumerate(geometries)
        ]

    def _masks(self, outputs: Outputs, count: int) -> NDArray[Any]:
        """Return the masks (N, M, h, w)."""
        if outputs.arrays[3].ndim == 5:
            return outputs.shape(3, count, 1, None, None)[:, :, 0]
        return outputs.shape(3, count, None, None)

    def _image(
        self,
        outputs: Outputs,
        found: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        masks: NDArray[Any],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Instances:
        candidates = self.candidates(outputs, (0, 1, 2), found, geometry, classes)
        kept = self.keep(candidates, geometry, classes)
        chosen = masks[np.flatnonzero(found[1] > self.score_floor)[kept.rows]]
        outputs.finite(3, chosen)
        if self.extent == "box":
            size = geometry.image_height, geometry.image_width
            pairs = zip(chosen, kept.corners, strict=True)
            runs = [pasted(one, box, size, self.mask_threshold) for one, box in pairs]
        else:
            sampler = ImageSampler(geometry, masks.shape[1:])
            runs = [sampler.anywhere(one, self.mask_threshold) for one in chosen]
        boxes = kept.detections()
        return instances(boxes.boxes, boxes.scores, boxes.labels, runs)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        how = {
            "box": "pasted into the box as torchvision does it",
            "input": "of the input, upsampled bilinearly",
        }
        return super().describe() | {
            "masks": f"value > {self.mask_threshold:g} at the original image's size,"
            f" {how[self.extent]}"
        }


def pasted(
    mask: NDArray[Any], corners: NDArray[np.float64], size: tuple[int, int], threshold: float
) -> Runs:
    """Return the runs of *mask* (h, w) stretched over its box in an image of *size* (H, W).

    The mask is framed by a cell of zeros and the box widened by as much, its corners are cut to
    whole pixels, and both ends count (torchvision, models/detection/roi_heads.py,
    ``paste_masks_in_image``).
    """
    height, width = mask.shape
    top, bottom, rows = _pasted_axis(corners[1], corners[3], height, size[0])
    left, right, columns = _pasted_axis(corners[0], corners[2], width, size[1])
    if top >= bottom or left >= right:
        return window_runs(np.zeros((0, 0), np.bool_), (0, 0), size)
    values = bilinear(np.pad(mask, 1), rows, columns)
    return window_runs(values > threshold, (top, left), size)


def _pasted_axis(low: float, high: float, cells: int, limit: int) -> tuple[int, int, Axis]:
    """Return the first pixel inside the image, the end, and where those lie in the framed mask."""
    framed = cells + 2
    half, centre = (high - low) * 0.5 * (framed / cells), (high + low) * 0.5
    first, last = int(centre - half), int(centre + half)
    length = max(last - first + 1, 1)
    start, stop = min(max(first, 0), limit), min(last + 1, limit)
    position = (np.arange(start, stop) - float(first) + 0.5) * (framed / length) - 0.5
    return start, stop, Axis.at(position, 0, framed)
