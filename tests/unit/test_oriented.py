"""Turned boxes: geometry, overlap, AP, importers, decoder and result files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench import oriented_kernels as kernels
from benchbench.datasets.coco import Coco
from benchbench.datasets.dota import Dota
from benchbench.datasets.yolo_obb import YoloObb
from benchbench.decoders.yolov8_obb import YoloV8Obb
from benchbench.errors import DatasetError, DecoderMismatch, PredictionError
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.oriented_boxes import OrientedBoxes
from benchbench.oriented import corners, long_edge, rescaled, smallest_rectangles
from benchbench.predictions.oriented import DotaResults
from benchbench.protocols import Dataset, Decoder, Metric, PredictionFile, Resampled
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    DatasetSplit,
    Detections,
    Geometry,
    Image,
    OrientedDetections,
)

CLASSES = ClassMap(("plane", "ship"), (1, 2))
CATEGORIES = (Category(1, "plane"), Category(2, "ship"))
PLAIN = Geometry(200, 100, 200, 100, 1, 1, 0, 0)


def random_boxes(rng: np.random.Generator, count: int, span: float = 100) -> Any:
    return np.column_stack(
        [
            rng.uniform(0, span, (count, 2)),
            rng.uniform(2, 60, (count, 2)),
            rng.uniform(-4, 4, count),
        ]
    )


# --- geometry ----------------------------------------------------------------------------


def test_a_turned_box_turns_clockwise_on_the_screen() -> None:
    (found,) = corners(np.array([[10.0, 10.0, 8.0, 2.0, np.pi / 4]]))
    half = np.array([4, 1]) / np.sqrt(2)
    assert found[2] == pytest.approx([10 + half[0] - half[1], 10 + half[0] + half[1]])
    assert found[:, 1].argmax() == 2  # the width's far end goes down


def test_the_smallest_rectangle_of_a_box_is_the_box() -> None:
    boxes = random_boxes(np.random.default_rng(0), 300)
    found = smallest_rectangles(corners(boxes))
    assert found[:, :2] == pytest.approx(boxes[:, :2])
    assert (found[:, 2] >= found[:, 3]).all()
    assert (np.abs(found[:, 4]) <= np.pi / 2).all()
    assert np.diag(kernels.overlaps(found, boxes)) == pytest.approx(1)
    assert long_edge(boxes) == pytest.approx(found)


def test_the_smallest_rectangle_of_a_quadrilateral_is_that_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 200, (300, 4, 2)).astype(np.float32)
    found = smallest_rectangles(points)
    for one, box in zip(points, found, strict=True):
        _, size, _ = cv2.minAreaRect(one)
        assert box[2] * box[3] == pytest.approx(size[0] * size[1], rel=1e-3)


def test_points_that_coincide_make_boxes_without_area() -> None:
    points = np.array([[[5, 5]] * 4, [[0, 0], [6, 8], [6, 8], [0, 0]]], np.float64)
    found = smallest_rectangles(points)
    assert found[0, :4].tolist() == [5, 5, 0, 0]
    assert found[1] == pytest.approx([3, 4, 10, 0, np.arctan2(8, 6)])


def test_equal_scales_keep_a_box_and_unequal_ones_its_area_and_long_side() -> None:
    boxes = random_boxes(np.random.default_rng(2), 50)
    assert rescaled(boxes, 2, 2) == pytest.approx(boxes * [2, 2, 2, 2, 1])
    found = rescaled(boxes, 2, 0.5)
    assert found[:, :2] == pytest.approx(boxes[:, :2] * [2, 0.5])
    assert found[:, 2] * found[:, 3] == pytest.approx(boxes[:, 2] * boxes[:, 3])
    mapped = corners(boxes) * [2, 0.5]
    sides = np.linalg.norm(mapped - np.roll(mapped, -1, axis=1), axis=2)
    longest = sides.max(axis=1)
    assert ((np.isclose(found[:, 2], longest)) | (np.isclose(found[:, 3], longest))).all()


def test_an_upright_box_stays_upright_under_any_scales() -> None:
    box = np.array([[10, 20, 8, 30, 0], [10, 20, 8, 30, np.pi / 2]])
    assert corners(rescaled(box, 3, 0.5)) == pytest.approx(corners(box) * [3, 0.5])


# --- overlap -----------------------------------------------------------------------------


def test_overlaps_are_those_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    boxes = random_boxes(np.random.default_rng(3), 40)
    found = kernels.overlaps(boxes, boxes)
    shapes = [((x, y), (w, h), float(np.degrees(a))) for x, y, w, h, a in boxes.tolist()]
    areas = boxes[:, 2] * boxes[:, 3]
    for i, one in enumerate(shapes):
        for j, other in enumerate(shapes):
            points = cv2.rotatedRectangleIntersection(one, other)[1]
            shared = 0.0 if points is None else cv2.contourArea(cv2.convexHull(points))
            assert found[i, j] == pytest.approx(shared / (areas[i] + areas[j] - shared), abs=2e-4)


def test_two_squares_at_45_degrees_share_an_octagon() -> None:
    boxes = np.array([[0, 0, 2, 2, 0], [0, 0, 2, 2, np.pi / 4], [9, 9, 0, 2, 0]])
    shared = 8 * (np.sqrt(2) - 1)
    found = kernels.overlaps(boxes, boxes)
    assert found[0, 1] == pytest.approx(shared / (8 - shared), abs=1e-14)
    assert found[2].tolist() == [0, 0, 0]


def test_probiou_is_one_minus_the_hellinger_distance_of_gaussians() -> None:
    boxes = random_boxes(np.random.default_rng(4), 12, span=40)
    found = kernels.prob_ious(boxes, boxes)

    def gaussian(box: Any) -> tuple[Any, Any]:
        c, s = np.cos(box[4]), np.sin(box[4])
        turn = np.array([[c, -s], [s, c]])
        return box[:2], turn @ np.diag(box[2:4] ** 2 / 12) @ turn.T

    for i, one in enumerate(boxes):
        for j, other in enumerate(boxes):
            (m, p), (n, q) = gaussian(one), gaussian(other)
            mean, gap = (p + q) / 2, m - n
            det = np.linalg.det
            distance = gap @ np.linalg.solve(mean, gap) / 8
            distance += np.log(det(mean) / np.sqrt(det(p) * det(q))) / 2
            wanted = 1 - np.sqrt(max(0.0, 1 - np.exp(-distance)))
            assert found[i, j] == pytest.approx(wanted, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.sampled_from([0.1, 0.5, 0.9]))
def test_suppression_is_that_of_plain_loops(
    seed: int, exact: bool, greedy: bool, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    boxes, groups = random_boxes(rng, 25, span=60), rng.integers(0, 2, 25)
    over = (kernels.overlaps if exact else kernels.prob_ious)(boxes, boxes) >= threshold
    over &= groups[:, None] == groups
    keep: list[bool] = []
    for i in range(25):
        keep.append(not any(over[i, j] and (keep[j] or not greedy) for j in range(i)))
    assert kernels.survivors(boxes, groups, threshold, exact, greedy).tolist() == keep


# --- average precision -------------------------------------------------------------------


def split(annotations: list[Annotation], count: int = 1) -> DatasetSplit:
    images = [Image(n, f"{n}.png", Path(f"{n}.png"), 300, 300) for n in range(1, count + 1)]
    return DatasetSplit("tiny", "val", tuple(images[::-1]), CATEGORIES, tuple(annotations))


def case(seed: int, *, upright: bool = False) -> tuple[DatasetSplit, dict[int, OrientedDetections]]:
    """Return three images with objects, two detections near each, and ties of scores."""
    rng = np.random.default_rng(seed)
    annotations, found = [], {}
    for owner in (1, 2, 3):
        boxes = random_boxes(rng, int(rng.integers(0, 7)), 200)
        near = np.repeat(boxes, 2, axis=0)
        if upright:
            boxes = np.round(boxes) * [1, 1, 1, 1, 0]
            near = np.repeat(boxes, 2, axis=0) + rng.integers(0, 9, near.shape) * [1, 1, 1, 1, 0]
        else:
            near = near + rng.normal(size=near.shape) * [3, 3, 3, 3, 0.1]
            near[:, 2:4] = np.abs(near[:, 2:4])
        annotations += [
            Annotation(
                len(annotations) + n + 1,
                owner,
                int(rng.integers(1, 3)),
                oriented=tuple(box),
                iscrowd=bool(rng.random() < 0.2),
            )
            for n, box in enumerate(boxes.tolist())
        ]
        scores = np.round(np.sort(rng.random(len(near)))[::-1], 1)
        found[owner] = OrientedDetections(near, scores, rng.integers(1, 3, len(near)))
    return split(annotations, 3), found


def naive(truth: DatasetSplit, found: Any, label: int, least: float) -> float | None:
    """Return AP of one class at one IoU, by plain loops over COCO's rules."""
    rows, count = [], 0
    for owner in sorted(found):
        objects = [a for a in truth.annotations if (a.image_id, a.category_id) == (owner, label)]
        objects.sort(key=lambda one: one.iscrowd)
        count += sum(not one.iscrowd for one in objects)
        free = set(range(len(objects)))
        one = found[owner]
        for box, score in (
            (one.boxes[i], one.scores[i]) for i in np.flatnonzero(one.labels == label)
        ):
            best, at = least, None
            for place, other in enumerate(objects):
                if place not in free and not other.iscrowd:
                    continue
                if at is not None and other.iscrowd and not objects[at].iscrowd:
                    break
                room = np.empty((3, 12, 2))
                value = kernels.overlap(box, np.array(other.oriented), other.iscrowd, room)
                if value >= best:
                    best, at = value, place
            free.discard(at)
            if at is None or not objects[at].iscrowd:
                rows.append((score, at is not None))
    if not count:
        return None
    rows.sort(key=lambda row: -row[0])
    hits = np.cumsum([hit for _, hit in rows])
    shares = hits / np.arange(1, len(hits) + 1)
    levels = [
        max((p for p, h in zip(shares, hits, strict=True) if h / count >= level), default=0)
        for level in np.linspace(0, 1, 101)
    ]
    return float(np.mean(levels))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_average_precision_is_that_of_plain_loops(seed: int) -> None:
    truth, found = case(seed)
    scores = OrientedBoxes().score(truth, found, CLASSES)
    for category in CATEGORIES:
        wanted = naive(truth, found, category.id, 0.5)
        value = scores.per_class["map_50"][category.name]
        assert value == (None if wanted is None else pytest.approx(wanted, abs=1e-12))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_weights_of_one_give_the_scores_again(seed: int, upright: bool) -> None:
    truth, found = case(seed, upright=upright)
    metric = OrientedBoxes(max_detections=(1, 3, 50))
    scores, tally = (act(truth, found, CLASSES) for act in (metric.score, metric.tally))
    ones = np.ones((1, 3), np.int64)
    for name, value in metric.estimates(tally, ones).items():
        wanted = scores.metrics[name]
        assert value[0] == pytest.approx(
            np.nan if wanted is None else wanted, abs=1e-12, nan_ok=True
        )
    for name, value in metric.class_estimates(tally, ones).items():
        own = [np.nan if v is None else v for v in scores.per_class[name].values()]
        assert value[0] == pytest.approx(own, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_that_are_not_turned_score_as_upright_ones(seed: int) -> None:
    truth, found = case(seed, upright=True)

    def upright(boxes: Any) -> Any:
        return np.concatenate([boxes[:, :2] - boxes[:, 2:4] / 2, boxes[:, 2:4]], axis=1)

    rows = [upright(np.array([a.oriented]))[0].tolist() for a in truth.annotations]
    plain = [
        replace(a, bbox=tuple(row), area=row[2] * row[3])
        for a, row in zip(truth.annotations, rows, strict=True)
    ]
    boxes = {
        key: Detections(upright(one.boxes), one.scores, one.labels) for key, one in found.items()
    }
    limits = (1, 3, 50)
    wanted = CocoBoxes(max_detections=limits, diagnostics=False).score(
        replace(truth, annotations=tuple(plain)), boxes, CLASSES
    )
    scores = OrientedBoxes(max_detections=limits).score(truth, found, CLASSES)
    assert scores.metrics == pytest.approx(wanted.metrics)


def test_an_ignored_object_counts_neither_way_in_a_tally() -> None:
    boxes = [[50.0, 50, 40, 20, 0.5], [150.0, 50, 40, 20, 0.5]]
    rows = [Annotation(n, 1, 1, oriented=tuple(box)) for n, box in enumerate(boxes, 1)]
    found = {1: OrientedDetections(np.array(boxes), np.array([0.9, 0.8]), np.array([1, 1]))}
    found[1].boxes[1, 0] += 60  # misses the second
    metric, once = OrientedBoxes(), np.ones((1, 1), np.int64)
    half = metric.estimates(metric.tally(split(rows), found, CLASSES), once)
    assert half["map_50"][0] == pytest.approx(51 / 101)
    sliced = split([rows[0], replace(rows[1], ignored=True)])
    whole = metric.estimates(metric.tally(sliced, found, CLASSES), once)
    assert whole["mar_1000"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (np.zeros((1, 4)), r"image 1: boxes \(1, 4\)"),
        (np.array([[1, 1, 2, 2, np.nan]]), "image 1: angle nan"),
        (np.array([[1, np.inf, 2, 2, 0]]), "image 1: box"),
    ],
)
def test_unfit_predictions_are_refused_by_image_and_value(boxes: Any, said: str) -> None:
    found = {1: OrientedDetections(boxes, np.array([0.5]), np.array([1]))}
    with pytest.raises(PredictionError, match=said):
        OrientedBoxes().score(split([]), found, CLASSES)


