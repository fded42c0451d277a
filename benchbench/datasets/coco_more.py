"""What COCO entries hold beside boxes and masks: keypoints, turned boxes, attributes, LVIS's lists.

Each function returns the checked value of one entry, or raises naming the entry and the value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

from benchbench.datasets.coco_file import Item, is_coordinate, shown

MAX_TEXT = 200
MAX_POINTS = 1000
_OWN = {
    "images": {
        "id", "file_name", "width", "height", "license", "coco_url", "flickr_url", "date_captured",
        "url", "attributes", "extra",
    },
    "annotations": {
        "id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints",
        "num_keypoints", "obb", "attributes", "score", "ignore", "file_name",
    },
}  # fmt: skip
Frequency = Literal["", "rare", "common", "frequent"]
_FREQUENCIES: dict[str, Frequency] = {"r": "rare", "c": "common", "f": "frequent"}


def attributes(item: Item) -> Mapping[str, Any]:
    """Return what an image or annotation says of itself beside the standard.

    The texts, finite numbers and truth values of its ``attributes`` (CVAT, Label Studio; for
    images also Roboflow's ``extra``), and of keys that COCO does not know. Anything else, and
    texts of more than 200 characters, are left out.
    """
    found = {key: value for key, value in item.value.items() if key not in _OWN[item.section]}
    for group in ("extra", "attributes"):
        held = item.value.get(group)
        if isinstance(held, dict):
            found |= held
    return {key: value for key, value in found.items() if _plain(value)}


def _plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def point_names(item: Item) -> tuple[str, ...]:
    """Return the names of a category's keypoints."""
    found = item.value.get("keypoints")
    if found is None:
        return ()
    if (
        not isinstance(found, list)
        or len(found) > MAX_POINTS
        or not all(isinstance(name, str) for name in found)
    ):
        raise item.fault(f"'keypoints' is {shown(found)}, not a list of names")
    return tuple(found)


def keypoints(item: Item, count: int) -> tuple[float, ...]:
    """Return x, y, v of each of an annotation's *count* keypoints."""
    found = item.value.get("keypoints")
    if found is None:
        raise item.fault("'keypoints' is missing")
    wanted = f"{count} times x, y, v (0, 1 or 2), as the category names {count} keypoints"
    if not isinstance(found, list) or not all(map(is_coordinate, found)):
        raise item.fault(f"'keypoints' is {shown(found)}, not {wanted}")
    if len(found) != 3 * count or not set(found[2::3]) <= {0, 1, 2}:
        raise item.fault(f"'keypoints' has {len(found)} numbers; wanted are {wanted}")
    return tuple(map(float, found))


def oriented(item: Item) -> tuple[float, float, float, float, float]:
    """Return a turned box: ``obb`` (centre, size, radians), or CVAT's ``bbox`` and ``rotation``."""
    found = item.value.get("obb")
    if found is None:
        return _turned(item)
    if not isinstance(found, list) or len(found) != 5 or not all(map(is_coordinate, found)):
        raise item.fault(
            f"'obb' is {shown(found)}, not five finite numbers [x, y, width, height, radians]"
        )
    x, y, width, height, angle = map(float, found)
    if width < 0 or height < 0:
        raise item.fault(f"'obb' {shown(found)} has a negative size")
    return x, y, width, height, angle


def _turned(item: Item) -> tuple[float, float, float, float, float]:
    """Return the box of CVAT's export: turned clockwise by degrees about its centre."""
    box, held = item.value.get("bbox"), item.value.get("attributes")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_coordinate, box)):
        raise item.fault("'obb' is missing, and there is no 'bbox' of four numbers either")
    degrees = held.get("rotation", 0) if isinstance(held, dict) else 0
    if not is_coordinate(degrees):
        raise item.fault(f"'rotation' is {shown(degrees)}, not a number of degrees")
    x, y, width, height = map(float, box)
    return x + width / 2, y + height / 2, width, height, math.radians(degrees)


def frequency(item: Item) -> Frequency:
    """Return how frequent LVIS says that a category is."""
    found = item.value.get("frequency")
    return _FREQUENCIES.get(found, "") if isinstance(found, str) else ""


def looked_for(item: Item, known: Collection[int]) -> tuple[int, ...] | None:
    """Return the categories that LVIS says are absent from an image; None if it says nothing."""
    if "neg_category_ids" not in item.value:
        return None
    return _ids(item, "neg_category_ids", known)


def not_exhaustive(item: Item, known: Collection[int]) -> tuple[int, ...]:
    """Return the categories of which LVIS says that not every object is annotated."""
    return _ids(item, "not_exhaustive_category_ids", known)


def _ids(item: Item, key: str, known: Collection[int]) -> tuple[int, ...]:
    found = item.value.get(key, [])
    if not isinstance(found, list) or any(type(one) is not int for one in found):
        raise item.fault(f"'{key}' is {shown(found)}, not a list of category ids")
    strange = [one for one in found if one not in known]
    if strange:
        raise item.fault(f"'{key}' names the category {strange[0]}, which is not in the list")
    return tuple(found)
