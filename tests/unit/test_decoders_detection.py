import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.decoders.boxes import BoxesScoresLabels
from benchbench.decoders.fastestdet import FastestDet
from benchbench.decoders.fcos import Fcos
from benchbench.decoders.nanodet import NanoDet
from benchbench.errors import DecoderMismatch
from benchbench.inputs import InputContract
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=("cat", "none", "dog"), category_ids=(7, None, 3))
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)
LETTERBOX = Geometry(128, 64, 64, 64, 0.5, 0.5, 0.0, 16.0)
ALL = (Fcos(), FastestDet(), NanoDet(), BoxesScoresLabels())


def geometry(width: int, height: int, resize: object) -> Geometry:
    contract = InputContract.model_validate({"size": (64, 64), "color": "grey", "resize": resize})
    return contract.prepare(np.zeros((height, width), np.uint8))[1]


def fcos_outputs(classes: int = 3, batch: int = 1) -> dict[str, np.ndarray]:
    feed = {}
    for stride in (8, 16, 32):
        side = 64 // stride
        feed[f"scores_{stride}"] = np.full((batch, classes, side, side), -20, np.float32)
        feed[f"boxes_{stride}"] = np.ones((batch, 4, side, side), np.float32)
    return feed


def nanodet_outputs(classes: int = 3, bins: int = 8) -> dict[str, np.ndarray]:
    feed = {}
    for stride in (8, 16, 32):
        cells = (64 // stride) ** 2
        feed[f"scores_{stride}"] = np.zeros((1, cells, classes), np.float32)
        feed[f"boxes_{stride}"] = np.zeros((1, cells, 4 * bins), np.float32)
    return feed


# --- FCOS --------------------------------------------------------------------------------


def test_fcos_measures_from_the_centre_of_the_cell_in_strides() -> None:
    feed = fcos_outputs()
    feed["scores_16"][0, 2, 1, 3] = 2.0
    feed["boxes_16"][0, :, 1, 3] = (1, 0.5, 0.25, 2)
    (found,) = Fcos().decode(feed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [3]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-2)), rtol=1e-6)
    centre_x, centre_y = 3.5 * 16, 1.5 * 16
    expected = [centre_x - 16, centre_y - 8, 16 + 4, 8 + 32]
    np.testing.assert_allclose(found.boxes, [expected])


def test_a_box_returns_to_the_original_image() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, 0, 4, 4] = 3.0
    (found,) = Fcos().decode(feed, [LETTERBOX], CLASSES)
    np.testing.assert_allclose(found.boxes, [[(36 - 8) / 0.5, (36 - 8 - 16) / 0.5, 32, 32]])
    assert found.boxes.dtype == found.scores.dtype == np.float64
    assert found.labels.dtype == np.int64


def test_clipping_is_off_unless_asked_for() -> None:
    feed = fcos_outputs()
    feed["scores_32"][0, 0, 0, 0] = 3.0
    feed["boxes_32"][0, :, 0, 0] = 2
    (loose,) = Fcos().decode(feed, [SQUARE], CLASSES)
    (tight,) = Fcos(clip=True).decode(feed, [SQUARE], CLASSES)
    np.testing.assert_allclose(loose.boxes, [[-48, -48, 128, 128]])
    np.testing.assert_allclose(tight.boxes, [[0, 0, 64, 64]])


def test_classes_that_the_dataset_lacks_are_dropped_before_they_take_a_place() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, :, 0, 0] = (1.0, 9.0, 2.0)
    decoder = Fcos(max_detections=1, nms="class-agnostic")
    (found,) = decoder.decode(feed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [3]


def test_one_cell_may_hold_several_classes_best_first() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, :, 0, 0] = (1.0, -20.0, 2.0)
    (found,) = Fcos().decode(feed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [3, 7]
    (agnostic,) = Fcos(nms="class-agnostic").decode(feed, [SQUARE], CLASSES)
    assert agnostic.labels.tolist() == [3]


def test_floor_candidates_and_limit_are_the_options() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, 0] = np.linspace(-3, 3, 64).reshape(8, 8)
    everything = Fcos(score_floor=0, nms_iou=None, top_k=None, max_detections=1000)
    (found,) = everything.decode(feed, [SQUARE], CLASSES)
    assert len(found.scores) == 2 * (64 + 16 + 4)
    assert (np.diff(found.scores) <= 0).all()
    (half,) = Fcos(score_floor=0.5, nms_iou=None).decode(feed, [SQUARE], CLASSES)
    assert len(half.scores) == 32
    (some,) = Fcos(top_k=5, nms_iou=None).decode(feed, [SQUARE], CLASSES)
    assert some.scores.tolist() == found.scores[:5].tolist()
    (few,) = Fcos(max_detections=3, nms_iou=None).decode(feed, [SQUARE], CLASSES)
    assert few.scores.tolist() == found.scores[:3].tolist()
    (none,) = Fcos(score_floor=1.0).decode(feed, [SQUARE], CLASSES)
    assert none.boxes.shape == (0, 4)


