"""Label maps: by hand, against torchmetrics, and on real images."""

from __future__ import annotations

import json
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
from benchbench.metrics.semantic import SemanticMetrics, confusion, resize_nearest
from benchbench.types import ClassMap, Detections, LabelMap, Scores
from tests.helpers import split_from_coco

CLASSES = ClassMap(("background", "a", "b"), (None, 1, 2))
Map = list[list[int]]


def runs(mask: np.ndarray) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff([0, *edges, mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def split_of(truths: list[np.ndarray], **changes: Any) -> Any:
    """Return a split whose painted truth is *truths* (background 0)."""
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
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
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


def test_confusion_does_not_wrap_at_255_classes() -> None:
    truth = np.array([[254, 254, 0]], np.uint8)
    counts = confusion(truth, np.array([[254, 0, 254]], np.uint8), 255)
    assert counts[254, 254] == counts[254, 0] == counts[0, 254] == 1
    assert counts.sum() == 3


maps = arrays(np.uint8, (2, 3, 5, 4), elements=st.integers(0, 2))


@settings(max_examples=25, deadline=None)
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


@settings(max_examples=25, deadline=None)
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


@settings(max_examples=25, deadline=None)
@given(maps)
def test_accuracies_equal_torchmetrics(both: np.ndarray) -> None:
    torch, accuracy = torchmetrics("classification", "MulticlassAccuracy")
    truth, labels = both
    metric = accuracy(num_classes=3, average="micro")
    found = scored(list(truth), list(labels)).metrics["pixel_accuracy"]
    expected = metric(torch.tensor(labels).long(), torch.tensor(truth).long()).item()
    assert found == pytest.approx(expected, abs=1e-6)


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
