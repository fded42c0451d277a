"""COCO masks: the 12 numbers against pycocotools, boundary AP, and refusals."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.errors import DatasetError, PredictionError
from benchbench.masks import instances, mask_runs, rle_runs
from benchbench.metrics.coco_masks import CocoMasks
from benchbench.types import Instances, LabelMap, Scores
from tests.helpers import class_map, split_from_coco

Coco = dict[str, Any]
Found = list[dict[str, Any]]
AREAS = ("small", "medium", "large")
NAMES = [
    *("map", "map_50", "map_75", *(f"map_{area}" for area in AREAS)),
    *("mar_1", "mar_10", "mar_100", *(f"mar_{area}" for area in AREAS)),
]
SIZES = {0: (40, 130), 4: (110, 100), 11: (12, 9)}
IDS = [2, 3, 90]


def evaluated(kind: Any, api: Any, data: Coco, found: Found, iou: str) -> Any:
    """Return the evaluation of a library with pycocotools' interface."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth, detected = api(), api()
        truth.dataset = json.loads(json.dumps(data))
        truth.createIndex()
        if found:
            detected = truth.loadRes(json.loads(json.dumps(found)))
        else:
            detected.dataset = {**truth.dataset, "annotations": []}
            detected.createIndex()
        run = kind(truth, detected, iou)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def reference(data: Coco, found: Found) -> Any:
    coco = pytest.importorskip("pycocotools.coco")
    evaluator = pytest.importorskip("pycocotools.cocoeval")
    return evaluated(evaluator.COCOeval, coco.COCO, data, found, "segm")


def predictions(data: Coco, found: Found) -> dict[int, Instances]:
    images = {one["id"]: (one["height"], one["width"]) for one in data["images"]}
    by_image: dict[int, Found] = {image: [] for image in images}
    for one in found:
        by_image[one["image_id"]].append(one)
    return {
        image: instances(
            # Far off: were a box used for anything, the numbers would show it.
            np.full((len(rows), 4), 1e4),
            np.array([one["score"] for one in rows]),
            np.array([one["category_id"] for one in rows]),
            [rle_runs(one["segmentation"], *images[image]) for one in rows],
        )
        for image, rows in by_image.items()
    }


def scored(data: Coco, found: Found, evaluator: CocoMasks | None = None) -> Scores:
    split = split_from_coco(data)
    return (evaluator or CocoMasks()).score(split, predictions(data, found), class_map(data))


def undefined_as_minus_one(scores: Scores, prefix: str = "") -> list[float]:
    values = [scores.metrics[prefix + name] for name in NAMES]
    return [-1.0 if value is None else value for value in values]


def rle(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": mask_runs(mask).tolist()}


# Few distinct values, so that scores tie, masks coincide and areas lie on 32² and 96² exactly.
image_ids = st.sampled_from(list(SIZES))
categories = st.sampled_from(IDS)
rectangles = st.tuples(
    *[st.sampled_from([0, 3, 8])] * 2, *[st.sampled_from([0, 4, 16, 32, 36, 96, 108])] * 2
)


def painted(image: int, rectangle: tuple[int, int, int, int], hole: bool) -> np.ndarray:
    x, y, w, h = rectangle
    mask = np.zeros(SIZES[image], bool)
    mask[y : y + h, x : x + w] = True
    if hole:
        mask[y + 1 : y + 3, x + 2 : x + 5] = False
    return mask


def polygon(rectangle: tuple[int, int, int, int]) -> list[list[float]]:
    x, y, w, h = rectangle
    return [[x, y, x + w, y, x + w, y + h, x, y + h], [x, y, x + 9.5, y + 0.5, x + 3, y + 9]]


@st.composite
def truths(draw: st.DrawFn) -> Coco:
    drawn = st.tuples(
        image_ids, categories, rectangles, st.booleans(), st.booleans(), st.booleans()
    )
    annotations = []
    for number, (image, category, box, hole, crowd, outline) in enumerate(
        draw(st.lists(drawn, max_size=10)), 1
    ):
        mask = painted(image, box, hole)
        annotations.append(
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "area": float(mask.sum()),
                "iscrowd": int(crowd),
                "segmentation": polygon(box) if outline and not crowd else rle(mask),
            }
        )
    return {
        "images": [
            {"id": i, "height": SIZES[i][0], "width": SIZES[i][1]}
            for i in draw(st.permutations(list(SIZES)))
        ],
        "categories": [{"id": i, "name": f"c{i}"} for i in draw(st.permutations(IDS))],
        "annotations": annotations,
    }


