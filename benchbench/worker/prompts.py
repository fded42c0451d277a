"""From a split's annotations to prompts: which objects are asked for, and where they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.companions import Prompts
from benchbench.errors import DatasetError
from benchbench.measure.accuracy import Row
from benchbench.truth import annotations_by_image, segmentation_mask
from benchbench.types import Annotation, DatasetSplit, Geometry, Image

Values = NDArray[np.float64]


def rows_of(prompts: Prompts, split: DatasetSplit, images: Sequence[Image]) -> list[Row]:
    """Return the rows of each of *images*: all objects but crowds, ``count`` a row.

    An image without an object has one row without prompts.
    """
    annotations = annotations_by_image(split)
    found: list[Row] = []
    for image in images:
        asked = [one for one in annotations[image.id] if not one.iscrowd]
        starts = range(0, max(len(asked), 1), prompts.count)
        found += [Row(image, tuple(asked[at : at + prompts.count])) for at in starts]
    return found


def in_input(prompts: Prompts, row: Row, geometry: Geometry) -> Values:
    """Return the prompts of *row*, in pixels of the input: (P, 4) or (P, 2), P at least 1.

    A row without any has one in the middle of the image, which no decoder reads.
    """
    find = _corners if prompts.kind == "box" else _inside
    given = [find(one, row.image) for one in row.prompts] or [_nowhere(prompts, row.image)]
    return prompts.mapped(np.array(given, np.float64), geometry)


def _nowhere(prompts: Prompts, image: Image) -> tuple[float, ...]:
    if prompts.kind == "box":
        return (0.0, 0.0, float(image.width), float(image.height))
    return (image.width / 2, image.height / 2)


def _corners(annotation: Annotation, image: Image) -> tuple[float, ...]:
    if annotation.bbox is None:
        raise DatasetError(
            f"annotation {annotation.id} (image {image.id}) has no box to prompt with",
            hint="give it a 'bbox', or prompt with points: prompts: {kind: point}",
        )
    x, y, width, height = annotation.bbox
    return (x, y, x + width, y + height)


def _inside(annotation: Annotation, image: Image) -> tuple[float, ...]:
    mask = segmentation_mask(annotation, image.height, image.width)
    if not mask.any():
        left, top, right, bottom = _corners(annotation, image)
        return ((left + right) / 2, (top + bottom) / 2)
    return interior_point(mask)


def interior_point(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return x, y of the pixel of *mask* (H, W) that is farthest from outside, the first by rows.

    Beyond the image is outside. The mask must not be empty.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    y, x = divmod(int(depth.argmax()), part.shape[1])
    return float(x + columns[0]), float(y + rows[0])
