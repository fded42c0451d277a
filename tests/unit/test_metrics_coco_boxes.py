"""COCO boxes: the 12 numbers against pycocotools, and refusals."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics import coco_arrangement, coco_evaluation
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.types import ClassMap, Detections, LabelMap, Scores
from tests.helpers import class_map, split_from_coco

Coco = dict[str, Any]
Found = list[dict[str, Any]]
AREAS = ("small", "medium", "large")
NAMES = [
    *("map", "map_50", "map_75", *(f"map_{area}" for area in AREAS)),
    *("mar_1", "mar_10", "mar_100", *(f"mar_{area}" for area in AREAS)),
]


def reference(data: Coco, found: Found, limits: tuple[int, ...] = (1, 10, 100)) -> Any:
    """Return pycocotools' evaluation, summarized if the limits are the usual ones."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluator = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        truth, detected = coco.COCO(), coco.COCO()
        truth.dataset = json.loads(json.dumps(data))
        truth.createIndex()
        if found:
            detected = truth.loadRes(json.loads(json.dumps(found)))
        else:
            detected.dataset = {**truth.dataset, "annotations": []}
            detected.createIndex()
        run = evaluator.COCOeval(truth, detected, "bbox")
        run.params.maxDets = list(limits)
        run.evaluate()
        run.accumulate()
        if 100 in limits:
            run.summarize()
    return run


def detections(data: Coco, found: Found) -> dict[int, Detections]:
    by_image: dict[int, Found] = {one["id"]: [] for one in data["images"]}
    for one in found:
        by_image[one["image_id"]].append(one)
    return {
        image: Detections(
            np.array([one["bbox"] for one in rows], np.float64).reshape(-1, 4),
            np.array([one["score"] for one in rows], np.float64),
            np.array([one["category_id"] for one in rows], np.int64),
        )
        for image, rows in by_image.items()
    }


def scored(data: Coco, found: Found, evaluator: CocoBoxes | None = None) -> Scores:
    split = split_from_coco(data)
    return (evaluator or CocoBoxes()).score(split, detections(data, found), class_map(data))


def undefined_as_minus_one(scores: Scores) -> list[float]:
    """Return the 12 numbers as pycocotools gives them."""
    values = [scores.metrics[name] for name in NAMES]
    return [-1.0 if value is None else value for value in values]


# Few distinct values, so that scores tie, boxes coincide and areas lie on 32² and 96² exactly.
corners = st.sampled_from([0.0, 3.0, 8.0, 40.5, 64.0])
sides = st.sampled_from([0.0, 1.5, 16.0, 32.0, 33.0, 64.0, 96.0, 144.0])
boxes = st.tuples(corners, corners, sides, sides)
categories = st.sampled_from([2, 3, 17, 90])
image_ids = st.sampled_from([0, 4, 11, 1000])


@st.composite
def truths(draw: st.DrawFn) -> Coco:
    rows = draw(
        st.lists(
            st.tuples(image_ids, categories, boxes, st.booleans(), st.sampled_from([1.0, 0.6])),
            max_size=12,
        )
    )
    order = draw(st.permutations([0, 4, 11, 1000]))
    return {
        "images": [{"id": i, "width": 300, "height": 300} for i in order],
        "categories": [{"id": i, "name": f"c{i}"} for i in draw(st.permutations([2, 3, 17, 90]))],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3] * share,
                "iscrowd": int(crowd),
            }
            for number, (image, category, box, crowd, share) in enumerate(rows, 1)
        ],
    }


found_lists = st.lists(
    st.builds(
        lambda image, category, box, score: {
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "score": score,
        },
        image_ids,
        categories,
        boxes,
        st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.9, 1.0]),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(truths(), found_lists)
