"""Distances between outlines: by brute force, and as MONAI gave them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchbench.metrics.semantic import SemanticMetrics
from benchbench.metrics.surface import Surfaces, boundary_f1
from benchbench.types import LabelMap
from tests.unit.test_metrics_semantic import CLASSES, monai_cases, scored, split_of

masks = arrays(np.bool_, (2, 6, 7))
pairs = st.lists(st.integers(0, 5), min_size=4, max_size=4)


def outline(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the pixels that touch the outside by a side, pixel by pixel."""
    height, width = mask.shape
    steps = ((0, 1), (0, -1), (1, 0), (-1, 0))

    def inside(row: int, column: int) -> bool:
        return 0 <= row < height and 0 <= column < width and bool(mask[row, column])

    return [
        (r, c)
        for r in range(height)
        for c in range(width)
        if mask[r, c] and not all(inside(r + a, c + b) for a, b in steps)
    ]


def davis(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return DAVIS's outline: pixels unlike the one right, below or diagonally below."""
    height, width = mask.shape
    steps = ((0, 1), (1, 0), (1, 1))
    return [
        (r, c)
        for r in range(height)
        for c in range(width)
        if any(mask[r, c] != mask[min(r + a, height - 1), min(c + b, width - 1)] for a, b in steps)
    ]


def directed(one: list[Any], other: list[Any], spacing: tuple[float, float]) -> list[float]:
    y, x = spacing
    return [min(math.hypot((a - c) * y, (b - d) * x) for c, d in other) for a, b in one]


def percentile95(values: list[float]) -> float:
    """Return the 95th percentile, linear between the two nearest ranks."""
    ordered, place = sorted(values), 0.95 * (len(values) - 1)
    low, share = int(place), place - int(place)
    return ordered[low] + share * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


@settings(max_examples=60, deadline=None)
@given(masks, st.sampled_from([(1.0, 1.0), (0.7, 1.3)]), st.sampled_from([0.0, 0.7, 1.0, 2.5]))
def test_surface_distances_are_those_of_every_pair_of_outline_pixels(
    both: np.ndarray, spacing: tuple[float, float], tolerance: float
) -> None:
    truth, predicted = both
    assume(truth.any() and predicted.any())
    ends = outline(truth), outline(predicted)
    one, two = directed(*ends, spacing), directed(ends[1], ends[0], spacing)
    found = Surfaces.between(truth, predicted, spacing)
    assert found is not None
    assert found.hd95("max") == pytest.approx(max(percentile95(one), percentile95(two)))
    assert found.hd95("mean") == pytest.approx((percentile95(one) + percentile95(two)) / 2)
    assert found.hd95("pooled") == pytest.approx(percentile95(one + two))
    assert found.assd() == pytest.approx(sum(one + two) / len(one + two))
    near = sum(distance <= tolerance for distance in one + two)
    assert found.nsd(tolerance) == pytest.approx(near / len(one + two))


@settings(max_examples=60, deadline=None)
@given(masks, st.sampled_from([0, 1, 1.5, 2, 3]))
def test_boundary_f1_is_that_of_outlines_dilated_by_a_disc(
    both: np.ndarray, tolerance: float
) -> None:
    truth, predicted = (davis(mask) for mask in both)
    found = boundary_f1(both[0], both[1], tolerance)
    if not truth or not predicted:
        assert found == (0 if truth or predicted else 1)
        return
    precision = np.mean([d <= tolerance for d in directed(predicted, truth, (1, 1))])
    recall = np.mean([d <= tolerance for d in directed(truth, predicted, (1, 1))])
    both_zero = precision + recall == 0
    assert found == pytest.approx(0 if both_zero else 2 * precision * recall / (precision + recall))


NONE = None
MONAI = {
    # spacing -> class -> hd95 (percentile=95), assd (symmetric=True), nsd (thresholds 1)
    None: {
        "hd95": [[0, 0], [1.4142135, NONE], [NONE, 2], [1, NONE], [1, 1], [2.2360680, 2.2360680]],
        "assd": [
            [0, 0],
            [0.8535534, NONE],
            [NONE, 1.2329105],
            [0.6666667, NONE],
            [0.8518519, 0.6666667],
            [1.3094277, 1.3281040],
        ],
        "nsd": [[1, 1], [0.75, 0], [0, 0.3888889], [1, NONE], [1, 1], [0.5, 0.5]],
    },
    (0.7, 1.3): {
        "hd95": [
            [0, 0],
            [1.4764823, NONE],
            [NONE, 1.4],
            [1.3, NONE],
            [0.7, 0.7],
            [1.9104973, 1.9104973],
        ],
        "assd": [
            [0, 0],
            [0.8196702, NONE],
            [NONE, 1.0777777],
            [0.5666666, NONE],
            [0.5962963, 0.4666666],
            [1.0949044, 1.1323375],
        ],
        "nsd": [
            [1, 1],
            [0.5625, 0],
            [0, 0.2777778],
            [0.8333333, NONE],
            [1, 1],
            [0.5, 0.3571429],
        ],
    },
}


@pytest.mark.parametrize("spacing", list(MONAI))
def test_every_case_has_the_distances_that_monai_gave(spacing: Any) -> None:
    """Compare with MONAI 1.6.1 in float32 (torch 2.14.1), run once on these one-hot cases.

    ``compute_hausdorff_distance(percentile=95)``, ``compute_average_surface_distance(
    symmetric=True)`` and ``compute_surface_dice(class_thresholds=[1, 1])``, without background.
    MONAI gives NaN or infinity where truth or prediction is empty; here the value is absent.
    """
    truths, labels = monai_cases()
    evaluator = SemanticMetrics(surface=True, spacing_mm=spacing)
    maps = {i: LabelMap(one) for i, one in enumerate(labels)}
    tally = evaluator.tally(split_of(truths), maps, CLASSES)
    unit = "px" if spacing is None else "mm"
    for name, expected in MONAI[spacing].items():
        found = tally.arrays[name if name == "nsd" else f"{name}_{unit}"]
        assert np.isnan(found[:, 0]).all(), "the background has no surface"
        wanted = np.array(expected, float)
        assert np.allclose(found[:, 1:], wanted, rtol=0, atol=1e-6, equal_nan=True)
    scores = scored(truths, labels, evaluator)
    wanted = np.array(MONAI[spacing]["hd95"], float)
    assert scores.metrics[f"hd95_{unit}"] == pytest.approx(
        np.nanmean(np.nanmean(wanted, axis=1)), abs=1e-6
    )
    assert scores.counts["surface_cases"] == 9
    assert scores.counts["surface_cases_without_truth"] == 1
    assert scores.counts["surface_cases_without_prediction"] == 1


def test_without_any_surface_the_distances_are_absent_with_a_reason() -> None:
    scores = scored([[[0, 0]]], [[[0, 1]]], SemanticMetrics(surface=True))
    assert scores.metrics["hd95_px"] is scores.metrics["assd_px"] is None
    assert scores.metrics["nsd"] == 0
    assert {"hd95_px", "assd_px"} <= set(scores.reasons)
    assert scores.counts["images_without_hd95_px"] == 1


def test_spacing_belongs_to_the_image_and_follows_the_map_to_another_size() -> None:
    truth = np.zeros((8, 8), int)
    truth[2:6, 2:6] = 1
    moved = np.roll(truth, 2, 1)
    evaluator = SemanticMetrics(surface=True, spacing_mm=(1, 3))
    full = scored([truth], [moved], evaluator).metrics["hd95_mm"]
    half = scored([truth], [moved[::2, ::2]], evaluator).metrics["hd95_mm"]
    assert full == half == 6


def test_a_tolerance_is_a_share_of_the_diagonal_or_pixels() -> None:
    truth = np.zeros((30, 40), int)
    truth[10:20, 10:20] = 1
    moved = np.roll(truth, 2, 1)

    def f1(**options: Any) -> float | None:
        evaluator = SemanticMetrics(boundary=True, include_background=False, **options)
        return scored([truth], [moved], evaluator).metrics["boundary_f1"]

    assert f1() < 1  # 0.008 × 50 px, rounded up: 1 px
    assert f1(boundary_tolerance=0.021) == 1  # 1.05 px, rounded up: 2 px
    assert f1(boundary_tolerance=2, boundary_unit="pixels") == 1
    assert f1(boundary_tolerance=1.9, boundary_unit="pixels") < 1


def test_void_pixels_are_outside_of_every_class_for_outlines() -> None:
    truth = np.zeros((8, 8), int)
    truth[2:6, 2:6] = 1
    labels = truth.copy()
    labels[:, 0] = 1  # where the truth is void
    truth[:, 0] = 2
    evaluator = SemanticMetrics(surface=True, void=2)
    assert scored([truth], [labels], evaluator).per_class["hd95_px"]["a"] == 0
    assert scored([truth], [labels], SemanticMetrics(surface=True)).metrics["hd95_px"] != 0
