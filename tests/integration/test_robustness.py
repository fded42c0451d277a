"""Accuracy against severity: one key makes a dataset of each corruption and severity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.errors import SuiteError
from tests import tiny

pytest.importorskip("imagecorruptions")
ASKED = {"names": ["brightness", "fog"], "severities": [1, 5]}
NAMES = ["tiny", *(f"tiny {name} {n}" for name in ASKED["names"] for n in ASKED["severities"])]


def made(tmp_path: Path, **entry: Any) -> Path:
    data = tiny.suite(tiny.write_dataset(tmp_path / "data"))
    data["datasets"][0] |= {"corruptions": ASKED, **entry}
    data["models"][0]["datasets"] = ["tiny"]
    return tiny.write_suite(tmp_path / "suite.yaml", data)


@pytest.fixture
def outcome(tmp_path: Path, plugins_path: Any) -> api.RunOutcome:
    path = made(tmp_path, slices=[{"by": "class"}])
    return api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache")


def test_each_severity_is_scored_and_only_the_clean_images_are_timed(outcome):
    cells = {cell.dataset: cell for cell in outcome.view.cells}
    assert list(cells) == NAMES
    assert all(cell.status == "measured" for cell in cells.values())
    assert [name for name, cell in cells.items() if cell.latency] == ["tiny"]
    assert [name for name, cell in cells.items() if cell.slices] == ["tiny"]
    assert all(cell.metrics["top1"] is not None for cell in cells.values())
    fog = cells["tiny fog 5"].protocol["corruption"]
    assert (fog["name"], fog["severity"]) == ("fog", 5)
    contents = {cell.protocol["dataset"]["content_sha256"] for cell in cells.values()}
    assert len(contents) == 1


def test_they_are_scored_again_from_their_own_predictions(outcome, tmp_path):
    again = api.score(outcome.run, store=tmp_path / "store", cache=tmp_path / "cache")
    assert [c.metrics for c in again.cells] == [c.metrics for c in outcome.view.cells]


def test_a_name_that_is_taken_is_refused_at_its_place(tmp_path, plugins_path):
    path = made(tmp_path)
    text = path.read_text()
    source = text[text.index("  source:") : text.index("  corruptions:")]
    path.write_text(text.replace("models:", f"- name: tiny fog 1\n{source}models:", 1))
    with pytest.raises(SuiteError, match="'tiny fog 1' is used twice") as error:
        api.plan(str(path), store=tmp_path / "store", cache=tmp_path / "cache")
    assert error.value.place.line == text[: text.index("  corruptions:")].count("\n") + 1
