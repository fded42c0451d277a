"""What quantizing each layer alone costs, and which exclusions bring it back.

Everything is measured on calibration images: choosing exclusions by what is evaluated would be
tuning on the test set.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.contents import limited
from benchbench.errors import ConversionError
from benchbench.files import make_folder, write_json
from benchbench.measure import accuracy, parity
from benchbench.protocols import Layered
from benchbench.types import (
    ConversionJob,
    Feed,
    Geometry,
    Job,
    ModelFile,
    Prediction,
    Record,
    Variant,
)
from benchbench.worker.build import check_inputs
from benchbench.worker.inputs import (
    calibration_split,
    class_map,
    contract,
    feeds,
    input_shape,
    model_file,
    prepare,
    request_of,
)

MOST = 5
"""At most this many layers are proposed for exclusion."""
ENOUGH_POINTS = 0.1
"""A proposal that comes this near to float is enough …"""
ENOUGH_SHARE = 0.2
"""… and so is one that leaves this share of the loss."""


class Cost(Record):
    """What an artifact loses against float, on the calibration images."""

    points: float | None
    """100 × (metric − metric in float): below 0 is lost; None without annotations."""
    snr_db: float | None
    """Signal-to-noise ratio of the worst output; None if there is no difference."""


class LayerCost(Cost):
    """What quantizing one layer alone costs."""

    layer: str


class Proposal(Cost):
    """What is left of the loss when these layers stay in float."""

    exclude: tuple[str, ...]


class Sensitivity(Record):
    """``sensitivity.json``."""

    conversion: str
    metric: str | None
    float_score: float | None
    quantized: Cost
    layers: tuple[LayerCost, ...]
    """Costliest first."""
    proposals: tuple[Proposal, ...]
    """The first layers in float, one more each time."""
    chosen: int | None
    """Index of the proposal that is enough; None if none helps."""
    images: int
    faults: dict[str, str] = {}
    """Layer → why it could not be quantized alone."""


def build_ranking(job: Job, reporter: Any) -> None:
    """Rank the layers of the chain's step ``job.step``; leaves ``artifact/sensitivity.json``."""
    reporter.enter("load")
    bench = _Bench(job)
    reporter.enter("layers")
    names = bench.conversion.layers(bench.model)
    whole = bench.cost(bench.conversion)
    costs, faults = _each(bench, names, reporter)
    ranked = sorted(costs, key=_rank)
    reporter.enter("exclusions")
    proposals = _proposals(bench, ranked, reporter)
    found = Sensitivity(
        conversion=str(job.cell.chain[bench.step].conversion["kind"]),
        metric=bench.metric_name,
        float_score=bench.float_score,
        quantized=whole,
        layers=tuple(ranked),
        proposals=proposals,
        chosen=_enough(whole, proposals),
        images=len(bench.split.images),
        faults=faults,
    )
    folder = make_folder(job.folder / "artifact")
    write_json(folder / "sensitivity.json", found.model_dump(mode="json"))
    facts = {"kind": job.kind, "images": found.images}
    write_json(job.folder / "result.json", {"main": "sensitivity.json", "facts": facts})


def _each(
    bench: _Bench, names: Sequence[str], reporter: Any
) -> tuple[list[LayerCost], dict[str, str]]:
    costs, faults = [], {}
    for number, name in enumerate(names):
        try:
            cost = bench.cost(bench.conversion.only(bench.model, [name]))
        except ConversionError as error:
            faults[name] = error.message
        else:
            costs.append(LayerCost(layer=name, points=cost.points, snr_db=cost.snr_db))
        reporter.progress(number + 1, len(names))
    return costs, faults


def _proposals(bench: _Bench, ranked: Sequence[LayerCost], reporter: Any) -> tuple[Proposal, ...]:
    found: list[Proposal] = []
    most = min(MOST, len(ranked) - 1)
    for count in range(1, most + 1):
        left = tuple(glob.escape(cost.layer) for cost in ranked[:count])
        cost = bench.cost(bench.without(left))
        found.append(Proposal(exclude=left, points=cost.points, snr_db=cost.snr_db))
        reporter.progress(count, most)
    return tuple(found)


def _rank(cost: LayerCost) -> tuple[float, float]:
    """Order by points lost, to a tenth, then by noise."""
    points = 0.0 if cost.points is None else round(cost.points, 1)
    return points, float("inf") if cost.snr_db is None else cost.snr_db


