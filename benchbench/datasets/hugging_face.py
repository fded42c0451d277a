"""Hugging Face ``datasets``: saved to disk, or of the hub and its cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from benchbench.datasets.coco_file import is_coordinate, shown
from benchbench.datasets.described import chosen, known_splits
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft, Frame, read_bytes
from benchbench.datasets.imported import Imported, files_below, stamps
from benchbench.errors import DatasetError, MissingDependency
from benchbench.protocols import Packages

MAX_IMAGE_BYTES = 1 << 30


class HuggingFace(Imported):
    """Imports a dataset of the library ``datasets``: classification or boxes.

    Images are written into the cache as they are stored. What is on the hub is downloaded by the
    library unless it is cached; with ``HF_HUB_OFFLINE=1`` only the cache is used.
    """

    packages: ClassVar[Packages] = (("datasets",),)
    extra: ClassVar[str] = "hf"
    format_name: ClassVar[str] = "hf"

    root: Path = Path()
    """Folder that ``save_to_disk`` wrote; not used where ``repository`` is given."""
    repository: str | None = None
    """Name on the hub."""
    config: str | None = None
    """The repository's configuration, where it has several."""
    revision: str | None = None
    """Commit or tag of the repository; without one, the newest."""
    parts: dict[str, str] | None = None
    """Split name → the library's split; by default ``train``, ``validation`` (``val``) …"""
    image: str = "image"
    """Column of the images."""
    label: str | None = None
    """Column of the class; for classification."""
    objects: str | None = None
    """Column of the objects; for detection."""
    bbox: str = "bbox"
    """Key of an object's box."""
    category: str = "category"
    """Key of an object's class."""
    box_format: Literal["xywh", "xyxy", "relative-xywh", "relative-xyxy"] | None = None
    """What a box's four numbers are, in pixels or as shares of the image; required with
    ``objects``: repositories differ, and none says."""
    names: list[str] | None = None
    """Class names by index, where the column does not have them."""

    @model_validator(mode="after")
    def _complete(self) -> HuggingFace:
        if self.repository is None and "root" not in self.model_fields_set:
            raise ValueError("give 'root' or 'repository'")
        if (self.label is None) == (self.objects is None):
            raise ValueError("give either 'label' (classification) or 'objects' (detection)")
        if self.objects is not None and self.box_format is None:
            raise ValueError("'objects' needs 'box_format'")
        return self

    @property
    def name(self) -> str:
        """Name of the repository or of the root folder."""
        return (self.repository or "").split("/")[-1] or self.root.resolve().name

    def splits(self) -> Sequence[str]:
        """Return the names of the splits; opens the dataset unless ``parts`` names them."""
        return tuple(self._parts())

    def images_folder(self, split: str) -> Path | None:
        """Return None: images are written into the cache."""
        del split
        return None

    def inputs(self, split: str) -> Any:
        """Return what the dataset's files are: below the root, or in the library's cache."""
        if self.repository is None:
            return stamps(files_below(self.root, ("",)))
        return stamps(sorted(Path(file["filename"]) for file in self._table(split).cache_files))

    def convert(self, split: str, draft: Draft) -> None:
        """Write each row's image, and its class or objects."""
        table = self._table(split)
        names = self._names(table.features)
        draft.categories(names)
        (draft.folder / "images").mkdir()
        for number, row in enumerate(_undecoded(table, self.image)):
            frame = self._image(draft, number, row[self.image])
            where = f"row {number}"
            if self.objects is None:
                category = _index(row[str(self.label)], names, where)
                draft.annotation(frame, category, area=0, iscrowd=0)
                continue
            for item in _objects(row[self.objects], where):
                self._object(draft, frame, item, names, where)

    def _object(
        self, draft: Draft, frame: Frame, item: Mapping[str, Any], names: Sequence[str], where: str
    ) -> None:
        if self.bbox not in item or self.category not in item:
            raise _fault(
                f"{where}: an object has the keys {', '.join(item)}",
                "name those of box and class with 'bbox' and 'category'",
            )
        category = _index(item[self.category], names, where)
        box = self._box(item[self.bbox], frame, where)
        crowd = int(bool(item.get("iscrowd")))
        draft.annotation(frame, category, bbox=box, area=box[2] * box[3], iscrowd=crowd)

    def _box(self, value: Any, frame: Frame, where: str) -> list[float]:
        if not isinstance(value, list) or len(value) != 4 or not all(map(is_coordinate, value)):
            raise _fault(f"{where}: the box is {shown(value)}, not four finite numbers")
        x, y, width, height = value
        form = str(self.box_format)
        if form.endswith("xyxy"):
            width, height = width - x, height - y
        if min(width, height) < 0:
            raise _fault(
                f"{where}: the box {shown(value)} has a negative size as {form}",
                "check 'box_format'",
            )
        across, down = (frame.width, frame.height) if form.startswith("relative") else (1, 1)
        return [x * across, y * down, width * across, height * down]

    def _image(self, draft: Draft, number: int, value: Any) -> Frame:
        stored = value if isinstance(value, dict) else {}
        path, raw = stored.get("path"), stored.get("bytes")
        if raw is None and path:
            raw = read_bytes(Path(path), MAX_IMAGE_BYTES)
        if raw is None:
            raise _fault(f"row {number}: the column '{self.image}' holds no image")
        suffix = PurePosixPath(path or "").suffix.lower()
        name = f"{number:08d}{suffix if suffix in IMAGE_SUFFIXES else ''}"
        target = draft.folder / "images" / name
        target.write_bytes(raw)
        return draft.image(target, name)

    def _parts(self) -> Mapping[str, str]:
        return self.parts if self.parts is not None else known_splits(self._open())

    def _table(self, split: str) -> Any:
        part = chosen(self._parts(), split, Path(self.name))
        tables = self._open()
        if part not in tables:
            raise _fault(f"{self.name} has no split '{part}'", f"it has: {', '.join(tables)}")
        table = tables[part]
        columns = [name for name in (self.image, self.label, self.objects) if name is not None]
        if missing := [name for name in columns if name not in table.features]:
            raise _fault(
                f"{self.name} has no column '{missing[0]}'", f"it has: {', '.join(table.features)}"
            )
        return table

    def _open(self) -> Mapping[str, Any]:
        try:
            from datasets import load_dataset, load_from_disk
        except ImportError:  # also where a folder called datasets is taken for the library
            raise MissingDependency("datasets", self.extra) from None
        try:
            if self.repository is None:
                found = load_from_disk(str(self.root))
            else:
                found = load_dataset(self.repository, self.config, revision=self.revision)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise _fault(
                f"cannot open {self.repository or self.root}: {type(error).__name__}: {error}",
                "'root' is a folder of 'save_to_disk'; without network a 'repository' must be in"
                " the library's cache",
            ) from None
        # A dataset saved alone has its split's name, if any, with it.
        return found if isinstance(found, dict) else {str(found.split or "train"): found}

    def _names(self, features: Mapping[str, Any]) -> list[str]:
        if self.names is not None:
            return self.names
        feature = features[str(self.label or self.objects)]
        for key in () if self.label else (self.category,):
            feature = getattr(feature, "feature", feature)
            feature = feature.get(key) if isinstance(feature, dict) else None
        names = getattr(getattr(feature, "feature", feature), "names", None)
        if not names:
            raise _fault(f"the classes of {self.name} have no names", "give 'names'")
        return list(names)


