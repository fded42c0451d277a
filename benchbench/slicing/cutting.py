"""From what a suite asks for to the images or objects of each slice."""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError
from benchbench.slicing import expression
from benchbench.slicing.looks import Look
from benchbench.slicing.properties import (
    ALIASES,
    IMAGE_NAMES,
    OBJECT_NAMES,
    Properties,
    properties,
)
from benchbench.slicing.spec import MAX_PARTS, Of, SliceSpec
from benchbench.types import DatasetSplit

COCO_SIZES = (32.0**2, 96.0**2)
_WORDS = {
    "area": ("small", "medium", "large"),
    "brightness": ("dark", "medium", "bright"),
    "sharpness": ("blurred", "medium", "sharp"),
    "objects": ("few", "medium", "many"),
}
_LOOKS = ("brightness", "sharpness")
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """One slice of a split."""

    name: str
    group: str
    definition: str
    of: Of
    chosen: Flags
    """(N,) of the split's images, or (M,) of its annotations."""
    reason: str | None = None
    """Why nothing could be chosen, where that is so."""
    area_range: tuple[float, float] | None = None
    """Where objects are cut by area alone: what is predicted is then judged by its own area too."""


def cut(
    split: DatasetSplit,
    specs: Sequence[SliceSpec],
    looks: Mapping[int, Look],
    *,
    objects: bool = True,
) -> tuple[Part, ...]:
    """Return the slices that *specs* ask for, in their order.

    Without *objects* (a metric that cannot leave single ones out) images stand for them: those
    that hold such an object. Raises :class:`~benchbench.errors.DatasetError` for a name that
    neither images nor objects have, and for attributes of too many values.
    """
    known = properties(split, looks)
    found: list[Part] = []
    for spec in specs:
        parts = _picked(spec, known) if spec.where is not None else _cut_by(spec, known)
        whole = spec.of == "images" or not objects
        found += [_of_images(part, split) for part in parts] if whole else parts
    twice = [name for name in (part.name for part in found) if _count(found, name) > 1]
    if twice:
        raise DatasetError(
            f"two slices are called '{twice[0]}'", hint="give one of them another 'name'"
        )
    return tuple(found)


def _count(parts: Sequence[Part], name: str) -> int:
    return sum(part.name == name for part in parts)


def _of_images(part: Part, split: DatasetSplit) -> Part:
    if part.of == "images":
        return part
    holders = {a.image_id for a, one in zip(split.annotations, part.chosen, strict=True) if one}
    chosen = np.array([image.id in holders for image in split.images], np.bool_)
    told = f"images with an object of {part.definition}"
    return Part(part.name, part.group, told, "images", chosen, part.reason)


# --- by an expression --------------------------------------------------------------------


def _picked(spec: SliceSpec, known: Properties) -> list[Part]:
    text = str(spec.where)
    name, used = spec.name or text, expression.names(text)
    level = _level(used, known, text)
    of = spec.of if spec.of and level == "images" else level
    unseen = _unseen(sorted(used - known.image_names() - known.object_names()))
    holds = expression.compiled(text)
    chosen = [holds(one, counts) for one, counts in _items(known, of)]
    return [Part(name, name, text, of, np.array(chosen, np.bool_), unseen)]


def _items(known: Properties, of: Of) -> Iterator[tuple[Mapping[str, Any], Mapping[str, int]]]:
    """Yield the properties of each image or object, and what its image holds."""
    if of == "images":
        yield from zip(known.images, known.counts, strict=True)
        return
    for owner, own in zip(known.owners, known.objects, strict=True):
        yield ChainMap(dict(own), dict(known.images[owner])), known.counts[owner]


def _unseen(names: Sequence[str]) -> str | None:
    """Return the reason why the looks that *names* ask for are absent; None if others lack too."""
    if names and all(name in _LOOKS for name in names):
        return f"the {names[0]} is not known: there are no image files at hand"
    return None


def _level(names: set[str], known: Properties, text: str) -> Of:
    """Return what the names belong to: images where all of them fit, else objects."""
    ours = known.image_names() | set(_LOOKS)
    lacking = sorted(names - ours - known.object_names() - set(OBJECT_NAMES))
    if lacking:
        raise _unknown(lacking[0], known, text)
    return "images" if names <= ours else "objects"


