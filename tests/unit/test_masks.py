"""Masks as run lengths: against dense arrays and against pycocotools' coding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchbench.errors import PredictionError
from benchbench.masks import (
    chosen,
    coded_counts,
    dense_mask,
    instances,
    mask_boxes,
    mask_overlaps,
    mask_runs,
    rle_runs,
    rles,
    runs_by_mask,
    totals_px,
    window_runs,
)
from benchbench.types import Instances

sides = st.integers(1, 9)
masks = st.tuples(sides, sides).flatmap(lambda shape: arrays.arrays(np.bool_, shape))
run_lists = st.lists(
    st.lists(st.sampled_from([0, 1, 2, 15, 16, 17, 511, 512, 20_000, 2**20]), min_size=1),
    max_size=5,
)


def held(runs: list[np.ndarray]) -> Instances:
    count = len(runs)
    return instances(np.zeros((count, 4)), np.zeros(count), np.zeros(count), runs)


@given(masks)
def test_runs_are_those_of_pycocotools_and_lead_back_to_the_mask(mask: np.ndarray) -> None:
    reference = pytest.importorskip("pycocotools.mask")
    runs = mask_runs(mask)
    want = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert coded_counts(np.array([len(runs)]), runs) == [want["counts"]]
    assert np.array_equal(dense_mask(runs, *mask.shape), mask)
    box = mask_boxes(held([runs]), *mask.shape)
    np.testing.assert_array_equal(box, [reference.toBbox(want)])


@given(masks, st.tuples(*[st.integers(0, 3)] * 4))
def test_a_window_has_the_runs_of_the_whole_mask(mask: np.ndarray, border: tuple) -> None:
    top, bottom, left, right = border
    whole = np.pad(mask, ((top, bottom), (left, right)))
    np.testing.assert_array_equal(window_runs(mask, (top, left), whole.shape), mask_runs(whole))


def test_an_empty_window_is_an_empty_mask() -> None:
    assert window_runs(np.ones((0, 3), bool), (2, 1), (4, 5)).tolist() == [20]


@given(run_lists)
def test_coded_counts_are_those_of_pycocotools_and_are_read_back(lists: list[list[int]]) -> None:
    reference = pytest.importorskip("pycocotools.mask")
    found = held([np.array(one, np.uint32) for one in lists])
    assert totals_px(found.lengths, found.runs).tolist() == [sum(one) for one in lists]
    for one, rle in zip(lists, rles(found, 1, 1), strict=True):
        size = [sum(one), 1]
        want = reference.frPyObjects({"size": size, "counts": one}, *size)
        assert rle["counts"] == want["counts"]
        if sum(one):
            for counts in (rle["counts"], rle["counts"].decode(), one):
                got = rle_runs({"size": size, "counts": counts}, *size)
                assert got.tolist() == one


def test_each_mask_keeps_its_own_runs() -> None:
    parts = [np.array([3, 1], np.uint32), np.array([4], np.uint32), np.array([0, 2, 2], np.uint32)]
    found = held(parts)
    assert found.lengths.tolist() == [2, 1, 3]
    for got, want in zip(runs_by_mask(found.lengths, found.runs), parts, strict=True):
        assert got.tolist() == want.tolist()


pairs_of_masks = st.tuples(sides, sides).flatmap(
    lambda shape: st.tuples(*[st.lists(arrays.arrays(np.bool_, shape), max_size=3)] * 2)
)


@given(pairs_of_masks)
def test_overlaps_are_intersection_over_union(pair: tuple[list, list]) -> None:
    ours, theirs = (held([mask_runs(mask) for mask in masks]) for masks in pair)
    found = mask_overlaps(ours, theirs)
    assert found.shape == (len(pair[0]), len(pair[1]))
    for row, mine in enumerate(pair[0]):
        for column, other in enumerate(pair[1]):
            union = (mine | other).sum()
            want = (mine & other).sum() / union if union else 0
            assert found[row, column] == pytest.approx(want, abs=1e-12)


def test_chosen_objects_keep_their_masks() -> None:
    found = held([np.array([3, 1], np.uint32), np.array([4], np.uint32), np.array([0, 4])])
    for rows in (np.array([2, 0]), np.array([True, False, True])):
        some = chosen(found, rows)
        parts = [one.tolist() for one in runs_by_mask(some.lengths, some.runs)]
        assert sorted(parts) == [[0, 4], [3, 1]]
        assert some.boxes.shape == (2, 4)
    assert chosen(found, np.zeros(3, bool)).runs.size == 0


def test_no_objects_are_no_columns() -> None:
    found = held([])
    assert (found.boxes.shape, found.lengths.shape, found.runs.shape) == ((0, 4), (0,), (0,))
    assert rles(found, 4, 5) == []
    assert runs_by_mask(found.lengths, found.runs) == []
    assert mask_boxes(found, 4, 5).shape == (0, 4)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"counts": [20]}, "size of the RLE is None"),
        ({"size": [5, 4], "counts": [20]}, r"\[5, 4\], the image's \[4, 5\]"),
        ({"size": [4, 5], "counts": [19]}, "cover 19 pixels, the image has 20"),
        ({"size": [4, 5], "counts": [21, -1]}, "cover 20 pixels"),
        ({"size": [4, 5], "counts": [20.0]}, "neither whole numbers"),
        ({"size": [4, 5], "counts": [[20], [1, 2]]}, "neither whole numbers"),
        ({"size": [4, 5], "counts": []}, "neither whole numbers"),
        ({"size": [4, 5], "counts": None}, "neither whole numbers"),
        ({"size": [4, 5], "counts": ""}, "neither whole numbers"),
        ({"size": [4, 5], "counts": "dP"}, "neither whole numbers"),
        ({"size": [4, 5], "counts": b"\x00"}, "neither whole numbers"),
        ({"size": [4, 5], "counts": "PPPPPPPPP0"}, "neither whole numbers"),
    ],
)
def test_a_malformed_rle_is_refused_by_its_value(rle: dict, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        rle_runs(rle, 4, 5)


@settings(max_examples=200)
@given(st.binary(max_size=12))
def test_any_bytes_are_read_or_refused(counts: bytes) -> None:
    try:
        runs = rle_runs({"size": [4, 5], "counts": counts}, 4, 5)
    except PredictionError:
        return
    assert runs.sum() == 20
