"""From columns of detections to predictions by image, with every value checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.types import ClassMap, DatasetSplit, Detections, Prediction

Key = int | str


@dataclass(frozen=True, slots=True)
class Table:
    """Detections of a whole file, in its order, as the file names images and classes."""

    images: Sequence[Key]
    categories: Sequence[Key]
    boxes: NDArray[np.float64]
    """(N, 4): x, y, width, height in pixels of the original image."""
    scores: NDArray[np.float64]
    """(N,)."""
    where: Callable[[int], str]
    """Names the item of a row, for messages."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A table's rows by image, best score first, and their category ids."""

    rows: Mapping[int, NDArray[np.int64]]
    """Dataset's image id → rows; empty for images without any."""
    labels: NDArray[np.int64]
    """(N,): category ids of the dataset, by row."""


def placed(
    table: Table, images: Mapping[Key, int], categories: Mapping[Key, int], split: DatasetSplit
) -> Placed:
    """Return which rows belong to each image of *split*.

    *images* and *categories* go from the file's names to the dataset's ids. Raises PredictionError
    naming the item for names that are not among them and for numbers that are not finite.
    """
    owners = _ids(table, table.images, images, "image")
    labels = _ids(table, table.categories, categories, "category")
    for values, name in ((table.scores[:, None], "score"), (table.boxes, "box")):
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            raise PredictionError(
                f"{table.where(int(wrong[0]))}: the {name} {values[wrong[0]].tolist()} is not"
                f" finite ({wrong.size} in all)",
                hint="mend the tool that wrote the file, or remove these results",
            )
    order = np.lexsort((-table.scores, owners))
    ids = np.array([image.id for image in split.images], np.int64)
    starts = np.searchsorted(owners[order], ids, side="left").tolist()
    ends = np.searchsorted(owners[order], ids, side="right").tolist()
    spans = zip(ids.tolist(), starts, ends, strict=True)
    return Placed({image: order[a:b] for image, a, b in spans}, labels)


def detections(table: Table, found: Placed) -> dict[int, Prediction]:
    """Return the boxes of each image."""
    return {
        image: Detections(table.boxes[rows], table.scores[rows], found.labels[rows])
        for image, rows in found.rows.items()
    }


def _ids(
    table: Table, keys: Sequence[Key], known: Mapping[Key, int], what: str
) -> NDArray[np.int64]:
    try:
        return np.fromiter((known[key] for key in keys), np.int64, len(keys))
    except KeyError:
        row = next(index for index, key in enumerate(keys) if key not in known)
        count = sum(key not in known for key in keys)
        some = ", ".join(repr(key) for key in list(known)[:3])
        raise PredictionError(
            f"{table.where(row)}: the {what} {keys[row]!r} is not in the dataset ({count} results"
            f" name unknown ones)",
            hint=f"the dataset has {some} …; say how the file names its {_PLURAL[what]}:"
            f" '{_PLURAL[what]}', or score it on the split that it was made on",
        ) from None


_PLURAL = {"image": "images", "category": "categories"}


def image_ids(split: DatasetSplit) -> dict[Key, int]:
    """Return the dataset's own ids."""
    return {image.id: image.id for image in split.images}


def image_stems(split: DatasetSplit) -> dict[Key, int]:
    """Return ids by file name without folder and suffix; numeric ones by their number too.

    Raises PredictionError if two images share a name.
    """
    found: dict[Key, int] = {}
    for image in split.images:
        stem = PurePosixPath(image.file_name).stem
        keys: list[Key] = [stem, int(stem)] if stem.isascii() and stem.isdigit() else [stem]
        for key in keys:
            if found.setdefault(key, image.id) != image.id:
                raise PredictionError(
                    f"two images of {split.name} are called '{stem}': {image.file_name} and the"
                    f" one with the id {found[key]}",
                    hint="results that name images by id can be scored: 'images: id'",
                )
    return found


def category_ids(split: DatasetSplit) -> dict[Key, int]:
    """Return the dataset's own ids."""
    return {category.id: category.id for category in split.categories}


def category_indices(classes: ClassMap, first: int) -> dict[Key, int]:
    """Return ids by place in the model's class list, counted from *first*."""
    pairs = enumerate(classes.category_ids, first)
    return {index: identity for index, identity in pairs if identity is not None}


def category_names(split: DatasetSplit) -> dict[Key, int]:
    """Return ids by name, whatever its case, with spaces as underscores too."""
    found: dict[Key, int] = {}
    for category in split.categories:
        name = category.name.casefold()
        found |= {name: category.id, name.replace(" ", "_"): category.id}
    return found


def numbers(values: Sequence[Any], where: Callable[[int], str], what: str, width: int) -> Any:
    """Return (N, *width*) float64 of *values*; raise PredictionError naming the first bad one."""
    try:
        array = np.array(values, dtype=np.float64).reshape(len(values), width)
    except (TypeError, ValueError, OverflowError):
        row = next(i for i, value in enumerate(values) if not _is_numbers(value, width))
        raise PredictionError(
            f"{where(row)}: '{what}' is {str(values[row])[:80]}, not"
            f" {'a number' if width == 1 else f'{width} numbers'}",
            hint="COCO's results have image_id, category_id, bbox [x, y, width, height], score",
        ) from None
    return array


def _is_numbers(value: Any, width: int) -> bool:
    items = [value] if width == 1 else value
    return (
        isinstance(items, list)
        and len(items) == width
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in items)
    )
