"""Predictions and samples come back from their columns as they went in."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.columns import (
    load_arrays,
    pack_predictions,
    pack_samples,
    save_arrays,
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


def test_arrays_of_every_kind_are_read_as_numpy_reads_them() -> None:
    random = np.random.default_rng(0)
    columns = {
        "empty": np.zeros(0), "no rows": np.zeros((0, 4), np.int64), "alone": np.array(3.5),
        "by column": np.asfortranarray(random.random((3, 4))), "big end": np.arange(3, dtype=">i4"),
        "text": np.array(["é日", ""]), "no text": np.array([], np.str_), "flags": np.eye(2) > 0,
        "rows": np.zeros(2, [("a", "<i4"), ("b", "<f8")]), "large": random.random((400, 400)),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **columns)
        found = load_arrays(buffer.getvalue())
        with np.load(io.BytesIO(buffer.getvalue())) as expected:
            assert list(found) == expected.files
            for name, array in found.items():
                assert array.tobytes("A") == expected[name].tobytes("A")
                assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
                assert array.flags.f_contiguous == expected[name].flags.f_contiguous
                assert array.flags.writeable


def test_objects_that_were_pickled_and_files_cut_off_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, pickled=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_arrays(buffer.getvalue())
    whole = save_arrays({"one": np.arange(9.0)})
    for end in range(0, len(whole), 7):
        with pytest.raises((ValueError, EOFError, zipfile.BadZipFile)):
            load_arrays(whole[:end])
    spoilt = bytearray(whole)
    spoilt[whole.index(np.arange(9.0).tobytes()) + 20] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        load_arrays(bytes(spoilt))
