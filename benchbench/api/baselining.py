"""Baselines: runs that are kept by name, in the store or as a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.api.stored import default_store
from benchbench.assemble import run_view
from benchbench.errors import StoreError
from benchbench.store import Store

if TYPE_CHECKING:
    from benchbench.baselines import Baseline


@dataclass(frozen=True, slots=True)
class SavedBaseline:
    """A baseline that was just written."""

    baseline: Baseline
    path: Path
    bytes: int
    replaced: str | None = None
    """The run that was kept there before; empty where what was there cannot be read."""


def baseline_save(
    name: str,
    run: str = "latest",
    settings: Iterable[str] = (),
    *,
    file: Path | None = None,
    all_metrics: bool = False,
    store: Path | None = None,
) -> SavedBaseline:
    """Keep a run as the baseline *name*, in the store or as *file*; one of that name is replaced.

    With *all_metrics* the draws of every metric are kept, not of the primary one only. Raises
    :class:`~benchbench.errors.UsageError` for a run that is not there or has no measured cell.
    """
    from benchbench import baselines

    baselines.check_name(name)
    where = Store(store or default_store())
    current = where.run(run, settings)
    made = baselines.make(current, run_view(current), name, all_metrics=all_metrics)
    path = file or baselines.path_of(where, name)
    replaced = None
    if path.exists():
        try:
            replaced = baselines.read(path).view.run
        except StoreError:
            replaced = ""
    return SavedBaseline(made, path, baselines.write(made, path), replaced)


def baselines_kept(*, store: Path | None = None) -> dict[str, Baseline | StoreError]:
    """Return the store's baselines by name; for a damaged one, what is wrong with it."""
    from benchbench import baselines

    where = Store(store or default_store())
    found: dict[str, Baseline | StoreError] = {}
    for name in baselines.names(where):
        try:
            found[name] = baselines.find(where, name)
        except StoreError as error:
            found[name] = error
    return found


def baseline(name: str, *, store: Path | None = None) -> Baseline:
    """Return a baseline of the store, or the one in the file *name*."""
    from benchbench import baselines

    if name.endswith(".json"):
        return baselines.read(Path(name))
    return baselines.find(Store(store or default_store()), name)


def baseline_remove(name: str, *, store: Path | None = None) -> None:
    """Remove a baseline from the store; its run stays."""
    from benchbench import baselines

    baselines.remove(Store(store or default_store()), name)