def test_each_stride_may_send_its_best_only() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, 0] = np.linspace(-3, 3, 64).reshape(8, 8)
    feed["scores_32"][0, 0, 0, 0] = -2.5
    decoder = Fcos(level_top_k=2, nms_iou=None)
    (found,) = decoder.decode(feed, [SQUARE], CLASSES)
    logits = np.log(found.scores / (1 - found.scores))
    np.testing.assert_allclose(logits, [3, 3 - 6 / 63, -2.5], rtol=1e-5)
    assert decoder.describe()["candidates"] == "best 2 a stride, of these best 1000 an image"


def test_padding_rows_are_ignored_and_each_image_keeps_its_own() -> None:
    feed = fcos_outputs(batch=3)
    feed["scores_8"][0, 0, 0, 0] = feed["scores_8"][1, 2, 0, 0] = 1.0
    feed["scores_8"][2] = np.nan
    one, two = Fcos().decode(feed, [SQUARE, SQUARE], CLASSES)
    assert (one.labels.tolist(), two.labels.tolist()) == ([7], [3])


def test_outputs_may_be_chosen_by_name() -> None:
    feed = fcos_outputs()
    feed["scores_8"][0, 0, 4, 4] = 3.0
    names = tuple(feed)
    mixed = {"aux": np.zeros(3)} | dict(reversed(feed.items()))
    (found,) = Fcos(outputs=names).decode(mixed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [7]


box = st.tuples(*[st.floats(0.02, 0.98)] * 4)


@settings(deadline=None)
@given(
    box,
    st.integers(20, 300),
    st.integers(20, 300),
    st.sampled_from(
        ["stretch", "letterbox", {"kind": "letterbox", "align": "top-left", "rounding": "floor"}]
    ),
)
def test_a_box_survives_the_way_to_the_input_and_back(corners, width, height, resize) -> None:
    mapped = geometry(width, height, resize)
    x1, x2 = sorted((corners[0] * width, corners[1] * width))
    y1, y2 = sorted((corners[2] * height, corners[3] * height))
    there = np.array([x1, y1, x2, y2]) * ([mapped.scale_x, mapped.scale_y] * 2)
    there += [mapped.offset_x, mapped.offset_y] * 2
    feed = fcos_outputs()
    x, y = ((there[:2] + there[2:]) / 2 // 8).astype(int)
    centre = (np.array([x, y]) + 0.5) * 8
    feed["scores_8"][0, 0, y, x] = 5.0
    sides = np.concatenate([centre - there[:2], there[2:] - centre]) / 8
    feed["boxes_8"][0, :, y, x] = sides
    (found,) = Fcos().decode(feed, [mapped], CLASSES)
    np.testing.assert_allclose(found.boxes, [[x1, y1, x2 - x1, y2 - y1]], rtol=0, atol=1e-3)


# --- FastestDet --------------------------------------------------------------------------


def test_fastestdet_follows_its_formula() -> None:
    values = np.zeros((1, 8, 4, 4), np.float32)
    values[0, :, 2, 1] = (0.81, 0.3, -0.2, 0.5, -1.0, 0.1, 0.2, 0.64)
    (found,) = FastestDet(clip=False).decode({"pred": values}, [SQUARE], CLASSES)
    width, height = (64 / (1 + np.exp(-v)) for v in (0.5, -1.0))
    centre = (np.tanh(0.3) + 1) * 16, (np.tanh(-0.2) + 2) * 16
    expected = [centre[0] - width / 2, centre[1] - height / 2, width, height]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.81**0.6 * 0.64**0.4], rtol=1e-6)
    assert found.labels.tolist() == [3]


def test_fastestdet_clips_and_takes_other_exponents() -> None:
    values = np.zeros((1, 8, 4, 4), np.float32)
    values[0, :, 0, 0] = (0.25, 0, 0, 9, 9, 0.5, 0, 0)
    decoder = FastestDet(exponents=(1, 1))
    (found,) = decoder.decode({"pred": values}, [SQUARE], CLASSES)
    np.testing.assert_allclose(found.scores, [0.125])
    assert (found.boxes[0, :2] == 0).all()
    assert decoder.describe()["clip"] == "to the image, before NMS"


