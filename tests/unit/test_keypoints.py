"""Keypoints: the 10 numbers against pycocotools, matches kept, decoders and results by hand."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.datasets.coco import read_coco
from benchbench.decoders.keypoint_rcnn import KeypointRcnn
from benchbench.decoders.yolo import YoloV8
from benchbench.decoders.yolov8_pose import YoloV8Pose
from benchbench.errors import DatasetError, DecoderMismatch, PredictionError
from benchbench.metrics.coco_keypoints import CocoKeypoints
from benchbench.metrics.keypoints_sigmas import COCO_SIGMAS
from benchbench.predictions.coco_keypoints import CocoKeypointResults
from benchbench.protocols import Decoder, Metric, PredictionFile, Resampled
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    DatasetSplit,
    Detections,
    Geometry,
    Image,
    Poses,
    Scores,
    Tally,
)

Coco = dict[str, Any]
Found = list[dict[str, Any]]
NAMES = [
    *("map", "map_50", "map_75", "map_medium", "map_large"),
    *("mar_20", "mar_50", "mar_75", "mar_medium", "mar_large"),
]
IMAGES = [0, 4, 11, 1000]
PEOPLE, DOGS = 3, 17
POINTS = {PEOPLE: 17, DOGS: 4}
DOG_SIGMAS = (0.05, 0.1, 0.1, 0.25)
METRIC = CocoKeypoints(sigmas={"dog": DOG_SIGMAS})
METRIC_17 = CocoKeypoints()


def split_of(data: Coco) -> DatasetSplit:
    return DatasetSplit(
        "test",
        "val",
        tuple(Image(one["id"], f"{one['id']}.png", Path("x"), 300, 300) for one in data["images"]),
        tuple(
            Category(one["id"], one["name"], keypoints=tuple(one["keypoints"]))
            for one in data["categories"]
        ),
        tuple(
            Annotation(
                one["id"],
                one["image_id"],
                one["category_id"],
                tuple(one["bbox"]),
                one["area"],
                bool(one["iscrowd"]),
                keypoints=tuple(one["keypoints"]),
            )
            for one in data["annotations"]
        ),
    )


def poses(data: Coco, found: Found) -> dict[int, Poses]:
    """Return the predictions; boxes lie far off, so that a use of them would show."""
    most = max(len(one["keypoints"]) for one in data["categories"])
    out = {}
    for image in (one["id"] for one in data["images"]):
        rows = [one for one in found if one["image_id"] == image]
        points = np.zeros((len(rows), most, 3))
        for row, one in zip(points, rows, strict=True):
            row[: len(one["keypoints"]) // 3] = np.reshape(one["keypoints"], (-1, 3))
        out[image] = Poses(
            np.full((len(rows), 4), 1e4),
            np.array([one["score"] for one in rows], np.float64),
            np.array([one["category_id"] for one in rows], np.int64),
            points,
        )
    return out


CLASSES = ClassMap(("person", "dog"), (PEOPLE, DOGS))


def scored(data: Coco, found: Found, metric: CocoKeypoints = METRIC_17) -> Scores:
    return metric.score(split_of(data), poses(data, found), CLASSES)


def tallied(data: Coco, found: Found, metric: CocoKeypoints = METRIC_17) -> Tally:
    return metric.tally(split_of(data), poses(data, found), CLASSES)


def reference(data: Coco, found: Found, category: int, limit: int = 20) -> Any:
    """Return pycocotools' precision and recall of one category: it has one list of sigmas."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluator = pytest.importorskip("pycocotools.cocoeval")
    own = [one for one in found if one["category_id"] == category]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, detected = coco.COCO(), coco.COCO()
        truth.dataset = json.loads(json.dumps(data))
        truth.createIndex()
        detected.dataset = {**truth.dataset, "annotations": []}
        detected.createIndex()
        if own:
            detected = truth.loadRes(json.loads(json.dumps(own)))
        run = evaluator.COCOeval(truth, detected, "keypoints")
        run.params.catIds, run.params.maxDets = [category], [limit]
        if category == DOGS:
            run.params.kpt_oks_sigmas = np.array(DOG_SIGMAS)
        run.evaluate()
        run.accumulate()
    return run


