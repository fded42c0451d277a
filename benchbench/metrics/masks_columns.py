"""What mask evaluators take in: predictions checked and coded, truth as run lengths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.truth import segmentation_rle
from benchbench.types import Annotation, DatasetSplit, Image, Instances

_HINTS = {
    "score": "scores must be finite; look at the model's outputs at this precision",
    "label": "labels are category ids of the dataset; look at the class map",
    "shape": "mend the decoder",
    "runs": "masks are run lengths over the whole original image: mend the decoder",
}


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids as an evaluator sees them: 1, 2, … in ascending order of the dataset's own."""

    images: dict[int, int]
    categories: dict[int, int]

    @classmethod
    def of(cls, split: DatasetSplit) -> Ids:
        """Return the numbers of the images and categories of *split*."""
        images = sorted(image.id for image in split.images)
        categories = sorted(category.id for category in split.categories)
        return cls(
            {old: new for new, old in enumerate(images, 1)},
            {old: new for new, old in enumerate(categories, 1)},
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """All predicted objects, one row each, images in ascending order of their ids."""

    images: NDArray[np.int64]
    """(N,) ids as the evaluator sees them."""
    categories: NDArray[np.int64]
    """(N,) the same."""
    scores: NDArray[np.float64]
    """(N,)."""
    areas: NDArray[np.int64]
    """(N,) pixels of each mask."""
    rles: list[dict[str, Any]]
    """COCO's compressed RLE of each mask."""


def columns(pairs: Iterable[tuple[Image, Instances]], ids: Ids) -> Columns:
    """Check and code the predictions of each image.

    Raises :class:`~benchbench.errors.PredictionError` naming the image and the value for lengths
    that do not belong together, scores that are not finite, unknown labels, and runs that do not
    cover the image exactly.
    """
    from benchbench.metrics import masks_kernels

    pairs = sorted(pairs, key=lambda pair: pair[0].id)
    counts, owners, rles = [], [], []
    parts: list[tuple[NDArray[Any], ...]] = [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0))]
    # One image after the other: the text of all, before it is cut, would fill the memory.
    for image, found in pairs:
        coded = masks_kernels.code(found.lengths, _runs(image, found))
        _check_totals(image, coded.totals)
        size = [image.height, image.width]
        parts.append((found.scores, found.labels, coded.areas))
        rles += [{"size": size, "counts": text} for text in coded.counts]
        counts.append(len(coded.counts))
        owners.append(ids.images[image.id])
    scores, labels, areas = (np.concatenate(column) for column in zip(*parts, strict=True))
    known = np.array(sorted(ids.categories), np.int64)
    _check_values(pairs, scores, labels, known)
    return Columns(
        images=np.repeat(np.array(owners, np.int64), counts),
        categories=np.searchsorted(known, labels).astype(np.int64) + 1,
        scores=scores.astype(np.float64),
        areas=areas.astype(np.int64),
        rles=rles,
    )


def truth_rles(split: DatasetSplit) -> list[dict[str, Any]]:
    """Return the RLE of each annotation of *split*, rasterised as pycocotools does it.

    Raises :class:`~benchbench.errors.DatasetError` naming the annotation if its segmentation is
    absent or malformed, or its area not finite.
    """
    sizes = {image.id: (image.height, image.width) for image in split.images}
    return [_truth_rle(one, *sizes[one.image_id]) for one in split.annotations]


def _truth_rle(annotation: Annotation, height: int, width: int) -> dict[str, Any]:
    if not math.isfinite(annotation.area):
        raise DatasetError(
            f"annotation {annotation.id} (image {annotation.image_id}) has the area"
            f" {annotation.area}; a finite one is needed",
            hint="mend or remove this annotation in the annotation file",
        )
    return segmentation_rle(annotation, height, width)


def _check_values(
    pairs: Sequence[tuple[Image, Instances]],
    scores: NDArray[Any],
    labels: NDArray[Any],
    known: NDArray[np.int64],
) -> None:
    """Refuse what is not finite or not known; images are looked through only if there is any."""
    if np.isfinite(scores).all() and np.isin(labels, known).all():
        return
    for image, found in pairs:
        _refuse(image, ~np.isfinite(found.scores), found.scores, "score")
        _refuse(image, ~np.isin(found.labels, known), found.labels, "label")


def _check_shapes(image: Image, found: Instances) -> None:
    arrays = {
        name: getattr(found, name) for name in ("boxes", "scores", "labels", "lengths", "runs")
    }
    count = len(found.scores) if found.scores.ndim else 0
    wanted = [(count, 4), (count,), (count,), (count,), (found.runs.size,)]
    if [array.shape for array in arrays.values()] != wanted:
        shown = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        _fault(
            image,
            f"{shown} do not belong together: (N, 4), (N,), (N,), (N,) and (R,) are expected",
            "shape",
        )


def _check_kinds(image: Image, found: Instances) -> None:
    if found.labels.dtype.kind not in "iu":
        _fault(image, f"labels are {found.labels.dtype}, not integers", "label")
    for name, array in (("lengths", found.lengths), ("runs", found.runs)):
        if array.dtype.kind not in "iu":
            _fault(image, f"{name} are {array.dtype}, not integers", "runs")


def _runs(image: Image, found: Instances) -> NDArray[np.uint32]:
    """Return the runs, fit to be walked by *found*'s lengths."""
    _check_shapes(image, found)
    _check_kinds(image, found)
    lengths, runs = found.lengths, found.runs
    if lengths.size and lengths.min() < 1:
        _refuse(image, lengths < 1, lengths, "number of runs")
    if int(lengths.sum()) != len(runs):
        _fault(image, f"lengths sum to {lengths.sum()}, but there are {len(runs)} runs", "runs")
    if runs.dtype != np.uint32:
        for least_or_most in (runs.min(initial=0), runs.max(initial=0)):
            if not 0 <= least_or_most < 1 << 32:
                _fault(image, f"a run of {least_or_most} pixels", "runs")
    return runs.astype(np.uint32, copy=False)


def _check_totals(image: Image, totals: NDArray[np.int64]) -> None:
    pixels = image.height * image.width
    wrong = np.flatnonzero(totals != pixels)
    if wrong.size:
        _fault(
            image,
            f"the runs of mask {wrong[0]} sum to {totals[wrong[0]]} ({wrong.size} such masks), the"
            f" image has {image.height} × {image.width} = {pixels} pixels",
            "runs",
        )


def _refuse(image: Image, bad: NDArray[np.bool_], values: NDArray[Any], what: str) -> None:
    rows: Sequence[int] = np.flatnonzero(bad).tolist()
    if rows:
        shown = values[rows[0]].tolist()
        _fault(image, f"{what} {shown} of mask {rows[0]} ({len(rows)} in all)", what)


def _fault(image: Image, what: str, hint: str) -> NoReturn:
    raise PredictionError(f"image {image.id}: {what}", hint=_HINTS.get(hint, _HINTS["runs"]))
