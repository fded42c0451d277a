"""Average precision of boxes where categories are annotated on some images only (LVIS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from benchbench.metrics import coco_tally
from benchbench.metrics.coco_columns import Found, Truth
from benchbench.metrics.coco_numbers import class_names
from benchbench.metrics.detection_table import detected_columns, truth_columns
from benchbench.metrics.lvis_limits import LvisLimits, counts, evaluate, ground_truth
from benchbench.metrics.lvis_numbers import federated
from benchbench.metrics.lvis_rules import Federation, Rows, best, without_crowds
from benchbench.metrics.pairing import pair
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Detections,
    Prediction,
    Scores,
    Tally,
    TaskName,
)


class LvisBoxes(LvisLimits):
    """LVIS's numbers for boxes, by hotcoco, equal to lvis-api."""

    task: ClassVar[TaskName] = "detection"

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: boxes x, y, width, height in pixels, labels dataset category ids.

        Raises :class:`~benchbench.errors.DatasetError` if an image does not say which categories
        were looked for, else what :class:`benchbench.metrics.coco_boxes.CocoBoxes` raises.
        """
        rules, known, found = _read(truth, predictions)
        within, judged = self._chosen(found, rules)
        table = np.empty((len(judged), 7))
        table[:, 0], table[:, 6] = found.image[judged] + 1, found.category[judged] + 1
        table[:, 1:5], table[:, 5] = found.boxes[judged], found.scores[judged]
        columns = (known.image, known.category, known.boxes, known.area)
        evaluation = evaluate(ground_truth(truth, columns), table, self.max_detections)
        left = (len(within), len(judged))
        return self.told(truth, rules, evaluation, counts(truth, classes, len(found.scores), left))

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image, as :func:`benchbench.metrics.coco_tally.tally` does.

        And ``class_frequency`` (K,). Raises what :meth:`score` raises.
        """
        del classes
        rules, known, found = _read(truth, predictions)
        rows = self._chosen(found, rules)[1]
        ids = np.array([image.id for image in truth.images], np.int64)
        place = np.argsort(ids)
        counted = Found(
            place[found.image[rows]], found.category[rows], found.boxes[rows], found.scores[rows]
        )
        made = coco_tally.tally(
            ids,
            class_names(truth),
            replace(known, image=place[known.image]),
            counted,
            max_detections=(self.max_detections,) * 3,
        )
        return federated(made, rules)

    def _chosen(self, found: Found, rules: Federation) -> tuple[Rows, Rows]:
        """Return the rows within the limit, and those of them that are judged."""
        within = best(found.image, found.scores, self.max_detections)
        fit = rules.is_judged(found.image[within], found.category[within])
        return within, within[fit]


def _read(
    split: DatasetSplit, predictions: Mapping[int, Prediction]
) -> tuple[Federation, Truth, Found]:
    rules = Federation.of(split)
    known = truth_columns(without_crowds(split))
    return rules, known, detected_columns(split, pair(split, predictions, Detections))
