"""What all kinds of jobs need: the dataset, what is fed, the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.artifacts import stored_bytes
from benchbench.contents import drawn, limited
from benchbench.corruptions import Corruption
from benchbench.errors import ModelError, StoreError
from benchbench.files import make_folder
from benchbench.inputs import InputContract, read_image
from benchbench.measure import accuracy
from benchbench.measure.accuracy import Prepared, Row
from benchbench.protocols import Session
from benchbench.types import (
    Cell,
    ClassMap,
    DatasetSplit,
    Feed,
    Geometry,
    Image,
    InputShape,
    Job,
    ModelFile,
    Request,
)
from benchbench.worker import prompts


def contract(cell: Cell) -> InputContract:
    """Return the cell's input contract."""
    return InputContract.model_validate(cell.spec["input"])


def input_shape(cell: Cell) -> InputShape:
    """Return what the cell's model is fed with."""
    declared = contract(cell)
    beside = declared.companions(cell.batch, cell.spec["classes"]["names"])
    return InputShape(declared.shape(cell.batch), declared.dtype, declared.name, beside)


def request_of(job: Job) -> Request:
    """Return what the job's cell asks of its runtime."""
    cell, cache = job.cell, None
    assert cell.precision != "given"
    with contextlib.suppress(StoreError):  # a read-only cache: the runtime does without
        cache = make_folder(job.cache / "runtimes" / str(cell.spec["runtime"]["kind"]))
    return Request(
        precision=cell.precision,
        device=cell.device,
        threads=cell.spec["threads"],
        input=input_shape(cell),
        cache=cache,
    )


def evaluation_split(cell: Cell, cache: Path) -> DatasetSplit:
    """Read the split that is scored."""
    dataset = plugins.build("datasets", cell.spec["dataset"])
    split = dataset.load(cell.split, cell.task, cache)
    return limited(split, cell.spec["images"])


def calibration_split(cell: Cell, cache: Path) -> DatasetSplit:
    """Read the images that int8 is calibrated on."""
    settings = cell.spec["calibration"]
    dataset = plugins.build("datasets", cell.spec["dataset"])
    split = dataset.load(settings["split"], cell.task, cache)
    return drawn(split, settings["images"], settings["seed"])


def corruption(cell: Cell) -> Corruption | None:
    """Return what is done to every image whose prediction is scored."""
    wanted = cell.spec.get("corrupt")
    return None if wanted is None else Corruption.model_validate(wanted)


def prepare(
    declared: InputContract, image: Image, corrupt: Corruption | None = None
) -> tuple[NDArray[Any], Geometry]:
    """Read, perhaps damage, and preprocess one image."""
    pixels = read_image(image, declared.color)
    if corrupt:
        pixels = corrupt.apply(pixels, image.id, declared.color)
    return declared.prepare(pixels)


class Feeder:
    """Makes what a cell's session is fed: images, and what the model takes beside them."""

    def __init__(self, cell: Cell, split: DatasetSplit) -> None:
        self.contract = contract(cell)
        self._split, self._batch = split, cell.batch
        self._corrupt = corruption(cell)
        beside = input_shape(cell).companions
        self._names = [one.name for one in beside]
        self._constant = {one.name: one.example for one in beside if not one.batched}

    def check(self, session: Session) -> None:
        """Raise ModelError unless *session* takes the image and the companions, nothing else."""
        names = [spec.name for spec in session.inputs]
        if names[1:] != self._names:
            beside = f" and {', '.join(self._names)}" if self._names else ""
            raise ModelError(
                f"the session takes {len(names)} inputs ({', '.join(names)}); the suite feeds the"
                f" image{beside}",
                hint="several inputs are named under 'prompts' and 'texts' of the model's 'input',"
                " and fed by the runtimes torch, onnxruntime and openvino",
            )

    def rows(self, images: Sequence[Image]) -> list[Row]:
        """Return the rows of *images*: one each, or as many as their prompts need."""
        asked = self.contract.prompts
        return prompts.rows_of(asked, self._split, images) if asked else [*map(Row, images)]

    def first_rows(self, images: Sequence[Image]) -> list[Row]:
        """Return the first row of each of *images*."""
        return list({row.id: row for row in reversed(self.rows(images))}.values())[::-1]

    def prepare(self, row: Row, *, plain: bool = False) -> Prepared:
        """Read, perhaps damage (not if *plain*), and preprocess the image of a row."""
        array, geometry = prepare(self.contract, row.image, None if plain else self._corrupt)
        return array, self.prompted(geometry, row)

    def prompted(self, geometry: Geometry, row: Row) -> Geometry:
        """Return *geometry* with the prompts of *row*."""
        return replace(geometry, prompts=tuple(one.id for one in row.prompts))

    def beside(self, rows: Sequence[Row], geometries: Sequence[Geometry]) -> Feed:
        """Return what is fed beside the images of one batch; a short one is filled up."""
        asked = self.contract.prompts
        if asked is None:
            return self._constant
        pairs = zip(rows, geometries, strict=True)
        values = [prompts.in_input(asked, row, geometry) for row, geometry in pairs]
        values += [values[-1]] * (self._batch - len(values))
        return {**asked.tensors(values), **self._constant}

    def feed(self, name: str, rows: Sequence[Row], ready: Sequence[Prepared]) -> Feed:
        """Return the feed of one batch; the image's input is *name*."""
        geometries = [geometry for _, geometry in ready]
        return {name: accuracy.stack(ready, self._batch), **self.beside(rows, geometries)}


def noise_feed(cell: Cell, name: str) -> Feed:
    """Return a feed of seeded noise in 0..1 (0..255 for whole numbers), with its companions."""
    asked, random = input_shape(cell), np.random.default_rng(0)
    kind = np.dtype(asked.dtype)
    noise = random.random(asked.shape) * (255 if kind.kind in "iu" else 1)
    return {name: noise.astype(kind), **{one.name: one.example for one in asked.companions}}


def feeds(declared: InputContract, split: DatasetSplit) -> Iterator[NDArray[Any]]:
    """Yield each image of *split* as a batch of one."""
    for image in split.images:
        yield prepare(declared, image)[0][None]


def class_map(cell: Cell) -> ClassMap:
    """Return the meaning of the model's class indices."""
    classes = cell.spec["classes"]
    return ClassMap(tuple(classes["names"]), tuple(classes["category_ids"]), classes["background"])


class WeighedLoad:
    """Makes a module as *load* does, and keeps the bytes of its state dict as it was made."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self.bytes: int | None = None
        """None before the first call, and of a module whose state is not of tensors alone."""

    def __call__(self) -> Any:
        """Return the module."""
        module = self._load()
        self.bytes = _state_bytes(module)
        return module


def _state_bytes(module: Any) -> int | None:
    """Return the bytes of a module's parameters and buffers; shared tensors count once."""
    if not hasattr(module, "state_dict"):
        return None
    found = module.state_dict().values()
    if not all(hasattr(one, "data_ptr") for one in found):
        return None
    sizes: dict[Any, int] = {
        (one.data_ptr(), one.shape): one.numel() * one.element_size() for one in found
    }
    return sum(sizes.values())


def model_file(job: Job, step: int) -> ModelFile:
    """Return the model before *step* of the chain: the source's own file, or an artifact."""
    cell = job.cell
    if step == 0:
        source = plugins.build("sources", cell.spec["source"])
        found: ModelFile = source.open(cell.start)
        return found if found.load is None else replace(found, load=WeighedLoad(found.load))
    before = cell.chain[step - 1]
    main = job.artifacts[before.key]
    return ModelFile(variant=before.target, path=main, bytes=stored_bytes(main, before.key))
