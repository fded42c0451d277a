"""``benchbench history`` over real runs of one suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchbench import api
from benchbench.cli import cli
from benchbench.history.page import page
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tiny.write_dataset(tmp_path / "data")
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    for _ in range(2):
        api.run(str(path), store=tmp_path / "store", fresh=True)
    return tmp_path / "store"


def call(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["history", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_every_run_and_writes_the_page(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "history.html"
    text = call("latency", "--store", str(store), "--html", str(out), "--last", "1")
    view = api.history("latency", store=store)
    (series,) = view.series
    assert [point.run for point in series.points] == sorted(point.run for point in series.points)
    assert len(series.points) == view.runs == 2
    assert "2 figures; two levels need 6" in text
    assert "1 earlier run is not shown: --last 2" in text
    assert out.read_bytes() == page(view)


def test_the_document_holds_what_the_run_says(store: Path) -> None:
    found = json.loads(call("top1", "--store", str(store), "--json"))
    assert (found["schema"], found["quantity"], found["suite"]) == (1, "top1", "tiny")
    for point in found["series"][0]["points"]:
        (cell,) = api.show(point["run"], store=store).cells
        assert point["value"] == cell.metrics["top1"]
        assert point["low"] == cell.intervals["top1"].low
        assert point["measured"] == cell.started
