"""COCO annotation files: read once, checked to the last number, held as plain values."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from benchbench.datasets import coco_more as more
from benchbench.datasets.coco_dialects import (
    FileNames,
    count_oddities,
    file_name,
    refuse_others,
    superclass,
)
from benchbench.datasets.coco_file import (
    MAX_COORDINATE_PX,
    CocoFile,
    Item,
    is_coordinate,
    shown,
)
from benchbench.datasets.coco_folder import check_folder, check_name
from benchbench.datasets.coco_masks import check_mask
from benchbench.datasets.described import Classed
from benchbench.errors import DatasetError
from benchbench.truth import segmentation_mask
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

MAX_SIDE_PX = 1_000_000
_MASK_TASKS = (
    "instance-segmentation",
    "semantic-segmentation",
    "panoptic-segmentation",
    "promptable-segmentation",
)
_BOX_TASKS = ("detection", "keypoints", "promptable-segmentation")
_AREA_OF_MASK = ("instance-segmentation", "promptable-segmentation")


class SplitSpec(Record):
    """Files of one split, relative to the dataset's root."""

    images: Path | None = None
    """Folder that file names are relative to; left out where there are no images at hand, which is
    enough to score given predictions."""
    annotations: Path
    """COCO annotation file (JSON)."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Digest (hex) that the annotation file must have."""


class Coco(Classed):
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
    file_names: FileNames = "path"
    """What of a ``file_name`` counts: all of it, its last part, or that without upload prefix."""

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
        images = self.root if spec.images is None else self.root / spec.images
        return DatasetFiles(images=images, annotations=self.root / spec.annotations)

    def load(self, split: str, task: TaskName, cache: Path) -> DatasetSplit:
        """Read and validate *split*; raise :class:`~benchbench.errors.DatasetError`."""
        found, spec = self.locate(split, task, cache), self._spec(split)
        return read_coco(
            found.annotations,
            None if spec.images is None else found.images,
            name=self.root.resolve().name,
            split=split,
            task=task,
            sha256=spec.sha256,
            file_names=self.file_names,
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
    images: Path | None,
    *,
    name: str,
    split: str,
    task: TaskName = "detection",
    sha256: str | None = None,
    file_names: FileNames = "path",
) -> DatasetSplit:
    """Read the COCO file *annotations* of the folder *images*, with everything *task* needs.

    Detection needs ``bbox``, segmentations ``segmentation``, keypoints ``bbox`` and ``keypoints``,
    oriented detection ``obb`` (or ``bbox`` and CVAT's ``rotation``), classification none. ``notes``
    counts what is unusual: ``zero_size_boxes`` (kept), ``area_from_box`` and ``area_from_mask``
    (areas that were missing), ``crowd_throughout`` (every annotation is a crowd region, so none can
    be found), and what :mod:`benchbench.datasets.coco_dialects` names. Where *images* is
    None the image files need not be there.

    Raises :class:`~benchbench.errors.DatasetError` naming the file, the item, its id and the value.
    """
    file = CocoFile(annotations)
    body = file.parse(sha256)
    refuse_others(file, body)
    notes: Counter[str] = Counter()
    categories = tuple(_categories(file, body, notes))
    known = frozenset(category.id for category in categories)
    folder = images or annotations.parent
    found = tuple(_images(file, body, folder, file_names, known, notes))
    if images:
        check_folder(file, images, found)
    reader = _Annotations(file, task, {image.id: image for image in found}, categories, notes)
    truth = tuple(reader.read(body))
    if truth and all(annotation.iscrowd for annotation in truth):
        notes["crowd_throughout"] = len(truth)
    return DatasetSplit(
        name=name,
        split=split,
        images=found,
        categories=categories,
        annotations=truth,
        notes=dict(+notes),
    )


def _categories(file: CocoFile, body: Mapping[str, Any], notes: Counter[str]) -> Sequence[Category]:
    found = []
    for item, identity in file.unique(file.items(body, "categories")):
        above = item.value.get("supercategory")
        if above is not None and not isinstance(above, str):
            raise item.fault(f"'supercategory' is {shown(above)}, not a text")
        found.append(
            Category(
                id=identity,
                name=item.text("name"),
                supercategory=above or "",
                thing=item.value.get("isthing", 1) != 0,
                keypoints=more.point_names(item),
                frequency=more.frequency(item),
            )
        )
    if not found:
        raise file.fault("there are no categories")
    dropped = superclass(found, body)
    if dropped is None:
        return found
    notes["superclass_dropped"] += 1
    return [category for category in found if category is not dropped]


