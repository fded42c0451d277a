"""Predictions of another tool, from a suite to a report: a model without a runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.errors import SuiteError, UsageError
from tests import tiny

REFERENCE = (0.503647, 0.696973, 0.571667, 0.593252, 0.557991, 0.489363)


def write_truth(folder: Path) -> Path:
    """Write a dataset of two boxes without any image file."""
    folder.mkdir()
    images = [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in (1, 2)]
    boxes = [
        {"id": n, "image_id": n, "category_id": 5, "bbox": [n, 2, 30, 40], "area": 1200}
        for n in (1, 2)
    ]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 5, "name": "part"}]}
    (folder / "truth.json").write_text(json.dumps(document))
    return folder


def suite(folder: Path, truth: str, results: Path, **model: Any) -> dict[str, Any]:
    source = {"kind": "coco", "root": str(folder), "files": {"validation": {"annotations": truth}}}
    given = {"name": "theirs", "predictions": {"kind": "coco-results", "path": str(results)}}
    return {
        "benchbench": 1,
        "name": "given",
        "datasets": [{"name": "parts", "source": source}],
        "models": [given | model],
    }


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Return a suite whose predictions find one of the two objects."""
    folder = write_truth(tmp_path / "data")
    results = [{"image_id": 1, "category_id": 5, "bbox": [1, 2, 30, 40], "score": 0.5}]
    (tmp_path / "results.json").write_text(json.dumps(results))
    data = suite(folder, "truth.json", tmp_path / "results.json")
    return tiny.write_suite(tmp_path / "suite.yaml", data)


def run(path: Path, tmp_path: Path) -> Any:
    return api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache")


def test_they_are_scored_without_images_runtime_or_latency(half: Path, tmp_path: Path) -> None:
    (cell,) = run(half, tmp_path).view.cells
    assert cell.status == "measured"
    assert cell.label == "theirs · predictions · given"
    # All precision up to recall 0.5: 51 of COCO's 101 points.
    assert cell.metrics["map"] == pytest.approx(51 / 101)
    assert cell.metrics["mar_100"] == 0.5
    assert (cell.placement, cell.latency, cell.artifact, cell.parity) == (None,) * 4
    assert cell.protocol["predictions"]["kind"] == "coco-results"


def test_changed_predictions_are_another_cell_and_unchanged_ones_are_done(
    half: Path, tmp_path: Path
) -> None:
    first = run(half, tmp_path).view.cells[0]
    again = run(half, tmp_path)
    assert again.view.cells[0].started == first.started
    results = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps([*results, {**results[0], "image_id": 2}]))
    assert run(half, tmp_path).view.cells[0].id != first.id


def test_they_are_scored_again_and_reported_in_every_format(half: Path, tmp_path: Path) -> None:
    found = run(half, tmp_path)
    again = api.score(found.run, store=tmp_path / "store", cache=tmp_path / "cache")
    assert again.cells[0].metrics == found.view.cells[0].metrics
    formats = ["html", "markdown", "csv", "json"]
    for path in api.report(found.run, formats, store=tmp_path / "store", out=tmp_path / "out"):
        assert "given" in path.read_text()


def test_nothing_can_be_swapped_in_them(half: Path, tmp_path: Path) -> None:
    found = run(half, tmp_path)
    cell = found.view.cells[0].id
    with pytest.raises(UsageError, match="nothing can be swapped"):
        api.diagnose(found.run, cell, cell, store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"predictions": {"kind": "coco-results", "path": "none.json"}}, "No such file"),
        ({"task": "classification"}, "holds no predictions of classification"),
        ({"metric": "coco-masks"}, "but the predictions 'coco-results' are of detection"),
        ({"input": {"size": [8, 8]}}, "unknown key 'input'"),
    ],
)
def test_a_wrong_entry_is_an_error_with_its_place(change, told, half, tmp_path):
    data = suite(tmp_path / "data", "truth.json", tmp_path / "results.json", **change)
    tiny.write_suite(half, data)
    with pytest.raises(SuiteError, match=told) as caught:
        run(half, tmp_path)
    assert caught.value.place is not None
    assert caught.value.place.line


def test_a_model_that_must_be_run_needs_a_runtime(tmp_path, plugins_path):
    data = tiny.suite(tiny.write_dataset(tmp_path / "data"), runtimes=[])
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    with pytest.raises(SuiteError, match="nothing runs the model 'm'"):
        run(path, tmp_path)


def test_a_wrong_result_fails_its_cell_and_names_the_result(half: Path, tmp_path: Path) -> None:
    wrong = {"image_id": 3, "category_id": 5, "bbox": [1, 2, 30, 40], "score": 0.5}
    (tmp_path / "results.json").write_text(json.dumps([wrong]))
    (cell,) = run(half, tmp_path).view.cells
    assert cell.status == "failed"
    assert cell.failure.code == "predictions"
    assert "result 0: the image 3 is not in the dataset" in cell.failure.message


def test_the_numbers_published_for_a_real_file_come_out(data_dir: Path, tmp_path: Path) -> None:
    """The values that pycocotools gives, from a file in the dialect of an object with a list."""
    folder = data_dir / "reference_detections"
    results = folder / "sampled_bbox_results.json"
    data = suite(folder, "sampled_gts_bbox_area.json", results)
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    (cell,) = run(path, tmp_path).view.cells
    names = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
    for name, want in zip(names, REFERENCE, strict=True):
        assert cell.metrics[name] == pytest.approx(want, abs=1e-6), name


def test_given_masks_reach_the_value_of_the_coco_api(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "cocoapi_fake"
    results = folder / "instances_val2014_fakesegm100_results.json"
    data = suite(folder, "instances_val2014_100.json", results, task="instance-segmentation")
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    (cell,) = run(path, tmp_path).view.cells
    assert cell.metrics["map"] == pytest.approx(0.31955, abs=1e-5)
    assert cell.intervals["map"].se > 0