def test_an_annotation_without_a_turned_box_is_refused() -> None:
    found = {1: OrientedDetections(np.zeros((0, 5)), np.zeros(0), np.zeros(0, np.int64))}
    with pytest.raises(DatasetError, match="annotation 7 "):
        OrientedBoxes().score(split([Annotation(7, 1, 1)]), found, CLASSES)


# --- datasets ----------------------------------------------------------------------------

LABEL = """imagesource:GoogleEarth
gsd:0.146343
10.0 10.0 30.0 30.0 20.0 40.0 0.0 20.0 ship 0
50 50 60 50 60 80 50 80 plane 1
"""


def dota(root: Path, text: str = LABEL, **options: Any) -> Dota:
    for part in ("images", "labelTxt"):
        (root / "val" / part).mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (100, 90)).save(root / "val" / "images" / "P1.png")
    (root / "val" / "labelTxt" / "P1.txt").write_text(text)
    return Dota(root=root, **options)


def test_dota_labels_become_turned_boxes(tmp_path: Path) -> None:
    made = dota(tmp_path / "data")
    assert isinstance(made, Dataset)
    assert made.splits() == ("validation",)
    found = made.load("validation", "oriented-detection", tmp_path / "cache")
    assert [c.name for c in found.categories] == ["plane", "ship"]
    ship, plane = found.annotations
    side = np.sqrt(2) * 10
    assert ship.oriented == pytest.approx((15, 25, 2 * side, side, np.pi / 4))
    assert ship.bbox == (0, 10, 30, 30)
    assert ship.area == pytest.approx(400)
    assert (ship.iscrowd, plane.iscrowd) == (False, True)
    assert plane.attributes["difficult"] == 1
    assert found.notes["difficult_objects"] == 1
    assert found.images[0].path.is_file()