def test_all_12_numbers_and_each_class_equal_pycocotools(data: Coco, found: Found) -> None:
    scores, run = scored(data, found), reference(data, found)
    assert list(scores.metrics)[:12] == NAMES
    assert undefined_as_minus_one(scores) == pytest.approx(list(run.stats), abs=1e-12)
    for position, category in enumerate(run.params.catIds):
        column = run.eval["precision"][:, :, position, 0, -1]
        value = scores.per_class["map"][f"c{category}"]
        assert (-1 if value is None else value) == pytest.approx(np.mean(column), abs=1e-12)
        value = scores.per_class["map_50"][f"c{category}"]
        assert (-1 if value is None else value) == pytest.approx(np.mean(column[0]), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(truths(), found_lists)
def test_with_other_limits_numbers_are_pycocotools_arrays_averaged(
    data: Coco, found: Found
) -> None:
    scores = scored(data, found, CocoBoxes(max_detections=(1, 2, 3)))
    arrays = reference(data, found, (1, 2, 3)).eval
    cells = {
        "map": arrays["precision"][..., 0, -1],
        "mar_1": arrays["recall"][..., 0, 0],
        "mar_2": arrays["recall"][..., 0, 1],
        "mar_3": arrays["recall"][..., 0, 2],
        "mar_large": arrays["recall"][..., 3, 2],
    }
    for name, values in cells.items():
        defined = values[values > -1]
        expected = np.mean(defined) if defined.size else None
        assert scores.metrics[name] == (
            None if expected is None else pytest.approx(expected, abs=1e-12)
        )
    assert "mar_100" not in scores.metrics
    assert "prints -1" in scores.convention["max_detections"]


@settings(max_examples=25, deadline=None)
@given(truths(), found_lists)
def test_estimates_with_every_image_once_are_the_scores(data: Coco, found: Found) -> None:
    evaluator, split = CocoBoxes(), split_from_coco(data)
    scores = scored(data, found)
    tally = evaluator.tally(split, detections(data, found), class_map(data))
    assert tally.image_ids.tolist() == [image.id for image in split.images]
    once = np.ones((1, len(split.images)), np.int64)
    values = {name: value[0] for name, value in evaluator.estimates(tally, once).items()}
    twelve = {
        name: np.nan if scores.metrics[name] is None else scores.metrics[name] for name in NAMES
    }
    assert values == pytest.approx(twelve, abs=1e-12, nan_ok=True)
    for metric, rows in evaluator.class_estimates(tally, once).items():
        by_name = dict(zip(tally.classes, rows[0], strict=True))
        expected = {n: np.nan if v is None else v for n, v in scores.per_class[metric].items()}
        assert by_name == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_an_image_left_out_is_an_image_that_is_not_there() -> None:
    data = simple()
    data["annotations"].append({**data["annotations"][0], "id": 3, "image_id": 7, "iscrowd": 0})
    evaluator, split = CocoBoxes(), split_from_coco(data)
    tally = evaluator.tally(split, detections(data, PERFECT), class_map(data))
    weights = np.array([[1, 1], [0, 1], [1, 0]])  # images 7 and 3
    values = evaluator.estimates(tally, weights)["map"]
    assert values == pytest.approx([51 / 101, 1, 0])


@settings(max_examples=30, deadline=None)
@given(truths(), found_lists, st.integers(-3, 0))
def test_the_numbers_do_not_depend_on_annotation_ids(data: Coco, found: Found, first: int) -> None:
    shifted = [{**one, "id": i} for i, one in enumerate(data["annotations"], first)]
    again = scored({**data, "annotations": shifted}, found)
    assert again.metrics == scored(data, found).metrics


# One image and class, and overlaps that often tie: who gets which object is what is tested.
crowded_boxes = st.tuples(
    *(st.sampled_from(v) for v in ([0.0, 2.0, 8.0], [0.0, 3.0], [20.0, 31.0, 40.0], [32.0, 36.0]))
)


@st.composite
def scrambles(draw: st.DrawFn) -> tuple[Coco, Found]:
    objects = draw(
        st.lists(
            st.tuples(crowded_boxes, st.sampled_from([0, 0, 0, 1]), st.sampled_from([1.0, 0.7])),
            min_size=1,
            max_size=8,
        )
    )
    found = draw(
        st.lists(st.tuples(crowded_boxes, st.sampled_from([0.2, 0.5, 0.5, 0.8])), max_size=14)
    )
    where = {"image_id": 1, "category_id": 1}
    data = {
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "bolt"}],
        "annotations": [
            {**where, "id": n, "bbox": list(box), "area": box[2] * box[3] * share, "iscrowd": crowd}
            for n, (box, crowd, share) in enumerate(objects, 1)
        ],
    }
    return data, [{**where, "bbox": list(box), "score": score} for box, score in found]


@settings(max_examples=150, deadline=None)
@given(scrambles())
def test_precision_and_recall_are_pycocotools_to_the_last_bit(scene: tuple[Coco, Found]) -> None:
    data, found = scene
    evaluator, split = CocoBoxes(), split_from_coco(data)
    tally = evaluator.tally(split, detections(data, found), class_map(data))
    precision, recall = coco_evaluation.evaluation(tally)
    arrays = reference(data, found).eval
    assert np.array_equal(precision[..., 0], arrays["precision"][..., -1])
    assert np.array_equal(recall, arrays["recall"])


