"""Semantic segmentation: from a map of class scores to a label for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.classification import activated
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, LabelMap, Prediction, Record, TaskName


class Semantic(Record):
    """Decodes scores (N, C, h, w), one foreground map (N, 1, h, w), or integer labels (N, h, w).

    With two classes a single map is foreground (class 1) where it is above the threshold, else
    background (class 0).
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "semantic-segmentation"

    outputs: tuple[str, ...] | None = None
    """Name of the output; None: the only one."""
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """Applied before upsampling; softmax and sigmoid make it interpolate probabilities."""
    threshold: float = 0.5
    """A single map is foreground above this, after the activation."""
    resolution: Literal["image", "model"] = "image"
    """Label the original image's pixels (scores upsampled bilinearly) or the model's own."""

    expected: ClassVar[str] = (
        "one output: scores (N, classes, h, w), a foreground map (N, 1, h, w) for two classes, or"
        " integer labels (N, h, w)"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        if len(classes.names) > 256:
            raise chosen.mismatch(f"{len(classes.names)} classes do not fit label maps of 8 bits")
        self._check_resolution(chosen, geometries)
        if np.issubdtype(chosen.arrays[0].dtype, np.integer):
            return self._labels(chosen, geometries, classes)
        return self._scores(chosen, geometries, classes)

    def _check_resolution(self, outputs: Outputs, geometries: Sequence[Geometry]) -> None:
        if self.resolution == "model" and not all(map(_is_stretched, geometries)):
            raise outputs.mismatch(
                "resolution 'model' compares with the truth only where the image was stretched to"
                " the input, and this one was padded or cropped"
            )

    def _labels(
        self, outputs: Outputs, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        sides = (1, None, None) if outputs.arrays[0].ndim == 4 else (None, None)
        found = outputs.shape(0, *sides)
        maps = found.reshape(len(found), *found.shape[-2:])
        if maps.size and not 0 <= maps.min() <= maps.max() < len(classes.names):
            raise outputs.mismatch(
                f"labels {maps.min()}…{maps.max()}, but the class list has {len(classes.names)}"
            )
        maps = maps.astype(np.uint8)
        if self.resolution == "image":
            return [LabelMap(_nearest(m, g)) for m, g in zip(maps, geometries, strict=True)]
        return [LabelMap(m) for m in maps]

    def _scores(
        self, outputs: Outputs, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        maps = outputs.shape(0, None, None, None)
        if maps.shape[1] == 1:
            self._check_binary(outputs, classes)
        else:
            outputs.classes(maps.shape[1], classes)
        outputs.finite(0, maps)
        scores = activated(maps, self.activation, axis=1)
        return [
            LabelMap(self._best(image, geometry))
            for image, geometry in zip(scores, geometries, strict=True)
        ]

    def _check_binary(self, outputs: Outputs, classes: ClassMap) -> None:
        if len(classes.names) != 2:
            raise outputs.mismatch(
                f"a single map needs two classes (background first), not {len(classes.names)}"
            )
        if self.activation == "softmax":
            raise outputs.mismatch("softmax of a single map is 1 everywhere")

    def _best(self, scores: NDArray[np.float32], geometry: Geometry) -> NDArray[np.uint8]:
        resize = _Bilinear(geometry, scores.shape[1:]) if self.resolution == "image" else None
        best = resize(scores[0]) if resize else scores[0]
        if len(scores) == 1:
            return (best > self.threshold).astype(np.uint8)
        # One class at a time: all classes at the image's size may not fit in memory.
        labels = np.zeros(best.shape, np.uint8)
        for index, channel in enumerate(scores[1:], start=1):
            value = resize(channel) if resize else channel
            labels[value > best] = index
            best = np.maximum(best, value)
        return labels

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        sizes = {
            "image": "the original image's (scores bilinear with half-pixel centres, labels"
            " nearest; outside a crop the border repeats)",
            "model": "the model's output",
        }
        return {
            "decoder": f"largest score; a single map: foreground > {self.threshold:g}",
            "activation": self.activation,
            "resolution": sizes[self.resolution],
        }


def _is_stretched(geometry: Geometry) -> bool:
    filled = (
        geometry.scale_x * geometry.image_width,
        geometry.scale_y * geometry.image_height,
    )
    return (
        (geometry.offset_x, geometry.offset_y) == (0, 0)
        and abs(filled[0] - geometry.input_width) < 1e-6
        and abs(filled[1] - geometry.input_height) < 1e-6
    )


def _sources(geometry: Geometry, cells: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return, for each row and column of the image, where it lies in the map, in cells.

    The centre of pixel i is at i + 0.5; the map's first cell spans 0…1.
    """
    y = (np.arange(geometry.image_height) + 0.5) * geometry.scale_y + geometry.offset_y
    x = (np.arange(geometry.image_width) + 0.5) * geometry.scale_x + geometry.offset_x
    return y * (cells[0] / geometry.input_height), x * (cells[1] / geometry.input_width)


def _nearest(labels: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    rows, columns = (
        np.clip(position.astype(np.int64), 0, length - 1)
        for position, length in zip(_sources(geometry, labels.shape), labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


class _Bilinear:
    """Samples maps at the image's pixel centres; beyond the outermost cells the border repeats."""

    def __init__(self, geometry: Geometry, cells: tuple[int, ...]) -> None:
        self.rows, self.columns = (
            _neighbours(position - 0.5, length)
            for position, length in zip(_sources(geometry, cells), cells, strict=True)
        )

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high, weight = self.columns
        wide = values[:, low] * (1 - weight) + values[:, high] * weight
        low, high, weight = self.rows
        tall: NDArray[np.float32] = wide[low] * (1 - weight)[:, None]
        tall += wide[high] * weight[:, None]
        return tall


def _neighbours(
    position: NDArray[np.float64], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    inside = np.clip(position, 0, length - 1)
    low = np.minimum(inside.astype(np.int64), max(0, length - 2))
    high = np.minimum(low + 1, length - 1)
    return low, high, (inside - low).astype(np.float32)
