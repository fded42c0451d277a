"""Decoding of one image, beside the same in torch with torchvision's suppression, in one run.

pytest --benchmark-enable --benchmark-only tests/benchmarks/test_decoders.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from benchbench.decoders.transformer import Detr
from benchbench.decoders.yolo import YoloV5, YoloV8
from benchbench.types import ClassMap, Geometry

CLASSES = ClassMap(names=tuple(map(str, range(80))), category_ids=tuple(range(80)))
GEOMETRY = Geometry(640, 480, 640, 640, 1.0, 1.0, 0.0, 80.0)


def crowd(seed: int = 0) -> np.ndarray:
    """Return 8,400 rows (cx, cy, w, h, 80 probabilities) as a detector gives them.

    30 objects, about 40 rows around each; elsewhere probabilities of noise, 1 % above 0.001.
    """
    rng = np.random.default_rng(seed)
    rows = np.empty((8400, 84), np.float32)
    rows[:, :2], rows[:, 2:4] = rng.uniform(0, 640, (8400, 2)), rng.uniform(8, 200, (8400, 2))
    rows[:, 4:] = (
        1e-3 * rng.random((8400, 80)) ** 0.1 * rng.choice([0.5, 1.3], (8400, 80), p=[0.97, 0.03])
    )
    near = rng.choice(8400, 1200, replace=False)
    objects = rng.integers(0, 30, 1200)
    centres, sizes = rng.uniform(100, 500, (30, 2)), rng.uniform(20, 200, (30, 2))
    rows[near, :2] = centres[objects] + rng.normal(0, 6, (1200, 2))
    rows[near, 2:4] = sizes[objects] * rng.uniform(0.8, 1.2, (1200, 2))
    rows[near, 4 + rng.integers(0, 80, 30)[objects]] = rng.random(1200)
    return rows


def best_cpu_s(call: Callable[[], Any], rounds: int = 7) -> float:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.fixture
def torch() -> Iterator[Any]:
    """Give torch one thread, as numpy has here."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def peer(torch: Any, ops: Any, rows: Any, floor: float) -> Any:
    """Decode (M, 84) in the way of the published YOLO tools: every class, offsets by class."""
    values = rows[rows[:, 4:].amax(1) > floor]
    i, j = (values[:, 4:] > floor).nonzero(as_tuple=True)
    xywh = values[i, :4]
    boxes = torch.cat([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2], 1)
    kept = ops.batched_nms(boxes, values[i, 4 + j], j, 0.7)[:300]
    return boxes[kept], values[i, 4 + j][kept], j[kept]


@pytest.mark.parametrize("floor", [0.25, 0.001])
def test_yolov8(benchmark: Any, torch: Any, floor: float) -> None:
    """Less than twice the CPU time of torch and torchvision, equal results."""
    ops = pytest.importorskip("torchvision.ops")
    rows = crowd()
    decoder = YoloV8(score_floor=floor)
    feed = {"out": np.ascontiguousarray(rows.T)[None]}
    tensor = torch.from_numpy(feed["out"])[0].T

    def ours() -> Any:
        return decoder.decode(feed, [GEOMETRY], CLASSES)[0]

    expected = peer(torch, ops, tensor, floor)
    np.testing.assert_allclose(ours().scores, expected[1].numpy(), rtol=1e-6)
    ratio = best_cpu_s(ours) / best_cpu_s(lambda: peer(torch, ops, tensor, floor))
    benchmark.extra_info["cpu_over_torchvision"] = round(ratio, 2)
    benchmark.extra_info["detections"] = len(expected[1])
    benchmark(ours)
    assert benchmark.stats is None or ratio < 2


def test_yolov5(benchmark: Any) -> None:
    """25,200 rows of objectness and 80 classes."""
    rows = np.concatenate([crowd(seed) for seed in range(3)])
    objectness = rows[:, 4:].max(axis=1, keepdims=True)
    rows = np.concatenate([rows[:, :4], objectness, rows[:, 4:]], axis=1)
    decoder, feed = YoloV5(score_floor=0.25), {"out": rows[None]}
    benchmark(lambda: decoder.decode(feed, [GEOMETRY], CLASSES))


def test_yolov8_with_soft_nms(benchmark: Any) -> None:
    """Gaussian, at a floor of 0.05."""
    decoder = YoloV8(score_floor=0.05, soft="gaussian")
    feed = {"out": crowd()[None]}
    benchmark(lambda: decoder.decode(feed, [GEOMETRY], CLASSES))


def test_rt_detr(benchmark: Any) -> None:
    """300 queries of 80 classes, every pair a candidate."""
    rng = np.random.default_rng(0)
    feed = {
        "logits": rng.normal(-4, 2, (1, 300, 80)).astype(np.float32),
        "boxes": rng.random((1, 300, 4)).astype(np.float32),
    }
    decoder = Detr(activation="sigmoid")
    benchmark(lambda: decoder.decode(feed, [GEOMETRY], CLASSES))
