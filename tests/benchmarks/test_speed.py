"""What benchbench itself costs. Figures go into the benchmark's table; ratios are asserted widely.

pytest --benchmark-enable --benchmark-only tests/benchmarks
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.measure import accuracy, latency
from benchbench.plan import make_plan
from benchbench.suite.load import load_suite
from benchbench.types import Detections, Geometry, Image, TensorSpec
from tests import tiny

ROUNDS = 5


def wall_s(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "benchbench", *arguments], check=True, capture_output=True
    )
    return time.perf_counter() - start


def assert_below(benchmark: Any, limit_s: float) -> None:
    """Hold the fastest round to *limit_s*; where benchmarks are disabled nothing was timed."""
    assert benchmark.stats is None or benchmark.stats.stats.min < limit_s


def test_help(benchmark: Any) -> None:
    """Under 0.2 s; a bare interpreter in the same run for comparison."""
    benchmark.pedantic(lambda: wall_s(["--help"]), rounds=ROUNDS, warmup_rounds=1)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    benchmark.extra_info["bare_python_s"] = round(time.perf_counter() - start, 3)
    assert_below(benchmark, 0.2)


@pytest.mark.usefixtures("plugins_path")
def test_plan_of_a_thousand_cells(benchmark: Any, tmp_path: Path) -> None:
    """Under 2 s."""
    folder = tiny.write_dataset(tmp_path / "data")
    base = tiny.suite(folder)
    models = [
        {**base["models"][0], "name": f"m{n}", "source": {"kind": "bbtest-inline", "label": str(n)}}
        for n in range(25)
    ]
    runtimes = [tiny.faulty(f"r{n}", precisions=["fp32", "int8"]) for n in range(10)]
    data = tiny.suite(folder, models=models, runtimes=runtimes, batch_sizes=[1, 2])
    path = tiny.write_suite(tmp_path / "suite.yaml", data)

    def plan() -> int:
        return len(make_plan(load_suite(str(path)), tmp_path / "cache").cells)

    assert benchmark.pedantic(plan, rounds=3, warmup_rounds=1) == 1000
    assert_below(benchmark, 2)
    benchmark.extra_info["command_s"] = round(wall_s(["plan", str(path), "--json"]), 2)


@pytest.mark.usefixtures("plugins_path")
def test_a_finished_suite_again(benchmark: Any, tmp_path: Path) -> None:
    """Under 3 s, process start and reports included."""
    folder = tiny.write_dataset(tmp_path / "data")
    runtimes = [tiny.faulty(name) for name in "abcdefghijkl"]
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder, runtimes=runtimes))
    arguments = ["run", str(path), "--store", str(tmp_path / "store"), "--no-report"]
    wall_s(arguments)
    benchmark.pedantic(lambda: wall_s(arguments), rounds=ROUNDS)
    assert_below(benchmark, 3)


@pytest.mark.usefixtures("plugins_path")
def test_overhead_of_a_cell(benchmark: Any, tmp_path: Path) -> None:
    """Under 1 s of the worker's time beyond what is measured; the canary is measured too.

    Planning, and looking at the machine, are done once for a command, not for a cell.
    """
    folder = tiny.write_dataset(tmp_path / "data")
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    store = tmp_path / "store"
    api.run(str(path), store=store)

    overheads: list[float] = []

    def again() -> None:
        (cell,) = api.run(str(path), store=store, fresh=True).view.cells
        assert cell.wall_s is not None
        measured = sum(cell.stages_s[name] for name in ("canary", "latency", "stages"))
        overheads.append(cell.wall_s - measured)

    benchmark.pedantic(again, rounds=ROUNDS)
    benchmark.extra_info["overhead_s"] = round(min(overheads), 3)
    assert benchmark.stats is None or min(overheads) < 1


class Nothing:
    """A session whose verbs do a little real work: what remains is the loop's own cost."""

    inputs = [TensorSpec(name="x", shape=(1,), dtype="float32")]

    def __init__(self) -> None:
        self._work = np.random.default_rng(0).random((32, 32))

    def upload(self, feed: Any) -> Any:
        return feed

    def run(self, handle: Any) -> None:
        self._work @ self._work

    def download(self, handle: Any) -> Any:
        return handle

    def placement(self) -> Any:
        raise AssertionError


def bare(session: Nothing, feed: Any, count: int) -> list[int]:
    taken = []
    for _ in range(count):
        start = perf_counter_ns()
        session.download(session.upload(feed))
        session.run(feed)
        taken.append(perf_counter_ns() - start)
    return taken


def test_the_timed_loop_adds_less_than_two_microseconds_a_query(benchmark: Any) -> None:
    """Our loop against a bare perf_counter_ns loop over the same session, interleaved."""
    session, feeds = Nothing(), [{"x": np.zeros(1)}]
    plan = latency.Plan(warmup=10, warmup_s=0, queries=2000, seconds=0, max_queries=2000)
    added = []
    for _ in range(21):
        trace = latency.single_stream(session, feeds, plan)
        ours = statistics.median(q[3] - q[0] for q in trace.queries)
        added.append(ours - statistics.median(bare(session, feeds[0], 2000)))
    benchmark.extra_info["added_ns_median"] = statistics.median(added)
    benchmark.pedantic(lambda: latency.single_stream(session, feeds, plan), rounds=ROUNDS)
    assert statistics.median(added) < 2000


class Busy(Nothing):
    """Inference that waits like an accelerator: the interpreter is free meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def run(self, handle: Any) -> None:
        time.sleep(self._seconds)


IMAGES = [Image(n, f"{n}", Path(str(n)), 8, 8) for n in range(100)]
GEOMETRY = Geometry(8, 8, 8, 8, 1, 1, 0, 0)
EMPTY = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


def pixels(image: Image) -> tuple[Any, Geometry]:
    time.sleep(0.003)
    return np.zeros((3, 8, 8), np.float32), GEOMETRY


def boxes(outputs: Any, geometries: Any) -> Any:
    time.sleep(0.002)
    return [EMPTY] * len(geometries)


def spent(verbs: Iterator[Any]) -> float:
    start = time.perf_counter()
    for _ in verbs:
        pass
    return time.perf_counter() - start


def test_reading_and_decoding_overlap_inference(benchmark: Any) -> None:
    """Wall time of the pass over the larger of inference alone and of reading + decoding alone."""
    session = Busy(0.006)
    inference = spent(session.run(None) for _ in IMAGES)
    rest = spent((pixels(image), boxes(None, [1])) for image in IMAGES)

    taken = []

    def whole() -> None:
        start = time.perf_counter()
        accuracy.predict(session, IMAGES, 1, pixels, boxes, lambda *_: None)
        taken.append(time.perf_counter() - start)

    benchmark.pedantic(whole, rounds=3)
    ratio = min(taken) / max(inference, rest)
    benchmark.extra_info["wall_over_larger"] = round(ratio, 3)
    assert ratio < 1.15
