"""Average precision and recall of poses by object keypoint similarity, as COCO defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from benchbench.metrics import coco_tally, keypoints_numbers
from benchbench.metrics.coco_numbers import class_names, curves, per_class
from benchbench.metrics.detection_table import category_ids
from benchbench.metrics.keypoints_columns import (
    Detected,
    Known,
    counts,
    found_columns,
    known_columns,
)
from benchbench.metrics.keypoints_evaluation import evaluate
from benchbench.metrics.keypoints_numbers import class_reason, numbers, reasons
from benchbench.metrics.keypoints_oks import overlaps
from benchbench.metrics.keypoints_sigmas import COCO_SIGMAS, Given, resolve
from benchbench.metrics.pairing import pair, split_counts
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Poses,
    Prediction,
    Record,
    Scores,
    Tally,
    TaskName,
)


@dataclass(frozen=True, slots=True)
class _Both:
    """Truth and predictions of a split, and what is known of its categories by ascending id."""

    known: Known
    found: Detected
    points: NDArray[np.int64]
    """(C,): how many each category has."""
    sigmas: tuple[tuple[float, ...], ...]
    """Empty for categories without points."""

    @property
    def table(self) -> NDArray[np.float64]:
        """The sigmas (C, P), filled up with 1."""
        out = np.ones((len(self.points), int(self.points.max())))
        for row, own in zip(out, self.sigmas, strict=True):
            row[: len(own)] = own
        return out


class CocoKeypoints(Record):
    """The 10 COCO numbers for keypoints, by hotcoco, equal to pycocotools."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("hotcoco",),)
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "keypoints"
    by_object: ClassVar[bool] = True

    sigmas: Given = None
    """Fall-off of each point, a list or lists by category name; None: COCO's, for 17 points."""
    max_detections: int = Field(default=20, ge=1)
    """Best objects of an image and class that count."""

    @field_validator("max_detections")
    @classmethod
    def _unambiguous(cls, limit: int) -> int:
        if limit in {50, 75}:
            raise ValueError(f"must not be {limit}: mar_{limit} is the recall at an OKS")
        return limit

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: points in pixels of the image, labels dataset category ids.

        The predicted boxes and the points' confidences play no part. Raises
        :class:`~benchbench.errors.PredictionError` naming the image and the value for predictions
        that are not fit to be scored, and :class:`~benchbench.errors.DatasetError` for annotations
        that are not, and where the sigmas do not fit the categories.
        """
        import hotcoco

        both = self._columns(truth, predictions)
        arrays = evaluate(both.known, both.found, both.sigmas, self.max_detections)
        values = numbers(arrays, self.max_detections)
        return Scores(
            metrics=values,
            per_class=per_class(truth, arrays),
            reasons=reasons(values, self.max_detections) | class_reason(arrays),
            curves=curves(arrays),
            primary="map",
            evaluator=f"hotcoco {hotcoco.__version__}",
            convention=_convention(truth, both, self.max_detections),
            counts=_counts(truth, both, classes),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image by keypoint similarity; raises what :meth:`score` does.

        The arrays are those of :func:`benchbench.metrics.coco_tally.tally`.
        """
        del classes
        both = self._columns(truth, predictions)
        known, found = both.known.columns, both.found.columns
        ids = np.array([image.id for image in truth.images], np.int64)
        place = np.argsort(ids)
        return coco_tally.tally(
            ids,
            class_names(truth),
            replace(known, image=place[known.image]),
            replace(found, image=place[found.image]),
            max_detections=(self.max_detections,) * 3,
            overlap=overlaps(both.known, both.found, both.table, both.points),
        )

    def estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B,) values of the 10 numbers; see :class:`benchbench.protocols.Resampled`."""
        return keypoints_numbers.estimates(tally, weights)

    def class_estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B, K) values of ``map`` and ``map_50``, NaN where a class has no object."""
        return coco_tally.class_estimates(tally, weights)

    def _columns(self, truth: DatasetSplit, predictions: Mapping[int, Prediction]) -> _Both:
        sigmas = resolve(truth, self.sigmas)
        points = counts(truth, sigmas)
        return _Both(
            known_columns(truth, points),
            found_columns(truth, pair(truth, predictions, Poses), points),
            points,
            tuple(sigmas.get(i, ()) for i in category_ids(truth).tolist()),
        )


def _convention(split: DatasetSplit, both: _Both, limit: int) -> dict[str, str]:
    cut = f"{limit} an image and class"
    if limit != 20:
        cut += " (pycocotools' summarize prints -1 unless 20 is a limit)"
    return {
        "oks": "mean over labelled points of exp(-d² / (2 · area · (2σ)²)), area the annotation's",
        "sigmas": _named_sigmas(split, both.sigmas),
        "thresholds": "map: mean over OKS 0.50:0.05:0.95; map_50, map_75: that OKS",
        "recall": "AP: mean of interpolated precision at 101 recalls 0:0.01:1; AR: best recall",
        "mean": "over classes with a ground-truth object that counts",
        "areas": "medium 32² to 96², large from 96² pixels of the annotation's area field, bounds"
        " in both; unmatched objects by the box around their points",
        "max_detections": cut,
        "ignored": "crowds and objects without a labelled point: a pose on one counts neither way,"
        " OKS by its points, or by the box at double size if none is labelled",
    }


def _named_sigmas(split: DatasetSplit, sigmas: tuple[tuple[float, ...], ...]) -> str:
    lists = {
        name: "COCO's 17" if own == COCO_SIGMAS else ", ".join(f"{one:g}" for one in own)
        for name, own in zip(class_names(split), sigmas, strict=True)
        if own
    }
    if len(set(lists.values())) == 1:
        return next(iter(lists.values()))
    return "; ".join(f"{name}: {own}" for name, own in lists.items())


def _counts(split: DatasetSplit, both: _Both, classes: ClassMap) -> dict[str, int]:
    return {
        **split_counts(split, classes),
        "annotations_without_labelled_point": int((both.known.labelled == 0).sum()),
        "categories_without_keypoints": int((both.points == 0).sum()),
        "predictions": len(both.found.columns.scores),
    }