def expected(data: Coco, found: Found, limit: int = 20) -> list[float]:
    """Return the 10 numbers over the categories, formed as ``summarize`` forms them."""
    runs = [reference(data, found, one["id"], limit).eval for one in data["categories"]]
    values = []
    for key, axis in (("precision", 2), ("recall", 1)):
        cells = np.concatenate([run[key] for run in runs], axis)[..., -1]
        picks = [cells[..., 0], cells[0, ..., 0], cells[5, ..., 0], cells[..., 1], cells[..., 2]]
        values += [pick[pick > -1].mean() if (pick > -1).any() else -1.0 for pick in picks]
    return values


def plain(values: Any) -> list[float]:
    """Return the 10 numbers with pycocotools' -1 for what is not defined."""
    return [-1.0 if values[name] is None else float(values[name]) for name in NAMES]


def first(values: Any) -> list[float]:
    return [float(np.nan_to_num(values[name][0], nan=-1.0)) for name in NAMES]


# Few distinct values, so that scores and similarities tie and areas lie on 32² and 96² exactly.
@st.composite
def truths(draw: st.DrawFn) -> Coco:
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    annotations = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        category = int(seed.choice([PEOPLE, DOGS]))
        points = seed.choice([0.0, 5, 10, 50, 100], (POINTS[category], 3))
        points[:, 2] = seed.integers(0, 3, len(points)) * (seed.random() < 0.75)
        width, height = seed.choice([0, 16, 32, 96, 120.0], 2).tolist()
        annotations.append(
            {
                "id": number,
                "image_id": int(seed.choice(IMAGES[:3])),
                "category_id": category,
                "bbox": [*seed.choice([0.0, 5, 40], 2).tolist(), width, height],
                "area": width * height * float(seed.choice([1, 0.6])),
                "iscrowd": int(seed.random() < 0.15),
                "keypoints": points.ravel().tolist(),
                "num_keypoints": int((points[:, 2] > 0).sum()),
            }
        )
    names = {PEOPLE: "person", DOGS: "dog"}
    return {
        "images": [{"id": i, "width": 300, "height": 300} for i in draw(st.permutations(IMAGES))],
        "categories": [
            {"id": i, "name": names[i], "keypoints": [str(k) for k in range(POINTS[i])]}
            for i in draw(st.permutations([PEOPLE, DOGS]))
        ],
        "annotations": annotations,
    }


@st.composite
def cases(draw: st.DrawFn, *, ties: bool = True) -> tuple[Coco, Found]:
    """Draw a dataset, and poses most of which lie near an object's."""
    data = draw(truths())
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for _ in range(draw(st.integers(0, 30))):
        one = {"image_id": int(seed.choice(IMAGES)), "category_id": int(seed.choice(list(POINTS)))}
        points = seed.choice([0.0, 5, 10, 50, 100], (POINTS[one["category_id"]], 3))
        if data["annotations"] and seed.random() < 0.85:
            near = data["annotations"][seed.integers(len(data["annotations"]))]
            one = {key: near[key] for key in one}
            points = np.reshape(near["keypoints"], (-1, 3)).copy()
            points[:, :2] += seed.choice([0, 0, 2, 5, 10], (len(points), 2))
        found.append({**one, "keypoints": points.ravel().tolist()})
    pool = seed.choice([0.0, 0.25, 0.5, 0.9], len(found)) if ties else seed.permutation(len(found))
    return data, [{**one, "score": float(s)} for one, s in zip(found, pool.tolist(), strict=True)]


# --- the metric --------------------------------------------------------------------------


@settings(max_examples=70, deadline=None)
@given(cases())
def test_all_10_numbers_and_each_class_equal_pycocotools(case: tuple[Coco, Found]) -> None:
    scores, wanted = scored(*case, METRIC), expected(*case)
    assert list(scores.metrics) == NAMES
    assert plain(scores.metrics) == pytest.approx(wanted, abs=1e-12)
    assert set(scores.reasons) >= {name for name in NAMES if scores.metrics[name] is None}
    for name, category in (("person", PEOPLE), ("dog", DOGS)):
        cells = reference(*case, category).eval["precision"][:, :, 0, 0, -1]
        for metric, part in (("map", cells), ("map_50", cells[0])):
            value = scores.per_class[metric][name]
            assert (-1 if value is None else value) == pytest.approx(part.mean(), abs=1e-12)


