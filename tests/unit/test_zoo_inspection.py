"""The zoo: small, regular, loadable, and trained."""

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench.datasets.inspection_line import CATEGORIES, CONDITIONS, Scene, render

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
zoo = importlib.import_module("benchbench.zoo.inspection")

FOLDER = Path(zoo.__file__).parent
SIDES = {"detector": 320, "segmenter": 256, "classifier": 192}
DETECTOR_SHAPES = [(channels, side, side) for side in (40, 20, 10) for channels in (5, 4)]


def trained(name: str) -> "torch.nn.Module":
    model = getattr(zoo, name)()
    file = FOLDER / f"inspection-{name}.safetensors"
    model.load_state_dict(safetensors.load_file(file), strict=True)
    return model.eval()


def answered(name: str, images: np.ndarray) -> list[np.ndarray]:
    tensor = torch.from_numpy(((images / 255 - 0.5) / 0.25).astype(np.float32))
    with torch.no_grad():
        output = trained(name)(tensor.permute(0, 3, 1, 2))
    return [part.numpy() for part in (output if isinstance(output, tuple) else (output,))]


def letterboxed(image: np.ndarray) -> tuple[np.ndarray, float, tuple[int, int]]:
    height, width = image.shape[:2]
    scale = min(320 / width, 320 / height)
    size = round(width * scale), round(height * scale)
    left, top = (320 - size[0]) // 2, (320 - size[1]) // 2
    square = np.full((320, 320, 3), 114, np.uint8)
    fitted = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    square[top : top + size[1], left : left + size[0]] = np.asarray(fitted)
    return square, scale, (left, top)


def stretched(scenes: list[Scene], side: int) -> np.ndarray:
    size = (side, side)
    images = [Image.fromarray(s.image).resize(size, Image.Resampling.BILINEAR) for s in scenes]
    return np.stack([np.asarray(image) for image in images])


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared + 1e-9)


def best_boxes(levels: list[np.ndarray], number: int, count: int) -> list[tuple[int, tuple]]:
    """Class and corners of an image's surest cells."""
    found = []
    for stride, scores, boxes in zip((8, 16, 32), levels[0::2], levels[1::2], strict=True):
        for label, row, column in zip(*np.nonzero(scores[number] > -3), strict=True):
            x, y = (column + 0.5) * stride, (row + 0.5) * stride
            left, top, right, bottom = boxes[number, :, row, column] * stride
            corners = (x - left, y - top, x + right, y + bottom)
            found.append((float(scores[number, label, row, column]), int(label), corners))
    return [entry[1:] for entry in sorted(found, key=lambda e: -e[0])[:count]]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render("validation", index) for index in range(20)]


@pytest.mark.parametrize("name", SIDES)
def test_a_model_is_small(name: str) -> None:
    assert sum(p.numel() for p in getattr(zoo, name)().parameters()) <= 500_000
    assert (FOLDER / f"inspection-{name}.safetensors").stat().st_size <= 2 * 1024 * 1024


@pytest.mark.parametrize("name", SIDES)
def test_convolutions_are_regular_and_their_channels_fill_registers(name: str) -> None:
    layers = [m for m in getattr(zoo, name)().modules() if isinstance(m, torch.nn.Conv2d)]
    assert {layer.groups for layer in layers} == {1}
    assert all(layer.out_channels % 16 == 0 for layer in layers if layer.bias is None)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("detector", DETECTOR_SHAPES),
        ("segmenter", [(6, 128, 128)]),
        ("classifier", [(6,)]),
    ],
)
def test_outputs_have_the_promised_shapes_at_any_batch(name: str, shapes: list) -> None:
    for batch in (1, 3):
        images = np.zeros((batch, SIDES[name], SIDES[name], 3), np.uint8)
        assert [a.shape for a in answered(name, images)] == [(batch, *shape) for shape in shapes]


@pytest.mark.parametrize("name", SIDES)
def test_weights_are_float32_and_finite(name: str) -> None:
    weights = safetensors.load_file(FOLDER / f"inspection-{name}.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}


def test_the_detectors_distances_are_never_negative(scenes: list[Scene]) -> None:
    images = np.stack([letterboxed(scene.image)[0] for scene in scenes[:4]])
    assert min(boxes.min() for boxes in answered("detector", images)[1::2]) >= 0


def test_the_detector_finds_most_defects(scenes: list[Scene]) -> None:
    fitted = [letterboxed(scene.image) for scene in scenes]
    levels = answered("detector", np.stack([image for image, _, _ in fitted]))
    hits, total = 0, 0
    for number, (scene, (_, scale, (left, top))) in enumerate(zip(scenes, fitted, strict=True)):
        boxes = best_boxes(levels, number, 60)
        for instance in itertools.filterfalse(lambda i: i.iscrowd, scene.instances):
            x, y, width, height = (side * scale for side in instance.bbox)
            true = (x + left, y + top, x + left + width, y + top + height)
            label = CATEGORIES.index(instance.category)
            hits += any(lb == label and overlap(box, true) >= 0.5 for lb, box in boxes)
            total += 1
    assert total > 25
    assert hits / total > 0.5


def test_the_segmenter_paints_defects_where_they_are(scenes: list[Scene]) -> None:
    logits = answered("segmenter", stretched(scenes, 256))[0]
    shared, wanted, painted = 0, 0, 0
    for scene, answer in zip(scenes, logits.argmax(axis=1), strict=True):
        truth = np.zeros(scene.image.shape[:2], np.uint8)
        for instance in scene.instances:
            truth[instance.mask] = CATEGORIES.index(instance.category) + 1
        small = np.asarray(Image.fromarray(truth).resize((128, 128), Image.Resampling.NEAREST))
        shared += np.count_nonzero((answer == small) & (small > 0))
        wanted, painted = wanted + np.count_nonzero(small), painted + np.count_nonzero(answer)
    assert shared / (wanted + painted - shared) > 0.35


def test_the_classifier_names_most_conditions(scenes: list[Scene]) -> None:
    scenes = [*scenes, *(render("validation", index) for index in range(20, 60))]
    answers = answered("classifier", stretched(scenes, 192))[0].argmax(axis=1)
    right = [CONDITIONS[a] == s.condition for a, s in zip(answers, scenes, strict=True)]
    assert sum(right) / len(right) > 0.5
