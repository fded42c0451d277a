"""IoU of the masks that a model gives for prompts, each with the object it was prompted with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics.coco_numbers import class_names
from benchbench.metrics.pairing import pair
from benchbench.metrics.prompted_columns import Prompted, compared
from benchbench.metrics.whole import whole
from benchbench.truth import annotations_by_image
from benchbench.types import (
    Annotation,
    ClassMap,
    DatasetSplit,
    Prediction,
    PromptedMasks,
    Record,
    Scores,
    Tally,
    TaskName,
)

Values = NDArray[np.float64]
_SMALL, _MEDIUM = 32.0**2, 96.0**2
_AREAS = {"small": (0.0, _SMALL), "medium": (_SMALL, _MEDIUM), "large": (_MEDIUM, math.inf)}
_SHARES = {"share_50": 0.5, "share_75": 0.75}
_NONE = "no object but crowds and masks without a pixel"
_WHY = {
    **{f"miou_{name}": f"no such object of {name} area" for name in _AREAS},
    "score_error": "the model gives no estimates of its masks' IoU",
}


class PromptedMaskMetrics(Record):
    """Mean IoU over prompts, shares of good masks, by class and by size."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "promptable-segmentation"
    by_object: ClassVar[bool] = True

    boundary: bool = False
    """Give the mean IoU of the outlines too: ``boundary_iou``."""
    boundary_ratio: float = Field(default=0.02, gt=0, le=1)
    """Width of the outlines as a share of the image's diagonal."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: one mask for each annotation that is no crowd.

        Raises :class:`~benchbench.errors.PredictionError` naming the image for predictions that are
        not fit to be scored, and :class:`~benchbench.errors.DatasetError` for annotations without a
        usable segmentation.
        """
        import hotcoco

        tally = self.tally(truth, predictions, classes)
        values, per_class = whole(self, tally)
        absent = any(value is None for value in per_class["miou"].values())
        return Scores(
            metrics=values,
            per_class=per_class,
            reasons={name: _WHY.get(name, _NONE) for name, v in values.items() if v is None}
            | ({"per_class": "the class has no object to prompt with"} if absent else {}),
            primary="miou",
            lower_is_better=("score_error",),
            evaluator=f"benchbench prompted masks (hotcoco {hotcoco.__version__})",
            convention=self._convention(),
            counts=_counts(truth, tally),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return one row a prompt; raises what :meth:`score` raises.

        ``arrays``: ``image`` and ``category`` (P,) places in ``image_ids`` and ``classes``;
        ``iou``, ``boundary``, ``score``, ``area`` (P,). Ignored annotations are left out.
        """
        del classes
        ratio = self.boundary_ratio if self.boundary else None
        annotations = annotations_by_image(truth)
        rows: list[tuple[int, Annotation]] = []
        parts: list[Prompted] = []
        for at, (image, found) in enumerate(pair(truth, predictions, PromptedMasks)):
            asked = [one for one in annotations[image.id] if not one.iscrowd]
            parts.append(compared(image, asked, found, ratio))
            rows += [(at, one) for one in asked]
        ids = [image.id for image in truth.images]
        return Tally(np.array(ids, np.int64), tuple(class_names(truth)), _table(truth, rows, parts))

    def estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B,) values of each metric, NaN where it is absent, for (B, N) *weights*."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = {
                name: _mean(values, tally.arrays["image"], weights)
                for name, values in self._columns(tally).items()
            }
        by_class = self.class_estimates(tally, weights)["miou"]
        known = ~np.isnan(by_class)
        total = np.where(known, by_class, 0.0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return found | {"class_miou": total / known.sum(axis=1)}

    def class_estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B, K) values of each per-class metric, NaN where it is absent."""
        columns, arrays = self._columns(tally), tally.arrays
        found = {
            name: np.full((len(weights), len(tally.classes)), np.nan)
            for name in ("miou", *_SHARES, *(["boundary_iou"] if self.boundary else []))
        }
        order = np.argsort(arrays["category"], kind="stable")
        starts = np.searchsorted(arrays["category"][order], np.arange(len(tally.classes) + 1))
        for category in np.flatnonzero(np.diff(starts)):
            rows = order[starts[category] : starts[category + 1]]
            for name, values in found.items():
                with np.errstate(invalid="ignore", divide="ignore"):
                    values[:, category] = _mean(columns[name][rows], arrays["image"][rows], weights)
        return found

    def _columns(self, tally: Tally) -> dict[str, Values]:
        """Return the (P,) column that each metric is the mean of; NaN where a prompt is not of it.

        A share is over all prompts, an area's mean over those of the area.
        """
        arrays = tally.arrays
        iou, area = arrays["iou"], arrays["area"]
        within = {
            f"miou_{name}": np.where((low <= area) & (area <= high), iou, np.nan)
            for name, (low, high) in _AREAS.items()
        }
        known = ~np.isnan(iou)
        shares = {
            name: np.where(known, (iou >= limit).astype(np.float64), np.nan)
            for name, limit in _SHARES.items()
        }
        boundary = {"boundary_iou": arrays["boundary"]} if self.boundary else {}
        error = {"score_error": np.abs(arrays["score"] - iou)}
        return {"miou": iou, **shares, **within, **boundary, **error}

    def _convention(self) -> dict[str, str]:
        boundary = {
            "boundary_iou": "IoU of the outlines alone, inwards from the masks' edges,"
            f" {self.boundary_ratio:g} of the image's diagonal wide; beyond the image is outside"
        }
        return {
            "iou": "of each prompt's mask with the mask of the annotation it was taken from, over"
            " the original image; polygons rasterised as pycocotools does it",
            "mean": "miou: over prompts; class_miou: over classes with a prompt, of their miou",
            "shares": "prompts whose IoU is at least 0.5, 0.75",
            "areas": "small up to 32², medium 32² to 96², large from 96² pixels of the annotation's"
            " area field, bounds in both",
            "left_out": "crowds are not prompted; objects whose mask has no pixel are counted and"
            " left out of all means",
            "score_error": "mean |IoU - the model's own estimate of it|",
            **(boundary if self.boundary else {}),
        }


def _table(
    truth: DatasetSplit, rows: list[tuple[int, Annotation]], parts: list[Prompted]
) -> dict[str, NDArray[Any]]:
    place = {one: at for at, one in enumerate(sorted(each.id for each in truth.categories))}
    kept = np.array([not one.ignored for _, one in rows], np.bool_)
    columns: dict[str, NDArray[Any]] = {
        "image": np.array([at for at, _ in rows], np.int64),
        "category": np.array([place[one.category_id] for _, one in rows], np.int64),
        "area": np.array([one.area for _, one in rows], np.float64),
        "iou": np.concatenate([np.zeros(0), *(one.iou for one in parts)]),
        "boundary": np.concatenate([np.zeros(0), *(one.boundary for one in parts)]),
        "score": np.concatenate([np.zeros(0), *(one.score for one in parts)]),
    }
    return {name: values[kept] for name, values in columns.items()}


def _mean(values: Values, images: NDArray[np.int64], weights: NDArray[np.int64]) -> Values:
    """Return (B,) means of *values* (P,) that are not NaN, each weighed as its image."""
    known = ~np.isnan(values)
    drawn, owners, size = values[known], images[known], weights.shape[1]
    if len(drawn) < size:
        chosen = weights[:, owners]
        few: Values = (chosen @ drawn) / chosen.sum(axis=1)
        return few
    sums = np.bincount(owners, weights=drawn, minlength=size)
    found: Values = (weights @ sums) / (weights @ np.bincount(owners, minlength=size))
    return found


def _counts(truth: DatasetSplit, tally: Tally) -> dict[str, int]:
    asked = {one.image_id for one in truth.annotations if not one.iscrowd}
    return {
        "images": len(truth.images),
        "images_without_prompts": len(truth.images) - len(asked),
        "annotations": len(truth.annotations),
        "crowd": sum(one.iscrowd for one in truth.annotations),
        "prompts": len(tally.arrays["iou"]),
        "empty_truth_masks": int(np.isnan(tally.arrays["iou"]).sum()),
        **truth.notes,
    }