@settings(max_examples=70, deadline=None)
@given(cases())
def test_with_weights_of_one_the_matches_give_the_same_numbers(case: tuple[Coco, Found]) -> None:
    tally, scores = tallied(*case, METRIC), scored(*case, METRIC)
    weights = np.ones((1, len(IMAGES)), np.int64)
    values = METRIC.estimates(tally, weights)
    assert list(values) == NAMES
    assert first(values) == pytest.approx(plain(scores.metrics), abs=1e-12)
    for name, each in METRIC.class_estimates(tally, weights).items():
        wanted = [scores.per_class[name][one] for one in tally.classes]
        assert [None if np.isnan(v) else v for v in each[0]] == [
            None if w is None else pytest.approx(w, abs=1e-12) for w in wanted
        ]


@settings(max_examples=40, deadline=None)
@given(cases(ties=False), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_weight_counts_its_image_as_often(case: tuple[Coco, Found], counts: list[int]) -> None:
    data, found = case
    copies, number = {}, 0
    for image, count in sorted(zip((i["id"] for i in data["images"]), counts, strict=True)):
        copies[image] = range(number, number + count)
        number += count

    def spread(rows: Found, key: str) -> Found:
        return [{**one, key: copy} for one in rows for copy in copies[one[key]]]

    annotations = spread(data["annotations"], "image_id")
    again = {
        **data,
        "images": spread(data["images"], "id"),
        "annotations": [{**one, "id": n} for n, one in enumerate(annotations, 1)],
    }
    values = METRIC.estimates(tallied(data, found, METRIC), np.array([counts]))
    if number:
        assert first(values) == pytest.approx(expected(again, spread(found, "image_id")), abs=1e-12)


def pose(points: Any, score: float = 0.5, image: int = 0, category: int = PEOPLE) -> Coco:
    flat = np.asarray(points, np.float64).ravel().tolist()
    return {"image_id": image, "category_id": category, "keypoints": flat, "score": score}


def person(points: Any, number: int = 1, **other: Any) -> Coco:
    flat = np.asarray(points, np.float64)
    return {
        "id": number,
        "image_id": 0,
        "category_id": PEOPLE,
        "iscrowd": 0,
        "bbox": [0.0, 0.0, 100.0, 100.0],
        "area": 5000.0,
        "keypoints": flat.ravel().tolist(),
        "num_keypoints": int((flat[:, 2] > 0).sum()),
        **other,
    }


BODY = np.stack([np.arange(17) * 5.0, np.arange(17) * 3.0, np.full(17, 2.0)], axis=1)


def moved(x: float, y: float) -> Any:
    return BODY + np.array([x, y, 0])


def people(*annotations: Coco, images: int = 1) -> Coco:
    return {
        "images": [{"id": i, "width": 300, "height": 300} for i in range(images)],
        "categories": [{"id": PEOPLE, "name": "person", "keypoints": [*"abcdefghijklmnopq"]}],
        "annotations": list(annotations),
    }


@pytest.mark.parametrize("limit", [1, 2])
def test_other_limits_cut_the_poses_as_pycocotools_does(limit: int) -> None:
    data = people(*(person(moved(60 * n, 0), n + 1) for n in range(4)))
    found = [pose(moved(60 * n, 0), 0.9 - n / 10) for n in range(4)]
    metric = CocoKeypoints(max_detections=limit)
    scores = scored(data, found, metric)
    assert scores.metrics[f"mar_{limit}"] == limit / 4
    assert list(scores.metrics.values()) == pytest.approx(
        [None if v == -1 else v for v in expected(data, found, limit)]
    )
    values = metric.estimates(tallied(data, found, metric), np.array([[1]]))
    assert values[f"mar_{limit}"] == limit / 4


def test_a_similarity_of_one_half_follows_the_published_formula() -> None:
    # One labelled point, moved so that d² = 2 · area · (2σ)² · ln 2, where exp(-…) is 1/2.
    lone = BODY.copy()
    lone[1:, 2] = 0
    distance = np.sqrt(2 * 5000 * (2 * COCO_SIGMAS[0]) ** 2 * np.log(2))
    for factor, value in ((0.999, 1.0), (1.001, 0.0)):
        near = BODY.copy()
        near[0, 0] += distance * factor
        values = scored(people(person(lone)), [pose(near)]).metrics
        assert values["map_50"] == pytest.approx(value)


def test_a_pose_on_a_person_without_labelled_points_counts_neither_way() -> None:
    crowd = person(BODY * np.array([1, 1, 0]), 2, bbox=[200.0, 200.0, 20.0, 20.0])
    data = people(person(BODY), crowd)
    there = pose(np.full((17, 3), 210.0), 0.9)
    assert scored(data, [there, pose(BODY)]).metrics["map"] == pytest.approx(1)
    far = pose(np.full((17, 3), 280.0), 0.9)
    assert scored(data, [far, pose(BODY)]).metrics["map"] == pytest.approx(0.5)
    assert scored(data, [there]).counts["annotations_without_labelled_point"] == 1


def test_an_object_outside_the_slice_is_ignored_by_the_matches() -> None:
    data = people(person(BODY), person(moved(150, 150), 2))
    found = [pose(moved(150, 150), 0.9), pose(BODY, 0.5)]
    split = split_of(data)
    outside = replace(split.annotations[1], ignored=True)
    sliced = replace(split, annotations=(split.annotations[0], outside))
    tally = METRIC_17.tally(sliced, poses(data, found), CLASSES)
    values = METRIC_17.estimates(tally, np.array([[1]]))
    assert values["map"] == pytest.approx(1)
    only = METRIC_17.tally(sliced, poses(data, found[:1]), CLASSES)
    assert METRIC_17.estimates(only, np.array([[1]]))["mar_20"] == 0


def test_sizes_go_by_the_points_and_not_by_the_predicted_box() -> None:
    data = people(person(BODY))
    # A free pose of 300 × 300 pixels is large: it spoils neither medium precision.
    wide = pose(np.linspace(0, 299, 51).reshape(17, 3), 0.9)
    scores = scored(data, [wide, pose(BODY)])
    assert scores.metrics["map_medium"] == pytest.approx(1)
    assert scores.metrics["map"] == pytest.approx(0.5)
    assert scores.metrics["map_large"] is None
    assert "96²" in scores.reasons["map_large"]


def test_the_result_names_its_protocol() -> None:
    scores = scored(people(person(BODY)), [pose(BODY)])
    assert scores.primary == "map"
    assert scores.evaluator.startswith("hotcoco ")
    assert scores.convention["sigmas"] == "COCO's 17"
    assert isinstance(METRIC_17, Metric)
    assert isinstance(METRIC_17, Resampled)
    both = {**people(person(BODY)), "categories": TWO}
    assert (
        scored(both, [], METRIC).convention["sigmas"]
        == "person: COCO's 17; dog: 0.05, 0.1, 0.1, 0.25"
    )


TWO = [
    {"id": PEOPLE, "name": "person", "keypoints": [*"abcdefghijklmnopq"]},
    {"id": DOGS, "name": "dog", "keypoints": [*"abcd"]},
]


@pytest.mark.parametrize(
    ("sigmas", "told"),
    [
        (None, r"'dog' has 4 keypoints, but there are sigmas for COCO's 17"),
        ((0.1, 0.1), r"'person' has 17 keypoints, but 'sigmas' has 2"),
        ({"dog": (0.1,)}, r"'dog' has 4 keypoints, but 'sigmas' has 1"),
        ({"dog": DOG_SIGMAS, "cat": (0.1,)}, r"names the category 'cat'"),
    ],
)
def test_sigmas_that_do_not_fit_are_refused_with_advice(sigmas: Any, told: str) -> None:
    data = {**people(person(BODY)), "categories": TWO}
    with pytest.raises(DatasetError, match=told) as caught:
        scored(data, [], CocoKeypoints(sigmas=sigmas))
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [{"max_detections": 0}, {"max_detections": 50}, {"sigmas": []}, {"sigmas": [0.1, -1]}],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CocoKeypoints(**options)


def test_a_category_without_points_has_no_value_and_takes_no_part() -> None:
    data = people(person(BODY))
    data["categories"].append({"id": 1, "name": "ball", "keypoints": []})
    data["annotations"].append(
        {**person(BODY, 2), "category_id": 1, "keypoints": [], "num_keypoints": 0}
    )
    found = [pose(BODY), pose(BODY, 0.9, category=1)]
    scores = scored(data, found)
    assert scores.metrics["map"] == pytest.approx(1)
    assert scores.per_class["map"] == {"ball": None, "person": pytest.approx(1)}
    assert "no keypoints" in scores.reasons["per_class"]
    values = METRIC_17.estimates(tallied(data, found), np.array([[1]]))
    assert values["map"] == pytest.approx(1)


def test_a_dataset_without_keypoints_is_refused() -> None:
    data = people()
    data["categories"][0]["keypoints"] = []
    with pytest.raises(DatasetError, match="no category of test names keypoints"):
        scored(data, [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keypoints": np.zeros((1, 16, 3))}, r"image 0: keypoints \(1, 16, 3\) for 1 objects"),
        ({"keypoints": np.full((1, 17, 3), np.nan)}, r"image 0: point 0 of object 0 is \[nan"),
        ({"scores": np.array([np.inf])}, r"image 0: score inf"),
        ({"labels": np.array([5])}, r"image 0: label 5"),
        ({"boxes": np.zeros((2, 4))}, r"image 0: boxes \(2, 4\)"),
    ],
)
def test_poses_that_cannot_be_scored_are_named(change: dict[str, Any], told: str) -> None:
    data = people(person(BODY))
    given = {0: replace(poses(data, [pose(BODY)])[0], **change)}
    for use in (METRIC_17.score, METRIC_17.tally):
        with pytest.raises(PredictionError, match=told):
            use(split_of(data), given, CLASSES)


def test_detections_are_no_poses() -> None:
    none = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    with pytest.raises(PredictionError, match="Poses expected, not Detections"):
        METRIC_17.score(split_of(people()), {0: none}, CLASSES)


def test_annotated_points_of_the_wrong_number_are_named() -> None:
    data = people(person(BODY[:16], 7))
    with pytest.raises(DatasetError, match=r"annotation 7 .* 48 keypoint numbers; 17 times"):
        scored(data, [])


def test_a_coco_file_is_scored_from_disk_to_numbers(tmp_path: Path) -> None:
    crowd = person(BODY * 0, 2, iscrowd=1, bbox=[200.0, 200.0, 50.0, 50.0])
    data = people(person(BODY), crowd, images=2)
    for one in data["images"]:
        one["file_name"] = f"{one['id']}.png"
    (tmp_path / "truth.json").write_text(json.dumps(data))
    (tmp_path / "found.json").write_text(json.dumps([pose(moved(1, 0))]))
    split = read_coco(tmp_path / "truth.json", None, name="d", split="s", task="keypoints")
    found = CocoKeypointResults(path=tmp_path / "found.json").read(split, CLASSES, "keypoints")
    scores = METRIC_17.score(split, found, CLASSES)
    assert plain(scores.metrics) == pytest.approx(expected(data, [pose(moved(1, 0))]))


# --- decoders ----------------------------------------------------------------------------

ONE = ClassMap(names=("person",), category_ids=(3,))
THREE = ClassMap(names=("cat", "none", "dog"), category_ids=(7, None, 3))
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)
WIDE = Geometry(128, 64, 64, 64, 0.5, 0.5, 0.0, 16.0)
"""An image of 128 × 64 at half its size, in the middle of a square."""
PLAIN = {"points": 2, "clip": False}


