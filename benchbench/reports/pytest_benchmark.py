"""Latency passes as pytest-benchmark saves them: for ``pytest-benchmark compare``."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from benchbench.reports import naming
from benchbench.reports.wording import short
from benchbench.types import Record
from benchbench.view import CellView, LatencyView, RunView

_POINTS = 101
_S_PER_MS = 1e-3
_DERIVED = "of the sample's 101 quantiles: median, q1, q3, iqr, stddev, ld15iqr, hd15iqr"
_UNCOUNTED = "-"
"""pytest-benchmark prints its counts of outliers as they are; the run does not hold them."""


class PytestBenchmark(Record):
    """Writes ``pytest_benchmark.json``: one benchmark a cell that was timed, in seconds."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "pytest_benchmark.json"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return JSON as ``pytest --benchmark-json`` writes it.

        A round is a query of the cell's own latency pass, in one process. A cell that was not
        timed is left out.
        """
        names = naming.cell_names(run)
        told = {
            "machine_info": _machine(run.environment),
            "commit_info": _commit(run.environment),
            "benchmarks": [
                _benchmark(run, cell, names[cell.id], late)
                for cell in run.cells
                if (late := cell.latency) and _complete(late)
            ],
            "datetime": run.created,
            "version": f"benchbench {_told(run.environment, 'benchbench') or '(unknown)'}",
        }
        return (json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _complete(late: LatencyView) -> bool:
    return len(late.quantiles_ms) == _POINTS and all(map(math.isfinite, late.quantiles_ms))


def _told(environment: Mapping[str, Any], *path: str) -> str | None:
    found: Any = environment
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else short(found, naming.LONGEST)


def _machine(environment: Mapping[str, Any]) -> dict[str, object]:
    paths = {
        "processor": ("cpu", "model"),
        "machine": ("system", "machine"),
        "system": ("system", "os"),
        "release": ("system", "release"),
        "python_version": ("python", "version"),
        "python_implementation": ("python", "implementation"),
    }
    return {name: told for name, path in paths.items() if (told := _told(environment, *path))}


def _commit(environment: Mapping[str, Any]) -> dict[str, object]:
    git = environment.get("git")
    if not isinstance(git, Mapping) or not git.get("commit"):
        return {}
    return {"id": short(git["commit"]), "dirty": bool(git.get("dirty"))}


def _benchmark(run: RunView, cell: CellView, name: str, late: LatencyView) -> dict[str, object]:
    parts = ("model", "runtime", "precision", "device", "dataset", "split")
    more = {
        "run": short(run.run),
        "cell": cell.id,
        "derived": _DERIVED,
        "effective_rounds": round(late.effective_queries, 1),
        "caveats": [short(doubt.code) for doubt in cell.caveats],
    }
    return {
        "group": None,
        "name": name,
        # A path before it, so that no spreadsheet takes the CSV of `compare` for a formula.
        "fullname": f"benchbench/{short(run.suite)}::{name}",
        "params": {part: short(getattr(cell, part)) for part in parts} | {"batch": cell.batch},
        "param": name,
        "extra_info": more,
        "options": {},
        "stats": stats(late),
    }


def stats(late: LatencyView) -> dict[str, float | int | str]:
    """Return pytest-benchmark's statistics of a pass, in seconds.

    Minimum, maximum, mean, total and rounds are those of the sample. Quartiles are numpy's, where
    pytest-benchmark takes medians of halves; the standard deviation is that of the distribution
    whose quantile function runs straight between the 101 quantiles.
    """
    points = [value * _S_PER_MS for value in late.quantiles_ms]
    mean, rounds = late.mean_ms * _S_PER_MS, late.queries
    q1, median, q3 = points[25], points[50], points[75]
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    return {
        "min": points[0],
        "max": points[-1],
        "mean": mean,
        "stddev": _deviation(points, rounds),
        "rounds": rounds,
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "outliers": _UNCOUNTED,
        "ld15iqr": points[bisect_left(points, low)],
        "hd15iqr": points[bisect_right(points, high) - 1],
        "ops": 1 / mean if mean > 0 else 0.0,
        "total": mean * rounds,
        "iterations": 1,
    }


def _deviation(points: Sequence[float], rounds: int) -> float:
    """Return the standard deviation of a piecewise linear quantile function, ddof 1."""
    if rounds < 2:
        return 0.0
    mean = sum(a + b for a, b in pairwise(points)) / 2 / (len(points) - 1)
    centred = pairwise(point - mean for point in points)
    square = sum(a * a + a * b + b * b for a, b in centred) / 3 / (len(points) - 1)
    return math.sqrt(max(0.0, square) * rounds / (rounds - 1))
