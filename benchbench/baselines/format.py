"""What a baseline's file holds.

It stands by itself: the run's figures, its cells as planned, each process's latency beside
its canary, and the bootstrap draws of accuracy, so that a run of another job can be compared on the
same draws. docs/comparing.md describes the format.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.baselines.processes import Process
from benchbench.confidence import Resamples
from benchbench.slice_confidence import Slice
from benchbench.sliced import Sliced
from benchbench.stats.resampling import Draws, Sample
from benchbench.types import Cell, Record
from benchbench.view import RunView, SliceView

FORMAT = 1
"""Number of the file's format; raised when a key changes its meaning or goes."""
MOST_BYTES = 64_000_000
"""Larger files, and larger arrays in them, are not read."""


class Packed(Record):
    """An array's little-endian bytes, compressed by zlib and written in base64."""

    dtype: Literal["<f8", "<f4", "<i8"]
    shape: tuple[Annotated[int, Field(ge=0, le=MOST_BYTES)], ...] = Field(max_length=2)
    data: str

    @classmethod
    def of(cls, array: NDArray[Any], dtype: Literal["<f8", "<f4", "<i8"]) -> Packed:
        """Return *array*, stored as *dtype*."""
        data = zlib.compress(np.ascontiguousarray(array, dtype).tobytes(), 9)
        return cls(dtype=dtype, shape=array.shape, data=base64.b64encode(data).decode())

    def array(self) -> NDArray[Any]:
        """Return the array; raise ValueError where the bytes are not one of its shape."""
        size = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if size > MOST_BYTES:
            raise ValueError(f"an array of shape {self.shape} is too large")
        try:
            reader = zlib.decompressobj()
            data = reader.decompress(base64.b64decode(self.data, validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError(f"an array cannot be read: {error}") from None
        if len(data) != size:
            raise ValueError(f"an array of shape {self.shape} has not as many bytes")
        return np.frombuffer(data, self.dtype).reshape(self.shape)


class KeptSample(Record):
    """A metric on all images and on each draw of them."""

    value: tuple[float | None, ...] | float | None
    """One, or one a class; None where it is not defined."""
    draws: Packed
    """(R,) or (R, K); NaN where it is not defined."""

    @classmethod
    def of(cls, sample: Sample, dtype: Literal["<f8", "<f4"]) -> KeptSample:
        """Return *sample* with its draws as *dtype*."""
        told = [None if math.isnan(v) else v for v in np.ravel(sample.value).tolist()]
        value = tuple(told) if np.ndim(sample.value) else told[0]
        return cls(value=value, draws=Packed.of(sample.replicates, dtype))

    def sample(self) -> Sample:
        """Return the sample as it was resampled; raise ValueError where it cannot be one."""
        draws = self.draws.array().astype(np.float64)
        told = self.value if isinstance(self.value, tuple) else (self.value,)
        value = np.array([np.nan if v is None else v for v in told], np.float64)
        value = value if isinstance(self.value, tuple) else value.reshape(())
        if draws.shape[1:] != value.shape or not draws.ndim:
            raise ValueError(f"draws of shape {draws.shape} are not of {value.size} values")
        return Sample(value, draws)


class KeptDraws(Record):
    """The resampled metrics of one cell."""

    images: str
    """Which of the file's lists of images."""
    replicates: int = Field(ge=2, le=100_000)
    seed: int = Field(ge=0)
    metrics: dict[str, KeptSample]
    classes: tuple[str, ...] = ()
    by_class: dict[str, KeptSample] = {}


class KeptSlice(Record):
    """The primary metric of one slice on each draw; the cell's view tells what the slice is."""

    images: str
    """Which of the file's lists of images."""
    seed: int = Field(ge=0)
    sample: KeptSample

    def slice(self, view: SliceView, ids: tuple[int, ...]) -> Slice:
        """Return the slice as it was drawn of *ids*; raise ValueError where it cannot be one."""
        sample = self.sample.sample()
        if np.ndim(sample.value):
            raise ValueError("a slice has one value")
        draws = Draws(images=len(ids), replicates=len(sample.replicates), seed=self.seed)
        why = view.interval.reason
        facts = view.name, view.group, view.definition, view.images, view.objects, why
        return Slice(Sliced(*facts), draws, sample, ids)


class Baseline(Record):
    """A run as later runs are compared with it."""

    schema_number: int = FORMAT
    name: str
    saved: str
    """UTC, ISO 8601."""
    view: RunView
    """The run without what is only for drawing."""
    cells: tuple[Cell, ...]
    """As planned: enough to measure them again."""
    processes: dict[str, tuple[Process, ...]] = {}
    """Cell → its fresh processes."""
    images: dict[str, Packed] = {}
    """Digest → ids of the images that were drawn from."""
    draws: dict[str, KeptDraws] = {}
    """Cell → its accuracy on each draw."""
    slices: dict[str, dict[str, KeptSlice]] = {}
    """Cell → its slices by name."""
    left_out: tuple[str, ...] = ()
    """What was not kept, in words."""

    @model_validator(mode="after")
    def _whole(self) -> Baseline:
        known = {cell.id for cell in self.view.cells}
        planned = (cell.id for cell in self.cells)
        strangers = {*self.processes, *self.draws, *self.slices, *planned} - known
        if strangers:
            raise ValueError(f"it speaks of cells that it does not have: {min(strangers)[:40]}")
        for cell in self.draws:
            self.resamples(cell)
        for cell, kept in self.slices.items():
            if len(self.slices_of(cell)) < len(kept):
                raise ValueError("it speaks of slices that its cells do not have")
        return self

    def resamples(self, cell_id: str) -> Resamples | None:
        """Return a cell's resampled metrics; None where none were kept."""
        kept = self.draws.get(cell_id)
        if kept is None:
            return None
        ids = self._ids(kept.images)
        draws = Draws(images=len(ids), replicates=kept.replicates, seed=kept.seed)
        metrics = {name: one.sample() for name, one in kept.metrics.items()}
        by_class = {name: one.sample() for name, one in kept.by_class.items()}
        for sample in (*metrics.values(), *by_class.values()):
            if len(sample.replicates) != kept.replicates:
                raise ValueError(f"there are not {kept.replicates} draws")
        if any(len(one.value) != len(kept.classes) for one in by_class.values()):
            raise ValueError(f"there are not {len(kept.classes)} classes")
        return Resamples(draws, ids, metrics, kept.classes, by_class)

    def slices_of(self, cell_id: str) -> dict[str, Slice]:
        """Return a cell's slices with their draws, those that were kept."""
        kept = self.slices.get(cell_id, {})
        views = next((cell.slices for cell in self.view.cells if cell.id == cell_id), ())
        return {
            view.name: kept[view.name].slice(view, self._ids(kept[view.name].images))
            for view in views
            if view.name in kept
        }

    def _ids(self, images: str) -> tuple[int, ...]:
        if images not in self.images:
            raise ValueError("draws name a list of images that is not there")
        return tuple(self.images[images].array().ravel().tolist())
