"""SSD and RetinaNet against torchvision's own models, randomly initialised and small."""

from collections import OrderedDict

import numpy as np
import pytest
from pydantic import ValidationError

from benchbench.decoders.retinanet import RetinaNet
from benchbench.decoders.scores import best_of_each
from benchbench.decoders.ssd import Ssd
from benchbench.errors import DecoderMismatch
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=tuple("abcd"), category_ids=(1, 2, 3, 4))
FROM_ZERO = ClassMap(names=tuple("abcd"), category_ids=(0, 1, 2, 3))
SQUARE = Geometry(64, 64, 64, 64, 1.0, 1.0, 0.0, 0.0)
SMALL = {"strides": (32, 64), "scales": (0.2, 0.4, 0.8), "aspect_ratios": ((), (2,))}


def plain(height: int, width: int) -> Geometry:
    return Geometry(width, height, width, height, 1.0, 1.0, 0.0, 0.0)


def pyramid(torch, sizes, channels=8):
    """Return a backbone that pools noise of a convolution to maps of the given sizes."""

    class Pyramid(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out_channels = channels
            self.first = torch.nn.Conv2d(3, channels, 3, padding=1)

        def forward(self, image):
            values = self.first(image)
            pooled = [torch.nn.functional.interpolate(values, size) for size in sizes]
            return OrderedDict((str(i), 4 * one) for i, one in enumerate(pooled))

    return Pyramid()


def compared(found, expected) -> int:
    """Hold *found* to torchvision's detections; return how many there are."""
    boxes = expected["boxes"].numpy().astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    assert len(found.scores) == len(boxes)
    assert found.labels.tolist() == expected["labels"].tolist()
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=1e-4)
    np.testing.assert_allclose(found.boxes, boxes, rtol=0, atol=2e-2)
    return len(boxes)


# --- SSD ---------------------------------------------------------------------------------

SSD300 = {
    "sizes": [(s, s) for s in (38, 19, 10, 5, 3, 1)],
    "generator": {
        "aspect_ratios": [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        "scales": [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        "steps": [8, 16, 32, 64, 100, 300],
    },
    "image": (300, 300),
}
SSDLITE = {
    "sizes": [(s, s) for s in (20, 10, 5, 3, 2, 1)],
    "generator": {"aspect_ratios": [[2, 3]] * 6, "min_ratio": 0.2, "max_ratio": 0.95},
    "image": (320, 320),
}


def ssd_case(case):
    """Return logits, offsets (N, M, ·), what torchvision makes of them, and the maps."""
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchvision.models.detection")
    utils = pytest.importorskip("torchvision.models.detection.anchor_utils")
    images = pytest.importorskip("torchvision.models.detection.image_list")
    torch.manual_seed(0)
    model = detection.ssd.SSD(
        pyramid(torch, case["sizes"]),
        utils.DefaultBoxGenerator(**case["generator"]),
        case["image"],
        5,
        head=detection.ssd.SSDHead(
            [8] * 6, [2 + 2 * len(r) for r in case["generator"]["aspect_ratios"]], 5
        ),
    ).eval()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    pixels = torch.rand(1, 3, *case["image"])
    with torch.no_grad():
        maps = list(model.backbone(pixels).values())
        head = model.head(maps)
        anchors = model.anchor_generator(images.ImageList(pixels, [case["image"]]), maps)
        expected = model.postprocess_detections(head, anchors, [case["image"]])[0]
        raw = [
            (classify(one).numpy(), regress(one).numpy())
            for classify, regress, one in zip(
                model.head.classification_head.module_list,
                model.head.regression_head.module_list,
                maps,
                strict=True,
            )
        ]
    return head["cls_logits"].numpy(), head["bbox_regression"].numpy(), expected, raw


def test_ssd300_of_torchvision_is_the_default() -> None:
    logits, offsets, expected, raw = ssd_case(SSD300)
    (found,) = Ssd().decode({"l": logits, "o": offsets}, [plain(300, 300)], CLASSES)
    assert compared(found, expected) > 20
    feed = {
        f"{i}{kind}": one
        for i, pair in enumerate(raw)
        for kind, one in zip("lo", pair, strict=True)
    }
    (maps,) = Ssd().decode(feed, [plain(300, 300)], CLASSES)
    np.testing.assert_array_equal(maps.boxes, found.boxes)
    grouped = dict(sorted(feed.items(), key=lambda item: item[0][1]))
    (maps,) = Ssd(order="grouped").decode(grouped, [plain(300, 300)], CLASSES)
    np.testing.assert_array_equal(maps.boxes, found.boxes)


def test_ssdlite_of_torchvision_is_a_matter_of_options() -> None:
    logits, offsets, expected, _ = ssd_case(SSDLITE)
    decoder = Ssd(
        strides=(16, 32, 64, 128, 256, 512),
        spacing="cells",
        scales=(*(0.2 + 0.75 * k / 5 for k in range(6)), 1.0),
        aspect_ratios=((2, 3),) * 6,
    )
    (found,) = decoder.decode({"l": logits, "o": offsets}, [plain(320, 320)], CLASSES)
    assert compared(found, expected) > 20


def test_an_ssd_anchor_is_moved_and_grown_by_its_variances() -> None:
    logits = np.zeros((1, 4 * 2 + 4, 5), np.float32)
    offsets = np.zeros((1, 12, 4), np.float32)
    logits[..., 0] = 20
    logits[0, 2, 3] = 40  # row 0, column 1 of the first stride, square of scale 0.2
    offsets[0, 2] = (1, -2, 3, 0)
    (found,) = Ssd(**SMALL, clip=False).decode({"l": logits, "o": offsets}, [SQUARE], CLASSES)
    side = 0.2 * 64
    width = side * np.exp(0.6)
    centre = 48 + 0.1 * side, 16 - 0.2 * side
    expected = [centre[0] - width / 2, centre[1] - side / 2, width, side]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-6)
    assert found.labels.tolist() == [3]


def test_background_may_be_the_last_class_of_an_ssd() -> None:
    logits = np.zeros((1, 12, 5), np.float32)
    logits[..., 4] = 20
    logits[0, 0, 0] = 22
    feed = {"l": logits, "o": np.zeros((1, 12, 4), np.float32)}
    (found,) = Ssd(**SMALL, background="last").decode(feed, [SQUARE], CLASSES)
    assert found.labels.tolist() == [1]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-2)), rtol=1e-5)


