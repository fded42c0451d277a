"""Panoptic quality, as panopticapi defines it: things and stuff in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.pairing import pair, split_counts, unique_names
from benchbench.metrics.panoptic_matching import Found, matched
from benchbench.metrics.panoptic_segments import (
    Truth,
    fused,
    overlaps,
    predicted_classes,
    true_segments,
)
from benchbench.metrics.panoptic_tally import (
    NoMatchRule,
    class_estimates,
    estimates,
    sparse,
    totals,
)
from benchbench.metrics.whole import whole
from benchbench.truth import annotations_by_image
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    PanopticMap,
    Prediction,
    Record,
    Scores,
    Tally,
    TaskName,
)

Values = NDArray[np.float64]


class PanopticMetrics(Record):
    """PQ, SQ and RQ of all classes, of things and of stuff; the defaults are panopticapi's."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "panoptic-segmentation"
    by_object: ClassVar[bool] = True

    fuse_stuff: bool = False
    """Make the segments of a stuff class one in each image, in truth and prediction."""
    lacking: Literal["missed", "void"] = "missed"
    """Truth of categories that the model lacks: counts as missed, or neither way."""
    sq_without_match: NoMatchRule = "zero"
    """A class that occurs, but of which nothing is matched: its SQ is 0, or it has none."""

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score panoptic maps of the images' sizes; labels are category ids of the dataset.

        Raises :class:`~benchbench.errors.PredictionError` naming the image for a map that is of
        another size, or whose numbers and labels do not fit, and
        :class:`~benchbench.errors.DatasetError` for annotations without a usable segmentation.
        """
        tally = self.tally(truth, predictions, classes)
        values, per_class = whole(self, tally)
        return Scores(
            metrics=values,
            per_class=per_class,
            reasons=_reasons(values, per_class),
            primary="pq",
            evaluator=f"benchbench panoptic (numpy {np.__version__})",
            convention=self._convention(),
            counts=_counts(truth, predictions, classes) | totals(tally.arrays) | dict(truth.notes),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return what each image gives to each class; raises what :meth:`score` raises.

        ``arrays``: the columns of :func:`~benchbench.metrics.panoptic_tally.sparse`; ``thing``,
        (K,), whether each class is one; ``excused`` predicted segments, ``hidden`` true ones,
        ``covered_px`` and ``void_px``, (N,) each, of which :attr:`Scores.counts` tells the sums.
        """
        index = {category.id: place for place, category in enumerate(truth.categories)}
        thing = np.array([category.thing for category in truth.categories], np.bool_)
        void = frozenset(index) - set(classes.category_ids) if self.lacking == "void" else ()
        annotations = annotations_by_image(truth)
        found, pixels = [], []
        for image, prediction in pair(truth, predictions, PanopticMap):
            labels = predicted_classes(prediction, image, index)
            known = true_segments(annotations[image.id], image, index, frozenset(void))
            pairs = overlaps(known, prediction, image)
            if self.fuse_stuff:
                pairs, known, labels = fused(pairs, known, labels, ~thing)
            found.append(matched(pairs, known, labels, len(thing)))
            pixels.append(_pixels(known))
        names = [category.name for category in truth.categories]
        return Tally(
            image_ids=np.array([image.id for image in truth.images], np.int64),
            classes=tuple(unique_names(names, [f"id {identity}" for identity in index])),
            arrays={**sparse(found), "thing": thing, **_by_image(found, pixels)},
        )

    def estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B,) values of each metric, NaN where it is absent, for (B, N) *weights*."""
        return estimates(tally, weights, self.sq_without_match)

    def class_estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B, K) ``pq``, ``sq`` and ``rq`` of each class, NaN where it is absent."""
        return class_estimates(tally, weights, self.sq_without_match)

    def _convention(self) -> dict[str, str]:
        stuff = "as given" if not self.fuse_stuff else "segments of a stuff class are made one"
        no_match = "has no SQ" if self.sq_without_match == "skip" else "has an SQ of 0"
        lacking = "count as missed" if self.lacking == "missed" else "count neither way"
        return {
            "rules": "panopticapi's",
            "match": "same class and IoU > 0.5, void pixels of the truth left out of the union",
            "void": "pixels without annotation; a prediction with more than half of its pixels on"
            " void and on the crowd of its class counts neither way",
            "mean": "over classes with a match, a miss or a false positive; one without a match"
            f" {no_match}",
            "stuff": stuff,
            "lacking": f"truth of categories that the model lacks: {lacking}",
            "overlaps": "where annotations overlap, crowds lie lowest, then the largest",
        }


def _pixels(truth: Truth) -> tuple[int, int]:
    return truth.covered_px, truth.map.size - int(np.count_nonzero(truth.map))


def _by_image(found: list[Found], pixels: list[tuple[int, int]]) -> dict[str, NDArray[np.int64]]:
    covered, void = np.array(pixels, np.int64).reshape(-1, 2).T
    return {
        "excused": np.array([one.excused for one in found], np.int64),
        "hidden": np.array([one.hidden for one in found], np.int64),
        "covered_px": covered,
        "void_px": void,
    }


def _reasons(
    values: Mapping[str, float | None], per_class: Mapping[str, Mapping[str, float | None]]
) -> dict[str, str]:
    reasons = {name: _why(name, values) for name, value in values.items() if value is None}
    if any(value is None for column in per_class.values() for value in column.values()):
        reasons["per_class"] = "the class has no segment that counts, in truth or prediction"
        pq, sq = per_class["pq"], per_class["sq"]
        if any(sq[name] is None and pq[name] is not None for name in pq):
            reasons["per_class"] += "; or none is matched (sq)"
    return reasons


def _why(name: str, values: Mapping[str, float | None]) -> str:
    _, _, group = name.partition("_")
    kind = {"things": "thing class", "stuff": "stuff class", "": "class"}[group]
    if values[f"pq_{group}" if group else "pq"] is not None:
        return f"of no {kind} a segment is matched"
    return f"no {kind} has a segment that counts, in truth or prediction"


def _counts(
    split: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
) -> dict[str, int]:
    maps = [one for one in predictions.values() if isinstance(one, PanopticMap)]
    return {
        **split_counts(split, classes),
        "things": sum(category.thing for category in split.categories),
        "predictions": sum(len(one.labels) for one in maps),
    }
