"""Cells of other runs, and whether they can take turns with a cell of this run here and now.

What takes turns has to be what the other run measured: the same file, with the same versions, on
the same machine. Nothing of it is built anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchbench import plugins
from benchbench.artifacts import ArtifactCache
from benchbench.errors import BenchbenchError, StoreError, UsageError
from benchbench.gating.figures import Unknown
from benchbench.store import Run, Store
from benchbench.types import Cell, Elsewhere, Result

_TOGETHER = "measure both in one run"


@dataclass(frozen=True, slots=True)
class Here:
    """Where and with what a rival would run now."""

    store: Store
    cache: Path
    environment: str
    """Key of the environment."""


def rival(here: Here, cell_id: str, elsewhere: Elsewhere) -> Cell | Unknown:
    """Return a cell of another run that can take turns here; Unknown, with why, if it cannot."""
    try:
        run = _run(here.store, elsewhere.run)
        result = run.result(cell_id) if run else None
    except StoreError as error:
        return Unknown(error.message, error.hint)
    if run is None:
        what = "a baseline keeps figures, not models"
        return Unknown(f"{elsewhere.run} is not in this store, and {what}", _TOGETHER)
    if result is None or result.status != "measured" or _digest(result) != elsewhere.artifact:
        return Unknown(f"{elsewhere.run} has another file measured since", _TOGETHER)
    if result.environment != here.environment:
        why = f"{elsewhere.run} was measured on another machine, or under other limits"
        return Unknown(why, f"{_TOGETHER}, or gate on that machine")
    why_not = other_version(elsewhere.run, result.cell.versions)
    if why_not:
        return Unknown(why_not, f"install that version, or {_TOGETHER} as two runtimes or models")
    return _lost(here.cache, result.cell, elsewhere) or result.cell


def other_version(run: str, versions: Mapping[str, str]) -> str | None:
    """Return which version of a package differs from the one that *run* was measured with."""
    for name, version in versions.items():
        here = plugins.installed_version(name)
        if here != version:
            return f"{run} was measured with {name} {version}; here is {here or 'none'}"
    return None


def _run(store: Store, name: str) -> Run | None:
    """Return the run of this very id."""
    try:
        found = store.run(name)
    except UsageError:
        return None
    return found if found.id == name else None


def _digest(result: Result) -> str:
    return result.artifact.sha256 if result.artifact else ""


def _lost(cache: Path, cell: Cell, elsewhere: Elsewhere) -> Unknown | None:
    """Return why the file that was measured is not at hand; None if it is."""
    if not cell.chain:
        return _changed(cell, elsewhere)
    found = ArtifactCache(cache).find(cell.chain[-1].key)
    if found is None:
        why = f"the file that {elsewhere.run} measured is no longer in the cache ({cache})"
        return Unknown(why, f"{_TOGETHER}; a file that is built anew may be another")
    if found.sha256 != elsewhere.artifact:
        return Unknown(f"it was built again since {elsewhere.run} measured it", _TOGETHER)
    return None


def _changed(cell: Cell, elsewhere: Elsewhere) -> Unknown | None:
    """Return whether the model's own file, which was measured as it is, is another now."""
    known = {k: v for k, v in (cell.protocol.get("model") or {}).items() if k != "kind"}
    try:
        same = dict(plugins.build("sources", cell.spec["source"]).fingerprint()) == known
    except BenchbenchError as error:
        return Unknown(f"its model cannot be read: {error.message}", error.hint)
    why = f"the model's file is not the one that {elsewhere.run} measured"
    return None if same else Unknown(why, f"put it back, or {_TOGETHER}")