def test_the_best_of_each_class_go_on() -> None:
    rng = np.random.default_rng(0)
    scores, groups = rng.random(200), rng.integers(0, 5, 200)
    found = best_of_each(scores, groups, 7)
    for group in range(5):
        members = np.flatnonzero(groups == group)
        best = members[np.argsort(-scores[members])[:7]]
        assert set(best) == set(found[groups[found] == group])
    assert best_of_each(scores, groups, None).tolist() == list(range(200))


# --- RetinaNet ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["together", "each"])
def test_retinanet_of_torchvision_is_the_default(form) -> None:
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchvision.models.detection")
    images = pytest.importorskip("torchvision.models.detection.image_list")
    torch.manual_seed(1)
    sizes = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]  # 160 // 3 is not the stride 64
    model = detection.RetinaNet(pyramid(torch, sizes, channels=32), 4, topk_candidates=150).eval()
    for name, parameter in model.head.named_parameters():
        torch.nn.init.normal_(parameter, std=0.02 if "bbox_reg" in name else 0.06)
    pixels = torch.rand(1, 3, 160, 224)
    with torch.no_grad():
        maps = list(model.backbone(pixels).values())
        head = model.head(maps)
        anchors = model.anchor_generator(images.ImageList(pixels, [(160, 224)]), maps)
        counts = [9 * h * w for h, w in sizes]
        split = {name: list(value.split(counts, dim=1)) for name, value in head.items()}
        levels = [list(one.split(counts)) for one in anchors]
        expected = model.postprocess_detections(split, levels, [(160, 224)])[0]
    if form == "together":
        feed = {"l": head["cls_logits"].numpy(), "o": head["bbox_regression"].numpy()}
    else:
        pairs = zip(split["cls_logits"], split["bbox_regression"], strict=True)
        feed = {f"{i}{k}": v.numpy() for i, pair in enumerate(pairs) for k, v in enumerate(pair)}
    (found,) = RetinaNet(level_top_k=150).decode(feed, [plain(160, 224)], FROM_ZERO)
    assert compared(found, expected) > 20


