"""CI outputs read by their real consumers, and the templates against the real command line."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchbench.reports.action_benchmark import ActionBenchmarkBigger, ActionBenchmarkSmaller
from benchbench.reports.bencher import Bencher
from benchbench.reports.github import GithubSummary
from benchbench.reports.junit import JUnit
from benchbench.reports.openmetrics import GitlabMetrics, OpenMetrics
from benchbench.reports.pytest_benchmark import PytestBenchmark
from tests import tiny
from tests.gate_fixture import gated, hostile
from tests.report_fixture import cells, run

TEMPLATES = Path(__file__).parents[2] / "docs" / "ci"
ACTION = TEMPLATES / "github" / "action.yml"
WORKFLOW = TEMPLATES / "github" / "workflow.yml"
GITLAB = TEMPLATES / "gitlab" / "benchbench.gitlab-ci.yml"

# https://bencher.dev/docs/reference/bencher-metric-format, and its limits on names.
BENCHER_SCHEMA = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "properties": {
                name: {"type": "number"} for name in ("value", "lower_value", "upper_value")
            },
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}
# BenchmarkResult in github-action-benchmark's src/extract.ts.
ACTION_BENCHMARK_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[^|`\\n]+$"},
            "value": {"type": "number"},
            "unit": {"type": "string", "minLength": 1},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "required": ["name", "value", "unit"],
        "additionalProperties": False,
    },
}
both = pytest.mark.parametrize("view", [gated(), hostile()], ids=["plain", "hostile"])


@both
def test_junitparser_reads_every_case_with_its_result(view) -> None:
    junitparser = pytest.importorskip("junitparser")
    (suite,) = junitparser.JUnitXml.fromstring(JUnit().render(view))
    found = list(suite)
    assert (suite.tests, len(found)) == (len(view.gate.limits),) * 2
    assert suite.failures == sum(
        isinstance(r, junitparser.Failure) for c in found for r in c.result
    )
    for case, limit in zip(found, view.gate.limits, strict=True):
        assert case.is_passed == (limit.outcome == "pass")
        if limit.outcome == "fail":
            assert case.result[0].text.startswith("FAIL: ")


FORMATS = ["prometheus_client.parser", "prometheus_client.openmetrics.parser"]


@pytest.mark.parametrize("text_format", FORMATS)
@both
def test_both_text_formats_of_prometheus_hold_the_same_samples(text_format, view) -> None:
    parser = pytest.importorskip(text_format)
    text = OpenMetrics().render(view).decode()
    found = [
        one for family in parser.text_string_to_metric_families(text) for one in family.samples
    ]
    assert len(found) == sum(not line.startswith("#") for line in text.splitlines())
    kinds = {line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    assert kinds == {"gauge"}  # node_exporter's collector knows no info and no stateset


@pytest.mark.parametrize("report", [OpenMetrics(), GitlabMetrics()], ids=lambda r: r.file_name)
@both
def test_the_parser_of_prometheus_reads_the_metrics(report, view) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    found = {family.name: family for family in
             parser.text_string_to_metric_families(report.render(view).decode())}  # fmt: skip
    median = found["benchbench_latency_p50_seconds"]
    assert (median.type, median.unit) == ("gauge", "seconds")
    expected = [cell.latency.p50_ms / 1000 for cell in view.cells if cell.latency]
    assert [sample.value for sample in median.samples] == pytest.approx(expected, rel=5e-3)
    assert len({sample.labels["cell"] for sample in median.samples}) == len(expected)


def test_prometheus_sees_units_intervals_and_verdicts() -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = OpenMetrics().render(gated()).decode()
    found = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert {"benchbench_speedup_low_ratio", "benchbench_size_bytes", "benchbench_coverage_ratio",
            "benchbench_throughput_images_per_second"} <= set(found)  # fmt: skip
    (now,) = [s for s in found["benchbench_gate"].samples if s.value]
    assert now.labels == {"benchbench_gate": "fail"}
    limits = [s.labels["benchbench_limit"] for s in found["benchbench_limit"].samples if s.value]
    assert sorted(limits) == ["fail"] * 3 + ["inconclusive"] + ["pass"] * 2
    assert found["benchbench_run_info"].samples[0].labels["suite"] == "edge-detectors"


@both
def test_files_for_bencher_and_github_action_benchmark_keep_their_schemas(view) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(Bencher().render(view)), BENCHER_SCHEMA)
    for report in (ActionBenchmarkSmaller(), ActionBenchmarkBigger()):
        entries = json.loads(report.render(view))
        jsonschema.validate(entries, ACTION_BENCHMARK_SCHEMA)
        assert len({entry["name"] for entry in entries}) == len(entries)


@both
def test_the_summary_is_tables_and_no_html(view) -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(GithubSummary().render(view).decode())
    inside = [child for token in tokens for child in (token.children or ())]
    kinds = {token.type for token in (*tokens, *inside)}
    assert not kinds & {"html_block", "html_inline", "code_inline", "link_open", "image"}
    assert sum(token.type == "heading_open" for token in tokens) == 1
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == 2 + min(10, len(view.gate.limits)) + len(view.cells)


def compare(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *arguments],
        capture_output=True, text=True, check=False, cwd=folder, timeout=60,
        env={**os.environ, "COLUMNS": "300"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_pytest_benchmark_compares_two_runs(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    first, slower = cells()[7], cells()[9]
    for name, cell in (("main", first), ("branch", slower)):
        view = run((cell.model_copy(update={"label": "net · fp32", "id": first.id}),))
        (tmp_path / f"{name}.json").write_bytes(PytestBenchmark().render(view))
    told = compare(tmp_path, "main.json", "branch.json", "--sort=name", "--csv=out.csv")
    rows = [line for line in told.splitlines() if line.startswith("net · fp32")]
    assert len(rows) == 2
    assert re.search(r"net · fp32 \((\w*main)\) .*9\.94", told)
    table = rows_of(tmp_path / "out.csv")
    assert sorted(float(row["median"]) for row in table) == pytest.approx([0.00847, 0.00994])
    assert {row["rounds"] for row in table} == {"400", "1200"}
    assert table[0]["param:runtime"] in ("onnxruntime", "openvino")


def test_hostile_names_are_text_to_pytest_benchmark(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    (tmp_path / "a.json").write_bytes(PytestBenchmark().render(hostile()))
    told = compare(tmp_path, "a.json", "--csv=out.csv")
    assert "\x1b[31m" not in told
    assert not [line for line in told.splitlines() if line.startswith("::") or "##[" in line]
    names = [row["name"] for row in rows_of(tmp_path / "out.csv")]
    assert len(names) == 15
    assert all(name.startswith("benchbench/") for name in names)


# --- templates ---------------------------------------------------------------------------


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def scripts(path: Path) -> list[str]:
    data = load(path)
    if path == GITLAB:
        return [line for key in ("before_script", "script") for line in data[".benchbench"][key]]
    steps = data["runs"]["steps"] if path == ACTION else data["jobs"]["gate"]["steps"]
    return [step["run"] for step in steps if "run" in step]


VALUES = {"ON_INCONCLUSIVE": "retry", "BUDGET": "20m"}


def value(match: re.Match[str]) -> str:
    return VALUES.get(match[1].removeprefix("BENCHBENCH_"), "some.yaml")


def commands(script: str) -> list[list[str]]:
    """Return the arguments of every benchbench call, with all options that it may be given."""
    joined = script.replace("\\\n", " ")
    options = " ".join(re.findall(r"options\+?=\(([^)]*)\)", joined))
    found = []
    for line in joined.splitlines():
        if line.strip().startswith("benchbench "):
            text = line.split("||")[0].replace('"${options[@]}"', options)
            text = re.sub(r"\$\{\w+:\+(--[\w-]+ \"\$\w+\")\}", r"\1", text)
            found.append(shlex.split(re.sub(r"\$(\w+)", value, text))[1:])
    return found


@pytest.mark.parametrize("path", [ACTION, GITLAB], ids=lambda p: p.name)
def test_every_command_of_a_template_is_one_that_benchbench_takes(path: Path) -> None:
    called = [one for script in scripts(path) for one in commands(script)]
    assert [one[0] for one in called] == ["run", "gate"]
    for name, *arguments in called:
        command = importlib.import_module(f"benchbench.cli.{name}").command
        assert command.make_context(name, list(arguments)).params
    (gate,) = [one for one in called if one[0] == "gate"]
    asked = {"--ci", "--limits", "--baseline", "--on-inconclusive", "--budget"}
    assert asked <= set(gate)


def test_the_action_has_what_github_requires() -> None:
    data = load(ACTION)
    assert {"name", "description", "runs"} <= set(data)
    assert data["runs"]["using"] == "composite"
    for step in data["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert "shell" in step or "uses" in step, step
    for about in (*data["inputs"].values(), *data["outputs"].values()):
        assert about["description"]
    assert all("value" in output for output in data["outputs"].values())


def test_no_input_is_text_of_a_script() -> None:
    for path in (ACTION, WORKFLOW):
        assert not [script for script in scripts(path) if "${{" in script]
    used = set(re.findall(r"inputs\.([\w-]+)", ACTION.read_text()))
    assert used == set(load(ACTION)["inputs"])


def test_the_example_workflow_gives_inputs_that_the_action_has() -> None:
    (step,) = [
        s for s in load(WORKFLOW)["jobs"]["gate"]["steps"] if "with" in s and "suite" in s["with"]
    ]
    assert set(step["with"]) <= set(load(ACTION)["inputs"])


def test_the_gitlab_job_collects_the_files_that_the_gate_writes() -> None:
    from benchbench.cli import gate

    reports = load(GITLAB)[".benchbench"]["artifacts"]["reports"]
    assert {reports["junit"], reports["metrics"]} == set(gate._GITLAB.values())


@pytest.fixture
def job(tmp_path: Path, plugins_path: None):
    """Run the scripts of the action's steps as GitHub's runner does; return each one's exit code."""

    def run_steps(**inputs: str) -> dict[str, int]:
        tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(tiny.write_dataset(tmp_path / "data")))
        (tmp_path / "out").touch()
        binaries = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(tmp_path / "out"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "BENCHBENCH_CACHE": str(tmp_path / "cache"),
        }
        steps = [step for step in load(ACTION)["runs"]["steps"] if "id" in step]
        codes = {}
        for step in steps:
            values = {key: inputs.get(key, "") for key in step["env"]}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                env=environment | values, cwd=tmp_path, check=False, timeout=120,
            )  # fmt: skip
            codes[step["id"]] = done.returncode
        return codes

    return run_steps


def test_the_scripts_of_the_action_measure_gate_and_report(job, tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text("gates:\n  - top1 >= 0.9 on these images\n")
    assert job(SUITE="suite.yaml", LIMITS="limits.yaml") == {"run": 0, "gate": 1}
    assert (tmp_path / "out").read_text() == "code=0\ncode=1\n"
    assert "**FAIL**: 1 limit: 1 broken" in (tmp_path / "summary.md").read_text()
    assert {"junit.xml", "smaller.json", "bigger.json", "metrics.prom"} == {
        path.name for path in (tmp_path / "benchbench-ci").iterdir()
    }
