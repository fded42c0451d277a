"""Label maps: by hand, against torchmetrics, and on real images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Picture
from pydantic import ValidationError

from benchbench.errors import DatasetError, PredictionError
from benchbench.metrics.semantic import SemanticMetrics
from benchbench.metrics.semantic_maps import resize_nearest
from benchbench.protocols import Resampled
from benchbench.types import ClassMap, Detections, LabelMap, Scores
from tests.helpers import split_from_coco

CLASSES = ClassMap(("background", "a", "b"), (None, 1, 2))
Map = list[list[int]]


def runs(mask: np.ndarray) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff([0, *edges, mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def split_of(truths: list[np.ndarray], known: tuple[int, ...] = (1, 2), **changes: Any) -> Any:
    """Return a split whose painted truth is *truths* (background 0), with *known* categories."""
    rows = [
        {
            "id": 10 * image + value,
            "image_id": image,
            "category_id": value,
            "segmentation": runs(truth == value),
        }
        | changes
        for image, truth in enumerate(truths)
        for value in np.unique(truth[truth > 0]).tolist()
    ]
    return split_from_coco(
        {
            "images": [
                {"id": i, "height": t.shape[0], "width": t.shape[1]} for i, t in enumerate(truths)
            ],
            "categories": [{"id": id_, "name": f"c{id_}"} for id_ in known],
            "annotations": rows,
        }
    )


def scored(
    truths: list[Any],
    labels: list[Any],
    evaluator: SemanticMetrics | None = None,
    classes: ClassMap = CLASSES,
    **changes: Any,
) -> Scores:
    split = split_of([np.array(one) for one in truths], **changes)
    maps = {i: LabelMap(np.array(one, np.uint8)) for i, one in enumerate(labels)}
    return (evaluator or SemanticMetrics()).score(split, maps, classes)


# Image 0: a is half found. Image 1: nothing but background, where a is predicted once.
TRUTHS: list[Map] = [[[1, 1], [0, 0]], [[0, 0], [0, 0]]]
LABELS: list[Map] = [[[1, 0], [0, 0]], [[1, 0], [0, 0]]]


def test_pooled_numbers_are_those_computed_by_hand() -> None:
    scores = scored(TRUTHS, LABELS)
    background, a = 5 / 7, 1 / 3
    assert scores.metrics["miou"] == pytest.approx((background + a) / 2)
    assert scores.metrics["dice_pooled"] == pytest.approx(2 / 4)
    assert scores.metrics["pixel_accuracy"] == pytest.approx(6 / 8)
    assert scores.metrics["mean_accuracy"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert scores.per_class["iou"] == {
        "background": pytest.approx(background),
        "a": pytest.approx(a),
        "b": None,
    }
    assert scores.per_class["accuracy"]["background"] == pytest.approx(5 / 6)
    assert scores.per_class["dice_pooled"]["background"] == pytest.approx(10 / 12)
    assert scores.primary == "miou"


@pytest.mark.parametrize(
    ("empty", "dice", "a", "b"),
    [
        # a: 2/3 and 0 (predicted, not in the truth); b: absent from both images.
        ("skip", (2 / 3 + 0) / 2, 1 / 3, None),
        ("one", ((2 / 3 + 1) / 2 + (0 + 1) / 2) / 2, 1 / 3, 1.0),
        ("zero", ((2 / 3 + 0) / 2 + (0 + 0) / 2) / 2, 1 / 3, 0.0),
    ],
)
def test_an_absent_class_is_treated_as_the_option_says(
    empty: Any, dice: float, a: float, b: float | None
) -> None:
    scores = scored(TRUTHS, LABELS, SemanticMetrics(empty=empty))
    assert scores.metrics["dice"] == pytest.approx(dice)
    assert scores.per_class["dice"]["a"] == pytest.approx(a)
    assert scores.per_class["dice"]["b"] == b
    assert "predicted: 0" in scores.convention["empty"]


def test_an_image_with_only_background_is_left_out_of_dice_and_counted() -> None:
    scores = scored(TRUTHS, [LABELS[0], [[0, 0], [0, 0]]])
    assert scores.metrics["dice"] == pytest.approx(2 / 3)
    assert scores.counts["images_without_dice"] == 1
    assert scores.counts["images"] == 2


def test_background_can_be_kept_out_of_miou() -> None:
    scores = scored(TRUTHS, LABELS, SemanticMetrics(include_background=False))
    assert scores.metrics["miou"] == pytest.approx(1 / 3)
    assert "foreground" in scores.convention["miou"]


def test_a_class_predicted_but_never_true_lowers_miou() -> None:
    scores = scored([[[1, 0]]], [[[1, 2]]])
    assert scores.metrics["miou"] == pytest.approx((1 + 0 + 0) / 3)
    assert scores.per_class["accuracy"]["b"] is None
    assert "per_class" in scores.reasons


def test_nothing_but_background_leaves_dice_undefined_with_a_reason() -> None:
    scores = scored([[[0, 0]]], [[[0, 0]]], SemanticMetrics(include_background=False))
    assert scores.metrics["miou"] is scores.metrics["dice"] is scores.metrics["dice_pooled"] is None
    assert set(scores.reasons) == {"miou", "dice", "dice_pooled", "per_class"}
    assert scores.metrics["fw_iou"] == 1
    assert scores.metrics["pixel_accuracy"] == 1


def test_void_truth_is_left_out_with_the_predictions_on_it() -> None:
    scores = scored(TRUTHS, LABELS, SemanticMetrics(void=0))
    assert scores.counts["pixels"] == 2
    assert scores.metrics["pixel_accuracy"] == pytest.approx(1 / 2)
    assert scores.per_class["iou"]["a"] == pytest.approx(1 / 2)
    assert "truth pixels of 0" in scores.convention["void"]


def test_crowds_are_scored_as_their_class_or_left_out() -> None:
    kept = scored(TRUTHS, LABELS, iscrowd=1)
    left = scored(TRUTHS, LABELS, SemanticMetrics(crowd="void", void=255), iscrowd=1)
    assert kept.metrics == scored(TRUTHS, LABELS).metrics
    assert left.counts["pixels"] == 6
    assert left.metrics["dice"] == 0


def test_crowds_as_void_need_void_to_be_left_out() -> None:
    with pytest.raises(ValidationError, match="needs void: 255"):
        SemanticMetrics(crowd="void")


def test_all_void_leaves_every_number_undefined() -> None:
    scores = scored([[[0, 0]]], [[[0, 1]]], SemanticMetrics(void=0))
    assert set(scores.metrics.values()) == {None}
    assert set(scores.metrics) < set(scores.reasons)


def test_without_a_background_class_unpainted_truth_must_be_declared_void() -> None:
    classes = ClassMap(("a", "b"), (1, 2))
    with pytest.raises(DatasetError, match="image 0: 1 truth pixels") as caught:
        scored([[[1, 0]]], [[[0, 1]]], classes=classes)
    assert "void: 255" in str(caught.value)
    scores = scored([[[1, 0]]], [[[0, 1]]], SemanticMetrics(void=255), classes)
    assert scores.metrics["miou"] == 1
    assert "unpainted truth is void" in scores.convention["background"]


def test_categories_that_the_model_lacks_are_counted() -> None:
    scores = scored([[[1, 2]]], [[[1, 0]]], classes=ClassMap(("background", "a"), (None, 1)))
    assert scores.counts["annotations_without_model_class"] == 1
    assert scores.metrics["pixel_accuracy"] == 1


def test_classes_of_one_name_are_told_apart_by_index() -> None:
    classes = ClassMap(("background", "a", "a"), (None, 1, 2))
    assert list(scored(TRUTHS, LABELS, classes=classes).per_class["iou"]) == [
        "background",
        "a (index 1)",
        "a (index 2)",
    ]


@pytest.mark.parametrize(("rule", "index"), [("floor", [0, 1, 3]), ("centre", [0, 2, 4])])
def test_truth_is_resized_to_the_prediction_by_the_named_rule(rule: Any, index: list[int]) -> None:
    row = np.arange(5, dtype=np.uint8)
    assert resize_nearest(row[None], (1, 3), rule).tolist() == [index]
    assert resize_nearest(row[:, None], (3, 1), rule)[:, 0].tolist() == index


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400))
@example(189, 255)  # where exact arithmetic would differ
def test_resizing_by_floor_is_what_opencv_does(source: int, target: int) -> None:
    cv2 = pytest.importorskip("cv2")
    row = (np.arange(source) % 251).astype(np.uint8)[None]
    expected = cv2.resize(row, (target, 1), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(resize_nearest(row, (1, target), "floor"), expected)


def test_a_prediction_at_another_size_is_scored_at_its_own() -> None:
    truth = np.kron([[1, 0], [0, 2]], np.ones((4, 6), int))
    scores = scored([truth], [[[1, 0], [0, 2]]])
    assert scores.metrics["miou"] == 1
    assert scores.counts["images_resized_truth"] == 1
    assert scores.counts["pixels"] == 4


maps = arrays(np.uint8, (2, 3, 5, 4), elements=st.integers(0, 2))


@settings(max_examples=15, deadline=None)
@given(maps)
def test_iou_equals_torchmetrics_jaccard_over_the_dataset(both: np.ndarray) -> None:
    torch, jaccard = torchmetrics("classification", "MulticlassJaccardIndex")
    truth, labels = both
    for void in (None, 0):
        metric = jaccard(num_classes=3, average="none", ignore_index=void)
        metric.update(torch.tensor(labels).long(), torch.tensor(truth).long())
        expected = metric.compute().tolist()
        scores = scored(list(truth), list(labels), SemanticMetrics(void=void))
        found = scores.per_class["iou"]
        for name, value in zip(CLASSES.names, expected, strict=True):
            # torchmetrics shows an absent class as 0, and always the ignored one
            if found[name] is not None and not (void == 0 and name == "background"):
                assert found[name] == pytest.approx(value, abs=1e-6)
        if void is None:
            macro = jaccard(num_classes=3, average="macro")
            macro.update(torch.tensor(labels).long(), torch.tensor(truth).long())
            assert scores.metrics["miou"] == pytest.approx(macro.compute().item(), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(maps)
def test_dice_equals_torchmetrics_dice_score(both: np.ndarray) -> None:
    torch, dice = torchmetrics("segmentation", "DiceScore")
    truth, labels = both
    scores = scored(list(truth), list(labels))
    for name, level in (("dice", "samplewise"), ("dice_pooled", "global")):
        metric = dice(
            num_classes=3,
            include_background=False,
            average="macro",
            input_format="index",
            aggregation_level=level,
        )
        metric.update(torch.tensor(labels).long(), torch.tensor(truth).long())
        if scores.metrics[name] is not None and not scores.counts["images_without_dice"]:
            assert scores.metrics[name] == pytest.approx(metric.compute().item(), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(maps)
def test_accuracies_equal_torchmetrics(both: np.ndarray) -> None:
    torch, accuracy = torchmetrics("classification", "MulticlassAccuracy")
    truth, labels = both
    metric = accuracy(num_classes=3, average="micro")
    found = scored(list(truth), list(labels)).metrics["pixel_accuracy"]
    expected = metric(torch.tensor(labels).long(), torch.tensor(truth).long()).item()
    assert found == pytest.approx(expected, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(maps)
def test_frequency_weighted_iou_equals_torchmetrics_jaccard_weighted(both: np.ndarray) -> None:
    torch, jaccard = torchmetrics("classification", "MulticlassJaccardIndex")
    metric = jaccard(num_classes=3, average="weighted")
    expected = metric(torch.tensor(both[1]).long(), torch.tensor(both[0]).long()).item()
    found = scored(list(both[0]), list(both[1])).metrics["fw_iou"]
    assert found == pytest.approx(expected, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(maps, st.sampled_from([None, 0, 1]))
def test_the_preset_of_torchmetrics_jaccard_gives_its_macro_mean(
    both: np.ndarray, void: int | None
) -> None:
    torch, jaccard = torchmetrics("classification", "MulticlassJaccardIndex")
    metric = jaccard(num_classes=3, average="macro", ignore_index=void)
    metric.update(torch.tensor(both[1]).long(), torch.tensor(both[0]).long())
    preset = SemanticMetrics(convention="torchmetrics-jaccard", void=void)
    found = scored(list(both[0]), list(both[1]), preset).metrics["miou"]
    if found is not None:  # where nothing is left, torchmetrics gives NaN or 0
        assert found == pytest.approx(metric.compute().item(), abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(maps)
def test_the_presets_of_torchmetrics_segmentation_give_its_defaults(both: np.ndarray) -> None:
    truth, labels = both
    for name, preset, key, options in (
        ("MeanIoU", "torchmetrics-miou", "miou", {}),
        ("DiceScore", "torchmetrics-dice", "dice", {"average": "macro"}),
        (
            "DiceScore",
            "torchmetrics-dice",
            "dice_pooled",
            {"average": "macro", "aggregation_level": "global"},
        ),
    ):
        torch, kind = torchmetrics("segmentation", name)
        metric = kind(num_classes=3, input_format="index", **options)
        metric.update(torch.tensor(labels).long(), torch.tensor(truth).long())
        evaluator = SemanticMetrics(convention=preset)  # type: ignore[arg-type]
        found = scored(list(truth), list(labels), evaluator).metrics[key]
        assert found == pytest.approx(metric.compute().item(), abs=1e-6)


def blobs(seed: int) -> np.ndarray:
    """Return a (24, 32) map of two discs, the second over the first."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:24, :32]
    painted = np.zeros((24, 32), np.uint8)
    for value in (1, 2):
        row, column, radius = rng.integers(4, 20), rng.integers(4, 28), rng.integers(3, 8)
        painted[(y - row) ** 2 + (x - column) ** 2 <= radius * radius] = value
    return painted


