"""LVIS: federated AP against plain loops and, where it is installed, against lvis-api."""

from __future__ import annotations

import contextlib
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

from benchbench.datasets.coco import Coco
from benchbench.errors import DatasetError
from benchbench.masks import instances, mask_runs
from benchbench.metrics.lvis_boxes import LvisBoxes
from benchbench.metrics.lvis_masks import LvisMasks
from benchbench.protocols import Metric, Resampled
from benchbench.types import Annotation, Category, ClassMap, DatasetSplit, Detections, Image

AREAS = {"all": (0, 1e10), "small": (0, 1024), "medium": (1024, 9216), "large": (9216, 1e10)}
IOUS = np.linspace(0.5, 0.95, 10)
GROUPS = ("rare", "common", "frequent")
CATEGORIES = tuple(
    Category(number, f"c{number}", frequency=frequency)
    for number, frequency in ((9, "rare"), (2, "frequent"), (5, "common"), (7, "rare"))
)
IDS = sorted(category.id for category in CATEGORIES)
CLASSES = ClassMap(
    tuple(category.name for category in CATEGORIES), tuple(category.id for category in CATEGORIES)
)
Found = dict[int, Detections]
Case = tuple[DatasetSplit, Found]

sides = st.sampled_from([4, 10, 33, 60, 100, 120])
boxes = st.tuples(st.integers(0, 3), st.integers(0, 3), sides, sides)


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Draw a federated split with images out of order, and detections near its objects."""
    images, annotations, found = [], [], {}
    for number in draw(st.permutations([3, 8, 21]))[: draw(st.integers(1, 3))]:
        negatives = draw(st.lists(st.sampled_from(IDS), unique=True))
        present = [one for one in IDS if one not in negatives]
        objects = draw(st.lists(st.tuples(st.sampled_from(present or IDS), boxes), max_size=4))
        incomplete = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=2))
        images.append(image(number, negatives, incomplete))
        for category, box in objects if present else []:
            annotations.append(annotation(len(annotations) + 1, number, category, box))
        some = draw(st.lists(st.tuples(st.sampled_from(IDS), boxes, st.integers(0, 9)), max_size=8))
        found[number] = detections(some)
    return split(images, annotations), found


def image(number: int, negatives: Any, incomplete: Any = ()) -> Image:
    name = f"{number}.png"
    return Image(
        number, name, Path(name), 200, 200, negatives=tuple(negatives), incomplete=tuple(incomplete)
    )


def annotation(number: int, owner: int, category: int, box: Any) -> Annotation:
    x, y, width, height = box
    outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return Annotation(
        number, owner, category, tuple(map(float, box)), width * height, segmentation=outline
    )


def split(images: list[Image], annotations: list[Annotation]) -> DatasetSplit:
    return DatasetSplit("tiny", "val", tuple(images), CATEGORIES, tuple(annotations))


def detections(rows: Any) -> Detections:
    rows = sorted(rows, key=lambda row: -row[2])
    return Detections(
        np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[2] / 10 for row in rows], np.float64),
        np.array([row[0] for row in rows], np.int64),
    )


# --- plain loops -------------------------------------------------------------------------


def iou(one: Any, other: Any) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    return float(shared / (one[2] * one[3] + other[2] * other[3] - shared))


def outside(area: float, bounds: tuple[float, float]) -> bool:
    return area < bounds[0] or area > bounds[1]


def matched(objects: Any, found: Any, bounds: Any, least: float, *, forgiven: bool) -> Any:
    """Return (score, hit, ignored) of each detection, best first, and how many objects count."""
    objects = sorted(((outside(one.area, bounds), one) for one in objects), key=lambda one: one[0])
    taken, out = set(), []
    for box, score in sorted(found, key=lambda one: -one[1]):
        best, at = least, None
        for place, (ignored, one) in enumerate(objects):
            if place in taken or (at is not None and ignored and not objects[at][0]):
                continue
            if iou(box, one.bbox) >= best:
                best, at = iou(box, one.bbox), place
        taken.add(at)
        ignored = objects[at][0] if at is not None else forgiven or outside(box[2] * box[3], bounds)
        out.append((score, at is not None, ignored))
    return out, sum(not ignored for ignored, _ in objects)


def precision(rows: Any, count: int) -> tuple[float, float]:
    """Return average precision at 101 recalls, and recall."""
    rows = [hit for _, hit, ignored in sorted(rows, key=lambda row: -row[0]) if not ignored]
    hits = np.cumsum(np.array(rows, np.float64))
    recall, shares = hits / count, hits / np.arange(1, len(hits) + 1)
    points = [
        max((float(p) for p, r in zip(shares, recall, strict=True) if r >= level), default=0.0)
        for level in np.linspace(0, 1, 101)
    ]
    return float(np.mean(points)), float(recall[-1]) if len(recall) else 0.0


def looped(truth: DatasetSplit, found: Found, limit: int) -> dict[str, float | None]:
    """Return LVIS's numbers by the published rules, one category, size and IoU at a time."""
    values: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for size, bounds in AREAS.items():
        for category in IDS:
            parts = [cell(truth, found, owner, category, limit) for owner in by_id(truth)]
            for least in IOUS:
                done = [matched(o, f, bounds, least, forgiven=forgiven) for o, f, forgiven in parts]
                count = sum(one[1] for one in done)
                if count:
                    rows = [row for one in done for row in one[0]]
                    values.setdefault((size, category), []).append(precision(rows, count))

    def mean(size: str, which: int, chosen: Any = IDS, at: slice = slice(None)) -> float | None:
        own = [value[which] for one in chosen for value in values.get((size, one), [])[at]]
        return float(np.mean(own)) if own else None

    groups = {g: [c.id for c in CATEGORIES if c.frequency == g] for g in GROUPS}
    return {
        "map": mean("all", 0),
        "map_50": mean("all", 0, at=slice(0, 1)),
        "map_75": mean("all", 0, at=slice(5, 6)),
        **{f"map_{size}": mean(size, 0) for size in list(AREAS)[1:]},
        **{f"map_{group}": mean("all", 0, own) for group, own in groups.items()},
        f"mar_{limit}": mean("all", 1),
        **{f"mar_{size}": mean(size, 1) for size in list(AREAS)[1:]},
    }


