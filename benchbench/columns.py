"""Predictions as columns: one flat array a field, with shapes; no pickle, no Python objects.

``.npz`` and not Parquet: numpy is in the base install, pyarrow (150 MB) is not, and the arrays
come back as they went in. Whole numbers are compressed, lightly: maps and labels shrink to a
fraction. Fractions are not: their digits hardly shrink, and undoing it took most of the time that
reading took.
"""

from __future__ import annotations

import dataclasses
import io
import math
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.types import PREDICTION_TYPES, Prediction, Samples, Tally, TaskName

_LEVEL = 1
"""Of zlib: four times as fast as the usual 6, for a tenth more bytes."""


def pack_predictions(predictions: Mapping[int, Prediction], task: TaskName) -> bytes:
    """Return *predictions* (by image id) as the bytes of an ``.npz``."""
    ids = sorted(predictions)
    columns: dict[str, NDArray[Any]] = {"image_id": np.array(ids, np.int64)}
    for field in dataclasses.fields(PREDICTION_TYPES[task]):
        arrays = [np.asarray(getattr(predictions[i], field.name)) for i in ids]
        columns[field.name] = np.concatenate([a.ravel() for a in arrays]) if arrays else np.zeros(0)
        columns[f"{field.name}.shape"] = np.array([a.shape for a in arrays], np.int64)
    return save_arrays(columns)


def unpack_predictions(data: bytes, task: TaskName) -> dict[int, Prediction]:
    """Return what :func:`pack_predictions` packed."""
    kind = PREDICTION_TYPES[task]
    file = load_arrays(data)
    ids = file["image_id"].tolist()
    fields = {
        field.name: _split(file[field.name], file[f"{field.name}.shape"])
        for field in dataclasses.fields(kind)
    }
    return {image: kind(**{n: a[i] for n, a in fields.items()}) for i, image in enumerate(ids)}


def _split(flat: NDArray[Any], shapes: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Return views of *flat*, one of each of the (N, D) *shapes*."""
    if not len(shapes):
        return []
    if (shapes[:, 1:] == shapes[0, 1:]).all() and shapes[0, 1:].all():
        # Rows of one width: cut them as such, which spares a reshape for each.
        flat, lengths = flat.reshape(-1, *shapes[0, 1:]), shapes[:, 0]
        return [flat[start:end] for start, end in _bounds(lengths)]
    bounds = _bounds(shapes.prod(axis=1))
    return [flat[a:b].reshape(shape) for (a, b), shape in zip(bounds, shapes, strict=True)]


def _bounds(lengths: NDArray[np.int64]) -> list[tuple[int, int]]:
    ends = np.cumsum(lengths)
    return list(zip((ends - lengths).tolist(), ends.tolist(), strict=True))


def pack_samples(samples: Samples) -> bytes:
    """Return *samples* as the bytes of an ``.npz``."""
    return save_arrays({f.name: getattr(samples, f.name) for f in dataclasses.fields(Samples)})


def unpack_samples(data: bytes) -> Samples:
    """Return what :func:`pack_samples` packed."""
    file = load_arrays(data)
    # What an earlier version did not take has its default: nothing.
    names = [f.name for f in dataclasses.fields(Samples) if f.name in file]
    return Samples(**{name: file[name] for name in names})


def pack_tally(tally: Tally) -> bytes:
    """Return *tally* as the bytes of an ``.npz``."""
    own = {"image_ids": tally.image_ids, "classes": np.array(tally.classes, np.str_)}
    return save_arrays({**own, **{f"array.{name}": a for name, a in tally.arrays.items()}})


def unpack_tally(data: bytes) -> Tally:
    """Return what :func:`pack_tally` packed."""
    file = load_arrays(data)
    names = [name for name in file if name.startswith("array.")]
    arrays = {name.removeprefix("array."): file[name] for name in names}
    return Tally(file["image_ids"], tuple(file["classes"].tolist()), arrays)


def save_arrays(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Return *columns* as the bytes of an ``.npz``; floating-point arrays are not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
        for name, array in columns.items():
            entry = f"{name}.npy"
            stored = array.dtype.kind == "f"
            # An entry described by a ZipInfo is stored as it is; one by its name, compressed.
            with file.open(
                zipfile.ZipInfo(entry) if stored else entry, "w", force_zip64=True
            ) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` by name, never an object that had to be unpickled.

    As ``numpy.load`` does, which parses the header of each array as Python: of many small arrays
    that takes most of the time. Raises ValueError, EOFError or BadZipFile for what is no ``.npz``.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {one.filename.removesuffix(".npy"): _member(file, one) for one in file.infolist()}


_SMALL = 1 << 20
"""Bytes of an array that may lie in memory twice while it is read."""
_MAGIC = b"\x93NUMPY\x01\x00"


def _member(file: zipfile.ZipFile, one: zipfile.ZipInfo) -> NDArray[Any]:
    if one.file_size <= _SMALL:
        raw = file.read(one)
        start = 10 + int.from_bytes(raw[8:10], "little")
        if raw.startswith(_MAGIC):
            shape, by_column, dtype = _header(raw[8:start])
            if dtype.itemsize and not dtype.hasobject:
                flat = np.frombuffer(raw, dtype, math.prod(shape), start)
                return flat.copy().reshape(shape, order="F" if by_column else "C")
    with file.open(one) as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array


@lru_cache(maxsize=1024)
def _header(raw: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(raw))
    return shape, by_column, dtype