def monai_cases() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return six cases: a class is found where it is not, missed, and absent from both."""
    truths = [blobs(i) for i in range(6)]
    labels = [np.roll(blobs(i), (i % 3, i % 2), (0, 1)) for i in range(6)]
    truths[1][truths[1] == 2] = 0
    labels[2][labels[2] == 1] = 0
    for one in (truths[3], labels[3]):
        one[one == 2] = 0
    return truths, labels


MONAI_PER_CLASS = {
    # ignore_empty -> DiceMetric and MeanIoU, reduction="mean_batch"
    True: (
        [0.9680140018463135, 0.6379513144493103, 0.8589828610420227],
        [0.9389442801475525, 0.5392962098121643, 0.768119215965271],
    ),
    False: (
        [0.9680140018463135, 0.6379513144493103, 0.7393218874931335],
        [0.9389442801475525, 0.5392962098121643, 0.6787461638450623],
    ),
}


@pytest.mark.parametrize(
    ("ignore_empty", "dice", "iou"),
    [
        (True, 0.8253751397132874, 0.7541348338127136),
        (False, 0.781762421131134, 0.7189955711364746),
    ],
)
def test_the_preset_of_monai_gives_what_monai_gave(
    ignore_empty: bool, dice: float, iou: float
) -> None:
    """Compare with MONAI 1.6.1 in float32 (torch 2.14.1), run once on these one-hot cases.

    ``DiceMetric`` and ``MeanIoU``, each with ``ignore_empty`` and ``reduction="mean"``.
    """
    changes: dict[str, Any] = {} if ignore_empty else {"absent_truth": "zero", "empty": "one"}
    evaluator = SemanticMetrics(convention="monai", **changes)
    scores = scored(*monai_cases(), evaluator)
    assert scores.metrics["dice"] == pytest.approx(dice, abs=1e-6)
    assert scores.metrics["miou"] == pytest.approx(iou, abs=1e-6)
    expected = MONAI_PER_CLASS[ignore_empty]
    for name, values in zip(("dice", "iou"), expected, strict=True):
        assert list(scores.per_class[name].values()) == pytest.approx(values, abs=1e-6)
    assert scores.convention["preset"].startswith("monai")
    assert ("but empty: one" in scores.convention["preset"]) is not ignore_empty


@settings(max_examples=15, deadline=None)
@given(maps, arrays(np.bool_, (3, 5, 4)))
def test_the_preset_of_mmseg_follows_its_published_formula(
    both: np.ndarray, unpainted: np.ndarray
) -> None:
    """Compare with mmseg's IoUMetric: areas by histogram where truth is not 255, then nanmean."""
    truth, labels = both[0] + 1, both[1]
    classes = ClassMap(("a", "b", "c"), (1, 2, 3))
    truth[unpainted] = 0
    split = split_of(list(truth), known=(1, 2, 3))
    maps = {i: LabelMap(one) for i, one in enumerate(labels)}
    scores = SemanticMetrics(convention="mmseg").score(split, maps, classes)
    kept = truth > 0
    label, pred = truth[kept] - 1, labels[kept]
    hits, area, found = (
        np.bincount(one, minlength=3).astype(float) for one in (label[label == pred], label, pred)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = {
            "miou": hits / (area + found - hits),
            "dice_pooled": 2 * hits / (area + found),
            "mean_accuracy": hits / area,
            "pixel_accuracy": hits.sum(keepdims=True) / area.sum(),
        }
    for name, values in expected.items():
        shown = values[~np.isnan(values)]
        value = pytest.approx(shown.mean(), abs=1e-12) if shown.size else None
        assert scores.metrics[name] == value


# a is half found; one pixel is void and predicted as a.
VOID_TRUTH, VOID_LABELS = [[[1, 1, 0, 2]]], [[[1, 0, 0, 1]]]


@pytest.mark.parametrize(
    ("policy", "a", "miou", "pixels"),
    [
        ("ignored", 1 / 2, (1 / 2 + 1 / 2) / 2, 3),
        ("false_positive", 1 / 3, (1 / 2 + 1 / 3) / 2, 4),
        ("class", 1 / 3, (1 / 2 + 1 / 3 + 0) / 3, 4),
    ],
)
def test_void_pixels_count_as_the_policy_says(
    policy: Any, a: float, miou: float, pixels: int
) -> None:
    classes = ClassMap(("background", "a"), (None, 1))
    evaluator = SemanticMetrics(void=255, void_policy=policy, crowd="void")
    split = split_of([np.array(one) for one in VOID_TRUTH])
    crowds = [replace(a, category_id=1, iscrowd=a.category_id == 2) for a in split.annotations]
    split = replace(split, annotations=tuple(crowds))
    labels = {0: LabelMap(np.array(VOID_LABELS[0], np.uint8))}
    scores = evaluator.score(split, labels, classes)
    assert scores.per_class["iou"]["a"] == pytest.approx(a)
    assert scores.metrics["miou"] == pytest.approx(miou)
    assert scores.counts["pixels"] == pixels
    assert ("void" in scores.per_class["iou"]) is (policy == "class")
    rows = scores.matrices["confusion"].rows
    assert rows == (*classes.names, *(() if policy == "ignored" else ("void",)))
    accuracy = 2 / 4 if policy == "class" else 2 / 3
    assert scores.metrics["pixel_accuracy"] == pytest.approx(accuracy)


def test_a_void_policy_needs_a_void_value() -> None:
    with pytest.raises(ValidationError, match="void_policy: class needs void"):
        SemanticMetrics(void_policy="class")


def test_an_option_that_is_given_wins_over_the_preset_and_survives_a_dump() -> None:
    evaluator = SemanticMetrics(convention="monai", absent_truth="zero")
    assert evaluator.dice_background
    assert evaluator.absent_truth == "zero"
    assert SemanticMetrics(**evaluator.model_dump()) == evaluator


def test_the_confusion_matrix_counts_pixels_truth_by_row() -> None:
    matrix = scored(TRUTHS, LABELS).matrices["confusion"]
    assert (matrix.row_name, matrix.column_name) == ("truth", "prediction")
    assert matrix.rows == matrix.columns == CLASSES.names
    assert matrix.values == ((5, 1, 0), (1, 1, 0), (0, 0, 0))


RESAMPLED = [
    SemanticMetrics(boundary=True, surface=True),
    SemanticMetrics(convention="monai", empty="one", boundary=True, boundary_unit="pixels"),
    SemanticMetrics(convention="torchmetrics-miou", void=0, surface=True, hd95="pooled"),
    SemanticMetrics(void=0, void_policy="false_positive", spacing_mm=(2, 3), surface=True),
]


@settings(max_examples=20, deadline=None)
@given(
    arrays(np.uint8, (2, 4, 5, 4), elements=st.integers(0, 2)),
    arrays(np.int64, 4, elements=st.integers(0, 3)),
    st.sampled_from(RESAMPLED),
)
def test_weighted_images_are_scored_as_copies_of_them(
    both: np.ndarray, weights: np.ndarray, evaluator: SemanticMetrics
) -> None:
    truth, labels = both
    split = split_of(list(truth), known=(1, 2))
    tally = evaluator.tally(split, {i: LabelMap(one) for i, one in enumerate(labels)}, CLASSES)
    many = np.stack([np.ones(4, np.int64), weights])
    values, by_class = evaluator.estimates(tally, many), evaluator.class_estimates(tally, many)
    for row, copies in enumerate(many):
        chosen = np.repeat(np.arange(4), copies)
        scores = scored(list(truth[chosen]), list(labels[chosen]), evaluator, known=(1, 2))
        assert values.keys() == scores.metrics.keys()
        assert by_class.keys() == scores.per_class.keys()
        for name, value in scores.metrics.items():
            assert values[name][row] == pytest.approx(as_number(value), abs=1e-12, nan_ok=True)
        for name, column in scores.per_class.items():
            expected = [as_number(value) for value in column.values()]
            assert by_class[name][row] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def as_number(value: float | None) -> float:
    return np.nan if value is None else value


def test_the_tally_lists_each_case_in_the_order_of_the_split() -> None:
    evaluator = SemanticMetrics()
    split = split_of([np.array(one) for one in TRUTHS])
    tally = evaluator.tally(split, good(), CLASSES)
    assert isinstance(evaluator, Resampled)
    assert tally.image_ids.tolist() == [0, 1]
    assert tally.classes == CLASSES.names
    assert tally.arrays["dice"][:, 1].tolist() == pytest.approx([2 / 3, 0])
    assert np.isnan(tally.arrays["dice"][:, 2]).all()
    columns = [tally.arrays[name].tolist() for name in ("image", "truth", "predicted", "count")]
    assert columns == [[0, 0, 0, 1, 1], [0, 1, 1, 0, 0], [0, 0, 1, 0, 1], [2, 1, 1, 3, 1]]


def torchmetrics(module: str, name: str) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return torch, getattr(pytest.importorskip(f"torchmetrics.{module}"), name)


def good() -> dict[int, Any]:
    return {i: LabelMap(np.array(one, np.uint8)) for i, one in enumerate(LABELS)}


NO_BOXES = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({1: LabelMap(np.full((2, 2), 3, np.uint8))}, "image 1: label 3, but the model has 3"),
        ({1: LabelMap(np.zeros((2, 2)))}, "image 1: label map of shape (2, 2) and dtype float64"),
        ({1: LabelMap(np.zeros((2, 2, 1), np.uint8))}, "image 1: label map of shape (2, 2, 1)"),
        ({1: LabelMap(np.zeros((0, 2), np.uint8))}, "image 1: label map of shape (0, 2)"),
        ({1: NO_BOXES}, "image 1: LabelMap expected, not Detections"),
        ({2: LabelMap(np.zeros((2, 2), np.uint8))}, "unknown images: 2"),
    ],
)
def test_unfit_predictions_are_refused_by_image_and_value(
    changes: dict[int, Any], fault: str
) -> None:
    split = split_of([np.array(one) for one in TRUTHS])
    with pytest.raises(PredictionError) as caught:
        SemanticMetrics().score(split, good() | changes, CLASSES)
    assert fault in str(caught.value)


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W) as OpenCV's INTER_LINEAR does: pixel centres, no antialiasing, rounded."""

    def axis(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, source - 1), at - low

    top, bottom, down = axis(image.shape[0], height)
    left, right, along = axis(image.shape[1], width)
    rows = image[top] * (1 - down)[:, None] + image[bottom] * down[:, None]
    return np.rint(rows[:, left] * (1 - along) + rows[:, right] * along)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_real_nuclei_give_the_published_numbers(data_dir: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    folder = data_dir / "nuclei_dsb2018"
    data = json.loads((folder / "annotations.json").read_text())
    split = split_from_coco(data, folder / "images")
    session = runtime.InferenceSession(
        str(data_dir / "models/unet_nuclei/unet_nuclei.onnx"), providers=["CPUExecutionProvider"]
    )
    found = {}
    for image in split.images:
        with Picture.open(image.path) as picture:
            pixels = bilinear(np.asarray(picture.convert("L"), np.float64), 128, 128)
        feed = {"images": pixels[None, None].astype(np.float32)}
        found[image.id] = LabelMap((session.run(None, feed)[0][0, 0] > 0.5).astype(np.uint8))
    scores = SemanticMetrics().score(split, found, ClassMap(("background", "nucleus"), (None, 1)))
    assert scores.counts["images"] == scores.counts["images_resized_truth"] == 129
    expected = {"dice": 0.8459, "dice_pooled": 0.8521, "miou": 0.8484, "pixel_accuracy": 0.9597}
    shown = {name: scores.metrics[name] for name in expected}
    assert shown == pytest.approx(expected, abs=0.001)
    assert scores.per_class["iou"]["nucleus"] == pytest.approx(0.7423, abs=0.001)
