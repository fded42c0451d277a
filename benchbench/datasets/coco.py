"""COCO annotation files: read once, checked to the last number, held as plain values."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from benchbench.errors import DatasetError, Place
from benchbench.types import (
    Annotation,
    Category,
    DatasetCard,
    DatasetFiles,
    DatasetSplit,
    Image,
    Record,
    TaskName,
)

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_BYTES = 2 << 30
MAX_SIDE_PX = 1_000_000
MAX_COORDINATE_PX = 1e9
MAX_ID = 2**63 - 1
MAX_OUTLINE_PX = 1e7
"""Longest outline of one object's polygons; rasterising takes time and memory by the pixel."""
_HINT = "a COCO annotation file is needed, whole: fetch or export it again"


class SplitSpec(Record):
    """Files of one split, relative to the dataset's root."""

    images: Path
    """Folder that file names are relative to."""
    annotations: Path
    """COCO annotation file (JSON)."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Digest (hex) that the annotation file must have."""


class Coco(Record):
    """Reads COCO annotation files."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""

    root: Path
    """Folder that the files' paths are relative to."""
    files: Annotated[dict[str, SplitSpec], Field(min_length=1)]
    """Split name → its files."""
    title: str = ""
    """Name for people."""
    source: str = ""
    """Where the data come from."""
    licence: str = ""
    """Terms that the data are under."""
    citation: str = ""
    """How to cite them."""
    description: str = ""
    """What they show."""
    ids: Literal["global", "per-split"] = "global"
    """Whether equal image ids in two splits mean the same image (the check for leaks asks)."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, in the order given."""
        return tuple(self.files)

    def card(self) -> DatasetCard:
        """Return what a report says of this dataset; its name is the root folder's."""
        return DatasetCard(
            name=self.root.resolve().name,
            title=self.title,
            source=self.source,
            licence=self.licence,
            citation=self.citation,
            description=self.description,
        )

    def locate(self, split: str, task: TaskName, cache: Path) -> DatasetFiles:
        """Return where *split* lies; nothing is generated, so *task* and *cache* do not matter."""
        del task, cache
        spec = self._spec(split)
        return DatasetFiles(
            images=self.root / spec.images, annotations=self.root / spec.annotations
        )

    def load(self, split: str, task: TaskName, cache: Path) -> DatasetSplit:
        """Read and validate *split*; raise :class:`~benchbench.errors.DatasetError`."""
        found = self.locate(split, task, cache)
        return read_coco(
            found.annotations,
            found.images,
            name=self.root.resolve().name,
            split=split,
            task=task,
            sha256=self._spec(split).sha256,
        )

    def _spec(self, split: str) -> SplitSpec:
        if split in self.files:
            return self.files[split]
        close = difflib.get_close_matches(split, self.files, 1)
        raise DatasetError(
            f"the dataset at {self.root} has no split '{split}'",
            hint=f"did you mean '{close[0]}'?" if close else f"known: {', '.join(self.files)}",
        )


def read_coco(
    annotations: Path,
    images: Path,
    *,
    name: str,
    split: str,
    task: TaskName = "detection",
    sha256: str | None = None,
) -> DatasetSplit:
    """Read the COCO file *annotations* of the folder *images*, with everything *task* needs.

    Detection needs ``bbox``, semantic segmentation ``segmentation``, classification neither.
    ``notes`` counts ``zero_size_boxes`` (kept) and ``area_from_box`` (areas that were missing).

    Raises :class:`~benchbench.errors.DatasetError` naming the file, the item, its id and the value.
    """
    file = _File(annotations)
    body = file.parse(sha256)
    categories = tuple(_categories(file, body))
    found = tuple(_images(file, body, images))
    _check_folder(file, images, found)
    notes: Counter[str] = Counter()
    reader = _Annotations(file, task, {image.id: image for image in found}, categories, notes)
    return DatasetSplit(
        name=name,
        split=split,
        images=found,
        categories=categories,
        annotations=tuple(reader.read(body)),
        notes=dict(notes),
    )