def test_fastestdet_bears_probabilities_a_rounding_below_zero() -> None:
    values = np.full((1, 8, 4, 4), -1e-7, np.float32)
    (found,) = FastestDet().decode({"pred": values}, [SQUARE], CLASSES)
    assert len(found.scores) == 0


# --- NanoDet -----------------------------------------------------------------------------


def test_nanodet_takes_the_expectation_of_each_distribution() -> None:
    feed = nanodet_outputs()
    feed["scores_16"][0, 5, 0] = 0.7  # row 1, column 1 of 4 × 4
    logits = np.zeros((4, 8))
    logits[0, 1] = logits[1, 0] = logits[2, 2] = 50
    feed["boxes_16"][0, 5] = logits.reshape(-1)
    (found,) = NanoDet().decode(feed, [SQUARE], CLASSES)
    right, bottom = 24 + 2 * 16, 24 + 3.5 * 16
    expected = [8, 24, right - 8, min(bottom, 64) - 24]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-6)
    assert found.labels.tolist() == [7]
    np.testing.assert_allclose(found.scores, [0.7], rtol=1e-6)


def test_nanodet_clips_to_the_input_and_on_request_to_the_image() -> None:
    feed = nanodet_outputs()
    feed["scores_32"][0, 0, 0] = 0.9
    (padded,) = NanoDet().decode(feed, [LETTERBOX], CLASSES)
    (image,) = NanoDet(clip=True).decode(feed, [LETTERBOX], CLASSES)
    np.testing.assert_allclose(padded.boxes, [[0, -32, 128, 128]])
    np.testing.assert_allclose(image.boxes, [[0, 0, 128, 64]])


