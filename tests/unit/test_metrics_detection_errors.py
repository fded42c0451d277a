"""Matches, kinds of error and confusions: against pycocotools, plain loops and hotcoco."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.detection_errors import KINDS, find_errors
from benchbench.metrics.detection_matches import Matches, match, stable_order
from benchbench.metrics.detection_table import detected_columns, truth_columns
from benchbench.metrics.pairing import pair
from benchbench.types import Detections, Matrix
from tests.helpers import split_from_coco
from tests.unit.test_metrics_coco_boxes import (
    NAMES,
    Coco,
    Found,
    detections,
    reference,
    scored,
    undefined_as_minus_one,
)

COSTS = [*(f"error_{kind}" for kind in KINDS), "error_missed"]


def world(seed: int) -> tuple[Coco, Found]:
    """Return crowded images: few values, so that scores, overlaps and boxes often tie."""
    rng = np.random.default_rng(seed)
    grid = float(rng.choice([4.0, 6.5]))

    def boxes(count: int, least: int) -> list[list[float]]:
        corners, sides = rng.integers(0, 4, (count, 2)), rng.integers(least, 5, (count, 2))
        return (np.concatenate([corners, sides], axis=1) * grid).tolist()

    def cells(count: int) -> list[dict[str, Any]]:
        images, labels = rng.choice([9, 4, 0], count), rng.choice([7, 2], count)
        rows = zip(images.tolist(), labels.tolist(), strict=True)
        return [{"image_id": image, "category_id": label} for image, label in rows]

    objects, count = int(rng.integers(0, 16)), int(rng.integers(0, 40))
    crowd, scores = rng.random(objects) < 0.2, rng.choice([0.1, 0.3, 0.3, 0.6, 0.9], count)
    truth = zip(cells(objects), boxes(objects, 1), crowd.tolist(), strict=True)
    found = zip(cells(count), boxes(count, -1), scores.tolist(), strict=True)
    data = {
        "images": [{"id": i, "width": 60, "height": 60} for i in (9, 0, 4)],
        "categories": [{"id": i, "name": f"c{i}"} for i in (7, 2, 5)],
        "annotations": [
            {**cell, "id": n, "bbox": box, "area": box[2] * box[3], "iscrowd": int(many)}
            for n, (cell, box, many) in enumerate(truth, 1)
        ],
    }
    return data, [{**cell, "bbox": box, "score": score} for cell, box, score in found]


worlds = st.integers(0, 2**32 - 1).map(world)


def matched(data: Coco, found: Found, limit: int = 100) -> Matches:
    split = split_from_coco(data)
    pairs = pair(split, detections(data, found), Detections)
    return match(detected_columns(split, pairs), truth_columns(split), limit)


def iou(box: list[float], other: list[float]) -> float:
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (box[2] * box[3] + other[2] * other[3] - width * height)


@settings(max_examples=300, deadline=None)
@given(worlds)
def test_in_crowded_images_all_12_numbers_equal_pycocotools(made: tuple[Coco, Found]) -> None:
    scores, run = scored(*made), reference(*made)
    assert undefined_as_minus_one(scores) == pytest.approx(list(run.stats), abs=1e-12)
    assert list(scores.metrics)[:12] == NAMES


@settings(max_examples=200, deadline=None)
@given(worlds, st.sampled_from([2, 3, 100]))
def test_each_detection_takes_what_it_takes_in_pycocotools(
    made: tuple[Coco, Found], limit: int
) -> None:
    data, found = made
    run = reference(data, found, (1, 1, limit))
    mine = matched(data, found, limit)
    # pycocotools numbers detections from 1 in the order given; the columns go by image.
    order = sorted(range(len(found)), key=lambda row: found[row]["image_id"])
    row_of = {order[row] + 1: row for row in range(len(order))}
    counting = set(mine.ranking.tolist())
    expected = set()
    for cell in filter(None, run.evalImgs):
        if cell["aRng"] != run.params.areaRng[0]:
            continue
        for number, taken, ignored in zip(
            cell["dtIds"], cell["dtMatches"][0], cell["dtIgnore"][0], strict=True
        ):
            assert mine.taken[row_of[number]] == taken - 1
            if not ignored:
                expected.add(row_of[number])
    assert counting == expected
    ranked = mine.detected.scores[mine.ranking]
    assert (np.diff(ranked) <= 0).all()


def plain_ap(hits: list[bool], objects: int) -> float:
    """Return AP as pycocotools' accumulate forms it."""
    right = np.cumsum(hits)
    precision = (right / np.arange(1, len(hits) + 1)).tolist()
    for place in range(len(hits) - 1, 0, -1):
        precision[place - 1] = max(precision[place - 1], precision[place])
    places = np.searchsorted(right / objects, np.linspace(0, 1, 101)) if objects else []
    return sum(precision[p] if p < len(hits) else 0 for p in places) / 101


