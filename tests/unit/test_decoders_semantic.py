import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.decoders.semantic import Semantic
from benchbench.errors import DecoderMismatch
from benchbench.inputs import InputContract
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry

THREE = ClassMap(names=("background", "a", "b"), category_ids=(None, 1, 2), background=0)
TWO = ClassMap(names=("background", "a"), category_ids=(None, 1), background=0)
SAME = Geometry(8, 8, 8, 8, 1.0, 1.0, 0.0, 0.0)


def stretched(width: int, height: int, side: int = 8) -> Geometry:
    return Geometry(width, height, side, side, side / width, side / height, 0.0, 0.0)


def scores(seed: int, channels: int, side: int = 8, batch: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, channels, side, side)).astype(np.float32)


@settings(deadline=None)  # the first call loads torch
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_upsampling_is_that_of_torch_without_aligned_corners(width, height, seed) -> None:
    torch = pytest.importorskip("torch")
    logits = scores(seed, 3)
    (found,) = Semantic().decode({"x": logits}, [stretched(width, height)], THREE)
    options = {"mode": "bilinear", "align_corners": False}
    large = torch.nn.functional.interpolate(torch.from_numpy(logits), (height, width), **options)
    best = np.sort(large[0].numpy(), axis=0)
    clear = best[-1] - best[-2] > 1e-5
    assert found.labels.shape == (height, width)
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels[clear], large[0].argmax(0).numpy()[clear])


def test_at_the_models_resolution_labels_are_the_plain_argmax() -> None:
    logits = scores(1, 3, batch=2)
    decoder = Semantic(resolution="model")
    one, two = decoder.decode({"x": logits}, [stretched(20, 10)] * 2, THREE)
    assert np.array_equal(one.labels, logits[0].argmax(0))
    assert np.array_equal(two.labels, logits[1].argmax(0))


def test_equal_scores_go_to_the_lowest_class() -> None:
    (found,) = Semantic().decode({"x": np.zeros((1, 3, 4, 4), np.float32)}, [SAME], THREE)
    assert not found.labels.any()


@pytest.mark.parametrize("resize", ["letterbox", {"kind": "letterbox", "align": "top-left"}])
@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (64, 64)])
def test_a_letterbox_is_undone(resize, width, height) -> None:
    contract = InputContract.model_validate({"size": (32, 32), "color": "grey", "resize": resize})
    image = np.zeros((height, width), np.uint8)
    image[: height // 2, : width // 2] = 255
    tensor, geometry = contract.prepare(image)
    (found,) = Semantic(threshold=127.5).decode({"x": tensor[None]}, [geometry], TWO)
    # The quadrant's corner may be rounded off; a shift by one pixel would cost twenty.
    assert (found.labels != (image > 0)).sum() <= 1


def test_outside_a_crop_the_border_repeats() -> None:
    resize = {"kind": "center-crop", "shorter": 8}
    contract = InputContract.model_validate({"size": (8, 8), "color": "grey", "resize": resize})
    _, geometry = contract.prepare(np.zeros((8, 16), np.uint8))
    left = np.zeros((1, 1, 8, 8), np.float32)
    left[..., :4] = 1
    (found,) = Semantic().decode({"x": left}, [geometry], TWO)
    assert found.labels[0].tolist() == [1] * 8 + [0] * 8


def test_a_single_map_is_foreground_above_the_threshold() -> None:
    logits = scores(3, 1)
    (plain,) = Semantic(threshold=0.25).decode({"x": logits}, [SAME], TWO)
    assert np.array_equal(plain.labels, logits[0, 0] > 0.25)
    (sigmoid,) = Semantic(activation="sigmoid").decode({"x": logits}, [SAME], TWO)
    assert np.array_equal(sigmoid.labels, logits[0, 0] > 0)


def test_the_activation_comes_before_the_upsampling() -> None:
    logits = np.array([8.0, -2.0], np.float32).reshape(1, 1, 1, 2)
    wide = Geometry(4, 1, 2, 1, 0.5, 1.0, 0.0, 0.0)
    (as_logits,) = Semantic(threshold=0).decode({"x": logits}, [wide], TWO)
    (as_shares,) = Semantic(activation="sigmoid", threshold=0.4).decode({"x": logits}, [wide], TWO)
    assert as_logits.labels.tolist() == [[1, 1, 1, 0]]
    assert as_shares.labels.tolist() == [[1, 1, 0, 0]]


def test_softmax_can_change_which_class_wins_between_two_cells() -> None:
    logits = np.array([[9.0, 0.0], [0.0, 2.0]], np.float32).reshape(1, 2, 1, 2)
    wide = Geometry(8, 1, 2, 1, 0.25, 1.0, 0.0, 0.0)
    (plain,) = Semantic().decode({"x": logits}, [wide], TWO)
    (shares,) = Semantic(activation="softmax").decode({"x": logits}, [wide], TWO)
    assert plain.labels.sum() < shares.labels.sum()


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 2, 2)])
def test_integer_labels_are_taken_as_they_are(shape) -> None:
    labels = np.array([[0, 1], [2, 0]], np.int64)
    (found,) = Semantic().decode({"x": labels.reshape(shape)}, [stretched(4, 4, side=2)], THREE)
    assert np.array_equal(found.labels, np.kron(labels, np.ones((2, 2))))
    assert found.labels.dtype == np.uint8
    small = Semantic(resolution="model")
    (same,) = small.decode({"x": labels.reshape(shape)}, [stretched(4, 4, side=2)], THREE)
    assert np.array_equal(same.labels, labels)


PADDED = Geometry(8, 4, 8, 8, 1.0, 1.0, 0.0, 2.0)
MANY = ClassMap(names=tuple(map(str, range(300))), category_ids=tuple(range(300)))


@pytest.mark.parametrize(
    ("decoder", "array", "at", "classes", "message"),
    [
        (Semantic(), np.zeros((1, 4, 8, 8)), SAME, THREE, "4 class channels"),
        (Semantic(), np.zeros((1, 8, 8)), SAME, THREE, r"shape \(1, 8, 8\); expected one output"),
        (Semantic(), np.zeros((1, 1, 8, 8)), SAME, THREE, "single map needs two classes"),
        (Semantic(activation="softmax"), np.zeros((1, 1, 8, 8)), SAME, TWO, "softmax of a single"),
        (Semantic(resolution="model"), np.zeros((1, 2, 8, 8)), PADDED, TWO, "padded or cropped"),
        (Semantic(), np.full((1, 8, 8), 3), SAME, THREE, r"labels 3…3, but the class list has 3"),
        (Semantic(), np.full((1, 8, 8), -1), SAME, THREE, "labels -1…-1"),
        (Semantic(), np.zeros((1, 2, 8, 8), np.int64), SAME, TWO, "has the shape"),
        (Semantic(), np.zeros((1, 300, 8, 8)), SAME, MANY, "300 classes do not fit"),
        (Semantic(), np.full((1, 2, 8, 8), np.nan), SAME, TWO, "output 'x' holds nan"),
    ],
)
def test_what_does_not_fit_is_refused(decoder, array, at, classes, message) -> None:
    with pytest.raises(DecoderMismatch, match=message):
        decoder.decode({"x": array}, [at], classes)


def test_the_card_says_how_labels_come_about() -> None:
    assert isinstance(Semantic(), Decoder)
    card = Semantic(activation="sigmoid", threshold=0.3, resolution="model").describe()
    assert card["activation"] == "sigmoid"
    assert "> 0.3" in card["decoder"]
    assert card["resolution"] == "the model's output"
