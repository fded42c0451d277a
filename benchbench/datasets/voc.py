"""Pascal VOC: an XML file an image, with a box an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchbench.datasets.coco_folder import escapes
from benchbench.datasets.described import chosen, known_splits
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft, Frame, read_bytes, read_text
from benchbench.datasets.imported import Imported, files_below, stamps, within
from benchbench.errors import DatasetError, MissingDependency, Place
from benchbench.files import is_file
from benchbench.protocols import Packages

MAX_XML_BYTES = 8 << 20
_FLAGS = ("truncated", "difficult", "occluded")


class Voc(Imported):
    """Imports Pascal VOC's XML files."""

    packages: ClassVar[Packages] = (("defusedxml",),)
    extra: ClassVar[str] = "voc"
    format_name: ClassVar[str] = "voc"

    annotations: Path = Path("Annotations")
    """Folder of the XML files that lists name."""
    images: Path = Path("JPEGImages")
    """Folder of the images that lists name."""
    lists: dict[str, Path] | None = None
    """Split name → text file of names without extension, or folder of XML files and images."""
    names: list[str] | None = None
    """Class names; by default all that the XML files of all splits hold, by alphabet."""
    difficult: Literal["crowd", "keep", "drop"] = "crowd"
    """What becomes of objects marked difficult: neither right nor wrong, as others, or gone."""
    one_based: bool = True
    """True for VOC's own pixels, counted from 1 with both ends in the box; most tools write edges
    that count from 0."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, by option or as lists or folders are there."""
        return tuple(self._lists())

    def images_folder(self, split: str) -> Path | None:
        """Return the root: names of images are relative to it."""
        chosen(self._lists(), split, self.root)
        return self.root

    def inputs(self, split: str) -> Any:
        """Return what the XML files and their images are."""
        images = [self._beside(folder, xml.stem) for xml, folder in self._files(split)]
        return [stamps(self._read(split)), stamps(path for path in images if path)]

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each object into an annotation."""
        found = {name for path in self._read(split) for name in _Xml(path).names()}
        ids = draft.categories(self.names or sorted(found))
        for path, folder in self._files(split):
            xml = _Xml(path)
            image = self._image(path, folder, xml)
            frame = draft.image(image, image.relative_to(self.root).as_posix())
            self._check_size(xml, frame)
            for name, box, flags in xml.objects(one_based=self.one_based):
                if name not in ids:
                    raise xml.fault(f"the class '{name}' is not in 'names'", "add it to 'names'")
                self._add(draft, frame, ids[name], box, flags)

    def _read(self, split: str) -> list[Path]:
        """Return the XML files that *split* depends on; without names, all that are there."""
        own = [path for path, _ in self._files(split)]
        if self.names:
            return own
        others = {path for name in self.splits() for path, _ in self._files(name) if is_file(path)}
        return sorted(others | set(own))

    def _add(
        self, draft: Draft, frame: Frame, category: int, box: list[float], flags: dict[str, Any]
    ) -> None:
        difficult = flags.get("difficult", False)
        draft.notes["difficult_objects"] += difficult
        if difficult and self.difficult == "drop":
            return
        crowd = int(difficult and self.difficult == "crowd")
        area = box[2] * box[3]
        draft.annotation(frame, category, bbox=box, area=area, iscrowd=crowd, attributes=flags)

    def _check_size(self, xml: _Xml, frame: Frame) -> None:
        size = xml.size()
        # Some tools write zeros where they did not look.
        if size is not None and any(size) and size != (frame.width, frame.height):
            raise xml.fault(
                f"'size' is {size[0]} × {size[1]}, the image has {frame.width} × {frame.height}",
                "boxes must be those of the stored pixels",
            )

    def _lists(self) -> Mapping[str, Path]:
        if self.lists is not None:
            return self.lists
        sets = self.root / "ImageSets" / "Main"
        stems = [path.stem for path in sets.glob("*.txt")]
        if stems:
            return {
                split: Path("ImageSets", "Main", f"{stem}.txt")
                for split, stem in known_splits(stems).items()
            }
        folders = [path.parent.name for path in self.root.glob("*/*.xml")]
        return {split: Path(name) for split, name in known_splits(folders).items()}

    def _files(self, split: str) -> list[tuple[Path, Path]]:
        """Return each XML file, and the folder that its image lies in."""
        place = self.root / chosen(self._lists(), split, self.root)
        if place.is_dir():
            found = [(path, path.parent) for path in files_below(place, (".xml",))]
        else:
            names = [line.split()[0] for line in read_text(place).splitlines() if line.split()]
            folder = self.root / self.annotations
            found = [
                (
                    within(self.root, folder / f"{name}.xml", f"'{name}' of {place}"),
                    self.root / self.images,
                )
                for name in names
            ]
        if not found:
            raise DatasetError(f"the split '{split}' at {place} is empty", hint="check 'lists'")
        return found

    def _image(self, path: Path, folder: Path, xml: _Xml) -> Path:
        name = xml.text("filename") or path.stem
        if escapes(name):
            raise xml.fault(f"'filename' {name!r} leads out of the image folder", "mend the name")
        image = folder / name
        found = image if is_file(image) else self._beside(folder, path.stem)
        if found is None:
            raise xml.fault(f"neither {image} nor an image '{path.stem}' beside it is there")
        return found

    @staticmethod
    def _beside(folder: Path, stem: str) -> Path | None:
        candidates = (folder / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES)
        return next((path for path in candidates if is_file(path)), None)


class _Xml:
    """One annotation file; entities and other XML that can do harm are refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = read_bytes(path, MAX_XML_BYTES)
        try:
            from defusedxml import ElementTree
            from defusedxml.common import DefusedXmlException
        except ImportError:
            raise MissingDependency("defusedxml", Voc.extra) from None
        try:
            self.root = ElementTree.fromstring(raw)
        except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise self.fault(f"not usable XML: {type(error).__name__}: {error}") from None
        if self.root.tag != "annotation":
            raise self.fault(f"the file holds <{self.root.tag}>, not <annotation>")

    def fault(self, what: str, hint: str = "mend or remove the file") -> DatasetError:
        return DatasetError(what, hint=hint, place=Place(str(self.path)))

    def text(self, name: str) -> str:
        return (self.root.findtext(name) or "").strip()

    def size(self) -> tuple[int, int] | None:
        if self.root.find("size") is None:
            return None
        width, height = (self._number(self.root, f"size/{side}") for side in ("width", "height"))
        return int(width), int(height)

    def names(self) -> Iterator[str]:
        for number, item in enumerate(self.root.iter("object"), 1):
            name = (item.findtext("name") or "").strip()
            if not name:
                raise self.fault(f"object {number} has no name")
            yield name

    def objects(self, *, one_based: bool) -> Iterator[tuple[str, list[float], dict[str, Any]]]:
        """Yield name, box [x, y, width, height] and attributes of each object."""
        for name, item in zip(self.names(), self.root.iter("object"), strict=True):
            x1, y1, x2, y2 = (
                self._number(item, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")
            )
            if one_based:
                x1, y1 = x1 - 1, y1 - 1
            if x2 < x1 or y2 < y1:
                raise self.fault(
                    f"a box of '{name}' ends before it begins: {x1:g}…{x2:g}, {y1:g}…{y2:g}"
                )
            yield name, [x1, y1, x2 - x1, y2 - y1], _attributes(item)

    def _number(self, item: Any, trail: str) -> float:
        text = item.findtext(trail)
        try:
            value = float(text)
        except (TypeError, ValueError):
            value = float("nan")
        if abs(value) <= 1e9:
            return value
        raise self.fault(f"'{trail}' is {text!r}, not a number")


def _attributes(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        flag: text.strip() == "1" for flag in _FLAGS if (text := item.findtext(flag)) is not None
    }
    pose = (item.findtext("pose") or "").strip()
    return found | ({"pose": pose} if pose else {})