def decoded(decoder: Any, rows: Any, at: Geometry = SQUARE, classes: ClassMap = ONE) -> Poses:
    feed = {"output0": np.asarray(rows, np.float32).T[None]}
    (found,) = decoder.decode(feed, [at], classes)
    assert isinstance(found, Poses)
    return found


def test_both_are_decoders_of_the_task_and_describe_their_points() -> None:
    for decoder in (YoloV8Pose(), KeypointRcnn()):
        assert isinstance(decoder, Decoder)
        assert decoder.task == "keypoints"
        assert "points" in decoder.describe()["keypoints"]


def test_a_yolo_row_is_a_box_classes_and_points_in_the_image() -> None:
    row = [32, 32, 16, 8, 0.9, 10, 20, 0.5, 40, 44, 0.25]
    found = decoded(YoloV8Pose(**PLAIN), [row], WIDE)
    np.testing.assert_allclose(found.boxes, [[48, 24, 32, 16]])
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)
    assert found.labels.tolist() == [3]
    np.testing.assert_allclose(found.keypoints, [[[20, 8, 0.5], [80, 56, 0.25]]])


def test_points_follow_their_boxes_through_suppression() -> None:
    rng = np.random.default_rng(2)
    place, size = rng.uniform(0, 64, (200, 2)), rng.uniform(8, 40, (200, 2))
    values = rng.random((200, 3))
    # The first point of each row is its box's centre, so that the two can be told to belong.
    points = np.concatenate([place, np.full((200, 1), 0.5), rng.random((200, 3))], axis=1)
    boxes = np.concatenate([place, size, values], axis=1)
    found = decoded(YoloV8Pose(**PLAIN), np.concatenate([boxes, points], axis=1), WIDE, THREE)
    (plain_boxes,) = YoloV8(clip=False).decode(
        {"output0": boxes.astype(np.float32).T[None]}, [WIDE], THREE
    )
    assert 0 < len(found.scores) < 400
    np.testing.assert_array_equal(found.boxes, plain_boxes.boxes)
    np.testing.assert_array_equal(found.labels, plain_boxes.labels)
    centres = found.boxes[:, :2] + found.boxes[:, 2:] / 2
    np.testing.assert_allclose(found.keypoints[:, 0, :2], centres, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(8, 900), st.integers(8, 900)),
    st.lists(st.tuples(*[st.floats(-20, 660, width=32)] * 2), min_size=1, max_size=5),
)
def test_points_return_to_the_image_as_ultralytics_scales_them(
    size: tuple[int, int], points: list[tuple[float, float]]
) -> None:
    """Against ``scale_coords`` and ``clip_coords`` of ultralytics, utils/ops.py, written out."""
    width, height = size
    gain = min(640 / width, 640 / height)
    pad = (640 - width * gain) / 2, (640 - height * gain) / 2
    at = Geometry(width, height, 640, 640, gain, gain, *pad)
    flat = [v for x, y in points for v in (x, y, 0.5)]
    found = decoded(YoloV8Pose(points=len(points)), [[320, 320, 10, 10, 0.9, *flat]], at)
    wanted = (np.array(points) - pad) / gain
    wanted = np.stack([wanted[:, 0].clip(0, width), wanted[:, 1].clip(0, height)], axis=1)
    np.testing.assert_allclose(found.keypoints[0, :, :2], wanted, atol=1e-6)
    assert (found.keypoints[..., 2] == 0.5).all()


