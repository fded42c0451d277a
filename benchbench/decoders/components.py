"""Connected regions of a semantic segmentation as objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.classification import activated
from benchbench.decoders.detections import Count
from benchbench.decoders.mask_sampling import ImageSampler
from benchbench.decoders.semantic import Semantic
from benchbench.masks import Runs, instances, window_runs
from benchbench.types import (
    ClassMap,
    Feed,
    Geometry,
    Instances,
    LabelMap,
    Prediction,
    Record,
    TaskName,
)

_Part = tuple[tuple[float, float, float, float], float, int, Runs]
"""Box, score, category id and mask of one object."""


class Components(Record):
    """Decodes what ``semantic`` decodes, and makes each connected region of a class an object.

    Labels are made at the size of the original image. An object's score is the mean, over its
    pixels, of its class's values after the activation; of integer labels it is 1. Classes without a
    category (the background) are no objects.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("scipy",),)
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "instance-segmentation"

    outputs: tuple[str, ...] | None = None
    """Name of the output; None: the only one."""
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """Applied before upsampling; softmax and sigmoid make scores probabilities."""
    threshold: float = 0.5
    """A single map is foreground above this, after the activation."""
    connectivity: Literal[4, 8] = 4
    """Neighbours of a pixel: its sides, or its corners too."""
    min_area_px: Count = 1
    """Regions of fewer pixels are dropped."""
    max_detections: Count | None = None
    """How many objects an image keeps, best score first; None: all."""

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        semantic = Semantic(
            outputs=self.outputs, activation=self.activation, threshold=self.threshold
        )
        maps = semantic.decode(outputs, geometries, classes)
        values = outputs[self.outputs[0] if self.outputs else next(iter(outputs))]
        return [
            self._image(found.labels, values[row], geometry, classes)
            for row, (found, geometry) in enumerate(zip(maps, geometries, strict=True))
            if isinstance(found, LabelMap)
        ]

    def _image(
        self,
        labels: NDArray[np.uint8],
        values: NDArray[Any],
        geometry: Geometry,
        classes: ClassMap,
    ) -> Instances:
        scores = self._scores(values, geometry)
        parts = [
            part
            for index, category in enumerate(classes.category_ids)
            if category is not None
            for part in self._parts(labels == index, scores, index, category)
        ]
        parts.sort(key=lambda part: -part[1])
        boxes, ranks, ids, runs = (
            zip(*parts[: self.max_detections], strict=True) if parts else _NONE
        )
        return instances(np.array(boxes), np.array(ranks), np.array(ids), runs)

    def _scores(self, values: NDArray[Any], geometry: Geometry) -> _Values:
        if np.issubdtype(values.dtype, np.integer):
            return _Values(None, None)
        maps = activated(values[None], self.activation, axis=1)[0]
        return _Values(ImageSampler(geometry, maps.shape[1:]), maps)

    def _parts(
        self, mask: NDArray[np.bool_], scores: _Values, index: int, category: int
    ) -> list[_Part]:
        from scipy import ndimage

        structure = ndimage.generate_binary_structure(2, 1 if self.connectivity == 4 else 2)
        numbered, _ = ndimage.label(mask, structure)
        parts = []
        values = scores.of(index) if numbered.any() else None
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), 1):
            window = numbered[rows, columns] == number
            if np.count_nonzero(window) < self.min_area_px:
                continue
            score = 1.0 if values is None else float(values[rows, columns][window].mean())
            corner, (height, width) = (rows.start, columns.start), window.shape
            box = (float(corner[1]), float(corner[0]), float(width), float(height))
            parts.append((box, score, category, window_runs(window, corner, mask.shape)))
        return parts

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        most = self.max_detections
        return {
            "decoder": "connected regions of the largest score, over"
            f" {self.connectivity} neighbours; a single map: foreground > {self.threshold:g}",
            "score": "mean of the class's values over the region",
            "activation": self.activation,
            "resolution": "the original image's (scores bilinear with half-pixel centres)",
            "detections": f"{'all' if most is None else f'at most {most} an image'} with at least"
            f" {self.min_area_px} pixels",
        }


_NONE: tuple[tuple[()], ...] = ((), (), (), ())


class _Values:
    """The class values of one image, upsampled when they are asked for."""

    def __init__(self, sampler: ImageSampler | None, maps: NDArray[Any] | None) -> None:
        self.sampler = sampler
        self.maps = maps

    def of(self, index: int) -> NDArray[np.float32] | None:
        """Return the (H, W) values of a class; None where the model gives labels only."""
        if self.sampler is None or self.maps is None:
            return None
        return self.sampler.whole(self.maps[0 if len(self.maps) == 1 else index])