def _images(
    file: CocoFile,
    body: Mapping[str, Any],
    folder: Path,
    file_names: FileNames,
    categories: frozenset[int],
    notes: Counter[str],
) -> Iterator[Image]:
    owners: dict[str, int] = {}
    for item, identity in file.unique(file.items(body, "images")):
        name = file_name(item, file_names, notes)
        check_name(item, name)
        owner = owners.setdefault(name, item.index)
        if owner != item.index and file_names != "path":
            raise item.fault(
                f"'{name}' is also the name of images[{owner}] with 'file_names: {file_names}'",
                hint="give files of equal names in different folders different names",
            )
        yield Image(
            id=identity,
            file_name=name,
            path=folder / name,
            width=item.integer("width", 1, MAX_SIDE_PX),
            height=item.integer("height", 1, MAX_SIDE_PX),
            attributes=more.attributes(item),
            negatives=more.looked_for(item, categories),
            incomplete=more.not_exhaustive(item, categories),
        )
    if not owners:
        raise file.fault("there are no images")


class _Annotations:
    def __init__(
        self,
        file: CocoFile,
        task: TaskName,
        images: Mapping[int, Image],
        categories: Iterable[Category],
        notes: Counter[str],
    ) -> None:
        self.file = file
        self.task = task
        self.images = images
        self.categories = {category.id: category for category in categories}
        self.notes = notes

    def read(self, body: Mapping[str, Any]) -> Iterator[Annotation]:
        for item, identity in self.file.unique(self.file.items(body, "annotations")):
            image_id = self._known(item, "image_id", self.images)
            bbox = self._box(item)
            category_id = self._known(item, "category_id", self.categories)
            annotation = Annotation(
                id=identity,
                image_id=image_id,
                category_id=category_id,
                bbox=bbox,
                area=self._area(item, bbox),
                iscrowd=_crowd(item),
                segmentation=self._segmentation(item, self.images[image_id]),
                keypoints=self._keypoints(item, category_id),
                oriented=more.oriented(item) if self.task == "oriented-detection" else None,
                attributes=more.attributes(item),
            )
            count_oddities(item, self.notes, turned=self.task != "oriented-detection")
            if self.task in _AREA_OF_MASK and item.value.get("area") is None:
                annotation = self._measured(annotation)
            yield annotation

    def _measured(self, annotation: Annotation) -> Annotation:
        """Return *annotation* with the area of its mask: sizes are judged by it."""
        self.notes["area_from_mask"] += 1
        image = self.images[annotation.image_id]
        mask = segmentation_mask(annotation, image.height, image.width)
        return replace(annotation, area=float(mask.sum()))

    def _keypoints(self, item: Item, category_id: int) -> tuple[float, ...] | None:
        if self.task != "keypoints":
            return None
        names = self.categories[category_id].keypoints
        # A crowd of people comes without points, as a region in which nobody is looked for.
        if not names or (_crowd(item) and not item.value.get("keypoints")):
            return None
        return more.keypoints(item, len(names))

    def _known(self, item: Item, key: str, known: Container[int]) -> int:
        value = item.integer(key)
        if value not in known:
            raise item.fault(f"'{key}' {value} is not in the file's list")
        return value

    def _box(self, item: Item) -> tuple[float, float, float, float] | None:
        value = item.value.get("bbox")
        if value is None or (value == [] and self.task not in _BOX_TASKS):
            if self.task in _BOX_TASKS:
                raise item.fault("'bbox' is missing")
            return None
        if type(value) is not list or len(value) != 4 or not all(map(is_coordinate, value)):
            raise item.fault(
                f"'bbox' is {shown(value)}, not four finite numbers [x, y, width, height]"
            )
        x, y, width, height = map(float, value)
        if width < 0 or height < 0:
            raise item.fault(
                f"'bbox' {shown(value)} has a negative size",
                hint="COCO boxes are [x, y, width, height], not two corners",
            )
        if not (width and height):
            self.notes["zero_size_boxes"] += 1
        return x, y, width, height

    def _area(self, item: Item, bbox: tuple[float, float, float, float] | None) -> float:
        value = item.value.get("area")
        if value is None:
            if bbox is None or self.task in _AREA_OF_MASK:
                return 0.0
            self.notes["area_from_box"] += 1
            return bbox[2] * bbox[3]
        if (type(value) is float or type(value) is int) and 0 <= value <= MAX_COORDINATE_PX**2:
            return float(value)
        raise item.fault(f"'area' is {shown(value)}, not a finite number of at least 0")

    def _segmentation(self, item: Item, image: Image) -> Any:
        value = item.value.get("segmentation")
        if value is not None and not isinstance(value, list | dict):
            raise item.fault(f"'segmentation' is {shown(value)}, neither polygons nor run lengths")
        if self.task in _MASK_TASKS:
            if not value:
                raise item.fault("'segmentation' is missing")
            check_mask(item, value, image)
        return value


def _crowd(item: Item) -> bool:
    value = item.value.get("iscrowd", 0)
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise item.fault(f"'iscrowd' is {shown(value)}, neither 0 nor 1")
