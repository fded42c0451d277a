"""Classification over weighted images: the values are those of the images so selected."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchbench.metrics.classification import ClassificationMetrics
from benchbench.protocols import Resampled
from benchbench.types import ClassMap, ClassScores
from tests.unit.test_metrics_classification import CLASSES, split_of

METRIC = ClassificationMetrics()


def case(labels: list[int], values: Any) -> tuple[Any, Any, Any]:
    rows = {i: ClassScores(np.asarray(row, np.float32)) for i, row in enumerate(values)}
    return split_of(labels, categories=9), rows, CLASSES


def absent_as_nan(values: Any) -> Any:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def assert_scores_as(labels: list[int], values: Any, metrics: Any, columns: Any) -> None:
    scores = METRIC.score(*case(labels, values))
    assert set(metrics) == set(scores.metrics)
    for name, found in metrics.items():
        expected = absent_as_nan([scores.metrics[name]])[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)
    assert set(columns) == set(scores.per_class)
    for name, found in columns.items():
        expected = absent_as_nan(scores.per_class[name].values())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


SCORES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 3.0])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_weights_are_duplicated_images(data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=12))
    images = len(labels)
    values = data.draw(arrays(np.float32, (images, 7), elements=SCORES))
    if data.draw(st.booleans()):
        values = (values + 0.1) / (values + 0.1).sum(axis=1, keepdims=True)
    weights = data.draw(arrays(np.int64, (2, images), elements=st.integers(0, 3)))
    weights = np.vstack([np.ones(images, np.int64), weights])
    tally = METRIC.tally(*case(labels, values))
    metrics = METRIC.estimates(tally, weights)
    columns = METRIC.class_estimates(tally, weights)
    for row, counts in enumerate(weights):
        chosen = np.repeat(np.arange(images), counts)
        assert_scores_as(
            [labels[i] for i in chosen],
            values[chosen],
            {name: found[row] for name, found in metrics.items()},
            {name: found[row] for name, found in columns.items()},
        )


def test_a_selection_without_images_has_no_values() -> None:
    tally = METRIC.tally(*case([0, 1], np.eye(7)[:2]))
    empty = METRIC.estimates(tally, np.zeros((1, 2), np.int64))
    assert all(np.isnan(values).all() for values in empty.values())
    nothing = METRIC.tally(*case([], np.zeros((0, 7))))
    assert np.isnan(METRIC.class_estimates(nothing, np.zeros((3, 0), np.int64))["roc_auc"]).all()


def test_beyond_the_limit_of_scores_all_but_the_areas_is_estimated() -> None:
    metric = ClassificationMetrics(resample_scores=13)
    tally = metric.tally(*case([0, 1], np.eye(7)[:2]))
    ones = np.ones((1, 2), np.int64)
    assert "scores" not in tally.arrays
    left_out = set(METRIC.estimates(METRIC.tally(*case([0, 1], np.eye(7)[:2])), ones)) - set(
        metric.estimates(tally, ones)
    )
    assert left_out == {
        f"{area}_{average}"
        for area in ("roc_auc", "average_precision")
        for average in ("macro", "weighted")
    }
    assert set(metric.class_estimates(tally, ones)) == {"precision", "recall", "f1"}


def test_the_metric_can_be_resampled_and_its_arrays_stored(tmp_path: Path) -> None:
    assert isinstance(METRIC, Resampled)
    tally = METRIC.tally(*case([0, 8], np.eye(7)[:2]))
    assert tally.image_ids.tolist() == [0, 1]
    assert tally.classes == tuple("abcdefghi")
    np.savez(tmp_path / "tally.npz", allow_pickle=False, **tally.arrays)
    with np.load(tmp_path / "tally.npz") as kept:
        assert set(tally.arrays) <= set(kept)


def idx(path: Path, header: int) -> Any:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def test_mnist_scores_as_it_is_known_to(data_dir: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    labels = idx(data_dir / "mnist_test" / "t10k-labels-idx1-ubyte.gz", 8)
    images = idx(data_dir / "mnist_test" / "t10k-images-idx3-ubyte.gz", 16)
    digits = images.reshape(-1, 1, 1, 28, 28).astype(np.float32)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = str(data_dir / "models" / "mnist" / "mnist.onnx")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    logits = np.array([session.run(None, {name: digit})[0][0] for digit in digits])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    split = split_of(labels.tolist(), categories=10)
    rows = {i: ClassScores(row / row.sum()) for i, row in enumerate(powers)}
    classes = ClassMap(tuple("abcdefghij"), tuple(range(10, 20)))
    scores = METRIC.score(split, rows, classes)
    assert scores.metrics["top1"] == 0.9891
    assert scores.counts["correct"] == 9891
    assert sum(map(sum, scores.matrices["confusion"].values)) == 10_000
    tally = METRIC.tally(split, rows, classes)
    again = METRIC.estimates(tally, np.ones((1, 10_000), np.int64))
    assert again.keys() == scores.metrics.keys()
    for metric, value in scores.metrics.items():
        assert again[metric][0] == pytest.approx(value, abs=1e-12), metric