def by_id(truth: DatasetSplit) -> list[Image]:
    return sorted(truth.images, key=lambda one: one.id)


def cell(truth: DatasetSplit, found: Found, owner: Image, category: int, limit: int) -> Any:
    objects = [a for a in truth.annotations if a.image_id == owner.id and a.category_id == category]
    one = found[owner.id]
    order = np.argsort(-one.scores, kind="stable")[:limit]
    own = [(one.boxes[i], one.scores[i]) for i in order if one.labels[i] == category]
    judged = objects or category in owner.negatives
    return objects, own if judged else [], category in owner.incomplete


# --- equality ----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([2, 300]))
def test_all_numbers_are_those_of_the_published_rules(case: Case, limit: int) -> None:
    truth, found = case
    scores = LvisBoxes(max_detections=limit).score(truth, found, CLASSES)
    wanted = looped(truth, found, limit)
    assert list(scores.metrics) == list(wanted)
    for name, value in wanted.items():
        assert scores.metrics[name] == (None if value is None else pytest.approx(value, abs=1e-12))
        assert (name in scores.reasons) == (value is None)


def reference(truth: DatasetSplit, found: Found, limit: int, folder: Path) -> dict[str, float]:
    """Return lvis-api's results."""
    lvis = pytest.importorskip("lvis")
    data = {
        "images": [
            {
                "id": one.id,
                "neg_category_ids": list(one.negatives),
                "not_exhaustive_category_ids": list(one.incomplete),
            }
            for one in truth.images
        ],
        "categories": [{"id": c.id, "frequency": c.frequency[0]} for c in CATEGORIES],
        "annotations": [
            {"id": a.id, "image_id": a.image_id, "category_id": a.category_id}
            | {"bbox": list(a.bbox), "area": a.area, "segmentation": a.segmentation}
            for a in truth.annotations
        ],
    }
    rows = [
        {"image_id": owner.id, "category_id": int(c), "bbox": b.tolist(), "score": float(s)}
        for owner in by_id(truth)
        for b, s, c in zip(
            found[owner.id].boxes, found[owner.id].scores, found[owner.id].labels, strict=True
        )
    ]
    (folder / "truth.json").write_text(json.dumps(data))
    (folder / "found.json").write_text(json.dumps(rows))
    known = lvis.LVIS(str(folder / "truth.json"))
    made = lvis.LVISResults(known, str(folder / "found.json"), limit)
    run = lvis.LVISEval(known, made, "bbox")
    run.params.max_dets = limit
    with contextlib.redirect_stdout(io.StringIO()):
        run.run()
    return run.get_results()


