"""Masks of prompts against the masks of their objects: one row a prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError, PredictionError
from benchbench.masks import coded_counts, dense_mask, runs_by_mask, totals_px
from benchbench.truth import segmentation_mask, segmentation_rle
from benchbench.types import Annotation, Image, PromptedMasks

Values = NDArray[np.float64]
_HINT = "give one mask for each annotation of the image that is no crowd, over the whole image"


@dataclass(frozen=True, slots=True)
class Prompted:
    """The masks of one image, in the order of its annotations."""

    iou: Values
    """(P,): NaN where the truth has no pixel."""
    boundary: Values
    """(P,): IoU of the outlines; NaN where it is not asked for, or the truth has no pixel."""
    score: Values
    """(P,): the model's own estimate; NaN where it gives none."""


def compared(
    image: Image,
    annotations: Sequence[Annotation],
    found: PromptedMasks,
    boundary_ratio: float | None,
) -> Prompted:
    """Return how well the masks of *found* cover the objects of *annotations* (no crowds).

    *boundary_ratio*: the width of the outlines as a share of the image's diagonal; None for none.
    Raises :class:`~benchbench.errors.PredictionError` naming the image unless there is one mask for
    each of the annotations, and :class:`~benchbench.errors.DatasetError` for an annotation without
    a usable segmentation.
    """
    order = _order(image, annotations, found)
    _check_runs(image, found)
    texts = coded_counts(found.lengths, found.runs)
    size = [image.height, image.width]
    iou = [
        _iou(one, {"size": size, "counts": texts[row]}, image)
        for one, row in zip(annotations, order, strict=True)
    ]
    boundary = np.full(len(order), np.nan)
    if boundary_ratio is not None:
        width = outline_width(image, boundary_ratio)
        runs = runs_by_mask(found.lengths, found.runs)
        for at, (one, row) in enumerate(zip(annotations, order, strict=True)):
            truth = segmentation_mask(one, image.height, image.width)
            boundary[at] = outline_iou(
                truth, dense_mask(runs[row], image.height, image.width), width
            )
    scores = np.asarray(found.scores, np.float64)[order]
    return Prompted(np.array(iou, np.float64), boundary, scores)


def _order(
    image: Image, annotations: Sequence[Annotation], found: PromptedMasks
) -> NDArray[np.int64]:
    """Return where each annotation's mask is in *found*."""
    ids, wanted = np.asarray(found.annotation_ids), np.array([one.id for one in annotations])
    shapes = {a.shape for a in (found.annotation_ids, found.scores, found.lengths)}
    if shapes != {(len(ids),)}:
        _fault(image, "annotation_ids, scores and lengths are not of one length")
    extra, lacking = np.setdiff1d(ids, wanted), np.setdiff1d(wanted, ids)
    if extra.size:
        _fault(image, f"a mask for {extra[0]}, which is no annotation that is prompted")
    if lacking.size:
        _fault(image, f"no mask for annotation {lacking[0]} ({lacking.size} in all)")
    if len(ids) != len(wanted):
        values, counts = np.unique(ids, return_counts=True)
        _fault(image, f"several masks for annotation {values[counts.argmax()]}")
    if np.isinf(np.asarray(found.scores, np.float64)).any():
        _fault(image, "a score is infinite")
    places = np.argsort(ids)
    return places[np.searchsorted(ids, wanted, sorter=places)].astype(np.int64)


def _check_runs(image: Image, found: PromptedMasks) -> None:
    lengths = np.asarray(found.lengths, np.int64)
    if (lengths < 1).any() or int(lengths.sum()) != len(found.runs):
        _fault(image, f"lengths sum to {lengths.sum()}, but there are {len(found.runs)} runs")
    pixels, totals = image.height * image.width, totals_px(lengths, found.runs)
    wrong = np.flatnonzero(totals != pixels)
    if wrong.size:
        at = wrong[0]
        _fault(image, f"the runs of mask {at} sum to {totals[at]}, the image has {pixels} pixels")


def _iou(annotation: Annotation, found: dict[str, Any], image: Image) -> float:
    from hotcoco import mask

    if not math.isfinite(annotation.area):
        raise DatasetError(
            f"annotation {annotation.id} (image {image.id}) has the area {annotation.area}",
            hint="mend or remove this annotation in the annotation file",
        )
    truth = segmentation_rle(annotation, image.height, image.width)
    if not mask.area([truth])[0]:
        return math.nan
    return float(mask.iou([found], [truth], [False])[0][0])


def outline_width(image: Image, ratio: float) -> int:
    """Return the width of outlines in pixels (Cheng et al. 2021): at least 1, halves to even."""
    return max(1, round(ratio * math.hypot(image.height, image.width)))


def outline_iou(truth: NDArray[np.bool_], found: NDArray[np.bool_], width: int) -> float:
    """Return the IoU of two masks' outlines, *width* pixels inwards; NaN if *truth* is empty."""
    if not truth.any():
        return math.nan
    one, other = outline(truth, width), outline(found, width)
    return float((one & other).sum() / (one | other).sum())


def outline(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of *mask* (H, W) with a pixel outside at most *width* rows and columns off.

    That is the mask without its erosion by a square, repeated *width* times; beyond the image is
    outside.
    """
    from scipy.ndimage import minimum_filter

    edge = np.zeros_like(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if rows.size:
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        part = mask[window].astype(np.uint8)
        inner = minimum_filter(part, size=2 * width + 1, mode="constant", cval=0)
        edge[window] = part > inner
    return edge


def _fault(image: Image, what: str) -> NoReturn:
    raise PredictionError(f"image {image.id}: {what}", hint=_HINT)
