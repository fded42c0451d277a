"""Turned boxes as DOTA's evaluation server takes them: a text file a class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchbench.errors import PredictionError
from benchbench.oriented import smallest_rectangles
from benchbench.predictions import tables
from benchbench.predictions.tables import Table
from benchbench.protocols import Packages
from benchbench.types import (
    ClassMap,
    DatasetSplit,
    OrientedDetections,
    Prediction,
    Record,
    TaskName,
)

MAX_BYTES = 1 << 30
MAX_FILES = 10_000
_Row = tuple[str, str, str, list[float]]
"""Place, image name, class name, score and corners."""


class DotaResults(Record):
    """A folder of ``Task1_<class>.txt``; a line is an image's name, the score and four corners.

    Corners are x1 y1 … x4 y4 in pixels of the original image; the box is the rectangle of least
    area around them. MMRotate (``--format-only``) and Ultralytics write it so.
    """

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    tasks: ClassVar[tuple[TaskName, ...]] = ("oriented-detection",)

    path: Path
    """The folder."""
    prefix: str = "Task1_"
    """What the files' names begin with; the rest, without suffix, is the class."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return one SHA-256 of all files; raise PredictionError if the folder has none."""
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(path.name.encode() + b"\0" + _bytes(path) + b"\0")
        return {self.path.name: digest.hexdigest()}

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines."""
        return {
            "folder": self.path.name,
            "files": f"{self.prefix}<class>.txt",
            "boxes": "rectangles of least area around four corners in pixels of the image",
        }

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the predictions of each image; raise PredictionError naming the line."""
        del classes, task
        rows = [row for path in self._files() for row in self._rows(path)]
        values = np.array([row[3] for row in rows], np.float64).reshape(-1, 9)
        names = [row[2].casefold() for row in rows]
        table = Table(
            [row[1] for row in rows], names, values[:, 1:], values[:, 0], lambda row: rows[row][0]
        )
        known = tables.category_names(split)
        found = tables.placed(table, tables.image_stems(split), known, split)
        boxes = smallest_rectangles(table.boxes.reshape(-1, 4, 2))
        return {
            image: OrientedDetections(boxes[own], table.scores[own], found.labels[own])
            for image, own in found.rows.items()
        }

    def _files(self) -> list[Path]:
        try:
            every = sorted(self.path.iterdir())
        except OSError as error:
            raise PredictionError(
                f"{self.path}: {error.strerror}", hint="a relative path counts from this folder"
            ) from error
        found = [path for path in every if path.match(f"{_literal(self.prefix)}*.txt")]
        if not found or len(found) > MAX_FILES:
            raise PredictionError(
                f"{self.path}: holds {len(found)} files {self.prefix}<class>.txt",
                hint="name what the files' names begin with: 'prefix'",
            )
        return found

    def _rows(self, path: Path) -> Iterator[_Row]:
        name = path.stem.removeprefix(self.prefix)
        for number, line in enumerate(_bytes(path).decode(errors="replace").splitlines(), 1):
            if not line.strip():
                continue
            image, values = _parsed(line)
            if len(values) != 9:
                raise PredictionError(
                    f"{path}:{number}: not an image's name, a score and eight coordinates",
                    hint="a line is 'image score x1 y1 x2 y2 x3 y3 x4 y4'",
                )
            yield f"{path}:{number}", image, name, values


def _literal(text: str) -> str:
    """Return *text* as a pattern that matches only itself."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in text)


def _parsed(line: str) -> tuple[str, list[float]]:
    # An image's name may hold spaces; what follows it is fixed.
    image, *fields = line.strip().rsplit(maxsplit=9)
    try:
        return image, [float(field) for field in fields]
    except ValueError:
        return image, []


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise PredictionError(f"{path}: larger than {MAX_BYTES >> 30} GiB")
    return path.read_bytes()
