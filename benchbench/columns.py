"""Predictions as columns: one flat array a field, with shapes; no pickle, no Python objects.

``.npz`` and not Parquet: numpy is in the base install, pyarrow (150 MB) is not, and the arrays
come back as they went in.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.types import PREDICTION_TYPES, Prediction, Samples, Tally, TaskName


def pack_predictions(predictions: Mapping[int, Prediction], task: TaskName) -> bytes:
    """Return *predictions* (by image id) as the bytes of a compressed ``.npz``."""
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
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        ids = file["image_id"].tolist()
        fields = {
            field.name: _split(file[field.name], file[f"{field.name}.shape"])
            for field in dataclasses.fields(kind)
        }
    return {image: kind(**{n: a[i] for n, a in fields.items()}) for i, image in enumerate(ids)}


def _split(flat: NDArray[Any], shapes: NDArray[np.int64]) -> list[NDArray[Any]]:
    sizes = shapes.prod(axis=1) if shapes.size else np.zeros(len(shapes), np.int64)
    parts = np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def pack_samples(samples: Samples) -> bytes:
    """Return *samples* as the bytes of a compressed ``.npz``."""
    return save_arrays({f.name: getattr(samples, f.name) for f in dataclasses.fields(Samples)})


def unpack_samples(data: bytes) -> Samples:
    """Return what :func:`pack_samples` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return Samples(**{f.name: file[f.name] for f in dataclasses.fields(Samples)})


def pack_tally(tally: Tally) -> bytes:
    """Return *tally* as the bytes of a compressed ``.npz``."""
    own = {"image_ids": tally.image_ids, "classes": np.array(tally.classes, np.str_)}
    return save_arrays({**own, **{f"array.{name}": a for name, a in tally.arrays.items()}})


def unpack_tally(data: bytes) -> Tally:
    """Return what :func:`pack_tally` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        names = [name for name in file.files if name.startswith("array.")]
        arrays = {name.removeprefix("array."): file[name] for name in names}
        return Tally(file["image_ids"], tuple(file["classes"].tolist()), arrays)


def save_arrays(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Return *columns* as the bytes of a compressed ``.npz``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **columns)
    return buffer.getvalue()
