"""Latency passes in the words of MLPerf LoadGen's log files, version 6.0.

The names and their order are LoadGen's, so that what reads its logs reads these. What benchbench
does not have reads ``not measured``. Nothing here is a submission to MLPerf, and each file says so.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from benchbench.definitions_view import EarlyStopping, LoadGenSummary
from benchbench.types import Record
from benchbench.view import CellView, RunView

NOT_MEASURED = "not measured"
HEADER = (
    "Produced by benchbench, not by MLPerf LoadGen. This is not an MLPerf submission and not an\n"
    "MLPerf result: see benchbench's docs/latency-definitions.md for what is comparable."
)
_RULE = "=" * 48
_SHARES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_UNUSED = (
    "max_duration (ms)", "min_query_count", "max_query_count", "qsl_rng_seed",
    "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed",
    "accuracy_log_probability", "accuracy_log_sampling_target", "print_timestamps",
    "performance_issue_unique", "performance_issue_same", "performance_issue_same_index",
    "performance_sample_count", "accuracy_sample_count",
)  # fmt: skip
"""LoadGen's settings that benchbench has no like of."""
_CLOSED = {"SingleStream": 1, "MultiStream": 1}
"""Scenarios in which a query waits for the one before it."""

Value = int | float | str | None


class MlPerf(Record):
    """Writes ``mlperf_logs.zip``: for each cell and scenario, a summary and a detail log."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "mlperf_logs.zip"

    min_duration_ms: int = 600_000
    """Shorter runs are INVALID; the default is MLPerf's rule for every scenario."""

    def render(self, run: RunView) -> bytes:
        """Return the zip; a run without any latency pass gives one file that says so."""
        files = dict(self._files(run))
        files = files or {"README.txt": f"{HEADER}\n\nThis run has no latency pass.\n"}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                entry = zipfile.ZipInfo(name)  # dated 1980: the same run gives the same bytes
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, text.encode("utf-8", "backslashreplace"))
        return out.getvalue()

    def _files(self, run: RunView) -> Iterator[tuple[str, str]]:
        for cell in run.cells:
            for one in summaries(cell):
                folder = f"{_safe(cell.label)}-{_safe(cell.id)}/{one.scenario}"
                checks = _Checks(one, self.min_duration_ms)
                yield f"{folder}/mlperf_log_summary.txt", _summary(cell, one, checks)
                yield f"{folder}/mlperf_log_detail.txt", _detail(run, cell, one, checks)


def summaries(cell: CellView) -> Sequence[LoadGenSummary]:
    """Return the scenarios that *cell* was measured in."""
    return cell.loadgen if cell.status == "measured" else ()


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-")[:80]


class _Checks:
    """What LoadGen would find valid."""

    def __init__(self, one: LoadGenSummary, min_duration_ms: int) -> None:
        self.min_duration_ms = min_duration_ms
        self.duration = one.duration_s * 1000 >= min_duration_ms
        self.bound = _kept(one)
        self.early = _stopped_well(one)

    @property
    def valid(self) -> bool:
        """Whether all hold; a least number of queries is not asked for, as in LoadGen's Skipped."""
        return self.duration and self.early and self.bound is not False


def _kept(one: LoadGenSummary) -> bool | None:
    """Return whether a server's percentile is within its bound; None for other scenarios."""
    if one.scenario != "Server":
        return None
    return (
        one.result_ns is not None
        and one.target_latency_ns is not None
        and one.result_ns <= one.target_latency_ns
    )


def _stopped_well(one: LoadGenSummary) -> bool:
    if one.scenario == "Server":
        return one.still_needed == 0
    asked = [found for found in one.early_stopping if found.percentile == one.percentile]
    return all(found.estimate_ns is not None for found in asked)


# --- the summary -------------------------------------------------------------------------


def _summary(cell: CellView, one: LoadGenSummary, checks: _Checks) -> str:
    lines = [
        HEADER,
        *_title("MLPerf Results Summary"),
        f"SUT name : {cell.label}",
        f"Scenario : {one.scenario}",
        "Mode     : PerformanceOnly",
        _headline(one),
        f"Result is : {'VALID' if checks.valid else 'INVALID'}",
        *_reasons(checks),
        *_early_lines(one),
        "",
        *_title("Additional Stats"),
        *_statistics(one),
        "",
        *_title("Test Parameters Used"),
        *(f"{name} : {_told(value)}" for name, value in _parameters(one, checks)),
    ]
    return "\n".join(lines) + "\n"


def _title(text: str) -> list[str]:
    return [_RULE, text, _RULE]


def _headline(one: LoadGenSummary) -> str:
    if one.scenario == "Server":
        return f"Completed samples per second    : {_told(one.completed_per_s)}"
    if one.scenario == "Offline":
        return f"Samples per second: {_told(one.samples_per_s)}"
    return f"{one.percentile:.1f}th percentile latency (ns) : {_told(one.result_ns)}"


def _reasons(checks: _Checks) -> Iterator[str]:
    if checks.bound is not None:
        yield f"  Performance constraints satisfied : {_yes(checks.bound)}"
    yield f"  Min duration satisfied : {_yes(checks.duration)}"
    yield "  Min queries satisfied : Skipped"
    yield f"  Early stopping satisfied: {_yes(checks.early)}"
    if not checks.valid:
        yield "Recommendations:"
    if checks.bound is False:
        yield " * Reduce target QPS to improve latency."
    if not checks.duration:
        yield f" * Measure for at least {checks.min_duration_ms} ms."


def _yes(held: bool) -> str:
    return "Yes" if held else "NO"