@settings(max_examples=40, deadline=None)
@given(truths(), found_lists)
def test_hotcoco_finds_the_same_numbers(data: Coco, found: Found) -> None:
    hotcoco = pytest.importorskip("hotcoco")
    truth = hotcoco.COCO(data)
    columns = [[o["image_id"], *o["bbox"], o["score"], o["category_id"]] for o in found]
    run = hotcoco.COCOeval(truth, truth.load_res(np.array(columns).reshape(-1, 7)), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert undefined_as_minus_one(scored(data, found)) == pytest.approx(run.stats, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(truths(), found_lists)
def test_keys_too_long_for_one_integer_are_sorted_alike(data: Coco, found: Found) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco_arrangement, "_MOST_BITS", 0)
        apart = scored(data, found)
    assert apart == scored(data, found)


def test_the_coco_api_s_own_results_are_reproduced(data_dir: Path) -> None:
    folder = data_dir / "cocoapi_fake"
    data = json.loads((folder / "instances_val2014_100.json").read_text())
    found = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    scores = scored(data, found)
    assert scores.metrics["map"] == pytest.approx(0.50458, abs=5e-6)
    expected = list(reference(data, found).stats)
    assert undefined_as_minus_one(scores) == pytest.approx(expected, abs=1e-12)


def test_real_detections_give_the_published_numbers(data_dir: Path) -> None:
    folder = data_dir / "reference_detections"
    data = json.loads((folder / "sampled_gts_bbox_area.json").read_text())
    found = json.loads((folder / "sampled_bbox_results.json").read_text())["annotations"]
    expected = [
        *(0.503647, 0.696973, 0.571667, 0.593252, 0.557991, 0.489363),
        *(0.386813, 0.593680, 0.595353, 0.654764, 0.603130, 0.553744),
    ]
    assert undefined_as_minus_one(scored(data, found)) == pytest.approx(expected, abs=1e-6)


def simple() -> Coco:
    return {
        "images": [{"id": i, "width": 100, "height": 100} for i in (7, 3)],
        "categories": [{"id": i, "name": "bolt" if i < 3 else "nut"} for i in (1, 2, 3)],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 1, "bbox": [0, 0, 10, 10], "area": 100},
            {"id": 2, "image_id": 3, "category_id": 3, "bbox": [0, 0, 9, 9], "area": 81}
            | {"iscrowd": 1},
        ],
    }


PERFECT = [{"image_id": 3, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.5}]


def test_what_cannot_be_measured_is_none_with_a_reason() -> None:
    scores = scored(simple(), PERFECT)
    assert scores.metrics["map"] == scores.metrics["map_small"] == pytest.approx(1.0)
    assert scores.metrics["map_medium"] is scores.metrics["mar_large"] is None
    absent = {name for name, value in scores.metrics.items() if value is None}
    assert absent | {"per_class"} == set(scores.reasons)
    assert "32² to 96²" in scores.reasons["map_medium"]
    nothing = scored({**simple(), "annotations": []}, PERFECT)
    absent = {name for name, value in nothing.metrics.items() if value is None}
    assert absent | {"per_class", "confusion"} == set(nothing.reasons)
    assert set(nothing.metrics) - absent == {"calibration_error"}
    assert nothing.curves.keys() == {"calibration"}
    assert nothing.matrices == {}


def test_without_diagnostics_only_the_12_numbers_are_left() -> None:
    bare = scored(simple(), PERFECT, CocoBoxes(diagnostics=False))
    full = scored(simple(), PERFECT)
    assert list(bare.metrics) == NAMES
    assert bare.metrics.items() <= full.metrics.items()
    assert set(bare.per_class) == {"map", "map_50"}
    assert bare.matrices == {}
    assert set(full.convention) - set(bare.convention) == {
        *("f1", "confusion", "errors", "calibration")
    }


@settings(max_examples=30, deadline=None)
@given(truths(), found_lists)
def test_the_precision_recall_curves_are_pycocotools_precision_averaged(
    data: Coco, found: Found
) -> None:
    curves, arrays = scored(data, found).curves, reference(data, found).eval["precision"]
    for name, iou in (("precision_recall_50", 0), ("precision_recall_75", 5)):
        defined = arrays[iou, :, :, 0, -1].T
        defined = defined[(defined > -1).any(axis=1)]
        if not len(defined):
            assert name not in curves
            continue
        assert curves[name].y == pytest.approx(defined.mean(axis=0), abs=1e-12)
        assert curves[name].x == pytest.approx(np.linspace(0, 1, 101))


def test_categories_of_one_name_are_told_apart_by_id() -> None:
    per_class = scored(simple(), PERFECT).per_class["map"]
    assert per_class == {"bolt (id 1)": pytest.approx(1.0), "bolt (id 2)": None, "nut": None}


