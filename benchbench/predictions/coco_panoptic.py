"""COCO's panoptic results: a JSON file of segments, and a PNG that numbers each image's pixels."""

from __future__ import annotations

import hashlib
import json
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from benchbench.errors import PredictionError
from benchbench.files import sha256_file
from benchbench.predictions import tables
from benchbench.predictions.tables import Key
from benchbench.protocols import Packages
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    Image,
    PanopticMap,
    Prediction,
    Record,
    TaskName,
)

MAX_BYTES = 1 << 30
MAX_SEGMENTS = (1 << 16) - 1
_IDS = 1 << 24
_COLOURS = ("RGB", "RGBA", "P")
# What Pillow's PNG reader raises on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, MemoryError)


class CocoPanoptic(Record):
    """``annotations`` of ``image_id``, ``file_name``, ``segments_info`` (``id``, ``category_id``).

    A pixel's segment is R + 256 G + 65536 B of the PNG; 0 is none. Detectron2
    (``COCOPanopticEvaluator``) and MMDetection (``CocoPanopticMetric``) write it so.
    """

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    tasks: ClassVar[tuple[TaskName, ...]] = ("panoptic-segmentation",)

    path: Path
    """The JSON file."""
    folder: Path | None = None
    """Folder of the PNG files; None: the JSON file's path without its suffix."""
    images: Literal["name", "id"] = "name"
    """What names the image: the PNG's name without suffix, or ``image_id``, the dataset's id."""
    categories: Literal["id", "index"] = "id"
    """What ``category_id`` holds: the dataset's id, or the place in the model's class list."""
    first_index: Literal[0, 1] = 0
    """The number of the class list's first entry, where categories are places."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return the SHA-256 of the JSON file, and one of all PNG files that it names."""
        digest = hashlib.sha256()
        for entry in _entries(self.path):
            path = self._png(entry)
            try:
                digest.update(f"{entry.file_name}\0{sha256_file(path)}\0".encode())
            except (OSError, ValueError) as error:
                raise entry.fault(f"cannot read the PNG file: {error}") from error
        return {self.path.name: sha256_file(self.path), "PNG files": digest.hexdigest()}

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines."""
        by = "PNG's name" if self.images == "name" else "image_id"
        lines = {"file": self.path.name, "images": f"by {by}", "category_id": self.categories}
        by_index = self.categories == "index"
        return lines | ({"first index": str(self.first_index)} if by_index else {})

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the panoptic map of each image; raise PredictionError naming the item."""
        del task
        images = tables.image_stems(split) if self.images == "name" else tables.image_ids(split)
        by_index = self.categories == "index"
        categories = (
            tables.category_indices(classes, self.first_index)
            if by_index
            else tables.category_ids(split)
        )
        entries = self._placed(images)
        missing = [image for image in split.images if image.id not in entries]
        if missing:
            raise PredictionError(
                f"{self.path}: no result for {missing[0].file_name} ({len(missing)} images have"
                " none)",
                hint="an image without segments has an entry too, with an empty 'segments_info'",
            )
        numbers = np.zeros(_IDS, np.uint16)
        found: dict[int, Prediction] = {}
        for image in split.images:
            entry = entries[image.id]
            found[image.id] = _map(entry, self._png(entry), image, categories, numbers)
        return found

    def _placed(self, images: Mapping[Key, int]) -> dict[int, Entry]:
        """Return the entry of each image."""
        found: dict[int, Entry] = {}
        for entry in _entries(self.path):
            key = entry.stem if self.images == "name" else entry.image_id
            if key not in images:
                some = ", ".join(repr(one) for one in list(images)[:3])
                raise entry.fault(
                    f"the image {key!r} is not in the dataset",
                    f"the dataset has {some} …; 'images' says what names them: 'name' or 'id'",
                )
            if found.setdefault(images[key], entry) is not entry:
                raise entry.fault(
                    f"the image {key!r} has a result already", "give each image one entry"
                )
        return found

    def _png(self, entry: Entry) -> Path:
        return (self.path.with_suffix("") if self.folder is None else self.folder) / entry.file_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One image's result as the file has it."""

    place: str
    """Names it in messages."""
    image_id: Key
    file_name: str
    segments: tuple[tuple[int, Key], ...]
    """Number and category of each."""

    @property
    def stem(self) -> str:
        """Return the PNG's name without folder and suffix."""
        return PurePosixPath(self.file_name).stem

    def fault(self, what: str, hint: str | None = None) -> PredictionError:
        """Return the error that *what* is."""
        return PredictionError(
            f"{self.place}: {what}", hint=hint or "have the tool write JSON and PNG files together"
        )


