"""Builds int8 artifacts, and ranks the layers that cost them most."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.artifacts import ArtifactCache
from benchbench.errors import ConversionError, UsageError
from benchbench.files import make_folder, store_errors, write_json
from benchbench.protocols import Layered
from benchbench.running import Runner
from benchbench.store import PlannedCell
from benchbench.types import Cell, Failure, Record
from benchbench.worker.sensitivity import Sensitivity


class Quantized(Record):
    """An int8 artifact."""

    model: str
    runtime: str
    variant: str
    file: str
    bytes: int
    facts: dict[str, Any] = {}
    """What the conversions of the chain recorded, by conversion."""
    failure: Failure | None = None


class Ranking(Record):
    """The layers of one int8 artifact, costliest first."""

    model: str
    runtime: str
    sensitivity: Sensitivity | None = None
    failure: Failure | None = None


def quantizing(cells: Iterable[PlannedCell], models: Sequence[str]) -> list[Cell]:
    """Return one cell for each artifact that a chain of the plan quantizes; of *models* if given.

    Raises :class:`~benchbench.errors.UsageError` if there is none.
    """
    found: dict[str, Cell] = {}
    known: list[str] = []
    for planned in cells:
        cell = planned.cell
        known.append(cell.model)
        if planned.not_run is None and _quantizes(cell) and (not models or cell.model in models):
            found.setdefault(cell.chain[-1].key, cell)
    unknown = next((model for model in models if model not in known), None)
    if unknown is not None:
        raise UsageError(f"no model '{unknown}' in the suite", hint=plugins.suggest(unknown, known))
    if not found:
        raise UsageError(
            "no cell of the suite quantizes a model here",
            hint="give a runtime 'precisions: [int8]'; benchbench plan tells what cannot be run",
        )
    return list(found.values())


def _quantizes(cell: Cell) -> bool:
    return any(
        step.target.precision.startswith("int8") and not step.source.precision.startswith("int8")
        for step in cell.chain
    )


def quantized(runner: Runner, cell: Cell, out: Path | None) -> Quantized:
    """Build the artifact of *cell*; copy its files to a folder below *out* if given."""
    named = {"model": cell.model, "runtime": cell.runtime, "variant": str(cell.chain[-1].target)}
    built = runner.built(cell)
    if isinstance(built, Failure):
        return Quantized(**named, file="", bytes=0, failure=built)
    artifact, facts = built
    main = artifact.main
    if out is not None:
        key = cell.chain[-1].key
        root = ArtifactCache(runner.cache).root / key
        folder = out / f"{cell.model}-{cell.runtime}-{cell.precision}"
        with store_errors(folder):
            make_folder(out)
            shutil.copytree(
                root, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("artifact.json")
            )
        write_json(folder / "how.json", facts)
        main = folder / main.relative_to(root)
    return Quantized(**named, file=str(main), bytes=artifact.bytes, facts=facts)


def layered(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with a conversion that can be limited to layers; raise if none has one."""
    found = [cell for cell in cells if _step(cell) is not None]
    if not found:
        kinds = sorted({str(step.conversion["kind"]) for cell in cells for step in cell.chain})
        raise UsageError(
            f"none of the suite's conversions ({', '.join(kinds)}) can be limited to single layers",
            hint="onnx-int8 can: give the runtime 'onnxruntime' the precision int8",
        )
    return found


def _step(cell: Cell) -> int | None:
    """Return the number of the quantizing step that can be limited to layers."""
    for number, step in enumerate(cell.chain):
        if isinstance(plugins.build("conversions", step.conversion), Layered):
            return number
    return None


def rank(runner: Runner, cell: Cell, images: int) -> Ranking:
    """Return what quantizing each layer alone costs, on *images* calibration images."""
    step = _step(cell)
    if step is None:
        raise ConversionError(f"no step of {cell.label} can be limited to layers")
    made = runner.sensitivity(cell, images, step)
    if isinstance(made, Failure):
        return Ranking(model=cell.model, runtime=cell.runtime, failure=made)
    found = Sensitivity.model_validate_json(made.read_bytes())
    return Ranking(model=cell.model, runtime=cell.runtime, sensitivity=found)
