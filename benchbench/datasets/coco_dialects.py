"""What exporters write into COCO files beside the standard, recognised by what is in the file.

Roboflow makes category 0 the superclass of all others and annotates nothing with it. Label Studio
counts ids from 0 and writes file names with folders, URLs, Windows separators and upload prefixes.
CVAT keeps the angle of a turned box in ``attributes.rotation`` and the box itself unturned. LVIS
names image files only by ``coco_url``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from benchbench.datasets.coco_file import CocoFile, Item
from benchbench.types import Category

FileNames = Literal["path", "name", "original-name"]
_SEPARATOR = re.compile(r"[/\\]|\?d=")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")


def file_name(item: Item, how: FileNames, notes: Counter[str]) -> str:
    """Return the name of an entry's image file; ``notes`` counts ``file_names_changed``.

    Without a ``file_name`` it is the last two parts of ``coco_url``, as LVIS means it
    (``val2017/000000397133.jpg``), counted as ``file_names_from_url``.
    """
    if "file_name" not in item.value and "coco_url" in item.value:
        notes["file_names_from_url"] += 1
        name = "/".join(item.text("coco_url").split("/")[-2:])
    else:
        name = item.text("file_name")
    if how == "path":
        return name
    last = _SEPARATOR.split(name)[-1] or name
    if how == "original-name":
        last = _UPLOAD.sub("", last)
    notes["file_names_changed"] += last != name
    return last


def superclass(categories: Sequence[Category], body: Mapping[str, Any]) -> Category | None:
    """Return the category 0 that all others name as theirs and no annotation uses, if there is one.

    Roboflow writes it; kept, it would be the first of the model's classes.
    """
    top = next((category for category in categories if category.id == 0), None)
    others = [category for category in categories if category is not top]
    if top is None or not others or any(c.supercategory != top.name for c in others):
        return None
    annotations = body.get("annotations")
    if not isinstance(annotations, list):
        return None
    used = any(isinstance(one, dict) and one.get("category_id") == 0 for one in annotations)
    return None if used else top


def refuse_others(file: CocoFile, body: Mapping[str, Any]) -> None:
    """Raise DatasetError if the annotations are of a panoptic file, or predictions."""
    for item in file.items(body, "annotations"):
        if "segments_info" in item.value:
            raise file.fault(
                "'segments_info' in the annotations: this is a panoptic file",
                hint="read it with 'kind: coco-panoptic', which needs its PNG files too",
            )
        if "score" in item.value and "id" not in item.value:
            raise file.fault(
                "the annotations have scores and no ids: these are predictions, not truth",
                hint="give the annotation file; predictions are a model's, not a dataset's",
            )
        return


def count_oddities(item: Item, notes: Counter[str], *, turned: bool = True) -> None:
    """Count in an annotation what scores depend on and a plain COCO file does not hold.

    ``turned_boxes``: CVAT's, whose ``bbox`` is the box before it was turned; unless not *turned*,
    where the turn is read.
    ``annotations_with_score``: as in a result file.
    """
    attributes = item.value.get("attributes")
    if turned and isinstance(attributes, dict):
        turn = attributes.get("rotation")
        if isinstance(turn, int | float) and turn % 360:
            notes["turned_boxes"] += 1
    if "score" in item.value:
        notes["annotations_with_score"] += 1
