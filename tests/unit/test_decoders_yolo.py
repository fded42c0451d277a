import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.decoders.end_to_end import EfficientNms, YoloEndToEnd
from benchbench.decoders.yolo import YoloV5, YoloV8
from benchbench.decoders.yolox import YoloX
from benchbench.errors import DecoderMismatch
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=("cat", "none", "dog"), category_ids=(7, None, 3))
FOUR = ClassMap(names=tuple("abcd"), category_ids=(0, 1, 2, 3))
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)
LETTERBOX = Geometry(128, 64, 64, 64, 0.5, 0.5, 0.0, 16.0)
ALL = (YoloV5(), YoloV8(), YoloX(), YoloEndToEnd(), EfficientNms())


def one(decoder, values, at=SQUARE, classes=CLASSES):
    (found,) = decoder.decode({"out": np.asarray(values, np.float32)[None]}, [at], classes)
    return found


def random_rows(count: int, classes: int, seed: int) -> np.ndarray:
    """Return rows of centre x, y, width, height, then values 0…1."""
    rng = np.random.default_rng(seed)
    place, size = rng.uniform(0, 64, (count, 2)), rng.uniform(4, 30, (count, 2))
    return np.concatenate([place, size, rng.random((count, classes))], axis=1).astype(np.float32)


# --- YOLOv5 ------------------------------------------------------------------------------


def test_yolov5_multiplies_objectness_and_class_probability() -> None:
    found = one(YoloV5(clip=False), [[20, 30, 8, 4, 0.5, 0.4, 0.9, 0.1]])
    np.testing.assert_allclose(found.scores, [0.2, 0.05], rtol=1e-6)
    assert found.labels.tolist() == [7, 3]
    np.testing.assert_allclose(found.boxes, [[16, 28, 8, 4]] * 2)


def test_a_box_may_stand_for_its_best_class_only() -> None:
    rows = [[20, 30, 8, 4, 0.5, 0.4, 0.1, 0.9]]
    for decoder in (YoloV5(multi_label=False), YoloX(decoded=True)):
        found = one(decoder, rows)
        assert found.labels.tolist() == [3]
        assert decoder.describe()["labels"] == "best class of a box"
    assert one(YoloX(decoded=True, multi_label=True), rows).labels.tolist() == [3, 7]


def test_yolov5_boxes_may_be_shares_of_the_input() -> None:
    wide = Geometry(100, 40, 50, 20, 0.5, 0.5, 0.0, 0.0)
    found = one(YoloV5(coordinates="relative"), [[0.5, 0.5, 0.2, 0.4, 1, 1, 0, 0]], wide)
    np.testing.assert_allclose(found.boxes, [[40, 12, 20, 16]], rtol=1e-6)


