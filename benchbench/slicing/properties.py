"""What images and objects are sliced by: their own measures, and what the annotations say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbench.slicing.looks import Look
from benchbench.types import Annotation, DatasetSplit, Image

IMAGE_NAMES = ("objects", "width", "height", "brightness", "sharpness")
OBJECT_NAMES = ("area", "class", "supercategory", "aspect", "box_width", "box_height")
ALIASES = {"blur": "sharpness", "size": "area"}
"""What a suite may say instead; blur is little sharpness, size is area in pixels."""


@dataclass(frozen=True, slots=True)
class Properties:
    """Of one split: properties of each image, and of each annotation, in their order."""

    images: tuple[Mapping[str, Any], ...]
    objects: tuple[Mapping[str, Any], ...]
    """Their own; the images' are at hand through :attr:`owners`."""
    counts: tuple[Mapping[str, int], ...]
    """Objects by class of each image, crowds left out."""
    owners: tuple[int, ...]
    """Position of each object's image."""

    def image_names(self) -> set[str]:
        """Return every name that some image has."""
        return {name for one in self.images for name in one}

    def object_names(self) -> set[str]:
        """Return every name that some object has of its own."""
        return {name for one in self.objects for name in one}


def properties(split: DatasetSplit, looks: Mapping[int, Look]) -> Properties:
    """Return the properties of the images and annotations of *split*.

    Attributes of the annotation file come under their own names; measures win over them.
    """
    classes = {category.id: category for category in split.categories}
    counts: dict[int, Counter[str]] = {image.id: Counter() for image in split.images}
    for annotation in split.annotations:
        if not annotation.iscrowd:
            counts[annotation.image_id][classes[annotation.category_id].name] += 1
    places = {image.id: place for place, image in enumerate(split.images)}
    return Properties(
        tuple(_image(one, counts[one.id].total(), looks.get(one.id)) for one in split.images),
        tuple(_object(one, classes[one.category_id]) for one in split.annotations),
        tuple(counts[image.id] for image in split.images),
        tuple(places[annotation.image_id] for annotation in split.annotations),
    )


def _image(image: Image, objects: int, look: Look | None) -> dict[str, Any]:
    found = {**image.attributes, "objects": objects, "width": image.width, "height": image.height}
    if look:
        found |= {"brightness": look.brightness, "sharpness": look.sharpness}
    return found


def _object(annotation: Annotation, category: Any) -> dict[str, Any]:
    found = {**annotation.attributes, "class": category.name, "area": annotation.area}
    if category.supercategory:
        found["supercategory"] = category.supercategory
    if annotation.bbox:
        width, height = annotation.bbox[2:]
        found |= {"box_width": width, "box_height": height}
        if height > 0:
            found["aspect"] = width / height
    return found