def test_points_may_lack_a_confidence_and_be_shares_of_the_input() -> None:
    options = {**PLAIN, "point_values": 2, "coordinates": "relative"}
    found = decoded(YoloV8Pose(**options), [[0.5, 0.5, 0.25, 0.25, 0.9, 0.25, 0.5, 1, 0]])
    np.testing.assert_allclose(found.boxes, [[24, 24, 16, 16]])
    np.testing.assert_allclose(found.keypoints, [[[16, 32, 1], [64, 0, 1]]])


def test_an_image_without_a_candidate_has_no_poses() -> None:
    found = decoded(YoloV8Pose(**PLAIN), np.zeros((5, 11)))
    assert found.keypoints.shape == (0, 2, 3)
    assert found.boxes.shape == (0, 4)


def test_a_yolo_output_of_another_number_of_points_is_refused_with_what_is_expected() -> None:
    with pytest.raises(DecoderMismatch, match=r"no axis of 56 .* 17 points of 3 values"):
        decoded(YoloV8Pose(), np.zeros((5, 11)))
    rows = np.zeros((5, 11))
    rows[2] = [32, 32, 8, 8, 0.9, np.nan, 1, 1, 1, 1, 1]
    with pytest.raises(DecoderMismatch, match="holds nan"):
        decoded(YoloV8Pose(**PLAIN), rows)


