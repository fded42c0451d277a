"""A cell of a model that is run: its id, and all that a worker needs."""

from __future__ import annotations

from typing import Any

from benchbench.plan.chain import by_content, chain
from benchbench.plan.known import Known
from benchbench.plan.matrix import Combination
from benchbench.plan.parts import Parts, parts_of
from benchbench.plan.reference import reference
from benchbench.plan.specs import MEASURED, cell_spec
from benchbench.plan.versions import Versions, installed
from benchbench.store import PlannedCell
from benchbench.suite.model import ModelEntry
from benchbench.types import RESULT_SCHEMA, Cell, Reference, Step, digest

_ELSEWHERE = ("source", "dataset", "measure", "images")
"""Options whose content enters the identity in another way, without folders and time limits."""


def made_cell(known: Known, at: Combination, model: ModelEntry) -> tuple[PlannedCell, int]:
    """Return the cell of one combination and its number of images, or raise SuiteError."""
    parts = parts_of(known, at, model)
    spec = cell_spec(known, parts)
    versions, lacking = installed(known, parts)
    steps = chain(known, parts, spec, versions)
    compared, provides = reference(known, parts, spec, versions)
    cell = Cell(
        id=digest(_identity(parts, spec, steps, compared, versions))[:16],
        model=model.name,
        runtime=at.runtime_name,
        precision=at.precision,
        device=at.device,
        batch=at.batch,
        dataset=at.dataset.name,
        split=at.dataset.split,
        task=parts.data.task,
        spec=spec,
        start=parts.route.start,
        chain=steps,
        reference=compared,
        provides=provides,
        protocol=_protocol(known, parts, spec),
        versions=versions.cell,
    )
    return PlannedCell(cell=cell, not_run=lacking), len(parts.data.split.images)


def _identity(
    parts: Parts,
    spec: dict[str, Any],
    steps: tuple[Step, ...],
    compared: Reference | None,
    versions: Versions,
) -> dict[str, Any]:
    """Return what the cell's result depends on."""
    return {
        **{k: v for k, v in spec.items() if k not in _ELSEWHERE},
        "input": by_content(spec["input"]),
        "schema": RESULT_SCHEMA,
        "names": parts.at.names,
        "batch": parts.at.batch,
        "measure": {k: v for k, v in spec["measure"].items() if k in MEASURED},
        "source": parts.source.fingerprint,
        "start": steps[0].key if steps else str(parts.source.variants[0]),
        "dataset": parts.data.contents.digest,
        "chain": [step.key for step in steps],
        "versions": {**versions.cell, **versions.source},
        "reference": compared.key if compared else None,
    }


def _protocol(known: Known, parts: Parts, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what reports say of how the cell is measured."""
    model, corrupt = parts.model, parts.at.dataset.corrupt
    timed = spec["measure"]["latency"]
    return {
        "preprocessing": known.of(model.input, _described),
        "decoder": {"kind": model.decoder.kind, **known.of(model.decoder, _described)},
        **({"corruption": _described(corrupt)} if corrupt else {}),
        "dataset": parts.data.card(),
        "model": {"kind": model.source.kind, **parts.source.fingerprint},
        "latency": {"scenario": "single stream"} | timed if timed else {},
        "threads": spec["threads"],
        "affinity": spec["affinity"],
    }


def _described(plugin: Any) -> dict[str, Any]:
    return dict(plugin.describe())
