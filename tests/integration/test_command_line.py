"""The command line as a person and as a script meet it: real processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")

DOCUMENT_KEYS = {
    "schema", "run", "suite", "title", "description", "created", "updated", "command_line",
    "suite_sha256", "environment", "datasets", "cells", "turns", "left",
}  # fmt: skip
CELL_KEYS = {
    "id", "label", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task",
    "status", "metrics", "primary", "per_class", "reasons", "intervals", "comparison", "class_comparisons", "slices", "curves", "matrices", "lower_is_better", "evaluator", "convention", "counts",
    "latency", "placement", "artifact", "memory", "caveats", "failure", "protocol", "versions",
    "started", "wall_s", "stages_s", "speedup", "admitted", "parity", "processes", "conditions",
    "changes", "cold", "multi_stream", "server", "offline", "cameras", "soak", "energy", "costs",
    "complexity", "definitions", "loadgen", "untaken",
}  # fmt: skip
LATENCY_KEYS = {
    "queries", "effective_queries", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "withheld",
    "intervals_ms", "throughput_ips", "stages_ms",
}  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tiny.write_dataset(tmp_path / "data")
    runtimes = [tiny.faulty("good"), tiny.faulty("bad", fault="segfault")]
    return tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder, runtimes=runtimes))


def benchbench(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchbench", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120
    )


def test_run_prints_a_table_names_the_failure_and_exits_3(suite: Path, tmp_path: Path) -> None:
    done = benchbench("run", suite, cwd=tmp_path)
    assert done.returncode == 3
    assert "top1 0.750" in done.stdout
    assert "failed: m · bad · fp32: at 'load': killed by SIGSEGV" in done.stdout
    assert "1 measured, 1 failed of 2 cells" in done.stdout
    assert "report: reports/tiny-" in done.stdout
    assert "[2/2] m · bad · fp32: FAILED at 'load'" in done.stderr
    (folder,) = (tmp_path / "reports").iterdir()
    assert {"report.md", "report.json", "cells.csv"} <= {p.name for p in folder.iterdir()}


def test_show_json_is_one_object_with_the_documented_keys(suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    benchbench("run", suite, "--store", store, "--no-report", "--quiet")
    done = benchbench("show", "latest", "--store", store, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(document) == DOCUMENT_KEYS
    assert document["schema"] == 1
    good, bad = document["cells"]
    assert set(good) == set(bad) == CELL_KEYS
    assert set(good["latency"]) == LATENCY_KEYS
    assert (good["status"], bad["status"]) == ("measured", "failed")
    assert good["metrics"]["top1"] == 0.75
    assert len(good["protocol"]["dataset"]["content_sha256"]) == 64
    assert good["protocol"]["dataset"]["images"] == 4
    assert good["protocol"]["model"] == {"kind": "bbtest-inline", "label": "a"}
    assert bad["metrics"] == {}
    assert bad["latency"] is None
    assert bad["failure"]["code"] == "signal"


def test_run_json_prints_one_object_and_nothing_else(suite: Path, tmp_path: Path) -> None:
    done = benchbench("run", suite, "--store", tmp_path / "s", "--no-report", "--json")
    assert set(json.loads(done.stdout)) == DOCUMENT_KEYS | {"reports"}
    assert not done.stderr


def test_quiet_prints_no_progress(suite: Path, tmp_path: Path) -> None:
    done = benchbench("run", suite, "--store", tmp_path / "s", "--no-report", "--quiet")
    assert not done.stderr


def test_plan_tells_what_is_to_do_and_what_is_done(suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    before = json.loads(benchbench("plan", suite, "--store", store, "--json").stdout)
    assert [cell["state"] for cell in before["cells"]] == ["to_do", "to_do"]
    assert before["cells"][0]["does"] == ["accuracy", "latency"]
    assert before["seconds"] > 0
    benchbench("run", suite, "--store", store, "--no-report", "--quiet")
    after = json.loads(benchbench("plan", suite, "--store", store, "--json").stdout)
    assert [cell["state"] for cell in after["cells"]] == ["done", "failed"]
    assert after["cells"][0]["seconds"] == 0
    assert after["cells"][1]["basis"] == "earlier result"
    table = benchbench("plan", suite, "--store", store).stdout
    assert "2 cells, about" in table


def test_plan_counts_what_another_run_of_the_store_measured_as_done(
    suite: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s"
    benchbench("run", suite, "--store", store, "--no-report", "--quiet")
    data = tiny.suite(tmp_path / "data", runtimes=[tiny.faulty("good"), tiny.faulty("new")])
    grown = tiny.write_suite(tmp_path / "grown.yaml", data)
    cells = json.loads(benchbench("plan", grown, "--store", store, "--json").stdout)["cells"]
    assert [cell["state"] for cell in cells] == ["done", "to_do"]


def test_plan_measures_and_stores_nothing(suite: Path, tmp_path: Path) -> None:
    benchbench("plan", suite, cwd=tmp_path)
    assert not (tmp_path / ".benchbench").exists()


def test_score_and_report_work_on_a_stored_run(suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    benchbench("run", suite, "--store", store, "--no-report", "--quiet")
    scored = json.loads(benchbench("score", "tiny", "--store", store, "--json").stdout)
    assert scored["cells"][0]["metrics"]["top1"] == 0.75
    out = tmp_path / "out"
    done = benchbench("report", "--store", store, "--format", "csv", "--out", out)
    assert done.stdout.strip() == str(out / "cells.csv")
    assert (out / "cells.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quikstart"], "no suite named 'quikstart'\n hint: did you mean 'quickstart'?"),
        (["rnu"], "Did you mean 'run'?"),
        (["show", "--store", "nowhere"], "the store nowhere has no runs"),
        (["report", "--store", "nowhere"], "the store nowhere has no runs"),
        (["run", "coco-detectors"], "the variable 'data' has no value\n hint: --set data=VALUE"),
        (["run", "quickstart", "--set", "thread=2"], "no such variable or key"),
        (["run", "no/such.yaml"], "no suite at no/such.yaml"),
    ],
)
def test_a_wrong_command_exits_2_with_a_hint_and_no_traceback(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    done = benchbench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = benchbench("--debug", "run", "quikstart", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_strict_makes_a_cell_that_could_not_run_an_error(suite: Path, tmp_path: Path) -> None:
    data: dict[str, Any] = tiny.suite(tmp_path / "data", runtimes=[{"kind": "bbtest-absent"}])
    path = tiny.write_suite(tmp_path / "absent.yaml", data)
    options = ["run", path, "--store", tmp_path / "s", "--no-report", "--quiet"]
    assert benchbench(*options).returncode == 0
    assert benchbench(*options, "--strict").returncode == 3


def test_schema_and_suites_list_what_is_installed() -> None:
    schema = json.loads(benchbench("schema").stdout)
    assert "bbtest-faulty" in json.dumps(schema)
    listed = json.loads(benchbench("suites", "--json").stdout)
    assert {"quickstart", "coco-detectors", "nuclei"} <= {s["name"] for s in listed["suites"]}
    assert "inspection-line" in {d["name"] for d in listed["datasets"]}


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from benchbench.cli import _guarded; _guarded(['--help']);"
        "print(sorted({'numpy', 'pydantic', 'rich', 'torch', 'yaml', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "benchbench run quickstart" in done.stdout


def in_terminal(arguments: list[str], cwd: Path) -> tuple[int, str]:
    """Run in a real pseudo-terminal; return the exit code and all that was drawn."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchbench", *arguments],
        stdin=child, stdout=child, stderr=child, cwd=cwd, env=environment,
    )  # fmt: skip
    os.close(child)
    drawn = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        drawn += data
    os.close(parent)
    return process.wait(), drawn.decode()


def test_a_terminal_sees_cells_stages_and_a_pause_while_timing(suite: Path, tmp_path: Path) -> None:
    code, drawn = in_terminal(["run", str(suite), "--no-report"], tmp_path)
    assert code == 3
    for part in ("0/2", "m · good · fp32", "accuracy", "images/s", "display paused", "left"):
        assert part in drawn, part


def test_the_frame_has_a_row_a_cell_and_absent_is_missing(suite: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from benchbench import api

    benchbench("run", suite, "--store", tmp_path / "s", "--no-report", "--quiet")
    frame = api.frame("latest", store=tmp_path / "s")
    assert list(frame["status"]) == ["measured", "failed"]
    assert frame["metric.top1"].iloc[0] == 0.75
    assert pandas.isna(frame["metric.top1"].iloc[1])
    assert pandas.isna(frame["p99_ms"].iloc[0])
