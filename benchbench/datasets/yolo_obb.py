"""YOLO's label files of turned boxes: a line is a class and four corners, relative to the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from benchbench.datasets.dota import turned
from benchbench.datasets.draft import Draft, read_text
from benchbench.datasets.yolo import Yolo
from benchbench.errors import DatasetError, Place
from benchbench.files import is_file

_SLACK = 0.01
"""How far a coordinate may lie outside 0…1: rounding in exports."""


class YoloObb(Yolo):
    """Imports YOLO label files of turned boxes: ``class x1 y1 x2 y2 x3 y3 x4 y4``."""

    format_name: ClassVar[str] = "yolo-obb"

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each line into an annotation."""
        names = self._names()
        draft.categories(names)
        images = self._images(split)
        for image in images:
            frame = draft.image(image, image.relative_to(self.root).as_posix())
            label = self._label_file(image)
            if not is_file(label):
                draft.notes["images_without_label_file"] += 1
                continue
            sides = (frame.width, frame.height) * 4
            for row in _rows(label, len(names), draft):
                corners = [share * side for share, side in zip(row[1:], sides, strict=True)]
                draft.annotation(frame, int(row[0]) + 1, iscrowd=0, **turned(corners))
        if draft.notes["images_without_label_file"] == len(images):
            raise DatasetError(
                f"none of the {len(images)} images of '{split}' has a label file; the first would"
                f" be {self._label_file(images[0])}",
                hint="labels lie in 'labels' where the images lie in 'images', or beside them",
            )


def _rows(path: Path, classes: int, draft: Draft) -> Iterator[tuple[float, ...]]:
    """Yield class and corners of each line; a line that comes twice counts once, as in YOLO."""
    seen = set()
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        row = _numbers(line)
        if fault := _fault(row, classes):
            raise DatasetError(
                fault,
                hint="a line is 'class x1 y1 x2 y2 x3 y3 x4 y4', in shares of the image's width"
                " and height; for upright boxes and other polygons take 'yolo'",
                place=Place(str(path), number),
            )
        if row in seen:
            draft.notes["repeated_labels_dropped"] += 1
            continue
        seen.add(row)
        yield row


def _numbers(line: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, line.split()))
    except ValueError:
        return ()


def _fault(row: tuple[float, ...], classes: int) -> str | None:
    if len(row) != 9:
        return "the line is not a class and four corners"
    if not row[0].is_integer() or not 0 <= row[0] < classes:
        return f"the class {row[0]:g} is none of the {classes} classes 0…{classes - 1}"
    wrong = [value for value in row[1:] if not -_SLACK <= value <= 1 + _SLACK]
    return f"the coordinate {wrong[0]:g} is not between 0 and 1" if wrong else None