def _enough(whole: Cost, proposals: Sequence[Proposal]) -> int | None:
    """Return the first proposal that loses little enough; by noise alone, none can be named."""
    if whole.points is None or whole.points > -ENOUGH_POINTS:
        return None
    limit = min(-ENOUGH_POINTS, ENOUGH_SHARE * whole.points)
    for index, one in enumerate(proposals):
        if one.points is not None and one.points >= limit:
            return index
    return None


class _Bench:
    """The model in float, and what is needed to try a quantized form of it."""

    def __init__(self, job: Job) -> None:
        assert job.step is not None
        assert job.images is not None
        self._job, self.step = job, job.step
        self.model = model_file(job, self.step)
        conversion = plugins.build("conversions", job.cell.chain[self.step].conversion)
        assert isinstance(conversion, Layered)
        check_inputs(conversion, contract(job.cell))
        self.conversion = conversion
        everything = calibration_split(job.cell, job.cache)
        self._calibration = everything
        self.split = limited(everything, job.images)
        self._decoder = plugins.build("decoders", job.cell.spec["decoder"])
        self._metric = plugins.build("metrics", job.cell.spec["metric"])
        self.metric_name: str | None = None
        self._runtime = plugins.build("runtimes", job.cell.spec["runtime"])
        self._fed: list[tuple[Any, list[Geometry]]] = self._prepared()
        self._want = self._run(self._float_model(), "fp32")
        self.float_score = self._score(self._want)

    def without(self, layers: tuple[str, ...]) -> Any:
        """Return the conversion with *layers* (globs) left in float too."""
        record: Any = self.conversion
        return record.model_copy(update={"exclude": (*record.exclude, *layers)})

    def cost(self, conversion: Any) -> Cost:
        """Convert the model so, run it, and compare it with float."""
        job = self._job
        declared = contract(job.cell)
        target = job.cell.chain[self.step].target
        with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
            path = conversion.convert(
                self.model,
                ConversionJob(
                    folder=Path(scratch),
                    input=input_shape(job.cell),
                    feeds=partial(feeds, declared, self._calibration),
                    seed=(job.cell.spec["calibration"] or {}).get("seed", 0),
                    log=lambda _: None,
                    target=target,
                    threads=job.cell.spec["threads"],
                ),
            )
            got = self._run(ModelFile(variant=target, path=path), job.cell.precision)
        errors = parity.compare(self._want, got)
        snrs = [e.snr_db for e in errors if not isinstance(e, str) and e.snr_db is not None]
        score = self._score(got)
        points = None
        if score is not None and self.float_score is not None:
            points = 100 * (score - self.float_score)
        return Cost(points=points, snr_db=min(snrs) if snrs else None)

    def _float_model(self) -> ModelFile:
        """Return the last file of the chain that the runtime runs in float."""
        wanted: Sequence[Variant] = self._runtime.accepts("fp32", self._job.cell.device)
        for step in range(self.step, -1, -1):
            found = model_file(self._job, step)
            if found.variant in wanted:
                return found
        raise ConversionError(
            f"{self._job.cell.runtime} runs no file of the chain at fp32: there is no float to "
            "compare with",
            hint="give the suite a runtime that also takes the file before quantization",
        )

    def _prepared(self) -> list[tuple[Any, list[Geometry]]]:
        declared, batch = contract(self._job.cell), self._job.cell.batch
        found = []
        for group in accuracy.batches(self.split.images, batch):
            ready = [prepare(declared, image) for image in group]
            geometries = [geometry for _, geometry in ready]
            found.append((accuracy.stack(ready, batch), geometries))
        return found

    def _run(self, model: ModelFile, precision: Any) -> list[Feed]:
        request = replace(request_of(self._job), precision=precision)
        with self._runtime.open(model, request) as session:
            name = session.inputs[0].name
            return [accuracy.infer(session, {name: array}) for array, _ in self._fed]

    def _score(self, outputs: Sequence[Feed]) -> float | None:
        """Return the primary metric; None if the calibration images are not annotated."""
        if not self.split.annotations:
            return None
        classes = class_map(self._job.cell)
        found: dict[int, Prediction] = {}
        images = iter(self.split.images)
        for feed, (_, geometries) in zip(outputs, self._fed, strict=True):
            for one in self._decoder.decode(feed, geometries, classes):
                found[next(images).id] = one
        scores = self._metric.score(self.split, found, classes)
        self.metric_name = scores.primary
        value: float | None = scores.metrics[scores.primary]
        return value