@pytest.mark.parametrize(
    ("rule", "count", "crowds"), [("keep", 2, 0), ("drop", 1, 0), ("crowd", 2, 1)]
)
def test_difficult_objects_go_by_the_option(tmp_path, rule: Any, count: int, crowds: int) -> None:
    made = dota(tmp_path / "data", difficult=rule)
    rows = made.load("validation", "oriented-detection", tmp_path / "cache").annotations
    assert (len(rows), sum(row.iscrowd for row in rows)) == (count, crowds)


@pytest.mark.parametrize("line", ["1 2 3 4 5 6 7 ship 0", "1 2 3 4 5 6 7 nan ship 0", "a b"])
def test_a_line_of_dota_that_is_none_is_refused_by_number(tmp_path: Path, line: str) -> None:
    made = dota(tmp_path / "data", LABEL + line)
    with pytest.raises(DatasetError, match="not eight numbers") as caught:
        made.load("validation", "oriented-detection", tmp_path / "cache")
    assert caught.value.place is not None
    assert caught.value.place.line == 5


def test_dota_images_without_any_label_file_are_refused(tmp_path: Path) -> None:
    made = dota(tmp_path / "data")
    (tmp_path / "data" / "val" / "labelTxt" / "P1.txt").unlink()
    with pytest.raises(DatasetError, match="none of the 1 images"):
        Dota(root=made.root, names=["ship"]).load(
            "validation", "oriented-detection", tmp_path / "cache"
        )


