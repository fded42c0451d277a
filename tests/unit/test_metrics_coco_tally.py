"""Stored matches: pycocotools' numbers with weights of one, repeated images' numbers with others."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.metrics import coco_columns, coco_tally
from benchbench.types import Tally
from tests.unit.test_metrics_coco_boxes import NAMES, Coco, Found, found_lists, reference, truths


def columns(data: Coco, found: Found) -> tuple[Any, tuple[str, ...], Any, Any]:
    """Return what ``tally`` takes; images in the file's order, which is not ascending."""
    images = {one["id"]: i for i, one in enumerate(data["images"])}
    classes = {one["id"]: i for i, one in enumerate(data["categories"])}

    def common(rows: Found) -> dict[str, Any]:
        return {
            "image": np.array([images[one["image_id"]] for one in rows], np.int64),
            "category": np.array([classes[one["category_id"]] for one in rows], np.int64),
            "boxes": np.array([one["bbox"] for one in rows], np.float64).reshape(-1, 4),
        }

    rows = data["annotations"]
    truth = coco_columns.Truth(
        **common(rows),
        area=np.array([one["area"] for one in rows], np.float64),
        crowd=np.array([one["iscrowd"] for one in rows], np.bool_),
        images=len(images),
        categories=len(classes),
    )
    scores = np.array([one["score"] for one in found], np.float64)
    names = tuple(one["name"] for one in data["categories"])
    return np.array(list(images)), names, truth, coco_columns.Found(**common(found), scores=scores)


def tallied(data: Coco, found: Found, limits: tuple[int, int, int] = (1, 10, 100)) -> Tally:
    return coco_tally.tally(*columns(data, found), max_detections=limits)


def ones(tally: Tally) -> Any:
    return np.ones((1, len(tally.image_ids)), np.int64)


def plain(values: dict[str, Any]) -> dict[str, float]:
    """Return single values, with pycocotools' -1 for what is not defined."""
    return {name: float(np.nan_to_num(value[0], nan=-1.0)) for name, value in values.items()}


def assert_pycocotools(data: Coco, found: Found) -> None:
    tally, run = tallied(data, found), reference(data, found)
    values = plain(coco_tally.estimates(tally, ones(tally)))
    assert list(values) == NAMES
    assert list(values.values()) == pytest.approx(list(run.stats), abs=1e-12)
    classwise = coco_tally.class_estimates(tally, ones(tally))
    order = [run.params.catIds.index(one["id"]) for one in data["categories"]]
    precision = run.eval["precision"][:, :, order, 0, -1]
    for name, wanted in (("map", precision.mean((0, 1))), ("map_50", precision[0].mean(0))):
        assert np.nan_to_num(classwise[name][0], nan=-1) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(truths(), found_lists)
def test_with_weights_of_one_all_numbers_are_pycocotools(data: Coco, found: Found) -> None:
    assert_pycocotools(data, found)


@settings(max_examples=30, deadline=None)
@given(truths(), found_lists)
def test_other_limits_cut_the_detections_as_pycocotools_does(data: Coco, found: Found) -> None:
    tally, arrays = tallied(data, found, (1, 2, 3)), reference(data, found, (1, 2, 3)).eval
    values = plain(coco_tally.estimates(tally, ones(tally)))
    wanted = {
        "map": arrays["precision"][..., 0, -1],
        "mar_1": arrays["recall"][..., 0, 0],
        "mar_2": arrays["recall"][..., 0, 1],
        "mar_3": arrays["recall"][..., 0, 2],
        "mar_small": arrays["recall"][..., 1, 2],
    }
    for name, cells in wanted.items():
        defined = cells[cells > -1]
        assert values[name] == pytest.approx(defined.mean() if defined.size else -1, abs=1e-12)


def test_real_results_give_the_published_numbers(data_dir: Path) -> None:
    folder = data_dir / "cocoapi_fake"
    data = json.loads((folder / "instances_val2014_100.json").read_text())
    found = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    assert_pycocotools(data, found)
    tally = tallied(data, found)
    assert coco_tally.estimates(tally, ones(tally))["map"][0] == pytest.approx(0.50458, abs=5e-6)


def repeated(data: Coco, found: Found, weights: Any) -> tuple[Coco, Found]:
    """Return the dataset in which each image stands as often as its weight, copies adjacent."""
    counts = dict(zip((one["id"] for one in data["images"]), weights.tolist(), strict=True))
    copies: dict[int, list[int]] = {}
    number = 0
    for image in sorted(counts):
        copies[image] = list(range(number, number + counts[image]))
        number += counts[image]

    def spread(rows: Found, key: str) -> Found:
        return [{**one, key: copy} for one in rows for copy in copies[one[key]]]

    annotations = spread(data["annotations"], "image_id")
    return {
        "images": spread(data["images"], "id"),
        "categories": data["categories"],
        "annotations": [{**one, "id": n} for n, one in enumerate(annotations, 1)],
    }, spread(found, "image_id")


@st.composite
def untied(draw: st.DrawFn) -> Found:
    """Draw detections whose scores differ: copies of an image with ties would interleave."""
    found = draw(found_lists)
    scores = draw(st.permutations(range(len(found))))
    return [{**one, "score": s / 64} for one, s in zip(found, scores, strict=True)]


