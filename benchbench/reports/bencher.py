"""Figures in Bencher Metric Format (BMF): benchmark → measure → metric."""

from __future__ import annotations

import json
from typing import ClassVar

from benchbench.quantities import Quantity
from benchbench.reports import naming
from benchbench.types import Record
from benchbench.view import CellView, RunView

_BUILT_IN = {
    "latency.p50": "latency", "throughput": "throughput", "size": "file-size", "build": "build-time"
}  # fmt: skip
"""Measures that Bencher knows with their units: ns, operations/s, bytes, s."""
_NS_PER_MS = 1e6
_IGNORED = "-bencher-ignore"
"""An ending that switches alerts off; no name of a cell shall do that."""


class Bencher(Record):
    """Writes ``bencher.json`` for ``bencher run --adapter json --file``."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "bencher.json"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return a JSON object: times that are kept in ms in nanoseconds, all else as it is."""
        names = naming.cell_names(run)
        labels = naming.unique(_benchmark(names[cell.id]) for cell in run.cells)
        told = {name: _measures(cell) for name, cell in zip(labels, run.cells, strict=True)}
        kept = {name: measures for name, measures in told.items() if measures}
        return (json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _benchmark(name: str) -> str:
    return f"{name} (cell)" if name.endswith(_IGNORED) else name


def _measures(cell: CellView) -> dict[str, dict[str, float]]:
    found = list(naming.figures(cell))
    slugs = naming.unique(_BUILT_IN.get(one.name) or naming.slug(one.name, "-") for one in found)
    return {name: _metric(one) for name, one in zip(slugs, found, strict=True)}


def _metric(found: Quantity) -> dict[str, float]:
    factor = _NS_PER_MS if found.unit == "ms" else 1.0
    ends = {"value": found.value, "lower_value": found.low, "upper_value": found.high}
    return {
        name: float(f"{value * factor:.12g}") for name, value in ends.items() if value is not None
    }
