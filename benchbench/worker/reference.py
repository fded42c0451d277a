"""The fp32 outputs that artifacts are compared with, and the comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.columns import save_arrays
from benchbench.errors import DecoderMismatch
from benchbench.files import make_folder, write_json
from benchbench.measure import accuracy, parity
from benchbench.protocols import Session
from benchbench.types import (
    Cell,
    DatasetSplit,
    Feed,
    Geometry,
    Job,
    Parity,
    Prediction,
    Request,
)
from benchbench.worker.inputs import (
    Feeder,
    class_map,
    evaluation_split,
    input_shape,
    model_file,
    request_of,
)
from benchbench.worker.results import REFERENCE_FILE


def build_reference(job: Job, reporter: Any) -> None:
    """Run the source at fp32; leaves ``artifact/outputs.npz`` and ``result.json``."""
    cell, reference = job.cell, job.cell.reference
    assert reference is not None
    reporter.enter("reference")
    model = plugins.build("sources", cell.spec["source"]).open(reference.start)
    runtime = plugins.build("runtimes", reference.runtime)
    request = Request("fp32", "cpu", cell.spec["threads"], input_shape(cell))
    _keep(job, runtime.open(model, request), reference.images)


def build_outputs(job: Job, reporter: Any) -> None:
    """Run the cell's own artifact on ``job.images``; leaves what the reference leaves."""
    cell = job.cell
    assert job.images is not None
    reporter.enter("outputs")
    model = model_file(job, len(cell.chain))
    runtime = plugins.build("runtimes", cell.spec["runtime"])
    _keep(job, runtime.open(model, request_of(job)), job.images)


def keep_own(job: Job, session: Session, split: DatasetSplit) -> None:
    """Leave what :func:`build_reference` would leave: the cell is the source itself."""
    assert job.cell.provides is not None
    _write(job, session, split, job.cell.provides.images)


def _write(job: Job, session: Session, split: DatasetSplit, images: int) -> None:
    fed = batches(job.cell, split, session, images)
    outputs = [accuracy.infer(session, feed) for feed, _ in fed]
    folder = make_folder(job.folder / "artifact")
    (folder / REFERENCE_FILE).write_bytes(_packed(outputs))


def _keep(job: Job, opened: AbstractContextManager[Session], images: int) -> None:
    split = evaluation_split(job.cell, job.cache)
    with opened as session:
        _write(job, session, split, images)
    facts = {"kind": job.kind, "images": images}
    write_json(job.folder / "result.json", {"main": REFERENCE_FILE, "facts": facts})


def batches(
    cell: Cell, split: DatasetSplit, session: Session, count: int
) -> list[tuple[Feed, list[Geometry]]]:
    """Return the first *count* images of the split, as the session takes them.

    Of an image with several rows of prompts the first.
    """
    name, feeder = session.inputs[0].name, Feeder(cell, split)
    feeder.check(session)
    images = sorted(split.images, key=lambda image: image.id)[:count]
    found: list[tuple[Feed, list[Geometry]]] = []
    for group in accuracy.batches(feeder.first_rows(images), cell.batch):
        ready = [feeder.prepare(row, plain=True) for row in group]
        found.append((feeder.feed(name, group, ready), [geometry for _, geometry in ready]))
    return found


def compare(job: Job, session: Session, split: DatasetSplit) -> Parity | None:
    """Return how far *session* is from its source; None if the cell asks for no comparison."""
    cell = job.cell
    reference = cell.reference
    if reference is None:
        return None
    told = f"{reference.start} in {reference.runtime['kind']}"
    stored = job.artifacts.get(reference.key)
    if stored is None:
        reason = "the source could not be run at fp32 here"
        return Parity(reference=told, images=0, reason=reason)
    want = unpack_outputs(stored)
    fed = batches(cell, split, session, reference.images)
    got = [accuracy.infer(session, feed) for feed, _ in fed]
    errors = parity.compare(want, got)
    if isinstance(errors, str):
        return Parity(reference=told, images=reference.images, reason=errors)
    decode = partial(_decoded, cell, [geometries for _, geometries in fed])
    found = parity.agreement(decode(want), decode(got))
    return Parity(reference=told, images=reference.images, outputs=errors, agreement=found)


def _decoded(
    cell: Cell, geometries: Sequence[Sequence[Geometry]], outputs: Sequence[Feed]
) -> list[Prediction]:
    """Return the predictions of all batches; none where the decoder does not fit: it says so."""
    decoder = plugins.build("decoders", cell.spec["decoder"])
    found: list[Prediction] = []
    for feed, where in zip(outputs, geometries, strict=True):
        try:
            found += decoder.decode(feed, where, class_map(cell))
        except DecoderMismatch:
            return []
    return found


def _packed(outputs: Sequence[Feed]) -> bytes:
    """Return batches of outputs as a compressed ``.npz``; names may be anything, keys are not."""
    names = list(outputs[0]) if outputs else []
    arrays: dict[str, NDArray[Any]] = {
        f"{batch}.{index}": np.asarray(array)
        for batch, feed in enumerate(outputs)
        for index, array in enumerate(feed.values())
    }
    return save_arrays({"names": np.array(json.dumps(names)), **arrays})


def unpack_outputs(path: Path) -> list[Feed]:
    """Return the outputs of each batch that a worker left."""
    with np.load(path, allow_pickle=False) as file:
        names = json.loads(str(file["names"]))
        count = len({key.partition(".")[0] for key in file.files if key != "names"})
        return [
            {name: file[f"{batch}.{index}"] for index, name in enumerate(names)}
            for batch in range(count)
        ]
