"""Other tools' figures from our samples: by their own rules, and against the tools themselves."""

import dataclasses
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from benchbench.stats.definitions import figures
from benchbench.stats.definitions_mlperf import early_stopping, percentile, server
from benchbench.stats.percentiles import least_queries
from benchbench.stats.queries import Queries, together
from benchbench.types import Samples


def samples(queries=100, seed=0, kind=Samples, **more):
    """Return samples of 1, 5 and 2 ms a stage with some noise; the last query is slow."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 500_000, (3, queries))
    upload, run, download = noise + np.array([[1_000_000], [5_000_000], [2_000_000]])
    run[-1] += 50_000_000
    total = upload + run + download
    return kind(
        started_ns=np.concatenate([[0], np.cumsum(total)[:-1]]),
        upload_ns=upload,
        run_ns=run,
        download_ns=download,
        preprocess_ns=np.full(10, 3_000_000),
        postprocess_ns=np.full(10, 4_000_000),
        **more,
    )


def table(found):
    return {(one.tool, one.name, one.statistic): one for one in found}


@dataclass(frozen=True, slots=True)
class OnGpu(Samples):
    device_upload_ns: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    device_run_ns: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    device_download_ns: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))


def test_every_absent_figure_has_a_reason_and_every_present_one_its_stages():
    for batch in (1, 4):
        for one in figures(samples(), batch):
            assert (one.value is None) == (one.reason is not None) == (not one.stages), one
            assert one.source
            assert one.definition


def test_trtexec_needs_device_events_and_then_follows_its_own_percentile():
    keys = [("trtexec", "GPU Compute Time", s) for s in ("min", "mean", "median", "p99")]
    without = table(figures(samples(), 1))
    assert {without[key].value for key in keys} == {None}
    assert "device" in without[keys[0]].reason
    run = np.arange(1, 101) * 1_000_000
    found = table(
        figures(
            samples(kind=OnGpu, device_run_ns=run, device_upload_ns=run // 10,
                    device_download_ns=run // 5), 1)
    )  # fmt: skip
    # findPercentile leaves out int((1 - 99 / 100) · 100), which in float32 is 0: the largest.
    assert [found[key].value for key in keys] == [1, 50.5, 50.5, 100]
    assert found["trtexec", "GPU Compute Time", "p90"].value == 90
    assert found["trtexec", "Latency", "median"].value == pytest.approx(50.5 * 1.3)
    assert found["trtexec", "GPU Compute Time", "mean"].clock == "device"
    assert found["trtexec", "Enqueue Time", "median"].value is None


def test_benchmark_app_sees_the_run_alone_and_takes_the_lower_median():
    one = samples(queries=4)
    found = table(figures(one, 1))
    tool = "OpenVINO benchmark_app"
    assert found[tool, "Latency Median", "median"].value == np.sort(one.run_ns)[1] / 1e6
    assert found[tool, "Latency Average", "mean"].value == pytest.approx(one.run_ns.mean() / 1e6)
    assert found[tool, "Latency Min", "min"].stages == ("run",)


def test_the_medians_rule_is_benchmark_apps_own():
    app = pytest.importorskip("openvino.tools.benchmark.benchmark")
    for queries in (1, 2, 5, 8, 99):
        one = samples(queries=queries)
        ours = table(figures(one, 1))["OpenVINO benchmark_app", "Latency Median", "median"]
        assert ours.value == app.percentile(sorted((one.run_ns / 1e6).tolist()), 50)


def test_ultralytics_divides_each_stage_by_the_images_of_a_batch():
    one = samples()
    for batch in (1, 4):
        found = table(figures(one, batch))
        spent = (one.run_ns + one.download_ns).mean() / 1e6
        assert found["Ultralytics", "inference", "mean"].value == pytest.approx(spent / batch)
        assert found["Ultralytics", "postprocess", "mean"].value == pytest.approx(4 / batch)
        assert found["Ultralytics", "preprocess", "mean"].unit == "ms/image"


def test_end_to_end_is_the_sum_of_its_stages_an_image():
    one = samples()
    query = (one.upload_ns + one.run_ns + one.download_ns).mean() / 1e6
    found = table(figures(one, 2))["end to end", "mean an image", "mean"]
    assert found.value == pytest.approx((3 + query + 4) / 2)
    bare = dataclasses.replace(one, preprocess_ns=np.zeros(0, np.int64))
    gone = table(figures(bare, 2))["end to end", "mean an image", "mean"]
    assert gone.value is None
    assert "preprocess" in gone.reason


def test_single_stream_is_refused_for_batches():
    rows = [one for one in figures(samples(), 4) if one.tool.startswith("MLPerf")]
    assert [one.value for one in rows] == [None]
    assert "4" in rows[0].reason


def test_early_stopping_agrees_with_what_loadgen_printed():
    # mlcommons-loadgen 6.0.17, SingleStream: 926 queries, 70 discarded, 64 the least.
    found = early_stopping(np.arange(926), 0.9)
    assert (found.least, found.discarded, found.estimate_ns) == (64, 70, 926 - 71)
    assert early_stopping(np.arange(63), 0.9).estimate_ns is None
    assert early_stopping(np.arange(64), 0.9).discarded == 0
    # Server: 190 queries, none late, p99: "would need to run at least 269 more queries".
    assert needed(190, 0) == 269


def needed(total, late):
    times = np.full(total, 5_000_000)
    times[:late] = 20_000_000
    zero, one = np.zeros(total, np.int64), np.arange(total)
    queries = Queries(one, one, one, one + times, zero, zero)
    return server(together([(100.0, [queries])]), 0, bound_ms=10).still_needed


def test_a_late_query_asks_for_more_queries_and_enough_of_them_need_none():
    assert needed(458, 0) == 1  # 459 show p99 with none late
    assert needed(459, 0) == 0
    assert needed(662, 1) == 0 == needed(10_000, 50)
    assert needed(661, 1) == 1
    assert least_queries(99) == 662


SUT = """
import sys
import mlperf_loadgen as lg
def issue(queries):
    for query in queries:
        sum(range(20_000))
        lg.QuerySamplesComplete([lg.QuerySampleResponse(query.id, 0, 0)])
settings = lg.TestSettings()
settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count = 200, 300
out = lg.LogOutputSettings()
out.outdir = sys.argv[1]
log = lg.LogSettings()
log.log_output, log.enable_trace = out, True
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(8, 8, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, qsl, settings, log)
"""


def test_loadgens_own_samples_give_loadgens_own_figures(tmp_path):
    pytest.importorskip("mlperf_loadgen")
    subprocess.run([sys.executable, "-c", SUT, str(tmp_path)], check=True, capture_output=True)
    summary = (tmp_path / "mlperf_log_summary.txt").read_text()
    traced = (tmp_path / "mlperf_log_trace.json").read_text()
    times = np.array(loadgen_latencies(traced))
    assert f"50.00 percentile latency (ns)   : {percentile(times, 0.5)}\n" in summary
    assert f"99.90 percentile latency (ns)   : {percentile(times, 0.999)}\n" in summary
    found = early_stopping(times, 0.9)
    assert f"Would discard {found.discarded} highest" in summary
    assert f"90.0th percentile estimate: {found.estimate_ns}\n" in summary


def loadgen_latencies(trace):
    """Return the nanoseconds of each sample in LoadGen's trace, which is not always JSON."""
    found = re.findall(r'"issue_start_ns":(\d+),"complete_ns":(\d+)', trace)
    return [int(end) - int(start) for start, end in found]