class PlainErrors:
    """TIDE's definitions (Bolya et al. 2020, section 2) in plain loops, given the matches."""

    def __init__(self, data: Coco, found: Found, mine: Matches) -> None:
        self.truth = data["annotations"]
        order = sorted(found, key=lambda one: one["image_id"])
        self.ranked = [(row, order[row]) for row in mine.ranking.tolist()]
        self.taken = mine.taken
        used = {int(one) for one in mine.taken if one >= 0}
        self.real = [n for n, one in enumerate(self.truth) if not one["iscrowd"]]
        self.kinds: dict[int, str] = {}
        self.meant: dict[int, int] = {}
        for row, one in self.ranked:
            if mine.taken[row] < 0:
                self.kinds[row] = self.kind(row, one)
        self.right: dict[int, int] = {}
        for row, one in self.meant.items():
            if one not in used and one not in self.right.values():
                self.right[row] = one
        meant = set(self.meant.values())
        self.missed = [n for n in self.real if n not in used and n not in meant]

    def kind(self, row: int, one: dict[str, Any]) -> str:
        near = [n for n in self.real if self.truth[n]["image_id"] == one["image_id"]]
        ious = {n: iou(one["bbox"], self.truth[n]["bbox"]) for n in near}
        own = {n: v for n, v in ious.items() if self.category(n) == one["category_id"]}
        other = {n: v for n, v in ious.items() if n not in own}
        best, best_other = max(own.values(), default=0), max(other.values(), default=0)
        if 0.1 <= best < 0.5:
            self.meant[row] = max(own, key=lambda n: own[n])
            return "localisation"
        if best_other >= 0.5:
            self.meant[row] = max(other, key=lambda n: other[n])
            return "classification"
        if best >= 0.5:
            return "duplicate"
        return "background" if best_other < 0.1 else "both"

    def category(self, number: int) -> int:
        return self.truth[number]["category_id"]

    def mean(self, mended: str = "") -> float:
        """Return AP50 with one kind of error repaired."""
        points: dict[int, list[bool]] = {self.category(n): [] for n in self.real}
        objects = dict.fromkeys(points, 0)
        for n in self.real:
            objects[self.category(n)] += not (mended == "missed" and n in self.missed)
        for row, one in self.ranked:
            category, hit = one["category_id"], self.taken[row] >= 0
            if mended and self.kinds.get(row) == mended:
                if row not in self.right:
                    continue
                category, hit = self.category(self.right[row]), True
            points.setdefault(category, []).append(hit)
        return float(np.mean([plain_ap(points[c], count) for c, count in objects.items()]))


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_kinds_of_error_and_their_costs_are_those_of_the_paper(made: tuple[Coco, Found]) -> None:
    data, found = made
    mine, scores = matched(data, found), scored(data, found)
    plain = PlainErrors(data, found, mine)
    errors = find_errors(mine)
    rows = mine.ranking[errors.places].tolist()
    assert {row: KINDS[k] for row, k in zip(rows, errors.kinds, strict=True)} == plain.kinds
    assert errors.missed.tolist() == plain.missed
    if not plain.real:
        assert {scores.metrics[name] for name in COSTS} == {None}
        return
    base = plain.mean()
    assert base == pytest.approx(scores.metrics["map_50"], abs=1e-12)
    for kind in (*KINDS, "missed"):
        expected = plain.mean(kind) - base
        assert scores.metrics[f"error_{kind}"] == pytest.approx(expected, abs=1e-12)