found_lists = st.lists(
    st.builds(
        lambda image, category, box, hole, score: {
            "image_id": image,
            "category_id": category,
            "segmentation": coded(painted(image, box, hole)),
            "score": score,
        },
        image_ids,
        categories,
        rectangles,
        st.booleans(),
        st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.9]),
    ),
    max_size=20,
)


def coded(mask: np.ndarray) -> dict[str, Any]:
    mask_api = pytest.importorskip("pycocotools.mask")
    found = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


@settings(max_examples=100, deadline=None)
@given(truths(), found_lists)
def test_all_12_numbers_and_each_class_equal_pycocotools(data: Coco, found: Found) -> None:
    scores, run = scored(data, found), reference(data, found)
    assert list(scores.metrics) == NAMES
    assert undefined_as_minus_one(scores) == pytest.approx(list(run.stats), abs=1e-12)
    for position, category in enumerate(run.params.catIds):
        column = run.eval["precision"][:, :, position, 0, -1]
        for name, values in (("map", column), ("map_50", column[0])):
            value = scores.per_class[name][f"c{category}"]
            assert (-1 if value is None else value) == pytest.approx(np.mean(values), abs=1e-12)
    absent = {name for name, value in scores.metrics.items() if value is None}
    assert absent == set(scores.reasons) - {"per_class"}


@pytest.fixture(scope="module")
def fake(data_dir: Path) -> tuple[Coco, Found]:
    folder = data_dir / "cocoapi_fake"
    return (
        json.loads((folder / "instances_val2014_100.json").read_text()),
        json.loads((folder / "instances_val2014_fakesegm100_results.json").read_text()),
    )


def test_the_fake_results_of_the_coco_api_give_its_numbers(fake: tuple[Coco, Found]) -> None:
    scores = scored(*fake)
    assert scores.metrics["map"] == pytest.approx(0.31955, abs=5e-6)
    curve = scores.curves["precision_recall_50"]
    assert np.mean(curve.y) == pytest.approx(scores.metrics["map_50"], abs=1e-12)
    run = reference(*fake)
    assert undefined_as_minus_one(scores) == pytest.approx(list(run.stats), abs=1e-12)
    assert scores.counts["crowd"] == sum(one["iscrowd"] for one in fake[0]["annotations"])
    assert scores.counts["predictions"] == len(fake[1])


