"""Limits of a suite, and of a file of their own: faults have places, runs keep their identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchbench.errors import SuiteError
from benchbench.plan import make_plan
from benchbench.suite.gates import GateEntry, Gating, LoadedGates, gates_of, load_gates
from benchbench.suite.load import load_suite
from benchbench.suite.schema import json_schema
from benchbench.suite.takes import Where
from tests import tiny

GOOD = """\
gates:
  - map >= 0.35
  - limit: no more than 3 % slower than fp32
    where: {precision: int8}
    without: [contended, runner_drift]
    name: int8 keeps its speed
  - limit: no more than 0.5 points of mAP lost
    against: {runtime: torch}
  - 'map[slice="brightness: dark"] >= 30 points'
gating:
  alpha: 0.01
  on_inconclusive: retry
  budget: 1h30m
  baseline: main
"""


def loaded(tmp_path: Path, text: str) -> LoadedGates:
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    return load_gates(path)


def fault(tmp_path: Path, text: str) -> SuiteError:
    with pytest.raises(SuiteError) as caught:
        loaded(tmp_path, text)
    return caught.value


def test_a_file_of_limits_gives_each_its_file_and_line(tmp_path: Path) -> None:
    found = loaded(tmp_path, GOOD)
    assert [gate.line for gate in found.entries] == [2, 3, 7, 9]
    assert {gate.file for gate in found.entries} == {str(tmp_path / "limits.yaml")}
    first, second, third, last = found.entries
    assert (first.entry.where, first.entry.against, first.entry.name) == (Where(), None, None)
    assert second.entry.without == ("contended", "runner_drift")
    assert str(second.limit) == "no more than 3 % slower by latency.p50 than fp32"
    assert third.entry.against == Where(runtime=("torch",))
    assert last.limit.subject == "slice=brightness: dark"
    assert found.gating == Gating(
        alpha=0.01, on_inconclusive="retry", budget="1h30m", baseline="main"
    )
    assert found.gating.budget_s == 5400


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        ("map >= 0.35", "map => 0.35", "2:5", "at '=> 0.35' (character 5)", ">="),
        ("limit: no more than 3 %", "limit: no more than 3", "3:5", "unit of the margin", "3 %"),
        ("{precision: int8}", "{precison: int8}", "4:13", "unknown key 'precison'", "precision"),
        ("{runtime: torch}", "{runtme: torch}", "8:15", "unknown key 'runtme'", "runtime"),
        (
            "    where: {precision: int8}",
            "    against: main",
            "3:5",
            "names a baseline",
            "leave one",
        ),
        ("mAP lost", "mAP lost than x", "7:5", "names a baseline", "leave one"),
        ("'map[slice", "map[slice", "9:5", "colon and a blank", "single quotes"),
        ("map >= 0.35", "12", "2:5", "a text or a mapping", "map >= 0.35"),
        ("contended", "Contended one", "5:15", "Contended one", None),
        ("alpha: 0.01", "alpha: 0.5", "11:3", "less than 0.5", None),
        ("alpha: 0.01", "alpha: .nan", "11:3", "nan", None),
        ("retry", "rety", "12:3", "'rety' is not allowed", "retry"),
        ("1h30m", "3 weeks", "13:3", "'3 weeks' is not a time", "1h30m"),
        ("gating:", "gatng:", "10:1", "unknown key 'gatng'", "gating"),
        ("gates:", "benchbench: 1\ngates:", "1:1", "unknown key 'benchbench'", None),
    ],
)
def test_a_fault_names_line_column_and_what_was_meant(
    tmp_path: Path, old: str, new: str, place: str, message: str, hint: str | None
) -> None:
    assert old in GOOD
    problems = fault(tmp_path, GOOD.replace(old, new, 1)).problems
    found = {f"{one.place.line}:{one.place.column}": one for one in problems if one.place}
    assert place in found, problems
    assert message in found[place].message
    assert hint is None or hint in (found[place].hint or "")


@pytest.mark.parametrize(
    "text", ["[map >= 0.35]", "gates: []", "gates: map >= 0.35", "gating: {}", "map >= 0.3", ""]
)
def test_what_is_no_file_of_limits_is_refused(tmp_path: Path, text: str) -> None:
    assert fault(tmp_path, text).message


def test_a_missing_file_of_limits_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="cannot read"):
        load_gates(tmp_path / "none.yaml")


def test_an_absolute_limit_takes_no_baseline(tmp_path: Path) -> None:
    found = fault(tmp_path, "gates:\n  - {limit: map >= 0.3, against: main}\n")
    assert "has no baseline" in found.message


def test_a_thousand_limits_are_the_most(tmp_path: Path) -> None:
    gates = [f"cameras >= {n}" for n in range(1, 1001)]
    assert len(loaded(tmp_path, yaml.safe_dump({"gates": gates})).entries) == 1000
    assert "1000" in fault(tmp_path, yaml.safe_dump({"gates": [*gates, "fps > 1"]})).message


def planned(tmp_path: Path, **changes: Any) -> tuple[str, LoadedGates]:
    data = tiny.suite(tmp_path / "data", **changes)
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    suite = load_suite(str(path))
    return make_plan(suite, tmp_path / "cache").digest, gates_of(suite)


def test_limits_do_not_enter_the_identity_of_a_run(tmp_path: Path, plugins_path: None) -> None:
    tiny.write_dataset(tmp_path / "data")
    plain, none = planned(tmp_path)
    gated, some = planned(tmp_path, gates=["top1 >= 0.5"], gating={"alpha": 0.1})
    other, _ = planned(tmp_path, batch_sizes=[2])
    assert plain == gated != other
    assert (none.entries, none.gating) == ((), Gating())
    assert [gate.entry.limit for gate in some.entries] == ["top1 >= 0.5"]
    assert some.gating.alpha == 0.1


def test_a_limit_of_a_suite_is_found_at_its_line(tmp_path: Path, plugins_path: None) -> None:
    tiny.write_dataset(tmp_path / "data")
    _, found = planned(tmp_path, gates=["top1 >= 0.5", {"limit": "fps > 1"}])
    lines = (tmp_path / "suite.yaml").read_text().splitlines()
    for gate in found.entries:
        assert gate.line is not None
        assert gate.entry.limit in lines[gate.line - 1]


def test_a_wrong_limit_in_a_suite_is_a_fault_of_the_suite(
    tmp_path: Path, plugins_path: None
) -> None:
    with pytest.raises(SuiteError) as caught:
        planned(tmp_path, gates=["top1 >= 50"])
    assert caught.value.hint == "write 50 %"
    assert caught.value.place is not None
    assert caught.value.place.line is not None


def test_the_schema_takes_limits_as_texts_and_as_mappings() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    part = {
        "$defs": schema["$defs"],
        "properties": {k: schema["properties"][k] for k in ("gates", "gating")},
    }
    good = {
        "gates": ["map >= 0.35", {"limit": "fps > 1", "where": {"precision": ["int8"]}, "against": "main"}],
        "gating": {"alpha": 0.01, "on_inconclusive": "retry", "budget": "20m"},
    }  # fmt: skip
    jsonschema.validate(good, part)
    for bad in ({"gates": [{"limt": "x"}]}, {"gates": [12]}, {"gating": {"alpha": 0.7}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, part)
    described = schema["$defs"]["GateEntry"]["properties"]
    assert set(described) == set(GateEntry.model_fields)
    assert all(one.get("description") for one in described.values())
