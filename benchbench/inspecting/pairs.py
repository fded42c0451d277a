"""Images that are the same, or look the same, within a split and across splits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbench.contents import HashCache
from benchbench.errors import ImageError
from benchbench.inputs import read_image
from benchbench.inspecting.findings import Trouble, trouble
from benchbench.likeness import PrintCache, alike, lookalikes
from benchbench.types import DatasetSplit, Image


@dataclass(frozen=True, slots=True)
class Prints:
    """A split's readable images by content and by look."""

    images: tuple[Image, ...]
    hashes: Mapping[int, str]
    looks: Mapping[int, NDArray[np.bool_]]


def within(split: DatasetSplit, cache: Path) -> tuple[list[Trouble], Prints]:
    """Return what is wrong with the files of *split*, and their prints; every image is decoded."""
    good: list[Image] = []
    broken = []
    for image in split.images:
        try:
            read_image(image, "grey")
            good.append(image)
        except ImageError as error:
            broken.append((error.message, None))
    hashes = HashCache(cache).hashes(good, f"check:{split.name}:{split.split}")
    looks = PrintCache(cache).prints(good, hashes)
    prints = Prints(tuple(good), hashes, looks)
    return [
        *trouble("error", "unreadable", split.split, "images cannot be read", broken),
        *_same(split, prints),
        *_alike(split, prints),
    ], prints


def _same(split: DatasetSplit, prints: Prints) -> list[Trouble]:
    first: dict[str, Image] = {}
    hits = []
    for image in prints.images:
        before = first.setdefault(prints.hashes[image.id], image)
        if before is not image:
            hits.append((f"{before.file_name} = {image.file_name}", image.id))
    message = "images have the same content as another: each counts as one more witness"
    return trouble("warning", "duplicates", split.split, message, hits)


def _alike(split: DatasetSplit, prints: Prints) -> list[Trouble]:
    pairs = [
        (f"{a.file_name} ~ {b.file_name}", b.id)
        for a, b in alike(prints.images, prints.looks)
        if prints.hashes[a.id] != prints.hashes[b.id]
    ]
    message = "pairs of images look the same"
    return trouble("warning", "near_duplicates", split.split, message, pairs)


def across(
    splits: Mapping[str, DatasetSplit], prints: Mapping[str, Prints], *, global_ids: bool
) -> list[Trouble]:
    """Return what each two splits share."""
    found: list[Trouble] = []
    for one, other in itertools.combinations(splits, 2):
        ours, theirs = prints[one], prints[other]
        by_content = {value: key for key, value in theirs.hashes.items()}
        names = {image.id: image.file_name for image in theirs.images}
        same = [
            (f"{image.file_name} = {names[by_content[value]]}", None)
            for image in ours.images
            if (value := ours.hashes[image.id]) in by_content
        ]
        near = [
            (f"{a.file_name} ~ {b.file_name}", None)
            for a, b in lookalikes(ours.images, ours.looks, theirs.images, theirs.looks)
            if ours.hashes[a.id] != theirs.hashes[b.id]
        ]
        both = f"'{one}' and '{other}'"
        hint = "evaluate on images that nothing was trained or calibrated on"
        found += trouble("error", "leak", None, f"images are in {both}", same, hint)
        found += trouble(
            "warning", "near_leak", None, f"images of {both} look the same", near, hint
        )
        found += _ids(splits[one], splits[other], both) if global_ids else []
        found += _classes(splits[one], splits[other], both)
    return found


def _ids(one: DatasetSplit, other: DatasetSplit, both: str) -> list[Trouble]:
    shared = sorted({i.id for i in one.images} & {i.id for i in other.images})
    hint = "if ids restart in each split, say 'ids: per-split' in the dataset"
    found = [(f"id {identity}", None) for identity in shared]
    return trouble("error", "shared_ids", None, f"image ids are in {both}", found, hint)


def _classes(one: DatasetSplit, other: DatasetSplit, both: str) -> list[Trouble]:
    ours = {(c.id, c.name) for c in one.categories}
    theirs = {(c.id, c.name) for c in other.categories}
    found = [(f"{name} (id {identity})", None) for identity, name in sorted(ours ^ theirs)]
    return trouble("warning", "classes_differ", None, f"classes are in one of {both} only", found)
