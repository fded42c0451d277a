import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.decoders.nms import nms, overlaps


def boxes_of(count: int, seed: int, side: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, side, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, side / 2, (count, 2))], axis=1)
    return boxes.astype(np.float32), rng.random(count).astype(np.float32)


@settings(deadline=None)  # the first call loads torch
@given(st.integers(0, 120), st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 6))
def test_survivors_and_their_order_are_those_of_torchvision(count, seed, threshold, groups) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    boxes, scores = boxes_of(count, seed)
    labels = np.random.default_rng(seed).integers(0, groups, count)
    tensors = [torch.from_numpy(a) for a in (boxes, scores, labels)]
    aware = np.concatenate([_of_class(ops, tensors, g, threshold) for g in range(groups)])
    aware = aware[np.argsort(-scores[aware], kind="stable")]
    assert nms(boxes, scores, threshold, labels).tolist() == aware.tolist()
    agnostic = ops.nms(tensors[0], tensors[1], threshold)
    assert nms(boxes, scores, threshold).tolist() == agnostic.tolist()


def _of_class(ops, tensors, group, threshold) -> np.ndarray:
    boxes, scores, labels = tensors
    members = (labels == group).nonzero()[:, 0]
    return members[ops.nms(boxes[members], scores[members], threshold)].numpy()


@pytest.mark.parametrize("count", [400, 1500])
@pytest.mark.parametrize("groups", [1, 40])
def test_many_boxes_take_another_way_to_the_same_end(count, groups) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    boxes, scores = boxes_of(count, seed=count, side=300.0)
    labels = np.random.default_rng(1).integers(0, groups, count)
    expected = ops.batched_nms(*map(torch.from_numpy, (boxes, scores, labels)), 0.5)
    assert nms(boxes, scores, 0.5, labels).tolist() == expected.tolist()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(97, 250),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.9, 1.0]),
    st.integers(1, 3),
)
def test_ties_and_exact_overlaps_among_many_boxes_follow_torchvision(
    count, seed, threshold, groups
) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 9, (count, 2)).astype(np.float64)
    boxes = np.concatenate([corner, corner + rng.integers(0, 7, (count, 2))], axis=1)
    scores, labels = rng.integers(0, 5, count) / 4, rng.integers(0, groups, count)
    tensors = [torch.from_numpy(a) for a in (boxes, scores, labels)]
    expected = np.concatenate([_of_class(ops, tensors, g, threshold) for g in range(groups)])
    found = nms(boxes, scores, threshold, labels)
    assert sorted(found) == sorted(expected)
    assert (np.diff(scores[found]) <= 0).all()


def test_more_pairs_than_are_listed_take_the_long_way(monkeypatch) -> None:
    boxes, scores = boxes_of(300, seed=1)
    labels = np.arange(300) % 2
    short = nms(boxes, scores, 0.4, labels)
    monkeypatch.setattr("benchbench.decoders.nms._PAIRS", 10)
    assert nms(boxes, scores, 0.4, labels).tolist() == short.tolist()


def test_an_overlap_equal_to_the_threshold_stays() -> None:
    boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [0, 0, 3, 1]], np.float64)
    scores = np.array([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 2 / 3).tolist() == [0, 1, 2]
    assert nms(boxes, scores, 0.66).tolist() == [0, 1]
    assert nms(boxes, scores, 0.3).tolist() == [0]


def test_a_suppressed_box_suppresses_nobody() -> None:
    chain = np.array([[0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]], np.float64)
    assert nms(chain, np.array([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


@pytest.mark.parametrize("count", [5, 700])
def test_among_equal_scores_the_first_wins(count) -> None:
    boxes = np.tile([[0.0, 0.0, 1.0, 1.0]], (count, 1))
    scores = np.full(count, 0.5)
    assert nms(boxes, scores, 0.5).tolist() == [0]
    assert nms(boxes, scores, 0.5, np.arange(count)).tolist() == list(range(count))


def test_empty_boxes_do_not_compete_and_do_not_warn() -> None:
    points = np.zeros((3, 4))
    assert nms(points, np.array([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]
    assert nms(points[:0], np.zeros(0), 0.5, np.zeros(0, np.int64)).tolist() == []


def test_overlap_is_intersection_over_union() -> None:
    found = overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3], [5, 5, 6, 6]]))
    np.testing.assert_allclose(found, [[1 / 7, 0]])
