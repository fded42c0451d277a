"""What a model costs on paper, and one run's latency in the words of other tools."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Record

Stage = Literal["preprocess", "upload", "run", "download", "postprocess"]
Statistic = Literal["mean", "median", "min", "max", "p90", "p95", "p97", "p99", "p99.9", "rate"]


class Complexity(Record):
    """Parameters and arithmetic of one model, for one image.

    Counted are convolutions and matrix products alone: activations, normalization, resizing and
    pooling are left out, as in torch's ``FlopCounterMode``.
    """

    parameters: int | None = None
    """Elements of the weights that the counted file holds, a shared one once. Batch norm that was
    folded away counts no more; scales and zero points of a quantized file never do."""
    macs: int | None = None
    """Multiply-accumulates an image; a lower bound where ``uncounted`` names operations."""
    flops: int | None = None
    """2 × ``macs``: a multiplication and an addition are two operations."""
    counted_by: str = ""
    """The counter and the version of its library, e.g. ``onnx 1.23.2``."""
    counted_in: str = ""
    """Which file was read: the variant, and whether it is the measured artifact itself."""
    uncounted: tuple[str, ...] = ()
    """Operations that multiply and are not counted, such as ``LSTM`` or those of other domains."""
    reason: str | None = None
    """Why figures are None."""


class LatencyFigure(Record):
    """One figure of another tool, formed from our samples by that tool's definition."""

    tool: str
    name: str
    """As the tool prints it."""
    statistic: Statistic
    value: float | None
    """In ``unit``; None where it cannot be formed."""
    unit: Literal["ms", "ms/image", "queries/s", "images/s"] = "ms"
    stages: tuple[Stage, ...] = ()
    """Which of our stages are in it; none where it is not measured."""
    clock: Literal["host", "device"] = "host"
    definition: str
    """What the tool takes, and what differs from it here."""
    source: str
    """Where the tool defines it: repository, file and version."""
    reason: str | None = None
    """Why ``value`` is None."""


Scenario = Literal["SingleStream", "MultiStream", "Server", "Offline"]


class EarlyStopping(Record):
    """LoadGen's upper bound of a percentile, at confidence 0.99, for independent queries."""

    percentile: float
    """0..100."""
    least: int
    """Queries that it needs at the least."""
    discarded: int | None
    """How many of the slowest queries may lie above the estimate."""
    estimate_ns: int | None
    reason: str | None = None
    """Why there is no estimate."""


class LoadGenSummary(Record):
    """What LoadGen's summary would hold of one scenario, by LoadGen's own formulas.

    Latencies are those of queries; a figure that LoadGen has and we have not is None.
    """

    scenario: Scenario
    percentile: float | None = None
    """Of the result, 0..100; None where the result is a rate."""
    queries: int
    samples_per_query: int
    duration_s: float
    """What LoadGen holds against the least duration: the issue of the last query, or in Offline
    the end of the last sample."""
    min_ns: int | None
    max_ns: int | None
    mean_ns: int | None
    percentiles_ns: dict[str, int] = {}
    """``50.00`` … ``99.90`` → nanoseconds: element ⌊p·n⌋ of the sorted."""
    result_ns: int | None = None
    """The scenario's percentile; None where the result is a rate."""
    qps_with_overhead: float | None = None
    """SingleStream: (queries - 1) over the issue of the last."""
    qps_without_overhead: float | None = None
    """SingleStream: 1 over the mean latency."""
    completed_per_s: float | None = None
    """Server: (queries - 1) over the end of the last."""
    scheduled_per_s: float | None = None
    """Server: (queries - 1) over the arrival of the last."""
    samples_per_s: float | None = None
    """Offline."""
    target_qps: float | None = None
    target_latency_ns: int | None = None
    over_latency: int | None = None
    """Server: queries beyond the target latency."""
    early_stopping: tuple[EarlyStopping, ...] = ()
    still_needed: int | None = None
    """Server: further queries, all in time, that early stopping would need; 0 if satisfied."""