def test_yolov5_heads_follow_the_formula_of_their_detect_layer() -> None:
    rng = np.random.default_rng(3)
    anchors = (((10, 13), (16, 30)), ((30, 61), (62, 45)), ((116, 90), (156, 198)))
    heads = [rng.normal(0, 2, (1, 2, 64 // s, 64 // s, 8)).astype(np.float32) for s in (8, 16, 32)]
    options = {"nms_iou": None, "clip": False, "max_detections": None}
    feed = dict(zip("abc", heads, strict=True))
    (found,) = YoloV5(anchors=anchors, **options).decode(feed, [SQUARE], CLASSES)
    rows = []
    for head, sizes, stride in zip(heads, anchors, (8, 16, 32), strict=True):
        for a, y, x in np.ndindex(head.shape[1:4]):
            v = 1 / (1 + np.exp(-head[0, a, y, x].astype(np.float64)))
            xy = (v[0] * 2 - 0.5 + x) * stride, (v[1] * 2 - 0.5 + y) * stride
            wh = (v[2] * 2) ** 2 * sizes[a][0], (v[3] * 2) ** 2 * sizes[a][1]
            rows.append([*xy, *wh, *v[4:]])
    expected = one(YoloV5(**options), rows)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    assert found.labels.tolist() == expected.labels.tolist()


# --- YOLOv8 ------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_yolov8_finds_the_axis_of_its_channels(transposed) -> None:
    rows = np.array([[20, 30, 8, 4, 0.4, 0.9, 0.1], [50, 40, 6, 6, 0, 0, 0.8]])
    found = one(YoloV8(), rows if transposed else rows.T)
    assert found.labels.tolist() == [3, 7, 3]
    np.testing.assert_allclose(found.scores, [0.8, 0.4, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found.boxes[0], [47, 37, 6, 6])


def test_yolov8_where_both_axes_fit_reads_channels_first() -> None:
    rows = np.zeros((7, 7))
    rows[:, 2] = [20, 30, 8, 4, 0, 0, 0.5]
    assert one(YoloV8(), rows).boxes.tolist() == [[16, 28, 8, 4]]


def test_boxes_are_cut_at_the_image_after_suppression_before_it_or_not_at_all() -> None:
    # The second lies in the left half of the first, the third in the right: 1/2 of it visible.
    rows = [[0, 32, 16, 8, 0.9, 0, 0], [-4, 32, 8, 8, 0.8, 0, 0], [4, 32, 8, 8, 0.7, 0, 0]]
    boxes = {
        clip: one(YoloV8(nms_iou=0.6, clip=clip), rows).boxes.tolist()
        for clip in (False, "after", True)
    }
    assert boxes[False] == [[-8, 28, 16, 8], [-8, 28, 8, 8], [0, 28, 8, 8]]
    assert boxes["after"] == [[0, 28, 8, 8], [0, 28, 0, 8], [0, 28, 8, 8]]
    assert boxes[True] == [[0, 28, 8, 8], [0, 28, 0, 8]]
    cards = [YoloV8(clip=clip).describe()["clip"] for clip in (False, "after", True)]
    assert cards == ["no", "to the image, after NMS", "to the image, before NMS"]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 300), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_yolov8_equals_the_published_suppression_with_class_offsets(
    count, seed, multi_label, agnostic
) -> None:
    """Ultralytics shifts each class by 7680 pixels and suppresses once; IoU 0.7, best 300."""
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rows = random_rows(count, 4, seed)
    rows[:, 4:] *= np.random.default_rng(seed).random((count, 4)) < 0.3
    decoder = YoloV8(
        clip=False,
        multi_label=multi_label,
        nms="class-agnostic" if agnostic else "class-aware",
    )
    found = one(decoder, rows.T, LETTERBOX, FOUR)
    pairs = [
        (i, j)
        for i in range(count)
        for j in (range(4) if multi_label else [int(rows[i, 4:].argmax())])
        if rows[i, 4 + j] > 0.001
    ]
    i, j = np.array(pairs, np.int64).reshape(-1, 2).T
    xywh, scores = (torch.from_numpy(part).double() for part in (rows[i, :4], rows[i, 4 + j]))
    boxes = torch.cat([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2], 1)
    shift = torch.from_numpy(j)[:, None] * (0 if agnostic else 7680)
    kept = ops.nms(boxes + shift, scores, 0.7)[:300].numpy()
    assert found.labels.tolist() == j[kept].tolist()
    np.testing.assert_allclose(found.scores, scores.numpy()[kept])
    corners = (boxes.numpy()[kept] - [0, 16, 0, 16]) * 2
    np.testing.assert_allclose(found.boxes[:, :2], corners[:, :2], atol=1e-6)
    np.testing.assert_allclose(found.boxes[:, 2:], corners[:, 2:] - corners[:, :2], atol=1e-6)


# --- YOLOX -------------------------------------------------------------------------------


def test_yolox_applies_cell_and_stride() -> None:
    rows = np.zeros((64 + 16 + 4, 8))
    rows[64 + 6] = [0.25, -0.5, 0.5, -1, 0.8, 0, 0, 0.5]  # stride 16, row 1, column 2
    found = one(YoloX(), rows)
    width, height = np.exp(0.5) * 16, np.exp(-1) * 16
    expected = [(2 + 0.25) * 16 - width / 2, (1 - 0.5) * 16 - height / 2, width, height]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)


def test_yolox_decoded_in_the_model_gives_the_same() -> None:
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(0, 1, (84, 4)), rng.random((84, 4))], axis=1)
    cells = [(x, y, s) for s in (8, 16, 32) for y in range(64 // s) for x in range(64 // s)]
    x, y, stride = np.array(cells).T
    done = rows.copy()
    done[:, :2] = (rows[:, :2] + np.stack([x, y], axis=1)) * stride[:, None]
    done[:, 2:4] = np.exp(rows[:, 2:4]) * stride[:, None]
    single = ClassMap(names=tuple("abc"), category_ids=(1, 2, 3))
    raw, decoded = (
        one(YoloX(), rows, classes=single),
        one(YoloX(decoded=True), done, classes=single),
    )
    np.testing.assert_allclose(raw.boxes, decoded.boxes, rtol=1e-5, atol=1e-4)
    assert raw.labels.tolist() == decoded.labels.tolist()


def test_yolox_refuses_a_size_that_overflows_by_name() -> None:
    rows = np.zeros((84, 8))
    rows[0] = [0, 0, 2000, 0, 1, 1, 0, 0]
    with pytest.raises(DecoderMismatch, match="output 'out' holds inf"):
        one(YoloX(), rows)


# --- finished rows -----------------------------------------------------------------------


def test_end_to_end_rows_are_corners_score_class_and_padding_goes() -> None:
    rows = [[2, 4, 10, 20, 0.5, 2], [0, 0, 8, 8, 0.9, 0], [1, 1, 9, 9, 0.8, 0], [0, 0, 0, 0, 0, 0]]
    found = one(YoloEndToEnd(), rows)
    assert found.labels.tolist() == [7, 7, 3]
    assert found.boxes.tolist() == [[0, 0, 8, 8], [1, 1, 8, 8], [2, 4, 8, 16]]
    assert len(one(YoloEndToEnd(nms_iou=0.5), rows).labels) == 2


def nms_feed(count) -> dict[str, np.ndarray]:
    return {
        "num": np.array([[count]], np.int32),
        "boxes": np.array([[[2, 4, 10, 20], [0, 0, 8, 8], [np.nan] * 4]], np.float32),
        "scores": np.array([[0.9, 0.5, np.nan]], np.float32),
        "classes": np.array([[2, 0, -1]], np.int32),
    }


def test_an_nms_plug_in_tells_how_many_rows_count() -> None:
    (found,) = EfficientNms().decode(nms_feed(2), [LETTERBOX], CLASSES)
    assert found.labels.tolist() == [3, 7]
    assert found.boxes.tolist() == [[4, -24, 16, 32], [0, -32, 16, 16]]
    flat = nms_feed(1) | {"num": np.array([1.0], np.float32)}
    (found,) = EfficientNms().decode(flat, [SQUARE], CLASSES)
    assert found.labels.tolist() == [3]
    with pytest.raises(DecoderMismatch, match="output 'scores' holds nan"):
        EfficientNms().decode(nms_feed(3), [SQUARE], CLASSES)


def test_tensorflow_order_and_shares_are_options() -> None:
    feed = nms_feed(1)
    feed["boxes"][0, 0] = (0.1, 0.2, 0.5, 0.8)
    decoder = EfficientNms(corners="yxyx", coordinates="relative", label_offset=2)
    (found,) = decoder.decode(feed, [SQUARE], CLASSES)
    np.testing.assert_allclose(found.boxes, [[12.8, 6.4, 38.4, 25.6]], rtol=1e-6)
    assert found.labels.tolist() == [7]
    card = decoder.describe()
    assert card["decoder"].endswith("(counted from 2), yxyx in relative")
    assert card["nms"] == "inside the model"


# --- what does not fit -------------------------------------------------------------------

HEADS = YoloV5(anchors=(((1, 2),), ((3, 4),), ((5, 6),)))


@pytest.mark.parametrize(
    ("decoder", "shapes", "message"),
    [
        (YoloV5(), [(1, 9, 7)], r"2 class channels.*expected one output \(N, boxes, 5 \+ cl"),
        (YoloV5(), [(1, 9, 8)] * 2, "2 outputs instead of 1"),
        (YoloV8(), [(1, 8, 84)], "no axis of 7 for a class list of 3; .* or .*found o0 "),
        (YoloX(), [(1, 83, 8)], r"\(1, 83, 8\); .* cells of the strides 8, 16, 32, 5 \+ classes"),
        (YoloX(strides=(8, 16)), [(1, 84, 8)], r"shape \(1, 84, 8\)"),
        (YoloEndToEnd(), [(1, 5, 7)], r"expected one output \(N, boxes, 6\)"),
        (EfficientNms(), [(1, 2), (1, 5, 4), (1, 5), (1, 5)], r"'o0' has the shape \(1, 2\)"),
        (EfficientNms(), [(1, 1), (1, 5, 4), (1, 4), (1, 5)], r"'o2' has the shape \(1, 4\)"),
        (HEADS, [(1, 1, 8, 8, 8)], "1 outputs instead of 3; expected raw heads"),
        (HEADS, [(1, 3, 8, 8, 8)] * 3, "'o0' has the shape"),
        (HEADS, [(1, 1, 8, 8, 9), (1, 1, 4, 4, 9), (1, 1, 2, 2, 9)], "4 class channels"),
        (YoloV5(anchors=(((1, 2),),)), [(1, 1, 8, 8, 8)] * 3, "anchors for 1 of 3 strides"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_expected_and_found(
    decoder, shapes, message
) -> None:
    feed = {f"o{i}": np.zeros(shape, np.float32) for i, shape in enumerate(shapes)}
    with pytest.raises(DecoderMismatch, match=message):
        decoder.decode(feed, [SQUARE], CLASSES)


def test_a_count_beyond_the_rows_is_refused() -> None:
    with pytest.raises(DecoderMismatch, match="a count of 9 among 3 boxes"):
        EfficientNms().decode(nms_feed(9), [SQUARE], CLASSES)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value) -> None:
    rows = np.zeros((84, 8))
    rows[3] = value
    for decoder, feed in [(YoloV5(), rows), (YoloX(), rows), (YoloV8(), rows[:, :7].T)]:
        with pytest.raises(DecoderMismatch, match="output 'out' holds"):
            one(decoder, feed)
    with pytest.raises(DecoderMismatch, match="output 'out' holds"):
        one(YoloEndToEnd(), rows[:, :6])


def test_padded_images_of_a_batch_are_ignored() -> None:
    feed = {"out": np.full((3, 7, 5), np.nan, np.float32)}
    feed["out"][:2] = 0
    feed["out"][1, :, 4] = (8, 8, 4, 4, 0, 0, 0.5)
    first, second = YoloV8().decode(feed, [SQUARE, SQUARE], CLASSES)
    assert (first.labels.tolist(), second.labels.tolist()) == ([], [3])
    assert first.boxes.shape == (0, 4)


@pytest.mark.parametrize("decoder", ALL)
def test_every_card_states_floor_suppression_and_limit(decoder) -> None:
    assert isinstance(decoder, Decoder)
    card = decoder.describe()
    assert {"decoder", "score", "score floor", "candidates", "nms", "detections", "clip"} <= {*card}
    assert all(isinstance(line, str) and line for line in card.values())


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValidationError):
        YoloV8.model_validate({"clip": "before"})
    with pytest.raises(ValidationError):
        YoloV5.model_validate({"anchors": [[[0, 3]]]})
