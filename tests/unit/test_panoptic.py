"""Panoptic quality, its decoder and its files: by hand, and against the tools that define them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from pydantic import ValidationError

from benchbench.classes import class_map
from benchbench.datasets.panoptic import CocoPanoptic as Truths
from benchbench.decoders.mask_queries import MaskQueries
from benchbench.errors import DecoderMismatch, PredictionError
from benchbench.metrics import panoptic_segments
from benchbench.metrics.panoptic import PanopticMetrics
from benchbench.predictions.coco_panoptic import CocoPanoptic
from benchbench.protocols import Decoder, Metric, PredictionFile, Resampled
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    DatasetSplit,
    Geometry,
    Image,
    LabelMap,
    PanopticMap,
    Scores,
)

CATEGORIES = (
    Category(3, "person"),
    Category(5, "car"),
    Category(8, "sky", thing=False),
    Category(9, "road", thing=False),
)
CLASSES = class_map(CATEGORIES, None, None)
Item = tuple[int, bool]
"""Category and whether a crowd, of one true segment."""


def runs(mask: np.ndarray) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.T.ravel()])
    counts = np.diff([0, *np.flatnonzero(flat[1:] != flat[:-1]), mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def split_of(truths: list[tuple[np.ndarray, list[Item]]], **changes: Any) -> DatasetSplit:
    """Return a split of images whose segments are numbered in a map, with category and crowd."""
    items = [
        (image, number, one)
        for image, (_, segments) in enumerate(truths)
        for number, one in enumerate(segments, 1)
    ]
    annotations = tuple(
        Annotation(
            id=place,
            image_id=image,
            category_id=category,
            area=float((truths[image][0] == number).sum()),
            iscrowd=crowd,
            segmentation=runs(truths[image][0] == number),
        )
        for place, (image, number, (category, crowd)) in enumerate(items, 1)
    )
    images = tuple(
        Image(i, f"{i}.png", Path(f"{i}.png"), one.shape[1], one.shape[0])
        for i, (one, _) in enumerate(truths)
    )
    split = DatasetSplit("test", "val", images, CATEGORIES, annotations, dense=True)
    return replace(split, **changes)


def maps_of(predicted: list[tuple[np.ndarray, list[int]]]) -> dict[int, PanopticMap]:
    return {
        i: PanopticMap(np.asarray(one, np.uint16), np.array(labels, np.int64))
        for i, (one, labels) in enumerate(predicted)
    }


def scored(
    truths: list[tuple[Any, list[Item]]],
    predicted: list[tuple[Any, list[int]]],
    metric: PanopticMetrics | None = None,
    **changes: Any,
) -> Scores:
    split = split_of([(np.array(one), items) for one, items in truths], **changes)
    return (metric or PanopticMetrics()).score(split, maps_of(predicted), CLASSES)


def compact(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Return *numbers* renumbered from 1 without gaps, 0 kept, and how many there are."""
    found = np.unique(numbers[numbers > 0])
    return np.searchsorted(found, numbers) * (numbers > 0) + (numbers > 0), len(found)


def random_case(seed: int, *, crowds: bool = True, void: bool = True) -> tuple[list, list]:
    """Return truth and a prediction that finds part of it, with things that go wrong."""
    rng = np.random.default_rng(seed)
    truths, predicted = [], []
    known = rng.choice([3, 5, 8, 9], rng.integers(1, 5), replace=False)
    for _ in range(rng.integers(1, 4)):
        height, width = rng.integers(4, 14, 2)
        truth = np.full((height, width), 0 if void else 1)
        found = truth.copy()
        for number in range(1, rng.integers(2, 9)):
            top, left = rng.integers(0, (height - 1, width - 1))
            bottom, right = rng.integers((top, left), (height, width)) + 1
            truth[top:bottom, left:right] = number
            shift = rng.integers(-1, 2, 4) * (rng.random(4) < 0.4)
            a, b, c, d = np.maximum(np.array([top, bottom, left, right]) + shift, 0)
            if rng.random() < 0.9:
                found[a:b, c:d] = number
        if void:
            found[rng.random(found.shape) < 0.05] = 0
        truth, count = compact(truth)
        categories = rng.choice(known, count).tolist()
        flags = (rng.random(count) < 0.25).tolist() if crowds else [False] * count
        one_crowd: set[int] = set()
        items = []
        for category, crowd in zip(categories, flags, strict=True):
            # Several crowds of a category are told apart by order alone: a test of its own.
            items.append((category, crowd and category not in one_crowd))
            one_crowd |= {category} if crowd else set()
        truths.append((truth, items))
        old = found
        found, count = compact(found)
        labels = []
        for number in range(1, count + 1):
            own = truth[old == old[found == number][0]]
            common = np.bincount(own).argmax()
            right = common > 0 and rng.random() < 0.85
            labels.append(items[common - 1][0] if right else int(rng.choice([3, 5, 8, 9])))
        predicted.append((found, labels))
    return truths, predicted


