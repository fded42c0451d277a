"""Published detectors on real images: the whole way from file to AP, against golden values.

Golden values are those of the data folder's README, measured with other code. Scored with
pycocotools, so that nothing but reading, preparing and decoding is under test.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.classes import class_map
from benchbench.datasets.coco import read_coco
from benchbench.decoders.fastestdet import FastestDet
from benchbench.decoders.nanodet import NanoDet
from benchbench.decoders.semantic import Semantic
from benchbench.inputs import InputContract, read_image
from benchbench.types import ClassMap, DatasetSplit, Detections, Geometry, Image

FASTESTDET = {"size": (352, 352), "color": "BGR", "scale": "1/255"}
NANODET = {
    "size": (320, 320),
    "color": "BGR",
    "mean": (103.53, 116.28, 123.675),
    "std": (57.375, 57.12, 58.395),
}
Answer = tuple[Image, dict[str, np.ndarray], Geometry]


def answers(model: Path, contract: InputContract, split: DatasetSplit) -> Iterator[Answer]:
    """Yield each image with the model's outputs and the geometry of its input."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for image in split.images:
        tensor, geometry = contract.prepare(read_image(image, contract.color))
        values = session.run(None, {session.get_inputs()[0].name: tensor[None]})
        yield image, dict(zip(names, values, strict=True)), geometry


def average_precision(annotations: Path, found: dict[int, Detections]) -> np.ndarray:
    """Return pycocotools' twelve numbers."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    rows = [
        [image, *box, score, label]
        for image, one in found.items()
        for box, score, label in zip(one.boxes, one.scores, one.labels, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(annotations)
        evaluator = evaluation.COCOeval(truth, truth.loadRes(np.array(rows)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return np.asarray(evaluator.stats)


@pytest.fixture
def score(data_dir: Path) -> Callable[[str, dict[str, Any], Any], np.ndarray]:
    """Return a function from model file, contract and decoder to the twelve numbers."""
    folder = data_dir / "coco_val2017_68"
    annotations = folder / "annotations" / "instances.json"
    split = read_coco(annotations, folder / "images", name="coco", split="val")
    classes = class_map(split.categories, None, None)

    def scored(model: str, contract: dict[str, Any], decoder: Any) -> np.ndarray:
        made = InputContract.model_validate(contract)
        found = {
            image.id: decoder.decode(outputs, [geometry], classes)[0]
            for image, outputs, geometry in answers(data_dir / "models" / model, made, split)
        }
        return average_precision(annotations, found)

    return scored


@pytest.mark.parametrize(
    ("library", "ap", "ap50", "tolerance"),
    [("opencv", 0.1838, 0.3453, 0.003), ("pillow", 0.190, 0.348, 0.01)],
)
def test_fastestdet_reaches_its_golden_value(score, library, ap, ap50, tolerance) -> None:
    pytest.importorskip("cv2" if library == "opencv" else "PIL")
    contract = FASTESTDET | {"resize": {"kind": "stretch", "library": library}}
    stats = score("fastestdet/fastestdet.onnx", contract, FastestDet())
    np.testing.assert_allclose(stats[:2], [ap, ap50], rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("library", "ap", "ap50", "tolerance"),
    [("opencv", 0.2635, 0.4264, 0.003), ("pillow", 0.2645, 0.422, 0.01)],
)
def test_nanodet_reaches_its_golden_value(score, library, ap, ap50, tolerance) -> None:
    pytest.importorskip("cv2" if library == "opencv" else "PIL")
    contract = NANODET | {"resize": {"kind": "letterbox", "pad": 0, "library": library}}
    stats = score("nanodet/nanodet-m.onnx", contract, NanoDet())
    np.testing.assert_allclose(stats[:2], [ap, ap50], rtol=0, atol=tolerance)


def test_the_wrong_order_of_channels_costs_accuracy(score) -> None:
    pytest.importorskip("cv2")
    resize = {"kind": "stretch", "library": "opencv"}
    contract = FASTESTDET | {"resize": resize, "color": "RGB"}
    assert score("fastestdet/fastestdet.onnx", contract, FastestDet())[0] < 0.18


def nuclei(data_dir: Path) -> tuple[DatasetSplit, ClassMap, dict[int, np.ndarray]]:
    mask = pytest.importorskip("pycocotools.mask")
    folder = data_dir / "nuclei_dsb2018"
    split = read_coco(
        folder / "annotations.json",
        folder / "images",
        name="nuclei",
        split="test",
        task="semantic-segmentation",
    )
    truth = {image.id: np.zeros((image.height, image.width), np.uint8) for image in split.images}
    for annotation in split.annotations:
        truth[annotation.image_id] |= mask.decode(annotation.segmentation)
    return split, class_map(split.categories, None, "background"), truth


def smaller(truth: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return *truth* at *shape* by OpenCV's INTER_NEAREST (the pixel's corner, not its centre)."""
    rows, columns = (np.arange(b) * a // b for a, b in zip(truth.shape, shape, strict=True))
    return truth[rows[:, None], columns]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools under NumPy 2
@pytest.mark.parametrize(
    ("resolution", "dice", "iou"), [("model", 0.8459, 0.7423), ("image", 0.8645, 0.8023)]
)
def test_the_nuclei_segmenter_reaches_its_golden_values(data_dir, resolution, dice, iou) -> None:
    pytest.importorskip("cv2")
    split, classes, truth = nuclei(data_dir)
    resize = {"kind": "stretch", "library": "opencv"}
    contract = InputContract(size=(128, 128), color="grey", resize=resize)
    decoder = Semantic(resolution=resolution)
    model = data_dir / "models" / "unet_nuclei" / "unet_nuclei.onnx"
    counts = []
    for image, outputs, geometry in answers(model, contract, split):
        found = decoder.decode(outputs, [geometry], classes)[0].labels
        target = smaller(truth[image.id], found.shape)
        counts.append([(found & target).sum(), found.sum(), target.sum()])
    both, found_px, true_px = np.array(counts).T
    assert np.mean(2 * both / (found_px + true_px)) == pytest.approx(dice, abs=0.001)
    union = (found_px + true_px - both).sum()
    assert both.sum() / union == pytest.approx(iou, abs=0.001)
