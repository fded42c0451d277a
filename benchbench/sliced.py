"""What is kept of a cell's slices: which images each holds, or a tally of its objects alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.columns import pack_tally, save_arrays, unpack_tally
from benchbench.protocols import Resampled
from benchbench.slicing import Part
from benchbench.types import ClassMap, DatasetSplit, Prediction, Tally


@dataclass(frozen=True, slots=True)
class Sliced:
    """One slice as it was kept."""

    name: str
    group: str
    definition: str
    images: int
    objects: int
    reason: str | None
    chosen: NDArray[np.bool_] | None = None
    """(N,) of the cell's tally: the images that count; None for objects."""
    tally: Tally | None = None
    """Of all images, the other objects being ignored; None for images."""


def pack_sliced(
    mark: str,
    parts: Sequence[Part],
    truth: DatasetSplit,
    predictions: Mapping[int, Prediction],
    classes: ClassMap,
    metric: Resampled,
) -> bytes:
    """Return what is kept of *parts*; *mark* says what they depend on."""
    facts, columns = [], {}
    for number, part in enumerate(parts):
        facts.append(_facts(part, truth))
        if part.of == "images":
            columns[f"chosen.{number}"] = part.chosen
        elif part.chosen.any():
            made = metric.tally(_only(truth, part), predictions, classes)
            columns[f"tally.{number}"] = np.frombuffer(pack_tally(made), np.uint8)
    told = {"mark": mark, "parts": facts}
    return save_arrays({"facts": np.array(json.dumps(told)), **columns})


def unpack_sliced(data: bytes) -> list[Sliced]:
    """Return what :func:`pack_sliced` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))["parts"]
        return [Sliced(**one, **_columns(file, number)) for number, one in enumerate(facts)]


def mark_of(data: bytes) -> str:
    """Return what the packed slices depend on."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return str(json.loads(str(file["facts"]))["mark"])


def _columns(file: Any, number: int) -> dict[str, Any]:
    if f"chosen.{number}" in file.files:
        return {"chosen": file[f"chosen.{number}"]}
    if f"tally.{number}" in file.files:
        return {"tally": unpack_tally(file[f"tally.{number}"].tobytes())}
    return {}


def _facts(part: Part, truth: DatasetSplit) -> dict[str, Any]:
    images, objects = _counts(part, truth)
    empty = "no object is in it" if part.of == "objects" else "no image is in it"
    reason = part.reason or (None if part.chosen.any() else empty)
    return {
        "name": part.name,
        "group": part.group,
        "definition": part.definition,
        "images": images,
        "objects": objects,
        "reason": reason,
    }


def _counts(part: Part, truth: DatasetSplit) -> tuple[int, int]:
    """Return how many images and objects, crowds left out, are in the slice."""
    if part.of == "images":
        pairs = zip(truth.images, part.chosen, strict=True)
        ids = {image.id for image, inside in pairs if inside}
        return len(ids), sum(a.image_id in ids and not a.iscrowd for a in truth.annotations)
    pairs_ = zip(truth.annotations, part.chosen, strict=True)
    found = [a.image_id for a, inside in pairs_ if inside and not a.iscrowd]
    return len(set(found)), len(found)


def _only(truth: DatasetSplit, part: Part) -> DatasetSplit:
    """Return *truth* with every annotation that is not in *part* ignored."""
    pairs = zip(truth.annotations, part.chosen.tolist(), strict=True)
    annotations = tuple(replace(a, ignored=not one) for a, one in pairs)
    return replace(truth, annotations=annotations, area_range=part.area_range)
