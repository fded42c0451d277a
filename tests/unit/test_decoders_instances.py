"""Decoders of instance segmentation: against torchvision, Ultralytics' formula, and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.datasets.coco import read_coco
from benchbench.decoders.components import Components
from benchbench.decoders.instances import BoxesScoresLabelsMasks, pasted
from benchbench.decoders.yolo_segment import YoloV8Segment
from benchbench.errors import DecoderMismatch
from benchbench.inputs import InputContract, read_image
from benchbench.masks import dense_mask, mask_boxes, runs_by_mask, totals_px
from benchbench.metrics.coco_masks import CocoMasks
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry, Instances

CLASSES = ClassMap(names=("cat", "none", "dog"), category_ids=(7, None, 3))
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)
WIDE = Geometry(128, 64, 64, 64, 0.5, 0.5, 0.0, 16.0)
"""An image of 128 × 64 at half its size, in the middle of a square."""


def areas_px(lengths: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Return how many pixels each mask has: every other run is of ones."""
    return np.array([int(one[1::2].sum()) for one in runs_by_mask(lengths, runs)])


def dense(found: Instances, geometry: Geometry) -> np.ndarray:
    """Return the masks (N, H, W)."""
    size = geometry.image_height, geometry.image_width
    each = [dense_mask(one, *size) for one in runs_by_mask(found.lengths, found.runs)]
    return np.array(each, bool).reshape(-1, *size)


def decode(decoder: Any, feed: dict[str, np.ndarray], geometry: Geometry = SQUARE) -> Instances:
    (found,) = decoder.decode(feed, [geometry], CLASSES)
    assert isinstance(found, Instances)
    return found


def test_all_are_decoders_of_the_task_and_describe_their_masks() -> None:
    for decoder in (YoloV8Segment(), BoxesScoresLabelsMasks(), Components()):
        assert isinstance(decoder, Decoder)
        assert decoder.task == "instance-segmentation"
        assert decoder.describe()["decoder"]


# --- YOLOv8 ------------------------------------------------------------------------------


def yolo_feed(
    boxes: list[list[float]], scores: list[list[float]], coefficients: Any, prototypes: Any
) -> dict[str, np.ndarray]:
    rows = np.concatenate([boxes, scores, coefficients], axis=1, dtype=np.float32)
    return {"output0": rows.T[None], "output1": np.asarray(prototypes, np.float32)[None]}


def test_a_yolo_mask_is_its_prototypes_sum_cut_at_the_box() -> None:
    prototypes = np.full((2, 16, 16), -1.0)
    prototypes[0, 4:8] = 3  # positive with the coefficients (1, 0) only
    feed = yolo_feed([[20, 24, 16, 32]], [[0.0, 0.1, 0.9]], [[1, 0]], prototypes)
    found = decode(YoloV8Segment(), feed)
    assert found.labels.tolist() == [3]
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_allclose(found.boxes, [[12, 8, 16, 32]])
    # The edge lies where 3 falls to -1: three quarters of a cell's 4 pixels outside the centre.
    expected = np.zeros((64, 64), bool)
    expected[15:33, 12:28] = True
    np.testing.assert_array_equal(dense(found, SQUARE), [expected])