# --- the published evaluation ------------------------------------------------------------


def published(truths: list, predicted: list, categories: Any) -> dict[int, list[float]]:
    """Return [IoU, TP, FP, FN] of each category, as panopticapi's evaluation.py sums them."""
    stat: dict[int, list[float]] = {category: [0.0, 0, 0, 0] for category in categories}
    for (truth, items), (found, labels) in zip(truths, predicted, strict=True):
        both: dict[tuple[int, int], int] = defaultdict(int)
        for pair in zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True):
            both[pair] += 1
        areas = np.bincount(found.ravel(), minlength=len(labels) + 1)
        sizes = np.bincount(truth.ravel(), minlength=len(items) + 1)
        hit_truth, hit_found = set(), set()
        for (t, p), shared in both.items():
            if not t or not p or items[t - 1][1] or items[t - 1][0] != labels[p - 1]:
                continue
            iou = shared / (areas[p] + sizes[t] - shared - both.get((0, p), 0))
            if iou > 0.5:
                stat[labels[p - 1]][0] += iou
                stat[labels[p - 1]][1] += 1
                hit_truth.add(t)
                hit_found.add(p)
        crowd = {}
        for t, (category, is_crowd) in enumerate(items, 1):
            if is_crowd:
                crowd[category] = t
            elif t not in hit_truth:
                stat[category][3] += 1
        for p, category in enumerate(labels, 1):
            spared = both.get((0, p), 0)
            spared += both.get((crowd[category], p), 0) if category in crowd else 0
            if p not in hit_found and spared / areas[p] <= 0.5:
                stat[category][2] += 1
    return stat


def averaged(stat: dict[int, list[float]], things: bool | None) -> list[float] | None:
    rows = [
        (iou / (tp + fp / 2 + fn / 2), iou / tp if tp else 0.0, tp / (tp + fp / 2 + fn / 2))
        for category in CATEGORIES
        for iou, tp, fp, fn in [stat[category.id]]
        if things in {None, category.thing} and tp + fp + fn
    ]
    return np.mean(rows, axis=0).tolist() if rows else None


GROUPS = {"": None, "_things": True, "_stuff": False}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_every_figure_is_that_of_the_published_evaluation(seed) -> None:
    truths, predicted = random_case(seed)
    scores = scored(truths, predicted)
    stat = published(truths, predicted, [category.id for category in CATEGORIES])
    for suffix, things in GROUPS.items():
        found = [scores.metrics[f"{name}{suffix}"] for name in ("pq", "sq", "rq")]
        expected = averaged(stat, things)
        assert found == ([None] * 3 if expected is None else pytest.approx(expected, abs=1e-12))
    totals = np.sum(list(stat.values()), axis=0)[1:]
    names = ("matched", "unmatched_predictions", "missed")
    assert [scores.counts[name] for name in names] == totals.tolist()


@pytest.mark.parametrize("seed", range(15))
def test_every_figure_is_that_of_hotcoco(seed) -> None:
    from hotcoco.panoptic import PanopticEval

    truths, predicted = random_case(seed)
    scores = scored(truths, predicted)

    def document(cases: list, item: Any) -> dict[str, Any]:
        rows = [
            {"image_id": i, "segmentation": runs(one == n), "area": int((one == n).sum())}
            | {"bbox": [0, 0, 1, 1], "iscrowd": 0}
            | item(entry)
            for i, (one, entries) in enumerate(cases, 1)
            for n, entry in enumerate(entries, 1)
        ]
        images = [
            {"id": i, "file_name": f"{i}", "height": one.shape[0], "width": one.shape[1]}
            for i, (one, _) in enumerate(cases, 1)
        ]
        known = [{"id": c.id, "name": c.name, "isthing": int(c.thing)} for c in CATEGORIES]
        numbered = [{"id": n, **row} for n, row in enumerate(rows, 1)]
        return {"images": images, "categories": known, "annotations": numbered}

    evaluation = PanopticEval(
        document(truths, lambda item: {"category_id": item[0], "iscrowd": int(item[1])}),
        document(predicted, lambda label: {"category_id": label}),
    )
    evaluation.evaluate()
    result = evaluation.results()
    for suffix, group in {"": "All", "_things": "Things", "_stuff": "Stuff"}.items():
        for name in ("pq", "sq", "rq"):
            found = scores.metrics[f"{name}{suffix}"]
            expected = result[group][name]
            assert found == (pytest.approx(expected, abs=1e-12) if expected >= 0 else None)
    for category in CATEGORIES:
        own = result["per_class"].get(category.id, {"tp": 0, "fp": 0, "fn": 0})
        pq = scores.per_class["pq"][category.name]
        some = own["tp"] + own["fp"] + own["fn"]
        assert pq == (pytest.approx(own["pq"], abs=1e-12) if some else None)


