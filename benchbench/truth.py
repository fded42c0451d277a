"""From a split's annotations to dense truth: masks of objects and of whole images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError
from benchbench.types import Annotation, ClassMap, DatasetSplit, Image

VOID = 255
"""Value of a truth pixel that belongs to no class."""
BACKGROUND_NAMES = ("background", "__background__")
CrowdRule = Literal["class", "void"]


def segmentation_mask(annotation: Annotation, height: int, width: int) -> NDArray[np.bool_]:
    """Return the (height, width) mask of *annotation*: polygons, or RLE with or without coding.

    Rasterised as pycocotools does it. Raises :class:`~benchbench.errors.DatasetError` naming the
    annotation if its segmentation is absent or malformed.
    """
    from hotcoco import mask

    rle = segmentation_rle(annotation, height, width)
    try:
        return np.ascontiguousarray(mask.decode(rle), dtype=np.bool_)
    except (ValueError, TypeError, OverflowError) as error:
        raise _fault(annotation, str(error)) from error


def annotations_by_image(split: DatasetSplit) -> dict[int, list[Annotation]]:
    """Return the annotations of each image id, in file order; an empty list where it has none."""
    found: dict[int, list[Annotation]] = {image.id: [] for image in split.images}
    for annotation in split.annotations:
        found[annotation.image_id].append(annotation)
    return found


def background_index(classes: ClassMap) -> int | None:
    """Return the model index of the class named background, if the model has one."""
    if classes.background is not None:
        return classes.background
    names = [name.casefold() for name in classes.names]
    return next((names.index(name) for name in BACKGROUND_NAMES if name in names), None)


def semantic_mask(
    split: DatasetSplit, image: Image, classes: ClassMap, *, crowd: CrowdRule = "class"
) -> NDArray[np.uint8]:
    """Return the (H, W) truth of *image* as model class indices; see :func:`paint`."""
    annotations = [a for a in split.annotations if a.image_id == image.id]
    return paint(annotations, image, classes, crowd=crowd, dense=split.dense)


def paint(
    annotations: Sequence[Annotation],
    image: Image,
    classes: ClassMap,
    *,
    crowd: CrowdRule = "class",
    dense: bool = False,
) -> NDArray[np.uint8]:
    """Return the (H, W) truth made of the *annotations* of *image*, as model class indices.

    Objects are painted by the annotations' ``area`` (their pixels where it is 0, that is, absent),
    largest first and ties in file order, so that small objects stay visible. Where nothing is
    painted stands the class named background, or :data:`VOID` if the model has none or the
    annotations are *dense* (every pixel that has a class is annotated). Objects of
    categories that the model lacks are not painted. Crowd regions are painted as their class, or as
    :data:`VOID` with ``crowd="void"``.
    """
    indices = _indices(classes)
    background = background_index(classes)
    fill = VOID if background is None or dense else background
    painted = np.full((image.height, image.width), fill, np.uint8)
    known = [a for a in annotations if a.category_id in indices]
    for annotation in sorted(known, key=lambda a: -_area_px(a, image)):
        value = indices[annotation.category_id]
        if annotation.iscrowd and crowd == "void":
            value = VOID
        painted[segmentation_mask(annotation, image.height, image.width)] = value
    return painted


def _indices(classes: ClassMap) -> dict[int, int]:
    if len(classes.names) > VOID:
        raise DatasetError(
            f"the model has {len(classes.names)} classes; a label map holds at most {VOID}",
            hint="list fewer classes in the model's class map",
        )
    pairs = ((category, i) for i, category in enumerate(classes.category_ids))
    return {category: index for category, index in pairs if category is not None}


def _area_px(annotation: Annotation, image: Image) -> float:
    if annotation.area > 0:
        return annotation.area
    return float(segmentation_mask(annotation, image.height, image.width).sum())


def _fault(annotation: Annotation, what: str, hint: str | None = None) -> DatasetError:
    return DatasetError(
        f"segmentation of annotation {annotation.id} (image {annotation.image_id}): {what}",
        hint=hint or "mend or remove this annotation in the annotation file",
    )


def segmentation_rle(annotation: Annotation, height: int, width: int) -> dict[str, Any]:
    """Return the RLE of *annotation*, checked; raises DatasetError."""
    segmentation = annotation.segmentation
    if segmentation is None or (isinstance(segmentation, list) and not segmentation):
        raise _fault(annotation, "there is none, but masks are asked for")
    if isinstance(segmentation, list | tuple):
        return _polygons(annotation, segmentation, height, width)
    if isinstance(segmentation, Mapping):
        return _checked_rle(annotation, segmentation, height, width)
    raise _fault(annotation, f"neither polygons nor RLE but {type(segmentation).__name__}")


def _polygons(
    annotation: Annotation, polygons: Sequence[Any], height: int, width: int
) -> dict[str, Any]:
    from hotcoco import mask

    points = [_polygon(annotation, i, polygon) for i, polygon in enumerate(polygons)]
    try:
        merged: dict[str, Any] = mask.merge(mask.frPyObjects(points, height, width))
    except (ValueError, TypeError, OverflowError) as error:
        raise _fault(annotation, str(error)) from error
    return merged


def _polygon(annotation: Annotation, number: int, polygon: Any) -> list[float]:
    if _is_plain(polygon):
        plain: list[float] = polygon
        return plain
    flat = _numbers(polygon, "iuf")
    if flat is None:
        raise _fault(annotation, f"polygon {number} is not a list of numbers [x1, y1, x2, y2, …]")
    if flat.size % 2 or flat.size < 6:
        raise _fault(
            annotation,
            f"polygon {number} has {flat.size} coordinates; it needs an even number, at least 6",
        )
    if not np.isfinite(flat).all():
        bad = flat[~np.isfinite(flat)][0]
        raise _fault(annotation, f"polygon {number} has the coordinate {bad}")
    found: list[float] = flat.astype(np.float64).tolist()
    return found


def _is_plain(polygon: Any) -> bool:
    """Return whether this is a polygon as JSON gives nearly all: told without an array of it."""
    if type(polygon) is not list or len(polygon) < 6 or len(polygon) % 2:
        return False
    # A sum is finite only where all that is added is.
    return set(map(type, polygon)) == {float} and math.isfinite(sum(polygon))


def _numbers(values: Any, kinds: str) -> NDArray[Any] | None:
    """Return *values* as a vector if all are numbers of these numpy dtype kinds."""
    if isinstance(values, str | bytes):
        return None
    try:
        array = np.asarray(values)
    except ValueError:  # rows of unequal length
        return None
    return array if array.ndim == 1 and array.dtype.kind in kinds else None


def _checked_rle(
    annotation: Annotation, rle: Mapping[Any, Any], height: int, width: int
) -> dict[str, Any]:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list | tuple) or tuple(size) != (height, width):
        raise _fault(annotation, f"RLE size {size} is not the image's [{height}, {width}]")
    if isinstance(counts, str | bytes):
        return _checked_coded(annotation, counts, height, width)
    if _whole(counts) and min(counts) >= 0 and sum(counts) == height * width:
        return {"size": [height, width], "counts": counts}
    runs = _numbers(counts, "iu")
    if runs is None:
        kind = type(counts).__name__
        raise _fault(annotation, f"RLE counts are neither a string nor a list of integers ({kind})")
    total = sum(runs.tolist())
    if runs.min() < 0 or total != height * width:
        raise _fault(
            annotation,
            f"RLE counts sum to {total} (least {runs.min()}); they must not be negative and must"
            f" sum to {height} × {width} = {height * width}",
        )
    return {"size": [height, width], "counts": runs.tolist()}


def _whole(counts: Any) -> TypeGuard[list[int]]:
    """Whether *counts* is a list of Python's own integers, as JSON gives it: no array is needed."""
    return type(counts) is list and set(map(type, counts)) == {int}


def _checked_coded(
    annotation: Annotation, counts: str | bytes, height: int, width: int
) -> dict[str, Any]:
    """Return the coded RLE if it fills the image exactly.

    hotcoco refuses runs that overflow the mask but completes short ones with zeros; one that still
    fits when a pixel is taken away is short.
    """
    from hotcoco import mask

    try:
        mask.decode({"size": [height * width - 1, 1], "counts": counts})
    except (ValueError, TypeError, OverflowError):
        return {"size": [height, width], "counts": counts}
    raise _fault(annotation, f"RLE counts cover fewer pixels than {height} × {width}")
