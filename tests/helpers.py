"""Builders that several test modules share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchbench.types import Annotation, Category, ClassMap, DatasetSplit, Image


def split_from_coco(data: dict[str, Any], folder: Path = Path("images")) -> DatasetSplit:
    """Return the split that a COCO dict describes; no file is read and nothing is validated."""
    return DatasetSplit(
        name="test",
        split="val",
        images=tuple(
            Image(
                id=one["id"],
                file_name=one.get("file_name", f"{one['id']}.png"),
                path=folder / one.get("file_name", f"{one['id']}.png"),
                width=one["width"],
                height=one["height"],
            )
            for one in data["images"]
        ),
        categories=tuple(
            Category(one["id"], one["name"], one.get("supercategory", ""))
            for one in data["categories"]
        ),
        annotations=tuple(_annotation(one) for one in data["annotations"]),
    )


def class_map(data: dict[str, Any], *, background: bool = False) -> ClassMap:
    """Return a class map of the dict's categories in order, after background if asked for."""
    names = [one["name"] for one in data["categories"]]
    ids: list[int | None] = [one["id"] for one in data["categories"]]
    if background:
        names, ids = ["background", *names], [None, *ids]
    return ClassMap(tuple(names), tuple(ids))


def _annotation(one: dict[str, Any]) -> Annotation:
    box = one.get("bbox")
    return Annotation(
        id=one["id"],
        image_id=one["image_id"],
        category_id=one["category_id"],
        bbox=None if box is None else tuple(box),
        area=one.get("area", 0.0),
        iscrowd=bool(one.get("iscrowd", 0)),
        segmentation=one.get("segmentation"),
    )
