"""Stored predictions under other tools' rules: the account, what is kept, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchbench import api, plugins
from benchbench.cli.score import command
from benchbench.columns import pack_predictions
from benchbench.contents import HashCache, contents
from benchbench.datasets.coco import Coco
from benchbench.errors import MissingDependency, UsageError
from benchbench.rescoring.account import Rescored, Rescorer
from benchbench.rescoring.losses import losses
from benchbench.rescoring.tools import TOOLS, rules_of
from benchbench.store import Run
from benchbench.types import Cell, ClassMap, ClassScores, LabelMap, Result, TaskName
from tests import tiny

KINDS = {"semantic-segmentation": "semantic", "classification": "classification"}


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a run of given boxes: one found twice, one on a crowd, one below 0.001."""
    folder = tmp_path_factory.mktemp("given")
    boxes = [[0, 0, 10, 10], [50, 50, 10, 10], [20, 20, 30, 30]]
    truth = {
        "images": [{"id": 1, "file_name": "1.png", "width": 64, "height": 64}],
        "categories": [{"id": 5, "name": "part"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 5, "bbox": box, "area": 100, "iscrowd": n == 3}
            for n, box in enumerate(boxes, 1)
        ],
    }
    found = [(boxes[0], 0.9), (boxes[0], 0.8), (boxes[2], 0.7), (boxes[1], 0.0005)]
    results = [
        {"image_id": 1, "category_id": 5, "bbox": box, "score": score} for box, score in found
    ]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    files = {"validation": {"annotations": "truth.json"}}
    data = {
        "benchbench": 1,
        "name": "given",
        "datasets": [
            {"name": "parts", "source": {"kind": "coco", "root": str(folder), "files": files}}
        ],
        "models": [
            {
                "name": "theirs",
                "predictions": {"kind": "coco-results", "path": str(folder / "results.json")},
            }
        ],
    }
    path = tiny.write_suite(folder / "suite.yaml", data)
    api.run(str(path), store=folder / "store", cache=folder / "cache")
    return folder / "store"


@pytest.fixture
def stored(run_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the store."""
    return shutil.copytree(run_once, tmp_path / "store")


def sums(cell: Rescored) -> float:
    assert cell.unexplained is not None
    return sum(step.points or 0 for step in cell.steps) + cell.unexplained


@pytest.mark.parametrize("tool", ["ultralytics", "ultralytics-8.3", "accuracy-checker"])
def test_the_rules_account_for_the_whole_gap(stored: Path, tool: str) -> None:
    (cell,) = api.rescore("latest", tool, store=stored).cells
    assert cell.ours is not None
    assert cell.theirs is not None
    assert cell.points == pytest.approx(100 * (cell.theirs - cell.ours), abs=1e-12)
    assert abs(cell.points) > 1
    assert sums(cell) == pytest.approx(cell.points, abs=1e-9)
    assert cell.unexplained == pytest.approx(0, abs=1e-9)
    assert cell.steps[-1].after == pytest.approx(cell.theirs, abs=1e-12)


def test_each_step_is_one_rule_with_what_it_costs(stored: Path) -> None:
    (cell,) = api.rescore("latest", "ultralytics", store=stored).cells
    steps = {step.rule: step for step in cell.steps}
    assert (steps["crowds"].ours, steps["crowds"].theirs) == ("ignored", "dropped")
    assert steps["crowds"].points is not None
    assert steps["crowds"].points < -5
    assert steps["score_floor"].points is not None
    assert steps["score_floor"].points < -10
    assert "release" not in steps


def test_pycocotools_leaves_no_gap(stored: Path) -> None:
    pytest.importorskip("pycocotools")
    (cell,) = api.rescore("latest", "pycocotools", store=stored).cells
    assert cell.points == pytest.approx(0, abs=1e-10)
    assert len(cell.figures) == 12
    assert all(a == pytest.approx(b, abs=1e-12) for a, b in cell.figures.values())


def test_nothing_that_is_stored_changes(stored: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in stored.rglob("*") if path.is_file()}

    before = files()
    api.rescore("latest", "ultralytics", store=stored)
    assert files() == before


def test_given_predictions_say_what_was_perhaps_cut(stored: Path) -> None:
    (cell,) = api.rescore("latest", "ultralytics", store=stored).cells
    (told,) = cell.losses
    assert "0.0005" in told
    assert "nms_iou 0.7" in told


def test_a_decoders_cuts_are_told_where_the_tool_cuts_less() -> None:
    decoder = {"kind": "yolov8", "score_floor": 0.05, "nms_iou": 0.6, "max_detections": 100}
    cell = Cell.model_construct(spec={"decoder": decoder})
    told = losses(cell, "ultralytics", {"kind": "ultralytics"}, {})
    assert [line.split(";")[0] for line in told] == [
        "stored are scores above 0.05",
        "stored are detections after suppression at IoU 0.6",
        "stored are at most 100 detections an image",
    ]
    enough = {"score_floor": 0.001, "nms_iou": 0.7, "max_detections": 300}
    cell = Cell.model_construct(spec={"decoder": enough})
    assert losses(cell, "ultralytics", {"kind": "ultralytics"}, {}) == ()


def test_unknown_tools_and_tasks_are_refused_by_name(stored: Path) -> None:
    with pytest.raises(UsageError, match="ultralitics") as caught:
        api.rescore("latest", "ultralitics", store=stored)
    assert caught.value.hint == "did you mean 'ultralytics'?"
    with pytest.raises(UsageError, match="monai has no rules for detection") as caught:
        api.rescore("latest", "monai", store=stored)
    assert "semantic-segmentation" in caught.value.message
    assert "pycocotools" in str(caught.value.hint)


def test_a_missing_package_is_named_with_what_installs_it(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "installed_version", lambda name: None)
    with pytest.raises(MissingDependency) as caught:
        api.rescore("latest", "pycocotools", store=stored)
    assert caught.value.hint == "pip install 'benchbench[reference]'"


def test_a_run_without_predictions_is_refused(stored: Path) -> None:
    for path in (stored / "runs").glob("*/cells/*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "arrays": {}}))
    with pytest.raises(UsageError, match="no stored predictions"):
        api.rescore("latest", "ultralytics", store=stored)


def test_the_command_prints_the_account_and_gives_it_as_json(stored: Path) -> None:
    asked = ["latest", "--store", str(stored), "--as", "ultralytics"]
    printed = CliRunner().invoke(command, asked, catch_exceptions=False).output
    for word in ("crowds", "dropped", "interpolation", "unexplained", "not to be had again"):
        assert word in printed
    document = json.loads(CliRunner().invoke(command, [*asked, "--json"]).output)
    assert document["tool"] == "ultralytics"
    (cell,) = document["cells"]
    points = sum(step["points"] for step in cell["steps"]) + cell["unexplained"]
    assert points == pytest.approx(cell["points"], abs=1e-9)


def rescored(
    tmp_path: Path, task: TaskName, predictions: dict[int, Any], tool: str, **metric: Any
) -> Rescored:
    """Return three images, two of class a and one of b, under a tool's rules."""
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    document = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 4, "height": 4} for n in predictions
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 2 if n == 3 else 1,
                "bbox": [0, 0, 4, 4],
                "area": 16,
                "segmentation": square,
            }
            for n in predictions
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(document))
    files = {"validation": {"annotations": "truth.json"}}
    dataset = Coco.model_validate({"root": str(tmp_path), "files": files})
    split = dataset.load("validation", task, tmp_path)
    made = plugins.build("metrics", {"kind": KINDS[task], **metric})
    scores = made.score(split, predictions, ClassMap(("a", "b"), (1, 2)))
    found = contents(split, tmp_path / "truth.json", HashCache(tmp_path / "cache"), pixels=False)
    run = Run(tmp_path / "run").prepare()
    cell = Cell(
        id="0" * 16,
        model="m",
        runtime="predictions",
        precision="given",
        device="cpu",
        batch=1,
        dataset="d",
        split="validation",
        task=task,
        start=None,
        spec={
            "metric": made.model_dump(mode="json"),
            "classes": {"names": ["a", "b"], "category_ids": [1, 2], "background": None},
            "images": None,
            "dataset_digest": found.digest,
        },
    )
    kept = {"predictions": run.keep_array(pack_predictions(predictions, task))}
    result = Result(
        cell=cell,
        status="measured",
        environment="e",
        started="2026-01-01T00:00:00Z",
        wall_s=0,
        arrays=kept,
        scores=scores,
    )
    rescorer = Rescorer(run, {"d": dataset}, tmp_path / "cache")
    return rescorer.rescored(result, tool, rules_of(tool, [task])[task])