def test_retinanet_anchors_may_lie_on_the_strides_and_keep_their_fractions() -> None:
    options = {"strides": (32,), "sizes": ((30,),), "clip": False, "variances": (2, 2, 1, 1)}
    logits = np.full((1, 3 * 3 * 3, 4), -9, np.float32)
    logits[0, 3 * 4 + 2, 1] = 2  # row 1, column 1, ratio 2
    offsets = np.zeros((1, 27, 4), np.float32)
    offsets[..., 0] = 0.5
    feed, at = {"l": logits, "o": offsets}, plain(90, 95)
    width, height = 30 / np.sqrt(2), 30 * np.sqrt(2)
    exact = RetinaNet(**options, spacing="stride", round_anchors=False)
    (found,) = exact.decode(feed, [at], CLASSES)
    np.testing.assert_allclose(found.boxes, [[32 + width / 2, 32 - height / 2, width, height]])
    assert found.labels.tolist() == [2]
    (rounded,) = RetinaNet(**options).decode(feed, [at], CLASSES)
    np.testing.assert_allclose(rounded.boxes, [[31 + 22 / 2, 30 - 42 / 2, 22, 42]])


# --- what does not fit -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(1, 12, 4), (1, 12, 4)], "3 class channels, .* has 4; expected logits .N, anchors, cl"),
        ([(1, 13, 5), (1, 13, 4)], r"shape \(1, 13, 5\); .* of all strides together, or scores"),
        ([(1, 12, 5), (1, 12, 5)], "5 offsets of an anchor instead of 4"),
        ([(1, 12, 5)] * 3, "3 outputs instead of 4; .* for each of the strides 32, 64"),
        ([(1, 9, 2, 2), (1, 8, 2, 2)] * 2, "9 channels for 2 anchors a cell"),
        ([(1, 10, 2, 3), (1, 8, 2, 2)] * 2, r"'o0' has the shape \(1, 10, 2, 3\)"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_expected_and_found(shapes, message) -> None:
    feed = {f"o{i}": np.zeros(shape, np.float32) for i, shape in enumerate(shapes)}
    with pytest.raises(DecoderMismatch, match=message):
        Ssd(**SMALL).decode(feed, [SQUARE], CLASSES)


def test_values_that_are_not_finite_are_refused_where_they_count() -> None:
    logits, offsets = np.zeros((1, 12, 5), np.float32), np.full((1, 12, 4), np.nan, np.float32)
    logits[..., 0] = 20
    assert Ssd(**SMALL).decode({"l": logits, "o": offsets}, [SQUARE], CLASSES)
    logits[0, 0, 1] = 20
    with pytest.raises(DecoderMismatch, match="output 'o' holds nan"):
        Ssd(**SMALL).decode({"l": logits, "o": offsets}, [SQUARE], CLASSES)
    logits[0, 0, 1] = np.inf
    with pytest.raises(DecoderMismatch, match="output 'l' holds inf"):
        Ssd(**SMALL).decode({"l": logits, "o": offsets}, [SQUARE], CLASSES)


def test_options_that_do_not_match_the_strides_are_refused() -> None:
    with pytest.raises(ValidationError, match="2 strides need as many aspect_ratios and 3 scales"):
        Ssd.model_validate(SMALL | {"scales": (0.2, 0.4)})
    with pytest.raises(ValidationError, match="sizes for 5 of 3 strides"):
        RetinaNet.model_validate({"strides": (8, 16, 32)})


def test_the_card_names_every_choice_of_the_anchors() -> None:
    card = Ssd(**SMALL).describe()
    for word in (
        "strides [32, 64]",
        "scales [0.2, 0.4, 0.8]",
        "spacing stride",
        "clip_anchors True",
    ):
        assert word in card["anchors"]
    assert "variances [0.1, 0.1, 0.2, 0.2]" in card["anchors"]
    assert card["candidates"] == "best 400 a class, of these all"
    assert card["score"] == "softmax with background first"
    card = RetinaNet().describe()
    assert "sizes [[32.0, 40.0, 50.0]," in card["anchors"]
    assert "round_anchors True" in card["anchors"]
    assert card["candidates"] == "best 1000 a stride, of these all"