@settings(max_examples=40, deadline=None)
@given(truths(), found_lists, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_estimates_are_the_scores_of_the_images_repeated(
    data: Coco, found: Found, counts: list[int]
) -> None:
    """Scores are made distinct: copies of tied masks stand side by side in an estimate."""
    found = [{**one, "score": 1 - row / 100} for row, one in enumerate(found)]
    metric, classes = CocoMasks(max_detections=(1, 2, 100)), class_map(data)
    kept = metric.tally(split_from_coco(data), predictions(data, found), classes)
    weights = np.array([[1, 1, 1], counts])
    values, by_class = metric.estimates(kept, weights), metric.class_estimates(kept, weights)
    copies = repeated(data, found, dict(zip(kept.image_ids.tolist(), counts, strict=True)))
    for row, (truth, detected) in enumerate([(data, found), copies]):
        want = scored(truth, detected, metric)
        assert {name: nan_is_none(values[name][row]) for name in values} == pytest.approx(
            want.metrics, abs=1e-12
        )
        for name, classwise in by_class.items():
            got = map(nan_is_none, classwise[row])
            shown = dict(zip(kept.classes, got, strict=True))
            assert shown == pytest.approx(want.per_class[name], abs=1e-12)


def nan_is_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def repeated(data: Coco, found: Found, counts: dict[int, int]) -> tuple[Coco, Found]:
    """Return every image as often as *counts* says, copies side by side."""
    pairs = [(image, copy) for image, count in counts.items() for copy in range(count)]

    def own(rows: Found) -> Found:
        copies = [
            {**row, "image_id": 10 * image + copy}
            for image, copy in pairs
            for row in rows
            if row["image_id"] == image
        ]
        return [{**row, "id": number} for number, row in enumerate(copies, 1)]

    images = {one["id"]: one for one in data["images"]}
    copies = [{**images[image], "id": 10 * image + copy} for image, copy in pairs]
    return {**data, "images": copies, "annotations": own(data["annotations"])}, own(found)


# --- boundary ----------------------------------------------------------------------------


@pytest.fixture
def other_boundary() -> Callable[[Coco, Found], list[float]]:
    """Return boundary AP by a second library, which erodes by another algorithm."""
    pytest.importorskip("vernier")
    other = pytest.importorskip("faster_coco_eval")

    def run(data: Coco, found: Found) -> list[float]:
        done = evaluated(other.COCOeval_faster, other.COCO, data, found, "boundary")
        return [float(value) for value in done.stats[:12]]

    return run


def test_boundary_ap_is_that_of_another_library_on_real_objects(
    fake: tuple[Coco, Found], other_boundary: Callable[[Coco, Found], list[float]]
) -> None:
    images = sorted(one["id"] for one in fake[0]["images"])[::5]
    data = {
        **fake[0],
        "images": [one for one in fake[0]["images"] if one["id"] in images],
        "annotations": [one for one in fake[0]["annotations"] if one["image_id"] in images],
    }
    found = [one for one in fake[1] if one["image_id"] in images]
    scores = scored(data, found, CocoMasks(boundary=True))
    plain = scored(data, found)
    assert {name: scores.metrics[name] for name in NAMES} == plain.metrics
    want = other_boundary(data, found)
    assert undefined_as_minus_one(scores, "boundary_") == pytest.approx(want, abs=1e-12)
    assert 0 < scores.metrics["boundary_map"] < plain.metrics["map"]
    assert "vernier" in scores.evaluator
    assert "boundary" in scores.convention


@settings(max_examples=25, deadline=None)
@given(truths(), found_lists)
def test_boundary_ap_is_that_of_another_library_on_random_objects(data: Coco, found: Found) -> None:
    pytest.importorskip("vernier")
    other = pytest.importorskip("faster_coco_eval")
    scores = scored(data, found, CocoMasks(boundary=True))
    if found and data["annotations"]:
        run = evaluated(other.COCOeval_faster, other.COCO, data, found, "boundary")
        got = undefined_as_minus_one(scores, "boundary_")
        assert got == pytest.approx(list(run.stats[:12]), abs=1e-12)
    for name in NAMES:
        assert (scores.metrics[name] is None) == (scores.metrics[f"boundary_{name}"] is None)
        assert (scores.metrics[name] is None) == (f"boundary_{name}" in scores.reasons)


def test_the_outline_of_a_square_is_as_wide_as_the_paper_has_it() -> None:
    """An image of 100 × 100 has a diagonal of 141, so an outline of 3 pixels."""
    pytest.importorskip("vernier")
    cv2 = pytest.importorskip("cv2")
    truth, shifted = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    truth[20:80, 20:80], shifted[20:80, 21:81] = 1, 1

    def outline(mask: np.ndarray) -> np.ndarray:
        framed = np.pad(mask, 1)
        return mask - cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=3)[1:-1, 1:-1]

    ours, theirs = outline(truth), outline(shifted)
    overlap = (ours & theirs).sum() / (ours | theirs).sum()
    assert 0.7 < overlap < 0.75
    data = one_object(rle(truth > 0), (100, 100))
    found = [{**PREDICTED, "segmentation": rle(shifted > 0)}]
    scores = scored(data, found, CocoMasks(boundary=True))
    assert scores.metrics["map"] == pytest.approx(1)
    assert scores.metrics["boundary_map"] == pytest.approx(0.5), "0.50, 0.55 … 0.70"


def test_without_its_library_boundary_ap_is_absent_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "vernier" else find(name)
    )
    mask = np.eye(6, dtype=bool)
    data = one_object(rle(mask), (6, 6))
    scores = scored(data, [{**PREDICTED, "segmentation": rle(mask)}], CocoMasks(boundary=True))
    assert scores.metrics["map"] == pytest.approx(1)
    for name in NAMES:
        assert scores.metrics[f"boundary_{name}"] is None
        assert "pip install 'benchbench[boundary]'" in scores.reasons[f"boundary_{name}"]


# --- by hand and refused -----------------------------------------------------------------

PREDICTED: dict[str, Any] = {"image_id": 7, "category_id": 5, "score": 0.5}


