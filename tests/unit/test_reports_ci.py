"""What CI systems take: verdicts, units, absence, hostile names, golden files.

The runs and gates are made by hand; what real consumers say of the files is in
``tests/integration/test_ci_outputs.py``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from benchbench.reports.action_benchmark import ActionBenchmarkBigger, ActionBenchmarkSmaller
from benchbench.reports.bencher import Bencher
from benchbench.reports.github import GithubAnnotations, GithubSummary
from benchbench.reports.junit import JUnit
from benchbench.reports.naming import unique
from benchbench.reports.openmetrics import GitlabMetrics, OpenMetrics
from benchbench.reports.pytest_benchmark import PytestBenchmark, stats
from tests.gate_fixture import (
    broken,
    gate,
    gated,
    hostile,
    limit,
    lost,
    mixed,
    slower,
    undecided,
    without_figure,
)
from tests.report_fixture import cells, latency, measured, run, varied

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "ci"
REPORTS = (
    JUnit(), GithubSummary(), GithubAnnotations(), OpenMetrics(), GitlabMetrics(),
    ActionBenchmarkSmaller(), ActionBenchmarkBigger(), Bencher(), PytestBenchmark(),
)  # fmt: skip
every_report = pytest.mark.parametrize("report", REPORTS, ids=lambda r: r.file_name)


def one_gate(*limits, on_inconclusive="fail"):
    return gated(gate(limits, on_inconclusive))


def few():
    every = cells()
    return gated(mixed(), tuple(every[index] for index in (2, 6, 7, 8, 9, 12)))


def case(view, index=0):
    return ET.fromstring(JUnit().render(view))[0].findall("testcase")[index]


# --- every format ------------------------------------------------------------------------


@every_report
def test_a_small_gate_renders_as_its_golden_file(report) -> None:
    made, path = report.render(few()), GOLDEN / report.file_name
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made.decode() == path.read_text(encoding="utf-8")


@every_report
@pytest.mark.parametrize("view", [varied(), hostile(), run(())], ids=["varied", "hostile", "empty"])
def test_rendering_is_pure_and_never_prints_none_or_nan(report, view) -> None:
    made = report.render(view)
    assert made == report.render(view.model_copy(deep=True))
    assert not re.search(rb"\bNone\b|\bnan\b|\bNaN\b|\binf\b", made)


@every_report
def test_hostile_names_leave_no_control_character_and_no_long_word(report) -> None:
    text = report.render(hostile()).decode()
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text
    )
    assert "a" * 400 not in text


@every_report
def test_figures_that_are_not_finite_are_left_out(report) -> None:
    cell = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    wild = cell.model_copy(
        update={
            "metrics": {"AP": float("nan"), "AP50": float("inf")},
            "latency": cell.latency.model_copy(
                update={"quantiles_ms": (float("nan"),) * 101, "throughput_ips": float("inf")}
            ),
        }
    )
    text = report.render(run((wild,))).decode().lower()
    assert not re.search(r"\bnan\b|\binf(inity)?\b", text)


def test_a_limit_is_called_by_its_name_with_its_text_beside() -> None:
    one = cells()[0]
    view = one_gate(broken(one, name=f"fast enough · {one.label}"))
    assert case(view).get("name") == "fast enough"
    assert "latency.p99 <= 12 ms" in case(view).find("failure").get("message")
    for report in (GithubSummary(), GithubAnnotations()):
        assert "fast enough" in report.render(view).decode()


def test_names_that_come_again_are_numbered() -> None:
    assert unique(["a", "a", "a (2)", "a"]) == ["a", "a (2)", "a (2) (2)", "a (3)"]


def test_a_cell_that_ran_otherwise_than_asked_says_so_in_its_name() -> None:
    cell = measured(4, "m", "openvino", "bf16", ap=0.5, p50=9.0, effective="fp32")
    (name,) = json.loads(Bencher().render(run((cell,))))
    assert name == "m · openvino · bf16 (other precision than asked)"


# --- JUnit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "on_inconclusive", "expected"),
    [
        (limit(cells()[0], "x", "pass"), "fail", None),
        (broken(cells()[0]), "pass", "failure"),
        (without_figure(cells()[12]), "fail", "failure"),
        (undecided(cells()[0]), "fail", "failure"),
        (undecided(cells()[0]), "retry", "failure"),
        (undecided(cells()[0]), "pass", "skipped"),
    ],
    ids=["held", "broken", "failed cell", "undecided", "undecided after retries", "let through"],
)
def test_junit_passes_only_what_was_shown_to_hold(made, on_inconclusive, expected) -> None:
    found = [part.tag for part in case(one_gate(made, on_inconclusive=on_inconclusive))]
    assert found == ["properties", *([expected] if expected else [])]


def test_a_failure_says_figure_limit_and_evidence_in_its_text() -> None:
    assert case(one_gate(slower(cells()[8]))).find("failure").text == (
        "FAIL: latency.p50 is 1.062 × that of main: nanodet-plus-m · onnxruntime · fp32 "
        "(95 % interval 1.041 × to 1.083 ×; 8 pairs); the limit is at most 1.03 ×; "
        "p = 0.003 after Holm's correction; more was measured to settle it"
    )


def test_a_figure_that_rounds_to_its_limit_is_shown_with_more_digits() -> None:
    told = case(one_gate(broken(cells()[0], value=12.0041))).find("failure").text
    assert "latency.p99 is 12.0041 ms" in told


def test_junit_names_are_unique_and_counts_add_up() -> None:
    suite = ET.fromstring(JUnit().render(hostile()))[0]
    found = suite.findall("testcase")
    assert len({(one.get("classname"), one.get("name")) for one in found}) == len(found) == 45
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("45", "30", "0")


def test_junit_without_a_gate_tells_of_cells() -> None:
    suite = ET.fromstring(JUnit().render(run()))[0]
    assert (suite.get("tests"), suite.get("errors"), suite.get("skipped")) == ("14", "1", "1")
    assert "SIGSEGV" in suite.find("testcase/error").text


# --- GitHub ------------------------------------------------------------------------------


def test_the_summary_starts_with_the_verdict_and_the_worst_limits() -> None:
    lines = GithubSummary().render(gated()).decode().splitlines()
    assert lines[2:4] == [
        "> [!CAUTION]",
        "> **FAIL**: 6 limits: 3 broken, 1 undecided, 2 shown to hold. Baseline: main.",
    ]
    verdicts = [
        line.split(" | ")[0] for line in lines if line.startswith(("| FAIL", "| INC", "| PASS"))
    ]
    assert verdicts == ["| FAIL"] * 3 + ["| INCONCLUSIVE"] + ["| PASS"] * 2
    assert "the cell failed" in next(line for line in lines if line.startswith("| FAIL"))


def test_a_summary_of_a_thousand_hostile_cells_stays_under_a_mebibyte() -> None:
    view = hostile()
    many = tuple(
        cell.model_copy(update={"id": f"{n}-{cell.id}", "label": "@&<>|" * 2000})
        for n in range(70)
        for cell in view.cells
    )
    made = GithubSummary().render(view.model_copy(update={"cells": many}))
    assert len(many) > 1000
    assert len(made) < 2**20
    assert b"850 more cells are in the other reports." in made


def test_annotations_are_the_ten_worst_errors_and_warnings_and_say_how_many_more() -> None:
    cell = cells()[0]
    fails = [broken(cell, value=13.0 + n, name=f"f{n}") for n in range(12)]
    doubts = [undecided(cell, name=f"u{n}") for n in range(11)]
    lines = GithubAnnotations().render(one_gate(*fails, *doubts)).decode().splitlines()
    kinds = [line.split()[0].strip(":") for line in lines]
    assert kinds[:20] == ["error"] * 10 + ["warning"] * 10
    assert "24 ms" in lines[0]
    assert lines[20:] == ["::notice::3 more are in the step summary and reports"]


def undone(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as GitHub's runner does (ActionCommand.TryParseV2)."""
    assert line.startswith("::")
    head, data = line[2:].split("::", 1)
    kind, _, told = head.partition(" ")
    pairs = [one.split("=", 1) for one in told.split(",") if one]
    back = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))

    def text(escaped: str, codes) -> str:
        for code, char in codes:
            escaped = escaped.replace(code, char)
        return escaped

    return kind, {k: text(v, back) for k, v in pairs}, text(data, (*back[:2], back[4]))


