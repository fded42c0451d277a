"""What a gate's retry measures: pairs against another run, energy, and what later commands keep."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.comparing import Asked
from benchbench.files import user_cache
from benchbench.gate_view import GateView, LimitView
from benchbench.store import Store
from benchbench.turns_view import TurnsView
from benchbench.types import Taken
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")
SLOWER = "no more than 50 % slower"
CLOCK = {"kind": "external", "gives": "joules", "command": ["date", "+%s.%N"], "scale": 50.0}
"""A counter that always rises by 50 J a second: energy an image is 50 W times its time."""
PLAN = {"trials": 2, "window_s": 0.3, "idle_s": 0.2, "cooldown_s": 0.0, "sample_s": 0.05}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_ALLOW_COMMANDS", "1")


def suite(folder: Path, *slow_s: float, **changes: Any) -> dict[str, Any]:
    """Return a suite of the runtimes 'a', 'b' …, whose queries last *slow_s* each."""
    named = zip("abc", slow_s, strict=False)
    return tiny.suite(folder, runtimes=[tiny.faulty(n, slow_s=s) for n, s in named], **changes)


def measured(tmp_path: Path, data: dict[str, Any], **options: Any) -> str:
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return api.run(str(path), store=tmp_path / "store", **options).run


def gate(tmp_path: Path, *texts: str, name: str = "latest", **options: Any) -> GateView:
    view = api.gate(name, texts=texts, store=tmp_path / "store", **options)
    assert view.gate is not None
    return view.gate


def retry(tmp_path: Path, *texts: str, **options: Any) -> GateView:
    return gate(tmp_path, *texts, **{"on_inconclusive": "retry", "budget_s": 60, **options})


def only(found: GateView) -> LimitView:
    (limit,) = found.limits
    return limit


def taken(tmp_path: Path, run: str) -> list[Taken]:
    return list(Store(tmp_path / "store").run(run).all_taken())


def turns(tmp_path: Path, run: str) -> tuple[TurnsView, ...]:
    return api.show(run, store=tmp_path / "store").turns


# --- pairs against another run --------------------------------------------------------------


@pytest.mark.slow
def test_a_cell_takes_turns_with_that_of_an_earlier_run_and_both_runs_keep_what_they_are(
    tmp_path: Path, folder: Path
) -> None:
    first = measured(tmp_path, suite(folder, 0.001))
    data = suite(folder, 0.012)
    second = measured(tmp_path, data)
    before = only(gate(tmp_path, SLOWER, baseline=first))
    assert (before.outcome, "a trend" in before.reason) == ("inconclusive", True)
    assert "retry" in before.hint
    found = retry(tmp_path, SLOWER, baseline=first)
    limit = only(found)
    assert (limit.outcome, limit.retried, found.left) == ("fail", True, ())
    assert limit.change > 1.5
    assert limit.basis.endswith("pairs, looked at one by one")

    (view,) = turns(tmp_path, second)
    (other,) = api.show(first, store=tmp_path / "store").cells
    assert (view.a, view.elsewhere.run, view.elsewhere.label) == (other.id, first, other.label)
    assert {one.take.elsewhere for one in taken(tmp_path, second)} == {view.elsewhere}
    assert turns(tmp_path, first) == ()
    report = api.rendered(api.show(second, store=tmp_path / "store"), "markdown").decode()
    assert f"{other.label} of {first}" in report

    takes = taken(tmp_path, second)
    assert measured(tmp_path, data) == second
    assert turns(tmp_path, second) == (view,)
    again = retry(tmp_path, SLOWER, baseline=first)
    assert (only(again).outcome, only(again).retried) == ("fail", False)
    assert only(gate(tmp_path, SLOWER, baseline=first)).change == limit.change
    assert taken(tmp_path, second) == takes
    asked = Asked(quantities=("latency.p50",))
    for a, b, change in ((first, second, limit.change), (second, first, 1 / limit.change)):
        (ends,) = api.compare(a, b, store=tmp_path / "store", asked=asked).pairs
        assert ends.deltas[0].design == "turns"
        assert ends.deltas[0].change == pytest.approx(change)


def test_pairs_are_not_taken_with_what_is_not_what_the_other_run_measured(
    tmp_path: Path, folder: Path
) -> None:
    def int8(slow_s: float) -> dict[str, Any]:
        data = suite(folder, slow_s)
        data["runtimes"][0]["precisions"] = ["int8"]
        return data

    first, _ = measured(tmp_path, int8(0.001)), measured(tmp_path, int8(0.002))

    def left() -> str:
        found = retry(tmp_path, SLOWER, baseline=first)
        assert (only(found).outcome, only(found).retried) == ("inconclusive", False)
        (told,) = found.left
        assert told.startswith(f"no pairs with m · a · int8 of {first}: ")
        assert "measure both in one run" in told
        return told

    (planned,) = api.find_run(first, store=tmp_path / "store").manifest().cells
    manifest = user_cache() / "artifacts" / planned.cell.chain[-1].key / "artifact.json"
    main = manifest.parent / json.loads(manifest.read_text())["main"]
    kept = manifest.read_text()
    main.write_text("other")
    forged = kept.replace(sha256(kept, "main"), hashlib.sha256(b"other").hexdigest())
    manifest.write_text(forged)
    assert "it was built again since" in left()
    shutil.rmtree(manifest.parent)
    assert "no longer in the cache" in left()

    (path,) = (tmp_path / "store" / "runs" / first / "cells").glob("*.json")
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"environment": "elsewhere"}))
    assert "another machine, or under other limits" in left()
    stored["cell"]["versions"] = {"numpy": "0.1"}
    path.write_text(json.dumps(stored))
    assert "was measured with numpy 0.1; here is" in left()


@pytest.mark.slow
def test_a_regression_among_several_limits_fails_once_pairs_and_processes_are_taken(
    tmp_path: Path, folder: Path
) -> None:
    measured(tmp_path, suite(folder, 0.01, 0.013))
    path = tmp_path / "limits.yaml"
    path.write_text(
        "gates:\n"
        "- {limit: no more than 5 % slower, where: {runtime: b}, against: {runtime: a}}\n"
        "- latency.p50 <= 1 s\n"
        "- latency.mean <= 1 s\n"
    )
    options = {"limits": path, "on_inconclusive": "retry", "store": tmp_path / "store"}
    found = api.gate("latest", budget_s=120, **options).gate
    assert found
    assert Counter(one.outcome for one in found.limits)["fail"] == 1
    (broken,) = (one for one in found.limits if one.outcome == "fail")
    assert (broken.quantity, broken.kind, broken.retried) == ("latency.p50", "relative", True)
    assert broken.p_broken_adjusted is not None
    assert broken.p_broken_adjusted < 0.05


def sha256(manifest: str, which: str) -> str:
    """Return the digest of the main file that a manifest of the cache tells."""
    told = json.loads(manifest)
    return str(told["files"][told[which]])


def pairs(tmp_path: Path, run: str) -> int:
    return sum(one.take.kind == "pair" for one in taken(tmp_path, run))


# --- energy -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_undecided_energy_limit_takes_more_energy_whose_trials_stand_together(
    tmp_path: Path, folder: Path
) -> None:
    data = suite(folder, 0.01)
    data["measure"]["energy"] = {"meter": CLOCK, **PLAN}
    run = measured(tmp_path, data)
    (cell,) = api.show(run, store=tmp_path / "store").cells
    limit = f"energy <= {cell.energy[0].gross_j_per_image.value!r} J"  # neither shown nor broken
    late = retry(tmp_path, limit, budget_s=0.01)
    assert (late.outcome, late.left) == ("inconclusive", ("2 of 2 takes of the kind 'energy'",))
    found = retry(tmp_path, limit)
    assert (only(found).basis, only(found).retried, found.left) == ("6 trials", True, ())
    assert sorted(one.take.number for one in taken(tmp_path, run)) == [1, 2, 3]
    (energy,) = api.show(run, store=tmp_path / "store").cells[0].energy
    assert energy.quality.trials == 6
    assert measured(tmp_path, data) == run
    assert api.show(run, store=tmp_path / "store").cells[0].energy == (energy,)


@pytest.mark.slow
def test_an_undecided_limit_of_energy_takes_more_pairs_though_latency_is_settled(
    tmp_path: Path, folder: Path
) -> None:
    entry = {
        "baseline": {"runtime": "a"}, "candidate": {"runtime": "b"}, "pairs": 3, "most_pairs": 4,
        "turns": 3, "queries": 1, "meter": CLOCK, "energy_turns": 3, "energy_s": 0.4,
    }  # fmt: skip
    data = suite(folder, 0.01, 0.018, comparisons=[entry])
    data["measure"]["energy"] = {"meter": CLOCK, **PLAN}
    run = measured(tmp_path, data)
    (before,) = turns(tmp_path, run)
    assert (before.verdict, pairs(tmp_path, run)) == ("regression", 3)
    path = tmp_path / "limits.yaml"
    ratio = before.energy.ratio
    path.write_text(
        f"gates:\n  - limit: no more than {100 * (ratio - 1) + 0.05:.3f} % more energy\n"
        "    against: {runtime: a}\n"
    )
    found = only(retry(tmp_path, limits=path))
    (after,) = turns(tmp_path, run)
    assert pairs(tmp_path, run) == 4
    assert after.energy_pairs == before.energy_pairs + 1
    assert found.basis == f"{after.energy_pairs} pairs, looked at one by one"
    assert found.retried


def metered(folder: Path, slow_s: float, command: list[str]) -> dict[str, Any]:
    """Return a suite whose comparison of 'a' with 'b' has a meter; 'b' fails, so no pair of it."""
    entry = {
        "baseline": {"runtime": "b"}, "candidate": {"runtime": "a"}, "pairs": 3, "most_pairs": 6,
        "turns": 3, "queries": 1, "meter": CLOCK | {"command": command}, "energy_turns": 3,
        "energy_s": 0.4,
    }  # fmt: skip
    data = suite(folder, slow_s, comparisons=[entry])
    data["runtimes"].append(tiny.faulty("b", fault="raise"))
    data["measure"]["energy"] = {"meter": CLOCK, "where": {"runtime": "a"}, **PLAN}
    return data


def apart(tmp_path: Path, run: str) -> TurnsView:
    """Return what took turns with a cell of another run."""
    (view,) = (one for one in turns(tmp_path, run) if one.elsewhere)
    return view


@pytest.mark.slow
def test_energy_against_another_run_is_settled_by_pairs_that_the_candidates_meter_watches(
    tmp_path: Path, folder: Path
) -> None:
    data = suite(folder, 0.01)
    data["measure"]["energy"] = {"meter": CLOCK, **PLAN}
    first = measured(tmp_path, data)
    second = measured(tmp_path, metered(folder, 0.04, CLOCK["command"]))
    path = tmp_path / "limits.yaml"
    path.write_text(
        "gates:\n- {limit: no more than 20 % more energy, where: {runtime: a}}\n"
        "- {limit: no more than 20 % slower, where: {runtime: a}}\n"
    )
    before = gate(tmp_path, limits=path, baseline=first).limits
    assert [one.outcome for one in before] == ["inconclusive"] * 2
    assert "--on-inconclusive retry" in before[0].hint
    found = retry(tmp_path, limits=path, baseline=first)
    assert [one.outcome for one in found.limits] == ["fail", "fail"]
    energy, latency = found.limits
    view = apart(tmp_path, second)
    assert (view.elsewhere.run, view.energy_meter) == (first, "external")
    assert energy.change == pytest.approx(latency.change, rel=0.25)
    assert all("pairs, looked at one by one" in one.basis for one in found.limits)
    again = gate(tmp_path, limits=path, baseline=first)
    assert [one.change for one in again.limits] == [energy.change, latency.change]


@pytest.mark.slow
def test_a_meter_that_fails_ends_the_pairs_and_the_limit_says_why(
    tmp_path: Path, folder: Path
) -> None:
    data = suite(folder, 0.01)
    data["measure"]["energy"] = {"meter": CLOCK, **PLAN}
    first = measured(tmp_path, data)
    second = measured(tmp_path, metered(folder, 0.012, ["false"]))
    path = tmp_path / "limits.yaml"
    path.write_text("gates:\n- {limit: no more than 5 % more energy, where: {runtime: a}}\n")
    found = only(retry(tmp_path, limits=path, baseline=first))
    assert found.outcome == "inconclusive"
    assert found.reason.startswith("pairs were taken, but without energy by external: ")
    assert "false" in found.reason
    assert "run --fresh" in found.hint
    assert apart(tmp_path, second).pairs == 3