def _unknown(name: str, known: Properties, where: str) -> DatasetError:
    names = sorted({*known.image_names(), *known.object_names(), *IMAGE_NAMES, *OBJECT_NAMES})
    close = difflib.get_close_matches(name, names, 1)
    told = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names[:20])}"
    return DatasetError(f"nothing here has the property '{name}' (slice {where!r})", hint=told)


# --- by a property -----------------------------------------------------------------------


def _cut_by(spec: SliceSpec, known: Properties) -> list[Part]:
    key = ALIASES.get(str(spec.by), str(spec.by))
    group = spec.name or str(spec.by)
    level = _level({key}, known, group)
    of = spec.of if spec.of and level == "images" else level
    values = [one.get(key) for one, _ in _items(known, of)]
    if key in _LOOKS and all(value is None for value in values):
        none = np.zeros(len(values), np.bool_)
        return [Part(group, group, f"by {key}", of, none, _unseen([key]))]
    return _by_values(spec, _Cut(key, group, of), values)


@dataclass(frozen=True, slots=True)
class _Cut:
    key: str
    group: str
    of: Of

    def part(self, word: str, definition: str, chosen: Flags) -> Part:
        """Return one part, called *word* within the group."""
        return Part(f"{self.group}: {word}", self.group, definition, self.of, chosen)


def _by_values(spec: SliceSpec, to: _Cut, values: Sequence[Any]) -> list[Part]:
    present = [value for value in values if value is not None]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
    sizes = spec.by == "size" and bool(present)
    if numbers and (spec.bounds or sizes or len(set(present)) > spec.parts):
        return _ranges(spec, to, values)
    if spec.bounds:
        raise DatasetError(
            f"the slice '{to.group}' has 'bounds', but '{to.key}' is no number",
            hint="leave 'bounds' out: there is a slice for each value",
        )
    kinds = sorted(set(present), key=str)
    if len(kinds) > MAX_PARTS:
        raise DatasetError(
            f"'{to.key}' has {len(kinds)} values, at most {MAX_PARTS} can be slices",
            hint="pick some with 'where'",
        )
    return [_equal(to, kind, values) for kind in kinds]


def _equal(to: _Cut, kind: Any, values: Sequence[Any]) -> Part:
    word = str(kind).lower() if isinstance(kind, bool) else str(kind)
    chosen = [value == kind and type(value) is type(kind) for value in values]
    return to.part(word, f"{to.key} = {word}", np.array(chosen, np.bool_))


def _ranges(spec: SliceSpec, to: _Cut, values: Sequence[Any]) -> list[Part]:
    given = np.array([np.nan if value is None else value for value in values], np.float64)
    least = 0.0 if to.key == "area" else -np.inf
    ends = [least, *_bounds(spec, given), np.inf]
    told = [_range(to.key, low, high) for low, high in pairwise(ends)]
    words: tuple[str, ...] = _WORDS.get(to.key, ())
    words = words if len(words) == len(told) else tuple(told)
    if to.key == "area":
        return _areas(to, words, given, ends)
    return [
        to.part(word, rule, (given >= low) & (given < high))
        for word, rule, (low, high) in zip(words, told, pairwise(ends), strict=True)
    ]


def _areas(
    to: _Cut, words: Sequence[str], given: NDArray[np.float64], ends: Sequence[float]
) -> list[Part]:
    """Return slices by area as COCO cuts them: bounds belong to both sides."""
    parts = []
    for word, (low, high) in zip(words, pairwise(ends), strict=True):
        part = to.part(word, _area(low, high), (given >= low) & (given <= high))
        parts.append(replace(part, area_range=(low, high)))
    return parts


def _bounds(spec: SliceSpec, given: NDArray[np.float64]) -> list[float]:
    """Return where to cut: as given, at COCO's sizes, or so that the parts are equally many."""
    if spec.bounds:
        return list(spec.bounds)
    if spec.by == "size":
        return list(COCO_SIZES)
    quantiles = np.nanquantile(given, np.arange(1, spec.parts) / spec.parts, method="higher")
    return sorted({float(f"{value:.4g}") for value in quantiles.tolist()})


def _range(key: str, low: float, high: float) -> str:
    if np.isneginf(low):
        return f"{key} < {high:g}"
    return f"{key} ≥ {low:g}" if np.isinf(high) else f"{low:g} ≤ {key} < {high:g}"


def _area(low: float, high: float) -> str:
    if low == 0:
        return f"area ≤ {high:g} px²"
    return f"area ≥ {low:g} px²" if np.isinf(high) else f"{low:g} ≤ area ≤ {high:g} px²"