@pytest.mark.parametrize("seed", range(6))
def test_without_crowds_torchmetrics_agrees_where_stuff_is_made_one(seed) -> None:
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchmetrics.detection")
    truths, predicted = random_case(seed, crowds=False)
    # It takes pixels without prediction from the union too, so that none are left here.
    predicted = [
        (np.where(found == 0, len(labels) + 1, found), [*labels, 9])
        if (found == 0).any()
        else (found, labels)
        for found, labels in predicted
    ]
    metric = detection.PanopticQuality(
        things={3, 5}, stuffs={8, 9}, return_per_class=True, allow_unknown_preds_category=True
    )

    def pairs(one: np.ndarray, categories: list[int]) -> Any:
        # Its void is a category that it does not know.
        return torch.tensor(np.stack([np.array([77, *categories])[one], one], -1))[None]

    for (truth, items), (found, labels) in zip(truths, predicted, strict=True):
        metric.update(pairs(found, labels), pairs(truth, [item[0] for item in items]))
    theirs = dict(zip((3, 5, 8, 9), metric.compute()[0].tolist(), strict=True))
    ours = scored(truths, predicted, PanopticMetrics(fuse_stuff=True)).per_class["pq"]
    shared = [c for c in CATEGORIES if ours[c.name] is not None]
    assert shared
    for category in shared:
        assert ours[category.name] == pytest.approx(theirs[category.id], abs=1e-6)  # float32


# --- by hand -----------------------------------------------------------------------------

# A person of six pixels, sky of four, two void.
TRUTH = [[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 2, 2]]
ITEMS: list[Item] = [(3, False), (8, False)]


def test_numbers_computed_by_hand() -> None:
    # Of the person four pixels are found; of the sky all, and two pixels of void beside.
    found = [[1, 1, 0, 2], [1, 1, 0, 2], [2, 2, 2, 2]]
    scores = scored([(TRUTH, ITEMS)], [(found, [3, 8])])
    assert scores.per_class["pq"] == {"person": 4 / 6, "car": None, "sky": 1.0, "road": None}
    assert scores.metrics["pq"] == pytest.approx(5 / 6)
    assert (scores.metrics["pq_things"], scores.metrics["pq_stuff"]) == (4 / 6, 1.0)
    assert (scores.primary, scores.counts["void_pixels"]) == ("pq", 2)


def test_an_iou_of_exactly_one_half_is_no_match() -> None:
    scores = scored([(TRUTH, ITEMS)], [([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], [3])])
    assert scores.per_class["rq"]["person"] == 0
    assert scores.counts["unmatched_predictions"] == 1


def test_a_segment_without_a_match_has_an_sq_of_zero_or_none() -> None:
    nothing = (np.zeros((3, 4)), [])
    zero = scored([(TRUTH, ITEMS)], [nothing])
    assert zero.metrics["sq"] == 0
    assert zero.convention["mean"].endswith("has an SQ of 0")
    skip = scored([(TRUTH, ITEMS)], [nothing], PanopticMetrics(sq_without_match="skip"))
    assert (skip.metrics["sq"], skip.metrics["pq"]) == (None, 0)
    assert skip.reasons["sq_stuff"] == "of no stuff class a segment is matched"
    assert skip.per_class["sq"]["sky"] is None
    assert "none is matched" in skip.reasons["per_class"]
    assert "none is matched" not in zero.reasons["per_class"]


def test_what_is_absent_is_none_with_a_reason() -> None:
    scores = scored([(np.zeros((3, 4)), [])], [(np.ones((3, 4)), [3])])
    assert set(scores.metrics.values()) == {None}
    assert set(scores.reasons) == {*scores.metrics, "per_class"}
    assert "no stuff class has a segment" in scores.reasons["rq_stuff"]
    assert scores.counts["ignored_predictions"] == 1


def test_of_several_crowds_of_a_class_the_last_absorbs_as_in_panopticapi() -> None:
    truth = [[1, 1, 2, 2]]
    items = [(3, True), (3, True)]
    for found, excused in [([[1, 1, 0, 0]], 0), ([[0, 0, 1, 1]], 1), ([[1, 1, 1, 1]], 0)]:
        scores = scored([(truth, items)], [(found, [3])])
        assert scores.counts["ignored_predictions"] == excused
        stat = published([(np.array(truth), items)], [(np.array(found), [3])], [3])
        assert scores.counts["unmatched_predictions"] == stat[3][2]


def test_a_crowd_does_not_absorb_another_class() -> None:
    scores = scored([([[1, 1]], [(3, True)])], [([[1, 1]], [5])])
    assert scores.per_class["pq"]["car"] == 0


@pytest.mark.parametrize("label", [3, 8])
def test_a_segment_outside_of_the_slice_costs_nothing_found_or_missed(label) -> None:
    split = split_of([(np.array(TRUTH), ITEMS)])
    first = replace(split.annotations[0], ignored=True)
    split = replace(split, annotations=(first, split.annotations[1]))
    for found in ([[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 2, 2]], [[1, 1, 0, 2]] * 2 + [[0, 0, 2, 2]]):
        maps = maps_of([(found, [label, 8])])
        scores = PanopticMetrics().score(split, maps, CLASSES)
        assert scores.per_class["pq"] == {"person": None, "car": None, "sky": 1.0, "road": None}
        assert scores.counts["ignored_predictions"] == 1
    missed = maps_of([([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1]], [8])])
    assert PanopticMetrics().score(split, missed, CLASSES).metrics["pq"] == 1


