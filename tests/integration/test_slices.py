"""Slices of a real run: scored apart, compared with fp32, cut anew where the suite changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.errors import SuiteError
from benchbench.store import Store
from tests import tiny

IMAGES = 40


@pytest.fixture
def made(tmp_path: Path, plugins_path: Any) -> Any:
    """Return a function that runs the suite with the slices it is given."""
    folder = tiny.write_dataset(tmp_path / "data", images=IMAGES)
    path = folder / "validation.json"
    document = json.loads(path.read_text())
    for record in document["images"]:
        record["line"] = "north" if record["id"] % 2 else "south"
    path.write_text(json.dumps(document))

    def run(*slices: dict[str, Any]) -> api.RunOutcome:
        runtimes = [{"kind": "bbtest-faulty", "precisions": ["fp32", "int8"]}]
        data = tiny.suite(folder, runtimes=runtimes)
        data["datasets"][0]["slices"] = list(slices)
        suite = tiny.write_suite(tmp_path / "suite.yaml", data)
        return api.run(str(suite), store=tmp_path / "store", cache=tmp_path / "cache")

    return run


def test_the_slices_of_the_images_add_up_to_all(made):
    outcome = made({"by": "line"}, {"by": "class"})
    assert outcome.problems == ()
    base, other = outcome.view.cells
    parts = {one.name: one for one in base.slices}
    assert list(parts) == ["line: north", "line: south", "class: a", "class: b"]
    for pair in (("line: north", "line: south"), ("class: a", "class: b")):
        ours = [parts[name] for name in pair]
        assert sum(one.images for one in ours) == IMAGES
        hits = sum(one.interval.value * one.images for one in ours)
        assert hits / IMAGES == pytest.approx(base.metrics["top1"])
    assert parts["class: b"].images == IMAGES // 4
    south = parts["line: south"].interval
    assert south.low < south.value < south.high
    assert "same on every draw" in parts["line: north"].interval.reason
    assert all(one.comparison is None for one in base.slices)
    assert [one.comparison.subject for one in other.slices] == list(parts)
    assert {one.comparison.a for one in other.slices} == {base.id}


def test_other_slices_are_cut_without_measuring_again(made, tmp_path):
    first = made({"by": "line"})
    again = made({"where": 'line == "north" and brightness > 0.1', "name": "seen"})
    assert first.run == again.run
    assert [c.started for c in first.view.cells] == [c.started for c in again.view.cells]
    assert [one.name for one in again.view.cells[0].slices] == ["seen"]
    assert 0 < again.view.cells[0].slices[0].images <= IMAGES // 2
    bare = made()
    assert bare.view.cells[0].slices == ()
    assert bare.view.cells[0].intervals == first.view.cells[0].intervals


def test_an_empty_slice_says_so_and_has_no_value(made):
    (one,) = made({"where": "objects > 100", "name": "crowded"}).view.cells[0].slices
    assert (one.images, one.interval.value) == (0, None)
    assert one.interval.reason == "no image is in it"


def test_a_name_that_nothing_has_is_refused_before_anything_runs(made, tmp_path):
    with pytest.raises(SuiteError) as error:
        made({"by": "lien"})
    assert "did you mean 'line'?" in str(error.value)
    assert "suite.yaml:" in str(error.value)
    assert not list((tmp_path / "store").glob("**/result*.json"))


def test_slices_are_drawn_once_and_again_where_the_memory_is_damaged(made, tmp_path):
    outcome = made({"by": "line"})
    run = Store(tmp_path / "store").run(outcome.run)
    for kept in (run.folder / "derived").glob("*.npz"):
        kept.write_bytes(b"damaged")
    again = api.show(outcome.run, store=tmp_path / "store")
    assert [c.slices for c in again.cells] == [c.slices for c in outcome.view.cells]
