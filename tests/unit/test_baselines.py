"""Baselines as files: what is read back is what was kept, and strangers' files do no harm."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from benchbench import baselines
from benchbench.baselines import Baseline, Process
from benchbench.baselines.format import FORMAT, KeptDraws, KeptSample, KeptSlice, Packed
from benchbench.errors import StoreError, UsageError
from benchbench.stats.resampling import Sample
from benchbench.store import Store
from benchbench.types import Cell
from benchbench.view import CellView, Interval, RunView, SliceView

GOLDEN = Path(__file__).parents[1] / "golden" / "baseline.json"


def baseline(replicates: int = 4, classes: int = 2, cells: int = 1) -> Baseline:
    """Return a baseline of round numbers."""
    whole = np.linspace(0.25, 0.75, replicates)
    whole[0] = np.nan
    by_class = np.linspace(0, 1, replicates * classes).reshape(replicates, classes)
    kept = KeptDraws(
        images="three",
        replicates=replicates,
        seed=0,
        metrics={"map": KeptSample.of(Sample(np.array(0.5), whole), "<f8")},
        classes=tuple(f"class {k}" for k in range(classes)),
        by_class={"map": KeptSample.of(Sample(by_class[1], by_class), "<f4")},
    )
    names = [f"cell{index}" for index in range(cells)]
    view = RunView(
        run="tiny-1",
        suite="tiny",
        created="2026-01-02T03:04:05Z",
        updated="2026-01-02T03:04:05Z",
        environment={"key": "k", "git": {"commit": "c0ffee", "dirty": False}},
        cells=tuple(_view(name) for name in names),
    )
    return Baseline(
        name="main",
        saved="2026-01-02T03:05:00Z",
        view=view,
        cells=tuple(_cell(name) for name in names),
        processes={
            "cell0": (
                Process(number=1, figures={"latency.p50": 10.5}, canary_ms=(1.0, 2.0, 4.0)),
                Process(number=2, figures={"latency.p50": 11.0}),
            )
        },
        images={"three": Packed.of(np.array([7, 8, 9]), "<i8")},
        draws=dict.fromkeys(names, kept),
    )


_ASKED: dict[str, Any] = {
    "model": "m", "runtime": "rt", "precision": "fp32", "device": "cpu", "batch": 1,
    "dataset": "line", "split": "val", "task": "detection",
}  # fmt: skip


def _view(name: str) -> CellView:
    interval = Interval(value=0.5, level=0.95, images=3, replicates=4, seed=0)
    return CellView(
        id=name, label="m · rt · fp32", status="measured", metrics={"map": 0.5}, primary="map",
        intervals={"map": interval}, **_ASKED,
    )  # fmt: skip


def _cell(name: str) -> Cell:
    return Cell(id=name, spec={"metric": {"kind": "coco-boxes"}}, start=None, **_ASKED)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=2, max_side=9)))
def test_an_array_comes_back_to_the_last_bit(array: np.ndarray) -> None:
    found = Packed.model_validate_json(Packed.of(array, "<f8").model_dump_json()).array()
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_a_baseline_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = baseline()
    size = baselines.write(made, tmp_path / "deep" / "main.json")
    found = baselines.read(tmp_path / "deep" / "main.json")
    assert found == made
    assert size == (tmp_path / "deep" / "main.json").stat().st_size
    ours, theirs = made.resamples("cell0"), found.resamples("cell0")
    assert ours is not None
    assert theirs is not None
    assert ours.images == theirs.images == (7, 8, 9)
    assert ours.draws == theirs.draws
    np.testing.assert_array_equal(ours.metrics["map"].replicates, theirs.metrics["map"].replicates)
    assert np.isnan(theirs.metrics["map"].replicates[0])
    assert theirs.by_class["map"].replicates.shape == (4, 2)


def test_the_format_of_the_golden_file_is_still_read_and_written(tmp_path: Path) -> None:
    baselines.write(baseline(), tmp_path / "again.json")
    again, golden = (json.loads(path.read_text()) for path in (tmp_path / "again.json", GOLDEN))
    assert inflated(again) == inflated(golden)
    baselines.write(baselines.read(GOLDEN), tmp_path / "read.json")
    assert json.loads((tmp_path / "read.json").read_text()) == golden


def inflated(node: Any) -> Any:
    """Return *node* with arrays' bytes not compressed: zlib's vary with its version."""
    if isinstance(node, dict):
        return {
            key: zlib.decompress(base64.b64decode(value)) if key == "data" else inflated(value)
            for key, value in node.items()
        }
    return [inflated(one) for one in node] if isinstance(node, list) else node


def test_the_draws_of_twelve_cells_stay_far_below_a_megabyte(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    made = baseline(cells=12)
    sample = Sample(np.array(0.5), random.normal(0.5, 0.02, 1000))
    by_class = Sample(np.full(5, 0.5), random.normal(0.5, 0.02, (1000, 5)))
    kept = KeptDraws(
        images="three", replicates=1000, seed=0, metrics={"map": KeptSample.of(sample, "<f8")},
        classes=tuple("abcde"), by_class={"map": KeptSample.of(by_class, "<f4")},
    )  # fmt: skip
    made = made.model_copy(update={"draws": dict.fromkeys(made.draws, kept)})
    assert baselines.write(made, tmp_path / "main.json") < 500_000


def damaged(**changes: Any) -> bytes:
    body = json.loads(GOLDEN.read_text()) | changes
    return json.dumps(body).encode()


def with_draws(**changes: Any) -> bytes:
    body = json.loads(GOLDEN.read_text())
    body["draws"]["cell0"] |= changes
    return json.dumps(body).encode()


def packed(shape: list[int], data: bytes, dtype: str = "<f8") -> dict[str, Any]:
    text = base64.b64encode(zlib.compress(data)).decode()
    return {"dtype": dtype, "shape": shape, "data": text}


def metric(**draws: Any) -> dict[str, Any]:
    return {"map": {"value": 0.5, "draws": draws}}


STRANGE = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1, 2]",
    "another file": b'{"schema": 1, "cells": []}',
    "no schema": damaged(schema=None),
    "a key that is not known": damaged(more=1),
    "not text": b"\xff\xfe\x00",
    "nested without end": b"[" * 200_000,
    "infinite": GOLDEN.read_bytes().replace(b"10.5", b"Infinity"),
    "NaN": GOLDEN.read_bytes().replace(b"10.5", b"NaN"),
    "a huge integer": damaged(saved=0) .replace(b'"saved": 0', b'"saved": ' + b"9" * 5000),
    "cells that are not there": damaged(processes={"other": []}),
    "images that are not there": with_draws(images="four"),
    "fewer draws than told": with_draws(replicates=5),
    "draws without end": with_draws(replicates=10**9),
    "classes that do not fit": with_draws(classes=["one"]),
    "no base64": with_draws(metrics=metric(dtype="<f8", shape=[4], data="!")),
    "no zlib": with_draws(metrics=metric(dtype="<f8", shape=[4], data="AAAA")),
    "too few bytes": with_draws(metrics=metric(**packed([4], b"\0" * 8))),
    "too many bytes": with_draws(metrics=metric(**packed([4], b"\0" * 10**6))),
    "a shape without end": with_draws(metrics=metric(**packed([10**7, 10**7], b""))),
    "a shape below zero": with_draws(metrics=metric(**packed([-4], b""))),
    "a pickle's type": with_draws(metrics=metric(**packed([4], b"\0" * 32, "|O"))),
}  # fmt: skip


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE)
def test_a_file_that_is_no_baseline_is_refused_with_its_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "strange.json"
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        baselines.read(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 500


def test_a_file_of_a_newer_benchbench_says_so(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_bytes(damaged(schema=FORMAT + 1))
    with pytest.raises(StoreError, match=f"has format {FORMAT + 1}") as caught:
        baselines.read(tmp_path / "new.json")
    assert caught.value.hint == "pip install --upgrade benchbench"


def test_a_file_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(StoreError, match="cannot read"):
            baselines.read(path)


def test_a_store_keeps_baselines_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert baselines.names(store) == []
    for name in ("v2", "main"):
        baselines.write(baseline(), baselines.path_of(store, name))
    assert baselines.names(store) == ["main", "v2"]
    assert baselines.find(store, "v2") == baseline()
    baselines.remove(store, "v2")
    assert baselines.names(store) == ["main"]
    for action in (baselines.find, baselines.remove):
        with pytest.raises(UsageError, match="no baseline 'mian'") as caught:
            action(store, "mian")
        assert caught.value.hint == "did you mean 'main'?"


@pytest.mark.parametrize(
    "name", ["", "../up", "a/b", ".hidden", "x" * 65, "a b", "<script>", "latest", "né", "a\n"]
)
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a baseline"):
        baselines.path_of(Store(tmp_path), name)


def with_slices(**changes: Any) -> Baseline:
    """Return a baseline with one slice of three images."""
    draws = np.array([0.25, np.nan, 0.75, 0.5], np.float32).astype(np.float64)
    interval = Interval(value=0.5, level=0.95, images=3, replicates=4, seed=0)
    view = SliceView(name="dark", group="light", definition="luma < 60", of="images", images=3,
                     objects=5, interval=interval)  # fmt: skip
    kept = KeptSlice(
        images="three", seed=0, sample=KeptSample.of(Sample(np.array(0.5), draws), "<f4")
    )
    made = baseline()
    cells = tuple(cell.model_copy(update={"slices": (view,)}) for cell in made.view.cells)
    whole = made.model_copy(update={"view": made.view.model_copy(update={"cells": cells})})
    return whole.model_copy(update={"slices": {"cell0": {"dark": kept}}, **changes})


def test_the_draws_of_a_slice_come_back(tmp_path: Path) -> None:
    baselines.write(with_slices(), tmp_path / "main.json")
    (part,) = baselines.read(tmp_path / "main.json").slices_of("cell0").values()
    assert (part.images, part.kept.definition, part.kept.objects) == ((7, 8, 9), "luma < 60", 5)
    assert part.sample is not None
    np.testing.assert_array_equal(part.sample.replicates, [0.25, np.nan, 0.75, 0.5])
    assert part.draws is not None
    assert (part.draws.images, part.draws.replicates) == (3, 4)


def test_slices_that_do_not_fit_the_file_are_refused(tmp_path: Path) -> None:
    kept = with_slices().slices["cell0"]["dark"]
    by_class = KeptSample.of(Sample(np.zeros(2), np.zeros((4, 2))), "<f4")
    strange = {
        "cells that it does not have": {"other": {"dark": kept}},
        "slices that its cells do not have": {"cell0": {"bright": kept}},
        "a list of images that is not there": {
            "cell0": {"dark": kept.model_copy(update={"images": "four"})}
        },
        "a slice has one value": {"cell0": {"dark": kept.model_copy(update={"sample": by_class})}},
    }
    for message, slices in strange.items():
        baselines.write(with_slices(slices=slices), tmp_path / "strange.json")
        with pytest.raises(StoreError, match=message):
            baselines.read(tmp_path / "strange.json")