def _undecoded(table: Any, column: str) -> Iterator[dict[str, Any]]:
    """Return the rows with images as stored: neither decoded nor encoded again."""
    from datasets import Image

    if not isinstance(table.features[column], Image):
        raise _fault(f"the column '{column}' does not hold images", "name it with 'image'")
    rows: Iterator[dict[str, Any]] = iter(table.cast_column(column, Image(decode=False)))
    return rows


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Return the objects of a row, which are a list, or a mapping of lists."""
    if isinstance(value, dict):
        columns = {key: list(items) for key, items in value.items() if isinstance(items, list)}
        if len({len(items) for items in columns.values()}) > 1:
            raise _fault(f"{where}: the objects' keys hold lists of different lengths")
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise _fault(f"{where}: the objects are {shown(value)}, neither a list nor a mapping")


def _index(value: Any, names: Sequence[str], where: str) -> int:
    """Return the category id of a class given by index or by name."""
    if isinstance(value, str) and value in names:
        return names.index(value) + 1
    if type(value) is int and 0 <= value < len(names):
        return value + 1
    raise _fault(f"{where}: the class {shown(value)} is none of the {len(names)} classes")


def _fault(what: str, hint: str = "mend the dataset") -> DatasetError:
    return DatasetError(what, hint=hint)