def test_an_ignored_segment_leaves_the_iou_of_others_as_it_was() -> None:
    found = [[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2]]
    split = split_of([(np.array(TRUTH), ITEMS)])
    first = replace(split.annotations[0], ignored=True)
    sliced = replace(split, annotations=(first, split.annotations[1]))
    whole, part = (
        PanopticMetrics().score(one, maps_of([(found, [3, 8])]), CLASSES) for one in (split, sliced)
    )
    assert whole.per_class["sq"]["sky"] == part.per_class["sq"]["sky"] == 4 / 6


def test_truth_of_categories_that_the_model_lacks_is_missed_or_void() -> None:
    classes = ClassMap(("person",), (3,))
    split = split_of([(np.array(TRUTH), ITEMS)])
    maps = maps_of([([[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]], [3])])
    missed = PanopticMetrics().score(split, maps, classes)
    assert (missed.metrics["pq"], missed.counts["categories_without_model_class"]) == (0.5, 3)
    void = PanopticMetrics(lacking="void").score(split, maps, classes)
    assert (void.metrics["pq"], void.metrics["pq_stuff"]) == (1, None)


def test_stuff_in_pieces_is_one_only_where_that_is_asked_for() -> None:
    found = ([[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 3, 3]], [3, 8, 8])
    assert scored([(TRUTH, ITEMS)], [found]).per_class["pq"]["sky"] == 0
    fused = scored([(TRUTH, ITEMS)], [found], PanopticMetrics(fuse_stuff=True))
    assert fused.per_class["pq"]["sky"] == fused.per_class["pq"]["person"] == 1


def test_where_annotations_overlap_the_smaller_is_seen_and_a_hidden_one_left_out() -> None:
    split = split_of([(np.array(TRUTH), ITEMS)])
    person = split.annotations[0]
    car = replace(person, id=7, category_id=5, segmentation=runs(np.array(TRUTH) == -1))
    dot = np.zeros((3, 4), bool)
    dot[0, 0] = True
    split = replace(
        split,
        annotations=(
            replace(person, id=8, category_id=9, segmentation=runs(dot)),
            *split.annotations,
            car,
        ),
    )
    found = [[3, 1, 1, 2], [1, 1, 1, 2], [0, 0, 2, 2]]
    scores = PanopticMetrics().score(split, maps_of([(found, [3, 8, 9])]), CLASSES)
    assert scores.metrics["pq"] == 1
    assert (scores.counts["covered_pixels"], scores.counts["hidden_segments"]) == (1, 1)


def test_many_segments_are_counted_without_a_table_of_all_pairs(monkeypatch) -> None:
    truths, predicted = random_case(3)
    expected = scored(truths, predicted)
    monkeypatch.setattr(panoptic_segments, "_DENSE_CELLS", 0)
    whole = np.arange(1, 101).reshape(10, 10)
    many = (whole, [(3, False)] * 100)
    assert scored([many], [(whole, [3] * 100)]).counts["matched"] == 100
    assert scored(truths, predicted) == expected


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (PanopticMap(np.zeros((2, 4), np.uint16), np.zeros(0, np.int64)), "2 × 4 pixels.* 3 × 4"),
        (
            PanopticMap(np.full((3, 4), 2, np.uint16), np.array([3])),
            "of segment 2, but there are 1",
        ),
        (
            PanopticMap(np.ones((3, 4), np.uint16), np.array([3, 3])),
            "segment 2 has a label, but no",
        ),
        (
            PanopticMap(np.ones((3, 4), np.uint16), np.array([4])),
            "category 4 is not in the dataset",
        ),
        (LabelMap(np.ones((3, 4), np.uint8)), "PanopticMap expected, not LabelMap"),
    ],
)
def test_maps_that_contradict_themselves_are_refused(prediction, message) -> None:
    split = split_of([(np.array(TRUTH), ITEMS)])
    with pytest.raises(PredictionError, match=f"image 0: .*{message}"):
        PanopticMetrics().score(split, {0: prediction}, CLASSES)


# --- over weighted images ----------------------------------------------------------------


