"""Figures for github-action-benchmark's custom tools: one file a direction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import ClassVar

from benchbench.quantities import Basis, Quantity
from benchbench.reports import naming
from benchbench.reports.wording import short
from benchbench.types import Record
from benchbench.view import CellView, RunView

_BASIS: Mapping[Basis, str] = {
    "images": "{count}images",
    "processes": "{count}fresh processes",
    "one process": "{count}queries of one process",
    "trials": "{count}trials",
    "probes": "{count}probes",
    "rounds": "{count}rounds of fresh processes",
}


class ActionBenchmarkSmaller(Record):
    """Writes ``github_action_benchmark_smaller.json``: figures of which less is better.

    For the tool ``customSmallerIsBetter``.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "github_action_benchmark_smaller.json"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return a JSON array; the action refuses an empty one."""
        return _array(run, higher=False)


class ActionBenchmarkBigger(Record):
    """Writes ``github_action_benchmark_bigger.json``: figures of which more is better.

    For the tool ``customBiggerIsBetter``.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "github_action_benchmark_bigger.json"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return a JSON array; the action refuses an empty one."""
        return _array(run, higher=True)


def _array(run: RunView, *, higher: bool) -> bytes:
    entries = list(_entries(run, higher=higher))
    return (json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _entries(run: RunView, *, higher: bool) -> Iterator[dict[str, str | float | None]]:
    names = naming.cell_names(run)
    for cell in run.cells:
        for found in naming.headline(cell):
            if found.higher_is_better == higher:
                yield _entry(run, cell, names[cell.id], found)


def _entry(
    run: RunView, cell: CellView, label: str, found: Quantity
) -> dict[str, str | float | None]:
    told: dict[str, str | float | None] = {
        # The action writes names between back-ticks into a Markdown table of a commit's comment.
        "name": f"{label} / {short(found.name, naming.LONGEST)}".replace("|", "¦").replace(
            "`", "'"
        ),
        "unit": (found.currency if found.unit == "currency" else found.unit) or "fraction of 1",
        "value": found.value,
    }
    if found.low is not None and found.high is not None:
        told["range"] = f"{found.low:.6g} to {found.high:.6g}"
    return told | {"extra": "\n".join(_more(run, cell, found))}


def _more(run: RunView, cell: CellView, found: Quantity) -> Iterator[str]:
    count = "" if found.n is None else f"{found.n} "
    yield _BASIS.get(found.basis, found.basis).format(count=count)
    if found.low is not None and found.level is not None:
        yield f"range: {100 * found.level:g} % interval"
    if cell.caveats:
        yield f"doubts: {', '.join(naming.slug(doubt.code, '_') for doubt in cell.caveats)}"
    yield f"run: {short(run.run, naming.LONGEST)}"
