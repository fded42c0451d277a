"""What a gate of many cells costs: 1,000 cells with 1,000 replicates each, from stored matches.

CPU seconds of this process, which the load of other programs hardly stretches: once with the draws
still to be made and nothing derived kept, once with what was kept then. Both are held to the bound.

pytest -s --benchmark-enable tests/benchmarks/test_gate.py
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.columns import pack_tally, unpack_tally
from benchbench.store import PlannedCell, Run, Store
from benchbench.types import Result
from tests import tiny

pytestmark = [pytest.mark.usefixtures("plugins_path"), pytest.mark.slow]
CELLS = 1000
IMAGES = 50
BOUND_S = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with one run of many cells, each with a tally of its own and no draws yet."""
    folder = tiny.write_dataset(tmp_path / "data", images=IMAGES)
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    outcome = api.run(str(path), store=tmp_path / "store")
    run = Store(tmp_path / "store").run(outcome.run)
    (result,) = run.results()
    cells = [clone(run, result, number) for number in range(CELLS)]
    (run.folder / "cells" / f"{result.cell.id}.json").unlink()
    manifest = run.manifest().model_copy(update={"cells": tuple(cells)})
    (run.folder / "manifest.json").write_text(manifest.model_dump_json())
    shutil.rmtree(run.folder / "derived", ignore_errors=True)
    return tmp_path / "store"


def clone(run: Run, result: Result, number: int) -> PlannedCell:
    """Store a cell like that of *result* with a tally of its own; every second one as int8."""
    tally = unpack_tally(run.array(result.arrays["tally"]))
    own = {"number": np.array([number])}  # no metric reads it, and no two files are alike
    ref = run.keep_array(pack_tally(replace(tally, arrays={**tally.arrays, **own})))
    changed: dict[str, Any] = {
        "id": f"{number:016x}",
        "model": f"model {number // 2}",
        "precision": "int8" if number % 2 else "fp32",
    }
    cell = result.cell.model_copy(update=changed)
    run.put(result.model_copy(update={"cell": cell, "arrays": {**result.arrays, "tally": ref}}))
    return PlannedCell(cell=cell)


def test_a_gate_of_a_thousand_cells_is_decided_in_half_a_minute(store: Path) -> None:
    texts = ("top1 >= 1 %", "no more than 1 point of top1 lost than fp32", "memory <= 1 kB")
    took, views = [], []
    for _ in range(2):
        began, wall = time.process_time(), time.perf_counter()
        views.append(api.gate(texts=texts, store=store))
        took.append((time.process_time() - began, time.perf_counter() - wall))
    assert views[0] == views[1]
    assert views[0].gate is not None
    assert len(views[0].gate.limits) == 2 * CELLS + CELLS // 2
    for what, (cpu, wall) in zip(("drawn anew", "with kept draws"), took, strict=True):
        print(f"{CELLS} cells, {what}: {cpu:.1f} s of CPU time, {wall:.1f} s by the clock")
    assert max(cpu for cpu, _ in took) < BOUND_S
