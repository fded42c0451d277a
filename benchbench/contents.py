"""What a dataset split consists of, by content; and whether two splits share an image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchbench.errors import CalibrationError, ImageError, StoreError
from benchbench.files import make_folder, sha256_file, write_json
from benchbench.likeness import PrintCache, lookalikes
from benchbench.types import DatasetSplit, Image, digest


@dataclass(frozen=True, slots=True)
class Contents:
    """A split's images by content."""

    digest: str
    """Of annotations and images."""
    hashes: dict[int, str]
    """SHA-256 of each image file, by image id."""


class HashCache:
    """Remembers files' hashes by path, size and modification time."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "hashes"

    def hashes(self, images: Iterable[Image], root: str) -> dict[int, str]:
        """Return the SHA-256 of each image file; *root* names the cache file."""
        path = self._folder / f"{digest(root)[:24]}.json"
        known = self._load(path)
        fresh = {}
        found = {}
        for image in images:
            stamp = _stamp(image.path)
            old = known.get(str(image.path))
            value = old[1] if old and old[0] == stamp else _hashed(image.path)
            fresh[str(image.path)] = [stamp, value]
            found[image.id] = value
        if any(known.get(key) != value for key, value in fresh.items()):
            # Only a memory: where it cannot be kept the files are read again next time.
            with contextlib.suppress(StoreError):
                make_folder(self._folder)
                write_json(path, known | fresh)
        return found

    @staticmethod
    def _load(path: Path) -> dict[str, list[str]]:
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {k: v for k, v in known.items() if isinstance(v, list) and len(v) == 2}


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return f"{status.st_size}:{status.st_mtime_ns}"


def _hashed(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ImageError:
    return ImageError(
        f"cannot read the image {path}: {error.strerror}",
        hint="check the dataset's folder; without images only given predictions can be scored",
    )


def contents(
    split: DatasetSplit, annotations: Path, hashes: HashCache, *, pixels: bool = True
) -> Contents:
    """Return the content of *split*: what its scores depend on.

    Without *pixels* the image files need not be there: given predictions do not depend on them.
    """
    found = hashes.hashes(split.images, f"{annotations}:{split.split}") if pixels else {}
    parts = {
        "annotations": sha256_file(annotations),
        "images": sorted((image.file_name, found.get(image.id)) for image in split.images),
    }
    return Contents(digest(parts), found)


def check_disjoint(
    calibration: DatasetSplit,
    calibration_contents: Contents,
    evaluation: DatasetSplit,
    evaluation_contents: Contents,
    *,
    global_ids: bool = True,
) -> None:
    """Raise CalibrationError if a calibration image is in the evaluation split.

    By content, and by id where ids are unique over the whole dataset.
    """
    names = {image.id: image.file_name for image in calibration.images}
    others = {image.id: image.file_name for image in evaluation.images}
    by_content = {value: key for key, value in evaluation_contents.hashes.items()}
    shared = [
        (names[key], others[by_content[value]])
        for key, value in calibration_contents.hashes.items()
        if value in by_content
    ]
    if shared:
        _leak(calibration, evaluation, shared, "have the same content")
    if global_ids and (both := sorted(set(names) & set(others))):
        pairs = [(f"{names[i]} (id {i})", f"{others[i]} (id {i})") for i in both]
        _leak(calibration, evaluation, pairs, "have the same image id", by_id=True)


def check_unlike(
    calibration: DatasetSplit,
    calibration_contents: Contents,
    evaluation: DatasetSplit,
    evaluation_contents: Contents,
    prints: PrintCache,
) -> None:
    """Raise CalibrationError if a calibration image looks like one of the evaluation split."""
    pairs = lookalikes(
        calibration.images,
        prints.prints(calibration.images, calibration_contents.hashes),
        evaluation.images,
        prints.prints(evaluation.images, evaluation_contents.hashes),
    )
    if pairs:
        named = [(ours.file_name, theirs.file_name) for ours, theirs in pairs]
        _leak(calibration, evaluation, named, "look the same", alike=True)


def _leak(
    calibration: DatasetSplit,
    evaluation: DatasetSplit,
    pairs: list[tuple[str, str]],
    how: str,
    *,
    by_id: bool = False,
    alike: bool = False,
) -> None:
    shown = "; ".join(f"{ours} = {theirs}" for ours, theirs in pairs[:3])
    hint = "calibrate on images that are not evaluated"
    if by_id:
        hint += "; if ids restart in each split, say 'ids: per-split' in the dataset"
    if alike:
        hint += ", or say 'near_duplicates: allow' under 'calibration' if they are not the same"
    raise CalibrationError(
        f"{len(pairs)} of {len(calibration.images)} images of the calibration split "
        f"'{calibration.split}' and of the evaluation split '{evaluation.split}' of "
        f"{evaluation.name} {how}: {shown}",
        hint=hint,
    )


def limited(split: DatasetSplit, count: int | None) -> DatasetSplit:
    """Return *split* with only its first *count* images by id."""
    if count is None or count >= len(split.images):
        return split
    return _only(split, sorted(split.images, key=lambda image: image.id)[:count])


def drawn(split: DatasetSplit, count: int | None, seed: int) -> DatasetSplit:
    """Return *split* with *count* images drawn without replacement by *seed*, in id order."""
    if count is None or count >= len(split.images):
        return split
    ordered = sorted(split.images, key=lambda image: image.id)
    chosen = np.random.default_rng(seed).choice(len(ordered), size=count, replace=False)
    return _only(split, [ordered[index] for index in sorted(chosen.tolist())])


def _only(split: DatasetSplit, images: Sequence[Image]) -> DatasetSplit:
    ids = {image.id for image in images}
    annotations = tuple(a for a in split.annotations if a.image_id in ids)
    return replace(split, images=tuple(images), annotations=annotations)
