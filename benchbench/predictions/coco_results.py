"""COCO result files, and the dialects of tools that write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.files import sha256_file
from benchbench.masks import instances, mask_boxes, rle_runs
from benchbench.predictions import tables
from benchbench.predictions.tables import Placed, Table
from benchbench.protocols import Packages
from benchbench.types import ClassMap, DatasetSplit, Image, Prediction, Record, TaskName

MAX_BYTES = 4 << 30
_LISTS = ("annotations", "predictions", "results")


class CocoResults(Record):
    """A list of ``image_id``, ``category_id``, ``score`` and ``bbox`` or ``segmentation`` (RLE).

    Detectron2 (``coco_instances_results.json``) and MMDetection (``*.bbox.json``, ``*.segm.json``)
    write it so. An object that holds the list is read too, such as the labels that NVIDIA TAO's
    Mask Auto Labeler dumps. Where masks count, an object's size is its mask's, whatever box the
    result has: both tools remove the boxes before they score masks.
    """

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    tasks: ClassVar[tuple[TaskName, ...]] = ("detection", "instance-segmentation")

    path: Path
    """The JSON file."""
    images: Literal["id", "name"] = "id"
    """What ``image_id`` holds: the dataset's id, or the file's name without folder and suffix."""
    categories: Literal["id", "index"] = "id"
    """What ``category_id`` holds: the dataset's id, or the place in the model's class list."""
    first_index: Literal[0, 1] = 0
    """The number of the class list's first entry, where categories are places."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return the file's SHA-256; raise PredictionError if it cannot be read."""
        try:
            return {self.path.name: sha256_file(self.path)}
        except OSError as error:
            raise PredictionError(
                f"{self.path}: {error.strerror}", hint="a relative path counts from this folder"
            ) from error

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines."""
        lines = {"file": self.path.name, "image_id": self.images, "category_id": self.categories}
        return lines | ({"first index": str(self.first_index)} if self._by_index else {})

    @property
    def _by_index(self) -> bool:
        return self.categories == "index"

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the predictions of each image; raise PredictionError naming the item."""
        masks = task == "instance-segmentation"
        items, table, found = self._placed(split, classes, boxes=not masks)
        return _instances(items, table, found, split) if masks else tables.detections(table, found)

    def _placed(
        self, split: DatasetSplit, classes: ClassMap, *, boxes: bool
    ) -> tuple[list[Any], Table, Placed]:
        """Return the results, their columns, and the rows of each image."""
        images = tables.image_ids(split) if self.images == "id" else tables.image_stems(split)
        known = (
            tables.category_indices(classes, self.first_index)
            if self._by_index
            else tables.category_ids(split)
        )
        items = _items(self.path)
        table = _table(self.path, items, boxes=boxes)
        return items, table, tables.placed(table, images, known, split)


class Ultralytics(CocoResults):
    """``predictions.json`` of Ultralytics' ``val(save_json=True)``: images by name; masks too.

    Categories are COCO's ids on COCO itself; elsewhere places in the class list, from 1 on (from
    0 in versions before 8.1): ``categories: index``.
    """

    images: Literal["id", "name"] = "name"
    """What ``image_id`` holds: the dataset's id, or the file's name without folder and suffix."""
    first_index: Literal[0, 1] = 1
    """The number of the class list's first entry, where categories are places."""


def _table(path: Path, items: list[Any], *, boxes: bool) -> Table:
    """Return the columns of *items*; boxes may be absent where masks count, and are zeros then."""

    def where(row: int) -> str:
        return f"{path}: result {row}"

    columns = {key: _column(items, key, where) for key in ("image_id", "category_id", "score")}
    given = _column(items, "bbox", where) if boxes else [[0.0] * 4] * len(items)
    return Table(
        columns["image_id"],
        columns["category_id"],
        tables.numbers(given, where, "bbox", 4),
        tables.numbers(columns["score"], where, "score", 1)[:, 0],
        where,
    )


def _instances(
    items: list[Any], table: Table, found: Placed, split: DatasetSplit
) -> dict[int, Prediction]:
    """Return the masks of each image; boxes are those around the masks, whatever the file says."""
    coded = _column(items, "segmentation", table.where)
    made: dict[int, Prediction] = {}
    for image in split.images:
        rows = found.rows[image.id]
        runs = [_runs(coded[row], image, table.where(row)) for row in rows.tolist()]
        one = instances(table.boxes[rows], table.scores[rows], found.labels[rows], runs)
        made[image.id] = replace(one, boxes=mask_boxes(one, image.height, image.width))
    return made


def _runs(segmentation: Any, image: Image, where: str) -> NDArray[np.uint32]:
    if not isinstance(segmentation, dict):
        raise PredictionError(
            f"{where}: 'segmentation' is not a run-length encoding",
            hint="results hold {size, counts}, as pycocotools.mask.encode gives it",
        )
    try:
        return rle_runs(segmentation, image.height, image.width)
    except PredictionError as error:
        raise PredictionError(f"{where}: {error.message}", hint=error.hint) from None


def _column(items: list[Any], key: str, where: Any) -> list[Any]:
    wrong = next((i for i, item in enumerate(items) if not _has(item, key)), None)
    if wrong is not None:
        raise PredictionError(
            f"{where(wrong)}: no usable '{key}'",
            hint="COCO's results have image_id, category_id, bbox [x, y, width, height], score",
        )
    return [item[key] for item in items]


def _has(item: Any, key: str) -> bool:
    if not isinstance(item, dict) or key not in item:
        return False
    return not key.endswith("_id") or isinstance(item[key], int | float | str)


def _items(path: Path) -> list[Any]:
    """Return the list of results; raise PredictionError if the file is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PredictionError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PredictionError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        hint = "a pickle (.pkl, .pth) is not read: have the tool write COCO's JSON"
        raise PredictionError(f"{path}: not JSON: {str(error)[:200]}", hint=hint) from error
    if isinstance(document, dict):
        held = [document[key] for key in _LISTS if isinstance(document.get(key), list)]
        document = held[0] if len(held) == 1 else document
    if not isinstance(document, list):
        raise PredictionError(
            f"{path}: holds no list of results",
            hint=f"a list, or an object with one under {', '.join(_LISTS)}",
        )
    return document
