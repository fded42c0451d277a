"""A plan checks everything, and a cell's id depends on what its result depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchbench import plugins
from benchbench.errors import SuiteError
from benchbench.plan import Plan, make_plan
from benchbench.suite.load import load_suite
from benchbench.types import Cell
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


def plan(tmp_path: Path, data: dict[str, Any]) -> Plan:
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return make_plan(load_suite(str(path)), tmp_path / "cache")


def labels(made: Plan) -> list[tuple[str, str, int]]:
    return [(p.cell.runtime, p.cell.precision, p.cell.batch) for p in made.cells]


def test_the_matrix_is_the_product_minus_excluded_plus_included(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(
        folder,
        runtimes=[tiny.faulty("a", precisions=["fp32", "int8"]), tiny.faulty("b")],
        batch_sizes=[1, 2],
        exclude=[{"runtime": "a", "precision": "int8", "batch": 2}],
        include=[{"model": "m", "runtime": "b", "dataset": "tiny", "batch": 4}],
    )
    assert labels(plan(tmp_path, data)) == [
        ("a", "fp32", 1),
        ("a", "fp32", 2),
        ("a", "int8", 1),
        ("b", "fp32", 1),
        ("b", "fp32", 2),
        ("b", "fp32", 4),
    ]


def test_a_chain_is_found_and_calibrated(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", precisions="int8")])
    (planned,) = plan(tmp_path, data).cells
    (step,) = planned.cell.chain
    assert step.conversion["kind"] == "bbtest-copy"
    assert step.calibrated
    assert str(step.target) == "bbtest-raw int8"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exclude": [{"runtime": "x"}]}, "no runtime named 'x'"),
        ({"exclude": [{"runtime": "a*", "batch": 9}]}, "this rule excludes no cell"),
        ({"exclude": [{"model": "*"}]}, "every combination is excluded"),
        ({"runtimes": [tiny.faulty("a", precisions=["bf16"])]}, "'a' has no bf16"),
        ({"devices": ["cuda:0"]}, "does not know the device 'cuda:0'"),
    ],
)
def test_a_wrong_combination_is_told_before_anything_runs(
    tmp_path: Path, folder: Path, changes: dict[str, Any], message: str
) -> None:
    data = tiny.suite(folder, **{"runtimes": [tiny.faulty("a")], **changes})
    with pytest.raises(SuiteError, match=message) as caught:
        plan(tmp_path, data)
    assert caught.value.problems[0].place is not None


def test_a_model_that_no_chain_brings_to_a_runtime_is_an_error_with_the_rule_that_excludes_it(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder, runtimes=[{"kind": "onnxruntime"}])
    with pytest.raises(SuiteError, match="no way from m"):
        plan(tmp_path, data)


def test_an_unknown_split_gets_a_suggestion(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    data["datasets"][0]["split"] = "validaton"
    with pytest.raises(SuiteError, match="did you mean 'validation'"):
        plan(tmp_path, data)


def test_int8_without_calibration_images_is_an_error(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", precisions="int8")])
    data["datasets"][0]["calibration"] = "train"
    with pytest.raises(SuiteError, match="needs calibration images"):
        plan(tmp_path, data)


IDENTITY = [
    ({"threads": 2}, True),
    ({"affinity": [0]}, True),
    ({"affinity": "none"}, False),
    ({"title": "another title"}, False),
    ({"models": "label"}, True),
    ({"measure": {"latency": {"queries": 30}}}, True),
    ({"measure": {"timeout_s": 5, "latency": tiny.suite(Path())["measure"]["latency"]}}, False),
]


@pytest.mark.parametrize(("changes", "changed"), IDENTITY)
def test_the_id_changes_exactly_with_what_the_result_depends_on(
    tmp_path: Path, folder: Path, changes: dict[str, Any], changed: bool
) -> None:
    base = tiny.suite(folder)
    other = tiny.suite(folder)
    if changes == {"models": "label"}:
        other["models"][0]["source"]["label"] = "b"
    else:
        other |= changes
    before, after = plan(tmp_path, base), plan(tmp_path, other)
    assert (before.cells[0].cell.id != after.cells[0].cell.id) is changed


def test_a_tokenizer_enters_by_its_content_and_not_by_its_folder(
    tmp_path: Path, folder: Path
) -> None:
    def planned(place: str, content: str) -> Cell:
        file = tmp_path / place / "tokenizer.json"
        file.parent.mkdir()
        file.write_text(content)
        data = tiny.suite(folder, runtimes=[tiny.faulty("a")])
        data["models"][0]["input"]["texts"] = {"tokenizer": str(file)}
        (only,) = plan(tmp_path, data).cells
        return only.cell

    here, moved, other = planned("a", "{}"), planned("b", "{}"), planned("c", "{ }")
    assert here.spec["input"]["texts"]["tokenizer"] != moved.spec["input"]["texts"]["tokenizer"]
    assert here.provides is not None
    assert (here.id, here.provides.key) == (moved.id, moved.provides.key)
    assert here.id != other.id


def test_the_calibration_images_are_part_of_the_artifacts_key(tmp_path: Path, folder: Path) -> None:
    base = tiny.suite(folder, runtimes=[tiny.faulty("a", precisions="int8")])
    keys = {
        plan(tmp_path, base | {"calibration": settings}).cells[0].cell.chain[0].key
        for settings in ({}, {"images": 2}, {"images": 2, "seed": 5})
    }
    assert len(keys) >= 2


def test_limiting_images_takes_the_first_by_id(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    data["datasets"][0]["images"] = 2
    made = plan(tmp_path, data)
    assert made.images[made.cells[0].cell.id] == 2


def test_the_versions_of_what_reads_and_scores_are_part_of_the_id(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny.suite(folder)
    (before,) = plan(tmp_path, data).cells
    assert {"benchbench", "pillow", "numpy", "hotcoco", "bbtest"} <= set(before.cell.versions)
    real = plugins.installed_version
    monkeypatch.setattr(
        plugins, "installed_version", lambda name: "99" if name == "pillow" else real(name)
    )
    (after,) = plan(tmp_path, data).cells
    assert after.cell.id != before.cell.id


def test_a_metric_of_another_task_than_the_decoders_is_an_error(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder)
    data["models"][0]["metric"] = "coco-boxes"
    with pytest.raises(SuiteError, match="scores detection, but the decoder 'classification'"):
        plan(tmp_path, data)


def test_two_conversions_of_a_kind_are_an_error(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, conversions=["bbtest-copy", "bbtest-copy"])
    with pytest.raises(SuiteError, match="the name 'bbtest-copy' is used twice"):
        plan(tmp_path, data)


def test_the_calibration_split_is_read_only_where_a_cell_needs_it(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "calibration.json").unlink()
    assert len(plan(tmp_path, tiny.suite(folder)).cells) == 1
    data = tiny.suite(folder, runtimes=[tiny.faulty("a", precisions="int8")])
    with pytest.raises(SuiteError, match=r"calibration\.json"):
        plan(tmp_path, data)
