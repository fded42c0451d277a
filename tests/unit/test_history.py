"""A figure over the runs of a store: what is compared, what is said of it, how it is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.columns import pack_samples
from benchbench.errors import UsageError
from benchbench.history.page import page
from benchbench.history_view import HistoryView
from benchbench.store import Invocation, Manifest, PlannedCell, Run, Store
from benchbench.trends import words
from benchbench.types import ArtifactInfo, Cell, Failure, Result, Samples, Scores, Variant

MACHINE = {"cpu": {"model": "one"}, "system": {"os": "Linux"}}
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e=cmd|x"


class Runs:
    """Writes invented runs, one a day."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.prepare()
        self.day = 0

    def add(
        self,
        ms: float | None,
        *,
        top1: float = 0.9,
        size: int = 1000,
        model: str = "m",
        runtime: str = "1.0",
        machine: dict[str, Any] = MACHINE,
        data: str = "d1",
        suite: str = "s",
    ) -> Run:
        self.day += 1
        stamp = f"2026-{1 + self.day // 28:02d}-{1 + self.day % 28:02d}T10:00:00.000000Z"
        run = self.store.new(f"{suite}-{self.day:06d}")
        key = machine["cpu"]["model"]
        environment = {
            **machine,
            "key": key,
            "git": {"commit": f"{self.day:06x}{0:034x}", "dirty": False},
        }
        cell = cell_of(model, runtime, data)
        manifest = Manifest(
            run=run.id, suite=suite, suite_text="", suite_file="s.yaml", suite_sha256="0",
            created=stamp, environment_key=key, cells=(PlannedCell(cell=cell),),
        )  # fmt: skip
        run.begin(manifest, Invocation(started=stamp, command_line=(), environment=environment))
        if ms is None:
            failure = Failure(code="exception", stage="load", message="it broke")
            failed = {"status": "failed", "failure": failure}
            run.put(Result(cell=cell, environment=key, started=stamp, wall_s=1.0, **failed))
            return run
        scores = Scores(metrics={"top1": top1}, primary="top1", evaluator="e")
        ref = run.keep_array(pack_samples(samples(ms)))
        artifact = ArtifactInfo(variant=Variant(format="onnx"), sha256="a", bytes=size)
        run.put(
            Result(
                cell=cell, status="measured", environment=key, started=stamp, wall_s=1.0,
                arrays={"samples": ref}, scores=scores, artifact=artifact,
            )
        )  # fmt: skip
        return run


def cell_of(model: str, runtime: str, data: str) -> Cell:
    return Cell(
        id="c" * 16, model=model, runtime="r", precision="fp32", device="cpu", batch=1,
        dataset="set", split="val", task="classification",
        spec={"metric": {"kind": "classification"}}, start=None,
        protocol={"dataset": {"content_sha256": data}, "latency": {"queries": 20}},
        versions={"runtime": runtime},
    )  # fmt: skip


def samples(ms: float, count: int = 20) -> Samples:
    run_ns = np.round(ms * 1e6 * np.linspace(0.98, 1.02, count)).astype(np.int64)
    none = np.zeros(count, np.int64)
    return Samples(np.cumsum(run_ns), none, run_ns, none, none, none)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "store")


def look(runs: Runs, quantity: str = "latency.p50", **options: Any) -> HistoryView:
    return api.history(quantity, store=runs.store.folder, **options)


NOISE = [1.0, 1.01, 0.99, 1.005]


def test_a_step_is_told_with_its_size_its_direction_and_the_commits_around_it(runs: Runs) -> None:
    for factor in NOISE:
        runs.add(10 * factor)
    for factor in NOISE:
        runs.add(12 * factor, runtime="2.0")
    (series,) = look(runs).series
    (change,) = series.changes
    assert change.outcome == "worse"
    assert change.low < 1.2 < change.high
    assert change.change == pytest.approx(1.2, rel=0.01)
    assert (int(change.before_commit[:6], 16), int(change.commit[:6], 16)) == (4, 5)
    assert [(d.key, d.before, d.after) for d in change.differing] == [
        ("versions.runtime", "1.0", "2.0")
    ]


def test_more_of_a_figure_of_which_more_is_better_is_better(runs: Runs) -> None:
    for factor in (*NOISE, *(2 * f for f in NOISE)):
        runs.add(10 / factor)
    (series,) = look(runs, "throughput").series
    assert [change.outcome for change in series.changes] == ["better"]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        (
            {"machine": {"cpu": {"model": "two"}, "system": {"os": "Linux"}}},
            "environment.cpu.model",
        ),
        ({"data": "d2"}, "protocol.dataset.content_sha256"),
    ],
)
def test_no_change_is_told_across_machines_or_datasets(
    runs: Runs, changed: dict[str, Any], key: str
) -> None:
    for factor in NOISE:
        runs.add(10 * factor)
    for factor in NOISE:
        runs.add(20 * factor, **changed)
    (series,) = look(runs).series
    assert not series.changes
    assert [(part.begin, part.end) for part in series.parts] == [(0, 4), (4, 8)]
    assert [different.key for different in series.parts[1].broken_by] == [key]


def test_machines_that_take_turns_are_looked_at_one_by_one(runs: Runs) -> None:
    other = {"cpu": {"model": "two"}, "system": {"os": "Linux"}}
    for _ in range(3):
        runs.add(10)
        runs.add(20, machine=other)
    assert len(look(runs).series[0].parts) == 6
    (series,) = look(runs, where=["machine=two"]).series
    assert [round(point.value) for point in series.points] == [20, 20, 20]
    assert len(series.parts) == 1