def test_torchmetrics_accuracy_is_a_mean_over_classes(tmp_path: Path) -> None:
    rows = {n: ClassScores(np.array([0.9, 0.1], np.float32)) for n in (1, 2, 3)}
    cell = rescored(tmp_path, "classification", rows, "torchmetrics")
    assert cell.ours == pytest.approx(2 / 3)
    assert cell.theirs == pytest.approx(1 / 2)
    (step,) = cell.steps
    assert (step.rule, step.ours, step.theirs) == ("figure", "top1", "recall_macro")
    assert sums(cell) == pytest.approx(cell.points)
    metrics = pytest.importorskip("torchmetrics.classification")
    torch = pytest.importorskip("torch")
    library = metrics.MulticlassAccuracy(num_classes=2)
    value = library(torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1])).item()
    assert cell.theirs == pytest.approx(value)


def test_monai_reads_iou_by_image(tmp_path: Path) -> None:
    half = np.zeros((4, 4), np.uint8)
    half[:2] = 1
    rows = {1: LabelMap(np.zeros((4, 4), np.uint8)), 2: LabelMap(half), 3: LabelMap(half)}
    cell = rescored(tmp_path, "semantic-segmentation", rows, "monai")
    # Per image and class in the truth: 1, 1/2, 1/2. Pooled: a 24 of 40, b 8 of 24.
    assert cell.ours == pytest.approx((24 / 40 + 8 / 24) / 2)
    assert cell.theirs == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert {step.rule for step in cell.steps} >= {"iou_over", "absent_truth"}
    assert sums(cell) == pytest.approx(cell.points)


def test_options_that_describe_the_data_stay_ours(tmp_path: Path) -> None:
    rows = {n: LabelMap(np.zeros((4, 4), np.uint8)) for n in (1, 2, 3)}
    cell = rescored(
        tmp_path, "semantic-segmentation", rows, "torchmetrics", void=255, nearest="centre"
    )
    assert {step.rule for step in cell.steps} == {"void_class_in_mean"}


def test_predictions_without_a_score_of_the_tool_give_a_reason_and_no_gap(stored: Path) -> None:
    pytest.importorskip("pycocotools")
    for path in (stored / "runs").glob("*/cells/*.json"):
        document = json.loads(path.read_text())
        document["scores"]["metrics"]["map"] = None
        document["scores"]["reasons"]["map"] = "for the test"
        path.write_text(json.dumps(document))
    (cell,) = api.rescore("latest", "pycocotools", store=stored).cells
    assert (cell.points, cell.unexplained, cell.steps) == (None, None, ())
    assert cell.reason == "for the test"


def test_every_tool_names_a_metric_that_is_installed() -> None:
    known = plugins.names("metrics")
    assert {r.metric["kind"] for rules in TOOLS.values() for r in rules.values()} <= set(known)