def one_object(segmentation: Any, size: tuple[int, int]) -> Coco:
    return {
        "images": [{"id": 7, "height": size[0], "width": size[1]}],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [
            {"id": 3, "image_id": 7, "category_id": 5, "area": 9.0, "segmentation": segmentation}
        ],
    }


def columns(**changed: Any) -> dict[int, Instances]:
    good = Instances(
        boxes=np.zeros((2, 4)),
        scores=np.array([0.9, 0.1]),
        labels=np.array([5, 5]),
        lengths=np.array([1, 3]),
        runs=np.array([20, 4, 6, 10], np.uint32),
    )
    return {7: replace(good, **changed)}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (columns(scores=np.array([0.9, np.nan])), r"image 7: score nan of mask 1 \(1 in all\)"),
        (columns(labels=np.array([5, 6])), "image 7: label 6 of mask 1"),
        (columns(labels=np.array([5.0, 5.0])), "labels are float64, not integers"),
        (columns(runs=np.array([20.0, 4, 6, 10])), "runs are float64, not integers"),
        (columns(runs=np.array([20, 4, 6, 11])), "runs of mask 1 sum to 21 .* 4 × 5 = 20 pixels"),
        (columns(runs=np.array([20, 4, -1, 17])), "image 7: a run of -1 pixels"),
        (columns(lengths=np.array([1, 2])), "lengths sum to 3, but there are 4 runs"),
        (columns(lengths=np.array([0, 4])), "number of runs 0 of mask 0"),
        (columns(lengths=np.array([4])), r"lengths \(1,\).* do not belong together"),
        (columns(boxes=np.zeros((2, 5))), r"boxes \(2, 5\), scores \(2,\)"),
        (columns(scores=np.array(0.5)), r"scores \(\).* do not belong together"),
        ({7: LabelMap(np.zeros((4, 5), np.uint8))}, "Instances expected, not LabelMap"),
        ({}, "no predictions for images: 7"),
        ({**columns(), 8: columns()[7]}, "unknown images: 8"),
    ],
)
def test_unfit_predictions_are_refused_by_image_and_value(
    found: dict[int, Instances], message: str
) -> None:
    data = one_object([[0, 0, 4, 0, 4, 3]], (4, 5))
    with pytest.raises(PredictionError, match=message):
        CocoMasks().score(split_from_coco(data), found, class_map(data))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "annotation 3 .image 7.: there is none"),
        ([[1, 2, 3, 4]], "polygon 0 has 4 coordinates"),
        ({"size": [4, 6], "counts": [24]}, r"\[4, 6\] is not the image's \[4, 5\]"),
        ({"size": [4, 5], "counts": [19]}, "sum to 19"),
    ],
)
def test_truth_without_a_usable_mask_is_refused_by_annotation(
    segmentation: Any, message: str
) -> None:
    data = one_object(segmentation, (4, 5))
    with pytest.raises(DatasetError, match=message):
        CocoMasks().score(split_from_coco(data), columns(), class_map(data))


def test_the_truth_s_area_must_be_finite() -> None:
    data = one_object([[0, 0, 4, 0, 4, 3]], (4, 5))
    data["annotations"][0]["area"] = float("nan")
    with pytest.raises(DatasetError, match=r"annotation 3 \(image 7\) has the area nan"):
        CocoMasks().score(split_from_coco(data), columns(), class_map(data))


def test_an_empty_predicted_mask_is_counted_and_matches_nothing() -> None:
    scores = scored(
        one_object(rle(np.ones((4, 5), bool)), (4, 5)),
        [{**PREDICTED, "segmentation": rle(np.zeros((4, 5), bool))}],
    )
    assert scores.counts["empty_predictions"] == 1
    assert scores.metrics["map"] == 0


def test_images_without_objects_and_predictions_have_no_ap() -> None:
    data = {**one_object(None, (4, 5)), "annotations": []}
    scores = scored(data, [])
    assert set(scores.metrics.values()) == {None}
    assert scores.per_class == {"map": {"thing": None}, "map_50": {"thing": None}}
    assert scores.reasons["map"] == "no ground-truth object but crowds"


def test_limits_must_be_positive_and_ascending() -> None:
    with pytest.raises(ValidationError, match="ascending"):
        CocoMasks(max_detections=(10, 1, 100))
