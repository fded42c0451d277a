"""What is taken of measured cells: processes, pairs that take turns, a budget of time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.errors import SuiteError, UsageError
from benchbench.locks import Lock, device_lock
from benchbench.store import Store
from benchbench.types import Event, Taken
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


def run(tmp_path: Path, data: dict[str, Any], **options: Any) -> api.RunOutcome:
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return api.run(str(path), store=tmp_path / "store", **options)


def taken(tmp_path: Path, outcome: api.RunOutcome) -> list[Taken]:
    return list(Store(tmp_path / "store").run(outcome.run).all_taken())


def two(**changes: Any) -> dict[str, Any]:
    """Return a comparison of the runtime 'slow' with 'quick', few and short."""
    asked = {"baseline": {"runtime": "quick"}, "candidate": {"runtime": "slow"}}
    return {**asked, "pairs": 3, "most_pairs": 3, "turns": 5, "queries": 2, **changes}


def runtimes(slow_s: float) -> list[dict[str, Any]]:
    return [tiny.faulty("quick", slow_s=0.004), tiny.faulty("slow", slow_s=slow_s)]


def test_processes_are_fresh_and_give_the_median_an_interval(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", slow_s=0.002)])
    data["measure"]["processes"] = {"count": 3, "queries": 11, "seconds": 0}
    outcome = run(tmp_path, data)
    (cell,) = outcome.view.cells
    assert cell.processes is not None
    assert (cell.processes.processes, cell.processes.grade) == (3, "too few")
    figure = cell.processes.wall
    assert figure.low_ms < figure.median_ms < figure.high_ms
    assert 2 <= figure.median_ms < 20
    assert len({one.started for one in taken(tmp_path, outcome)}) == 3


def test_the_same_command_again_takes_only_what_is_missing(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    first = run(tmp_path, data)
    before = {one.take.id: one.started for one in taken(tmp_path, first)}
    data["measure"]["processes"]["count"] = 3
    again = run(tmp_path, data)
    after = {one.take.id: one.started for one in taken(tmp_path, again)}
    assert again.run == first.run
    assert before.items() < after.items()
    assert len(after) == 3


class PutBackWhileWaiting(api.Quiet):
    """A watcher that lets another run end while this one waits: its samples are then there."""

    def __init__(self, lock: Lock, takes: dict[Path, bytes]) -> None:
        self.lock, self.takes, self.waited = lock, takes, 0

    def event(self, cell: object, event: Event) -> None:
        if event.stage == "waiting for another run on cpu":
            self.waited += 1
            for path, data in self.takes.items():
                path.write_bytes(data)
            self.lock.__exit__()


def test_what_another_run_takes_meanwhile_is_taken_over(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    first = run(tmp_path, data)
    takes = Store(tmp_path / "store").run(first.run).folder / "takes"
    kept = {path: path.read_bytes() for path in takes.glob("*.json")}
    for path in kept:
        path.unlink()
    lock = Lock(device_lock("cpu"))
    lock.acquire()
    watcher = PutBackWhileWaiting(lock, kept)
    run(tmp_path, data, watcher=watcher)
    assert (len(kept), watcher.waited) == (2, 1)
    assert {path: path.read_bytes() for path in takes.glob("*.json")} == kept


def test_a_slower_runtime_is_a_regression_and_its_ratio_is_right(
    tmp_path: Path, folder: Path
) -> None:
    outcome = run(tmp_path, tiny.suite(folder, runtimes=runtimes(0.04), comparisons=[two()]))
    (turns,) = outcome.view.turns
    names = {cell.id: cell.runtime for cell in outcome.view.cells}
    assert (names[turns.a], names[turns.b]) == ("quick", "slow")
    assert turns.verdict == "regression"
    assert 3 < turns.wall.ratio < 12
    assert turns.faster is False


def test_the_pairs_keep_every_query_of_both_sides(tmp_path: Path, folder: Path) -> None:
    outcome = run(tmp_path, tiny.suite(folder, runtimes=runtimes(0.008), comparisons=[two()]))
    store = Store(tmp_path / "store").run(outcome.run)
    for one in store.all_taken():
        with np.load(store.folder / one.arrays["turns"].path) as file:
            assert file["wall_ns"].shape == file["cpu_ns"].shape == (2, 5, 2)
            assert (file["wall_ns"][0] >= 4_000_000).all()
            assert (file["wall_ns"][1] >= 8_000_000).all()
            assert set(file["first"].tolist()) <= {0, 1}


def test_a_worker_that_dies_costs_its_pair_and_says_which_side(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder, runtimes=runtimes(0.003), comparisons=[two()])
    run(tmp_path, tiny.suite(folder, runtimes=runtimes(0.003)))
    marker = tmp_path / "marker"
    data["runtimes"][1] |= {"fault": "segfault", "stage": "open", "marker": str(marker)}
    marker.touch()  # the first pass of this cell lives
    outcome = run(tmp_path, data)
    assert {one.failure for one in taken(tmp_path, outcome)} == {None}
    for one in (tmp_path / "store" / "runs" / outcome.run / "takes").glob("*.json"):
        one.unlink()
    marker.unlink()  # the next that opens it dies: the candidate of the first pair
    again = run(tmp_path, data)
    failed = [one for one in taken(tmp_path, again) if one.failure]
    assert len(failed) == 1
    assert failed[0].failure.code == "signal"
    assert failed[0].failure.message == "the candidate failed: killed by SIGSEGV"
    assert len(taken(tmp_path, again)) == 3
    third = run(tmp_path, data)
    assert not any(one.failure for one in taken(tmp_path, third))


def test_a_budget_settles_what_is_clear_with_few_pairs_and_says_what_is_left(
    tmp_path: Path, folder: Path
) -> None:
    entry = two(most_pairs=20)
    data = tiny.suite(folder, runtimes=runtimes(0.04), comparisons=[entry])
    outcome = run(tmp_path, data, budget_s=120.0)
    (turns,) = outcome.view.turns
    assert turns.verdict == "regression"
    assert turns.settled_by == "sequence"
    assert len(taken(tmp_path, outcome)) == turns.pairs < 20
    assert outcome.left == ()


def test_a_budget_leaves_the_rule_of_what_is_decided_already(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=runtimes(0.04), comparisons=[two()])
    before = run(tmp_path, data).view.turns
    again = run(tmp_path, data, budget_s=120.0)
    assert before[0].settled_by == "looks"
    assert again.view.turns == before
    assert again.left == ()


def test_a_budget_that_is_over_leaves_everything_and_names_it(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=runtimes(0.003), comparisons=[two()])
    outcome = run(tmp_path, data, budget_s=0.001)
    assert {cell.status for cell in outcome.view.cells} == {"not_run"}
    assert [line.rpartition(": ")[2] for line in outcome.left] == [
        "not measured", "not measured", "not settled",
    ]  # fmt: skip
    finished = run(tmp_path, data)
    assert finished.run == outcome.run
    assert {cell.status for cell in finished.view.cells} == {"measured"}
    assert finished.view.turns[0].settled_by == "sequence"


@pytest.mark.parametrize(
    ("comparison", "told"),
    [
        ({"baseline": {"runtime": "no"}, "candidate": {}}, "this comparison pairs no cells"),
        (two(pairs=9, most_pairs=4), "most_pairs (4) is below pairs (9)"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_with_its_place(
    tmp_path: Path, folder: Path, comparison: dict[str, Any], told: str
) -> None:
    data = tiny.suite(folder, runtimes=runtimes(0.003), comparisons=[comparison])
    with pytest.raises(SuiteError) as caught:
        run(tmp_path, data)
    assert told in str(caught.value)
    assert "suite.yaml:" in str(caught.value)


def test_every_scenario_is_taken_by_itself_and_shown(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", slow_s=0.002)])
    data["prices"] = {"c*": {"per_hour": 3.6, "currency": "EUR"}}
    data["measure"] |= {
        "multi_stream": {"samples": 3, "queries": 20, "seconds": 0},
        "server": {"bound_ms": 500, "rate_qps": 20, "seconds": 1.5},
        "offline": {"streams": [1, 2], "queries": 5, "seconds": 0.2},
        "cameras": {"fps": 10, "count": 2, "seconds": 1.5, "miss_share": 0.2},
        "soak": {"seconds": 1, "rest_s": 0, "sample_s": 0.05},
    }
    outcome = run(tmp_path, data)
    (cell,) = outcome.view.cells
    assert outcome.failed == 0, cell.untaken
    (multi,), (server,), (offline,) = cell.multi_stream, cell.server, cell.offline
    (cameras,), (soak,) = cell.cameras, cell.soak
    assert (multi.samples, multi.queries) == (3, 20)
    assert multi.p50_ms >= 6
    assert [(probe.level, probe.dropped) for probe in server.probes] == [(20.0, 0)]
    assert [rate.streams for rate in offline.rates] == [1, 2]
    assert offline.images_per_s < 2 / 0.002
    assert cameras.probes[0].queries == 30
    assert soak.queries >= 10
    assert {cost.basis for cost in cell.costs} >= {"single stream", "offline"}
    single = next(cost for cost in cell.costs if cost.basis == "single stream")
    assert single.per_million == pytest.approx(1000 / single.images_per_s)
    assert {one.scenario for one in cell.loadgen} >= {"SingleStream", "MultiStream", "Offline"}
    assert len(taken(tmp_path, outcome)) == 5
    for one in taken(tmp_path, outcome):
        assert one.conditions is not None, one.take.kind
        assert one.conditions["wall_s"] > one.conditions["cpu_s"] > 0, "this model sleeps"
        assert "contended" not in {caveat.code for caveat in one.caveats} or one.take.kind == "soak"


def test_a_scenario_that_is_added_measures_nothing_again(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    before = run(tmp_path, data).view.cells[0]
    data["measure"]["offline"] = {"streams": [1], "queries": 5, "seconds": 0.1}
    after = run(tmp_path, data).view.cells[0]
    assert (after.id, after.started) == (before.id, before.started)
    assert after.offline


def test_a_meter_that_is_not_there_gives_its_reason_and_no_failed_run(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder)
    powercap = str(tmp_path / "no-powercap")
    data["measure"]["energy"] = {"meter": {"kind": "rapl", "powercap": powercap}}
    outcome = run(tmp_path, data)
    (cell,) = outcome.view.cells
    (energy,) = cell.energy
    assert energy.gross_j_per_image.value is None
    assert powercap in energy.reason
    assert cell.untaken == ()
    assert (outcome.failed, outcome.left) == (0, ())


def test_an_external_meter_s_watts_become_joules_an_image(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that always says 50 W: the energy of a window is 50 J a second."""
    monkeypatch.setenv("BENCHBENCH_ALLOW_COMMANDS", "1")
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", slow_s=0.01)])
    meter = {"kind": "external", "gives": "watts", "command": ["echo", "50"]}
    plan = {"trials": 2, "window_s": 2, "idle_s": 1.5, "cooldown_s": 0.1, "sample_s": 0.05}
    data["measure"]["energy"] = {"meter": meter, **plan}
    (cell,) = run(tmp_path, data).view.cells
    (energy,) = cell.energy
    assert energy.reason is None
    assert energy.average_w.reason is None
    assert energy.average_w.value == pytest.approx(50, rel=1e-6)
    assert energy.gross_j_per_image.value * energy.images_per_joule.value == pytest.approx(
        1, rel=0.05
    )
    assert 50 * 0.01 <= energy.gross_j_per_image.value < 50 * 0.1
    assert energy.idle_w == pytest.approx(50, rel=1e-6)
    assert energy.net_j_per_image.value == pytest.approx(0, abs=1e-3)