def test_yolo_labels_of_turned_boxes_become_turned_boxes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    PIL.Image.new("RGB", (100, 50)).save(root / "images" / "a.png")
    line = "1 0.10 0.20 0.30 0.60 0.20 0.80 0.00 0.40\n"
    (root / "labels" / "a.txt").write_text(line * 2)
    made = YoloObb(root=root, names=["plane", "ship"], images={"val": Path("images")})
    found = made.load("val", "oriented-detection", tmp_path / "cache")
    (one,) = found.annotations
    side = np.sqrt(2) * 10
    assert one.oriented == pytest.approx((15, 25, 2 * side, side, np.pi / 4))
    assert found.notes["repeated_labels_dropped"] == 1
    (root / "labels" / "a.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DatasetError, match="not a class and four corners"):
        made.load("val", "oriented-detection", tmp_path / "cache")


def test_turned_boxes_of_a_coco_file_are_scored_from_end_to_end(tmp_path: Path) -> None:
    body = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 200}],
        "categories": [{"id": 1, "name": "plane"}, {"id": 2, "name": "ship"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "obb": [50, 50, 40, 20, 0.5]},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [100, 90, 40, 20]}
            | {"attributes": {"rotation": 30.0}},
        ],
    }
    (tmp_path / "obb.json").write_text(json.dumps(body))
    card = Coco(root=tmp_path, files={"val": {"annotations": "obb.json"}})
    truth = card.load("val", "oriented-detection", tmp_path)
    boxes = np.array([[50, 50, 40, 20, 0.5], [120, 100, 40, 20, np.pi / 6]])
    found = {1: OrientedDetections(boxes, np.array([0.9, 0.8]), np.array([1, 2]))}
    scores = OrientedBoxes().score(truth, found, CLASSES)
    assert scores.primary == "map_50"
    assert scores.metrics["map"] == pytest.approx(1)


