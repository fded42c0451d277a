"""Average precision of masks where categories are annotated on some images only (LVIS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from benchbench.metrics import masks_tally
from benchbench.metrics.lvis_limits import LvisLimits, counts, evaluate, ground_truth
from benchbench.metrics.lvis_numbers import federated
from benchbench.metrics.lvis_rules import Federation, Rows, best, without_crowds
from benchbench.metrics.masks_columns import Columns, Ids, columns, truth_rles
from benchbench.metrics.pairing import pair
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Instances,
    Prediction,
    Scores,
    Tally,
    TaskName,
)


class LvisMasks(LvisLimits):
    """LVIS's numbers for masks, by hotcoco, equal to lvis-api."""

    task: ClassVar[TaskName] = "instance-segmentation"

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions*: masks over the original image, labels dataset category ids.

        Raises :class:`~benchbench.errors.DatasetError` if an image does not say which categories
        were looked for, else what :class:`benchbench.metrics.coco_masks.CocoMasks` raises.
        """
        rules, ids = Federation.of(truth), Ids.of(truth)
        found = columns(pair(truth, predictions, Instances), ids)
        within, judged = self._chosen(found, rules)
        part = _part(found, judged)
        table = np.zeros((len(judged), 7))
        table[:, 0], table[:, 5], table[:, 6] = part.images, part.scores, part.categories
        rles = truth_rles(truth)
        one = truth.annotations
        own = (
            np.array([ids.images[a.image_id] for a in one], np.int64) - 1,
            np.array([ids.categories[a.category_id] for a in one], np.int64) - 1,
            np.zeros((len(one), 4)),
            np.array([a.area for a in one], np.float64),
        )
        known = ground_truth(truth, own, rles)
        evaluation = evaluate(known, table, self.max_detections, (part.rles, part.areas))
        left = (len(within), len(judged))
        return self.told(truth, rules, evaluation, counts(truth, classes, len(found.scores), left))

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return the matches of each image by mask IoU; raises what :meth:`score` raises."""
        del classes
        rules, ids = Federation.of(truth), Ids.of(truth)
        found = columns(pair(truth, predictions, Instances), ids)
        part = _part(found, self._chosen(found, rules)[1])
        plain = without_crowds(truth)
        limits = (self.max_detections,) * 3
        return federated(masks_tally.tally(plain, ids, part, truth_rles(plain), limits), rules)

    def _chosen(self, found: Columns, rules: Federation) -> tuple[Rows, Rows]:
        """Return the rows within the limit, and those of them that are judged."""
        within = best(found.images, found.scores, self.max_detections)
        fit = rules.is_judged(found.images[within] - 1, found.categories[within] - 1)
        return within, within[fit]


def _part(found: Columns, rows: Rows) -> Columns:
    return Columns(
        found.images[rows],
        found.categories[rows],
        found.scores[rows],
        found.areas[rows],
        [found.rles[row] for row in rows.tolist()],
    )
