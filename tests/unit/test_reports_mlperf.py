"""The export in LoadGen's words: one parser reads ours and LoadGen's."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from benchbench.definitions_view import LoadGenSummary
from benchbench.reports.mlperf import NOT_MEASURED, MlPerf
from benchbench.stats import definitions_mlperf
from benchbench.stats.queries import Queries, together
from benchbench.types import Samples
from benchbench.view import CellView, RunView


class Logged(CellView):
    loadgen: tuple[LoadGenSummary, ...] = ()


def run_view(*found: LoadGenSummary, **changes):
    cell = Logged(**({
        "id": "c1", "label": "net · onnxruntime · fp32", "model": "net", "runtime": "onnxruntime",
        "precision": "fp32", "device": "cpu", "batch": 1, "dataset": "coco", "split": "val",
        "task": "detection", "status": "measured", "loadgen": found,
    } | changes))  # fmt: skip
    return RunView(run="r", suite="s", created="2026-11-22", updated="2026-11-22", cells=(cell,))


def files(view, **options):
    with zipfile.ZipFile(io.BytesIO(MlPerf(**options).render(view))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def parsed(summary):
    """Read a summary, LoadGen's or ours: name → value, a section's title → None."""
    found = {}
    for line in summary[summary.index("=====") :].splitlines():
        if match := re.match(r"[ *]*([^:]+?) *: *(.*)$", line):
            found[match[1]] = match[2]
        elif line[:1].isupper() and line[-1] != ".":
            found[line] = None
    return found


def passes(times, scheduled=None, step=5_000_000):
    times = np.asarray(times, np.int64)
    start = np.arange(len(times), dtype=np.int64) * step if scheduled is None else scheduled
    zero = np.zeros(len(times), np.int64)
    return Queries(start, start, start, start + times, zero, zero)


TIMES = 2_000_000 + np.arange(1000) * 1000


def single_stream(times=TIMES):
    third = np.asarray(times) // 4
    started = np.concatenate([[0], np.cumsum(times)[:-1]])
    none = np.zeros(0, np.int64)
    return definitions_mlperf.single_stream(
        Samples(started, third, np.asarray(times) - 2 * third, third, none, none)
    )


def server(times=TIMES, bound_ms=10.0):
    return definitions_mlperf.server(together([(200.0, [passes(times)])]), 0, bound_ms)


def all_four():
    load = together([(1.0, [passes(TIMES)])])
    return {
        "SingleStream": single_stream(),
        "MultiStream": definitions_mlperf.multi_stream(load, 8),
        "Server": server(),
        "Offline": definitions_mlperf.offline(load, 0, 4),
    }


SETTINGS = (
    "samples_per_query", "target_qps", "target_latency (ns)", "max_async_queries",
    "min_duration (ms)", "max_duration (ms)", "min_query_count", "max_query_count", "qsl_rng_seed",
    "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed",
    "accuracy_log_probability", "accuracy_log_sampling_target", "print_timestamps",
    "performance_issue_unique", "performance_issue_same", "performance_issue_same_index",
    "performance_sample_count", "accuracy_sample_count",
)  # fmt: skip
LATENCIES = (
    "Min latency (ns)", "Max latency (ns)", "Mean latency (ns)",
    *(f"{p} percentile latency (ns)" for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")),
)  # fmt: skip
TOP = ("MLPerf Results Summary", "SUT name", "Scenario", "Mode")
CHECKED = ("Min duration satisfied", "Min queries satisfied", "Early stopping satisfied")
NAMES = {
    "SingleStream": (
        *TOP, "90.0th percentile latency (ns)", "Result is", *CHECKED, "Early Stopping Result",
        "Early stopping 90.0th percentile estimate", "Early stopping 99.0th percentile estimate",
        "Additional Stats", "QPS w/ loadgen overhead", "QPS w/o loadgen overhead", *LATENCIES,
        "Test Parameters Used", *SETTINGS,
    ),
    "MultiStream": (
        *TOP, "99.0th percentile latency (ns)", "Result is", *CHECKED, "Early Stopping Result",
        "Early stopping 99.0th percentile estimate", "Additional Stats", "Per-query latency",
        *LATENCIES, "Test Parameters Used", *SETTINGS,
    ),
    "Server": (
        *TOP, "Completed samples per second", "Result is", "Performance constraints satisfied",
        *CHECKED, "Early Stopping Result", "Additional Stats", "Scheduled samples per second",
        *LATENCIES, "Test Parameters Used", *SETTINGS,
    ),
    "Offline": (
        *TOP, "Samples per second", "Result is", *CHECKED, "Additional Stats", *LATENCIES,
        "Test Parameters Used", *SETTINGS,
    ),
}  # fmt: skip
"""The names in the summaries of mlcommons-loadgen 6.0.17, in their order, of runs that are valid."""


@pytest.mark.parametrize("scenario", NAMES)
def test_a_summary_has_loadgens_names_in_loadgens_order(scenario):
    found = files(run_view(all_four()[scenario]), min_duration_ms=100)
    (name,) = [name for name in found if name.endswith("summary.txt")]
    assert f"/{scenario}/" in name
    assert tuple(parsed(found[name])) == NAMES[scenario]
    assert "not an MLPerf submission" in found[name].splitlines()[0]


SUT = """
import sys, time
import mlperf_loadgen as lg
def issue(queries):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(query.id, 0, 0) for query in queries])
settings = lg.TestSettings()
settings.mode, name = lg.TestMode.PerformanceOnly, sys.argv[2]
settings.scenario = getattr(lg.TestScenario, name)
settings.min_duration_ms, settings.min_query_count = 200, 1000
settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = 1000
settings.server_target_qps, settings.server_target_latency_ns = 5000, 10**9
settings.offline_expected_qps, settings.multi_stream_samples_per_query = 10**7, 8
out = lg.LogOutputSettings()
out.outdir = sys.argv[1]
log = lg.LogSettings()
log.log_output, log.enable_trace = out, False
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(8, 8, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, qsl, settings, log)
"""


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server"])
def test_loadgen_itself_writes_these_names(scenario, tmp_path):
    pytest.importorskip("mlperf_loadgen")
    command = [sys.executable, "-c", SUT, str(tmp_path), scenario]
    subprocess.run(command, check=True, capture_output=True)
    theirs = (tmp_path / "mlperf_log_summary.txt").read_text()
    assert parsed(theirs)["Result is"] == "VALID"
    assert tuple(parsed(theirs)) == NAMES[scenario]
    ours = files(run_view(all_four()[scenario]), min_duration_ms=100)
    keys = mllog(next(text for name, text in ours.items() if name.endswith("detail.txt")))
    known = mllog((tmp_path / "mlperf_log_detail.txt").read_text())
    assert set(keys) - set(known) == {"benchbench_notice"}


def mllog(detail):
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in detail.splitlines()]
    return {one["key"]: one["value"] for one in entries}


def test_figures_are_loadgens_elements_of_the_sorted_latencies():
    found = files(run_view(single_stream()))
    summary = parsed(next(text for name, text in found.items() if "summary" in name))
    assert summary["50.00 percentile latency (ns)"] == str(TIMES[500])
    assert summary["99.90 percentile latency (ns)"] == str(TIMES[999])
    assert summary["Mean latency (ns)"] == str(int(TIMES.mean()))
    detail = mllog(next(text for name, text in found.items() if "detail" in name))
    assert detail["result_90.00_percentile_latency_ns"] == TIMES[900]
    assert detail["sut_name"] == summary["SUT name"] == "net · onnxruntime · fp32"


def test_what_there_is_not_is_said_and_never_zero():
    for scenario, one in all_four().items():
        for name, text in files(run_view(one)).items():
            values = parsed(text) if "summary" in name else mllog(text)
            assert values.get("qsl_rng_seed", NOT_MEASURED) == NOT_MEASURED, scenario
            zeros = {
                key for key, value in values.items() if value in ("0", 0) and value is not False
            }
            assert zeros <= {"result_overlatency_query_count"}, scenario


def test_a_run_of_less_than_ten_minutes_is_invalid_by_mlperfs_rule():
    by_rule = parsed(next(iter(files(run_view(single_stream())).values())))
    assert (by_rule["Result is"], by_rule["Min duration satisfied"]) == ("INVALID", "NO")
    shorter = parsed(next(iter(files(run_view(single_stream()), min_duration_ms=1000).values())))
    assert shorter["Result is"] == "VALID"


def test_too_few_queries_are_invalid_and_their_number_is_told():
    text = next(iter(files(run_view(single_stream(TIMES[:63])), min_duration_ms=1).values()))
    assert "Need to process at least 64 queries" in text
    assert parsed(text)["Early stopping satisfied"] == "NO"
    assert parsed(text)["Result is"] == "INVALID"


def test_a_server_that_misses_its_bound_or_loses_queries_is_invalid():
    for one in (server(bound_ms=2.5), lossy()):
        text = next(iter(files(run_view(one), min_duration_ms=1).values()))
        assert parsed(text)["Performance constraints satisfied"] == "NO"
        assert parsed(text)["Result is"] == "INVALID"
        assert "more queries," in text


def lossy():
    queries = passes(TIMES)
    queries.finished_ns[-10:] = -1
    return definitions_mlperf.server(together([(200.0, [queries])]), 0, 10.0)


def test_the_same_run_gives_the_same_bytes_and_an_empty_one_says_so():
    view = run_view(*all_four().values())
    assert MlPerf().render(view) == MlPerf().render(view)
    assert len(files(view)) == 8
    for empty in (run_view(), run_view(single_stream(), status="failed")):
        assert "no latency pass" in files(empty)["README.txt"]