# --- decoder -----------------------------------------------------------------------------


def head(*rows: Any) -> dict[str, Any]:
    """Return an output (1, 7, M): four box values, two class scores, the angle."""
    return {"out": np.array(rows, np.float32).T[None]}


def test_rows_become_turned_boxes_best_first() -> None:
    feed = head([50, 50, 20, 40, 0.1, 0.6, 0], [120, 50, 40, 20, 0.9, 0.005, 0.5])
    (found,) = YoloV8Obb().decode(feed, [PLAIN], CLASSES)
    assert isinstance(found, OrientedDetections)
    assert found.labels.tolist() == [1, 2, 1]
    assert found.scores == pytest.approx([0.9, 0.6, 0.1])
    assert found.boxes[0] == pytest.approx([120, 50, 40, 20, 0.5])
    # The long edge is the width.
    assert found.boxes[1] == pytest.approx([50, 50, 40, 20, -np.pi / 2])


def test_the_transposed_output_is_read_too() -> None:
    feed = head(*([50 + n, 50, 20, 40, 0.6, 0, 0] for n in range(3)))
    turned = {"out": feed["out"].transpose(0, 2, 1)}
    both = [YoloV8Obb().decode(one, [PLAIN], CLASSES)[0] for one in (feed, turned)]
    assert np.array_equal(both[0].boxes, both[1].boxes)


def test_a_letterbox_is_undone() -> None:
    geometry = Geometry(400, 200, 200, 200, 0.5, 0.5, 0, 50)
    (found,) = YoloV8Obb().decode(head([50, 90, 40, 20, 0.9, 0, 0.5]), [geometry], CLASSES)
    assert found.boxes[0] == pytest.approx([100, 80, 80, 40, 0.5])


