"""What scoring and coding masks costs beside pycocotools, in CPU seconds of one run.

pytest --benchmark-enable --benchmark-only tests/benchmarks/test_mask_evaluators.py
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchbench.masks import coded_counts, instances, window_runs
from benchbench.metrics.coco_masks import CocoMasks
from benchbench.metrics.masks_columns import Ids, columns, truth_rles
from benchbench.types import ClassMap, Instances
from tests.helpers import split_from_coco

HEIGHT, WIDTH, IMAGES, OBJECTS, FOUND, CLASSES = 480, 640, 60, 8, 50, 10


def ellipse(rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    height, width = rng.integers(12, 200, 2)
    y, x = np.mgrid[:height, :width]
    window = ((y + 0.5) / height - 0.5) ** 2 + ((x + 0.5) / width - 0.5) ** 2 < 0.25
    top, left = rng.integers(0, (HEIGHT - height, WIDTH - width))
    return window, (int(top), int(left))


def outline(window: np.ndarray, corner: tuple[int, int]) -> list[float]:
    """Return x, y, x, y, … of 40 points around the ellipse that fills *window*."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    height, width = window.shape
    x, y = width / 2 * (1 + np.cos(angles)), height / 2 * (1 + np.sin(angles))
    return (np.stack([x, y], axis=1) + corner[::-1]).round(2).ravel().tolist()


def moved(window: np.ndarray, corner: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    limits = HEIGHT - window.shape[0], WIDTH - window.shape[1]
    shift = rng.integers(-6, 7, 2)
    top, left = np.clip(np.add(corner, shift), 0, limits)
    return window_runs(window, (int(top), int(left)), (HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def workload() -> tuple[dict[str, Any], dict[int, Instances]]:
    """Objects as polygons, as COCO has them; of each, several predictions near it."""
    rng = np.random.default_rng(0)
    annotations, found = [], {}
    for image in range(1, IMAGES + 1):
        shapes = [ellipse(rng) for _ in range(OBJECTS)]
        labels = rng.integers(1, CLASSES + 1, OBJECTS)
        for (window, corner), label in zip(shapes, labels, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(label),
                    "area": float(window.sum()),
                    "iscrowd": 0,
                    "segmentation": [outline(window, corner)],
                }
            )
        chosen = rng.integers(0, OBJECTS, FOUND)
        found[image] = instances(
            np.zeros((FOUND, 4)),
            np.sort(rng.random(FOUND))[::-1],
            labels[chosen],
            [moved(*shapes[index], rng) for index in chosen],
        )
    images = [{"id": i, "width": WIDTH, "height": HEIGHT} for i in range(1, IMAGES + 1)]
    categories = [{"id": i, "name": str(i)} for i in range(1, CLASSES + 1)]
    return {"images": images, "categories": categories, "annotations": annotations}, found


def cpu_s(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """Return the least of *rounds* measurements, and the result."""
    least, result = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return least, result


def test_scoring_masks_beside_pycocotools(benchmark: Any, workload: Any) -> None:
    """At least 2.5 times less CPU time, to the same AP; validation and conversion under 30 %.

    Rasterising polygons is not ours: pycocotools and hotcoco do it in every evaluation.
    """
    from hotcoco import mask

    api = pytest.importorskip("pycocotools.coco")
    evaluators = pytest.importorskip("pycocotools.cocoeval")
    data, found = workload
    split, classes = split_from_coco(data), ClassMap((), ())
    results = [
        {
            "image_id": image,
            "category_id": int(label),
            "score": float(score),
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": text},
        }
        for image, one in found.items()
        for label, score, text in zip(
            one.labels, one.scores, coded_counts(one.lengths, one.runs), strict=True
        )
    ]

    def reference() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = api.COCO()
            truth.dataset = data
            truth.createIndex()
            run = evaluators.COCOeval(truth, truth.loadRes([dict(one) for one in results]), "segm")
            run.evaluate()
            run.accumulate()
            run.summarize()
        return float(run.stats[0])

    def prepare() -> Any:
        ids = Ids.of(split)
        pairs = [(image, found[image.id]) for image in split.images]
        return columns(pairs, ids), truth_rles(split)

    theirs, want = cpu_s(reference)
    ours, scores = cpu_s(lambda: CocoMasks().score(split, found, classes), 9)
    benchmark.pedantic(CocoMasks().score, (split, found, classes), rounds=3)
    segmentations = [one.segmentation for one in split.annotations]

    def draw() -> Any:
        return [mask.merge(mask.frPyObjects(one, HEIGHT, WIDTH)) for one in segmentations]

    prepared, drawn = (cpu_s(of, 9)[0] for of in (prepare, draw))
    share = (prepared - drawn) / ours
    benchmark.extra_info |= {"pycocotools_s": theirs, "ours_s": ours, "own_share": share}
    assert scores.metrics["map"] == pytest.approx(want, abs=1e-12)
    assert benchmark.disabled or ours < theirs / 2.5
    assert benchmark.disabled or share < 0.3


def test_coding_a_mask_where_it_lies(benchmark: Any) -> None:
    """At least 1.5 times as fast as pycocotools codes the whole image, text included."""
    reference = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    shapes = [ellipse(rng) for _ in range(200)]

    def whole() -> list[bytes]:
        coded = []
        for window, (top, left) in shapes:
            image = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
            image[top : top + window.shape[0], left : left + window.shape[1]] = window
            coded.append(reference.encode(image)["counts"])
        return coded

    def windows() -> list[bytes]:
        runs = [window_runs(window, corner, (HEIGHT, WIDTH)) for window, corner in shapes]
        return coded_counts(np.array([len(one) for one in runs]), np.concatenate(runs))

    theirs, want = cpu_s(whole)
    ours, got = cpu_s(windows)
    benchmark.pedantic(windows, rounds=3)
    benchmark.extra_info |= {"pycocotools_s": theirs, "ours_s": ours}
    assert got == want
    assert benchmark.disabled or ours < theirs / 1.5
