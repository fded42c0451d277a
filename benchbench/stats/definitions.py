"""One run's raw samples by other tools' definitions of latency and throughput.

Each tool's own rule for percentiles is followed, so that figures agree to the digit where the
stages do. ``docs/latency-definitions.md`` has the table in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from benchbench.definitions_view import LatencyFigure, Stage, Statistic
from benchbench.stats.definitions_mlperf import SHARES, early_stopping, percentile
from benchbench.types import Samples

Times = NDArray[np.float64]

QUERY: tuple[Stage, ...] = ("upload", "run", "download")
_TRTEXEC = "NVIDIA/TensorRT samples/common/sampleReporting.cpp (release 8.6 and later)"
_OPENVINO = "openvino.tools.benchmark/benchmark.py, sync_inference (2026.4)"
_ULTRALYTICS = "ultralytics/engine/predictor.py and validator.py, 'Speed' line (8.x)"
_LOADGEN = "mlcommons/inference loadgen/results.cc (6.0)"
_NO_EVENTS = "the runtime gives no times of the device itself"


def figures(samples: Samples, batch: int) -> tuple[LatencyFigure, ...]:
    """Return every figure that other tools would print of this run, in the tools' order.

    *batch*: images a query. Where *samples* hold ``device_upload_ns``, ``device_run_ns`` and
    ``device_download_ns``, trtexec's are formed of them.
    """
    makers = (_trtexec, _openvino, _ultralytics, _mlperf, _end_to_end, _throughput)
    return tuple(figure for make in makers for figure in make(samples, batch))


def _figure(
    tool: str, name: str, statistic: Statistic, value: float | None, **more: object
) -> LatencyFigure:
    """Return a figure; *more*: the record's other fields."""
    return LatencyFigure.model_validate(
        {"tool": tool, "name": name, "statistic": statistic, "value": value, **more}
    )


# --- trtexec -----------------------------------------------------------------------------


