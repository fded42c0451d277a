"""A gap is divided among the parts in which two cells differ, and its cause in the outputs found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench import api
from benchbench.diagnosis import levels
from benchbench.diagnosis.causes import SHARED, Trial, causes
from benchbench.errors import UsageError
from tests import tiny


def outputs(*ranges: float, images: int = 3) -> list[np.ndarray]:
    """Return batches (1, channels, 16, 16), each channel uniform over ± its range."""
    random = np.random.default_rng(0)
    shape = (1, len(ranges), 16, 16)
    scale = np.array(ranges, np.float32).reshape(1, -1, 1, 1)
    return [(random.uniform(-1, 1, shape) * scale).astype(np.float32) for _ in range(images)]


def rounded(arrays: list[np.ndarray], step: float) -> list[np.ndarray]:
    return [(np.round(one / step) * step).astype(np.float32) for one in arrays]


def test_channels_that_share_a_scale_with_wider_ones_are_starved() -> None:
    want = outputs(300, 300, 1, 0.5)
    found = levels.starved("out", want, rounded(want, 300 / 127))
    assert found is not None
    assert (found.channels, found.of, found.axis) == ((2, 3), 4, 1)
    assert found.step == pytest.approx(300 / 127, rel=1e-4)
    assert found.levels <= 3


def test_channels_last_are_found_too() -> None:
    want = [np.moveaxis(one, 1, -1).reshape(1, 256, 4) for one in outputs(300, 300, 300, 1)]
    found = levels.starved("out", want, rounded(want, 300 / 127))
    assert found is not None
    assert (found.channels, found.of, found.axis) == ((3,), 4, 2)


@given(st.floats(1e-4, 1e-2))
def test_channels_of_one_range_are_not_starved_by_256_levels(noise) -> None:
    want = outputs(1, 1, 1, 1)
    assert levels.starved("out", want, rounded(want, 1 / 127)) is None
    assert levels.starved("out", want, [one + noise for one in want]) is None


def test_what_has_few_values_in_the_source_too_is_not_starved() -> None:
    want = [np.round(one) for one in outputs(300, 3)]
    assert levels.starved("out", want, want) is None


def test_starved_channels_come_back_from_the_source_and_only_they() -> None:
    want = outputs(300, 1)
    got = rounded(want, 300 / 127)
    found = levels.starved("out", want, got)
    assert found is not None
    mixed = levels.replaced(got[0], want[0], found)
    np.testing.assert_array_equal(mixed[:, 1], want[0][:, 1])
    np.testing.assert_array_equal(mixed[:, 0], got[0][:, 0])


@pytest.fixture
def run(tmp_path: Path, plugins_path: None) -> Any:
    """Return a function that runs a tiny suite of two models that differ as told."""
    folder = tiny.write_dataset(tmp_path / "data")

    def made(**changes: Any) -> str:
        data = tiny.suite(folder)
        other = {**data["models"][0], "name": "other", **changes}
        data["models"] = [data["models"][0], other]
        path = tiny.write_suite(tmp_path / "suite.yaml", data)
        return api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache").run

    return made


def diagnose(tmp_path: Path, name: str, a: str, b: str) -> Any:
    return api.diagnose(name, a, b, store=tmp_path / "store", cache=tmp_path / "cache")


A, B = "m/bbtest-faulty/fp32", "other/bbtest-faulty/fp32"


def test_each_part_is_swapped_once_and_the_points_sum_to_the_gap(run, tmp_path) -> None:
    name = run(
        source={"kind": "bbtest-inline", "label": "b"},
        input={"size": [4, 4], "color": "RGB", "resize": "stretch"},
        classes=["b", "a"],
    )
    found = diagnose(tmp_path, name, A, B)
    assert [swap.part for swap in found.swaps] == ["preprocessing", "model", "decoder"]
    assert found.points == pytest.approx(sum(swap.points for swap in found.swaps))
    # The model says class 0; three quarters of the images are of class a, one of class b.
    assert [swap.points for swap in found.swaps] == [0, 0, pytest.approx(-50)]
    assert (found.score_a, found.score_b) == (0.75, 0.25)


def test_cells_that_differ_in_nothing_have_no_swaps(run, tmp_path) -> None:
    found = diagnose(tmp_path, run(), A, B)
    assert found.swaps == ()
    assert found.points == 0


def test_hybrids_stay_out_of_the_run_and_of_latest(run, tmp_path) -> None:
    name = run(input={"size": [4, 4], "color": "RGB", "resize": "stretch"}, classes=["b", "a"])
    before = len(api.show("latest", store=tmp_path / "store").cells)
    diagnose(tmp_path, name, A, B)
    after = api.show("latest", store=tmp_path / "store")
    assert (after.run, len(after.cells)) == (name, before)


@pytest.mark.parametrize(
    ("name", "told"),
    [("m/bbtest-faulty/int8", "no cell"), ("nothing", "no cell"), ("abcd", "no cell")],
)
def test_an_unknown_cell_is_told_with_the_nearest(run, tmp_path, name, told) -> None:
    with pytest.raises(UsageError, match=told):
        diagnose(tmp_path, run(), A, name)


def test_a_scale_shared_by_boxes_and_scores_is_named_with_what_it_costs(data_dir, tmp_path) -> None:
    """FastestDet's real outputs, rounded as if its boxes were pixels beside scores of 0..1."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("cv2")
    cell, split, want = _fastestdet(data_dir, tmp_path)
    step = 352 / 127
    steps = np.full((85, 1, 1), step, np.float32)
    steps[1:5] /= 352
    got = [{name: np.round(a / steps) * steps for name, a in feed.items()} for feed in want]
    files = tuple(_packed(tmp_path / f"{n}.npz", feeds) for n, feeds in enumerate((want, got)))
    trial = Trial(cell, split, files)
    gap = 100 * ((trial.score(want) or 0) - (trial.score(got) or 0))
    assert gap > 10
    worst = causes(cell, split, files)[0]
    assert worst.code == SHARED
    assert (worst.channels, worst.of, worst.levels) == (81, 85, 1)
    assert worst.points > 0.9 * gap


def _packed(path: Path, feeds: list[dict[str, np.ndarray]]) -> Path:
    from benchbench.worker.reference import _packed as packed

    path.write_bytes(packed(feeds))
    return path


def _fastestdet(data_dir: Path, tmp_path: Path) -> tuple[Any, Any, list[dict[str, np.ndarray]]]:
    """Return the planned cell, the split of 20 images, and the real outputs."""
    import onnxruntime

    from benchbench.plan import make_plan
    from benchbench.suite.load import load_suite
    from benchbench.worker.inputs import contract, evaluation_split, prepare

    loaded = load_suite("coco-detectors", [f"data={data_dir}", "datasets.0.images=20"])
    plan = make_plan(loaded, tmp_path / "cache")
    cell = next(
        p.cell
        for p in plan.cells
        if (p.cell.model, p.cell.runtime) == ("fastestdet", "onnxruntime")
    )
    split = evaluation_split(cell, tmp_path / "cache")
    session = onnxruntime.InferenceSession(
        str(data_dir / "models/fastestdet/fastestdet.onnx"), providers=["CPUExecutionProvider"]
    )
    name, declared = session.get_inputs()[0].name, contract(cell)
    ordered = replace(split, images=tuple(sorted(split.images, key=lambda image: image.id)))
    feeds = [{name: prepare(declared, image)[0][None]} for image in ordered.images]
    names = [one.name for one in session.get_outputs()]
    return cell, ordered, [dict(zip(names, session.run(None, f), strict=True)) for f in feeds]