def test_nanodet_reads_other_bins_and_strides() -> None:
    cells = (64 // 16) ** 2
    scores = np.zeros((1, cells, 3), np.float32)
    scores[0, 5, 2] = 0.6
    feed = {"s": scores, "b": np.zeros((1, cells, 4 * 3), np.float32)}
    (found,) = NanoDet(strides=(16,), reg_bins=3).decode(feed, [SQUARE], CLASSES)
    np.testing.assert_allclose(found.boxes, [[8, 8, 32, 32]])


def test_picodet_is_nanodet_with_a_fourth_stride_and_grouped_outputs() -> None:
    rng = np.random.default_rng(0)
    cells = {stride: (64 // stride) ** 2 for stride in (8, 16, 32, 64)}
    scores = [rng.random((1, n, 3)).astype(np.float32) for n in cells.values()]
    bins = [rng.normal(0, 2, (1, n, 32)).astype(np.float32) for n in cells.values()]
    options = {"strides": tuple(cells), "nms_iou": None, "max_detections": None}
    grouped = dict(enumerate([*scores, *bins]))
    (found,) = NanoDet(**options, order="grouped").decode(grouped, [SQUARE], CLASSES)
    assert len(found.scores) > 100
    alternating = dict(enumerate(one for pair in zip(scores, bins, strict=True) for one in pair))
    (same,) = NanoDet(**options).decode(alternating, [SQUARE], CLASSES)
    np.testing.assert_array_equal(found.boxes, same.boxes)
    with pytest.raises(DecoderMismatch, match="for each of the strides 8, 16, 32, 64, then boxes"):
        NanoDet(**options, order="grouped").decode({"a": bins[0]}, [SQUARE], CLASSES)


# --- boxes, scores, labels ---------------------------------------------------------------


def rows(batched: bool = False) -> dict[str, np.ndarray]:
    feed = {
        "boxes": np.array([[2, 4, 10, 20], [0, 0, 5, 5], [1, 1, 1, 1]], np.float32),
        "scores": np.array([0.5, 0.9, 0.0], np.float32),
        "labels": np.array([1, 3, -1], np.int64),
    }
    return {k: v[None] for k, v in feed.items()} if batched else feed


@pytest.mark.parametrize("batched", [False, True])
def test_finished_boxes_are_sorted_and_padding_with_score_zero_is_left_out(batched) -> None:
    decoder = BoxesScoresLabels(label_offset=1)
    (found,) = decoder.decode(rows(batched), [SQUARE], CLASSES)
    assert found.labels.tolist() == [3, 7]
    assert found.boxes.tolist() == [[0, 0, 5, 5], [2, 4, 8, 16]]


def test_labels_may_come_as_floats() -> None:
    feed = rows()
    feed["labels"] = feed["labels"].astype(np.float32)
    (found,) = BoxesScoresLabels(label_offset=1).decode(feed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [3, 7]


def test_a_label_outside_the_class_list_points_to_the_offset() -> None:
    with pytest.raises(DecoderMismatch, match=r"label 3 with label_offset 0 is outside .* of 3"):
        BoxesScoresLabels().decode(rows(), [SQUARE], CLASSES)


# --- what does not fit -------------------------------------------------------------------

WIDE = Geometry(96, 64, 96, 64, 1.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("decoder", "feed", "at", "message"),
    [
        (Fcos(), {}, SQUARE, "0 outputs instead of 6; expected scores .*; found no outputs"),
        (Fcos(strides=(8, 16)), fcos_outputs(), SQUARE, "6 outputs instead of 4"),
        (Fcos(), fcos_outputs(classes=4), SQUARE, "4 class channels, .* class list has 3"),
        (Fcos(), fcos_outputs(), WIDE, r"'scores_8' has the shape \(1, 3, 8, 8\)"),
        (Fcos(strides=(16, 8, 32)), fcos_outputs(), SQUARE, "'scores_8' has the shape"),
        (Fcos(outputs=("a",)), fcos_outputs(), SQUARE, "no output named 'a'.*scores_8 "),
        (Fcos(), dict(reversed(fcos_outputs().items())), SQUARE, "'boxes_32' has the shape"),
        (FastestDet(), {"p": np.zeros((1, 7, 4, 4))}, SQUARE, "2 class channels"),
        (FastestDet(), {"p": np.zeros((1, 8, 16))}, SQUARE, r"shape \(1, 8, 16\); expected one"),
        (FastestDet(), {"p": np.zeros((0, 8, 4, 4))}, SQUARE, "holds 0 images instead of 1"),
        (NanoDet(), fcos_outputs(), SQUARE, r"'scores_8' has the shape \(1, 3, 8, 8\)"),
        (NanoDet(reg_bins=16), nanodet_outputs(), SQUARE, r"'boxes_8' .*\(N, h·w, 64\)"),
        (BoxesScoresLabels(), {"boxes": np.zeros((3, 5))}, SQUARE, "1 outputs instead of 3"),
        (BoxesScoresLabels(outputs=("x",)), rows(), SQUARE, "no output named 'x'"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_expected_and_found(
    decoder, feed, at, message
) -> None:
    with pytest.raises(DecoderMismatch, match=message) as caught:
        decoder.decode(feed, [at], CLASSES)
    assert caught.value.hint


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(value) -> None:
    feeds = [fcos_outputs(), {"p": np.zeros((1, 8, 4, 4))}, nanodet_outputs(), rows(batched=True)]
    for decoder, feed in zip(ALL, feeds, strict=True):
        name = "scores" if "scores" in feed else next(iter(feed))
        feed[name][0, 0, ...] = value
        with pytest.raises(DecoderMismatch, match=f"output '{name}' holds"):
            decoder.decode(feed, [SQUARE], CLASSES)


def test_boxes_that_are_not_finite_are_refused_where_they_count() -> None:
    feed = fcos_outputs()
    feed["boxes_8"][0, 0, 0, 0] = np.nan
    assert Fcos().decode(feed, [SQUARE], CLASSES)
    feed["scores_8"][0, 0, 0, 0] = 1.0
    with pytest.raises(DecoderMismatch, match="output 'boxes_8' holds nan"):
        Fcos().decode(feed, [SQUARE], CLASSES)


@pytest.mark.parametrize("decoder", ALL)
def test_every_card_states_floor_suppression_and_limit(decoder) -> None:
    assert isinstance(decoder, Decoder)
    card = decoder.describe()
    assert {"decoder", "score", "score floor", "candidates", "nms", "detections", "clip"} == {*card}
    assert all(isinstance(line, str) and line for line in card.values())


def test_a_card_spells_out_its_numbers() -> None:
    card = Fcos(nms="class-agnostic", nms_iou=0.55, score_floor=0.01, max_detections=7).describe()
    assert card["nms"] == "class-agnostic, greedy, IoU > 0.55 goes"
    assert card["score floor"] == "score > 0.01"
    assert card["candidates"] == "best 1000 an image"
    assert card["detections"] == "at most 7 an image"
    assert BoxesScoresLabels().describe()["nms"] == "inside the model"
    assert Fcos(nms_iou=None).describe()["nms"] == "none"


@pytest.mark.parametrize(
    "options", [{"score_floor": 2}, {"nms_iou": -1}, {"strides": []}, {"top_k": 0}, {"typo": 1}]
)
def test_options_out_of_range_are_refused(options) -> None:
    with pytest.raises(ValidationError):
        Fcos.model_validate(options)
