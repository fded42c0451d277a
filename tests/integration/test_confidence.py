"""Intervals and comparisons of a real run: kept once, the same again, made anew where they are lost."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.columns import unpack_tally
from benchbench.confidence import resamples
from benchbench.errors import UsageError
from benchbench.stats.resampling import Draws
from benchbench.store import Store
from tests import tiny

IMAGES = 40


@pytest.fixture
def found(tmp_path: Path, plugins_path: Any) -> Any:
    """Return (store, cache, outcome) of two precisions of one model."""
    folder = tmp_path
    data = tiny.suite(
        tiny.write_dataset(folder / "data", images=IMAGES),
        runtimes=[{"kind": "bbtest-faulty", "precisions": ["fp32", "int8"]}],
    )
    path = tiny.write_suite(folder / "suite.yaml", data)
    store, cache = folder / "store", folder / "cache"
    return store, cache, api.run(str(path), store=store, cache=cache)


def test_the_interval_is_the_bootstrap_of_what_was_predicted(found):
    store, _, outcome = found
    cell = outcome.view.cells[0]
    interval = cell.intervals["top1"]
    assert interval.value == cell.metrics["top1"]
    run = Store(store).run(outcome.run)
    tally = unpack_tally(run.array(run.result(cell.id).arrays["tally"]))
    hits = (tally.arrays["ranks"][:, 0] == tally.arrays["labels"]).astype(float)
    assert hits.mean() == interval.value
    assert 0 < interval.value < 1
    weights = Draws(images=IMAGES, replicates=interval.replicates, seed=interval.seed).weights()
    means = weights @ hits / IMAGES
    assert interval.se == pytest.approx(float(means.std(ddof=1)))
    assert interval.high - interval.value == pytest.approx(1.959964 * interval.se)


def test_int8_is_compared_with_fp32_on_the_same_images(found):
    _, _, outcome = found
    base, other = outcome.view.cells
    assert base.comparison is None
    assert (other.comparison.a, other.comparison.b) == (base.id, other.id)
    assert other.comparison.difference == other.metrics["top1"] - base.metrics["top1"]
    assert other.comparison.images == IMAGES
    assert {one.subject for one in other.class_comparisons} == {"a", "b"}


def test_it_is_drawn_once_and_again_where_the_memory_is_damaged(found):
    store, _, outcome = found
    run = Store(store).run(outcome.run)
    (kept,) = (run.folder / "derived").glob("*.npz")  # both cells predict the same
    whole = kept.read_bytes()
    for damaged in (b"not an archive", whole[:200], b""):
        kept.write_bytes(damaged)
        again = api.show(outcome.run, store=store)
        assert [c.intervals for c in again.cells] == [c.intervals for c in outcome.view.cells]
        assert len(kept.read_bytes()) == len(whole)


def test_what_is_kept_is_what_was_drawn_to_the_last_bit(found):
    store, _, outcome = found
    run = Store(store).run(outcome.run)
    (kept,) = (run.folder / "derived").glob("*.npz")
    whole = bytearray(kept.read_bytes())
    kept.unlink()
    result = run.result(outcome.view.cells[0].id)
    drawn, again = resamples(run, result), resamples(run, result)
    assert (drawn.draws, drawn.images, drawn.classes) == (again.draws, again.images, again.classes)
    for one, other in ((drawn.metrics, again.metrics), (drawn.by_class, again.by_class)):
        assert list(one) == list(other)
        for name, sample in one.items():
            assert sample.replicates.shape == other[name].replicates.shape
            assert sample.replicates.tobytes() == other[name].replicates.tobytes()
            assert np.asarray(sample.value).tobytes() == np.asarray(other[name].value).tobytes()
    for at in range(0, len(whole), len(whole) // 40):  # pages that a crash left empty
        kept.write_bytes(whole[:at] + bytes(len(whole[at : at + 512])) + whole[at + 512 :])
        found = resamples(run, result).metrics["top1"]
        assert found.replicates.tobytes() == drawn.metrics["top1"].replicates.tobytes()


def test_scoring_again_keeps_the_tally_in_step(found):
    store, cache, outcome = found
    again = api.score(outcome.run, store=store, cache=cache)
    assert [c.intervals for c in again.cells] == [c.intervals for c in outcome.view.cells]


def test_a_run_without_tallies_has_scores_and_no_intervals(found):
    store, _, outcome = found
    run = Store(store).run(outcome.run)
    results = list(run.results())
    for result in results:
        kept = {name: ref for name, ref in result.arrays.items() if name != "tally"}
        run.put(result.model_copy(update={"arrays": kept}))
    bare = api.show(outcome.run, store=store)
    for result in results:
        run.put(result)
    assert [cell.intervals for cell in bare.cells] == [{}, {}]
    assert bare.cells[0].metrics == outcome.view.cells[0].metrics


def test_an_earlier_run_tells_how_many_images_a_difference_takes(found):
    store, _, outcome = found
    (one,) = api.power(outcome.run, points=2.0, store=store)
    assert (one.against, one.cell) == tuple(cell.label for cell in outcome.view.cells)
    assert one.answer.images == IMAGES
    assert one.answer.difference == 0.02
    # The two cells predict the same: the draws say nothing of their difference.
    assert one.answer.images_needed is None
    assert "same on every draw" in one.answer.reason


def test_the_command_counts_the_images(found, tmp_path):
    store, _, outcome = found
    line = [
        sys.executable,
        "-m",
        "benchbench",
        "plan",
        outcome.run,
        "--power",
        "--store",
        str(store),
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "0.5 points need" in done.stdout
    assert "same on every draw" in done.stdout


def test_a_metric_that_is_gone_costs_the_intervals_and_says_so(found):
    store, _, outcome = found
    run = Store(store).run(outcome.run)
    for result in list(run.results()):
        spec = {**result.cell.spec, "metric": {"kind": "gone"}}
        cell = result.cell.model_copy(update={"spec": spec})
        run.put(result.model_copy(update={"cell": cell}))
    for cell in api.show(outcome.run, store=store).cells:
        interval = cell.intervals["top1"]
        assert interval.value == cell.metrics["top1"]
        assert (interval.se, interval.low) == (None, None)
        assert "no metric named 'gone'" in interval.reason


def test_accuracy_image_by_image_adds_up_to_the_metric(found, tmp_path):
    store, _, outcome = found
    names = ["--metric", "top1", "--store", str(store)]
    line = [sys.executable, "-m", "benchbench", "cases", outcome.run, *names]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    for cell in outcome.view.cells:
        own = [row for row in rows if row["cell"] == cell.id]
        assert [row["file_name"] for row in own] == [f"{row['image_id']}.png" for row in own]
        assert {row["value"] for row in own} == {"0.0", "1.0"}
        mean = sum(float(row["value"]) for row in own) / IMAGES
        assert mean == pytest.approx(cell.metrics["top1"])
    classes = api.cases(outcome.run, metrics=["f1"], by_class=True, store=store)
    assert {case.subject for case in classes} == {"a", "b"}
    # An image is of one class: what it says of the other is nothing.
    assert any(case.value is None for case in classes)


def test_a_metric_that_no_cell_has_is_told(found):
    store, _, outcome = found
    with pytest.raises(UsageError, match=r"no cell of the run .* has the metric dice"):
        api.cases(outcome.run, metrics=["dice"], store=store)
    gone = ["--metric", "dice", "--store", str(store)]
    line = [sys.executable, "-m", "benchbench", "cases", outcome.run, *gone]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, ""), "no table is begun that has no rows"