def test_aa_compares_a_cell_with_itself_and_tells_what_can_be_resolved(
    tmp_path: Path, folder: Path
) -> None:
    path = tiny.write_suite(
        tmp_path / "suite.yaml", tiny.suite(folder, runtimes=[tiny.faulty("a", slow_s=0.002)])
    )
    command = ["aa", str(path), "--store", str(tmp_path / "store"), "--pairs", "3", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchbench", *command], capture_output=True, text=True, check=True
    )
    (found,) = json.loads(done.stdout)["cells"]
    assert found["noise"]["pairs"] == 3
    assert found["noise"]["wall"]["resolvable"] > 1
    assert found["noise"]["wall"]["ratio"]["ratio"] == pytest.approx(1, abs=0.3)
    assert found["turns"]["verdict"] != "regression"
    assert found["failure"] is None


def test_builds_of_an_artifact_are_told_from_processes_of_one(tmp_path: Path, folder: Path) -> None:
    """Each build writes an artifact of its own; what is run as it is has no builds."""
    count = tmp_path / "built"
    runtime = tiny.faulty("a", precisions=["fp32", "int8"], slow_s=0.002)
    conversion = {"kind": "bbtest-copy", "count_file": str(count)}
    data = tiny.suite(folder, runtimes=[runtime], conversions=[conversion])
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    found = {
        one.label.rpartition(" ")[2]: one
        for one in api.aa(
            str(path),
            cells=["m"],
            pairs=3,
            builds=2,
            store=tmp_path / "store",
            cache=tmp_path / "c",
        )
    }
    int8, fp32 = found["int8"].builds, found["fp32"].builds
    assert int8 is not None
    assert fp32 is not None
    assert (int8.builds, int8.processes) == (2, 10)
    assert int8.process_sd is not None
    assert int8.build_sd is not None or int8.build_reason
    assert len(count.read_text().splitlines()) == 3, "for the pairs, and two builds"
    assert fp32.build_reason == "nothing is built for this cell: its model is run as it is"


def test_aa_refuses_a_cell_that_is_not_there(tmp_path: Path, folder: Path) -> None:
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    with pytest.raises(UsageError, match="no timed cell matches 'nobody'") as caught:
        api.aa(str(path), cells=["nobody"], store=tmp_path / "store", cache=tmp_path / "c")
    assert "fp32" in str(caught.value.hint)
