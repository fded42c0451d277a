"""Measure one cell in this process: load, prove, predict, time, score."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from benchbench import plugins
from benchbench.errors import CompiledOnly, MeterError, PlacementError
from benchbench.files import sha256_file, write_json
from benchbench.measure import memory
from benchbench.measure.parity import doubts
from benchbench.protocols import DeviceMemory
from benchbench.types import (
    ArtifactInfo,
    Caveat,
    Cell,
    DatasetSplit,
    Job,
    ModelFile,
    Placement,
)
from benchbench.worker import reference
from benchbench.worker.counting import counted
from benchbench.worker.given import score_given
from benchbench.worker.inputs import WeighedLoad, evaluation_split, model_file, request_of
from benchbench.worker.passes import Passes
from benchbench.worker.results import Measured

MOST = 0.9
"""Share of the nodes (or of their time) that must be on the device asked for."""


def measure(job: Job, reporter: Any) -> None:
    """Measure ``job.cell``; leaves ``result.json`` and arrays in the job's folder."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reporter.enter("load")
    found = score_given(job, reporter) if job.cell.start is None else _run(job, reporter)
    reporter.enter("finish")
    result = Measured(
        started=started,
        stages_s=reporter.seconds,
        arrays=tuple(sorted(path.stem for path in job.folder.glob("*.npz"))),
        **found,
    )
    write_json(job.folder / "result.json", result.model_dump(mode="json"))


def _run(job: Job, reporter: Any) -> dict[str, Any]:
    """Return what is measured of the cell's artifact in its runtime."""
    cell = job.cell
    split = evaluation_split(cell, job.cache)
    model = model_file(job, len(cell.chain))
    runtime = plugins.build("runtimes", cell.spec["runtime"])
    request = request_of(job)
    try:
        with runtime.open(model, request) as session:
            passes = Passes(job, reporter, session, split, lambda: runtime.open(model, request))
            measured = _measured(job, reporter, passes, split)
    except CompiledOnly as only:
        measured = _compiled(only)
    reporter.enter("count")
    return measured | {
        "artifact": artifact_info(cell, model),
        "images": len(split.images),
        "complexity": counted(job).model_dump(mode="json"),
    }


def _compiled(only: CompiledOnly) -> dict[str, Any]:
    """Return what is known of an artifact that nothing here can run."""
    caveat = Caveat(code="compiled_only", figures={"reason": only.message})
    return {"status": "compiled", "placement": only.placement, "caveats": (caveat,)}


def _measured(job: Job, reporter: Any, passes: Passes, split: DatasetSplit) -> dict[str, Any]:
    """Prove, compare, predict, time and score."""
    cell, session = job.cell, passes.session
    peaks = {"load": memory.peak_bytes()}
    passes.first_query()
    reporter.enter("placement")
    placement: Placement = session.placement()
    caveats = list(check_placement(cell, placement))
    reporter.enter("parity")
    parity = reference.compare(job, session, split)
    caveats += doubts(parity, placement.precision) if parity else ()
    memory.reset_peak()  # after the proof, which may open the model a second time
    predictions = passes.accuracy() if cell.spec["measure"]["accuracy"] else None
    if cell.provides:
        reporter.enter("outputs")
        reference.keep_own(job, session, split)
    if cell.spec["measure"]["latency"]:
        caveats += passes.latency()
    peaks["inference"] = memory.peak_bytes()
    peaks["device"] = device_bytes(cell.device)
    return {
        "status": "measured",
        "placement": placement,
        "parity": parity,
        "scores": passes.score(predictions) if predictions is not None else None,
        "conditions": passes.conditions,
        "memory": {name: value for name, value in peaks.items() if value is not None},
        "caveats": tuple(caveats),
    }


def device_bytes(device: str) -> int | None:
    """Return the memory of *device* that this process holds, by the first meter that can tell."""
    for name in plugins.names("meters"):
        if isinstance(plugins.load("meters", name), DeviceMemory):
            meter = plugins.build("meters", {"kind": name})
            with contextlib.suppress(MeterError):
                if meter.absent(device) is None:
                    return int(meter.memory_bytes(device))
    return None


def check_placement(cell: Cell, placement: Placement) -> tuple[Caveat, ...]:
    """Raise PlacementError if another precision, device or provider ran than was asked for.

    What the suite admits by name becomes a caveat.
    """
    caveats = []
    for what, wanted, got, share in _asked(placement):
        if wanted == got:
            continue
        figures: dict[str, float | int | str] = {"requested": wanted, "effective": got}
        if share is not None:
            figures["share"] = share
        if got not in cell.spec["admit"].get(wanted, ()):
            part = "" if share is None else f"; {share:.0%} of the work as asked"
            raise PlacementError(
                f"asked for {wanted}, ran in {got} ({placement.source}{part})",
                hint=f"to admit it: runtimes: - admit: {{{wanted}: [{got}]}}",
            )
        caveats.append(Caveat(code=f"{what}_admitted", figures=figures))
    if placement.evidence == "proxy":
        caveats.append(Caveat(code="proxy", figures={"source": placement.source}))
    if not placement.coverage:
        caveats.append(Caveat(code="unproved", figures={"source": placement.source}))
    return tuple(caveats)


def _asked(placement: Placement) -> Iterator[tuple[str, str, str, float | None]]:
    """Yield (what, requested, effective, share as requested) of device, provider and precision."""
    on_device, one = placement.on_device.best, placement
    whole = on_device is None or on_device >= MOST
    device = one.device if whole or one.device != one.requested_device else "mixed"
    yield "device", one.requested_device, device, on_device
    yield "provider", one.requested_provider, one.provider, on_device
    yield "precision", one.requested_precision, one.precision, one.in_precision.best


def artifact_info(cell: Cell, model: ModelFile) -> ArtifactInfo:
    """Return what identifies the file that was measured; the parent adds how it was built."""
    chain = tuple(str(step.conversion["kind"]) for step in cell.chain)
    digest = model.sha256 or (sha256_file(model.path) if model.path else "")
    size = model.bytes or (model.load.bytes if isinstance(model.load, WeighedLoad) else None)
    return ArtifactInfo(variant=model.variant, sha256=digest, bytes=size, chain=chain)
