"""Gates on real runs of a tiny suite: verdicts, exit codes, baselines, measuring again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.cli import main
from benchbench.errors import SuiteError, UsageError
from benchbench.gate_view import GateView, LimitView
from benchbench.store import Store
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


def two(folder: Path, slow_s: float, **changes: Any) -> dict[str, Any]:
    """Return a suite of the runtimes 'quick' and 'slow', with short processes and turns."""
    runtimes = [tiny.faulty("quick", slow_s=0.001), tiny.faulty("slow", slow_s=slow_s)]
    return tiny.suite(folder, runtimes=runtimes, **changes)


def measured(tmp_path: Path, data: dict[str, Any], **options: Any) -> api.RunOutcome:
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return api.run(str(path), store=tmp_path / "store", **options)


def gate(tmp_path: Path, *texts: str, **options: Any) -> GateView:
    view = api.gate(texts=texts, store=tmp_path / "store", **options)
    assert view.gate is not None
    return view.gate


def only(found: GateView) -> LimitView:
    (limit,) = found.limits
    return limit


def code(tmp_path: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["gate", "latest", "--store", str(tmp_path / "store"), *arguments])
    return int(ended.value.code)


def test_exit_codes_of_every_verdict_and_the_terminal_tells_why(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["memory <= 1 GB"]))
    assert code(tmp_path) == 0
    assert capsys.readouterr().out.startswith("PASS")
    assert code(tmp_path, "--limit", "memory <= 1 kB") == 1
    out = capsys.readouterr().out
    assert out.startswith("FAIL")
    assert "1 broken, 1 shown to hold" in out
    assert code(tmp_path, "--limit", "latency.p50 <= 1 s") == 4
    out = capsys.readouterr().out
    assert "one process says nothing of how processes differ" in out
    assert "--on-inconclusive retry" in out
    assert code(tmp_path, "--limit", "latency.p50 <= 1 s", "--on-inconclusive", "pass") == 0
    capsys.readouterr()
    assert code(tmp_path, "--limit", "latency.p50 <= 1") == 2
    assert "needs a unit" in capsys.readouterr().err


def test_json_is_the_gate_and_outputs_are_reports_of_it(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["memory <= 1 GB"]))
    capsys.readouterr()
    path = tmp_path / "out" / "run.json"
    assert code(tmp_path, "--json", "--output", f"json={path}") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["outcome"], found["exit_code"]) == (1, "pass", 0)
    assert found["limits"][0]["p_broken"] == 1
    assert json.loads(path.read_text())["run"] == found["run"]


def test_limits_of_today_go_before_those_that_the_run_was_measured_with(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder, gates=["memory <= 1 GB"])
    measured(tmp_path, data)
    assert gate(tmp_path).outcome == "pass"
    tiny.write_suite(tmp_path / "suite.yaml", data | {"gates": ["memory <= 1 kB"]})
    found = only(gate(tmp_path))
    assert (found.outcome, found.file, found.line) == ("fail", str(tmp_path / "suite.yaml"), 41)
    (tmp_path / "suite.yaml").unlink()
    assert gate(tmp_path).outcome == "pass"


def test_a_file_of_limits_takes_the_place_of_the_suites(tmp_path: Path, folder: Path) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["memory <= 1 kB"]))
    path = tmp_path / "limits.yaml"
    path.write_text("gates:\n  - memory <= 1 GB\ngating: {alpha: 0.01}\n")
    found = gate(tmp_path, limits=path)
    assert (found.outcome, found.alpha, only(found).line) == ("pass", 0.01, 2)
    path.write_text("gates:\n  - size =< 1 GB\n")
    with pytest.raises(SuiteError, match="operator"):
        gate(tmp_path, limits=path)


def test_no_limits_a_wrong_name_and_no_cell_are_told_with_what_mends_them(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, tiny.suite(folder))
    with pytest.raises(UsageError, match="sets a limit"):
        gate(tmp_path)
    with pytest.raises(UsageError, match="no figure named 'topp1'") as error:
        gate(tmp_path, "topp1 >= 0.1")
    assert "top1" in str(error.value.hint)
    with pytest.raises(UsageError, match="names no baseline"):
        gate(tmp_path, "no more than 3 % slower")
    path = tmp_path / "limits.yaml"
    path.write_text("gates:\n  - {limit: size <= 1 GB, where: {model: x}}\n")
    with pytest.raises(UsageError, match=r"picks no cell") as error:
        gate(tmp_path, limits=path)
    assert str(error.value).startswith(f"{path}:2: ")


def test_a_failed_cell_fails_its_limits_and_is_told_where_none_is_about_it(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(
        folder, runtimes=[tiny.faulty("good"), tiny.faulty("bad", fault="raise", stage="open")]
    )
    measured(tmp_path, data)
    found = {one.label: one for one in gate(tmp_path, "memory <= 1 GB").limits}
    assert found["m · good · fp32"].outcome == "pass"
    failed = found["m · bad · fp32"]
    assert failed.outcome == "fail"
    assert failed.reason.startswith("the cell failed: ")
    path = tmp_path / "limits.yaml"
    path.write_text("gates:\n  - {limit: memory <= 1 GB, where: {runtime: good}}\n")
    narrow = gate(tmp_path, limits=path)
    assert narrow.outcome == "pass"
    assert narrow.left == ("m · bad · fp32 failed, and no limit is about it",)


def test_a_limit_on_building_holds_only_where_something_was_built(
    tmp_path: Path, folder: Path
) -> None:
    runtime = tiny.faulty("a", precisions=["fp32", "int8"])
    data = tiny.suite(folder, runtimes=[runtime], conversions=[{"kind": "bbtest-copy"}])
    measured(tmp_path, data)
    found = {one.label: one for one in gate(tmp_path, "build <= 1 h").limits}
    built, bare = found["m · a · int8"], found["m · a · fp32"]
    assert (built.outcome, bare.outcome, bare.value) == ("pass", "inconclusive", None)
    assert built.value
    assert bare.reason == "nothing was built: the model is run as it is"


@pytest.mark.slow
def test_an_undecided_latency_is_measured_in_fresh_processes_which_the_run_keeps(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", slow_s=0.002)])
    outcome = measured(tmp_path, data)
    found = gate(tmp_path, "latency.p50 <= 1 s", on_inconclusive="retry", budget_s=60)
    limit = only(found)
    assert (limit.outcome, limit.retried, found.exit_code) == ("pass", True, 0)
    assert limit.basis == "10 processes"
    assert found.left == ()
    assert len(list(Store(tmp_path / "store").run(outcome.run).all_taken())) == 10
    assert only(gate(tmp_path, "latency.p50 <= 1 s")).outcome == "pass"


def test_a_budget_that_is_over_leaves_it_inconclusive_and_counts_as_failed(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, tiny.suite(folder))
    found = gate(tmp_path, "latency.p50 <= 1 s", on_inconclusive="retry", budget_s=0.001)
    assert (found.outcome, found.exit_code) == ("inconclusive", 4)
    assert found.left == ("10 of 10 takes of the kind 'process'",)
    assert not only(found).retried


@pytest.mark.slow
def test_cells_of_one_run_take_turns_until_a_relative_limit_is_settled(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, two(folder, 0.008))
    path = tmp_path / "limits.yaml"
    path.write_text("gates:\n  - limit: no more than 50 % slower\n    against: {runtime: quick}\n")
    before = gate(tmp_path, limits=path)
    assert before.outcome == "inconclusive"
    assert "a trend" in only(before).reason
    found = gate(tmp_path, limits=path, on_inconclusive="retry", budget_s=60)
    limit = only(found)
    assert (limit.outcome, limit.retried, found.exit_code) == ("fail", True, 1)
    assert limit.against == "m · quick · fp32"
    assert limit.change > 1.5
    (turns,) = api.show("latest", store=tmp_path / "store").turns
    assert turns.settled_by == "sequence"


def test_latency_against_another_run_is_a_trend_and_memory_is_not(
    tmp_path: Path, folder: Path
) -> None:
    first = measured(tmp_path, tiny.suite(folder))
    measured(tmp_path, tiny.suite(folder), fresh=True)
    much = "no more than 900 % more memory"
    latency, memory = gate(tmp_path, "no more than 3 % slower", much, baseline=first.run).limits
    assert latency.outcome == "inconclusive"
    assert "trend" in latency.reason
    assert "one run" in latency.hint
    assert (memory.outcome, memory.basis) == ("pass", "one run each")
    assert memory.against.endswith(first.run)
    with pytest.raises(UsageError, match="is the run that is judged"):
        gate(tmp_path, "no more than 3 % slower", baseline="latest")


def test_a_wrong_output_is_refused_before_anything_is_judged(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["memory <= 1 GB"]))
    (tmp_path / "file").write_text("")
    wrong = {"junitt=a.xml": "junitt", f"junit={tmp_path}": "is a folder",
             f"junit={tmp_path / 'file' / 'a.xml'}": "cannot write"}  # fmt: skip
    for output, said in wrong.items():
        assert code(tmp_path, "--output", output) == 2
        told = capsys.readouterr()
        assert (told.out, said in told.err) == ("", True), told.err


def test_the_verdict_of_a_stopped_gate_tells_the_exit_code_that_it_has(
    tmp_path: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["latency.p50 <= 1 s"]))
    judge, report = api.gate, tmp_path / "junit.xml"

    def interrupted(*asked: Any, **options: Any) -> Any:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        return judge(*asked, **options)

    monkeypatch.setattr(api, "gate", interrupted)
    assert code(tmp_path, "--json", "--output", f"junit={report}") == 130
    assert json.loads(capsys.readouterr().out)["exit_code"] == 130
    assert 'name="exit_code" value="130"' in report.read_text()
    assert code(tmp_path) == 130
    assert "exit 130: stopped" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_not_taken_for_a_broken_limit(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, tiny.suite(folder, gates=["memory <= 1 GB"]))
    store = ["--store", str(tmp_path / "store")]
    made = subprocess.Popen(
        [sys.executable, "-m", "benchbench", "gate", "latest", *store],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert made.stdout is not None
    made.stdout.close()
    assert made.stderr is not None
    with made.stderr:
        assert made.stderr.read() == b""
    assert made.wait() == 141


@pytest.mark.parametrize(
    "arguments", [("gate", "latest", "--alpha", "nan"), ("compare", "a", "b", "--level", "nan")]
)
def test_nan_is_no_share(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    assert "'nan' is no number" in capsys.readouterr().err


def test_a_baseline_that_is_not_there_is_refused_though_no_limit_needs_it(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, tiny.suite(folder))
    with pytest.raises(UsageError, match="typo"):
        gate(tmp_path, "memory <= 1 GB", baseline="typo")


def test_a_baseline_that_is_replaced_is_told(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = measured(tmp_path, two(folder, 0.001)).run
    measured(tmp_path, two(folder, 0.002))
    for run in (first, "latest"):
        with pytest.raises(SystemExit):
            main(["baseline", "save", "base", run, "--store", str(tmp_path / "store")])
    before, after = capsys.readouterr().out.split("/base.json: ")[1:]
    assert "replaced" not in before
    assert f"it replaced {first}" in after
