"""Other tools' rules for boxes: worked cases, the tools themselves, and figures taken from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.datasets.coco import Coco
from benchbench.metrics.accuracy_checker_boxes import AccuracyCheckerBoxes
from benchbench.metrics.box_matching import Near, Side, assign, thresholds
from benchbench.metrics.box_rules import COCO
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.pycocotools_boxes import PycocotoolsBoxes
from benchbench.metrics.torchmetrics_boxes import TorchmetricsBoxes
from benchbench.metrics.ultralytics_boxes import UltralyticsBoxes
from benchbench.predictions.coco_results import CocoResults
from benchbench.types import ClassMap, DatasetSplit, Detections, Scores
from tests.helpers import class_map, split_from_coco
from tests.unit.test_metrics_coco_boxes import detections, truths

Box = tuple[float, float, float, float]
FIGURES = {
    # Taken from ultralytics 8.3.200 (and 8.4.0), 8.4.100 and 8.4.190: box_iou, match_predictions
    # and ap_per_class on the reference detections.
    "8.3": (0.5955453737100475, 0.7796682919852044, 0.6735591845183917),
    "8.4.100": (0.5012156966755148, 0.6950460766524985, 0.5688667869466517),
    "8.4.190": (0.5012156966755148, 0.6950460766524985, 0.5688667869466517),
}
BEST = (0.813544809359713, 0.7716835188105421, 0.7719677600805768)


def scored(metric: Any, objects: list[Box], found: list[tuple[Box, float]], **more: Any) -> Scores:
    """Score one image with one class; *more* are keys of the first annotation."""
    rows = [
        {"id": n, "image_id": 1, "category_id": 7, "bbox": list(box), "area": box[2] * box[3]}
        for n, box in enumerate(objects, 1)
    ]
    if rows:
        rows[0] |= more
    data = {
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 7, "name": "part"}],
        "annotations": rows,
    }
    boxes = np.array([box for box, _ in found], np.float64).reshape(-1, 4)
    one = Detections(boxes, np.array([s for _, s in found]), np.full(len(found), 7))
    return metric.score(split_from_coco(data), {1: one}, class_map(data))


A: Box = (0, 0, 10, 10)
B: Box = (50, 50, 10, 10)


def test_the_best_detection_leaves_its_object_free_in_the_accuracy_checker() -> None:
    found = [(A, 0.9), (A, 0.8), (A, 0.7)]
    theirs = scored(AccuracyCheckerBoxes(), [A, B], found)
    # Hits: first, second (again), not third: recall 1/2, 1, 1 at precision 1, 1, 2/3.
    assert theirs.metrics["map"] == pytest.approx(1)
    assert theirs.metrics["mar"] == 1
    assert scored(CocoBoxes(), [A, B], found).metrics["map"] == pytest.approx(51 / 101)


def test_the_accuracy_checker_counts_the_best_twenty_of_a_class() -> None:
    found = [(B, 1 - n / 100) for n in range(20)] + [(A, 0.1)]
    assert scored(AccuracyCheckerBoxes(), [A], found).metrics["map"] == 0
    assert scored(AccuracyCheckerBoxes(max_per_class=21), [A], found).metrics["map"] > 0


def test_a_crowd_is_matched_by_iou_in_the_accuracy_checker_and_is_an_object_of_its_map() -> None:
    inside = [((0.0, 0.0, 5.0, 5.0), 0.9), (B, 0.8)]
    theirs = scored(AccuracyCheckerBoxes(), [A, B], inside, iscrowd=1)
    # The detection within the crowd has an IoU of 0.25 with it: false, before the true one.
    assert theirs.metrics["map"] == pytest.approx(0.5)
    assert theirs.metrics["voc_map"] == pytest.approx(0.25)
    assert scored(CocoBoxes(), [A, B], inside, iscrowd=1).metrics["map"] == pytest.approx(1)


def test_a_pixel_more_lets_boxes_match_in_the_accuracy_checkers_map() -> None:
    half = [((0.0, 0.0, 4.0, 9.0), 0.9)]
    with_it = AccuracyCheckerBoxes()
    without = AccuracyCheckerBoxes(include_boundaries=False)
    assert scored(with_it, [(0, 0, 9, 9)], half).metrics["voc_map"] == 1
    assert scored(without, [(0, 0, 9, 9)], half).metrics["voc_map"] == 0


def test_a_class_that_is_not_predicted_has_no_part_in_the_accuracy_checkers_map() -> None:
    data = {
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": n, "name": str(n)} for n in (1, 2, 3)],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "bbox": list(A), "area": 100} for n in (1, 2)
        ],
    }
    one = Detections(np.array([A, B]), np.array([0.9, 0.8]), np.array([1, 3]))
    found = AccuracyCheckerBoxes().score(split_from_coco(data), {1: one}, class_map(data))
    # Class 1 is found, class 2 not predicted, class 3 predicted without an object: (1 + 0) / 2.
    assert found.metrics["voc_map"] == 0.5
    assert found.metrics["map"] == pytest.approx(0.5)
    assert found.per_class["map"] == {"1": pytest.approx(1), "2": 0, "3": None}


@pytest.mark.parametrize(("release", "area"), [("8.3", 0.75), ("8.4.100", 0.5), ("8.4.190", 0.5)])
def test_the_area_beyond_the_last_recall_depends_on_the_release(release: Any, area: float) -> None:
    found = scored(UltralyticsBoxes(release=release), [A, B], [(A, 0.9)])
    # A trapezoid of the 101 points may reach half a step beyond recall 0.5.
    assert found.metrics["map"] == pytest.approx(area, abs=0.0051)


def test_a_second_choice_is_given_in_the_newest_release_only() -> None:
    objects = [(0.0, 0.0, 10.0, 10.0), (0.0, 2.0, 10.0, 10.0)]
    found = [((0.0, 0.0, 10.0, 10.0), 0.9), ((0.0, 0.5, 10.0, 10.0), 0.8)]
    newest = scored(UltralyticsBoxes(), objects, found)
    before = scored(UltralyticsBoxes(release="8.4.100"), objects, found)
    assert newest.metrics["map_50"] > 0.99
    assert before.metrics["map_50"] == pytest.approx(0.5, abs=0.0051)


def test_a_detection_on_a_crowd_is_false_for_ultralytics() -> None:
    found = [(A, 0.9), (B, 0.8)]
    theirs = scored(UltralyticsBoxes(), [A, B], found, iscrowd=1)
    kept = scored(UltralyticsBoxes(crowds="ignored"), [A, B], found, iscrowd=1)
    assert theirs.metrics["map"] == pytest.approx(0.5, abs=0.01)
    assert kept.metrics["map"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("objects", "found", "options"),
    [
        ([A, (20.0, 20.0, 0.0, 5.0)], [(A, 0.9)], {"empty_boxes": "kept"}),
        ([A, A], [(A, 0.9)], {"duplicate_boxes": "kept"}),
        ([A, B], [(A, 0.9), (B, 0.0005)], {"score_floor": None}),
        ([A, B], [(A, 0.9), (B, 0.8)], {"max_per_image": None}),
    ],
)
def test_each_rule_of_ultralytics_changes_the_figure_that_it_should(
    objects: list[Box], found: list[tuple[Box, float]], options: dict[str, Any]
) -> None:
    given_ = {"max_per_image": 1} if "max_per_image" in options else {}
    on, off = UltralyticsBoxes(**given_), UltralyticsBoxes(**given_ | options)
    assert scored(on, objects, found).metrics != scored(off, objects, found).metrics


def test_the_iou_thresholds_in_32_bits_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    assert thresholds("single").tolist() == torch.linspace(0.5, 0.95, 10).tolist()


@settings(max_examples=40, deadline=None)
@given(truths(), st.data())
def test_with_cocos_rules_they_are_pycocotools(data: dict[str, Any], drawn: st.DataObject) -> None:
    pytest.importorskip("pycocotools")
    found = drawn.draw(st.lists(st.sampled_from(_candidates(data)), max_size=12))
    split, classes = split_from_coco(data), class_map(data)
    predictions = detections(data, found)
    expected = PycocotoolsBoxes().score(split, predictions, classes).metrics
    for metric in (UltralyticsBoxes(**COCO), AccuracyCheckerBoxes(**COCO)):
        values = metric.score(split, predictions, classes).metrics
        for name in ("map", "map_50", "map_75"):
            assert values[name] == pytest.approx(expected[name], abs=1e-12), name


def _candidates(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return detections on the objects, beside them, and of other classes, with tied scores."""
    rows = [(one["image_id"], one["category_id"], one["bbox"]) for one in data["annotations"]]
    rows = [*rows, (4, 17, [3.0, 3.0, 32.0, 32.0])]
    return [
        {"image_id": i, "category_id": c, "bbox": [x + shift, y, w, h], "score": score}
        for i, c, (x, y, w, h) in rows
        for shift in (0.0, 4.0)
        for score in (0.25, 0.75)
    ]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_matching_equals_plain_loops(data: st.DataObject) -> None:
    objects, found = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 5))
    ious = np.array(
        [data.draw(st.sampled_from([0.2, 0.5, 0.6, 0.9])) for _ in range(found * objects)]
    ).reshape(found, objects)
    crowd = np.array([data.draw(st.booleans()) for _ in range(objects)], np.bool_)
    rows, columns = np.nonzero(ious >= 0.5)
    close = Near(rows, columns, ious[rows, columns])
    side = Side(np.arange(found), crowd, crowd)
    for matching in ("by-score", "by-score-first-free", "best-object"):
        taken = assign(close, side, matching)  # type: ignore[arg-type]
        assert taken.tolist() == by_loops(ious, crowd, matching), matching


