"""DOTA's label files: a text file an image, a line an object with its four corners."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from benchbench.datasets.described import chosen, known_splits
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft, Frame, read_text
from benchbench.datasets.imported import Imported, files_below, stamps, within
from benchbench.errors import DatasetError, Place
from benchbench.files import is_file
from benchbench.oriented import envelopes, smallest_rectangles

_HEADERS = ("imagesource:", "gsd:")
_MAX_COORDINATE_PX = 1e6
Line = tuple[tuple[float, ...], str, int]
"""Corners x1 y1 … x4 y4, class name, difficulty."""


class Dota(Imported):
    """Imports DOTA's label files: turned boxes from four corners."""

    format_name: ClassVar[str] = "dota"

    folders: dict[str, Path] | None = None
    """Split name → folder that holds its images and labels, relative to the root."""
    images: Path = Path("images")
    """Folder of the images within a split's folder."""
    labels: Path = Path("labelTxt")
    """Folder of the label files within a split's folder."""
    names: list[str] | None = None
    """Class names; by default all that the label files of all splits hold, by alphabet."""
    difficult: Literal["crowd", "keep", "drop"] = "crowd"
    """What becomes of objects marked difficult: neither right nor wrong, as others, or gone."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, by option or as the root's folders are called."""
        return tuple(self._folders())

    def images_folder(self, split: str) -> Path:
        """Return the split's folder of images: names are relative to it."""
        return self._folder(split) / self.images

    def inputs(self, split: str) -> Any:
        """Return what images and label files are."""
        return [stamps(self._labelled(split)), stamps(self._read(split))]

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each line into an annotation."""
        found = {name for path in self._read(split) for _, name, _ in lines(path)}
        ids = draft.categories(self.names or sorted(found))
        labelled, folder = self._labelled(split), self.images_folder(split)
        for image, label in labelled.items():
            frame = draft.image(image, image.relative_to(folder).as_posix())
            if not is_file(label):
                draft.notes["images_without_label_file"] += 1
                continue
            for corners, name, difficulty in lines(label):
                if name not in ids:
                    raise _fault(
                        label, f"the class '{name}' is not in 'names'", "add it to 'names'"
                    )
                self._add(draft, frame, ids[name], corners, difficulty)
        if draft.notes["images_without_label_file"] == len(labelled):
            raise DatasetError(
                f"none of the {len(labelled)} images of '{split}' has a label file; the first would"
                f" be {next(iter(labelled.values()))}",
                hint="name the folder of label files: 'labels'",
            )

    def _add(
        self, draft: Draft, frame: Frame, category: int, corners: tuple[float, ...], difficulty: int
    ) -> None:
        draft.notes["difficult_objects"] += difficulty > 0
        if difficulty and self.difficult == "drop":
            return
        crowd = int(difficulty > 0 and self.difficult == "crowd")
        more = {"iscrowd": crowd, "attributes": {"difficult": difficulty}}
        draft.annotation(frame, category, **turned(corners), **more)

    def _folders(self) -> Mapping[str, Path]:
        if self.folders is not None:
            return self.folders
        held = [path.name for path in self.root.glob("*") if (path / self.labels).is_dir()]
        return {split: Path(name) for split, name in known_splits(held).items()}

    def _folder(self, split: str) -> Path:
        entry = chosen(self._folders(), split, self.root)
        return within(self.root, self.root / entry, f"'{entry}'")

    def _labelled(self, split: str) -> dict[Path, Path]:
        """Return the images of *split*, each with the place of its label file."""
        folder, labels = self.images_folder(split), self._folder(split) / self.labels
        found = files_below(folder, IMAGE_SUFFIXES)
        if not found:
            raise DatasetError(
                f"the split '{split}' of {self.root} has no images", hint="check 'images'"
            )
        return {path: labels / path.relative_to(folder).with_suffix(".txt") for path in found}

    def _read(self, split: str) -> list[Path]:
        """Return the label files that *split* depends on; without names, all that are there."""
        wanted = {split} if self.names else {split, *self.splits()}
        files = {label for one in wanted for label in self._labelled(one).values()}
        return sorted(path for path in files if is_file(path))


def lines(path: Path) -> Iterator[Line]:
    """Yield the objects of a label file; headers and empty lines aside.

    Raises :class:`~benchbench.errors.DatasetError` naming the line.
    """
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split()
        if not fields or line.strip().lower().startswith(_HEADERS):
            continue
        found = _parsed(fields)
        if found is None:
            raise _fault(
                path,
                f"'{line.strip()[:80]}' is not eight numbers, a class name and a difficulty",
                "a line is 'x1 y1 x2 y2 x3 y3 x4 y4 class difficult', in pixels of the image",
                number,
            )
        yield found


def turned(corners: Sequence[float]) -> dict[str, Any]:
    """Return the keys of an annotation with these corners x1 y1 … x4 y4 in pixels.

    ``obb`` is the rectangle of least area around them, ``bbox`` the upright one, ``segmentation``
    the corners and ``area`` what they enclose.
    """
    points = np.array(corners, np.float64).reshape(1, 4, 2)
    x, y = points[0].T
    return {
        "obb": smallest_rectangles(points)[0].tolist(),
        "bbox": envelopes(points)[0].tolist(),
        "area": float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2),
        "segmentation": [list(corners)],
    }


def _parsed(fields: Sequence[str]) -> Line | None:
    if len(fields) not in {9, 10}:
        return None
    try:
        corners = tuple(float(field) for field in fields[:8])
        difficulty = int(fields[9]) if len(fields) == 10 else 0
    except ValueError:
        return None
    fit = all(math.isfinite(one) and abs(one) <= _MAX_COORDINATE_PX for one in corners)
    return (corners, fields[8], difficulty) if fit and difficulty >= 0 else None


def _fault(path: Path, what: str, hint: str, line: int | None = None) -> DatasetError:
    return DatasetError(what, hint=hint, place=Place(str(path), line))
