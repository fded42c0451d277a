"""Every way to die, at every stage: each costs its own cell, and the next command tries it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tiny

DEATHS = {
    "segfault": ("signal", "SIGSEGV"),
    "sigkill": ("signal", "SIGKILL"),
    "hog": ("out_of_memory", ""),
    "hang": ("timeout", "no end after"),
}
"""Fault → failure code and what its message says; ``hog`` meets the limit of the data segment."""
STAGES = {"load": "load", "build": "bbtest-fatal: build", "run": "accuracy"}
MATRIX = [(stage, fault) for stage in STAGES for fault in DEATHS]


Cells = dict[str, Any]
"""Cells of ``show --json`` by runtime."""


def entry(stage: str, fault: str, markers: Path) -> dict[str, Any]:
    name = f"{stage}-{fault}"
    if stage == "build":
        return tiny.faulty(name, precisions=["fp16"], build=fault)
    where = {"load": "open", "run": "run"}[stage]
    return tiny.faulty(name, fault=fault, stage=where, marker=str(markers / name))


def write(folder: Path, deaths: list[tuple[str, str]]) -> Path:
    """Write a suite in which each of *deaths* is a cell that dies once, and the last one lives."""
    markers = folder / "markers"
    markers.mkdir()
    data = tiny.suite(
        tiny.write_dataset(folder / "data"),
        runtimes=[*(entry(stage, fault, markers) for stage, fault in deaths), tiny.faulty("good")],
        conversions=[{"kind": "bbtest-fatal", "markers": str(markers)}],
        measure={"latency": False, "timeout_s": 6, "memory_limit_mb": 2000},
    )
    return tiny.write_suite(folder / "suite.yaml", data)


def command(suite: Path) -> tuple[int, Cells]:
    """Run the suite through the command line; return the exit code and the cells."""
    folder = suite.parent
    done = subprocess.run(
        [sys.executable, "-m", "benchbench", "run", str(suite), "--json", "--no-report"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tiny.PLUGINS), os.environ.get("PYTHONPATH", "")]),
            "BENCHBENCH_CACHE": str(folder / "cache"),
        },
        timeout=300,
    )
    assert done.stdout, done.stderr
    return done.returncode, {cell["runtime"]: cell for cell in json.loads(done.stdout)["cells"]}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Cells]:
    return command(write(tmp_path_factory.mktemp("matrix"), MATRIX))


@pytest.mark.parametrize(("stage", "fault"), MATRIX)
def test_a_death_names_its_stage_and_its_reason(
    stage: str, fault: str, matrix: tuple[int, Cells]
) -> None:
    cell = matrix[1][f"{stage}-{fault}"]
    code, message = DEATHS[fault]
    assert (cell["status"], cell["failure"]["code"]) == ("failed", code)
    assert cell["failure"]["stage"] == STAGES[stage]
    assert message in cell["failure"]["message"]


def test_a_cell_after_twelve_deaths_is_measured_and_the_command_says_that_some_failed(
    matrix: tuple[int, Cells],
) -> None:
    code, cells = matrix
    assert cells["good"]["status"] == "measured"
    assert code == 3


def test_the_same_command_again_tries_the_dead_again_and_nothing_else(tmp_path: Path) -> None:
    suite = write(tmp_path, [("build", "segfault"), ("run", "sigkill")])
    (first, before), (second, after) = command(suite), command(suite)
    assert (first, second) == (3, 0), [cell["failure"] for cell in after.values()]
    assert {cell["status"] for cell in after.values()} == {"measured"}
    again = {name for name, cell in after.items() if cell["started"] != before[name]["started"]}
    assert again == {"build-segfault", "run-sigkill"}