def by_loops(ious: Any, crowd: Any, matching: str) -> list[int]:
    """Match by the sentences of the documentation, one detection after the other."""
    used: set[int] = set()
    taken = []
    for turn, row in enumerate(ious):
        free = [n for n, iou in enumerate(row) if iou >= 0.5]
        if matching != "best-object":
            free = [n for n in free if n not in used]
        ranked = sorted(free, key=lambda n: (not crowd[n], row[n], n))
        best = ranked[-1] if ranked else -1
        if best in used:
            best = -1
        taken.append(best)
        if best >= 0 and not crowd[best] and (turn or matching != "by-score-first-free"):
            used.add(best)
    return taken


@pytest.fixture(scope="module")
def real(data_dir: Path) -> tuple[DatasetSplit, dict[int, Any], ClassMap]:
    """Return the reference detections."""
    folder = data_dir / "reference_detections"
    files = {"validation": {"annotations": "sampled_gts_bbox_area.json"}}
    dataset = Coco.model_validate({"root": str(folder), "files": files})
    split = dataset.load("validation", "detection", folder)
    classes = ClassMap(
        tuple(one.name for one in split.categories), tuple(one.id for one in split.categories)
    )
    given_ = CocoResults(path=folder / "sampled_bbox_results.json")
    return split, given_.read(split, classes, "detection"), classes