@dataclass(slots=True)
class _Item:
    """One entry of a list of the file, for its checks and their messages."""

    file: _File
    section: str
    index: int
    value: dict[str, Any]

    def fault(self, what: str, hint: str | None = None) -> DatasetError:
        identity = _shown(self.value["id"]) if "id" in self.value else "missing"
        return self.file.fault(
            f"{self.section}[{self.index}] (id {identity}): {what}",
            hint or "mend this entry of the file, or remove it",
        )

    def integer(self, key: str, least: int = 0, most: int = MAX_ID) -> int:
        value = self._get(key)
        # `type` and not `isinstance`: True is an int to Python, and no id.
        if type(value) is int and least <= value <= most:
            return value
        raise self.fault(f"'{key}' is {_shown(value)}, not a whole number of {least}…{most}")

    def text(self, key: str) -> str:
        value = self._get(key)
        # Half a surrogate pair is valid JSON, but cannot be written to any file again.
        if isinstance(value, str) and value.strip() and not _SURROGATE.search(value):
            return value
        raise self.fault(f"'{key}' is {_shown(value)}, not a text")

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise self.fault(f"'{key}' is missing")
        return self.value[key]


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, what: str, hint: str | None = None) -> DatasetError:
        return DatasetError(what, hint=hint or _HINT, place=Place(str(self.path)))

    def parse(self, sha256: str | None) -> dict[str, Any]:
        raw = self._bytes()
        if sha256 is not None and (found := hashlib.sha256(raw).hexdigest()) != sha256:
            raise self.fault(f"the file's SHA-256 is {found}, the dataset says {sha256}")
        try:
            body = json.loads(raw)
        except json.JSONDecodeError as error:
            place = Place(str(self.path), error.lineno, error.colno)
            raise DatasetError(f"not JSON: {error.msg}", hint=_HINT, place=place) from None
        except UnicodeDecodeError as error:
            raise self.fault(f"not text in {error.encoding} at byte {error.start}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.fault(f"not usable JSON: {type(error).__name__}: {error}") from None
        if not isinstance(body, dict):
            raise self.fault(
                f"the file holds {_kind(body)}, not an object with 'images', 'annotations' and"
                " 'categories'",
                hint="a list of detections is a result file; give the annotation file",
            )
        return body

    def _bytes(self) -> bytes:
        try:
            found = self.path.stat()
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
            raw = None if size is None or size > MAX_BYTES else self.path.read_bytes()
        except (OSError, ValueError) as error:
            raise self.fault(f"cannot be read: {error}", "check the dataset's paths") from None
        if size is None:
            raise self.fault("not a file", "give the annotation file itself")
        if raw is None:
            raise self.fault(f"{size} bytes are more than the limit of {MAX_BYTES}")
        return raw

    def items(self, body: Mapping[str, Any], section: str) -> Iterator[_Item]:
        values = body.get(section)
        if not isinstance(values, list):
            state = "is missing" if values is None else f"is {_kind(values)}, not a list"
            raise self.fault(f"'{section}' {state}")
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.fault(f"{section}[{index}] is {_shown(value)}, not an object")
            yield _Item(self, section, index, value)

    def unique(self, items: Iterator[_Item]) -> Iterator[tuple[_Item, int]]:
        seen: dict[int, int] = {}
        for item in items:
            identity = item.integer("id")
            if (first := seen.setdefault(identity, item.index)) != item.index:
                raise item.fault(f"the id {identity} is also that of {item.section}[{first}]")
            yield item, identity


def _shown(value: Any) -> str:
    # Of a container only the kind: a hostile one may be deep, or megabytes long.
    if isinstance(value, dict | list) and len(value) > 8:
        return _kind(value)
    try:
        text = json.dumps(value, ensure_ascii=bool(_SURROGATE.search(str(value))))
    except (ValueError, RecursionError):
        return _kind(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a bool", type(None): "null"}
    return kinds.get(type(value), "a number")


def _categories(file: _File, body: Mapping[str, Any]) -> Iterator[Category]:
    found = 0
    for item, identity in file.unique(file.items(body, "categories")):
        above = item.value.get("supercategory")
        if above is not None and not isinstance(above, str):
            raise item.fault(f"'supercategory' is {_shown(above)}, not a text")
        yield Category(id=identity, name=item.text("name"), supercategory=above or "")
        found += 1
    if not found:
        raise file.fault("there are no categories")


def _images(file: _File, body: Mapping[str, Any], folder: Path) -> Iterator[Image]:
    found = 0
    for item, identity in file.unique(file.items(body, "images")):
        file_name = item.text("file_name")
        _check_name(item, file_name)
        yield Image(
            id=identity,
            file_name=file_name,
            path=folder / file_name,
            width=item.integer("width", 1, MAX_SIDE_PX),
            height=item.integer("height", 1, MAX_SIDE_PX),
        )
        found += 1
    if not found:
        raise file.fault("there are no images")


def _check_name(item: _Item, file_name: str) -> None:
    path = PurePosixPath(file_name)
    if path.is_absolute() or ".." in path.parts or "\\" in file_name or "\0" in file_name:
        raise item.fault(
            f"'file_name' {_shown(file_name)} may lead out of the image folder",
            hint="file names are relative to it, with '/' between folders and without '..'",
        )
    if len(file_name) > 1024 or not path.parts:
        raise item.fault(f"'file_name' {_shown(file_name)} is not the name of a file")


def _check_folder(file: _File, folder: Path, images: Sequence[Image]) -> None:
    """Check that every image is a file inside *folder*, symbolic links followed."""
    if not folder.is_dir():
        raise DatasetError(
            f"the image folder {folder} does not exist",
            hint="check the dataset's 'root' and 'images'",
        )
    inside = _containment(folder)
    missing = []
    for image in images:
        mode = _mode(image.path)
        if mode is None or not stat.S_ISREG(mode):
            missing.append(image.file_name)
        elif not inside(image.path):
            raise file.fault(
                f"image {image.id}: '{image.file_name}' is a link that leads out of {folder}",
                hint="copy the file into the image folder, or give the folder it really lies in",
            )
    if missing:
        more = ", …" if len(missing) > 5 else ""
        raise file.fault(
            f"{len(missing)} of {len(images)} image files are not in {folder}:"
            f" {', '.join(missing[:5])}{more}",
            hint="fetch the images, or give the right 'images' folder",
        )


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - Path.stat costs twice as much
    except (OSError, ValueError):
        return None


def _containment(folder: Path) -> Callable[[Path], bool]:
    """Return a test whether a file really lies in *folder*; a folder is resolved once."""
    root = folder.resolve()
    folders: dict[str, bool] = {}

    def inside(path: Path) -> bool:
        if path.is_symlink():
            return path.resolve().is_relative_to(root)
        parent = os.path.dirname(path)  # noqa: PTH120 - called once an image
        if parent not in folders:
            folders[parent] = Path(parent).resolve().is_relative_to(root)
        return folders[parent]

    return inside


class _Annotations:
    def __init__(
        self,
        file: _File,
        task: TaskName,
        images: Mapping[int, Image],
        categories: Iterable[Category],
        notes: Counter[str],
    ) -> None:
        self.file = file
        self.task = task
        self.images = images
        self.categories = {category.id for category in categories}
        self.notes = notes

    def read(self, body: Mapping[str, Any]) -> Iterator[Annotation]:
        for item, identity in self.file.unique(self.file.items(body, "annotations")):
            image_id = self._known(item, "image_id", self.images)
            bbox = self._box(item)
            yield Annotation(
                id=identity,
                image_id=image_id,
                category_id=self._known(item, "category_id", self.categories),
                bbox=bbox,
                area=self._area(item, bbox),
                iscrowd=_crowd(item),
                segmentation=self._segmentation(item, self.images[image_id]),
            )

    def _known(self, item: _Item, key: str, known: Container[int]) -> int:
        value = item.integer(key)
        if value not in known:
            raise item.fault(f"'{key}' {value} is not in the file's list")
        return value

    def _box(self, item: _Item) -> tuple[float, float, float, float] | None:
        value = item.value.get("bbox")
        if value is None or (value == [] and self.task != "detection"):
            if self.task == "detection":
                raise item.fault("'bbox' is missing")
            return None
        if type(value) is not list or len(value) != 4 or not all(map(_is_coordinate, value)):
            raise item.fault(
                f"'bbox' is {_shown(value)}, not four finite numbers [x, y, width, height]"
            )
        x, y, width, height = map(float, value)
        if width < 0 or height < 0:
            raise item.fault(
                f"'bbox' {_shown(value)} has a negative size",
                hint="COCO boxes are [x, y, width, height], not two corners",
            )
        if not (width and height):
            self.notes["zero_size_boxes"] += 1
        return x, y, width, height

    def _area(self, item: _Item, bbox: tuple[float, float, float, float] | None) -> float:
        value = item.value.get("area")
        if value is None:
            if bbox is None:
                return 0.0
            self.notes["area_from_box"] += 1
            return bbox[2] * bbox[3]
        if (type(value) is float or type(value) is int) and 0 <= value <= MAX_COORDINATE_PX**2:
            return float(value)
        raise item.fault(f"'area' is {_shown(value)}, not a finite number of at least 0")

    def _segmentation(self, item: _Item, image: Image) -> Any:
        value = item.value.get("segmentation")
        if value is not None and not isinstance(value, list | dict):
            raise item.fault(f"'segmentation' is {_shown(value)}, neither polygons nor run lengths")
        if self.task == "semantic-segmentation":
            if not value:
                raise item.fault("'segmentation' is missing")
            _check_mask(item, value, image)
        return value


def _is_coordinate(value: Any) -> bool:
    # One comparison refuses NaN, infinities and whole numbers that no float can hold.
    return (
        type(value) is float or type(value) is int
    ) and -MAX_COORDINATE_PX <= value <= MAX_COORDINATE_PX


def _crowd(item: _Item) -> bool:
    value = item.value.get("iscrowd", 0)
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise item.fault(f"'iscrowd' is {_shown(value)}, neither 0 nor 1")


def _check_mask(item: _Item, value: Any, image: Image) -> None:
    if isinstance(value, dict):
        _check_runs(item, value, image)
        return
    for polygon in value:
        if type(polygon) is not list or len(polygon) < 6 or len(polygon) % 2:
            raise item.fault(
                f"a polygon is {_shown(polygon)}, not a list of at least three pairs of numbers"
            )
        if not all(map(_is_coordinate, polygon)):
            wrong = next(v for v in polygon if not _is_coordinate(v))
            raise item.fault(f"a polygon holds {_shown(wrong)}, which is not a finite number")
    outline = sum(map(_outline_px, value))
    if outline > MAX_OUTLINE_PX:
        raise item.fault(
            f"the polygons' outline is {outline:.3g} pixels long, more than {MAX_OUTLINE_PX:.0e}"
        )


def _outline_px(polygon: list[float]) -> float:
    """Return how many pixels the outline of *polygon* passes: its sides, by their longer axis."""
    points = np.array(polygon, np.float64).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _check_runs(item: _Item, value: dict[str, Any], image: Image) -> None:
    size, counts = value.get("size"), value.get("counts")
    if size != [image.height, image.width]:
        raise item.fault(
            f"the run lengths are of size {_shown(size)}, the image's [height, width] is"
            f" [{image.height}, {image.width}]"
        )
    if isinstance(counts, str) and counts and all("0" <= char <= "o" for char in counts):
        counts = _decoded_runs(counts, image.height * image.width)
    if not isinstance(counts, list) or not all(type(v) is int and v >= 0 for v in counts):
        raise item.fault(
            f"'counts' is {_shown(counts)}, neither whole numbers nor COCO's compressed text"
        )
    if sum(counts) != image.height * image.width:
        raise item.fault(
            f"the run lengths cover {sum(counts)} pixels, the image has"
            f" {image.height * image.width}"
        )


def _decoded_runs(text: str, most: int) -> list[int] | None:
    """Return the run lengths that COCO's compressed *text* stands for; None if it is malformed.

    Five bits a character, the least first; bit 6 says that the number goes on, and from the fourth
    number on each is the difference to the last but one (``rleFrString`` of pycocotools). Numbers
    beyond *most* are malformed, so that nothing overflows.
    """
    digits = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(digits < 32)
    if not len(ends) or ends[-1] != len(digits) - 1:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 12:
        return None
    shifts = 5 * (np.arange(len(digits)) - np.repeat(starts, lengths))
    values = np.add.reduceat((digits & 31) << shifts, starts)
    values -= np.where(digits[ends] & 16, np.int64(1) << 5 * lengths, 0)
    if np.abs(values).max() > most:
        return None
    for offset in (1, 2):
        values[offset::2] = np.cumsum(values[offset::2])
    runs: list[int] = values.tolist()
    return runs
