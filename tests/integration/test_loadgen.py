"""Our load engine against MLPerf's LoadGen: the same session, the two taking turns."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.measure import arrivals, latency
from benchbench.measure.load import open_loop
from benchbench.stats.queries import latency_ns
from benchbench.types import ModelFile, Request, Variant
from tests import small_model

loadgen = pytest.importorskip("mlperf_loadgen")

SHAPE = small_model.SHAPE
SEEDS = count()


def save_network(path: Path) -> Path:
    """Write two convolutions, of about a millisecond on one thread."""
    from onnx import TensorProto, helper, numpy_helper, save

    generator = np.random.default_rng(0)
    nodes, weights, last, width = [], [], "images", 3
    for name, stride in (("one", 2), ("two", 1)):
        filters = generator.normal(0, 0.05, (64, width, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(filters, f"{name}.weight"))
        inputs = [last, f"{name}.weight"]
        nodes.append(helper.make_node("Conv", inputs, [name], pads=[1] * 4, strides=[stride] * 2))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.out"]))
        last, width = f"{name}.out", 64
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", SHAPE.shape), (last, [1, 64, 32, 32]))
    ]
    graph = helper.make_graph(nodes, "two", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


@pytest.fixture(scope="module")
def session(tmp_path_factory: Any) -> Iterator[Any]:
    """Open a small network in ONNX Runtime."""
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    from benchbench.runtimes.onnxruntime import OnnxRuntime

    path = save_network(tmp_path_factory.mktemp("loadgen") / "two.onnx")
    model = ModelFile(Variant(format="onnx"), path=path)
    with OnnxRuntime().open(model, Request("fp32", "cpu", 1, SHAPE)) as opened:
        yield opened


@pytest.fixture(scope="module")
def feeds(session: Any) -> list[Any]:
    return [{session.inputs[0].name: image} for image in small_model.feeds(8)]


class Paced:
    """The session with a pause after every query, and one of 200 ms after every hundredth."""

    def __init__(self, session: Any, pause_s: float = 0.005, every: int = 100) -> None:
        self._session, self._pause_s, self._every, self._count = session, pause_s, every, 0
        self.inputs, self.upload, self.download = session.inputs, session.upload, session.download

    def run(self, handle: Any) -> None:
        self._session.run(handle)
        self._count += 1
        time.sleep(0.2 if self._count % self._every == 0 else self._pause_s)


@dataclass(frozen=True)
class Theirs:
    """Runs LoadGen over a session and returns its own percentiles in nanoseconds."""

    folder: Path
    feeds: list[Any]

    def __call__(self, session: Any, queries: int, rate: float | None = None) -> dict[int, float]:
        options = loadgen.TestSettings()
        options.mode = loadgen.TestMode.PerformanceOnly
        scenarios = loadgen.TestScenario
        options.scenario = scenarios.SingleStream if rate is None else scenarios.Server
        options.min_query_count = options.max_query_count = queries
        options.min_duration_ms = 0
        if rate is not None:
            options.server_target_qps = rate
            options.server_target_latency_ns = 10**9
        self._run(session, options)
        return self._percentiles()

    def _run(self, session: Any, options: Any) -> None:
        def issue(samples: Any) -> None:
            for sample in samples:
                handle = session.upload(self.feeds[sample.index])
                session.run(handle)
                session.download(handle)
                loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0)])

        logs = loadgen.LogSettings()
        logs.log_output.outdir = str(self.folder)
        logs.enable_trace = False
        system = loadgen.ConstructSUT(issue, lambda: None)
        count = len(self.feeds)
        library = loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
        loadgen.StartTestWithLogSettings(system, library, options, logs)
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)

    def _percentiles(self) -> dict[int, float]:
        lines = (self.folder / "mlperf_log_detail.txt").read_text().splitlines()
        found = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines if ":::MLLOG" in line]
        values = {one["key"]: one["value"] for one in found}
        return {p: values[f"result_{p}.00_percentile_latency_ns"] for p in (50, 90, 99)}


def percentiles(latencies: Any) -> dict[int, float]:
    """Return percentiles as LoadGen defines them: the value at rank n p / 100, from 0."""
    ranked = np.sort(latencies)
    return {p: float(ranked[len(ranked) * p // 100]) for p in (50, 90, 99)}


def our_single_stream(session: Any, feeds: list[Any], queries: int) -> dict[int, float]:
    trace = latency.single_stream(session, feeds, latency.Plan(0, 0, queries, 0, queries))
    return percentiles([end - start for start, *_, end in trace.queries])


def our_server(session: Any, feeds: list[Any], queries: int, rate: float) -> dict[int, float]:
    times = arrivals.poisson(rate, 0, next(SEEDS), least=queries)
    return percentiles(latency_ns(open_loop([session], feeds, times)))


Sides = tuple[Callable[[], dict[int, float]], Callable[[], dict[int, float]]]
Within = dict[int, tuple[float, float]]
"""Percentile → bounds of the ratio of ours over theirs."""


def in_turns(sides: Sides, within: Within, least: int = 11, most: int = 80) -> dict[int, float]:
    """Return the median over turns of the ratio of each percentile, ours over theirs.

    Many short turns: a busy machine slows one side of a few of them. After *least* turns it goes on
    only as long as a median lies outside of *within*, so that a spell of noise is outlasted; a true
    difference never is.
    """
    turns: list[dict[int, float]] = []
    medians: dict[int, float] = {}
    while len(turns) < most:
        first, second = sides if len(turns) % 2 else sides[::-1]
        one, other = first(), second()
        ours, theirs = (one, other) if first is sides[0] else (other, one)
        turns.append({p: ours[p] / theirs[p] for p in ours})
        medians = {p: statistics.median(turn[p] for turn in turns) for p in within}
        inside = all(low < medians[p] < high for p, (low, high) in within.items())
        if inside and len(turns) >= least:
            break
    return medians


def test_single_stream_agrees_in_p50_and_p90(
    session: Any, feeds: list[Any], tmp_path: Path
) -> None:
    # A pause in each query, so that what a busy machine takes from either weighs less.
    theirs, calm = Theirs(tmp_path, feeds), Paced(session, 0.003, every=10**9)
    our_single_stream(calm, feeds, 50)
    within = {50: (0.9, 1.1), 90: (0.75, 1.25)}
    sides = (lambda: our_single_stream(calm, feeds, 50), lambda: theirs(calm, 50))
    ratio = in_turns(sides, within)
    assert ratio[50] == pytest.approx(1, abs=0.1)
    assert ratio[90] == pytest.approx(1, abs=0.25)


def test_server_agrees_at_a_third_of_the_capacity(
    session: Any, feeds: list[Any], tmp_path: Path
) -> None:
    theirs, calm = Theirs(tmp_path, feeds), Paced(session, 0.003, every=10**9)
    # Each has arrivals of its own, and the p99 of 40 queries is the last of them.
    within = {50: (0.8, 1.2), 99: (0.6, 1.7)}
    sides = (lambda: our_server(calm, feeds, 40, 80), lambda: theirs(calm, 40, 80))
    ratio = in_turns(sides, within, most=60)
    assert ratio[50] == pytest.approx(1, abs=0.2)
    assert 0.6 < ratio[99] < 1.7


def test_a_stalling_session_has_the_p99_of_loadgen_and_a_closed_loop_hides_it(
    session: Any, feeds: list[Any], tmp_path: Path
) -> None:
    theirs = Theirs(tmp_path, feeds)
    ours: list[float] = []

    def our_turn() -> dict[int, float]:
        found = our_server(Paced(session), feeds, 400, 60)
        ours.append(found[99])
        return found

    sides = (our_turn, lambda: theirs(Paced(session), 400, 60))
    ratio = in_turns(sides, {99: (0.9, 1.1)}, least=1, most=7)
    closed = our_single_stream(Paced(session), feeds, 199)
    assert ratio[99] == pytest.approx(1, abs=0.1)
    assert min(ours) == pytest.approx(200e6, rel=0.15)
    assert closed[99] < min(ours) / 2
