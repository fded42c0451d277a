"""Read the data of cells: the split that is scored, and the images that int8 is calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbench import plugins
from benchbench.classes import check_classes
from benchbench.contents import (
    Contents,
    HashCache,
    check_disjoint,
    check_unlike,
    contents,
    drawn,
    limited,
)
from benchbench.errors import BenchbenchError, SuiteError
from benchbench.likeness import PrintCache
from benchbench.plan.known import Known, placed
from benchbench.plan.matrix import Combination
from benchbench.slicing import cut
from benchbench.suite.document import Trail
from benchbench.suite.model import DatasetEntry
from benchbench.types import DatasetSplit, TaskName


@dataclass(frozen=True, slots=True)
class Data:
    """One dataset entry for one task, read."""

    entry: DatasetEntry
    plugin: Any
    split: DatasetSplit
    contents: Contents
    task: TaskName

    @property
    def label_map(self) -> Mapping[str, str | None]:
        """How models call the classes of a dataset whose card says so."""
        found: Mapping[str, str | None] = getattr(self.plugin, "label_map", {})
        return found

    def card(self) -> dict[str, Any]:
        """Return what a cell's protocol says of its data."""
        renamed = self.label_map
        return {
            "name": self.entry.name,
            "split": self.entry.split,
            "images": len(self.split.images),
            "content_sha256": self.contents.digest,
            **({"label_map": dict(renamed)} if renamed else {}),
        }


def dataset(known: Known, entry: DatasetEntry, task: TaskName, *, pixels: bool = True) -> Data:
    """Return the split of *entry* that is scored; one that is broken is read once all the same.

    Without *pixels* the image files need not be there. Raises SuiteError.
    """
    key = ("data", entry.name, task, pixels)
    return known.once(key, lambda: _read(known, entry, task, pixels=pixels))


def _read(known: Known, entry: DatasetEntry, task: TaskName, *, pixels: bool) -> Data:
    plugin, trail = known.loaded.datasets[entry.name], known.loaded.dataset_trail(entry)
    if entry.split not in plugin.splits():
        raise known.loaded.error(
            f"the dataset '{entry.name}' has no split '{entry.split}'",
            (*trail, "split"),
            plugins.suggest(entry.split, plugin.splits()),
        )
    try:
        split = limited(plugin.load(entry.split, task, known.cache), entry.images)
        check_classes(split.categories, getattr(plugin, "categories", ()))
        found = _contents(known, plugin, split, task, pixels=pixels)
    except BenchbenchError as error:
        raise known.loaded.error(placed(error), trail, error.hint) from None
    try:
        cut(split, entry.slices, {})  # names that nothing has are told before anything runs
    except BenchbenchError as error:
        raise known.loaded.error(placed(error), (*trail, "slices"), error.hint) from None
    return Data(entry, plugin, split, found, task)


def _contents(
    known: Known, plugin: Any, split: DatasetSplit, task: TaskName, *, pixels: bool = True
) -> Contents:
    files = plugin.locate(split.split, task, known.cache)
    return contents(split, files.annotations, HashCache(known.cache), pixels=pixels)


def calibration_digest(known: Known, at: Combination, data: Data) -> str:
    """Return the digest of the images that int8 is calibrated on, read only if a cell needs them.

    Raises SuiteError if there are none, or one of them is evaluated too.
    """
    key = ("calibration", data.entry.name, data.task)
    return known.once(key, lambda: _calibration(known, at, data).digest)


def _calibration(known: Known, at: Combination, data: Data) -> Contents:
    trail = known.loaded.dataset_trail(data.entry)
    try:
        return _disjoint(known, at, data, trail)
    except SuiteError:
        raise
    except BenchbenchError as error:
        raise known.loaded.error(placed(error), trail, error.hint) from None


def _disjoint(known: Known, at: Combination, data: Data, trail: Trail) -> Contents:
    name, plugin = data.entry.calibration, data.plugin
    if name is None or name not in plugin.splits():
        raise known.loaded.error(
            f"{at.precision} of {at.model.name} needs calibration images, but the dataset "
            f"'{data.entry.name}' has no split '{name}'",
            (*trail, "calibration"),
            f"its splits: {', '.join(plugin.splits())}",
        )
    settings = known.loaded.suite.calibration
    split = drawn(plugin.load(name, data.task, known.cache), settings.images, settings.seed)
    found = _contents(known, plugin, split, data.task)
    unique = getattr(plugin, "ids", "global") == "global"
    check_disjoint(split, found, data.split, data.contents, global_ids=unique)
    if settings.near_duplicates == "refuse":
        check_unlike(split, found, data.split, data.contents, PrintCache(known.cache))
    return found