def rcnn_feed(batch: bool = False) -> dict[str, np.ndarray]:
    """Return outputs as torchvision's exports give them, in their order."""
    feed = {
        "boxes": np.array([[8, 16, 24, 48], [0, 0, 4, 4.0]], np.float32),
        "labels": np.array([1, 1], np.int64),
        "scores": np.array([0.5, 0.9], np.float32),
        "keypoints": np.arange(12, dtype=np.float32).reshape(2, 2, 3) % 3 + [[[20, 20, -1]]],
        "keypoints_scores": np.array([[4.5, -1], [3, 2]], np.float32),
    }
    return {name: array[None] if batch else array for name, array in feed.items()}


@pytest.mark.parametrize("batch", [False, True])
def test_keypoint_rcnn_is_read_in_torchvisions_order_best_first(batch: bool) -> None:
    (found,) = KeypointRcnn(label_offset=1).decode(rcnn_feed(batch), [WIDE], ONE)
    np.testing.assert_allclose(found.scores, [0.9, 0.5], rtol=1e-6)
    assert found.labels.tolist() == [3, 3]
    np.testing.assert_allclose(found.boxes, [[0, -32, 8, 8], [16, 0, 32, 64]])
    # x 20 → 40, y 21 → (21 - 16) · 2; the confidence is the fifth output's.
    np.testing.assert_allclose(found.keypoints[0], [[40, 10, 3], [40, 10, 2]])
    np.testing.assert_allclose(found.keypoints[1], [[40, 10, 4.5], [40, 10, -1]])