def test_all_numbers_are_those_of_lvis_api(monkeypatch, tmp_path: Path) -> None:
    pytest.importorskip("lvis")
    monkeypatch.setattr(np, "float", float, raising=False)  # lvis 0.5.3 predates numpy 1.24
    keys = "AP AP50 AP75 APs APm APl APr APc APf AR@{} ARs@{} ARm@{} ARl@{}"
    for seed in range(40):
        truth, found = random_case(np.random.default_rng(seed))
        limit = (7, 300)[seed % 2]
        results = reference(truth, found, limit, tmp_path)
        values = LvisBoxes(max_detections=limit).score(truth, found, CLASSES).metrics
        theirs = [float(results[key]) for key in keys.format(*[limit] * 4).split()]
        ours = [-1.0 if value is None else value for value in values.values()]
        assert ours == pytest.approx(theirs, abs=1e-12)


def random_case(rng: np.random.Generator, count: int = 6) -> Case:
    images, annotations, found = [], [], {}
    for number in rng.permutation(np.arange(1, count + 1) * 3).tolist():
        held = rng.random(4) < 0.5
        known = np.array(IDS)[held]
        objects = [
            (int(rng.choice(known)), rng.integers(1, 120, 4)) for _ in range(5) if held.any()
        ]
        negatives = [one for one in IDS if one not in known and rng.random() < 0.5]
        images.append(image(number, negatives, [one for one in IDS if rng.random() < 0.3]))
        annotations += [
            annotation(len(annotations) + i + 1, number, c, tuple(b.tolist()))
            for i, (c, b) in enumerate(objects)
        ]
        near = [(c, b + rng.integers(0, 12, 4), float(rng.integers(1, 9))) for c, b in objects]
        stray = [
            (int(rng.choice(IDS)), rng.integers(1, 120, 4), float(rng.random())) for _ in range(6)
        ]
        found[number] = detections([*near, *stray])
    return split(images, annotations), found


# --- weighted images ---------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(cases())
def test_weights_of_one_give_the_scores_again(case: Case) -> None:
    truth, found = case
    metric = LvisBoxes()
    scores, tally = (act(truth, found, CLASSES) for act in (metric.score, metric.tally))
    ones = np.ones((1, len(truth.images)), np.int64)
    assert list(metric.estimates(tally, ones)) == list(scores.metrics)
    for name, value in metric.estimates(tally, ones).items():
        wanted = scores.metrics[name]
        assert value[0] == pytest.approx(
            np.nan if wanted is None else wanted, abs=1e-12, nan_ok=True
        )
    for name, value in metric.class_estimates(tally, ones).items():
        own = [np.nan if v is None else v for v in scores.per_class[name].values()]
        assert value[0] == pytest.approx(own, abs=1e-12, nan_ok=True)


def test_a_weight_of_two_is_a_copy_of_the_image() -> None:
    truth, found = random_case(np.random.default_rng(5))
    # Scores that no two detections share: copies of tied ones would interleave.
    step = iter(np.linspace(0.99, 0.01, 200))
    found = {
        key: replace(one, scores=np.sort([next(step) for _ in one.scores])[::-1])
        for key, one in found.items()
    }
    weights = np.array([[2, 1, 0, 1, 3, 1]])
    metric = LvisBoxes()
    values = metric.estimates(metric.tally(truth, found, CLASSES), weights)
    scores = metric.score(*repeated(truth, found, weights[0].tolist()), CLASSES)
    for name, value in scores.metrics.items():
        assert values[name][0] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def repeated(truth: DatasetSplit, found: Found, weights: list[int]) -> Case:
    images, annotations, more = [], [], {}
    for owner, weight in zip(truth.images, weights, strict=True):
        for turn in range(weight):
            number = owner.id * 10 + turn
            images.append(replace(owner, id=number))
            more[number] = found[owner.id]
            annotations += [
                replace(a, image_id=number) for a in truth.annotations if a.image_id == owner.id
            ]
    numbered = tuple(replace(a, id=i) for i, a in enumerate(annotations, 1))
    return replace(truth, images=tuple(images), annotations=numbered), more


# --- masks -------------------------------------------------------------------------------


def test_masks_that_fill_their_boxes_score_as_the_boxes() -> None:
    truth, found = random_case(np.random.default_rng(11))
    truth = replace(truth, images=tuple(replace(i, width=300, height=300) for i in truth.images))
    filled = {key: filling(one) for key, one in found.items()}
    boxes, masks = LvisBoxes(), LvisMasks()
    wanted, scores = boxes.score(truth, found, CLASSES), masks.score(truth, filled, CLASSES)
    assert wanted.metrics["map"] not in {0, None}
    assert scores.metrics == pytest.approx(wanted.metrics)
    assert scores.counts == wanted.counts
    ones = np.ones((1, len(truth.images)), np.int64)
    values = masks.estimates(masks.tally(truth, filled, CLASSES), ones)
    assert {name: value[0] for name, value in values.items()} == pytest.approx(scores.metrics)