def test_an_annotation_reads_back_as_it_was_meant() -> None:
    made = broken(cells()[0], file="suites/a,b:c.yaml", line=7, text="no more than 3 % slower")
    (line,) = GithubAnnotations().render(one_gate(made)).decode().splitlines()
    kind, properties, message = undone(line)
    assert (kind, properties["file"], properties["line"]) == ("error", "suites/a,b:c.yaml", "7")
    assert properties["title"] == "FAIL: no more than 3 % slower"
    assert "95 % interval" in message


def test_a_name_that_is_a_workflow_command_stays_a_message() -> None:
    lines = GithubAnnotations().render(hostile()).decode().splitlines()
    read = [undone(line) for line in lines]
    assert [kind for kind, _, _ in read] == ["error"] * 10 + ["warning"] * 10 + ["notice"]
    assert all(set(told) <= {"file", "line", "title"} for _, told, _ in read)


# --- metrics -----------------------------------------------------------------------------


def by_gitlab(text: str) -> dict[str, str]:
    """Read a metrics report as GitLab does (Gitlab::Ci::Parsers::Metrics::Generic)."""
    found = {}
    for line in text.splitlines():
        parts = shlex.split(re.sub(r"#.*$", "", line))
        if parts:
            name, value, *more = parts
            assert not more
            assert name not in found
            found[name] = value
    return found


