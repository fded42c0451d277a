"""One image and what was predicted in it, for every task, without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from benchbench.gallery.reading import Subject
from benchbench.masks import instances, mask_runs
from benchbench.truth import annotations_by_image
from benchbench.types import (
    Annotation,
    Category,
    Cell,
    ClassScores,
    DatasetSplit,
    Detections,
    Image,
    LabelMap,
    OrientedDetections,
    PanopticMap,
    Poses,
    Prediction,
    PromptedMasks,
    Result,
    Scores,
)

SIDE = 160
NAMES = ("bolt", "nut")
CATEGORIES = tuple(Category(i + 1, name) for i, name in enumerate(NAMES))


class Memory:
    """What :class:`benchbench.gallery.reading.Reader` reads, from memory."""

    def __init__(
        self,
        split: DatasetSplit,
        predictions: Mapping[int, Prediction],
        values: Mapping[int, float | None] | None = None,
    ) -> None:
        self._split, self._predictions, self._values = split, predictions, values or {}

    def truth(self, cell: Cell) -> DatasetSplit:
        return self._split

    def annotations(self, split: DatasetSplit) -> Mapping[int, list[Annotation]]:
        return annotations_by_image(split)

    def predicted(self, result: Result) -> Mapping[int, Prediction]:
        return self._predictions

    def values(
        self, result: Result, images: Sequence[int] | None = None
    ) -> Mapping[int, float | None]:
        return self._values


def boxes(*rows: Sequence[float]) -> Detections:
    """Return detections of rows x, y, width, height, score, category."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def split(folder: Path, truths: Sequence[Sequence[Annotation]], side: int = SIDE) -> DatasetSplit:
    """Return a split with a grey image for each of *truths*; ids count from 1."""
    images = []
    for number, _ in enumerate(truths, 1):
        path = folder / f"{number}.png"
        PIL.Image.new("RGB", (side, side), (90, 90, 90)).save(path)
        images.append(Image(number, f"{number}.png", path, side, side))
    return DatasetSplit("d", "test", tuple(images), CATEGORIES, tuple(a for t in truths for a in t))


def box(
    identity: int, image: int, bbox: Sequence[float], category: int = 1, **more: Any
) -> Annotation:
    """Return an annotation whose mask is its box."""
    x, y, width, height = (int(value) for value in bbox)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = True
    rle = {"size": [SIDE, SIDE], "counts": mask_runs(mask).tolist()}
    given = {"segmentation": rle, "area": float(mask.sum()), **more}
    return Annotation(identity, image, category, tuple(map(float, bbox)), **given)


def subject(
    truth: DatasetSplit,
    predictions: Mapping[int, Prediction],
    values: Mapping[int, float | None] | None = None,
    *,
    task: str = "detection",
    name: str = "a",
    metrics: Mapping[str, float | None] | None = None,
    lower: bool = False,
    **spec: Any,
) -> Subject:
    """Return a cell of these predictions; its primary metric ``m`` has *values* by image."""
    classes = {"names": list(NAMES), "category_ids": [1, 2], "background": None}
    cell = Cell(
        id=name, model="net", runtime=name, precision="fp32", device="cpu", batch=1, dataset="d",
        split="test", task=task, start=None, spec={"classes": classes, "images": None, **spec},
    )  # fmt: skip
    scores = Scores(
        metrics={"f1_threshold": 0.5, **(metrics or {})},
        primary="m",
        lower_is_better=("m",) if lower else (),
        evaluator="e",
    )
    result = Result(
        cell=cell, status="measured", environment="", started="", wall_s=0.0, scores=scores
    )
    return Subject(Memory(truth, predictions, values), result)


def of_task(task: str, folder: Path) -> Subject:
    """Return a cell of one image with one object at (40, 30), 60 by 50, found a little beside."""
    turned = (70.0, 55.0, 60.0, 50.0, 0.2)
    points = (50.0, 40.0, 2.0, 90.0, 70.0, 1.0)
    one = box(7, 1, (40, 30, 60, 50), oriented=turned, keypoints=points)
    truth = split(folder, [[one]])
    near = np.zeros((SIDE, SIDE), bool)
    near[34:80, 44:100] = True
    runs, upright = [mask_runs(near)], np.array([[44.0, 34.0, 56.0, 46.0]])
    score, label = np.array([0.9]), np.array([1])
    made: dict[str, Prediction] = {
        "detection": Detections(upright, score, label),
        "instance-segmentation": instances(upright, score, label, runs),
        "keypoints": Poses(upright, score, label, np.array([[[52.0, 42, 1], [88, 68, 1]]])),
        "oriented-detection": OrientedDetections(np.array([turned]), score, label),
        "panoptic-segmentation": PanopticMap(near.astype(np.uint16), label),
        "promptable-segmentation": PromptedMasks(
            np.array([7]), np.array([np.nan]), np.array([len(runs[0])]), runs[0]
        ),
        "semantic-segmentation": LabelMap(np.where(near, 0, 1).astype(np.uint8)),
        "classification": ClassScores(np.array([0.2, 0.8], np.float32)),
    }
    return subject(truth, {1: made[task]}, {1: 0.5}, task=task)