def filling(one: Detections) -> Any:
    canvas = np.zeros((len(one.scores), 300, 300), np.bool_)
    for mask, (x, y, width, height) in zip(canvas, one.boxes.astype(int), strict=True):
        mask[y : y + height, x : x + width] = True
    return instances(one.boxes, one.scores, one.labels, [mask_runs(mask) for mask in canvas])


# --- rules, and what is refused ----------------------------------------------------------


def test_detections_count_only_where_their_category_was_looked_for() -> None:
    box = (10, 10, 40, 40)
    truth = split([image(1, [], [7]), image(2, [2])], [annotation(1, 1, 2, box)])
    right = detections([(2, box, 5)])

    def score(first: Any, second: Any = ()) -> Any:
        found = {1: detections([(2, box, 5), *first]), 2: detections(second)}
        return LvisBoxes().score(truth, found, CLASSES)

    alone = LvisBoxes().score(truth, {1: right, 2: detections([])}, CLASSES)
    assert alone.metrics["map"] == pytest.approx(1)
    stray = score([(5, box, 9)])
    assert stray.metrics["map"] == pytest.approx(1)
    assert stray.counts["predictions_not_judged"] == 1
    assert score([], [(2, box, 9)]).metrics["map"] == pytest.approx(0.5)
    assert score([(2, (100, 100, 9, 9), 9)]).metrics["map"] == pytest.approx(0.5)


def test_unmatched_detections_of_an_incomplete_category_are_ignored() -> None:
    box = (10, 10, 40, 40)
    truth = split([image(1, [], [2])], [annotation(1, 1, 2, box)])
    found = {1: detections([(2, box, 5), (2, (100, 100, 9, 9), 9)])}
    assert LvisBoxes().score(truth, found, CLASSES).metrics["map"] == pytest.approx(1)


def test_the_limit_is_over_all_categories_of_an_image() -> None:
    box = (10, 10, 40, 40)
    truth = split([image(1, [])], [annotation(1, 1, 2, box)])
    found = {1: detections([(2, box, 5), (5, box, 9), (7, box, 8)])}
    scores = LvisBoxes(max_detections=2).score(truth, found, CLASSES)
    assert scores.metrics["mar_2"] == 0
    assert scores.counts["predictions_beyond_limit"] == 1


def test_a_category_without_frequency_is_told() -> None:
    truth = split([image(1, [])], [annotation(1, 1, 2, (10, 10, 40, 40))])
    plain = replace(truth, categories=tuple(replace(c, frequency="") for c in CATEGORIES))
    scores = LvisBoxes().score(plain, {1: detections([])}, CLASSES)
    assert scores.metrics["map_rare"] is None
    assert "calls no category rare" in scores.reasons["map_rare"]


def test_a_split_that_is_not_federated_is_refused_by_its_first_image() -> None:
    truth = split([image(1, []), replace(image(4, []), negatives=None)], [])
    with pytest.raises(DatasetError, match=r"image 4 \(4.png\)") as caught:
        LvisBoxes().score(truth, {1: detections([]), 4: detections([])}, CLASSES)
    assert "neg_category_ids" in str(caught.value.hint)
    assert "coco-boxes" in str(caught.value.hint)


def test_an_lvis_file_is_scored_from_end_to_end(tmp_path: Path) -> None:
    body = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 200, "height": 200}
            | {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
        ],
        "categories": [
            {"id": 1, "name": "a", "frequency": "r"},
            {"id": 2, "name": "b", "frequency": "c"},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 10, 40, 40], "area": 1600}
        ],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(body))
    card = Coco(root=tmp_path, files={"val": {"annotations": "lvis.json"}})
    truth = card.load("val", "detection", tmp_path)
    found = {1: detections([(1, (0, 0, 9, 9), 9), (2, (10, 10, 40, 40), 5)])}
    scores = LvisBoxes().score(truth, found, ClassMap(("a", "b"), (1, 2)))
    assert scores.metrics["map_common"] == pytest.approx(1)
    assert scores.reasons["map_rare"] == "no rare category has an object"


def test_the_metrics_keep_their_contract() -> None:
    for metric in (LvisBoxes(), LvisMasks()):
        assert isinstance(metric, Metric)
        assert isinstance(metric, Resampled)
    with pytest.raises(ValidationError):
        LvisBoxes(max_detections=0)
