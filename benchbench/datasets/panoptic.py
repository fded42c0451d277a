"""COCO's panoptic format: a JSON file of segments, and a PNG that numbers each image's pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from benchbench.datasets.coco_file import CocoFile, Item
from benchbench.datasets.coco_folder import check_name
from benchbench.datasets.described import chosen
from benchbench.datasets.draft import Draft, Frame, opened
from benchbench.datasets.imported import Imported, stamps
from benchbench.datasets.label_maps import Region, regions
from benchbench.types import Record


class PanopticSplit(Record):
    """Files of one split, relative to the dataset's root."""

    images: Path
    """Folder of the images."""
    annotations: Path
    """Panoptic JSON file."""
    masks: Path
    """Folder of the PNG files."""


class CocoPanoptic(Imported):
    """Imports COCO panoptic files: each segment becomes an annotation with its mask."""

    format_name: ClassVar[str] = "coco-panoptic"
    dense: ClassVar[bool] = True

    files: Annotated[dict[str, PanopticSplit], Field(min_length=1)]
    """Split name → its files."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, in the order given."""
        return tuple(self.files)

    def images_folder(self, split: str) -> Path | None:
        """Return the folder of the images."""
        return self.root / self._split(split).images

    def inputs(self, split: str) -> Any:
        """Return what the files are; the PNG files go by their folder's listing."""
        spec = self._split(split)
        masks = sorted((self.root / spec.masks).glob("*.png"))
        return stamps([self.root / spec.annotations, *masks])

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each segment into an annotation."""
        spec = self._split(split)
        file = CocoFile(self.root / spec.annotations)
        body = file.parse(None)
        known = set()
        for item, identity in file.unique(file.items(body, "categories")):
            # As in a plain COCO file, a category that does not say it is a thing.
            thing = 1 if item.value.get("isthing", 1) else 0
            draft.category(identity, item.text("name"), isthing=thing)
            known.add(identity)
        names = {identity: item for item, identity in file.unique(file.items(body, "images"))}
        for item in file.items(body, "annotations"):
            image = item.integer("image_id")
            if image not in names:
                raise item.fault(f"'image_id' {image} is not in the file's list")
            frame = self._frame(draft, names.pop(image), self.root / spec.images)
            _segments(draft, frame, item, self.root / spec.masks, known)
        for item in names.values():
            draft.notes["images_without_segments"] += 1
            self._frame(draft, item, self.root / spec.images)

    def _split(self, split: str) -> PanopticSplit:
        found: PanopticSplit = chosen(self.files, split, self.root)
        return found

    @staticmethod
    def _frame(draft: Draft, item: Item, folder: Path) -> Frame:
        name = item.text("file_name")
        check_name(item, name)
        return draft.image(folder / name, name, identity=item.integer("id"))


def _segments(draft: Draft, frame: Frame, item: Item, masks: Path, categories: set[int]) -> None:
    name = item.text("file_name")
    check_name(item, name)
    found = {region.value: region for region in _regions(item, masks / name, frame)}
    draft.notes["void_pixels"] += found.pop(0).area if 0 in found else 0
    for segment in _infos(item):
        identity = segment.integer("id", 1)
        category = segment.integer("category_id")
        if category not in categories:
            raise item.fault(f"segment {identity}: 'category_id' {category} is not in the list")
        region = found.pop(identity, None)
        if region is None:
            raise item.fault(f"segment {identity} has no pixel in {name}")
        draft.annotation(frame, category, **_keys(region, segment.value))
    if found:
        raise item.fault(f"{name} holds the segment {min(found)}, which 'segments_info' lacks")


def _keys(region: Region, segment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bbox": region.bbox,
        "area": region.area,
        "iscrowd": 1 if segment.get("iscrowd") else 0,
        "segmentation": region.segmentation,
    }


def _infos(item: Item) -> Iterator[Item]:
    section = f"annotations[{item.index}].segments_info"
    return item.file.items({section: item.value.get("segments_info")}, section)


def _regions(item: Item, path: Path, frame: Frame) -> Iterator[Region]:
    with opened(path) as mask:
        if mask.size != (frame.width, frame.height):
            raise item.fault(
                f"{path} has {mask.width} × {mask.height} pixels (width × height), its image"
                f" {frame.width} × {frame.height}"
            )
        # COCO's rule: the segment's id is R + 256 G + 65536 B.
        pixels = np.asarray(mask.convert("RGB")).astype(np.int64)
    return regions(pixels @ np.array([1, 256, 65536]))
