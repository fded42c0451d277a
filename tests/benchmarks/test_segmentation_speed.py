"""What scoring label maps costs: counting pixels beside its peers, and forming replicates.

pytest --benchmark-enable --benchmark-only tests/benchmarks/test_segmentation_speed.py

CPU time of one thread on 512×1024 uint8 maps. Ratios are asserted, figures go into the table.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import pytest

from benchbench.metrics.confusion import count_compiled
from benchbench.metrics.semantic import SemanticMetrics
from benchbench.types import Tally

SHAPE = (512, 1024)
MEGAPIXELS = SHAPE[0] * SHAPE[1] / 1e6
ROUNDS, REPEATS = 7, 20


def label_maps(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return truth of patches some 30 pixels wide, and a prediction that misses their edges.

    Of each 64 pixels of the prediction one more is of any class.
    """
    rng = np.random.default_rng(0)
    rows, columns = (np.sort(rng.choice(size, size // 32)) for size in SHAPE)
    patches = rng.integers(0, classes, (len(rows) + 1, len(columns) + 1)).astype(np.uint8)
    y, x = (
        np.searchsorted(cuts, np.arange(n)) for cuts, n in zip((rows, columns), SHAPE, strict=True)
    )
    truth = np.ascontiguousarray(patches[y[:, None], x[None, :]])
    labels = np.roll(truth, (2, 3), (0, 1))
    noise = rng.random(SHAPE) < 1 / 64
    labels[noise] = rng.integers(0, classes, int(noise.sum()))
    return truth, labels


def noise(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return maps without any two neighbours that belong together."""
    rng = np.random.default_rng(1)
    truth, labels = rng.integers(0, classes, (2, *SHAPE)).astype(np.uint8)
    return truth, labels


def by_numpy(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    key = truth.astype(np.uint16)
    key *= np.uint16(classes)
    key += labels
    return np.bincount(key.ravel(), minlength=classes**2).reshape(classes, classes)


def peers(classes: int) -> dict[str, Callable[[np.ndarray, np.ndarray], Any]]:
    from hotcoco.metrics import pixel_confusion

    torch = pytest.importorskip("torch")

    def by_torch(truth: np.ndarray, labels: np.ndarray) -> Any:
        key = (
            torch.from_numpy(truth).flatten().long() * classes + torch.from_numpy(labels).flatten()
        )
        return torch.bincount(key, minlength=classes**2).reshape(classes, classes).numpy()

    return {
        "benchbench": lambda truth, labels: count_compiled(truth, labels, classes),
        "hotcoco": lambda truth, labels: pixel_confusion(truth, labels, classes),
        "numpy": lambda truth, labels: by_numpy(truth, labels, classes),
        "torch": by_torch,
    }


def cpu_s(function: Callable[[], Any]) -> float:
    start = process_time()
    for _ in range(REPEATS):
        function()
    return (process_time() - start) / REPEATS


@pytest.mark.parametrize("classes", [19, 150])
@pytest.mark.parametrize("maps", [label_maps, noise])
def test_confusion(benchmark: Any, maps: Callable[[int], Any], classes: int) -> None:
    """No peer is faster by more than the noise; some 900 megapixels a CPU second on label maps."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    truth, labels = maps(classes)
    counters = peers(classes)
    expected = by_numpy(truth, labels, classes)
    assert all(np.array_equal(one(truth, labels), expected) for one in counters.values())
    benchmark.pedantic(counters["benchbench"], (truth, labels), rounds=ROUNDS, iterations=REPEATS)
    if benchmark.stats is None:  # disabled: the counts agree, nothing is timed
        return
    rounds = [
        {name: cpu_s(lambda one=one: one(truth, labels)) for name, one in counters.items()}
        for _ in range(ROUNDS)
    ]
    speed = {name: MEGAPIXELS / min(r[name] for r in rounds) for name in counters}
    benchmark.extra_info |= {f"{name}_mpx_per_cpu_s": round(v) for name, v in speed.items()}
    fastest = max(value for name, value in speed.items() if name != "benchbench")
    assert speed["benchbench"] > 0.95 * fastest


def test_a_thousand_replicates(benchmark: Any) -> None:
    """1,000 replicates of 5,000 images and 19 classes, in a few seconds."""
    images, classes = 5_000, 19
    rng = np.random.default_rng(0)
    present = rng.random((images, classes)) < 0.4
    present[:, 0] = True
    image, truth = np.nonzero(present)
    names = tuple(f"c{index}" for index in range(classes))
    chosen = np.ones(classes, np.bool_)
    values = np.where(present, rng.random((images, classes)), np.nan)
    columns = {
        "image": np.repeat(image, 3),
        "truth": np.repeat(truth, 3),
        "predicted": (np.repeat(truth, 3) + np.tile([0, 1, 7], len(truth))) % classes,
        "count": np.tile([20_000, 900, 100], len(truth)),
    }
    flags = dict.fromkeys(("averaged", "dice_averaged", "foreground"), chosen)
    tally = Tally(np.arange(images), names, {**columns, **flags, "dice": values, "iou": values})
    weights = rng.multinomial(images, np.full(images, 1 / images), 1_000)
    found = benchmark.pedantic(SemanticMetrics().estimates, (tally, weights), rounds=3)
    assert found["miou"].shape == (1_000,)
    assert benchmark.stats is None or benchmark.stats.stats.min < 3
