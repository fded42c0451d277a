"""The text of a COCO file, and checks whose messages name the file, the entry and the value."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbench.errors import DatasetError, Place

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_BYTES = 2 << 30
MAX_ID = 2**63 - 1
MAX_COORDINATE_PX = 1e9
HINT = "a COCO annotation file is needed, whole: fetch or export it again"


@dataclass(slots=True)
class Item:
    """One entry of a list of the file, for its checks and their messages."""

    file: CocoFile
    section: str
    index: int
    value: dict[str, Any]

    def fault(self, what: str, hint: str | None = None) -> DatasetError:
        """Return the error that names this entry and says *what* is wrong."""
        identity = shown(self.value["id"]) if "id" in self.value else "missing"
        return self.file.fault(
            f"{self.section}[{self.index}] (id {identity}): {what}",
            hint or "mend this entry of the file, or remove it",
        )

    def integer(self, key: str, least: int = 0, most: int = MAX_ID) -> int:
        """Return the whole number at *key*, or raise."""
        value = self._get(key)
        # `type` and not `isinstance`: True is an int to Python, and no id.
        if type(value) is int and least <= value <= most:
            return value
        raise self.fault(f"'{key}' is {shown(value)}, not a whole number of {least}…{most}")

    def text(self, key: str) -> str:
        """Return the text at *key*, or raise."""
        value = self._get(key)
        # Half a surrogate pair is valid JSON, but cannot be written to any file again.
        if isinstance(value, str) and value.strip() and not _SURROGATE.search(value):
            return value
        raise self.fault(f"'{key}' is {shown(value)}, not a text")

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise self.fault(f"'{key}' is missing")
        return self.value[key]


class CocoFile:
    """A COCO annotation file, for its reading and the messages about it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, what: str, hint: str | None = None) -> DatasetError:
        """Return the error that names this file and says *what* is wrong."""
        return DatasetError(what, hint=hint or HINT, place=Place(str(self.path)))

    def parse(self, sha256: str | None) -> dict[str, Any]:
        """Read the file; its digest must be *sha256* where one is given."""
        raw = self._bytes()
        if sha256 is not None and (found := hashlib.sha256(raw).hexdigest()) != sha256:
            raise self.fault(f"the file's SHA-256 is {found}, the dataset says {sha256}")
        try:
            body = json.loads(raw)
        except json.JSONDecodeError as error:
            place = Place(str(self.path), error.lineno, error.colno)
            raise DatasetError(f"not JSON: {error.msg}", hint=HINT, place=place) from None
        except UnicodeDecodeError as error:
            raise self.fault(f"not text in {error.encoding} at byte {error.start}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise self.fault(f"not usable JSON: {type(error).__name__}: {error}") from None
        if not isinstance(body, dict):
            raise self.fault(
                f"the file holds {kind(body)}, not an object with 'images', 'annotations' and"
                " 'categories'",
                hint="a list of detections is a result file; give the annotation file",
            )
        return body

    def _bytes(self) -> bytes:
        try:
            found = self.path.stat()
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
            raw = None if size is None or size > MAX_BYTES else self.path.read_bytes()
        except (OSError, ValueError) as error:
            raise self.fault(f"cannot be read: {error}", "check the dataset's paths") from None
        if size is None:
            raise self.fault("not a file", "give the annotation file itself")
        if raw is None:
            raise self.fault(f"{size} bytes are more than the limit of {MAX_BYTES}")
        return raw

    def items(self, body: Mapping[str, Any], section: str) -> Iterator[Item]:
        """Yield the entries of the list *section*, each an object."""
        values = body.get(section)
        if not isinstance(values, list):
            state = "is missing" if values is None else f"is {kind(values)}, not a list"
            raise self.fault(f"'{section}' {state}")
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.fault(f"{section}[{index}] is {shown(value)}, not an object")
            yield Item(self, section, index, value)

    def unique(self, items: Iterator[Item]) -> Iterator[tuple[Item, int]]:
        """Yield each entry with its id; raise where an id comes twice."""
        seen: dict[int, int] = {}
        for item in items:
            identity = item.integer("id")
            if (first := seen.setdefault(identity, item.index)) != item.index:
                raise item.fault(f"the id {identity} is also that of {item.section}[{first}]")
            yield item, identity


def shown(value: Any) -> str:
    """Return *value* for a message, short."""
    # Of a container only the kind: a hostile one may be deep, or megabytes long.
    if isinstance(value, dict | list) and len(value) > 8:
        return kind(value)
    try:
        text = json.dumps(value, ensure_ascii=bool(_SURROGATE.search(str(value))))
    except (ValueError, RecursionError):
        return kind(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def kind(value: Any) -> str:
    """Return what *value* is in JSON's terms."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a bool", type(None): "null"}
    return kinds.get(type(value), "a number")


def is_coordinate(value: Any) -> bool:
    """Return whether *value* is a finite number that may stand for a place in an image."""
    # One comparison refuses NaN, infinities and whole numbers that no float can hold.
    return (
        type(value) is float or type(value) is int
    ) and -MAX_COORDINATE_PX <= value <= MAX_COORDINATE_PX
