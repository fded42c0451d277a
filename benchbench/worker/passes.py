"""The passes over one open session: predict, time, score."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.columns import pack_predictions, pack_samples, save_arrays
from benchbench.inputs import read_image
from benchbench.measure import accuracy, canary, latency
from benchbench.measure.accuracy import Prepared, Row
from benchbench.measure.clock import resolution_ns
from benchbench.measure.latency import Plan, Trace
from benchbench.protocols import Session
from benchbench.types import (
    Caveat,
    Cell,
    DatasetSplit,
    Feed,
    Geometry,
    Image,
    Job,
    Prediction,
    Samples,
    Scores,
)
from benchbench.worker.inputs import Feeder, class_map, noise_feed


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Real images, as they are read, as they are fed, and stacked into batches."""

    rows: list[Row]
    pixels: list[NDArray[Any]]
    prepared: list[Prepared]
    feeds: list[Feed]


class Passes:
    """The passes over one open session."""

    def __init__(
        self,
        job: Job,
        reporter: Any,
        session: Session,
        split: DatasetSplit,
        again: Callable[[], AbstractContextManager[Session]],
    ) -> None:
        self._job, self.reporter = job, reporter
        self.session, self._split, self._again = session, split, again
        self.conditions: dict[str, Any] | None = None
        """What surrounded the latency pass, once it was made."""
        self._first_ns = self._canary_ns = np.zeros(0, np.int64)
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
        self.reporter.enter("accuracy")
        predictions = accuracy.predict(
            self.session,
            self._feeder.rows(self._split.images),
            cell.batch,
            self._feeder.prepare,
            self._decode,
            self.reporter.progress,
            self._feeder.beside,
        )
        self._keep("predictions", pack_predictions(predictions, cell.task))
        return predictions

    def latency(self) -> tuple[Caveat, ...]:
        """Time the session over real inputs, then preprocessing and decoding apart."""
        settings = self.cell.spec["measure"]["latency"]
        inputs = self._real_inputs()
        trace = self._timed(
            Plan(**{k: settings[k] for k in Plan.__dataclass_fields__}), inputs.feeds
        )
        self.reporter.enter("stages", quiet=True)
        before = latency.time_each(self._preprocess, self._groups(inputs.pixels))
        after = latency.time_each(self._postprocess(inputs.prepared), self._outputs(inputs.feeds))
        decode_ns = latency.time_each(self._read, self._groups(inputs.rows))
        samples: Samples = latency.samples(trace, before, after)
        return self._traced(trace, replace(samples, decode_ns=np.array(decode_ns, np.int64)))

    def latency_alone(self, queries: int, seconds: float) -> tuple[Caveat, ...]:
        """Time the session, at least *queries* times and *seconds* long; nothing else."""
        settings = self.cell.spec["measure"]["latency"]
        plan = Plan(
            settings["warmup"],
            settings["warmup_s"],
            queries,
            seconds,
            max(settings["max_queries"], queries),
        )
        trace = self._timed(plan, self.feeds())
        return self._traced(trace, latency.samples(trace, [], []))

    def _timed(self, plan: Plan, feeds: Sequence[Feed]) -> Trace:
        self.reporter.enter("warm-up", quiet=True)
        latency.warm_up(self.session, feeds, plan)
        self.reporter.enter("latency", quiet=True)
        return latency.single_stream(self.session, feeds, plan)

    def _traced(self, trace: Trace, samples: Samples) -> tuple[Caveat, ...]:
        """Keep the trace and what surrounded it; return the doubts that it raises."""
        whole = replace(samples, first_ns=self._first_ns, canary_ns=self._canary_ns)
        self._keep("samples", pack_samples(whole))
        threads = self.cell.spec["threads"]
        self.conditions = trace.conditions(threads).model_dump(mode="json")
        return latency.caveats(trace, threads, resolution_ns(), self.cell.device)

    def first_query(self) -> None:
        """Time the first query that the process ever runs, on noise; then the canary.

        Both only where latency is asked for, and before memory is looked at: the canary needs some.
        """
        settings = self.cell.spec["measure"]["latency"]
        if settings:
            self.reporter.enter("first-query", quiet=True)
            feed = noise_feed(self.cell, self.session.inputs[0].name)
            self._first_ns = latency.first_query(self.session, feed)
            self.reporter.enter("canary", quiet=True)
            self._canary_ns = canary.run(canary.Plan(settings["canary"]))

    @contextmanager
    def streams(self, count: int) -> Iterator[list[Session]]:
        """Open as many sessions of the model as there shall be streams, the open one included."""
        with ExitStack() as stack:
            self.reporter.enter(f"open {count} sessions")
            more = [stack.enter_context(self._again()) for _ in range(count - 1)]
            yield [self.session, *more]

    def feeds(self) -> list[Feed]:
        """Return the real inputs that latency is taken with."""
        return self._real_inputs().feeds

    def warm_up(self, feeds: Sequence[Feed], session: Session | None = None) -> None:
        """Warm *session* up as the cell asks; by default the one that is open throughout."""
        settings = self._job.cell.spec["measure"]["latency"]
        plan = Plan(**{k: settings[k] for k in Plan.__dataclass_fields__})
        self.reporter.enter("warm-up", quiet=True)
        latency.warm_up(session or self.session, feeds, plan)

    @property
    def cell(self) -> Cell:
        """The cell whose model the session runs."""
        return self._job.cell

    @property
    def folder(self) -> Path:
        """The worker's own folder; what is named ``*.npz`` there is kept."""
        return self._job.folder

    def keep(self, name: str, columns: Mapping[str, NDArray[Any]]) -> None:
        """Keep raw columns under *name*."""
        self._keep(name, save_arrays(columns))

    def _real_inputs(self) -> _Inputs:
        return self._inputs(self._job.cell.spec["measure"]["latency"]["inputs"])

    def _inputs(self, count: int) -> _Inputs:
        self.reporter.enter("inputs")
        rows = self._feeder.first_rows(self._drawn(count))
        pixels = [read_image(row.image, self._contract.color) for row in rows]
        prepared = [self._prepared(*pair) for pair in zip(rows, pixels, strict=True)]
        return _Inputs(rows, pixels, prepared, self._feeds(rows, prepared))

    def score(self, predictions: dict[int, Prediction]) -> Scores:
        """Score what was predicted."""
        self.reporter.enter("score")
        metric = plugins.build("metrics", self._job.cell.spec["metric"])
        found: Scores = metric.score(self._split, predictions, self._classes)
        return found

    def _read(self, rows: Sequence[Row]) -> None:
        for row in rows:
            read_image(row.image, self._contract.color)

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
        name = self.session.inputs[0].name
        groups = zip(self._groups(rows), self._groups(prepared), strict=True)
        return [self._feeder.feed(name, *pair) for pair in groups]

    def _outputs(self, feeds: Sequence[Feed]) -> list[tuple[int, Feed]]:
        return [(i, accuracy.infer(self.session, feed)) for i, feed in enumerate(feeds)]

    def _postprocess(self, prepared: Sequence[Prepared]) -> Callable[[tuple[int, Feed]], Any]:
        groups = self._groups([geometry for _, geometry in prepared])
        return lambda item: self._decode(item[1], groups[item[0]])

    def _keep(self, name: str, data: bytes) -> None:
        Path(self._job.folder / f"{name}.npz").write_bytes(data)