def test_keypoint_rcnn_without_point_scores_takes_the_third_value() -> None:
    feed = rcnn_feed()
    del feed["keypoints_scores"]
    (found,) = KeypointRcnn(label_offset=1).decode(feed, [SQUARE], ONE)
    np.testing.assert_allclose(found.keypoints[0], [[20, 21, 1], [20, 21, 1]])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keypoints": np.zeros((2, 2, 2))}, r"output 'keypoints' has the shape"),
        ({"keypoints_scores": np.zeros((2, 3))}, r"output 'keypoints_scores' has the shape"),
        ({"keypoints": np.full((2, 2, 3), np.inf)}, r"output 'keypoints' holds inf"),
        ({"keypoints_scores": np.full((2, 2), np.nan)}, r"output 'keypoints_scores' holds nan"),
        ({"labels": np.array([2, 1])}, r"label 2 with label_offset 1"),
        ({"more": np.zeros(2)}, r"6 outputs instead of 4 or 5"),
    ],
)
def test_what_is_no_keypoint_rcnn_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(DecoderMismatch, match=told):
        KeypointRcnn(label_offset=1).decode(rcnn_feed() | change, [SQUARE], ONE)


def test_a_torchvision_keypoint_rcnn_is_decoded_to_its_own_results() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    torch.manual_seed(0)
    backbone = torch.nn.Conv2d(3, 8, 3, stride=16, padding=1)
    backbone.out_channels = 8
    model = KeypointRCNN(
        backbone,
        num_classes=2,
        num_keypoints=5,
        min_size=64,
        max_size=64,
        rpn_anchor_generator=AnchorGenerator(((16, 32),), ((1.0,),)),
        box_score_thresh=0.0,
        box_detections_per_img=6,
    ).eval()
    with torch.no_grad():
        (out,) = model([torch.rand(3, 64, 64)])
    feed = {name: array.numpy() for name, array in out.items()}
    (found,) = KeypointRcnn(label_offset=1).decode(feed, [WIDE], ONE)
    assert found.keypoints.shape[1:] == (5, 3)
    assert len(found.scores) == len(feed["scores"]) > 0
    order = np.argsort(-feed["scores"], kind="stable")
    wanted = (feed["keypoints"][order][..., :2] - [0, 16]) * 2
    np.testing.assert_allclose(found.keypoints[..., :2], wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(found.keypoints[..., 2], feed["keypoints_scores"][order])


# --- results of other tools --------------------------------------------------------------

STREET = DatasetSplit(
    "street",
    "validation",
    tuple(Image(i, name, Path(name), 100, 80) for i, name in ((11, "a/left.jpg"), (12, "b.png"))),
    (Category(3, "person", keypoints=("a", "b")), Category(7, "dog", keypoints=("t",))),
    (),
)
ITEM = {"image_id": 11, "category_id": 3, "keypoints": [5, 6, 2, 1, 9, 0], "score": 0.5}


def read(folder: Path, document: Any, **options: Any) -> dict[int, Any]:
    path = folder / "results.json"
    path.write_text(json.dumps(document))
    source = CocoKeypointResults(path=path, **options)
    return source.read(STREET, ClassMap(("person", "dog"), (3, 7)), "keypoints")


def test_results_are_read_by_image_best_first_with_boxes_around_the_points(tmp_path) -> None:
    dog = {"image_id": 11, "category_id": 7, "keypoints": [3, 4, 1], "score": 0.9}
    found = read(tmp_path, [ITEM, {**dog, "bbox": [1, 2, 3, 4]}])
    assert found[11].scores.tolist() == [0.9, 0.5]
    assert found[11].labels.tolist() == [7, 3]
    assert found[11].boxes.tolist() == [[1, 2, 3, 4], [1, 6, 4, 3]]
    assert found[11].keypoints.tolist() == [[[3, 4, 1], [0, 0, 0]], [[5, 6, 2], [1, 9, 0]]]
    assert found[12].keypoints.shape == (0, 2, 3)
    assert isinstance(CocoKeypointResults(path=tmp_path), PredictionFile)


def test_images_may_be_named_and_classes_counted_from_one(tmp_path) -> None:
    item = {**ITEM, "image_id": "left", "category_id": 1}
    found = read(tmp_path, [item], images="name", categories="index", first_index=1)
    assert found[11].labels.tolist() == [3]


def test_a_file_without_results_gives_empty_poses(tmp_path) -> None:
    assert [len(one.scores) for one in read(tmp_path, []).values()] == [0, 0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keypoints": [1, 2, 3]}, r"result 1: 'keypoints' is \[1, 2, 3\], not 6 numbers"),
        ({"keypoints": None}, r"result 1: 'keypoints' is None, not 6 numbers"),
        ({"keypoints": "abc"}, r"result 1: 'keypoints' is abc"),
        ({"keypoints": [[1, 2, 3], [4, 5, 6]]}, r"result 1: 'keypoints' is \[\[1"),
        ({"keypoints": [1, 2, 3, float("nan"), 5, 6]}, r"result 1: 'keypoints' holds nan"),
        ({"bbox": [1, 2]}, r"result 1: 'bbox' is \[1, 2\], not 4 numbers"),
        ({"bbox": [1, 2, 3, float("inf")]}, r"result 1: the box .* is not finite"),
        ({"score": None}, r"result 1: .*'score'|result 1: the score"),
        ({"image_id": 99}, r"result 1: the image 99 is not in the dataset"),
        ({"category_id": 4}, r"result 1: the category 4 is not in the dataset"),
    ],
)
def test_a_wrong_result_is_named_with_its_place(change, told, tmp_path) -> None:
    with pytest.raises(PredictionError, match=told):
        read(tmp_path, [ITEM, {**ITEM, **change}])


def test_a_result_of_a_category_without_points_is_refused(tmp_path) -> None:
    bare = replace(STREET, categories=(Category(3, "person"), Category(7, "dog")))
    path = tmp_path / "results.json"
    path.write_text(json.dumps([ITEM]))
    with pytest.raises(PredictionError, match="result 0: the dataset names no keypoints"):
        CocoKeypointResults(path=path).read(bare, ClassMap((), ()), "keypoints")
