"""What a suite asks beside the first passes, before anything of it runs."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import click
import pytest

from benchbench import api
from benchbench.cli.options import Duration
from benchbench.cli.progress import make_watcher
from benchbench.errors import SuiteError
from benchbench.plan import make_plan
from benchbench.store import Store
from benchbench.suite.load import load_suite
from benchbench.suite.takes import Where
from benchbench.taken import _caveats
from benchbench.takes import Extras, extras, matches
from benchbench.types import Asked, Caveat, Cell, Compared, Failure, Price, Take, Taken
from benchbench.view import CellView
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


def asked(tmp_path: Path, measure: dict[str, Any], **more: Any) -> Extras:
    """Return what a suite of two runtimes in fp32 and int8 asks."""
    folder = tmp_path / "data"
    if not folder.is_dir():
        tiny.write_dataset(folder)
    runtimes = [tiny.faulty(name, precisions=["fp32", "int8"]) for name in ("a", "b")]
    data = tiny.suite(folder, runtimes=runtimes, **more)
    data["measure"] |= measure
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return extras(make_plan(load_suite(str(path)), tmp_path / "cache"))


def labels(found: Extras, takes: Any) -> list[tuple[str, str]]:
    cells = [found.cells[take.cell] for take in takes]
    return [(cell.runtime, cell.precision) for cell in cells]


def test_processes_come_in_rounds_of_every_cell_in_another_order(tmp_path: Path) -> None:
    found = asked(tmp_path, {"processes": 12})
    rounds = [found.processes[i : i + 4] for i in range(0, 48, 4)]
    assert len(found.processes) == 48
    for number, takes in enumerate(rounds, 1):
        assert {take.number for take in takes} == {number}
        assert len(set(labels(found, takes))) == 4
    assert len({tuple(labels(found, takes)) for takes in rounds}) > 4


def test_more_processes_are_the_same_ones_and_some_more(tmp_path: Path) -> None:
    few, many = (asked(tmp_path, {"processes": n}).processes for n in (3, 5))
    assert {take.id for take in few} < {take.id for take in many}


def test_where_picks_cells_and_a_list_gives_several_settings(tmp_path: Path) -> None:
    server = [{"bound_ms": 5, "where": {"runtime": "b"}}, {"bound_ms": 9, "where": {"model": "m"}}]
    found = asked(tmp_path, {"server": server, "offline": {"where": {"precision": "int*"}}})
    bounds = [take.options.get("bound_ms") for take in found.scenarios]
    assert bounds == [5, 5, 9, 9, 9, 9, None, None]
    assert set(labels(found, found.scenarios[:2])) == {("b", "fp32"), ("b", "int8")}
    assert set(labels(found, found.scenarios[6:])) == {("a", "int8"), ("b", "int8")}


def test_a_comparison_pairs_what_agrees_in_all_that_it_does_not_name(tmp_path: Path) -> None:
    entry = {"baseline": {"precision": "fp32"}, "candidate": {"precision": "int8"}}
    found = asked(tmp_path, {}, comparisons=[entry])
    pairs = [(c.baseline.runtime, c.candidate.runtime) for c in found.contests]
    assert pairs == [("a", "a"), ("b", "b")]
    across = {"baseline": {"runtime": "a"}, "candidate": {"runtime": "b", "precision": "int8"}}
    found = asked(tmp_path, {}, comparisons=[across])
    pairs = [(c.baseline.precision, c.candidate.precision) for c in found.contests]
    assert pairs == [("fp32", "int8"), ("int8", "int8")]


def test_another_margin_decides_anew_over_the_same_pairs(tmp_path: Path) -> None:
    entry = {"baseline": {"precision": "fp32"}, "candidate": {"precision": "int8"}}
    first = asked(tmp_path, {}, comparisons=[entry]).contests[0]
    other = asked(tmp_path, {}, comparisons=[entry | {"slower": 0.2, "pairs": 4}]).contests[0]
    assert first.takes == other.takes
    assert (first.compared.id, other.compared.slower) == (other.compared.id, 0.2)


@pytest.mark.parametrize("key", ["server", "processes"])
def test_a_rule_that_picks_no_cell_is_refused_with_its_place(tmp_path: Path, key: str) -> None:
    rule = {"where": {"runtime": "c"}} | ({"bound_ms": 5} if key == "server" else {})
    with pytest.raises(SuiteError, match=r"suite\.yaml:\d+:\d+: this picks no cell that is timed"):
        asked(tmp_path, {key: rule})


def test_cells_that_are_not_timed_have_no_takes(tmp_path: Path) -> None:
    found = asked(tmp_path, {"latency": False, "processes": 3, "offline": True})
    assert found.takes == ()


def test_what_is_asked_beside_changes_no_cell_s_id(tmp_path: Path) -> None:
    plain, more = asked(tmp_path, {}), asked(tmp_path, {"processes": 3, "offline": True})
    assert set(plain.cells) == set(more.cells)


def test_a_batch_is_picked_by_number(tmp_path: Path) -> None:
    cell = next(iter(asked(tmp_path, {}).cells.values()))
    assert matches(Where(batch=(1, 2)), cell)
    assert not matches(Where(batch=(2,)), cell)


def test_a_comparison_that_was_looked_at_after_every_pair_stays_so(tmp_path: Path) -> None:
    run = Store(tmp_path).scratch("x")
    base = {
        "id": "c", "baseline": "a", "candidate": "b", "slower": 0.05, "pairs": 8,
        "most_pairs": 20, "takes": (),
    }  # fmt: skip
    run.put_asked(Asked(compared=(Compared(**base, rule="sequence"),)))
    run.put_asked(
        Asked(compared=(Compared(**base, rule="two-looks"),), prices={"cpu": Price(per_hour=1)})
    )
    assert run.asked().compared[0].rule == "sequence"
    assert run.asked().prices["cpu"].currency == "USD"


def test_what_a_retry_asked_stays_when_the_suite_asks_again(tmp_path: Path) -> None:
    run = Store(tmp_path).scratch("x")
    base = {
        "baseline": "a", "candidate": "b", "slower": 0.05, "pairs": 8, "most_pairs": 20,
        "takes": (),
    }  # fmt: skip
    suite = Compared(**base, id="s", rule="two-looks")
    asked = Compared(**base, id="r", rule="sequence", retried=True)
    same = suite.model_copy(update={"rule": "sequence", "retried": True})
    run.put_asked(Asked(compared=(suite, asked)))
    run.put_asked(Asked(compared=(suite,), left=("x",)))
    assert run.asked().compared == (suite, asked)
    run.put_asked(Asked(compared=(asked, same)))
    run.put_asked(Asked(compared=(suite,)))
    assert run.asked().compared == (same, asked)
    run.put_asked(Asked())
    assert run.asked().compared == (same, asked)


def test_a_new_run_of_a_grown_suite_takes_over_what_was_taken(tmp_path: Path) -> None:
    folder = tiny.write_dataset(tmp_path / "data")
    data = tiny.suite(folder)
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    first = api.run(str(path), store=tmp_path / "store")
    data["runtimes"].append(tiny.faulty("more"))
    tiny.write_suite(path, data)
    second = api.run(str(path), store=tmp_path / "store")
    before, after = (
        {one.take.id: one.started for one in Store(tmp_path / "store").run(name).all_taken()}
        for name in (first.run, second.run)
    )
    assert first.run != second.run
    assert before.items() < after.items()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1.5 min", 90), ("2 h", 7200)],
)
def test_a_time_is_read_in_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-5s", "20 parsecs", "m", "1m junk", "nan", "1e3s", "1h30"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time like"):
        Duration().convert(text, None, None)


def caveat(code: str, **figures: float) -> Caveat:
    return Caveat(code=code, figures=dict(figures))


def test_doubts_of_a_cell_stay_as_they_are_and_those_of_most_processes_join_them() -> None:
    own = (caveat("parity_far", a=1), caveat("parity_far", b=2), caveat("single_process"))
    cell = CellView.model_construct(caveats=own)
    raised = [["contended", "short_sample"], ["contended", "noisy"], ["single_process"], []]
    processes = [
        Taken(
            take=Take.of("process", "c", {}, number=number), environment="", started="",
            wall_s=1, caveats=tuple(map(caveat, codes)),
        )
        for number, codes in enumerate(raised)
    ]  # fmt: skip
    soak = Taken(
        take=Take.of("soak", "c", {}), environment="", started="", wall_s=1,
        caveats=(caveat("throttled"), caveat("contended", wall_over_cpu=2)),
    )  # fmt: skip
    found = _caveats(cell, [*processes, soak], processes)
    assert found[:2] == own[:2]
    assert {one.code for one in found[2:]} == {"contended", "throttled"}
    assert [one.code for one in _caveats(cell, [], [])] == [one.code for one in own]


@pytest.mark.parametrize(
    ("code", "said"),
    [("meter", "not measured: no zones"), ("signal", "FAILED at 'start': no zones")],
)
def test_a_meter_that_is_not_there_is_no_failure_of_the_run(code: str, said: str) -> None:
    cell = Cell(
        id="c", model="m", runtime="r", precision="fp32", device="cpu", batch=1, dataset="d",
        split="s", task="detection", spec={}, start=None,
    )  # fmt: skip
    failure = Failure(code=code, stage="start", message="no zones")
    take = Take.of("energy", "c", {})
    taken = Taken(take=take, environment="", started="", wall_s=1, failure=failure)
    told = StringIO()
    with redirect_stderr(told), make_watcher(quiet=False) as watcher:
        watcher.taken(taken, cell, 0, 3)
    assert told.getvalue() == f"[1/3 more] m · r · fp32: energy: {said}\n"
