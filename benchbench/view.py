"""A run as reports and machines see it: derived from stored results, on reading.

``benchbench show --json`` prints :meth:`RunView.document`; ``docs/results.md`` describes it.
"""

from __future__ import annotations

from typing import Any, Literal

from benchbench.conditions_view import Cause, ChangesView, ConditionsView, SoakView
from benchbench.definitions_view import Complexity, LatencyFigure, LoadGenSummary
from benchbench.energy_view import EnergyView
from benchbench.gallery_view import GalleryItem
from benchbench.gate_view import GateView
from benchbench.history_view import HistoryView
from benchbench.load_view import CamerasView, MultiStreamView, OfflineView, ServerView
from benchbench.turns_view import ProcessesView, TurnsView
from benchbench.types import (
    ArtifactInfo,
    AskedPrecision,
    Caveat,
    Curve,
    DatasetCard,
    Failure,
    Matrix,
    Parity,
    Placement,
    Record,
    Status,
    TakeKind,
    TaskName,
)

Method = Literal["normal", "percentile"]
Verdict = Literal["better", "worse", "equivalent", "inconclusive"]
VIEW_SCHEMA = 1
"""Number of the ``show --json`` document; raised when a key changes its meaning or goes."""


class LatencyView(Record):
    """Statistics of one latency pass. A percentile is None where the sample is too small."""

    queries: int
    effective_queries: float
    """Queries divided by the integrated autocorrelation time."""
    mean_ms: float
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    withheld: dict[str, str] = {}
    """Percentile → why it is None."""
    intervals_ms: dict[str, tuple[float, float]] = {}
    """Percentile → 95 % interval within this process, at the effective number of queries."""
    throughput_ips: float
    """Images a second over the whole single-stream pass."""
    stages_ms: dict[str, float | None]
    """Median of each stage: decode (of the image file), preprocess, upload, run, download,
    postprocess."""
    quantiles_ms: tuple[float, ...] = ()
    """101 evenly spaced sample quantiles (0 %, 1 %, … 100 %), for drawing."""
    trace_ms: tuple[float, ...] = ()
    """At most 300 medians of consecutive queries in time order, for drawing."""


class Speedup(Record):
    """How many times as fast a cell is as the fp32 cell that differs from it in nothing else."""

    against: str
    """Id of the fp32 cell."""
    ratio: float
    """Median latency of the fp32 cell over this one's: above 1, this one is faster."""
    low: float
    high: float
    """Interval of joint confidence of at least 95 %."""
    method: str
    rounds: int | None = None
    """Rounds of fresh processes that it rests on; None for one process each."""
    cause: Cause | None = None
    """What the canary that ran beside both says of the difference: ``code``, ``runner`` (the
    machine changed as much) or ``unclear``; None where no canary was run."""


class Interval(Record):
    """A figure with its standard error and interval, or why it has none."""

    value: float | None
    """On all images."""
    se: float | None = None
    """Standard error: standard deviation over the draws."""
    low: float | None = None
    high: float | None = None
    """Not cut at 0 or 1."""
    level: float
    """Confidence, 0..1."""
    method: Method = "normal"
    """``normal``: value ± z·SE; ``percentile``: quantiles of the draws (differences only)."""
    scope: str = "at this n"
    """What the interval is of: the metric's expectation over sets of as many images as these."""
    p: float | None = None
    """Two-sided p-value of no difference; None for a single figure."""
    images: int
    replicates: int
    seed: int
    reason: str | None = None
    """Why there is no interval, where there is none."""


class Comparison(Record):
    """Cell *b* against cell *a* on the same images, by one metric."""

    a: str
    b: str
    metric: str
    subject: str | None = None
    """The class or slice that it is about; None for the whole dataset."""
    difference: float | None
    """b - a on all images."""
    se: float | None
    low: float | None
    high: float | None
    """Interval of this difference alone, at *level*, not corrected for a family."""
    level: float
    method: Method
    p: float | None
    """Two-sided, of no difference."""
    p_adjusted: float | None
    """*p* after Holm's correction over *family*; the verdict rests on it."""
    family: int = 1
    """How many comparisons with a p-value were asked together."""
    verdict: Verdict
    """What is said of *b*."""
    margin: float | None = None
    """Largest difference that counts as none, where equivalence was asked for."""
    higher_is_better: bool = True
    images: int
    replicates: int
    reason: str | None = None
    """Why there is no interval, where there is none."""


class SliceView(Record):
    """The primary metric on a part of the dataset."""

    name: str
    """Such as ``brightness: dark``."""
    group: str
    """What the slices that belong together are cut by: ``brightness``, ``size``, an attribute."""
    definition: str
    """The rule, with its bounds in numbers."""
    of: Literal["images", "objects"]
    """Whether images were chosen, or objects (others are then ignored, not missed)."""
    images: int
    """Images that are in it, or that hold an object that is."""
    objects: int
    """Annotated objects in it, crowds left out."""
    interval: Interval
    comparison: Comparison | None = None
    """Against fp32 on the same slice, corrected over all slices of the cell."""


class ColdStart(Record):
    """From nothing to the first result, in one fresh process."""

    load_s: float | None
    """Libraries, annotations and the model, until its session is open."""
    first_ms: float | None
    """The very first query, upload to download."""
    reason: str | None = None
    """Why a figure is None."""


