"""Measure one cell in this process: load, prove, predict, time, score."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchbench import plugins
from benchbench.columns import pack_predictions, pack_samples
from benchbench.errors import CompiledOnly, PlacementError
from benchbench.files import sha256_file, write_json
from benchbench.inputs import read_image
from benchbench.measure import accuracy, latency, memory
from benchbench.measure.accuracy import Prepared, Row
from benchbench.measure.clock import resolution_ns
from benchbench.measure.parity import doubts
from benchbench.protocols import Session
from benchbench.types import (
    ArtifactInfo,
    Caveat,
    Cell,
    DatasetSplit,
    Feed,
    Geometry,
    Image,
    Job,
    ModelFile,
    Placement,
    Prediction,
    Scores,
)
from benchbench.worker import reference
from benchbench.worker.given import score_given
from benchbench.worker.inputs import (
    Feeder,
    class_map,
    evaluation_split,
    model_file,
    request_of,
)
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
    try:
        with runtime.open(model, request_of(job)) as session:
            measured = _measured(job, reporter, session, split)
    except CompiledOnly as only:
        measured = _compiled(only)
    return measured | {"artifact": artifact_info(cell, model), "images": len(split.images)}


def _compiled(only: CompiledOnly) -> dict[str, Any]:
    """Return what is known of an artifact that nothing here can run."""
    caveat = Caveat(code="compiled_only", figures={"reason": only.message})
    return {"status": "compiled", "placement": only.placement, "caveats": (caveat,)}


def _measured(job: Job, reporter: Any, session: Session, split: DatasetSplit) -> dict[str, Any]:
    """Prove, compare, predict, time and score."""
    cell = job.cell
    peaks = {"load": memory.peak_bytes()}
    reporter.enter("placement")
    placement: Placement = session.placement()
    caveats = list(check_placement(cell, placement))
    reporter.enter("parity")
    parity = reference.compare(job, session, split)
    caveats += doubts(parity, placement.precision) if parity else ()
    memory.reset_peak()  # after the proof, which may open the model a second time
    passes = _Passes(job, reporter, session, split)
    predictions = passes.accuracy() if cell.spec["measure"]["accuracy"] else None
    if cell.provides:
        reporter.enter("outputs")
        reference.keep_own(job, session, split)
    if cell.spec["measure"]["latency"]:
        caveats += passes.latency()
    peaks["inference"] = memory.peak_bytes()
    return {
        "status": "measured",
        "placement": placement,
        "parity": parity,
        "scores": passes.score(predictions) if predictions is not None else None,
        "memory": {name: value for name, value in peaks.items() if value is not None},
        "caveats": tuple(caveats),
    }


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
    return ArtifactInfo(variant=model.variant, sha256=digest, bytes=model.bytes, chain=chain)


class _Passes:
    """The passes over one open session."""

    def __init__(self, job: Job, reporter: Any, session: Session, split: DatasetSplit) -> None:
        self._job, self._reporter = job, reporter
        self._session, self._split = session, split
        self._feeder = Feeder(job.cell, split)
        self._contract = self._feeder.contract
        self._classes = class_map(job.cell)
        self._decoder = plugins.build("decoders", job.cell.spec["decoder"])
        self._feeder.check(session)

    def _decode(self, outputs: Feed, geometries: Sequence[Geometry]) -> list[Prediction]:
        found: list[Prediction] = self._decoder.decode(outputs, geometries, self._classes)
        return found

    def accuracy(self) -> dict[int, Prediction]:
        """Predict every image of the split and keep the predictions."""
        cell = self._job.cell
        self._reporter.enter("accuracy")
        predictions = accuracy.predict(
            self._session,
            self._feeder.rows(self._split.images),
            cell.batch,
            self._feeder.prepare,
            self._decode,
            self._reporter.progress,
            self._feeder.beside,
        )
        self._keep("predictions", pack_predictions(predictions, cell.task))
        return predictions

    def latency(self) -> tuple[Caveat, ...]:
        """Time the session over real inputs, then preprocessing and decoding apart."""
        cell, settings = self._job.cell, self._job.cell.spec["measure"]["latency"]
        self._reporter.enter("inputs")
        rows = self._feeder.first_rows(self._drawn(settings["inputs"]))
        pixels = [read_image(row.image, self._contract.color) for row in rows]
        prepared = [self._prepared(*pair) for pair in zip(rows, pixels, strict=True)]
        feeds = self._feeds(rows, prepared)
        plan = latency.Plan(**{k: settings[k] for k in latency.Plan.__dataclass_fields__})
        self._reporter.enter("warm-up", quiet=True)
        latency.warm_up(self._session, feeds, plan)
        self._reporter.enter("latency", quiet=True)
        trace = latency.single_stream(self._session, feeds, plan)
        self._reporter.enter("stages", quiet=True)
        before = latency.time_each(self._preprocess, self._groups(pixels))
        after = latency.time_each(self._postprocess(prepared), self._outputs(feeds))
        self._keep("samples", pack_samples(latency.samples(trace, before, after)))
        return latency.caveats(trace, cell.spec["threads"], resolution_ns())

    def score(self, predictions: dict[int, Prediction]) -> Scores:
        """Score what was predicted."""
        self._reporter.enter("score")
        metric = plugins.build("metrics", self._job.cell.spec["metric"])
        found: Scores = metric.score(self._split, predictions, self._classes)
        return found

    def _preprocess(self, pixels: Sequence[NDArray[Any]]) -> None:
        for image in pixels:
            self._contract.prepare(image)

    def _groups(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        batch = self._job.cell.batch
        return [items[start : start + batch] for start in range(0, len(items), batch)]

    def _drawn(self, count: int) -> list[Image]:
        images = list(self._split.images)
        random.Random(0).shuffle(images)  # noqa: S311 - a sample, not a secret
        return images[:count]

    def _prepared(self, row: Row, pixels: NDArray[Any]) -> Prepared:
        array, geometry = self._contract.prepare(pixels)
        return array, self._feeder.prompted(geometry, row)

    def _feeds(self, rows: Sequence[Row], prepared: Sequence[Prepared]) -> list[Feed]:
        name = self._session.inputs[0].name
        groups = zip(self._groups(rows), self._groups(prepared), strict=True)
        return [self._feeder.feed(name, *pair) for pair in groups]

    def _outputs(self, feeds: Sequence[Feed]) -> list[tuple[int, Feed]]:
        return [(i, accuracy.infer(self._session, feed)) for i, feed in enumerate(feeds)]

    def _postprocess(self, prepared: Sequence[Prepared]) -> Callable[[tuple[int, Feed]], Any]:
        groups = self._groups([geometry for _, geometry in prepared])
        return lambda item: self._decode(item[1], groups[item[0]])

    def _keep(self, name: str, data: bytes) -> None:
        Path(self._job.folder / f"{name}.npz").write_bytes(data)