def test_pycocotools_and_ours_agree_on_the_reference_detections(real: Any) -> None:
    pytest.importorskip("pycocotools")
    ours, theirs = (one.score(*real).metrics for one in (CocoBoxes(), PycocotoolsBoxes()))
    assert theirs["map"] == pytest.approx(0.503647, abs=1e-6)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("release", FIGURES)
def test_the_reference_detections_have_the_figures_of_ultralytics(real: Any, release: Any) -> None:
    found = UltralyticsBoxes(release=release).score(*real).metrics
    values = [found[name] for name in ("map", "map_50", "map_75")]
    assert values == pytest.approx(FIGURES[release], abs=1e-12)
    best = [found[name] for name in ("precision", "recall", "f1")]
    assert best == pytest.approx(BEST, abs=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_torchmetrics_differs_by_its_grids_alone(real: Any) -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("torchvision")
    pytest.importorskip("pycocotools")
    ours = CocoBoxes().score(*real).metrics
    exact = TorchmetricsBoxes(iou_grid="double", recall_grid="double").score(*real).metrics
    for name, value in exact.items():
        assert ours[name] == pytest.approx(value, abs=1e-7), name
    usual = TorchmetricsBoxes().score(*real).metrics["map"]
    assert usual == pytest.approx(0.502579, abs=1e-6)


def test_pycocotools_gives_no_ap_where_100_is_not_among_the_limits() -> None:
    pytest.importorskip("pycocotools")
    found = scored(PycocotoolsBoxes(max_detections=(1, 10, 50)), [A], [(A, 0.9)])
    assert found.metrics["map"] is None
    assert "100" in found.reasons["map"]
    assert found.metrics["map_50"] == pytest.approx(1)


@pytest.mark.parametrize("metric", [UltralyticsBoxes, AccuracyCheckerBoxes, PycocotoolsBoxes])
def test_what_cannot_be_computed_is_absent_with_a_reason(metric: Any) -> None:
    if metric is PycocotoolsBoxes:
        pytest.importorskip("pycocotools")
    found = scored(metric(), [], [])
    absent = {name for name, value in found.metrics.items() if value is None}
    assert "map" in absent
    assert absent <= set(found.reasons)
    assert scored(metric(), [A], []).metrics["map"] == 0
