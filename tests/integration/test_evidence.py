"""What ran, what was only built, and how far it is from its source: through whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchbench import api
from benchbench.cli import cli
from benchbench.types import Cell, Event
from benchbench.view import CellView, RunView
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


def written(tmp_path: Path, folder: Path, *runtimes: dict[str, Any], **changes: Any) -> str:
    data = tiny.suite(folder, runtimes=list(runtimes), **changes)
    return str(tiny.write_suite(tmp_path / "suite.yaml", data))


def run(tmp_path: Path, suite: str) -> RunView:
    return api.run(suite, store=tmp_path / "store", cache=tmp_path / "cache").view


def by_runtime(view: RunView) -> dict[str, CellView]:
    return {cell.runtime: cell for cell in view.cells}


def test_what_can_only_be_built_has_no_figures_and_is_not_built_again(tmp_path, folder) -> None:
    suite = written(tmp_path, folder, tiny.faulty("here"), tiny.faulty("there", devices="board"))
    cell = by_runtime(run(tmp_path, suite))["there"]
    assert (cell.status, cell.failure, cell.latency) == ("compiled", None, None)
    assert set(cell.metrics) == {"coverage.device", "coverage.precision"}
    assert cell.placement is not None
    assert cell.placement.evidence == "compiled_only"
    assert [(c.code, c.figures) for c in cell.caveats] == [
        ("compiled_only", {"reason": "there is no board here"})
    ]
    again = by_runtime(run(tmp_path, suite))["there"]
    assert again.started == cell.started
    _, forecasts = api.plan(suite, store=tmp_path / "store", cache=tmp_path / "cache")
    assert {forecast.state for forecast in forecasts} == {"done"}


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 3)])
def test_strict_makes_an_error_of_what_was_only_built_or_not_run(
    tmp_path, folder, options, code
) -> None:
    suite = written(tmp_path, folder, tiny.faulty("there", devices=["board", "card:0"]))
    arguments = ["run", suite, "--store", str(tmp_path / "store"), "--no-report", "--quiet"]
    done = CliRunner().invoke(cli, [*arguments, *options], standalone_mode=False)
    assert done.return_value == code, done.output
    assert "1 compiled only" in done.output


def test_a_device_that_is_not_there_is_not_run_for_that_reason(tmp_path, folder) -> None:
    suite = written(tmp_path, folder, tiny.faulty("there", devices="card:1"))
    (cell,) = run(tmp_path, suite).cells
    assert cell.status == "not_run"
    assert cell.failure is not None
    assert (cell.failure.code, cell.failure.message) == ("missing_device", "no card is plugged in")
    assert "doctor" in str(cell.failure.hint)


def test_a_row_that_fell_back_fails_or_is_admitted_by_name(tmp_path, folder) -> None:
    suite = written(
        tmp_path,
        folder,
        tiny.faulty("half", share=0.5),
        tiny.faulty("admitted", share=0.5, admit={"cpu": ["mixed"]}),
        tiny.faulty("lower", effective="bf16", admit={"fp32": ["bf16"]}),
    )
    cells = by_runtime(run(tmp_path, suite))
    assert cells["half"].failure is not None
    assert cells["half"].failure.code == "placement"
    assert "admit: {cpu: [mixed]}" in str(cells["half"].failure.hint)
    assert cells["admitted"].admitted == ("device",)
    assert cells["admitted"].metrics["coverage.device"] == 0.5
    assert cells["lower"].admitted == ("precision",)
    assert cells["lower"].metrics["top1"] == 0.75


def test_an_artifact_is_compared_with_its_source_run_once(tmp_path, folder) -> None:
    suite = written(
        tmp_path,
        folder,
        tiny.faulty("near", precisions=["int8"], off=0.25),
        tiny.faulty("far", precisions=["int8"], off=0.75),
    )
    cells = by_runtime(run(tmp_path, suite))
    for name, off in (("near", 0.25), ("far", 0.75)):
        parity = cells[name].parity
        assert parity is not None
        assert parity.reference == "bbtest-raw fp32 in bbtest-faulty"
        assert parity.images == 4
        (output,) = parity.outputs
        assert output.max_abs == pytest.approx(off)
        assert parity.agreement["top1"] == (1.0 if off < 0.5 else 0.0)
    doubts = {name: {c.code for c in cell.caveats} for name, cell in cells.items()}
    assert "parity_far" in doubts["far"]
    assert "parity_far" not in doubts["near"]
    made = [
        path
        for path in (tmp_path / "cache/artifacts").iterdir()
        if (path / "outputs.npz").is_file()
    ]
    assert len(made) == 1


class Stages(api.Quiet):
    """Remembers what workers said that they do."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def event(self, cell: Cell, event: Event) -> None:
        del cell
        self.seen.append(event.stage)


@pytest.mark.parametrize(("order", "apart"), [(["fp32", "int8"], False), (["int8", "fp32"], True)])
def test_the_source_is_run_apart_only_where_no_cell_has_run_it_before(
    order, apart, tmp_path, folder
) -> None:
    suite = written(tmp_path, folder, {"kind": "bbtest-faulty", "precisions": order})
    watcher = Stages()
    found = api.run(str(suite), store=tmp_path / "store", cache=tmp_path / "cache", watcher=watcher)
    assert ("reference" in watcher.seen) == apart
    cells = {cell.precision: cell for cell in found.view.cells}
    assert cells["fp32"].parity is None
    assert cells["int8"].parity is not None
    assert cells["int8"].parity.outputs[0].max_abs == 0


def test_the_source_itself_and_a_suite_without_parity_are_compared_with_nothing(
    tmp_path, folder
) -> None:
    plain = written(tmp_path, folder, {"kind": "bbtest-faulty"})
    assert by_runtime(run(tmp_path, plain))["bbtest-faulty"].parity is None
    off = written(
        tmp_path,
        folder,
        tiny.faulty("x", precisions=["int8"]),
        measure={"parity": False, "latency": False},
    )
    assert by_runtime(run(tmp_path, off))["x"].parity is None


def test_a_worker_stays_on_the_cpus_it_is_given_and_the_suite_says_which(tmp_path, folder) -> None:
    import os

    chosen = max(os.sched_getaffinity(0))
    suite = written(tmp_path, folder, tiny.faulty("x"), affinity=[chosen])
    (cell,) = run(tmp_path, suite).cells
    assert cell.status == "measured"
    assert cell.protocol["affinity"] == [chosen]
    assert cell.placement is not None
    assert cell.placement.affinity == (chosen,)


def test_a_cpu_that_may_not_be_used_is_an_error_with_its_place(tmp_path, folder) -> None:
    from benchbench.errors import SuiteError

    suite = written(tmp_path, folder, tiny.faulty("x"), affinity=[60_000])
    with pytest.raises(SuiteError, match="may not use CPU 60000") as caught:
        run(tmp_path, suite)
    assert caught.value.place is not None


def test_faster_than_fp32_carries_an_interval(tmp_path, folder) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("x", precisions=["fp32", "int8"])])
    data["measure"]["latency"] |= {"queries": 400}
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    base, other = run(tmp_path, str(path)).cells
    assert base.speedup is None
    assert other.speedup is not None
    assert other.speedup.against == base.id
    assert other.speedup.low <= other.speedup.ratio <= other.speedup.high
    assert base.latency is not None
    assert other.latency is not None
    assert other.speedup.ratio == pytest.approx(base.latency.p50_ms / other.latency.p50_ms)
