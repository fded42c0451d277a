"""IoU, Dice, accuracy and outlines of label maps; the conventions are part of every result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.confusion import Counter, counter_for
from benchbench.metrics.pairing import pair, unique_names
from benchbench.metrics.semantic_maps import Maps, maps_of
from benchbench.metrics.semantic_outlines import OutlineOptions
from benchbench.metrics.semantic_rules import RuleOptions
from benchbench.metrics.semantic_tally import (
    areas,
    class_estimates,
    confusion_total,
    estimates,
    overlaps,
    sparse,
)
from benchbench.metrics.whole import whole
from benchbench.truth import annotations_by_image, background_index
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    LabelMap,
    Matrix,
    Prediction,
    Scores,
    Tally,
    TaskName,
)

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


class SemanticMetrics(RuleOptions, OutlineOptions):
    """IoU, Dice and accuracy over the pixels, and figures about outlines."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "semantic-segmentation"

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score label maps of model class indices, at any resolution.

        Raises :class:`~benchbench.errors.PredictionError` naming the image for a map that is empty
        or holds an unknown class, and :class:`~benchbench.errors.DatasetError` for truth that
        cannot be painted or has no class.
        """
        tally = self.tally(truth, predictions, classes)
        values, per_class = whole(self, tally)
        return Scores(
            metrics=values,
            per_class=per_class,
            reasons=_reasons(values, per_class),
            matrices={"confusion": _matrix(tally)},
            primary="miou",
            lower_is_better=tuple(name for name in values if name.startswith(("hd95_", "assd_"))),
            evaluator=self._evaluator(),
            convention=self._convention(classes),
            counts=_counts(truth, tally, classes) | self._left_out(tally),
        )

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return each image's confusion and values; raises what :meth:`score` raises.

        ``arrays``: the columns of :func:`~benchbench.metrics.semantic_tally.sparse`; ``dice``,
        ``iou`` and the figures about outlines by image and class, (N, K), NaN where one is absent;
        ``averaged``, ``dice_averaged`` and ``foreground``, (K,): which classes the means count;
        ``resized``, (N,): whether truth was resized.
        """
        pairs = pair(truth, predictions, LabelMap)
        count = counter_for(sum(prediction.labels.size for _, prediction in pairs))
        annotations, chosen = annotations_by_image(truth), self._chosen(classes)
        maps = (
            maps_of(self, image, annotations[image.id], one, classes, dense=truth.dense)
            for image, one in pairs
        )
        cases = [self._case(one, chosen, count) for one in maps]
        columns = sparse([matrix for matrix, _ in cases])
        found = areas(columns, len(cases), len(chosen["averaged"]))
        shape = found.truth.shape
        outlines = {
            name: np.array([values[name] for _, values in cases]).reshape(shape)
            for name in self.outline_names
        }
        sizes = zip(truth.images, pairs, strict=True)
        resized = [p.labels.shape != (image.height, image.width) for image, (_, p) in sizes]
        return Tally(
            image_ids=np.array([image.id for image in truth.images], np.int64),
            classes=self._names(classes),
            arrays={
                **columns,
                **overlaps(found, self.rules),
                **outlines,
                **chosen,
                "resized": np.array(resized, np.bool_),
            },
        )

    def estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B,) values of each metric, NaN where it is absent, for (B, N) *weights*."""
        return estimates(tally, weights, self.rules)

    def class_estimates(self, tally: Tally, weights: NDArray[np.int64]) -> dict[str, Values]:
        """Return (B, K) values of each per-class metric, NaN where it is absent."""
        return class_estimates(tally, weights, self.rules)

    def _has_void_class(self, classes: ClassMap) -> bool:
        known = len(classes.names)
        return self.void_policy == "class" and self.void is not None and self.void >= known

    def _names(self, classes: ClassMap) -> tuple[str, ...]:
        names = [*classes.names, *(["void"] if self._has_void_class(classes) else [])]
        return tuple(unique_names(names, [f"index {index}" for index in range(len(names))]))

    def _chosen(self, classes: ClassMap) -> dict[str, NDArray[np.bool_]]:
        """Return which classes the means of IoU, of Dice and of surfaces count."""
        index = np.arange(len(self._names(classes)))
        background = background_index(classes)
        foreground = index != (-1 if background is None else background)
        kept = (index != self.void) | self.void_class_in_mean
        return {
            "averaged": kept & (foreground | self.include_background),
            "dice_averaged": kept & (foreground | self.dice_background),
            "foreground": foreground & (index < len(classes.names)),
        }

    def _case(
        self, maps: Maps, chosen: Mapping[str, NDArray[np.bool_]], count: Counter
    ) -> tuple[Counts, dict[str, Values]]:
        """Return the (R, K) confusion of one image, and its (K,) values about outlines."""
        width = len(chosen["averaged"])
        extra = self.void_policy == "false_positive"
        void = self.void if self.void_policy == "ignored" else None
        matrix = count(maps.truth, maps.labels, width + extra, void)[:, :width]
        if not self.outline_names:
            return matrix, {}
        found = areas(sparse([matrix]), 1, width)
        return matrix, self.outline_values(maps, found, chosen["foreground"], self.rules)

    def _convention(self, classes: ClassMap) -> dict[str, str]:
        background = background_index(classes)
        shown = "none; unpainted truth is void (255)"
        if background is not None:
            shown = f"'{classes.names[background]}' (index {background}), where nothing is painted"
        return {**self.rule_convention(), "background": shown, **self.outline_convention()}

    def _evaluator(self) -> str:
        used = f"numpy {np.__version__}"
        if self.outline_names:
            import scipy

            used += f", scipy {scipy.__version__}"
        return f"benchbench semantic ({used})"

    def _left_out(self, tally: Tally) -> dict[str, int]:
        """Count the images without a value, and the pairs of image and class without surface."""
        arrays = tally.arrays
        chosen = {"dice": "dice_averaged", "boundary_f1": "averaged"}
        found = {
            f"images_without_{name}": int(
                np.isnan(arrays[name][:, arrays[chosen.get(name, "foreground")]]).all(axis=1).sum()
            )
            for name in ("dice", *self.outline_names)
        }
        return found | (_empty_masks(tally) if self.surface else {})


_WHY = {
    "miou": "no class of those averaged is in truth or prediction",
    "fw_iou": "every truth pixel is void",
    "dice": "no image has a class of those averaged in truth or prediction",
    "dice_pooled": "no class of those averaged is in truth or prediction",
    "pixel_accuracy": "every truth pixel is void",
    "mean_accuracy": "every truth pixel is void",
    "boundary_f1": "no image has a class of those averaged in truth or prediction",
    "nsd": "no foreground class is in any image's truth or prediction",
}
_NO_SURFACE = "no foreground class is in the truth and the prediction of one image"


def _reasons(
    values: Mapping[str, float | None], per_class: Mapping[str, Mapping[str, float | None]]
) -> dict[str, str]:
    reasons = {name: _WHY.get(name, _NO_SURFACE) for name, value in values.items() if value is None}
    if any(value is None for column in per_class.values() for value in column.values()):
        reasons["per_class"] = "the class is absent: from the truth (accuracy), or from both"
        if any("_" in name and name not in _WHY for name in per_class):
            reasons["per_class"] += "; from one of them in every image (hd95, assd)"
    return reasons


def _matrix(tally: Tally) -> Matrix:
    total = confusion_total(tally)
    extra = ("void",) if len(total) > len(tally.classes) else ()
    return Matrix(
        row_name="truth",
        column_name="prediction",
        rows=(*tally.classes, *extra),
        columns=tally.classes,
        values=tuple(tuple(map(float, row)) for row in total),
    )


def _empty_masks(tally: Tally) -> dict[str, int]:
    """Count the pairs of image and foreground class by what is empty."""
    found = areas(tally.arrays, len(tally.image_ids), len(tally.classes))
    chosen = tally.arrays["foreground"]
    truth, predicted = found.truth[:, chosen] > 0, found.predicted[:, chosen] > 0
    return {
        "surface_cases": int((truth & predicted).sum()),
        "surface_cases_without_truth": int((~truth & predicted).sum()),
        "surface_cases_without_prediction": int((truth & ~predicted).sum()),
    }


def _counts(split: DatasetSplit, tally: Tally, classes: ClassMap) -> dict[str, int]:
    known = set(classes.category_ids)
    return {
        "images": len(tally.image_ids),
        "images_resized_truth": int(tally.arrays["resized"].sum()),
        "annotations": len(split.annotations),
        "annotations_without_model_class": sum(
            a.category_id not in known for a in split.annotations
        ),
        "crowd": sum(a.iscrowd for a in split.annotations),
        "classes": len(classes.names),
        "pixels": int(tally.arrays["count"].sum()),
        **split.notes,
    }
