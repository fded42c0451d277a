"""KITTI label files with scores, as NVIDIA TAO's inference writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchbench.errors import PredictionError
from benchbench.predictions import tables
from benchbench.predictions.tables import Table
from benchbench.protocols import Packages
from benchbench.types import ClassMap, DatasetSplit, Prediction, Record, TaskName

MAX_BYTES = 64 << 20
MAX_FILES = 1_000_000
_FIELDS = 16


class Kitti(Record):
    """A folder of ``<image name>.txt``; each line is a class name, 14 numbers and the score.

    The fifth to eighth field are the corners x1, y1, x2, y2 in pixels of the original image.
    """

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""
    tasks: ClassVar[tuple[TaskName, ...]] = ("detection",)

    path: Path
    """The folder."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return one SHA-256 of all files; raise PredictionError if the folder has none."""
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(path.name.encode() + b"\0" + _bytes(path) + b"\0")
        return {self.path.name: digest.hexdigest()}

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines."""
        return {"folder": self.path.name, "boxes": "corners in pixels of the image"}

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the predictions of each image; raise PredictionError naming the line."""
        del classes, task
        rows = [row for path in self._files() for row in _rows(path)]

        def where(index: int) -> str:
            return rows[index][0]

        corners = tables.numbers([row[3] for row in rows], where, "bbox", 4)
        corners[:, 2:] -= corners[:, :2]
        scores = tables.numbers([row[4] for row in rows], where, "score", 1)[:, 0]
        names = [row[2].casefold() for row in rows]
        table = Table([row[1] for row in rows], names, corners, scores, where)
        known = tables.category_names(split)
        found = tables.placed(table, tables.image_stems(split), known, split)
        return tables.detections(table, found)

    def _files(self) -> list[Path]:
        try:
            found = sorted(path for path in self.path.iterdir() if path.suffix == ".txt")
        except OSError as error:
            raise PredictionError(
                f"{self.path}: {error.strerror}", hint="a relative path counts from this folder"
            ) from error
        if not found or len(found) > MAX_FILES:
            raise PredictionError(f"{self.path}: holds {len(found)} .txt files")
        return found


_Row = tuple[str, str, str, list[float], float]


def _rows(path: Path) -> Iterator[_Row]:
    """Yield (place, image name, class name, corners, score) of each line."""
    text = _bytes(path).decode(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        place, fields = f"{path}:{number}", line.split()
        # A class name may hold spaces; what follows it is fixed.
        name, values = " ".join(fields[: 1 - _FIELDS]), fields[1 - _FIELDS :]
        try:
            corners, score = [float(value) for value in values[3:7]], float(values[-1])
        except (ValueError, IndexError):
            corners, score = [], 0.0
        if len(corners) != 4 or not name:
            raise PredictionError(
                f"{place}: not a class name, 14 numbers and a score",
                hint="the score is the sixteenth field; label files of a ground truth have none",
            )
        yield place, path.stem, name, corners, score


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise PredictionError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    return path.read_bytes()
