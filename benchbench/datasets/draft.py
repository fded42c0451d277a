"""A COCO file in the making: what an importer writes into, and the reading of its sources."""

from __future__ import annotations

import json
import stat
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from benchbench.errors import DatasetError, Place

IMAGE_SUFFIXES = tuple(".jpg .jpeg .png .bmp .tif .tiff .webp .ppm .pgm .gif .jp2 .tga".split())
MAX_TEXT_BYTES = 64 << 20
MAX_PIXELS = 100_000_000
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF", "JPEG2000", "TGA")
_ORIENTATION = 0x0112
# What Pillow's readers are known to raise on damaged files.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, EOFError, MemoryError, RuntimeError, struct.error, zlib.error),
    PIL.Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """An image of a draft: its id and its stored size in pixels."""

    id: int
    width: int
    height: int


class Draft:
    """A COCO file in the making, and the folder that it will lie in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: Counter[str] = Counter()
        """Counted oddities, for :attr:`benchbench.types.DatasetSplit.notes`."""
        self._categories: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def categories(self, names: Sequence[str]) -> dict[str, int]:
        """Make the categories, ids from 1 in this order; return the id of each name."""
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice or not names or not all(name.strip() for name in names):
            state = f"'{twice[0]}' stands there twice" if twice else "a name is empty, or all are"
            raise DatasetError(
                f"the class names are no list of classes: {state}", hint="give each class its name"
            )
        for name in names:
            self.category(len(self._categories) + 1, name)
        return {name: number for number, name in enumerate(names, 1)}

    def category(self, identity: int, name: str, **more: Any) -> None:
        """Add a category with an id of its own."""
        self._categories.append({"id": identity, "name": name, **more})

    def image(
        self,
        path: Path,
        file_name: str,
        attributes: Mapping[str, Any] | None = None,
        identity: int | None = None,
    ) -> Frame:
        """Add the image at *path*, whose header gives its size; ids count from 1 unless given.

        ``notes`` counts ``exif_turned_images``: their labels may be meant for the turned image,
        while scores are of the stored pixels.
        """
        with opened(path) as image:
            width, height = image.size
            if image.format in ("JPEG", "MPO") and image.getexif().get(_ORIENTATION, 1) != 1:
                self.notes["exif_turned_images"] += 1
        frame = Frame(len(self._images) + 1 if identity is None else identity, width, height)
        entry = {"id": frame.id, "file_name": file_name, "width": width, "height": height}
        self._images.append(entry | ({"attributes": dict(attributes)} if attributes else {}))
        return frame

    def annotation(self, frame: Frame, category: int, **more: Any) -> None:
        """Add an annotation; *more* are further keys of COCO's (``bbox``, ``area`` …)."""
        identity = len(self._annotations) + 1
        entry = {"id": identity, "image_id": frame.id, "category_id": category}
        self._annotations.append(entry | more)

    def save(self) -> None:
        """Write ``annotations.json`` and ``notes.json`` into the folder."""
        body = {
            "images": self._images,
            "categories": self._categories,
            "annotations": self._annotations,
        }
        (self.folder / "annotations.json").write_text(json.dumps(body, allow_nan=False), "utf-8")
        (self.folder / "notes.json").write_text(json.dumps(+self.notes), "utf-8")


@contextmanager
def opened(path: Path, most: int = MAX_PIXELS) -> Iterator[PIL.Image.Image]:
    """Open the image at *path*, of at most *most* pixels; raise DatasetError naming it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > most:
                    raise DatasetError(
                        f"{path}: the header declares {image.width} × {image.height} pixels, more"
                        f" than the limit of {most}; it was not decoded",
                        hint="cut the image into tiles, or remove it from the dataset",
                    )
                yield image
        except _DAMAGE as error:
            raise DatasetError(
                f"{path}: cannot read the image: {type(error).__name__}: {error}",
                hint="the file is damaged, absent or not an image: fetch or convert it again",
            ) from None


def read_bytes(path: Path, most: int = MAX_TEXT_BYTES) -> bytes:
    """Return the bytes of a file of at most *most* bytes; raise DatasetError naming it."""
    place = Place(str(path))
    try:
        found = path.stat()
        regular = stat.S_ISREG(found.st_mode)
        raw = path.read_bytes() if regular and found.st_size <= most else None
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"cannot be read: {error}", hint="check the dataset's paths", place=place
        ) from None
    if raw is None:
        what = f"{found.st_size} bytes are more than the limit of {most}"
        raise DatasetError(
            what if regular else "not a file", hint="check the dataset's paths", place=place
        )
    return raw


def read_text(path: Path, most: int = MAX_TEXT_BYTES) -> str:
    """Return the text (UTF-8) of a file of at most *most* bytes; raise DatasetError naming it."""
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"not text in UTF-8 at byte {error.start}",
            hint="save it as UTF-8",
            place=Place(str(path)),
        ) from None
