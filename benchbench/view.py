"""A run as reports and machines see it: derived from stored results, on reading.

``benchbench show --json`` prints :meth:`RunView.document`; ``docs/results.md`` describes it.
"""

from __future__ import annotations

from typing import Any

from benchbench.types import (
    ArtifactInfo,
    Caveat,
    DatasetCard,
    Failure,
    Parity,
    Placement,
    Precision,
    Record,
    Status,
    TaskName,
)

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
    throughput_ips: float
    """Images a second over the whole single-stream pass."""
    stages_ms: dict[str, float | None]
    """Median of each stage: preprocess, upload, run, download, postprocess."""
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


class CellView(Record):
    """One cell: what was asked, what ran, what came of it."""

    id: str
    label: str
    model: str
    runtime: str
    precision: Precision
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
    evaluator: str | None = None
    convention: dict[str, str] = {}
    counts: dict[str, int] = {}
    latency: LatencyView | None = None
    speedup: Speedup | None = None
    """Against fp32 of the same model, runtime, device, batch and dataset, where both were timed."""
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

    def document(self) -> dict[str, Any]:
        """Return the object that ``show --json`` prints: without what is only for drawing."""
        drawing = {"quantiles_ms", "trace_ms"}
        body = self.model_dump(
            mode="json", exclude={"suite_text": True, "cells": {"__all__": {"latency": drawing}}}
        )
        return {"schema": body.pop("schema_number"), **body}
