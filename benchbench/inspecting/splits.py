"""One split: its objects, classes and images."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from benchbench.inspecting.findings import Fact, Level, Trouble, trouble
from benchbench.truth import annotations_by_image
from benchbench.types import Annotation, DatasetSplit, Image

OUTSIDE_PX = 1.0
"""How far a box may reach over the image's border: exporters round."""
TINY_PX2 = 4.0
STRETCHED = 50.0
WHOLE = 0.995
"""Share of the image from which on a box covers all of it."""


def facts_of(split: DatasetSplit) -> Fact:
    """Return how many images, objects and classes *split* has."""
    counts = Counter(a.category_id for a in split.annotations if not a.iscrowd)
    return Fact(
        split=split.split,
        images=len(split.images),
        annotations=len(split.annotations),
        crowd=sum(a.iscrowd for a in split.annotations),
        per_class={c.name: counts[c.id] for c in split.categories},
        widths_px=_spread([image.width for image in split.images]),
        heights_px=_spread([image.height for image in split.images]),
    )


def _spread(values: Sequence[int]) -> tuple[int, int, int]:
    return min(values), int(statistics.median(values)), max(values)


def troubles_of(split: DatasetSplit) -> list[Trouble]:
    """Return what is odd in the objects and classes of *split*."""
    images = {image.id: image for image in split.images}
    boxed = [a for a in split.annotations if a.bbox is not None]
    found = []
    for level, code, message, test in _BOXES:
        hits = [a for a in boxed if test(a, images[a.image_id])]
        found += trouble(level, code, split.split, message, [_named(a, images) for a in hits])
    return [*found, *_repeated(split, images), *_empty(split), *_unseen(split), *_notes(split)]


def _named(one: Annotation, images: dict[int, Image]) -> tuple[str, int]:
    assert one.bbox is not None
    box = ", ".join(f"{value:g}" for value in one.bbox)
    image = images[one.image_id]
    text = f"annotation {one.id} [{box}] in {image.file_name} ({image.width} × {image.height})"
    return text, image.id


def _size(one: Annotation) -> tuple[float, float]:
    assert one.bbox is not None
    return one.bbox[2], one.bbox[3]


def _without_size(one: Annotation, image: Image) -> bool:
    del image
    return min(_size(one)) <= 0


def _outside(one: Annotation, image: Image) -> bool:
    assert one.bbox is not None
    x, y, width, height = one.bbox
    return (
        min(x, y) < -OUTSIDE_PX
        or x + width > image.width + OUTSIDE_PX
        or y + height > image.height + OUTSIDE_PX
    )


def _tiny(one: Annotation, image: Image) -> bool:
    width, height = _size(one)
    return not _without_size(one, image) and width * height < TINY_PX2


def _stretched(one: Annotation, image: Image) -> bool:
    width, height = _size(one)
    return not _without_size(one, image) and max(width / height, height / width) > STRETCHED


def _whole(one: Annotation, image: Image) -> bool:
    width, height = _size(one)
    return width * height >= WHOLE * image.width * image.height and not one.iscrowd


Test = Callable[[Annotation, Image], bool]
_BOXES: tuple[tuple[Level, str, str, Test], ...] = (
    ("error", "outside", "boxes reach over the image's border", _outside),
    ("warning", "without_size", "boxes have no width or height; they are scored", _without_size),
    ("warning", "tiny", f"boxes are smaller than {TINY_PX2:g} square pixels", _tiny),
    ("warning", "stretched", f"boxes are over {STRETCHED:g} times as long as wide", _stretched),
    ("note", "whole", "boxes cover the whole image", _whole),
)


def _repeated(split: DatasetSplit, images: dict[int, Image]) -> list[Trouble]:
    seen: dict[tuple[object, ...], Annotation] = {}
    hits = []
    for one in split.annotations:
        key = (one.image_id, one.category_id, one.bbox)
        if one.bbox is not None and seen.setdefault(key, one) is not one:
            hits.append(_named(one, images))
    message = "annotations repeat another of the same class and box: one of two can only be missed"
    return trouble("error", "repeated", split.split, message, hits)


def _empty(split: DatasetSplit) -> list[Trouble]:
    found = annotations_by_image(split)
    bare = [(i.file_name, i.id) for i in split.images if not found[i.id]]
    return trouble("note", "bare", split.split, "images have no annotation", bare)


def _unseen(split: DatasetSplit) -> list[Trouble]:
    seen = {a.category_id for a in split.annotations if not a.iscrowd}
    names = [(c.name, None) for c in split.categories if c.id not in seen]
    message = "classes have no object but crowds: means leave them out"
    return trouble("warning", "unseen", split.split, message, names)


def _notes(split: DatasetSplit) -> Iterator[Trouble]:
    """Yield what the reader counted."""
    for code, count in split.notes.items():
        message = "counted by the reader of the annotations"
        yield Trouble(level="note", code=code, split=split.split, message=message, count=count)
