"""What a thousand replicates of the classification metrics cost.

pytest --benchmark-enable --benchmark-only tests/benchmarks/test_classification_speed.py

CPU time. The peer forms a replicate from the images that it selects, as ``score`` would.
"""

from __future__ import annotations

import tracemalloc
from time import process_time
from typing import Any

import numpy as np
import pytest

from benchbench.metrics.classification import ClassificationMetrics
from benchbench.metrics.classification_reading import graded, ranked
from benchbench.types import Tally

REPLICATES = 1000
IMAGES = 10_000
PEER_REPLICATES = 3


def tally_of(classes: int, *, areas: bool) -> Tally:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, IMAGES)
    values = rng.normal(size=(IMAGES, classes)).astype(np.float32)
    values[np.arange(IMAGES), labels] += 3
    scores = np.exp(values)
    scores /= scores.sum(axis=1, keepdims=True)
    arrays = {
        "labels": labels,
        "ranks": ranked(scores),
        "model_classes": np.array([classes]),
        **graded(labels, scores),
        **({"scores": scores} if areas else {}),
    }
    return Tally(np.arange(IMAGES), tuple(map(str, range(classes))), arrays)


def selections() -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), REPLICATES)


def one_by_one_s(tally: Tally, weights: np.ndarray) -> float:
    """Return CPU seconds of one replicate that gathers its images first."""
    metric = ClassificationMetrics()
    start = process_time()
    for row in weights[:PEER_REPLICATES]:
        chosen = np.repeat(np.arange(IMAGES), row)
        arrays = {
            name: values[chosen] if len(values) == IMAGES else values
            for name, values in tally.arrays.items()
        }
        part = Tally(tally.image_ids[chosen], tally.classes, arrays)
        metric.estimates(part, np.ones((1, IMAGES), np.int64))
    return (process_time() - start) / PEER_REPLICATES


@pytest.mark.parametrize(("classes", "areas"), [(1000, False), (10, True)])
def test_a_thousand_replicates(benchmark: Any, classes: int, areas: bool) -> None:
    """Of all metrics but the areas at 1,000 classes, and of all at 10."""
    tally, weights = tally_of(classes, areas=areas), selections()
    metric = ClassificationMetrics()
    metric.estimates(tally, weights[:1])  # compiles
    spent_s: list[float] = []

    def form() -> None:
        start = process_time()
        metric.estimates(tally, weights)
        spent_s.append(process_time() - start)

    benchmark.pedantic(form, rounds=3)
    ratio = one_by_one_s(tally, weights) * REPLICATES / min(spent_s)
    benchmark.extra_info["cpu_s"] = round(min(spent_s), 3)
    benchmark.extra_info["times_faster_than_one_by_one"] = round(ratio, 1)
    assert benchmark.stats is None or ratio > 1.5


def test_memory_of_a_thousand_replicates(benchmark: Any) -> None:
    """A few copies of weights and of (replicates, classes), never (replicates, images, classes)."""
    tally, weights = tally_of(1000, areas=False), selections()
    tracemalloc.start()
    benchmark.pedantic(lambda: ClassificationMetrics().estimates(tally, weights), rounds=1)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    benchmark.extra_info["peak_mb"] = round(peak_mb)
    assert peak_mb < 4 * weights.nbytes / 1e6
