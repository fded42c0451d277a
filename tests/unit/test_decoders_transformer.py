import numpy as np
import pytest

from benchbench.decoders.transformer import Detr
from benchbench.errors import DecoderMismatch
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=("cat", "none", "dog"), category_ids=(7, None, 3))
LETTERBOX = Geometry(128, 64, 64, 64, 0.5, 0.5, 0.0, 16.0)
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)


def feed(logits, boxes) -> dict[str, np.ndarray]:
    return {"logits": np.array([logits], np.float32), "boxes": np.array([boxes], np.float32)}


def test_softmax_leaves_no_object_out_and_takes_each_querys_best_class() -> None:
    logits = [[2, 0, 1, 3], [0, 0, 5, 1], [0, 9, 8, 0]]
    outputs = feed(logits, [[0.5, 0.5, 0.25, 0.5], [0.25, 0.5, 0.5, 0.125], [0.5] * 4])
    (found,) = Detr().decode(outputs, [LETTERBOX], CLASSES)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores, [shares[1, 2], shares[0, 0]], rtol=1e-5)
    assert found.labels.tolist() == [3, 7]
    # 64 × 64 pixels; 16 rows of padding above, scale 0.5
    expected = [[0, (32 - 4 - 16) * 2, 64, 16], [(32 - 8) * 2, (32 - 16 - 16) * 2, 32, 64]]
    np.testing.assert_allclose(found.boxes, expected)


@pytest.mark.parametrize("count", [3, 20])
def test_sigmoid_keeps_the_best_pairs_of_query_and_class(count) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 10, 4, generator=generator)
    boxes = torch.rand(1, 10, 4, generator=generator)
    scores, index = logits.sigmoid().flatten(1).topk(count, dim=1)  # as Deformable DETR does it
    labels, chosen = index[0] % 4, boxes[0, index[0] // 4]
    classes = ClassMap(names=tuple("abcd"), category_ids=(0, 1, 2, 3))
    decoder = Detr(activation="sigmoid", max_detections=count)
    outputs = {"logits": logits.numpy(), "boxes": boxes.numpy()}
    (found,) = decoder.decode(outputs, [SQUARE], classes)
    np.testing.assert_allclose(found.scores, scores[0], rtol=1e-5)
    assert found.labels.tolist() == labels.tolist()
    low = chosen[:, :2] - chosen[:, 2:] / 2
    np.testing.assert_allclose(found.boxes, np.concatenate([low, chosen[:, 2:]], 1) * 64, atol=1e-4)


def test_boxes_in_pixels_are_an_option() -> None:
    decoder = Detr(activation="sigmoid", coordinates="pixels")
    (found,) = decoder.decode(feed([[5, -90, -90]], [[32, 16, 8, 4]]), [SQUARE], CLASSES)
    assert found.boxes[0].tolist() == [28, 14, 8, 4]


@pytest.mark.parametrize(
    ("decoder", "channels", "queries", "message"),
    [
        (Detr(), 3, 5, "2 class channels, .* 3; expected logits .N, queries, classes . 1"),
        (Detr(activation="sigmoid"), 4, 5, "4 class channels.*queries, classes. then boxes"),
        (Detr(), 4, 6, r"'boxes' has the shape \(1, 5, 4\)"),
        (Detr(outputs=("boxes", "logits")), 3, 5, "'logits' has the shape"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_expected(
    decoder, channels, queries, message
) -> None:
    outputs = feed(np.zeros((queries, channels)), np.zeros((5, 4)))
    with pytest.raises(DecoderMismatch, match=message):
        decoder.decode(outputs, [SQUARE], CLASSES)


def test_values_that_are_not_finite_are_refused() -> None:
    for logit, box, name in [(np.nan, 0, "logits"), (0, np.inf, "boxes")]:
        with pytest.raises(DecoderMismatch, match=f"output '{name}' holds"):
            Detr().decode(feed([[logit, 0, 0, 0]], [[box] * 4]), [SQUARE], CLASSES)


def test_the_card_tells_softmax_from_sigmoid() -> None:
    assert isinstance(Detr(), Decoder)
    assert Detr().describe()["score"] == "softmax with no-object last"
    card = Detr(activation="sigmoid").describe()
    assert (card["score"], card["labels"]) == ("sigmoid(logit)", "every class of a query")
    assert (card["nms"], card["detections"]) == ("none", "at most 300 an image")