def _early_lines(one: LoadGenSummary) -> Iterator[str]:
    if one.scenario == "Offline":
        return
    yield "Early Stopping Result:"
    if one.scenario == "Server":
        yield from _server_lines(one)
    for place, found in enumerate(one.early_stopping):
        yield from _estimate(one, found, first=place == 0)


def _server_lines(one: LoadGenSummary) -> Iterator[str]:
    if one.still_needed == 0:
        yield " * Run successful."
        return
    yield " * Run unsuccessful."
    yield f" * Processed {one.queries} queries."
    yield f" * Would need to run at least {_told(one.still_needed)} more queries,"
    yield " with the run being successful if every additional"
    yield " query were under latency."


def _estimate(one: LoadGenSummary, found: EarlyStopping, *, first: bool) -> Iterator[str]:
    name = f"{found.percentile:.1f}th percentile"
    if found.estimate_ns is None and first:
        yield f" * Only processed {one.queries} queries."
        yield f" * Need to process at least {found.least} queries for early stopping."
    elif found.estimate_ns is None:
        yield f" * Not enough queries processed for {name}"
        yield " early stopping estimate (would need to process at"
        yield f" least {found.least} total queries)."
    else:
        if first:
            yield f" * Processed at least {found.least} queries ({one.queries})."
            yield f" * Would discard {found.discarded} highest latency queries."
        yield f" * Early stopping {name} estimate: {found.estimate_ns}"


def _statistics(one: LoadGenSummary) -> Iterator[str]:
    if one.scenario == "SingleStream":
        yield f"QPS w/ loadgen overhead         : {_told(one.qps_with_overhead)}"
        yield f"QPS w/o loadgen overhead        : {_told(one.qps_without_overhead)}"
        yield ""
    if one.scenario == "MultiStream":
        yield "Per-query latency:  "
    if one.scenario == "Server":
        yield f"Scheduled samples per second : {_told(one.scheduled_per_s)}"
    yield f"Min latency (ns)                : {_told(one.min_ns)}"
    yield f"Max latency (ns)                : {_told(one.max_ns)}"
    yield f"Mean latency (ns)               : {_told(one.mean_ns)}"
    for share in _SHARES:
        yield f"{share} percentile latency (ns)   : {_told(one.percentiles_ns.get(share))}"


def _parameters(one: LoadGenSummary, checks: _Checks) -> Iterator[tuple[str, Value]]:
    yield "samples_per_query", one.samples_per_query
    yield "target_qps", one.target_qps
    yield "target_latency (ns)", one.target_latency_ns
    yield "max_async_queries", _CLOSED.get(one.scenario)
    yield "min_duration (ms)", checks.min_duration_ms
    for name in _UNUSED:
        yield name, None


def _told(value: Value) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value:.2f}" if isinstance(value, float) else str(value)


# --- the detail --------------------------------------------------------------------------


def _detail(run: RunView, cell: CellView, one: LoadGenSummary, checks: _Checks) -> str:
    pairs = [
        ("benchbench_notice", HEADER.replace("\n", " ")),
        ("loadgen_version", None),
        ("test_datetime", cell.started or run.created),
        ("sut_name", cell.label),
        ("qsl_name", f"{cell.dataset} {cell.split}"),
        ("effective_scenario", one.scenario),
        ("effective_test_mode", "PerformanceOnly"),
        ("effective_samples_per_query", one.samples_per_query),
        ("effective_target_qps", one.target_qps),
        ("effective_target_latency_ns", one.target_latency_ns),
        ("effective_target_latency_percentile", one.percentile and one.percentile / 100),
        ("effective_min_duration_ms", checks.min_duration_ms),
        *_results(one, checks),
    ]
    return "".join(f":::MLLOG {json.dumps(_entry(*pair))}\n" for pair in pairs)


def _results(one: LoadGenSummary, checks: _Checks) -> Iterator[tuple[str, Any]]:
    yield "result_validity", "VALID" if checks.valid else "INVALID"
    if checks.bound is not None:
        yield "result_perf_constraints_met", checks.bound
    yield "result_min_duration_met", checks.duration
    yield "early_stopping_met", checks.early
    yield "result_query_count", one.queries
    yield from _rates(one)
    between = "query_" if one.scenario == "MultiStream" else ""
    for name in ("min", "max", "mean"):
        yield f"result_{name}_{between}latency_ns", getattr(one, f"{name}_ns")
    ending = "per_query_latency_ns" if between else "latency_ns"
    for share in _SHARES:
        yield f"result_{share}_percentile_{ending}", one.percentiles_ns.get(share)


def _rates(one: LoadGenSummary) -> Iterator[tuple[str, Any]]:
    if one.scenario == "SingleStream":
        yield "result_qps_with_loadgen_overhead", one.qps_with_overhead
        yield "result_qps_without_loadgen_overhead", one.qps_without_overhead
    if one.scenario == "Server":
        yield "result_overlatency_query_count", one.over_latency
        yield "result_scheduled_samples_per_sec", one.scheduled_per_s
        yield "result_completed_samples_per_sec", one.completed_per_s
    if one.scenario == "Offline":
        yield "result_samples_per_second", one.samples_per_s
    for found in one.early_stopping:
        name = (
            "early_stopping_latency_ss" if found.percentile == 90 else "early_stopping_latency_ms"
        )
        yield name, found.estimate_ns


def _entry(key: str, value: Any) -> dict[str, Any]:
    return {
        "key": key,
        "value": NOT_MEASURED if value is None else value,
        "time_ms": None,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {"is_error": False, "is_warning": False},
    }
