"""What both kinds of job need: the dataset, preprocessed images, the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchbench import plugins
from benchbench.artifacts import stored_bytes
from benchbench.contents import drawn, limited
from benchbench.corruptions import Corruption
from benchbench.errors import StoreError
from benchbench.files import make_folder
from benchbench.inputs import InputContract, read_image
from benchbench.types import (
    Cell,
    ClassMap,
    DatasetSplit,
    Geometry,
    Image,
    InputShape,
    Job,
    ModelFile,
    Request,
)


def contract(cell: Cell) -> InputContract:
    """Return the cell's input contract."""
    return InputContract.model_validate(cell.spec["input"])


def input_shape(cell: Cell) -> InputShape:
    """Return the shape that the cell's model is fed with."""
    declared = contract(cell)
    return InputShape(declared.shape(cell.batch), declared.dtype, declared.name)


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


def feeds(declared: InputContract, split: DatasetSplit) -> Iterator[NDArray[Any]]:
    """Yield each image of *split* as a batch of one."""
    for image in split.images:
        yield prepare(declared, image)[0][None]


def class_map(cell: Cell) -> ClassMap:
    """Return the meaning of the model's class indices."""
    classes = cell.spec["classes"]
    return ClassMap(tuple(classes["names"]), tuple(classes["category_ids"]), classes["background"])


def model_file(job: Job, step: int) -> ModelFile:
    """Return the model before *step* of the chain: the source's own file, or an artifact."""
    cell = job.cell
    if step == 0:
        source = plugins.build("sources", cell.spec["source"])
        found: ModelFile = source.open(cell.start)
        return found
    before = cell.chain[step - 1]
    main = job.artifacts[before.key]
    return ModelFile(variant=before.target, path=main, bytes=stored_bytes(main, before.key))