def scene() -> Coco:
    """Two classes, an object of each in the only image."""
    rows = [(1, [0, 0, 100, 100]), (2, [200, 0, 100, 100])]
    return {
        "images": [{"id": 5, "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 5, "category_id": c, "bbox": b, "area": 10000.0, "iscrowd": 0}
            for n, (c, b) in enumerate(rows, 1)
        ],
    }


def one(category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": 5, "category_id": category, "bbox": box, "score": score}


CAT, DOG = one(1, [0, 0, 100, 100], 0.5), one(2, [200, 0, 100, 100], 0.5)


@pytest.mark.parametrize(
    ("kind", "found", "cost"),
    [
        ("localisation", [one(1, [60, 0, 100, 100], 0.9), DOG], 0.5),
        ("classification", [one(1, [200, 0, 100, 100], 0.9), CAT], 0.75),
        ("both", [one(2, [60, 0, 100, 100], 0.9), CAT, DOG], 0.25),
        ("duplicate", [one(1, [1, 0, 100, 100], 0.9), CAT, DOG], 0),
        ("background", [one(1, [400, 300, 50, 50], 0.9), CAT, DOG], 0.25),
        ("missed", [CAT], 0),
    ],
)
def test_one_error_of_a_kind_costs_what_it_takes_from_its_classes(
    kind: str, found: Found, cost: float
) -> None:
    metrics = scored(scene(), found).metrics
    assert metrics[f"error_{kind}"] == pytest.approx(cost)
    others = [metrics[name] for name in COSTS if name not in {f"error_{kind}", "error_missed"}]
    assert others == pytest.approx([0.0] * len(others))


def test_a_missed_object_costs_the_recall_that_its_class_could_have() -> None:
    data = scene()
    more = {**data["annotations"][0], "id": 3, "bbox": [400, 300, 50, 50]}
    data["annotations"].append(more)
    metrics = scored(data, [CAT, DOG]).metrics
    assert metrics["map_50"] == pytest.approx((51 / 101 + 1) / 2)
    assert metrics["error_missed"] == pytest.approx(1 - metrics["map_50"])


def random_scene(seed: int) -> tuple[Coco, Found]:
    """Return overlapping objects and shifted detections without ties and crowds."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for number in range(24):
        box = [*rng.uniform(0, 60, 2), *rng.uniform(20, 60, 2)]
        cell = {"image_id": int(rng.integers(1, 5)), "category_id": int(rng.integers(1, 4))}
        truth.append({**cell, "id": number + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
        for _ in range(rng.integers(0, 4)):
            label = cell["category_id"] if rng.random() < 0.7 else int(rng.integers(1, 4))
            moved = (np.array(box) + rng.normal(0, 8, 4)).tolist()
            found.append({**cell, "category_id": label, "bbox": moved, "score": rng.random()})
    data = {
        "images": [{"id": i, "width": 200, "height": 200} for i in range(1, 5)],
        "categories": [{"id": i, "name": str(i)} for i in range(1, 4)],
        "annotations": truth,
    }
    return data, found


def hotcoco_run(data: Coco, found: Found) -> Any:
    hotcoco = pytest.importorskip("hotcoco")
    columns = [[f["image_id"], *f["bbox"], f["score"], f["category_id"]] for f in found]
    truth = hotcoco.COCO(data)
    run = hotcoco.COCOeval(truth, truth.load_res(np.array(columns)), "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        run.evaluate()
    return run


@pytest.mark.parametrize("seed", range(8))
def test_without_ties_and_crowds_hotcoco_finds_the_same_costs_and_confusions(seed: int) -> None:
    data, found = random_scene(seed)
    scores, run = scored(data, found), hotcoco_run(data, found)
    names = dict(zip(COSTS, ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"), strict=True))
    theirs = run.tide_errors()["delta_ap"]
    assert {name: scores.metrics[name] for name in COSTS} == pytest.approx(
        {name: theirs[short] for name, short in names.items()}, abs=1e-12
    )
    table = run.confusion_matrix(min_score=scores.metrics["f1_threshold"])["matrix"]
    assert np.array_equal(scores.matrices["confusion"].values, table)


def plain_confusion(data: Coco, found: Found, mine: Matches, threshold: float) -> np.ndarray:
    """Return the matrix by plain loops over the detections that count."""
    ids = sorted(category["id"] for category in data["categories"])
    table = np.zeros((len(ids) + 1, len(ids) + 1))
    truth, order = data["annotations"], sorted(found, key=lambda one: one["image_id"])
    free = {n for n, one in enumerate(truth) if not one["iscrowd"]}
    for row in mine.ranking.tolist():
        one = order[row]
        if one["score"] < threshold:
            continue
        near = [n for n in free if truth[n]["image_id"] == one["image_id"]]
        ious = [(iou(one["bbox"], truth[n]["bbox"]), n) for n in near]
        best, chosen = max(ious, default=(0, -1))
        column = ids.index(one["category_id"])
        if best >= 0.5:
            free.remove(chosen)
            table[ids.index(truth[chosen]["category_id"]), column] += 1
        elif not on_crowd(one, truth):
            table[-1, column] += 1
    for n in free:
        table[ids.index(truth[n]["category_id"]), -1] += 1
    return table


def on_crowd(one: dict[str, Any], truth: list[dict[str, Any]]) -> bool:
    def share(crowd: list[float]) -> float:
        box = one["bbox"]
        width = min(box[0] + box[2], crowd[0] + crowd[2]) - max(box[0], crowd[0])
        height = min(box[1] + box[3], crowd[1] + crowd[3]) - max(box[1], crowd[1])
        return width * height / (box[2] * box[3]) if width > 0 and height > 0 else 0

    same = [t for t in truth if t["iscrowd"] and t["image_id"] == one["image_id"]]
    return any(share(t["bbox"]) >= 0.5 for t in same if t["category_id"] == one["category_id"])


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_the_confusion_matrix_counts_every_object_once(made: tuple[Coco, Found]) -> None:
    data, found = made
    scores, mine = scored(data, found), matched(data, found)
    threshold = scores.metrics["f1_threshold"]
    if threshold is None:
        assert scores.matrices == {}
        assert "confusion" in scores.reasons
        return
    matrix = scores.matrices["confusion"]
    table = np.array(matrix.values)
    assert np.array_equal(table, plain_confusion(data, found, mine, threshold))
    assert table[:-1].sum(axis=1).tolist() == mine.objects.tolist()
    assert matrix.rows == matrix.columns == ("c2", "c5", "c7", "background")


def test_a_detection_left_to_a_crowd_of_its_class_is_no_confusion() -> None:
    data = scene()
    crowd = {**data["annotations"][0], "id": 3, "bbox": [0, 0, 200, 100], "iscrowd": 1}
    data["annotations"].append(crowd)
    scores = scored(data, [one(2, CAT["bbox"], 0.9), CAT])
    assert scores.metrics["f1_threshold"] == 0.5
    assert scores.matrices["confusion"].values == ((0, 1, 0), (0, 0, 1), (0, 0, 0))


def test_a_category_named_background_does_not_hide_the_background() -> None:
    data = scene()
    data["categories"][1]["name"] = "background"
    matrix = scored(data, [CAT]).matrices["confusion"]
    assert matrix == Matrix(
        row_name="truth",
        column_name="prediction",
        rows=("cat", "background (1)", "background (none)"),
        columns=("cat", "background (1)", "background (none)"),
        values=((1, 0, 0), (0, 0, 1), (0, 0, 0)),
    )


def test_a_confusion_matrix_that_would_be_too_large_is_left_out_with_its_reason() -> None:
    scores = scored(scene(), [CAT], CocoBoxes(confusion_classes=1))
    assert scores.matrices == {}
    assert scores.reasons["confusion"] == "2 categories; confusion_classes is 1"


@settings(max_examples=40)
@given(st.lists(st.integers(0, 200_000), max_size=20))
def test_stable_order_is_that_of_a_stable_sort(values: list[int]) -> None:
    expected = np.argsort(values, kind="stable")
    assert np.array_equal(stable_order(np.array(values, np.int64)), expected)