def _trtexec(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    del batch  # with explicit batches, which is all that is left, trtexec counts queries
    compute = _device(samples, "run")
    copies = [_device(samples, verb) for verb in ("upload", "download")]
    gone = _NO_EVENTS if compute is None else None
    latency = None
    if compute is not None and copies[0] is not None and copies[1] is not None:
        latency = compute + copies[0] + copies[1]
    told = "CUDA events around the kernels of one query"
    yield from _trtexec_rows("GPU Compute Time", compute, ("run",), told, gone)
    told = (
        "H2D + GPU compute + D2H of one query by CUDA events; here a copy ends before the run "
        "begins, and trtexec 11 copies nothing by default"
    )
    yield from _trtexec_rows("Latency", latency, QUERY, told, gone)
    yield _figure(
        "trtexec", "Enqueue Time", "median", None, definition="host time to enqueue one query",
        source=_TRTEXEC, reason="enqueueing and waiting are one verb here: 'run' ends when the "
        "device is done",
    )  # fmt: skip


def _trtexec_rows(
    name: str, times: Times | None, stages: tuple[Stage, ...], definition: str, reason: str | None
) -> Iterator[LatencyFigure]:
    for statistic, form in _TRTEXEC_STATISTICS.items():
        yield _figure(
            "trtexec", name, statistic, None if times is None else form(times),
            stages=stages if times is not None else (), clock="device", definition=definition,
            source=_TRTEXEC, reason=reason,
        )  # fmt: skip


def _trtexec_percentile(times: Times, percent: float) -> float:
    """Return what ``findPercentile`` does: without the largest (1 - p) · n, floored in float32."""
    share = np.float32(1) - np.float32(percent) / np.float32(100)
    left_out = int(share * np.float32(len(times)))
    return float(np.sort(times)[max(len(times) - 1 - left_out, 0)])


_TRTEXEC_STATISTICS: dict[Statistic, Callable[[Times], float]] = {
    "min": lambda times: float(times.min()),
    "max": lambda times: float(times.max()),
    "mean": lambda times: float(times.mean()),
    "median": lambda times: float(np.median(times)),
    "p90": lambda times: _trtexec_percentile(times, 90),
    "p95": lambda times: _trtexec_percentile(times, 95),
    "p99": lambda times: _trtexec_percentile(times, 99),
}


def _device(samples: Samples, verb: str) -> Times | None:
    """Return milliseconds of the device's own clock; None where it has none."""
    found = getattr(samples, f"device_{verb}_ns", None)
    return None if found is None or not len(found) else found / 1e6


# --- OpenVINO ----------------------------------------------------------------------------


def _openvino(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    del batch
    run = samples.run_ns / 1e6
    told = (
        "api sync: the request's infer() alone, from its start to its end; input tensors are set "
        "before, outputs stay where they are. The tool's defaults are asynchronous and bf16"
    )
    forms: dict[Statistic, Callable[[Times], float]] = {
        "median": _openvino_median,
        "mean": lambda times: float(times.mean()),
        "min": lambda times: float(times.min()),
        "max": lambda times: float(times.max()),
    }
    names = {"median": "Median", "mean": "Average", "min": "Min", "max": "Max"}
    for statistic, form in forms.items():
        yield _figure(
            "OpenVINO benchmark_app", f"Latency {names[statistic]}", statistic, form(run),
            stages=("run",), definition=told, source=_OPENVINO,
        )  # fmt: skip


def _openvino_median(times: Times) -> float:
    """Return benchmark_app's median, the ⌈n/2⌉-th smallest: of an even n the lower."""
    return float(np.sort(times)[math.ceil(len(times) * 50 / 100) - 1])


# --- Ultralytics -------------------------------------------------------------------------


_ULTRALYTICS_STAGES: dict[str, tuple[tuple[Stage, ...], str]] = {
    "preprocess": (
        ("preprocess", "upload"),
        (
            "letterbox, scaling and the copy to the device; 'val' letterboxes in its data loader, "
            "which it does not time"
        ),
    ),
    "inference": (
        ("run", "download"),
        (
            "the call of AutoBackend, whose exported formats give host arrays; a PyTorch model's "
            "outputs stay on the device, and their download falls into postprocess"
        ),
    ),
    "postprocess": (
        ("postprocess",),
        "non-maximum suppression and scaling of the boxes; here, the suite's decoder",
    ),
}


def _ultralytics(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    for name, (stages, told) in _ULTRALYTICS_STAGES.items():
        times = [getattr(samples, f"{stage}_ns") for stage in stages]
        whole = all(len(one) for one in times)
        value = sum(float(one.mean()) for one in times) / 1e6 / batch if whole else None
        yield _figure(
            "Ultralytics", name, "mean", value, unit="ms/image", stages=stages if whole else (),
            definition=told, source=_ULTRALYTICS,
            reason=None if whole else "the stage was not timed",
        )  # fmt: skip


# --- MLPerf ------------------------------------------------------------------------------


def _mlperf(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    tool, times = "MLPerf LoadGen SingleStream", query_ns(samples)
    if batch != 1:
        reason = f"SingleStream has one sample a query; this run has {batch}"
        yield _figure(
            tool, "90.0th percentile latency", "p90", None, source=_LOADGEN, reason=reason,
            definition="the 90th percentile of one-sample queries",
        )  # fmt: skip
        return
    told = "issue to completion, on real queries of one sample; the element ⌊p·n⌋ of the sorted"
    common: dict[str, object] = {"stages": QUERY, "source": _LOADGEN}
    for name, statistic, nanoseconds in _loadgen_rows(times):
        yield _figure(tool, name, statistic, nanoseconds / 1e6, definition=told, **common)
    found = early_stopping(times, 0.90)
    told = (
        "an upper bound of the 90th percentile at confidence 0.99, for independent queries: the "
        "figure that a submission reports"
    )
    value = None if found.estimate_ns is None else found.estimate_ns / 1e6
    name = "Early stopping 90.0th percentile estimate"
    yield _figure(tool, name, "p90", value, definition=told, reason=found.reason, **common)


def _loadgen_rows(times: NDArray[np.int64]) -> Iterator[tuple[str, Statistic, float]]:
    statistics: tuple[Statistic, ...] = ("median", "p90", "p95", "p97", "p99", "p99.9")
    yield "Min latency", "min", float(times.min())
    yield "Max latency", "max", float(times.max())
    yield "Mean latency", "mean", float(times.mean())
    for statistic, share in zip(statistics, SHARES, strict=True):
        yield f"{share * 100:.2f} percentile latency", statistic, float(percentile(times, share))


def query_ns(samples: Samples) -> NDArray[np.int64]:
    """Return the latency of each query: upload + run + download."""
    return samples.upload_ns + samples.run_ns + samples.download_ns


# --- end to end, and throughput ----------------------------------------------------------


def _end_to_end(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    told = (
        "preprocess + query + postprocess, each stage's mean, divided by the batch. Reading and "
        "decoding the image file is not in it"
    )
    parts = (samples.preprocess_ns, query_ns(samples), samples.postprocess_ns)
    whole = all(len(part) for part in parts)
    value = sum(float(part.mean()) for part in parts) / 1e6 / batch if whole else None
    stages: tuple[Stage, ...] = ("preprocess", *QUERY, "postprocess")
    yield _figure(
        "end to end", "mean an image", "mean", value,
        unit="ms/image", stages=stages if whole else (), definition=told,
        source="benchbench docs/latency-definitions.md",
        reason=None if whole else "preprocessing or postprocessing was not timed",
    )  # fmt: skip


def _throughput(samples: Samples, batch: int) -> Iterator[LatencyFigure]:
    times, run = query_ns(samples), samples.run_ns
    span_s = (samples.started_ns[-1] + times[-1]) / 1e9
    common: dict[str, object] = {"source": "benchbench docs/latency-definitions.md"}
    yield _figure(
        "FPS from latency", "1 / mean latency", "rate", 1e9 / float(times.mean()) * batch,
        unit="images/s", stages=QUERY, **common,
        definition="batch / mean query latency: what papers print as FPS; one query at a time",
    )  # fmt: skip
    yield _figure(
        "FPS from latency", "1 / mean run", "rate", 1e9 / float(run.mean()) * batch,
        unit="images/s", stages=("run",), **common,
        definition="the same of the model alone, without copies",
    )  # fmt: skip
    yield _figure(
        "OpenVINO benchmark_app", "Throughput", "rate", len(times) * batch / span_s,
        unit="images/s", stages=QUERY, source=_OPENVINO,
        definition="images over the wall time of the whole loop, copies and the loop included",
    )  # fmt: skip
    yield _figure(
        "trtexec", "Throughput", "rate", len(times) / span_s,
        unit="queries/s", stages=QUERY, source=_TRTEXEC,
        definition="queries over the wall time of the whole loop; trtexec enqueues the next query "
        "while one runs, so that its figure is higher than this one",
    )  # fmt: skip