@pytest.mark.parametrize("metric", [PanopticMetrics(), PanopticMetrics(sq_without_match="skip")])
@pytest.mark.parametrize("seed", range(5))
def test_weighted_images_give_what_their_copies_give(metric, seed) -> None:
    rng = np.random.default_rng(seed)
    cases = [random_case(10 * seed + i) for i in range(4)]
    truths, predicted = ([one for case in cases for one in case[k]] for k in (0, 1))
    assert isinstance(metric, Resampled)
    assert isinstance(metric, Metric)
    tally = metric.tally(split_of(truths), maps_of(predicted), CLASSES)
    assert all(array.dtype != object for array in tally.arrays.values())
    weights = rng.integers(0, 3, (6, len(truths)))
    weights[0] = 1
    found, by_class = metric.estimates(tally, weights), metric.class_estimates(tally, weights)
    for row, times in enumerate(weights):
        again = np.repeat(np.arange(len(truths)), times)
        scores = scored([truths[i] for i in again], [predicted[i] for i in again], metric)
        for name, value in scores.metrics.items():
            expected = np.nan if value is None else value
            np.testing.assert_allclose(found[name][row], expected, atol=1e-12)
        for name, values in scores.per_class.items():
            expected = [np.nan if value is None else value for value in values.values()]
            np.testing.assert_allclose(by_class[name][row], expected, atol=1e-12)


# --- decoder -----------------------------------------------------------------------------

PLAIN = Geometry(12, 9, 12, 9, 1.0, 1.0, 0.0, 0.0)
STRETCHED = Geometry(37, 26, 48, 32, 48 / 37, 32 / 26, 0.0, 0.0)


