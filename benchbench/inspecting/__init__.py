"""What spoils a benchmark before anything is measured: ``benchbench dataset check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchbench.errors import BenchbenchError, DatasetError, UsageError
from benchbench.inspecting.findings import LEVELS, Fact, Trouble
from benchbench.inspecting.pairs import across, within
from benchbench.inspecting.splits import facts_of, troubles_of
from benchbench.plugins import suggest
from benchbench.types import DatasetSplit, Record, TaskName

CHECK_SCHEMA = 1
"""Number of the ``dataset check --json`` document."""


class Inspection(Record):
    """What was found in a dataset."""

    schema_number: int = CHECK_SCHEMA
    dataset: str
    task: TaskName
    splits: tuple[Fact, ...]
    troubles: tuple[Trouble, ...]

    @property
    def faulty(self) -> bool:
        """Whether anything was found that makes scores wrong."""
        return any(one.level == "error" for one in self.troubles)


def inspect(
    name: str, dataset: Any, splits: Sequence[str], task: TaskName, cache: Path
) -> tuple[Inspection, dict[str, DatasetSplit]]:
    """Look at *splits* of a dataset plug-in (all if empty); return what was found and the splits.

    A split that cannot be read is an error among the findings. Raises
    :class:`~benchbench.errors.UsageError` for a split that the dataset lacks.
    """
    known = list(dataset.splits())
    for wrong in [split for split in splits if split not in known]:
        raise UsageError(f"'{name}' has no split '{wrong}'", hint=suggest(wrong, known))
    loaded: dict[str, DatasetSplit] = {}
    troubles: list[Trouble] = []
    for split in splits or known:
        try:
            loaded[split] = dataset.load(split, task, cache)
        except BenchbenchError as error:
            troubles.append(_unreadable(split, error))
    prints = {}
    for split, one in loaded.items():
        of_files, prints[split] = within(one, cache)
        troubles += [*of_files, *troubles_of(one)]
    global_ids = getattr(dataset, "ids", "global") == "global"
    troubles += across(loaded, prints, global_ids=global_ids)
    troubles.sort(key=lambda one: LEVELS.index(one.level))
    facts = tuple(facts_of(one) for one in loaded.values())
    found = Inspection(dataset=name, task=task, splits=facts, troubles=tuple(troubles))
    return found, loaded


def _unreadable(split: str, error: BenchbenchError) -> Trouble:
    code = "split" if isinstance(error, DatasetError) else error.code
    place = f"{error.place}: " if error.place else ""
    message = f"cannot be read: {place}{error.message}"
    return Trouble(level="error", code=code, split=split, message=message, hint=error.hint, count=1)