def test_another_machine_does_not_part_a_counted_figure_and_each_difference_counts(
    runs: Runs,
) -> None:
    runs.add(10, size=1000)
    runs.add(10, size=1100, machine={"cpu": {"model": "two"}, "system": {"os": "Linux"}})
    runs.add(10, size=1100)
    found = look(runs, "size")
    assert "counted figures have no noise" in words.method(found)
    (series,) = found.series
    (change,) = series.changes
    assert (change.at, change.change, change.p, change.outcome) == (1, 1.1, None, "worse")


def test_a_failed_run_is_a_dash_with_its_reason_and_breaks_nothing(runs: Runs) -> None:
    for factor in NOISE:
        runs.add(10 * factor)
    runs.add(None)
    runs.add(10)
    (series,) = look(runs).series
    assert series.points[4].value is None
    assert "it broke" in series.points[4].reason
    assert [(part.begin, part.end) for part in series.parts] == [(0, 6)]
    assert not series.changes


def test_few_runs_are_not_tested_and_say_so(runs: Runs) -> None:
    for ms in (10, 10, 20, 20, 20):
        runs.add(ms)
    view = look(runs)
    assert view.tested == 0
    assert view.series[0].parts[0].reason == "5 figures; two levels need 6"


def test_a_measurement_that_another_run_took_over_is_one_point(runs: Runs) -> None:
    first = runs.add(10)
    second = runs.add(11)
    taken_over = first.result("c" * 16)
    (second.folder / "cells" / f"{'c' * 16}.json").unlink()
    second.adopt(first, taken_over)
    (point,) = look(runs).series[0].points
    assert (point.run, point.also) == (first.id, (second.id,))
    assert int(point.commit[:6], 16) == 1


def test_accuracy_is_told_in_points_and_not_parted_by_how_latency_is_measured(runs: Runs) -> None:
    for index in range(8):
        runs.add(10, top1=0.9 if index < 4 else 0.88)
    (series,) = look(runs, "top1").series
    (change,) = series.changes
    assert change.scale == "difference"
    assert change.change == pytest.approx(-0.02)


def test_what_is_kept_below_a_run_is_used_and_forgotten_when_the_run_changes(runs: Runs) -> None:
    run = runs.add(10)
    look(runs)
    (kept,) = (run.folder / "derived").glob("figure-*.json")
    kept.write_text(kept.read_text().replace('"value": 10.0', '"value": 77.0'))
    assert look(runs).series[0].points[0].value == 77
    result = run.result("c" * 16)
    path = run.folder / "cells" / f"{'c' * 16}.json"
    path.write_text(result.model_copy(update={"wall_s": 2.0}).model_dump_json())
    assert look(runs).series[0].points[0].value == 10


def test_a_damaged_run_is_named_and_left_out(runs: Runs) -> None:
    runs.add(10)
    broken = runs.add(10)
    (broken.folder / "cells" / f"{'c' * 16}.json").write_text("{")
    view = look(runs)
    assert view.runs == 1
    assert broken.id in view.unread[0]


def test_cells_are_picked_by_key_label_and_date(runs: Runs) -> None:
    runs.add(10, model="a")
    runs.add(10, model="b")
    assert {s.model for s in look(runs).series} == {"a", "b"}
    assert [s.model for s in look(runs, where=["model=a"]).series] == ["a"]
    assert [s.model for s in look(runs, cell="b*").series] == ["b"]
    assert [s.model for s in look(runs, since="2026-01-03").series] == ["b"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"quantity": "latency.p51"}, "did you mean 'latency.p"),
        ({"where": ["colour=red"]}, "keys: model"),
        ({"since": "yesterday"}, "2026-11-22"),
        ({"suite": "ss"}, "did you mean 's'"),
        ({"cell": "nothing*"}, "lists the cells"),
    ],
)
def test_wrong_names_get_a_hint(runs: Runs, options: dict[str, Any], told: str) -> None:
    runs.add(10)
    with pytest.raises(UsageError) as caught:
        look(runs, **options)
    assert told in str(caught.value)


def test_runs_of_another_suite_stay_out(runs: Runs) -> None:
    runs.add(10)
    runs.add(20, suite="other")
    assert [p.value for p in look(runs, suite="s").series[0].points] == [10]
    (point,) = look(runs, suite="other").series[0].points
    assert point.value == 20


def test_a_baseline_is_marked(runs: Runs) -> None:
    run = runs.add(10)
    folder = runs.store.folder / "baselines"
    folder.mkdir()
    (folder / "main.json").write_text(json.dumps({"view": {"run": run.id}}))
    (folder / "bad.json").write_text("[]")
    assert look(runs).series[0].points[0].baselines == ("main",)


def test_the_page_holds_no_script_no_address_and_hostile_names_as_text(runs: Runs) -> None:
    for factor in (*NOISE, *(1.5 * f for f in NOISE)):
        runs.add(10 * factor, model=HOSTILE)
    runs.add(None, model=HOSTILE)
    view = look(runs)
    made = page(view)
    assert made == page(view)
    text = made.decode()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)", text)) == {"data:,", "#cells"}
    assert "default-src 'none'" in text
    assert text.count('class="dot"') == 8
    assert text.count('class="gone"') == 1
    assert 'class="rule worse"' in text