def queries(seed: int, count: int = 12, images: int = 2) -> dict[str, np.ndarray]:
    """Return logits of *count* queries of three classes, most of which see something."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, count, 4))
    y, x = np.mgrid[0:8, 0:12]
    centre = rng.uniform(0, 1, (2, images, count, 1, 1)) * np.array([8, 12]).reshape(2, 1, 1, 1, 1)
    near = np.hypot(y - centre[0], x - centre[1])
    masks = 3 * (rng.uniform(1, 4, (images, count, 1, 1)) - near) + rng.normal(0, 0.5, near.shape)
    names = "class_queries_logits", "masks_queries_logits"
    return dict(zip(names, (logits.astype(np.float32), masks.astype(np.float32)), strict=True))


THREE = ClassMap(("a", "b", "c"), (4, 7, 9))


def by_torch(feed: dict[str, np.ndarray], decoder: MaskQueries, size: tuple[int, int]) -> Any:
    """Yield (map, labels) of each image by either rule's formula, with torch's interpolation."""
    torch = pytest.importorskip("torch")

    def resized(values: Any, to: Any) -> Any:
        found = torch.nn.functional.interpolate(values[None], size=to, mode="bilinear")
        return found[0]

    for classes, every in zip(*map(torch.tensor, feed.values()), strict=True):
        scores, labels = classes.softmax(-1).max(-1)
        keep = labels.ne(3) & (scores > decoder.threshold)
        scores, labels, masks = scores[keep], labels[keep], every[keep]
        if decoder.first_resize is not None:
            masks = resized(masks, decoder.first_resize)
        if decoder.rules == "transformers":
            own = weighted = resized(masks.sigmoid(), size) * scores.view(-1, 1, 1)
        else:
            own = resized(masks, size).sigmoid()
            weighted = own * scores.view(-1, 1, 1)
        segments, found = np.zeros(size, int), []
        winner = weighted.argmax(0)
        for k, label in enumerate(labels.tolist()):
            mask, area = winner == k, (own[k] >= decoder.mask_threshold).sum()
            share, least = mask.sum() / area, decoder.overlap_mask_area_threshold
            enough = share > least if decoder.rules == "transformers" else share >= least
            if decoder.rules == "maskformer":
                mask = mask & (own[k] >= decoder.mask_threshold)
            if area and mask.any() and enough:
                found.append(THREE.category_ids[label])
                segments[mask.numpy()] = len(found)
        yield segments, found


@pytest.mark.parametrize("geometry", [PLAIN, STRETCHED])
@pytest.mark.parametrize(
    "decoder",
    [
        MaskQueries(),
        MaskQueries(rules="maskformer"),
        MaskQueries(threshold=0.2, mask_threshold=0.3, overlap_mask_area_threshold=0.4),
        MaskQueries(first_resize=(20, 24), overlap_mask_area_threshold=0.3),
        MaskQueries(rules="maskformer", first_resize=(30, 33), overlap_mask_area_threshold=0.1),
    ],
)
def test_masks_become_segments_by_the_rules_of_either_tool(decoder, geometry) -> None:
    some = 0
    for seed in range(4):
        feed = queries(seed)
        found = decoder.decode(feed, [geometry] * 2, THREE)
        size = geometry.image_height, geometry.image_width
        for ours, (segments, labels) in zip(found, by_torch(feed, decoder, size), strict=True):
            assert ours.labels.tolist() == labels
            np.testing.assert_array_equal(ours.segments, segments)
            some += len(labels)
    assert some > 8


@pytest.mark.parametrize("family", ["maskformer", "mask2former", "oneformer"])
def test_masks_become_the_segments_of_transformers(family) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from types import SimpleNamespace

    processors = pytest.importorskip(f"transformers.models.{family}.image_processing_{family}")
    name = {"maskformer": "MaskFormer", "mask2former": "Mask2Former", "oneformer": "OneFormer"}
    processor = getattr(processors, f"{name[family]}ImageProcessor")
    for seed in range(3):
        feed = queries(seed)
        theirs = processor.post_process_panoptic_segmentation(
            None,
            SimpleNamespace(**{key: torch.tensor(value) for key, value in feed.items()}),
            overlap_mask_area_threshold=0.5,
            label_ids_to_fuse=set(),
            target_sizes=[(26, 37)] * 2,
        )
        decoder = MaskQueries(
            overlap_mask_area_threshold=0.5,
            first_resize=(384, 384) if family == "mask2former" else None,
        )
        for ours, one in zip(decoder.decode(feed, [STRETCHED] * 2, THREE), theirs, strict=True):
            labels = [THREE.category_ids[item["label_id"]] for item in one["segments_info"]]
            assert ours.labels.tolist() == labels
            np.testing.assert_array_equal(ours.segments, one["segmentation"].clamp(min=0).numpy())


@pytest.mark.parametrize("stuff", [("B", 2), (1, "c")])
def test_segments_of_stuff_are_made_one_and_all_else_stays(stuff) -> None:
    united = 0
    for seed in range(4):
        feed = queries(seed)
        geometries = [STRETCHED] * 2
        apart = MaskQueries(overlap_mask_area_threshold=0.3).decode(feed, geometries, THREE)
        decoder = MaskQueries(overlap_mask_area_threshold=0.3, stuff=stuff)
        for before, after in zip(apart, decoder.decode(feed, geometries, THREE), strict=True):
            categories = [np.append(0, one.labels)[one.segments] for one in (before, after)]
            np.testing.assert_array_equal(*categories)
            for category in (7, 9):
                assert after.labels.tolist().count(category) <= 1
            assert (after.labels == 4).sum() == (before.labels == 4).sum()
            assert np.unique(after.segments).tolist()[-1:] == [len(after.labels)]
            united += len(before.labels) - len(after.labels)
    assert united > 2


def test_the_padding_of_a_letterbox_takes_no_part() -> None:
    feed = queries(1, images=1)
    inside = MaskQueries().decode(feed, [Geometry(24, 16, 24, 16, 1, 1, 0, 0)], THREE)
    framed = {
        name: values if values.ndim == 3 else np.pad(values, ((0, 0), (0, 0), (2, 2), (0, 0)))
        for name, values in feed.items()
    }
    framed["masks_queries_logits"][:, :, [0, 1, -2, -1]] = 50
    boxed = MaskQueries().decode(framed, [Geometry(24, 16, 24, 24, 1, 1, 0, 4)], THREE)
    assert len(inside[0].labels)
    np.testing.assert_array_equal(inside[0].segments, boxed[0].segments)


def test_a_class_that_the_dataset_lacks_leaves_its_pixels_to_none() -> None:
    feed = queries(0)
    whole = MaskQueries().decode(feed, [PLAIN] * 2, THREE)
    lacking = MaskQueries().decode(feed, [PLAIN] * 2, ClassMap(("a", "b", "c"), (4, None, 9)))
    for one, other in zip(whole, lacking, strict=True):
        kept = one.labels != 7
        assert other.labels.tolist() == one.labels[kept].tolist()
        shown = np.append(False, kept)[one.segments]
        np.testing.assert_array_equal(other.segments > 0, shown)


def test_no_query_above_the_threshold_gives_an_empty_map() -> None:
    (found,) = MaskQueries(threshold=1).decode(queries(0, images=1), [PLAIN], THREE)
    assert found.segments.shape == (9, 12)
    assert not found.segments.any()
    assert not found.labels.size


def test_the_two_outputs_are_found_by_name_among_others() -> None:
    feed = queries(2)
    (one, *_) = MaskQueries().decode({"loss": np.zeros(1), **feed}, [PLAIN] * 2, THREE)
    renamed = dict(zip(["pred_masks", "logits"], reversed(feed.values()), strict=True))
    decoder = MaskQueries(outputs=("logits", "pred_masks"))
    (other, *_) = decoder.decode(renamed, [PLAIN] * 2, THREE)
    np.testing.assert_array_equal(one.segments, other.segments)


def test_a_decoder_that_does_not_fit_says_what_it_expected() -> None:
    feed = queries(0)
    with pytest.raises(DecoderMismatch, match=r"3 class channels, .* has 2; expected class logits"):
        MaskQueries().decode(feed, [PLAIN], ClassMap(("a", "b"), (1, 2)))
    with pytest.raises(DecoderMismatch, match="1 outputs instead of 2"):
        MaskQueries().decode({"logits": feed["class_queries_logits"]}, [PLAIN], THREE)
    with pytest.raises(DecoderMismatch, match="'stuff' names 'grass', which is no class"):
        MaskQueries(stuff=("grass",)).decode(feed, [PLAIN], THREE)
    feed["masks_queries_logits"][:] = np.nan
    with pytest.raises(DecoderMismatch, match="'masks_queries_logits' holds nan"):
        MaskQueries().decode(feed, [PLAIN], THREE)
    with pytest.raises(ValidationError):
        MaskQueries(threshold=1.5)


def test_the_card_says_whose_rules_and_which_thresholds() -> None:
    assert isinstance(MaskQueries(), Decoder)
    card = MaskQueries(first_resize=(384, 384), stuff=("a", 2)).describe()
    assert card["decoder"] == "mask queries, transformers' rules"
    assert "logits first to 384 × 384" in card["masks"]
    assert card["stuff"].startswith("2 classes")
    assert "≥ 0.8" in MaskQueries(rules="maskformer").describe()["kept"]


# --- files -------------------------------------------------------------------------------


def save(folder: Path, name: str, ids: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    Picture.fromarray(colours).save(folder / name)


def entries(cases: list, key: Any, step: int, image: int = 100) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image + i,
            "file_name": f"{image + i:012d}.png",
            "segments_info": [
                {"id": step * number, **key(one)} for number, one in enumerate(items, 1)
            ],
        }
        for i, (_, items) in enumerate(cases)
    ]


def written(root: Path, truths: list, predicted: list) -> tuple[Truths, Path]:
    """Write a COCO panoptic dataset and results for it; return the dataset and the JSON file."""
    images = [
        {"id": 100 + i, "file_name": f"{100 + i:012d}.jpg", "height": one.shape[0]}
        | {"width": one.shape[1]}
        for i, (one, _) in enumerate(truths)
    ]
    for entry, (one, _) in zip(images, truths, strict=True):
        (root / "images").mkdir(parents=True, exist_ok=True)
        Picture.fromarray(np.zeros((*one.shape, 3), np.uint8)).save(
            root / "images" / entry["file_name"]
        )
    known = [{"id": c.id, "name": c.name, "isthing": int(c.thing)} for c in CATEGORIES]
    truth = {
        "images": images,
        "categories": known,
        "annotations": entries(
            truths, lambda one: {"category_id": one[0], "iscrowd": int(one[1])}, 70001
        ),
    }
    results = {"annotations": entries(predicted, lambda one: {"category_id": one}, 257)}
    for folder, cases, step in (("truth", truths, 70001), ("results", predicted, 257)):
        for i, (one, _) in enumerate(cases):
            save(root / folder, f"{100 + i:012d}.png", one * step)
    (root / "truth.json").write_text(json.dumps(truth))
    (root / "results.json").write_text(json.dumps(results))
    files = {"val": {"images": "images", "annotations": "truth.json", "masks": "truth"}}
    return Truths.model_validate({"root": root, "files": files}), root / "results.json"


def test_a_panoptic_dataset_and_its_results_are_scored_from_their_files(tmp_path) -> None:
    truths, predicted = random_case(11)
    dataset, results = written(tmp_path, truths, predicted)
    split = dataset.load("val", "panoptic-segmentation", tmp_path / "cache")
    assert [c.thing for c in split.categories] == [True, True, False, False]
    assert [a.iscrowd for a in split.annotations] == [i[1] for _, items in truths for i in items]
    classes = class_map(split.categories, None, None)
    file = CocoPanoptic(path=results)
    assert isinstance(file, PredictionFile)
    maps = file.read(split, classes, "panoptic-segmentation")
    found = PanopticMetrics().score(split, maps, classes)
    expected = scored(truths, predicted)
    assert found.metrics["pq"] is not None
    assert (found.metrics, found.per_class) == (expected.metrics, expected.per_class)
    assert set(file.fingerprint()) == {"results.json", "PNG files"}


def test_the_things_of_a_category_that_does_not_say_are_counted(tmp_path) -> None:
    dataset, _ = written(tmp_path, [(np.array(TRUTH), ITEMS)], [])
    text = (tmp_path / "truth.json").read_text().replace('"isthing": 1', '"color": [1, 2, 3]')
    (tmp_path / "truth.json").write_text(text)
    split = dataset.load("val", "panoptic-segmentation", tmp_path / "cache")
    assert [c.thing for c in split.categories] == [True, True, False, False]


def test_hotcoco_reads_the_same_figures_from_the_same_files(tmp_path) -> None:
    from hotcoco.panoptic import pq_compute

    truths, predicted = random_case(4)
    _, results = written(tmp_path, truths, predicted)
    theirs = pq_compute(tmp_path / "truth.json", results)
    assert scored(truths, predicted).metrics["pq"] == pytest.approx(theirs["All"]["pq"], abs=1e-12)


def case(root: Path) -> tuple[DatasetSplit, CocoPanoptic, dict[str, Any]]:
    """Return a split whose ids are its file's, results for it, and their JSON."""
    found = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 2, 2]])
    split = split_of([(np.array(TRUTH), ITEMS)])
    save(root / "masks", "0.png", found * 300)
    segments = [{"id": 300, "category_id": 3}, {"id": 600, "category_id": 8}]
    entry = {"image_id": 0, "file_name": "0.png", "segments_info": segments}
    body = {"annotations": [entry]}
    (root / "results.json").write_text(json.dumps(body))
    return split, CocoPanoptic(path=root / "results.json", folder=root / "masks"), body


