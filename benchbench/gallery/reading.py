"""What a gallery reads of a run: results, predictions, truth, and single images' metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.cases import BLOCK
from benchbench.columns import unpack_tally
from benchbench.gallery.matching import FOUND, Matched, best_threshold
from benchbench.gallery.objects import OBJECT_TASKS, judge
from benchbench.inputs import Pixels, read_image
from benchbench.protocols import Resampled
from benchbench.scoring import Scorer
from benchbench.store import Run
from benchbench.truth import annotations_by_image
from benchbench.types import Annotation, Cell, DatasetSplit, Image, Prediction, Result
from benchbench.worker.inputs import class_map, corruption

UNSCORED: tuple[str, ...] = ("panoptic-segmentation", "promptable-segmentation")
"""Tasks whose predictions are drawn whatever their score."""

_CELLS_AT_ONCE = 3


class Reader(Scorer):
    """Reads each dataset of a run once, and checks that it is the one predicted on."""

    def __init__(self, run: Run, datasets: Mapping[str, Any], cache: Path) -> None:
        super().__init__(run, datasets, cache)
        self._annotations: dict[int, dict[int, list[Annotation]]] = {}
        self._read_last: dict[str, Mapping[int, Prediction]] = {}

    def truth(self, cell: Cell) -> DatasetSplit:
        """Return the split; raises :class:`~benchbench.errors.DatasetError`."""
        return self._truth(cell)

    def annotations(self, split: DatasetSplit) -> Mapping[int, list[Annotation]]:
        """Return the annotations of each image id of a split that :meth:`truth` returned."""
        if id(split) not in self._annotations:
            self._annotations[id(split)] = annotations_by_image(split)
        return self._annotations[id(split)]

    def predicted(self, result: Result) -> Mapping[int, Prediction]:
        """Return the stored predictions by image id; those of few cells stay in memory."""
        name = result.cell.id
        found = self._read_last.pop(name, None)
        self._read_last[name] = self._predictions(result) if found is None else found
        while len(self._read_last) > _CELLS_AT_ONCE:
            del self._read_last[next(iter(self._read_last))]
        return self._read_last[name]

    def values(
        self, result: Result, images: Sequence[int] | None = None
    ) -> Mapping[int, float | None]:
        """Return the primary metric of each image as if it were the whole dataset.

        *images* picks some by id. None where the image alone does not define it; an empty mapping
        where the metric keeps no values of single images.
        """
        ref, scores = result.arrays.get("tally"), result.scores
        metric = plugins.build("metrics", result.cell.spec["metric"])
        if ref is None or scores is None or not isinstance(metric, Resampled):
            return {}
        tally = unpack_tally(self._run.array(ref))
        count, found = len(tally.image_ids), dict[int, float | None]()
        rows = np.arange(count)
        if images is not None:
            rows = np.flatnonzero(np.isin(tally.image_ids, images))
        for part in (rows[first : first + BLOCK] for first in range(0, len(rows), BLOCK)):
            weights = np.zeros((len(part), count), np.int64)
            weights[np.arange(len(part)), part] = 1
            own = metric.estimates(tally, weights).get(scores.primary)
            if own is None:
                return {}
            ids = tally.image_ids[part].tolist()
            found |= {i: _absent(v) for i, v in zip(ids, own.tolist(), strict=True)}
        return found


def _absent(value: float) -> float | None:
    return None if np.isnan(value) else value


def _copied(prediction: Prediction) -> Prediction:
    """Return a copy whose arrays are no views of those of all images."""
    kind: Callable[..., Prediction] = type(prediction)
    return kind(*(np.array(getattr(prediction, one.name)) for one in fields(prediction)))


@dataclass(frozen=True)
class Subject:
    """One cell with all that pictures of it need."""

    reader: Reader
    result: Result

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.result.cell

    @cached_property
    def split(self) -> DatasetSplit:
        """The truth."""
        return self.reader.truth(self.cell)

    @cached_property
    def images(self) -> Mapping[int, Image]:
        """Images by id."""
        return {image.id: image for image in self.split.images}

    @property
    def primary(self) -> str | None:
        """Name of the primary metric."""
        return self.result.scores.primary if self.result.scores else None

    @property
    def lower_is_better(self) -> bool:
        """Whether less of the primary metric is better."""
        scores = self.result.scores
        return scores is not None and scores.primary in scores.lower_is_better

    def keep(self, images: Sequence[int]) -> None:
        """Keep what pictures of *images* need, so that all other predictions may be forgotten."""
        known = self.__dict__.get("values")
        self._alone.update(self.reader.values(self.result, images) if known is None else known)
        for image in images:
            self._kept[image] = _copied(self.prediction(image))

    @cached_property
    def _alone(self) -> dict[int, float | None]:
        return {}

    @cached_property
    def _kept(self) -> dict[int, Prediction]:
        return {}

    def value(self, image: int) -> float | None:
        """Return the primary metric of one of the kept images alone."""
        return self._alone.get(image)

    def prediction(self, image: int) -> Prediction:
        """Return the prediction of an image."""
        kept = self._kept.get(image)
        return self.reader.predicted(self.result)[image] if kept is None else kept

    def truth_of(self, image: int) -> list[Annotation]:
        """Return the annotations of an image."""
        return self.reader.annotations(self.split)[image]

    def pixels(self, image: Image) -> Pixels:
        """Return what the model saw, (H, W, 3) RGB: damaged where the suite damages images.

        Raises :class:`~benchbench.errors.ImageError`, and
        :class:`~benchbench.errors.MissingDependency` without what damages images.
        """
        pixels, damage = read_image(image, "RGB"), corruption(self.cell)
        return damage.apply(pixels, image.id) if damage else pixels

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Names of the dataset's classes by category id."""
        return {category.id: category.name for category in self.split.categories}

    @cached_property
    def class_map(self) -> Any:
        """The model's classes."""
        return class_map(self.cell)

    @cached_property
    def threshold(self) -> float | None:
        """Least score that counts: the one of greatest F1; None for tasks without scores."""
        if self.cell.task not in OBJECT_TASKS or self.cell.task in UNSCORED:
            return None
        metrics = self.result.scores.metrics if self.result.scores else {}
        known = metrics.get("f1_threshold")
        return self._own_threshold() if known is None else known

    def _own_threshold(self) -> float:
        scores: list[NDArray[np.float64]] = []
        right: list[NDArray[np.bool_]] = []
        objects = 0
        for image in self.images:
            matched, prediction = self._judged(image, -np.inf), self.prediction(image)
            scores.append(np.asarray(getattr(prediction, "scores", ()), np.float64))
            right.append(matched.predictions == FOUND)
            objects += sum(not one.iscrowd for one in self.truth_of(image))
        if not scores:
            return 0.5
        return best_threshold(np.concatenate(scores), np.concatenate(right), objects)

    def _judged(self, image: int, threshold: float) -> Matched:
        truth, prediction = self.truth_of(image), self.prediction(image)
        return judge(self.images[image], truth, prediction, self.cell.task, threshold)

    @cached_property
    def judged(self) -> Mapping[int, Matched]:
        """What became of the objects of every image; nothing for a task without objects."""
        if self.cell.task not in OBJECT_TASKS:
            return {}
        least = -np.inf if self.threshold is None else self.threshold
        return {image: self._judged(image, least) for image in self.images}

    @cached_property
    def values(self) -> Mapping[int, float | None]:
        """The primary metric of every image alone."""
        return self.reader.values(self.result)
