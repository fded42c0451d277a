"""YOLO's label files: a text file an image, a line an object, everything relative to the image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from benchbench.datasets.described import SPLIT_NAMES, chosen
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft, Frame, read_text
from benchbench.datasets.imported import MAX_FILES, Imported, files_below, stamps, within
from benchbench.errors import DatasetError, Place
from benchbench.files import is_file

MAX_YAML_BYTES = 1 << 20
_SLACK = 0.01
"""How far a coordinate may lie outside 0…1: rounding in exports."""


class Yolo(Imported):
    """Imports YOLO label files: boxes, and polygons where a line holds one."""

    format_name: ClassVar[str] = "yolo"
    line: ClassVar[str] = "'class x y width height' or 'class x1 y1 x2 y2 x3 y3 …'"

    data: Path = Path("data.yaml")
    """File with ``names``, ``train``, ``val``, ``test``; read where an option lacks its part."""
    names: list[str] | None = None
    """Class names by index."""
    images: dict[str, Path] | None = None
    """Split name → folder of its images, or text file that lists them; relative to the root."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits: ``train``, ``validation`` (``val``) and ``test``."""
        return tuple(self._sources())

    def images_folder(self, split: str) -> Path | None:
        """Return the root: names of images are relative to it."""
        chosen(self._sources(), split, self.root)
        return self.root

    def inputs(self, split: str) -> Any:
        """Return what images, labels and class names are."""
        images = self._images(split)
        labels = [self._label_file(image) for image in images]
        return [self._names(), stamps(images), stamps(labels)]

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
            for row in self._rows(label, len(names), draft):
                draft.annotation(frame, int(row[0]) + 1, **self._shape(row[1:], frame))
        if draft.notes["images_without_label_file"] == len(images):
            raise DatasetError(
                f"none of the {len(images)} images of '{split}' has a label file; the first would"
                f" be {self._label_file(images[0])}",
                hint="labels lie in 'labels' where the images lie in 'images', or beside them",
            )

    def _rows(self, path: Path, classes: int, draft: Draft) -> Iterator[tuple[float, ...]]:
        """Yield class and coordinates of each line; repeated lines count once, as in YOLO."""
        seen = set()
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            row = _numbers(line)
            if fault := _row_fault(row, classes) or self._odd(row):
                raise DatasetError(
                    fault,
                    hint=f"a line is {self.line}, in shares of the image's width and height",
                    place=Place(str(path), number),
                )
            if row in seen:
                draft.notes["repeated_labels_dropped"] += 1
                continue
            seen.add(row)
            yield row

    @staticmethod
    def _odd(row: Sequence[float]) -> str | None:
        """Return what is wrong with a line for this format."""
        if len(row) != 5 and (len(row) < 7 or len(row) % 2 == 0):
            return "the line is neither five numbers nor a class and three or more pairs"
        if len(row) == 5 and min(row[3:]) < 0:
            return f"the box's size {row[3]:g} × {row[4]:g} is negative"
        return None

    @staticmethod
    def _shape(values: Sequence[float], frame: Frame) -> dict[str, Any]:
        """Return the keys of the annotation that a line's coordinates make."""
        return _shape(values, frame)

    def _sources(self) -> Mapping[str, list[str]]:
        if self.images is not None:
            return {name: [str(path)] for name, path in self.images.items()}
        body = self._data()
        found: dict[str, list[str]] = {}
        for name in ("train", "val", "test"):
            value = body.get(name)
            values = value if isinstance(value, list) else [value] if value else []
            if not all(isinstance(one, str) for one in values):
                raise self._fault(f"'{name}' is neither a path nor a list of paths")
            if values:
                found[SPLIT_NAMES[name]] = values
        return found

    def _names(self) -> list[str]:
        if self.names is not None:
            return self.names
        names = self._data().get("names")
        if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
            names = [names[index] for index in range(len(names))]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._fault("'names' is neither a list of texts nor a mapping from 0, 1, 2 … to")
        return names

    def _data(self) -> dict[str, Any]:
        import yaml

        text = read_text(self.root / self.data, MAX_YAML_BYTES)
        try:
            body = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._fault(f"not YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(body, dict):
            raise self._fault("not a mapping with 'names' and 'val'")
        return body

    def _fault(self, what: str) -> DatasetError:
        return DatasetError(
            what,
            hint="mend it, or give 'names' and 'images' as options",
            place=Place(str(self.root / self.data)),
        )

    def _images(self, split: str) -> list[Path]:
        found: list[Path] = []
        for entry in chosen(self._sources(), split, self.root):
            place = self._place(entry)
            found += self._listed(place) if is_file(place) else files_below(place, IMAGE_SUFFIXES)
        if not found:
            raise DatasetError(
                f"the split '{split}' of {self.root} has no images", hint="check its folder"
            )
        return sorted(set(found))

    def _place(self, entry: str) -> Path:
        """Return the place of *entry* below ``path`` or the root.

        Roboflow writes one ``../`` too many: it is left out where that leads out of the root.
        """
        base = "." if self.images is not None else str(self._data().get("path") or ".")
        candidates = [self.root / base / entry, self.root / entry]
        candidates += [self.root / entry.removeprefix("../")] if entry[:3] == "../" else []
        inside = [path for path in candidates if path.resolve().is_relative_to(self.root.resolve())]
        there = [path for path in inside if path.exists()]
        return within(self.root, (there or inside or candidates)[0], f"'{entry}'")

    def _listed(self, place: Path) -> list[Path]:
        lines = [line.strip() for line in read_text(place).splitlines() if line.strip()]
        if len(lines) > MAX_FILES:
            raise DatasetError(f"{place} lists more than {MAX_FILES} images", hint="give fewer")
        return [
            within(self.root, self._nearest(place, line), f"'{line}' of {place}") for line in lines
        ]

    def _nearest(self, place: Path, line: str) -> Path:
        beside = place.parent / line
        return beside if is_file(beside) else self.root / line

    def _label_file(self, image: Path) -> Path:
        """Return the label file of *image*: the last folder 'images' becomes 'labels'."""
        parts = list(image.relative_to(self.root).parts)
        folders = [index for index, part in enumerate(parts[:-1]) if part == "images"]
        if folders:
            parts[folders[-1]] = "labels"
        return (self.root / PurePosixPath(*parts)).with_suffix(".txt")


def _numbers(line: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, line.split()))
    except ValueError:
        return ()


def _row_fault(row: tuple[float, ...], classes: int) -> str | None:
    if len(row) < 5:
        return "the line is neither five numbers nor a class and three or more pairs"
    if not row[0].is_integer() or not 0 <= row[0] < classes:
        return f"the class {row[0]:g} is none of the {classes} classes 0…{classes - 1}"
    wrong = [value for value in row[1:] if not -_SLACK <= value <= 1 + _SLACK]
    return f"the coordinate {wrong[0]:g} is not between 0 and 1" if wrong else None


def _shape(values: Sequence[float], frame: Frame) -> dict[str, Any]:
    if len(values) == 4:
        x, y, width, height = (
            value * (frame.width, frame.height)[index % 2] for index, value in enumerate(values)
        )
        box = [x - width / 2, y - height / 2, width, height]
        return {"bbox": box, "area": width * height, "iscrowd": 0}
    xs = [value * frame.width for value in values[::2]]
    ys = [value * frame.height for value in values[1::2]]
    outline = [value for point in zip(xs, ys, strict=True) for value in point]
    return {
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "area": _polygon_area(xs, ys),
        "iscrowd": 0,
        "segmentation": [outline],
    }


def _polygon_area(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the area by the shoelace formula, in square pixels."""
    return abs(math.fsum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2
