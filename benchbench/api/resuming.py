"""The run to go on with, and what other runs measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchbench.errors import StoreError
from benchbench.forecast import DONE
from benchbench.plan import Plan
from benchbench.store import Invocation, Manifest, PlannedCell, Run, Store, utc_now
from benchbench.takes import Extras
from benchbench.types import Result, digest


def base_name(made: Plan, key: str) -> str:
    """Return what the runs of a plan in one environment are named by, before their number."""
    return f"{made.loaded.suite.name}-{digest([made.digest, key])[:6]}"


def open_run(
    where: Store, made: Plan, facts: dict[str, Any], *, fresh: bool, command_line: Sequence[str]
) -> Run:
    """Return the run to go on with, or a new one."""
    base = base_name(made, facts["key"])
    before = where.series(base)
    current = before[-1] if before and not fresh else where.new(base)
    now = utc_now()
    suite = made.loaded.suite
    manifest = Manifest(
        run=current.id,
        suite=suite.name,
        title=suite.title,
        description=suite.description,
        suite_text=made.loaded.document.text,
        suite_file=str(Path(made.loaded.document.file).resolve()),
        suite_sha256=made.loaded.sha256,
        settings=dict(made.loaded.settings),
        created=now,
        environment_key=facts["key"],
        datasets=made.cards,
        cells=made.cells,
    )
    invocation = Invocation(started=now, command_line=tuple(command_line), environment=facts)
    current.begin(manifest, invocation)
    return current


def adopt(where: Store, current: Run, made: Plan, key: str) -> None:
    """Take over cells that other runs in this store measured in the same environment."""
    others = [run for run in where.runs() if run.id != current.id]
    for planned in made.cells:
        if current.result(planned.cell.id) is None:
            _adopt_one(others, current, planned, key)


def _adopt_one(others: list[Run], current: Run, planned: PlannedCell, key: str) -> None:
    for other in others:
        result = _readable(other, planned.cell.id)
        if result and result.status in DONE and result.environment == key:
            current.adopt(other, result)
            return


def _readable(run: Run, cell_id: str) -> Result | None:
    """Return the result of another run, unless it is damaged: then the cell is measured anew."""
    try:
        result = run.result(cell_id)
    except StoreError:
        return None
    return result if result and run.intact(result) else None


def adopt_taken(where: Store, current: Run, more: Extras, key: str) -> None:
    """Take over takes that other runs in this store made in the same environment."""
    others = [run for run in where.runs() if run.id != current.id]
    for take in more.takes:
        if current.taken(take.id) is None:
            for other in others:
                taken = other.taken(take.id)
                if taken and not taken.failure and taken.environment == key and other.intact(taken):
                    current.adopt_taken(other, taken)
                    break
