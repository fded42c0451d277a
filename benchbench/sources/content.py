"""Content of model files: checksums, and the files that an ONNX file points to."""

from __future__ import annotations

import hashlib
import mmap
import posixpath
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from benchbench.errors import ModelError

_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Field numbers of onnx.proto3 on the way from the model to its external data."""


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of the file; raise ModelError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path}: the model file cannot be read ({error.strerror})",
            hint="check the path; a relative path counts from the current folder",
        ) from error


def external_data(path: Path) -> tuple[Path, ...]:
    """Return the files, sorted, that hold tensors of the ONNX file *path*.

    The file is walked as bytes, so that a plan needs no onnx package. Raises ModelError if it is
    not an ONNX file, or if a location leaves its folder or does not exist.
    """
    if not path.stat().st_size:
        raise ModelError(f"{path}: the file is empty", hint="export or download it again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            locations = set(_locations(data, 0, len(data), "model"))
        except (IndexError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path}: this is not a whole ONNX file ({error})",
                hint="export or download it again",
            ) from error
    return tuple(_inside(path, location) for location in sorted(locations))


def _inside(path: Path, location: str) -> Path:
    # Judged as text, as the user may have put links to a cache beside the model.
    normal = PurePosixPath(posixpath.normpath(location))
    if normal.is_absolute() or ".." in normal.parts:
        raise ModelError(
            f"{path}: external data '{location}' lies outside the model's folder",
            hint="save the model with its data beside it",
        )
    target = path.parent / normal
    if not target.is_file():
        raise ModelError(
            f"{path}: external data '{location}' is missing", hint="copy it beside the model"
        )
    return target


def _locations(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    for number, low, high in _fields(data, start, end):
        child = _MESSAGES[message].get(number)
        if child == "entry":
            entry = {key: data[a:b].decode() for key, a, b in _fields(data, low, high)}
            if entry.get(1) == "location":
                yield entry.get(2, "")
        elif child:
            yield from _locations(data, low, high, child)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) of each length-delimited field of a protobuf message."""
    while start < end:
        tag, start = _varint(data, start)
        kind = tag & 7
        if kind == 2:
            length, start = _varint(data, start)
            if start + length > end:
                raise ValueError(f"a field ends behind the file or its message at byte {start}")
            yield tag >> 3, start, start + length
            start += length
        else:
            start = _skip(data, start, kind)


def _skip(data: mmap.mmap, start: int, kind: int) -> int:
    if kind == 0:
        return _varint(data, start)[1]
    if kind in {1, 5}:
        return start + (8 if kind == 1 else 4)
    raise ValueError(f"unknown wire type {kind} at byte {start}")


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    value = 0
    for position in range(10):
        byte = data[start + position]
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value, start + position + 1
    raise ValueError(f"a number of more than ten bytes at byte {start}")