def test_counts_say_what_was_scored() -> None:
    flat = {**PERFECT[0], "bbox": [5, 5, 0, 4]}
    negative = {**PERFECT[0], "bbox": [5, 5, -3, -3]}
    data = simple()
    split = split_from_coco(data)
    model = ClassMap(("bolt", "bolt", "other"), (1, 2, None))
    counts = CocoBoxes().score(split, detections(data, [*PERFECT, flat, negative]), model).counts
    assert counts == {
        "images": 2,
        "annotations": 2,
        "crowd": 1,
        "categories": 3,
        "categories_without_model_class": 1,
        "predictions": 3,
        "zero_size_predictions": 2,
    }


def test_negative_sizes_are_scored_as_pycocotools_scores_them() -> None:
    found = [
        {**PERFECT[0], "bbox": [10, 10, -10, -10], "score": 0.9},
        {**PERFECT[0], "bbox": [0, 10, 10, -10], "score": 0.8},
        *PERFECT,
    ]
    data = {**simple(), "annotations": [{**simple()["annotations"][0], "iscrowd": 0}]}
    expected = list(reference(data, found).stats)
    assert undefined_as_minus_one(scored(data, found)) == pytest.approx(expected, abs=1e-12)


def test_an_evaluation_without_any_detection_scores_zero() -> None:
    assert scored(simple(), []).metrics["map"] == 0


def test_a_split_without_images_or_categories_has_no_numbers() -> None:
    scores = scored({"images": [], "categories": [], "annotations": []}, [])
    assert set(scores.metrics.values()) == {None}
    assert set(scores.reasons) == {*scores.metrics, "confusion"}


def broken(**changes: Any) -> dict[int, Any]:
    good = detections(simple(), PERFECT)
    values = {name: getattr(good[3], name) for name in ("boxes", "scores", "labels")}
    return {**good, 3: Detections(**values | changes)}


@pytest.mark.parametrize(
    ("predictions", "fault"),
    [
        (broken(scores=np.array([np.nan])), "image 3: score nan"),
        (broken(scores=np.array([np.inf])), "image 3: score inf"),
        (broken(boxes=np.array([[0, 0, -np.inf, 1]])), "image 3: box [0.0, 0.0, -inf, 1.0]"),
        (broken(labels=np.array([99])), "image 3: label 99 (1 in all)"),
        (broken(labels=np.array([-1])), "image 3: label -1"),
        (broken(labels=np.array([1 << 40])), "image 3: label 1099511627776 (1 in all)"),
        (broken(labels=np.array([1.0])), "image 3: labels are float64"),
        (broken(labels=np.array([1, 1])), "image 3: boxes (1, 4), scores (1,) and labels (2,)"),
        (broken(boxes=np.zeros((1, 5))), "image 3: boxes (1, 5)"),
        (broken(scores=np.array(0.5)), "image 3: boxes (1, 4), scores ()"),
        ({3: broken()[3]}, "no predictions for images: 7"),
        (broken() | {8: broken()[3], 9: broken()[3]}, "unknown images: 8, 9 (2 in all)"),
        (broken() | {3: LabelMap(np.zeros((1, 1), np.uint8))}, "image 3: Detections expected"),
    ],
)
def test_unfit_predictions_are_refused_by_image_and_value(
    predictions: dict[int, Any], fault: str
) -> None:
    with pytest.raises(PredictionError) as caught:
        CocoBoxes().score(split_from_coco(simple()), predictions, class_map(simple()))
    assert fault in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "change",
    [{"bbox": None}, {"bbox": [0, 0, float("nan"), 1]}, {"area": float("inf")}],
)
def test_truth_without_a_usable_box_is_refused_by_annotation(change: dict[str, Any]) -> None:
    data = simple()
    data["annotations"][1] |= change
    with pytest.raises(DatasetError, match=r"annotation 2 \(image 3\)"):
        scored(data, PERFECT)


def test_predictions_of_lower_precision_and_other_integer_types_are_taken() -> None:
    one = detections(simple(), PERFECT)[3]
    lower = Detections(
        one.boxes.astype(np.float32), one.scores.astype(np.float16), one.labels.astype(np.uint8)
    )
    again = CocoBoxes().score(
        split_from_coco(simple()), {**detections(simple(), []), 3: lower}, class_map(simple())
    )
    assert again.metrics == scored(simple(), PERFECT).metrics


@pytest.mark.parametrize("limits", [(10, 1, 100), (1, 1, 100), (0, 10, 100), (1, 10)])
def test_limits_must_be_three_positive_ascending_numbers(limits: Any) -> None:
    with pytest.raises(ValidationError):
        CocoBoxes(max_detections=limits)
