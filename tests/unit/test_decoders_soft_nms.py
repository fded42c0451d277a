import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.decoders.boxes import BoxesScoresLabels
from benchbench.decoders.soft_nms import Decay, soft_nms
from benchbench.decoders.yolo import YoloV8
from benchbench.types import ClassMap, Geometry

SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)


def overlap(one, other) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inter = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return inter / (sum(areas) - inter) if sum(areas) > inter else 0.0


def plain(boxes, scores, groups, decay, floor) -> list[tuple[int, float]]:
    """Figure 2 of the paper, box by box; the classes one after the other."""
    found = []
    for group in sorted(set(groups)):
        left = {i: s for i, (s, g) in enumerate(zip(scores, groups, strict=True)) if g == group}
        while left:
            best = min(left, key=lambda i: (-left[i], i))
            score = left.pop(best)
            if score <= floor:
                break
            found.append((best, score))
            for i in left:
                iou = overlap(boxes[best], boxes[i])
                if decay.method == "gaussian":
                    left[i] *= math.exp(-(iou**2) / decay.sigma)
                elif iou > decay.threshold:
                    left[i] *= 1 - iou
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["linear", "gaussian"]),
    st.floats(0, 1),
    st.floats(0.05, 2),
    st.integers(1, 4),
)
def test_soft_nms_is_the_papers_loop(count, seed, method, threshold, sigma, groups) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 12, (count, 2)).astype(np.float64)
    boxes = np.concatenate([low, low + rng.integers(0, 9, (count, 2))], axis=1)
    scores = rng.choice(np.linspace(0, 1, 11), count)
    labels = rng.integers(0, groups, count)
    decay = Decay(method, threshold, sigma)
    kept, values = soft_nms(boxes, scores, decay, 0.05, labels)
    expected = plain(boxes, scores.tolist(), labels.tolist(), decay, 0.05)
    assert kept.tolist() == [i for i, _ in expected]
    np.testing.assert_allclose(values, [s for _, s in expected], rtol=1e-12)
    if groups == 1:
        assert soft_nms(boxes, scores, decay, 0.05)[0].tolist() == kept.tolist()


def decoded(**options):
    rows = np.array([[20, 20, 20, 20, 0.9, 0], [25, 20, 20, 20, 0.8, 0], [20, 20, 20, 20, 0, 0.7]])
    classes = ClassMap(names=("a", "b"), category_ids=(1, 2))
    decoder = YoloV8(multi_label=False, clip=False, **options)
    (found,) = decoder.decode({"out": rows[None].astype(np.float32)}, [SQUARE], classes)
    return found, decoder.describe()["nms"]


def test_a_decoder_lowers_scores_instead_of_dropping_boxes() -> None:
    iou = 15 / 25
    found, card = decoded(soft="linear", nms_iou=0.5)
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.8 * (1 - iou)], rtol=1e-6)
    assert found.labels.tolist() == [1, 2, 1]
    assert found.boxes[2].tolist() == [15, 10, 20, 20]
    assert card == "class-aware, soft, score × (1 − IoU) where IoU > 0.5"
    found, card = decoded(soft="gaussian", nms="class-agnostic", sigma=0.25, score_floor=0.02)
    second = 0.8 * math.exp(-(iou**2) / 0.25)
    np.testing.assert_allclose(found.scores, [0.9, second], rtol=1e-6)
    assert card == "class-agnostic, soft, score × exp(−IoU² / 0.25)"
    assert len(decoded(nms_iou=0.5)[0].scores) == 2


def test_soft_suppression_needs_suppression() -> None:
    with pytest.raises(ValidationError, match=r"soft: linear .* needs nms_iou"):
        BoxesScoresLabels(soft="linear")
    with pytest.raises(ValidationError):
        BoxesScoresLabels(soft="gaussian", nms_iou=0.5, sigma=0)
