"""Energy compared by pairs that take turns: a meter that counts seconds, and one that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.reports.json import Json
from benchbench.reports.markdown import Markdown
from benchbench.store import Store
from benchbench.types import Taken
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")
WATTS = 50.0
CLOCK = {"kind": "external", "gives": "joules", "command": ["date", "+%s.%N"], "scale": WATTS}
"""A counter that always rises by 50 J a second: energy an image is 50 W times its time."""


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_ALLOW_COMMANDS", "1")


def suite(tmp_path: Path, meter: dict[str, Any], **options: Any) -> Path:
    """Write a suite that compares 'slow', 24 ms a query, with 'quick', 8 ms."""
    folder = tiny.write_dataset(tmp_path / "data")
    entry = {
        "baseline": {"runtime": "quick"}, "candidate": {"runtime": "slow"}, "pairs": 3,
        "most_pairs": 3, "turns": 3, "queries": 2, "meter": meter, **options,
    }  # fmt: skip
    runtimes = [tiny.faulty("quick", slow_s=0.008), tiny.faulty("slow", slow_s=0.024)]
    data = tiny.suite(folder, runtimes=runtimes, comparisons=[entry])
    return tiny.write_suite(tmp_path / "suite.yaml", data)


def taken(tmp_path: Path, run: str) -> list[Taken]:
    return list(Store(tmp_path / "store").run(run).all_taken())


def test_a_meter_that_counts_seconds_gives_energy_the_ratio_of_time(tmp_path: Path) -> None:
    path = suite(tmp_path, CLOCK, energy_turns=3, energy_s=0.5)
    outcome = api.run(str(path), store=tmp_path / "store")
    (turns,) = outcome.view.turns
    assert turns.verdict == turns.energy_verdict == "regression"
    assert turns.energy.ratio == pytest.approx(turns.wall.ratio, rel=0.15)
    assert turns.energy.level == turns.wall.level == pytest.approx(1 - 2 * 0.05 / 2)
    assert (turns.energy_pairs, turns.energy_meter) == (3, "external")
    assert turns.energy_scope == "wall power of the whole device"
    store = Store(tmp_path / "store").run(outcome.run)
    for one in store.all_taken():
        with np.load(store.folder / one.arrays["energy"].path) as file:
            seconds = (file["end_ns"] - file["start_ns"]) / 1e9
            assert file["joules"].shape == file["images"].shape == (2, 3)
            assert file["joules"] == pytest.approx(WATTS * seconds, rel=0.1)
            assert (seconds >= 0.5).all()
            each_s = seconds / file["images"]
            assert (each_s[0] >= 0.008).all()
            assert (each_s[1] >= 0.024).all()
    text = Markdown().render(outcome.view).decode()
    assert "Energy an image: 1 REGRESSION." in text


def test_a_meter_that_fails_costs_the_pair_nothing_but_its_energy(tmp_path: Path) -> None:
    path = suite(tmp_path, CLOCK | {"command": ["false"]})
    outcome = api.run(str(path), store=tmp_path / "store")
    (turns,) = outcome.view.turns
    assert (turns.verdict, turns.pairs) == ("regression", 3)
    assert (turns.energy, turns.energy_verdict) == (None, None)
    assert "false" in turns.energy_reason
    assert {one.failure for one in taken(tmp_path, outcome.run)} == {None}
    assert (outcome.failed, outcome.left) == (0, ())
    (shown,) = json.loads(Json().render(outcome.view))["turns"]
    assert shown["energy_reason"] == turns.energy_reason
