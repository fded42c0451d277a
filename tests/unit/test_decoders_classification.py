import numpy as np
import pytest

from benchbench.decoders.classification import Classification
from benchbench.errors import DecoderMismatch
from benchbench.protocols import Decoder
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=("a", "b", "c"), category_ids=(1, 2, 3))
SAME = Geometry(8, 8, 8, 8, 1.0, 1.0, 0.0, 0.0)
LOGITS = np.array([[1.0, 2.0, 3.0], [1000.0, -1000.0, 0.0], [0.0, 0.0, 0.0]], np.float32)


def test_softmax_gives_shares_that_add_up_and_never_overflow() -> None:
    found = Classification().decode({"x": LOGITS}, [SAME] * 3, CLASSES)
    powers = np.exp([1.0, 2.0, 3.0])
    np.testing.assert_allclose(found[0].scores, powers / powers.sum(), rtol=1e-6)
    assert found[1].scores.tolist() == [1, 0, 0]
    assert found[0].scores.dtype == np.float32


def test_sigmoid_gives_each_class_its_own_probability() -> None:
    decoder = Classification(activation="sigmoid")
    found = decoder.decode({"x": LOGITS}, [SAME] * 2, CLASSES)
    assert len(found) == 2
    np.testing.assert_allclose(found[0].scores, 1 / (1 + np.exp([-1.0, -2, -3])), rtol=1e-6)
    assert found[1].scores.tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 1), (3, 3, 1, 1)])
def test_probabilities_pass_unchanged_and_single_pixels_count_as_none(shape) -> None:
    decoder = Classification(activation="none")
    found = decoder.decode({"x": LOGITS.reshape(shape)}, [SAME] * 3, CLASSES)
    assert np.array_equal([one.scores for one in found], LOGITS)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({"x": np.zeros((1, 4))}, "4 class channels, but the model's class list has 3"),
        ({"x": np.zeros((1, 3, 2, 2))}, r"shape \(1, 3, 2, 2\); expected one output"),
        ({"x": np.zeros(3)}, r"'x' has the shape \(3,\)"),
        ({"x": np.zeros((1, 3)), "y": np.zeros(1)}, r"2 outputs instead of 1.*y \(1,\)"),
        ({"x": np.array([[0, np.inf, 0]])}, "output 'x' holds inf"),
        ({"x": np.zeros((0, 3))}, "holds 0 images instead of 1"),
    ],
)
def test_what_does_not_fit_is_refused(feed, message) -> None:
    with pytest.raises(DecoderMismatch, match=message):
        Classification().decode(feed, [SAME], CLASSES)


def test_the_card_names_the_activation() -> None:
    assert isinstance(Classification(), Decoder)
    assert Classification(activation="none").describe()["activation"] == "none"