def _entries(path: Path) -> Iterator[Entry]:
    for number, item in enumerate(_items(path)):
        place = f"{path}: annotations[{number}]"
        value = item if isinstance(item, dict) else {}
        name, identity = value.get("file_name"), value.get("image_id")
        if not isinstance(name, str) or not _inside(name):
            raise PredictionError(
                f"{place}: 'file_name' is {_shown(name)}, not the name of a file in the folder",
                hint="names are relative to the folder of the PNG files, without '..'",
            )
        if not isinstance(identity, int | str):
            raise PredictionError(
                f"{place}: 'image_id' is {_shown(identity)}", hint="give the dataset's id"
            )
        yield Entry(place, identity, name, _segments(place, value.get("segments_info")))


def _segments(place: str, given: Any) -> tuple[tuple[int, Key], ...]:
    items = given if isinstance(given, list) else [None]
    found = [item if isinstance(item, dict) else {} for item in items]
    for index, item in enumerate(found):
        identity, category = item.get("id"), item.get("category_id")
        numbered = type(identity) is int and 0 < identity < _IDS
        if not numbered or not isinstance(category, int | str):
            raise PredictionError(
                f"{place}: segments_info[{index}] is {_shown(items[index])}",
                hint=f"a list of objects with an 'id' of 1 to {_IDS - 1} and a 'category_id'",
            )
    ids = [item["id"] for item in found]
    if len(set(ids)) < len(ids) or len(ids) > MAX_SEGMENTS:
        twice = next((one for one in ids if ids.count(one) > 1), None)
        what = f"there are {len(ids)}" if twice is None else f"the id {twice} stands there twice"
        raise PredictionError(
            f"{place}: segments_info: {what}",
            hint=f"give each segment an id of its own, {MAX_SEGMENTS} at most",
        )
    return tuple((item["id"], item["category_id"]) for item in found)


def _map(
    entry: Entry,
    path: Path,
    image: Image,
    categories: Mapping[Key, int],
    numbers: NDArray[np.uint16],
) -> PanopticMap:
    """Return the map at *path*; *numbers* (2²⁴,) of zeros is used and given back as it was."""
    unknown = [category for _, category in entry.segments if category not in categories]
    if unknown:
        raise entry.fault(
            f"the category {unknown[0]!r} is not in the dataset",
            "'categories' says whether they are ids or places in the class list",
        )
    pixels = _pixels(entry, path, image)
    ids = np.array([identity for identity, _ in entry.segments], np.int64)
    numbers[ids] = np.arange(1, len(ids) + 1)
    segments = numbers[pixels]
    numbers[ids] = 0
    stray = (segments == 0) & (pixels != 0)
    if stray.any():
        raise entry.fault(f"{path} holds the segment {pixels[stray][0]}, without an entry")
    empty = np.flatnonzero(np.bincount(segments.ravel(), minlength=len(ids) + 1)[1:] == 0)
    if empty.size:
        raise entry.fault(f"the segment {ids[empty[0]]} has no pixel in {path}")
    labels = [categories[category] for _, category in entry.segments]
    return PanopticMap(segments=segments, labels=np.array(labels, np.int64))


def _pixels(entry: Entry, path: Path, image: Image) -> NDArray[np.uint32]:
    """Return the (H, W) ids of the PNG at *path*; its header is checked before it is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path, formats=("PNG",)) as found:
                if found.size != (image.width, image.height) or found.mode not in _COLOURS:
                    raise entry.fault(
                        f"{path} is {found.width} × {found.height} pixels (w × h) of mode"
                        f" {found.mode}; the image {image.width} × {image.height}, ids are RGB"
                    )
                colours = np.asarray(found.convert("RGB")).astype(np.uint32)
        except (*_DAMAGE, PIL.Image.DecompressionBombError) as error:
            raise entry.fault(f"{path}: {type(error).__name__}: {str(error)[:200]}") from None
    return colours @ np.array([1, 256, 65536], np.uint32)


def _items(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PredictionError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PredictionError(
            f"{path}: {error.strerror}", hint="a relative path counts from this folder"
        ) from error
    except (ValueError, RecursionError) as error:
        raise PredictionError(f"{path}: not JSON: {str(error)[:200]}") from error
    items = document.get("annotations") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise PredictionError(
            f"{path}: holds no list of results",
            hint="an object with the list under 'annotations', as panopticapi reads it",
        )
    return items


def _inside(name: str) -> bool:
    """Return whether the file *name* stays in the folder that it is relative to."""
    path = PurePosixPath(name)
    leaves = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    return bool(path.parts) and not leaves and len(name) <= 1024


def _shown(value: Any) -> str:
    return "missing" if value is None else repr(value)[:80]