def test_scales_apart_keep_area_and_the_long_side() -> None:
    geometry = Geometry(400, 100, 200, 200, 0.5, 2, 0, 0)
    (found,) = YoloV8Obb().decode(head([50, 90, 40, 20, 0.9, 0, 0.5]), [geometry], CLASSES)
    assert found.boxes[0, :2] == pytest.approx([100, 45])
    assert found.boxes[0, 2] * found.boxes[0, 3] == pytest.approx(800)
    assert np.tan(found.boxes[0, 4]) == pytest.approx(np.tan(0.5) / 4)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, [0]),
        ({"suppression": "greedy"}, [0, 2]),
        ({"overlap": "exact"}, [0, 1, 2]),
        ({"overlap": "exact", "nms_iou": 0.6}, [0]),
        ({"nms_iou": None}, [0, 1, 2]),
        ({"nms_iou": None, "max_detections": 1}, [0]),
        ({"nms_iou": 0.9, "top_k": 2}, [0, 1]),
    ],
)
def test_suppression_goes_by_the_options(options: dict[str, Any], left: list[int]) -> None:
    # Neighbours overlap by IoU 0.67 and ProbIoU 0.76, the first and last by 0.43 and 0.54.
    feed = head(*([100 + 8 * n, 50, 40, 20, 0.9 - n / 10, 0, 0] for n in range(3)))
    (found,) = YoloV8Obb(**options).decode(feed, [PLAIN], CLASSES)
    assert ((found.boxes[:, 0] - 100) / 8).tolist() == left


def test_classes_compete_only_if_asked() -> None:
    feed = head([50, 50, 40, 20, 0.9, 0, 0.5], [50, 50, 40, 20, 0, 0.8, 0.5])
    assert len(YoloV8Obb().decode(feed, [PLAIN], CLASSES)[0].scores) == 2
    agnostic = YoloV8Obb(nms="class-agnostic")
    assert len(agnostic.decode(feed, [PLAIN], CLASSES)[0].scores) == 1


def test_a_decoder_that_does_not_fit_says_what_it_expects() -> None:
    with pytest.raises(DecoderMismatch, match="no axis of 7") as caught:
        YoloV8Obb().decode({"out": np.zeros((1, 6, 9), np.float32)}, [PLAIN], CLASSES)
    assert "4 + classes + 1" in str(caught.value)
    broken = head([50, 50, 40, 20, 0.9, 0, np.nan])
    with pytest.raises(DecoderMismatch, match="nan"):
        YoloV8Obb().decode(broken, [PLAIN], CLASSES)


def test_the_plug_ins_keep_their_contracts() -> None:
    assert isinstance(OrientedBoxes(), Metric)
    assert isinstance(OrientedBoxes(), Resampled)
    assert isinstance(YoloV8Obb(), Decoder)
    assert isinstance(DotaResults(path=Path("x")), PredictionFile)
    assert "ProbIoU ≥ 0.7" in YoloV8Obb().describe()["nms"]
    assert YoloV8Obb(nms_iou=None).describe()["nms"] == "none"
    with pytest.raises(ValidationError):
        YoloV8Obb(nms_iou=0)


# --- result files ------------------------------------------------------------------------


def test_dota_result_files_are_read_by_image_and_class(tmp_path: Path) -> None:
    (tmp_path / "Task1_ship.txt").write_text("1 0.4 10 10 30 30 20 40 0 20\n")
    (tmp_path / "Task1_plane.txt").write_text("1 0.9 50 50 60 50 60 80 50 80\n\n")
    (tmp_path / "notes.txt").write_text("not one of them")
    given = DotaResults(path=tmp_path)
    found = given.read(split([], 2), CLASSES, "oriented-detection")
    assert found[1].labels.tolist() == [1, 2]
    assert found[1].scores.tolist() == [0.9, 0.4]
    side = np.sqrt(2) * 10
    assert found[1].boxes[1] == pytest.approx([15, 25, 2 * side, side, np.pi / 4])
    assert len(found[2].scores) == 0
    assert list(given.fingerprint()) == [tmp_path.name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0.4 10 10 30 30 20 40 0\n", "Task1_ship.txt:1: not an image's name"),
        ("5 0.4 10 10 30 30 20 40 0 20\n", "Task1_ship.txt:1: the image '5'"),
        ("1 inf 10 10 30 30 20 40 0 20\n", "the score"),
    ],
)
def test_a_line_that_is_no_result_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "Task1_ship.txt").write_text(text)
    with pytest.raises(PredictionError, match=said):
        DotaResults(path=tmp_path).read(split([]), CLASSES, "oriented-detection")


def test_a_folder_without_result_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="holds 0 files Task1_"):
        DotaResults(path=tmp_path).fingerprint()