def test_images_and_categories_may_be_named_in_other_ways(tmp_path) -> None:
    split, file, body = case(tmp_path)
    expected = file.read(split, CLASSES, "panoptic-segmentation")[0]
    assert expected.segments.dtype == np.uint16
    body["annotations"][0]["segments_info"] = [
        {"id": 300, "category_id": 1},
        {"id": 600, "category_id": 3},
    ]
    (tmp_path / "masks" / "0.png").rename(tmp_path / "masks" / "other.png")
    body["annotations"][0]["file_name"] = "other.png"
    file.path.write_text(json.dumps(body["annotations"]))
    options = {"images": "id", "categories": "index", "first_index": 1}
    other = CocoPanoptic(path=file.path, folder=file.folder, **options)
    found = other.read(split, CLASSES, "panoptic-segmentation")[0]
    np.testing.assert_array_equal(found.segments, expected.segments)
    assert found.labels.tolist() == expected.labels.tolist() == [3, 8]
    assert other.describe()["first index"] == "1"


def changed(entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"annotations": [entry | changes]}


FIRST, SECOND = {"id": 300, "category_id": 3}, {"id": 600, "category_id": 8}
WRONG: dict[str, tuple[Any, str]] = {
    "leaves the folder": ({"file_name": "../0.png"}, "'file_name' is '../0.png', not the name"),
    "absolute": ({"file_name": "/0.png"}, "'file_name' is '/0.png', not the name"),
    "no name": ({"file_name": None}, "'file_name' is missing"),
    "no image id": ({"image_id": [1]}, r"'image_id' is \[1\]"),
    "another image": ({"file_name": "1.png"}, "the image '1' is not in the dataset"),
    "no segments": ({"segments_info": None}, r"segments_info\[0\] is missing"),
    "id 0": ({"segments_info": [{"id": 0, "category_id": 3}]}, r"segments_info\[0\] is {'id': 0"),
    "an id twice": ({"segments_info": [FIRST, FIRST]}, "the id 300 stands there twice"),
    "stray pixels": ({"segments_info": [FIRST]}, "holds the segment 600, without an entry"),
    "no pixel": (
        {"segments_info": [FIRST, SECOND, {"id": 5, "category_id": 3}]},
        "the segment 5 has no pixel in",
    ),
    "category": (
        {"segments_info": [FIRST, {"id": 600, "category_id": 77}]},
        "the category 77 is not in the dataset",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG.keys())
def test_results_that_cannot_be_scored_are_refused_by_name(tmp_path, changes, message) -> None:
    split, file, body = case(tmp_path)
    file.path.write_text(json.dumps(changed(body["annotations"][0], **changes)))
    with pytest.raises(PredictionError, match=rf"results\.json: annotations\[0\]: .*{message}"):
        file.read(split, CLASSES, "panoptic-segmentation")


def test_results_must_be_of_every_image_and_of_each_once(tmp_path) -> None:
    split, file, body = case(tmp_path)
    file.path.write_text(json.dumps({"annotations": body["annotations"] * 2}))
    with pytest.raises(PredictionError, match="the image '0' has a result already"):
        file.read(split, CLASSES, "panoptic-segmentation")
    file.path.write_text('{"annotations": []}')
    with pytest.raises(PredictionError, match=r"no result for 0\.png \(1 images have none\)"):
        file.read(split, CLASSES, "panoptic-segmentation")
    for text, message in (("{", "not JSON"), ("{}", "holds no list of results")):
        file.path.write_text(text)
        with pytest.raises(PredictionError, match=message):
            file.read(split, CLASSES, "panoptic-segmentation")
    file.path.unlink()
    with pytest.raises(PredictionError, match="No such file"):
        file.fingerprint()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Picture.new("RGB", (5, 3)), "5 × 3 pixels .* the image 4 × 3"),
        (Picture.new("L", (4, 3)), "of mode L"),
        (None, "UnidentifiedImageError|cannot identify"),
    ],
)
def test_a_png_file_that_does_not_fit_its_image_is_refused(tmp_path, picture, message) -> None:
    split, file, _ = case(tmp_path)
    path = tmp_path / "masks" / "0.png"
    path.write_bytes(b"no picture")
    if picture is not None:
        picture.save(path)
    with pytest.raises(PredictionError, match=message):
        file.read(split, CLASSES, "panoptic-segmentation")
    path.unlink()
    for look in (file.fingerprint, lambda: file.read(split, CLASSES, "panoptic-segmentation")):
        with pytest.raises(PredictionError, match="No such file"):
            look()


def test_the_fingerprint_changes_with_a_png_file(tmp_path) -> None:
    _, file, _ = case(tmp_path)
    before = file.fingerprint()
    save(tmp_path / "masks", "0.png", np.zeros((3, 4), int))
    assert before["results.json"] == file.fingerprint()["results.json"]
    assert before != file.fingerprint()