class Cost(Record):
    """What a million frames cost at a throughput that was measured."""

    per_million: float
    currency: str
    """ISO 4217."""
    images_per_s: float
    basis: Literal["offline", "cameras", "single stream"]
    """What the throughput was measured with."""
    per_hour: float
    """The price that the suite gives for an hour of the device."""
    source: str = ""
    """Where that price is from."""


class Untaken(Record):
    """Something that was to be taken of a cell and failed."""

    kind: TakeKind
    number: int
    against: str | None = None
    """Of a pair: id of the baseline's cell."""
    failure: Failure


class CellView(Record):
    """One cell: what was asked, what ran, what came of it."""

    id: str
    label: str
    model: str
    runtime: str
    precision: AskedPrecision
    device: str
    batch: int
    dataset: str
    split: str
    task: TaskName
    status: Status
    metrics: dict[str, float | None] = {}
    """Accuracy by name, and ``coverage.precision`` and ``coverage.device``: fractions of 1."""
    primary: str | None = None
    """Name of the metric to plot, a key of ``metrics``."""
    per_class: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, str] = {}
    intervals: dict[str, Interval] = {}
    """Metric → how far it would move with other images; none for coverage."""
    comparison: Comparison | None = None
    """The primary metric against fp32 of the same model on the same images, in the same runtime
    where the run has it; corrected over all such comparisons on the dataset."""
    class_comparisons: tuple[Comparison, ...] = ()
    """The same, class by class; corrected over the classes."""
    slices: tuple[SliceView, ...] = ()
    curves: dict[str, Curve] = {}
    matrices: dict[str, Matrix] = {}
    lower_is_better: tuple[str, ...] = ()
    """Names of the metrics of which less is better; of all others more is."""
    evaluator: str | None = None
    convention: dict[str, str] = {}
    counts: dict[str, int] = {}
    latency: LatencyView | None = None
    speedup: Speedup | None = None
    """Against fp32 of the same model, runtime, device, batch and dataset, where both were timed."""
    processes: ProcessesView | None = None
    """What several fresh processes measured, where they were asked for."""
    conditions: ConditionsView | None = None
    """What surrounded the latency pass."""
    changes: ChangesView | None = None
    """Where the latency pass changed its level for good."""
    cold: ColdStart | None = None
    """From nothing to the first result."""
    multi_stream: tuple[MultiStreamView, ...] = ()
    server: tuple[ServerView, ...] = ()
    offline: tuple[OfflineView, ...] = ()
    cameras: tuple[CamerasView, ...] = ()
    soak: tuple[SoakView, ...] = ()
    energy: tuple[EnergyView, ...] = ()
    costs: tuple[Cost, ...] = ()
    """What a million frames cost, where the suite gives a price."""
    complexity: Complexity | None = None
    definitions: tuple[LatencyFigure, ...] = ()
    """The latency pass in the words of other tools."""
    loadgen: tuple[LoadGenSummary, ...] = ()
    """What MLPerf's LoadGen would have summed up of each scenario."""
    untaken: tuple[Untaken, ...] = ()
    """What was to be taken of the cell and failed."""
    placement: Placement | None = None
    admitted: tuple[str, ...] = ()
    """What ran otherwise than asked and was admitted by name: ``precision``, ``provider``,
    ``device``. Such a row is drawn differently everywhere."""
    parity: Parity | None = None
    artifact: ArtifactInfo | None = None
    memory: dict[str, int] = {}
    caveats: tuple[Caveat, ...] = ()
    failure: Failure | None = None
    protocol: dict[str, Any] = {}
    """Nested mapping of strings and numbers: preprocessing, decoder, evaluator, measuring."""
    versions: dict[str, str] = {}
    started: str | None = None
    wall_s: float | None = None
    stages_s: dict[str, float] = {}


class RunView(Record):
    """A whole run."""

    schema_number: int = VIEW_SCHEMA
    run: str
    suite: str
    title: str = ""
    description: str = ""
    created: str
    updated: str
    command_line: tuple[str, ...] = ()
    suite_sha256: str = ""
    suite_text: str = ""
    environment: dict[str, Any] = {}
    """Nested mapping, see :mod:`benchbench.measure.environment`."""
    datasets: tuple[DatasetCard, ...] = ()
    cells: tuple[CellView, ...]
    turns: tuple[TurnsView, ...] = ()
    """Cells compared by processes that take turns."""
    left: tuple[str, ...] = ()
    """What the last command left undone or undecided."""
    gate: GateView | None = None
    """What a gate said of the run, where one was asked."""
    gallery: tuple[GalleryItem, ...] = ()
    """Images with truth and predictions, where they were asked for."""
    gallery_notes: tuple[str, ...] = ()
    """Which images could not be shown, and why, in words."""
    trends: tuple[HistoryView, ...] = ()
    """Figures over the runs of the suite, where they were asked for."""

    def document(self) -> dict[str, Any]:
        """Return the object that ``show --json`` prints: without what is only for drawing."""
        beside: Any = {"__all__": {"at_s", "values"}}
        soak: Any = {"__all__": {"trace_s": True, "trace_ms": True, "beside": beside}}
        drawing: Any = {"latency": {"quantiles_ms", "trace_ms"}, "soak": soak}
        elsewhere = ("suite_text", "gate", "gallery", "gallery_notes", "trends")
        left_out: Any = {**dict.fromkeys(elsewhere, True), "cells": {"__all__": drawing}}
        body = self.model_dump(mode="json", exclude=left_out)
        return {"schema": body.pop("schema_number"), **body}