@settings(max_examples=80, deadline=None)
@given(truths(), untied(), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_weight_counts_its_image_as_often(data: Coco, found: Found, counts: list[int]) -> None:
    weights = np.array(counts)
    if not weights.any():
        return
    again = repeated(data, found, weights)
    tally, other = tallied(data, found), tallied(*again)
    values = coco_tally.estimates(tally, weights[None])
    assert plain(values) == pytest.approx(
        plain(coco_tally.estimates(other, ones(other))), abs=1e-12
    )
    assert list(plain(values).values()) == pytest.approx(list(reference(*again).stats), abs=1e-12)


def crowded(images: int = 40, seed: int = 5) -> tuple[Coco, Found]:
    """Return a dataset with more images and detections than the property tests draw."""
    random = np.random.default_rng(seed)
    data: Coco = {
        "images": [
            {"id": i, "width": 300, "height": 300} for i in random.permutation(images).tolist()
        ],
        "categories": [{"id": i, "name": f"c{i}"} for i in (3, 1, 2)],
        "annotations": [],
    }
    found: Found = []
    for image in range(images):
        for _ in range(random.integers(0, 6)):
            box = [*random.uniform(0, 200, 2), *random.choice([20.0, 50.0, 120.0], 2)]
            row = {"image_id": image, "category_id": int(random.integers(1, 4)), "bbox": box}
            area = box[2] * box[3] * 0.8
            data["annotations"].append({**row, "area": area, "iscrowd": int(random.random() < 0.1)})
            for _ in range(random.integers(0, 4)):
                moved = [v + random.normal(0, 4) for v in box]
                found.append({**row, "bbox": moved, "score": float(random.random())})
    for number, one in enumerate(data["annotations"], 1):
        one["id"] = number
    return data, found


def test_37_replicates_are_each_what_it_would_be_alone() -> None:
    tally = tallied(*crowded())
    weights = np.random.default_rng(1).integers(0, 4, (37, len(tally.image_ids)))
    together = coco_tally.estimates(tally, weights)
    for row in (0, 15, 16, 36):
        alone = coco_tally.estimates(tally, weights[row : row + 1])
        assert {n: v[row] for n, v in together.items()} == {n: v[0] for n, v in alone.items()}
    data, found = repeated(*crowded(), weights[36])
    assert [v[36] for v in together.values()] == pytest.approx(
        list(reference(data, found).stats), abs=1e-12
    )


def test_some_metrics_alone_are_the_same_numbers() -> None:
    tally = tallied(*crowded())
    weights = np.random.default_rng(2).integers(0, 3, (5, len(tally.image_ids)))
    whole = coco_tally.estimates(tally, weights)
    for name in NAMES:
        alone = coco_tally.estimates(tally, weights, [name])
        assert list(alone) == [name]
        assert alone[name] == pytest.approx(whole[name], abs=1e-14)


def test_overlaps_of_another_shape_take_the_boxes_place() -> None:
    data, found = crowded()
    mask = pytest.importorskip("pycocotools.mask")
    ids, names, truth, boxes = columns(data, found)

    def overlap(cells: Any) -> Any:
        parts = []
        for cell, (first, last) in enumerate(
            zip(cells.found_start, cells.found_start[1:], strict=False)
        ):
            mine = cells.found_row[first:last]
            theirs = cells.truth_row[cells.truth_start[cell] : cells.truth_stop[cell]]
            if len(theirs):
                crowd = truth.crowd[theirs].astype(np.uint8)
                parts.append(mask.iou(boxes.boxes[mine], truth.boxes[theirs], crowd).ravel())
        return np.concatenate(parts)

    own = coco_tally.tally(ids, names, truth, boxes)
    other = coco_tally.tally(ids, names, truth, boxes, overlap=overlap)
    for name, values in own.arrays.items():
        assert np.array_equal(values, other.arrays[name]), name


def test_a_detections_own_area_decides_where_it_is_ignored() -> None:
    data, found = crowded()
    ids, names, truth, boxes = columns(data, found)
    shrunk = replace(boxes, area=np.ones(len(found)))
    values = [
        coco_tally.estimates(tally, ones(tally))["map_large"][0]
        for tally in (coco_tally.tally(ids, names, truth, one) for one in (boxes, shrunk))
    ]
    assert values[1] > values[0]


def test_the_arrays_are_flat_and_survive_a_file(tmp_path: Path) -> None:
    tally = tallied(*crowded())
    np.savez_compressed(tmp_path / "tally.npz", **tally.arrays)
    with np.load(tmp_path / "tally.npz", allow_pickle=False) as stored:
        again = replace(tally, arrays=dict(stored))
    weights = ones(tally) * 2
    assert plain(coco_tally.estimates(again, weights)) == plain(
        coco_tally.estimates(tally, weights)
    )


@pytest.mark.parametrize(
    "weights", [np.ones((1, 39), int), np.ones(40, int), np.ones((1, 40)), -np.ones((1, 40), int)]
)
def test_weights_that_do_not_fit_are_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="weights"):
        coco_tally.estimates(tallied(*crowded()), weights)


def test_it_runs_where_compiled_code_can_be_kept_nowhere(tmp_path: Path) -> None:
    """As in a container with a read-only file system; nothing is compiled here, to be quick."""
    program = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from benchbench.metrics import coco_kernels\n"
        "print(type(coco_kernels.class_sums._cache).__name__)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "NullCache"), done.stderr
