"""Predictions and samples come back from their columns as they went in."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchbench.columns import (
    pack_predictions,
    pack_samples,
    unpack_predictions,
    unpack_samples,
)
from benchbench.types import ClassScores, Detections, LabelMap, Samples

sizes = st.dictionaries(st.integers(-(2**60), 2**60), st.integers(0, 5), max_size=6)


def equal(one: object, two: object) -> bool:
    pairs = [(getattr(one, f.name), getattr(two, f.name)) for f in dataclasses.fields(one)]  # type: ignore[arg-type]
    return all(np.array_equal(a, b) and a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)


@given(sizes)
def test_detections_survive(counts: dict[int, int]) -> None:
    rng = np.random.default_rng(0)
    given_ = {
        i: Detections(rng.normal(size=(n, 4)), rng.random(n), rng.integers(0, 9, n))
        for i, n in counts.items()
    }
    found = unpack_predictions(pack_predictions(given_, "detection"), "detection")
    assert found.keys() == given_.keys()
    assert all(equal(found[i], given_[i]) for i in given_)


def test_label_maps_of_different_sizes_survive() -> None:
    maps = {i: LabelMap(np.full((i, 2 * i), i, np.uint8)) for i in (1, 3, 7)}
    data = pack_predictions(maps, "semantic-segmentation")
    found = unpack_predictions(data, "semantic-segmentation")
    assert all(equal(found[i], maps[i]) for i in maps)


def test_files_of_earlier_versions_with_every_array_compressed_are_read() -> None:
    found = {i: Detections(np.full((i, 4), 0.5), np.ones(i), np.arange(i)) for i in (1, 0, 3)}
    buffer = io.BytesIO()
    with np.load(io.BytesIO(pack_predictions(found, "detection"))) as stored:
        np.savez_compressed(buffer, **stored)
    again = unpack_predictions(buffer.getvalue(), "detection")
    assert again.keys() == found.keys()
    assert all(equal(again[i], found[i]) for i in found)


def test_class_scores_survive() -> None:
    scores = {5: ClassScores(np.array([0.25, 0.75], np.float32))}
    found = unpack_predictions(pack_predictions(scores, "classification"), "classification")
    assert equal(found[5], scores[5])


def test_samples_survive() -> None:
    arrays = {
        f.name: np.arange(n, dtype=np.int64) for n, f in enumerate(dataclasses.fields(Samples))
    }
    samples = Samples(**arrays)
    assert equal(unpack_samples(pack_samples(samples)), samples)