def ultralytics(
    coefficients: np.ndarray, prototypes: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Return logits (N, H, W), -inf outside the boxes, as ``process_mask_native`` computes them."""
    torch = pytest.importorskip("torch")
    count, height, width = prototypes.shape
    maps = torch.tensor(coefficients) @ torch.tensor(prototypes).reshape(count, -1)
    maps = maps.reshape(-1, height, width)
    gain = min(height / size[0], width / size[1])
    pad_x, pad_y = (width - size[1] * gain) / 2, (height - size[0] * gain) / 2
    top, left = round(pad_y - 0.1), round(pad_x - 0.1)
    bottom, right = height - round(pad_y + 0.1), width - round(pad_x + 0.1)
    cut = maps[None, :, top:bottom, left:right]
    upsample = torch.nn.functional.interpolate
    logits = upsample(cut, size, mode="bilinear", align_corners=False)[0].numpy()
    y, x = np.mgrid[: size[0], : size[1]]
    for one, (x1, y1, x2, y2) in zip(logits, boxes, strict=True):
        one[~((x >= x1) & (x < x2) & (y >= y1) & (y < y2))] = -np.inf
    return logits


@pytest.mark.parametrize(("width", "height"), [(128, 64), (96, 128), (40, 40)])
def test_yolo_masks_are_those_of_ultralytics_through_a_letterbox(width: int, height: int) -> None:
    contract = InputContract.model_validate(
        {"size": (64, 64), "color": "grey", "resize": "letterbox"}
    )
    geometry = contract.geometry(width, height)
    rng = np.random.default_rng(1)
    prototypes = rng.normal(size=(4, 16, 16)).astype(np.float32)
    coefficients = rng.normal(size=(6, 4)).astype(np.float32)
    centres, sides = rng.uniform(10, 54, (6, 2)), rng.uniform(8, 60, (6, 2))
    scores = np.zeros((6, 3))
    scores[:, 0] = np.linspace(0.9, 0.4, 6)
    feed = yolo_feed(np.hstack([centres, sides]), scores, coefficients, prototypes)
    found = decode(YoloV8Segment(nms_iou=None), feed, geometry)
    corners = np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], 1)
    logits = ultralytics(coefficients, prototypes, corners, (height, width))
    near = np.abs(logits) < 1e-4
    assert near.sum() < 10
    np.testing.assert_array_equal(dense(found, geometry) | near, (logits > 0) | near)
    assert areas_px(found.lengths, found.runs).min() > 0


def test_upsampling_probabilities_moves_the_edge() -> None:
    prototypes = np.full((1, 16, 16), -1.0)
    prototypes[0, 4:8, 4:8] = 9
    feed = yolo_feed([[32, 32, 64, 64]], [[0.9, 0, 0]], [[1]], prototypes)
    areas = {
        how: areas_px(found.lengths, found.runs)[0]
        for how in ("logits", "probabilities")
        for found in [decode(YoloV8Segment(interpolate=how), feed)]
    }
    assert areas["probabilities"] < areas["logits"]
    strict = decode(YoloV8Segment(mask_threshold=0.9), feed)
    assert areas_px(strict.lengths, strict.runs)[0] < areas["logits"]


def test_suppressed_and_unknown_boxes_take_their_masks_with_them() -> None:
    prototypes = np.stack([np.full((16, 16), value) for value in (1.0, -1.0)])
    same = [32.0, 32.0, 20.0, 20.0]
    feed = yolo_feed(
        [[8, 8, 8, 8], same, same, same],
        [[0.3, 0, 0], [0, 0, 0.5], [0, 0.9, 0], [0, 0, 0.8]],
        [[1, 0], [0, 1], [0, 1], [1, 0]],
        prototypes,
    )
    found = decode(YoloV8Segment(), feed)
    np.testing.assert_allclose(found.scores, [0.8, 0.3])
    assert areas_px(found.lengths, found.runs).tolist() == [400, 64]


def test_a_yolo_export_may_swap_its_last_axes_and_pad_its_batch() -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(0.1, 20, (2, 4 + 3 + 5, 9)).astype(np.float32)
    rows[:, 4:7] %= 1
    prototypes = rng.normal(size=(2, 5, 16, 16)).astype(np.float32)
    plain = decode(YoloV8Segment(), {"a": rows, "b": prototypes})
    swapped = decode(
        YoloV8Segment(outputs=("a", "b")),
        {"b": prototypes, "a": np.ascontiguousarray(rows.transpose(0, 2, 1))},
    )
    np.testing.assert_array_equal(plain.runs, swapped.runs)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({"a": np.zeros((1, 9, 20))}, "1 outputs instead of 2; expected two outputs"),
        (
            {"a": np.zeros((1, 9, 20)), "b": np.zeros((1, 4, 8, 8))},
            "no axis of 11 for a class list of 3 and 4 prototypes",
        ),
        ({"b": np.zeros((1, 4, 8, 8)), "a": np.zeros((1, 11, 20))}, "output 'b' has the shape"),
        (
            {"a": np.ones((1, 11, 20)), "b": np.full((1, 4, 8, 8), np.nan)},
            "output 'b' holds nan",
        ),
        (
            {"a": np.full((1, 11, 20), np.nan), "b": np.zeros((1, 4, 8, 8))},
            "output 'a' holds nan",
        ),
    ],
)
def test_outputs_that_are_no_yolo_masks_are_refused(feed: dict, message: str) -> None:
    with pytest.raises(DecoderMismatch, match=message):
        decode(YoloV8Segment(), feed)


# --- boxes, scores, labels, masks ----------------------------------------------------------

corner = st.integers(-80, 400).map(lambda eighths: eighths / 8)
side = st.integers(0, 400).map(lambda eighths: eighths / 8)


@settings(max_examples=100, deadline=None)
@given(st.tuples(corner, corner, side, side), st.integers(1, 9), st.integers(0, 99))
def test_pasting_is_torchvision_s(box: tuple, cells: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    heads = pytest.importorskip("torchvision.models.detection.roi_heads")
    mask = np.random.default_rng(seed).random((cells, cells))
    x, y, w, h = box
    corners = np.clip([x, y, x + w, y + h], 0, [45, 37, 45, 37])  # as the model leaves them
    want = heads.paste_masks_in_image(
        torch.tensor(mask)[None, None], torch.tensor(corners)[None], (37, 45)
    )
    want = want[0, 0].numpy()
    got = dense_mask(pasted(mask, corners, (37, 45), 0.5), 37, 45)
    near = np.abs(want - 0.5) < 1e-5
    np.testing.assert_array_equal(got | near, (want > 0.5) | near)


def test_an_absurd_box_is_an_empty_mask_or_fills_the_image() -> None:
    ones = np.ones((4, 4))
    assert pasted(ones, np.array([1e30, 0, 2e30, 5]), (6, 8), 0.5).tolist() == [48]
    assert pasted(ones, np.array([-1e30, -1e30, 1e30, 1e30]), (6, 8), 0.5).tolist() == [0, 48]


@pytest.fixture(scope="module")
def mask_rcnn() -> Any:
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchvision.models.detection")
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 8, 1), torch.nn.ReLU())
    backbone.out_channels = 8
    anchors = detection.rpn.AnchorGenerator(((24, 48),), ((0.5, 1.0, 2.0),))
    ops = pytest.importorskip("torchvision.ops")
    model = detection.MaskRCNN(
        backbone,
        num_classes=4,
        min_size=96,
        max_size=128,
        rpn_anchor_generator=anchors,
        box_roi_pool=ops.MultiScaleRoIAlign(["0"], 7, 2),
        mask_roi_pool=ops.MultiScaleRoIAlign(["0"], 14, 2),
        box_score_thresh=0.0,
        box_detections_per_img=12,
    )
    return model.eval()


def test_a_mask_rcnn_s_instances_are_torchvision_s_own(mask_rcnn: Any) -> None:
    torch = pytest.importorskip("torch")
    image = torch.rand(3, 60, 80)
    with torch.no_grad():
        want = mask_rcnn([image])[0]
        prepared, _ = mask_rcnn.transform([image])
        features = {"0": mask_rcnn.backbone(prepared.tensors)}
        proposals, _ = mask_rcnn.rpn(prepared, features)
        (raw,), _ = mask_rcnn.roi_heads(features, proposals, prepared.image_sizes)
    assert raw["masks"].shape[1:] == (1, 28, 28)
    (height, width) = prepared.image_sizes[0]
    geometry = Geometry(80, 60, width, height, width / 80, height / 60, 0, 0)
    classes = ClassMap(("a", "b", "c"), (1, 2, 3))
    names = ("boxes", "scores", "labels", "masks")
    decoder = BoxesScoresLabelsMasks(label_offset=1, outputs=names)
    (found,) = decoder.decode({n: raw[n].numpy() for n in raw}, [geometry], classes)
    assert len(found.scores) == 12
    np.testing.assert_array_equal(found.labels, want["labels"].numpy())
    expected = want["masks"].numpy()[:, 0] > 0.5
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(dense(found, geometry), expected)

    whole = BoxesScoresLabelsMasks(label_offset=1, outputs=names, extent="input")
    identity = Geometry(80, 60, 80, 60, 1, 1, 0, 0)
    (found,) = whole.decode({n: want[n].numpy() for n in want}, [identity], classes)
    np.testing.assert_array_equal(dense(found, identity), expected)


def finished(masks: np.ndarray, scores: tuple[float, ...] = (0.2, 0.0, 0.9)) -> dict[str, Any]:
    boxes = np.array([[0, 0, 8, 8], [8, 8, 20, 20], [10, 20, 40, 40]], np.float32)
    return {"b": boxes, "s": np.array(scores, np.float32), "l": np.array([0, 2, 2]), "m": masks}


def test_masks_follow_their_boxes_through_floor_and_order() -> None:
    maps = np.zeros((3, 64, 64), np.float32)
    maps[0, :2, :3], maps[2, 20:40, 10:40] = 1, 1
    decoder = BoxesScoresLabelsMasks(extent="input")
    plain = decode(decoder, finished(maps))
    assert plain.labels.tolist() == [3, 7]
    assert areas_px(plain.lengths, plain.runs).tolist() == [600, 6]
    for masks in (maps[:, None], maps[None], maps[None, :, None]):
        feed = finished(masks)
        if masks.shape[0] == 1:
            feed = {**{name: feed[name][None] for name in "bsl"}, "m": masks}
        np.testing.assert_array_equal(decode(decoder, feed).runs, plain.runs)


def test_a_mask_of_the_input_returns_to_the_original_image() -> None:
    maps = np.zeros((3, 32, 32), np.float32)
    maps[2, 8:16, 4:12] = 1  # pixels 16…32 × 8…24 of the input
    found = decode(BoxesScoresLabelsMasks(extent="input"), finished(maps), WIDE)
    expected = np.zeros((64, 128), bool)
    expected[0:32, 16:48] = True
    expected[31, [16, 47]] = False  # interpolation rounds the corners off
    np.testing.assert_array_equal(dense(found, WIDE)[0], expected)
    assert areas_px(found.lengths, found.runs)[1] == 0


def test_padding_takes_no_part_in_a_mask() -> None:
    maps = np.zeros((3, 16, 16), np.float32)
    maps[2, 4] = 1  # the first row of the image; above it lies the border
    found = decode(BoxesScoresLabelsMasks(extent="input"), finished(maps), WIDE)
    assert dense(found, WIDE)[0][:8].all()


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.zeros((3, 2, 28, 28)), r"output 'm' has the shape \(1, 3, 2, 28, 28\)"),
        (np.zeros((2, 28, 28)), "output 'm' has the shape"),
        (np.zeros((3, 28)), "output 'm' has the shape"),
        (np.full((3, 28, 28), np.inf), "output 'm' holds inf"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks: np.ndarray, message: str) -> None:
    with pytest.raises(DecoderMismatch, match=message):
        decode(BoxesScoresLabelsMasks(), finished(masks))


# --- components ----------------------------------------------------------------------------

NUCLEI = ClassMap(names=("background", "nucleus"), category_ids=(None, 1), background=0)


def blobs(size: int = 16) -> np.ndarray:
    found = np.zeros((size, size), np.float32)
    found[2:5, 3:7] = 0.7
    found[5:6, 7:9] = 0.9  # touches the first at a corner
    found[10:14, 10:16] = 0.8
    found[0, 0] = 0.6
    return found


def test_regions_become_objects_with_the_mean_of_their_values() -> None:
    geometry = Geometry(16, 16, 16, 16, 1, 1, 0, 0)
    feed = {"p": blobs()[None, None]}
    (found,) = Components(min_area_px=2).decode(feed, [geometry], NUCLEI)
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], rtol=1e-6)
    assert found.labels.tolist() == [1, 1, 1]
    assert areas_px(found.lengths, found.runs).tolist() == [2, 24, 12]
    np.testing.assert_array_equal(found.boxes, mask_boxes(found, 16, 16))
    np.testing.assert_array_equal(dense(found, geometry).any(0), blobs() > 0.65)
    (joined,) = Components(connectivity=8).decode(feed, [geometry], NUCLEI)
    assert areas_px(joined.lengths, joined.runs).tolist() == [24, 14, 1]
    (best,) = Components(max_detections=1).decode(feed, [geometry], NUCLEI)
    assert best.scores.shape == (1,)


def test_each_class_but_the_background_has_regions_of_its_own() -> None:
    scores = np.zeros((1, 3, 8, 8), np.float32)
    scores[0, 0] = 1
    scores[0, 1, 1:3, 1:3], scores[0, 2, 1:3, 3:6] = 5, 4
    classes = ClassMap(("background", "a", "b"), (None, 7, 3))
    geometry = Geometry(8, 8, 8, 8, 1, 1, 0, 0)
    (found,) = Components(activation="softmax").decode({"s": scores}, [geometry], classes)
    assert found.labels.tolist() == [7, 3]
    assert areas_px(found.lengths, found.runs).tolist() == [4, 6]
    (labelled,) = Components().decode(
        {"s": scores.argmax(axis=1).astype(np.int64)}, [geometry], classes
    )
    assert labelled.scores.tolist() == [1, 1]
    np.testing.assert_array_equal(labelled.runs, found.runs)


def test_an_image_without_regions_has_no_objects() -> None:
    geometry = Geometry(20, 10, 16, 16, 0.8, 1.6, 0, 0)
    (found,) = Components().decode({"p": np.zeros((1, 1, 16, 16))}, [geometry], NUCLEI)
    assert (found.boxes.shape, found.runs.size) == ((0, 4), 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 30), st.integers(5, 30), st.booleans())
def test_regions_divide_the_foreground(seed: int, width: int, height: int, corners: bool) -> None:
    values = np.random.default_rng(seed).random((1, 1, 9, 7)).astype(np.float32)
    geometry = Geometry(width, height, 14, 18, 14 / width, 18 / height, 0, 0)
    decoder = Components(connectivity=8 if corners else 4)
    (found,) = decoder.decode({"p": values}, [geometry], NUCLEI)
    masks = dense(found, geometry)
    assert masks.sum(axis=0).max(initial=0) <= 1
    assert (totals_px(found.lengths, found.runs) == width * height).all()
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores > 0.5).all()
    from benchbench.decoders.semantic import Semantic

    (labels,) = Semantic().decode({"p": values}, [geometry], NUCLEI)
    np.testing.assert_array_equal(masks.any(axis=0), labels.labels == 1)


def test_the_nuclei_model_finds_nuclei_one_by_one(data_dir: Path) -> None:
    """No published value exists: pycocotools gives the same to the last digit on these masks."""
    ort = pytest.importorskip("onnxruntime")
    folder = data_dir / "nuclei_dsb2018"
    split = read_coco(
        folder / "annotations.json", folder / "images", name="nuclei", split="validation"
    )
    contract = InputContract.model_validate(
        {"size": (128, 128), "color": "grey", "resize": {"kind": "stretch", "library": "opencv"}}
    )
    pytest.importorskip("cv2")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(data_dir / "models/unet_nuclei/unet_nuclei.onnx"), options)
    name = session.get_inputs()[0].name
    category = split.categories[0].id
    classes = ClassMap(("background", "nucleus"), (None, category), background=0)
    found = {}
    for image in split.images:
        tensor, geometry = contract.prepare(read_image(image, "grey"))
        output = session.run(None, {name: tensor[None]})[0]
        (found[image.id],) = Components().decode({"p": output}, [geometry], classes)
    scores = CocoMasks(max_detections=(1, 10, 1000)).score(split, found, classes)
    assert scores.metrics["map"] == pytest.approx(0.2773, abs=0.002)
    assert scores.metrics["map_50"] == pytest.approx(0.4771, abs=0.002)
