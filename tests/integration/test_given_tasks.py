"""Every further task from a suite to its report: keypoints, turned boxes, panoptic maps, LVIS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbench import api
from tests import tiny
from tests.integration.test_given_predictions import suite

SIDE = 64
HALF = 51 / 101
"""All precision up to recall 0.5, at 51 of COCO's 101 points."""
SPOTS = [(5.0, 5.0), (30.0, 8.0), (12.0, 36.0)]
"""Corners of the objects, 20 px wide, one to an image."""


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def truth(folder: Path, category: dict[str, Any], **more: Any) -> Path:
    """Write one object an image; *more*: key → function of its corner."""
    images = [
        {
            "id": n,
            "file_name": f"{n}.png",
            "width": SIDE,
            "height": SIDE,
            "shift": "day" if n < 3 else "night",
        }
        for n in (1, 2, 3)
    ]
    objects = [
        {
            "id": n,
            "image_id": n,
            "category_id": 5,
            "bbox": [*spot, 20, 20],
            "area": 400,
            **{key: value(spot) for key, value in more.items()},
        }
        for n, spot in enumerate(SPOTS, 1)
    ]
    folder.mkdir(exist_ok=True)
    categories = [{"id": 5, "name": "part", **category}]
    body = {"images": images, "annotations": objects, "categories": categories}
    write(folder / "truth.json", body)
    return folder


def scored(tmp_path: Path, task: str, predictions: dict[str, Any], **metric: Any) -> Any:
    """Run the suite with slices; return its cell, after every report was written."""
    data = suite(tmp_path / "data", "truth.json", tmp_path, task=task)
    data["datasets"][0]["slices"] = [{"by": "shift"}, {"by": "size"}]
    data["models"][0] |= {"predictions": predictions, **({"metric": metric} if metric else {})}
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    found = api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache")
    (cell,) = found.view.cells
    assert cell.failure is None
    assert found.problems == ()
    reports = ["html", "markdown", "csv", "json"]
    for file in api.report(found.run, reports, store=tmp_path / "store", out=tmp_path / "out"):
        assert "theirs" in file.read_text()
    return cell


def slices(cell: Any) -> dict[str, float | None]:
    return {one.name: one.interval.value for one in cell.slices}


def test_poses_are_scored(tmp_path: Path) -> None:
    def points(spot: tuple[float, float]) -> list[float]:
        x, y = spot
        return [x, y, 2, x + 20, y + 20, 1]

    truth(tmp_path / "data", {"keypoints": ["nose", "tail"]}, keypoints=points)
    found = [
        {"image_id": n, "category_id": 5, "keypoints": points(SPOTS[n - 1]), "score": 0.9}
        for n in (1, 3)
    ]
    results = write(tmp_path / "r.json", found)
    given = {"kind": "coco-keypoints", "path": str(results)}
    cell = scored(tmp_path, "keypoints", given, kind="coco-keypoints", sigmas=[0.1, 0.1])
    assert cell.metrics["mar_20"] == pytest.approx(2 / 3)
    assert slices(cell)["shift: day"] == pytest.approx(HALF)
    assert slices(cell)["shift: night"] == pytest.approx(1)


def test_turned_boxes_are_scored(tmp_path: Path) -> None:
    def turned(spot: tuple[float, float]) -> list[float]:
        return [spot[0] + 10, spot[1] + 10, 20, 10, 0.5]

    truth(tmp_path / "data", {}, obb=turned)
    folder = tmp_path / "dota"
    folder.mkdir()
    lines = []
    for n in (2, 3):
        x, y, width, height, angle = turned(SPOTS[n - 1])
        along = np.array([np.cos(angle), np.sin(angle)]) * width / 2
        across = np.array([-np.sin(angle), np.cos(angle)]) * height / 2
        ends = [(x, y) + a * along + b * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        lines.append(f"{n} 0.9 " + " ".join(f"{value:.6f}" for end in ends for value in end))
    (folder / "Task1_part.txt").write_text("\n".join(lines))
    cell = scored(tmp_path, "oriented-detection", {"kind": "dota-results", "path": str(folder)})
    assert cell.primary == "map_50"
    assert cell.metrics["map_50"] == pytest.approx(67 / 101)
    assert slices(cell)["shift: day"] == pytest.approx(HALF)
    assert slices(cell)["shift: night"] == pytest.approx(1)


def test_panoptic_maps_are_scored(tmp_path: Path) -> None:
    def polygon(spot: tuple[float, float]) -> list[list[float]]:
        x, y = spot
        return [[x, y, x + 20, y, x + 20, y + 20, x, y + 20]]

    truth(tmp_path / "data", {"isthing": 1}, segmentation=polygon)
    folder = tmp_path / "maps"
    folder.mkdir()
    entries = []
    for n, (x, y) in enumerate(SPOTS, 1):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        if n != 2:
            pixels[int(y) : int(y) + 20, int(x) : int(x) + 20, 0] = 7
        Image.fromarray(pixels).save(folder / f"{n}.png")
        infos = [] if n == 2 else [{"id": 7, "category_id": 5}]
        entries.append({"image_id": n, "file_name": f"{n}.png", "segments_info": infos})
    results = write(tmp_path / "maps.json", {"annotations": entries})
    given = {"kind": "coco-panoptic", "path": str(results)}
    cell = scored(tmp_path, "panoptic-segmentation", given)
    # Two matches and a miss: RQ = 2 / (2 + 1/2).
    assert (cell.metrics["rq"], cell.metrics["sq"]) == (pytest.approx(0.8), pytest.approx(1))
    assert slices(cell)["shift: day"] == pytest.approx(2 / 3)
    assert slices(cell)["size: small"] == pytest.approx(0.8)


def test_what_lvis_did_not_look_for_does_not_count(tmp_path: Path) -> None:
    folder = truth(tmp_path / "data", {"frequency": "r"})
    body = json.loads((folder / "truth.json").read_text())
    body["categories"].append({"id": 6, "name": "other", "frequency": "f"})
    for image in body["images"]:
        image["neg_category_ids"] = [6] if image["id"] == 1 else []
        image["not_exhaustive_category_ids"] = []
    write(folder / "truth.json", body)
    found = [
        {"image_id": n, "category_id": 5, "bbox": [*spot, 20, 20], "score": 0.5}
        for n, spot in enumerate(SPOTS, 1)
    ]
    found += [{**found[1], "category_id": 6, "score": 0.9}]
    results = write(tmp_path / "r.json", found)
    given = {"kind": "coco-results", "path": str(results)}
    cell = scored(tmp_path, "detection", given, kind="lvis-boxes")
    assert cell.metrics["map_rare"] == pytest.approx(1)
    assert cell.metrics["map_frequent"] is None
    assert cell.counts["predictions_not_judged"] == 1


def test_the_usual_evaluator_of_a_task_is_taken(tmp_path: Path) -> None:
    truth(tmp_path / "data", {})
    results = write(tmp_path / "r.json", [])
    cell = scored(tmp_path, "detection", {"kind": "coco-results", "path": str(results)})
    assert cell.evaluator.startswith("benchbench boxes ")
    assert cell.primary == "map"