def test_gitlab_reads_every_line_as_a_name_and_a_number() -> None:
    found = by_gitlab(GitlabMetrics().render(gated()).decode())
    assert (
        found["benchbench_latency_p50_seconds{cell=nanodet-plus-m · onnxruntime · fp32}"]
        == "0.00994"
    )
    assert found["benchbench_size_bytes{cell=nanodet-plus-m · onnxruntime · fp32}"] == "4100000"
    assert found["benchbench_gate_limits{outcome=fail}"] == "3"
    assert all(re.match(r"benchbench_\w+\{", name) for name in found)


def test_gitlab_reads_hostile_names_too() -> None:
    found = by_gitlab(GitlabMetrics().render(hostile()).decode())
    assert len([name for name in found if name.startswith("benchbench_latency_p50")]) == 15
    assert all(float(value) >= 0 for value in found.values())


# --- lists of figures --------------------------------------------------------------------


def test_github_action_benchmark_gets_each_figure_in_the_file_of_its_direction() -> None:
    view = run((cells()[2],))
    smaller, bigger = (
        {one["name"].split(" / ")[1]: one for one in json.loads(report.render(view))}
        for report in (ActionBenchmarkSmaller(), ActionBenchmarkBigger())
    )
    assert {"latency.p50", "latency.p95", "size"} <= set(smaller)
    assert {"AP", "throughput", "speedup"} <= set(bigger)
    assert not set(smaller) & set(bigger)
    assert (smaller["latency.p50"]["value"], smaller["latency.p50"]["unit"]) == (58.1, "ms")
    assert bigger["speedup"]["range"] == "1.7553 to 1.8472"
    assert "latency.p99" not in smaller, "it was withheld"


def test_a_metric_of_which_less_is_better_is_in_the_smaller_file() -> None:
    cell = cells()[2].model_copy(update={"lower_is_better": ("AP",)})
    names = [one["name"] for one in json.loads(ActionBenchmarkSmaller().render(run((cell,))))]
    assert names[0].endswith("/ AP")


def test_bencher_has_nanoseconds_and_its_own_names() -> None:
    (measures,) = json.loads(Bencher().render(run((cells()[2],)))).values()
    assert measures["latency"] == {"value": 58_100_000.0}
    assert measures["throughput"]["value"] == 17.01
    assert measures["file-size"]["value"] == 19_812_000
    assert measures["speedup"] == {"value": 1.8003, "lower_value": 1.7553, "upper_value": 1.8472}
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in measures)


def test_no_name_switches_off_the_alerts_of_bencher() -> None:
    cell = cells()[2].model_copy(update={"label": "net-bencher-ignore"})
    assert list(json.loads(Bencher().render(run((cell,))))) == ["net-bencher-ignore (cell)"]


def test_statistics_for_pytest_benchmark_are_those_of_the_sample() -> None:
    times = np.random.default_rng(3).lognormal(np.log(12.0), 0.08, 2000)
    late = latency(12.0, 0, 2000).model_copy(
        update={
            "mean_ms": float(times.mean()),
            "quantiles_ms": tuple(map(float, np.quantile(times, np.linspace(0, 1, 101)))),
        }
    )
    found = stats(late)
    exact = {"min": times.min(), "max": times.max(), "mean": times.mean(), "median": np.median(times),
             "total": times.sum(), "q1": np.quantile(times, 0.25), "q3": np.quantile(times, 0.75)}  # fmt: skip
    for name, value in exact.items():
        assert found[name] == pytest.approx(value / 1000, rel=1e-12), name
    assert found["ops"] == pytest.approx(1000 / times.mean())
    assert found["stddev"] == pytest.approx(times.std(ddof=1) / 1000, rel=0.05)
    fences = found["q1"] - 1.5 * found["iqr"], found["q3"] + 1.5 * found["iqr"]
    assert (
        fences[0] <= found["ld15iqr"] <= found["q1"] < found["q3"] <= found["hd15iqr"] <= fences[1]
    )


def test_a_cell_that_was_not_timed_is_no_benchmark() -> None:
    view = gated(gate((lost(cells()[2]),)))
    assert len(json.loads(PytestBenchmark().render(view))["benchmarks"]) == 12
