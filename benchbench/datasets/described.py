"""What every dataset below one folder has: words for reports, and splits that go by a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from benchbench.errors import DatasetError
from benchbench.protocols import Packages
from benchbench.types import DatasetCard, Record

SPLIT_NAMES: Mapping[str, str] = MappingProxyType(
    {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
    | {"test": "test", "trainval": "trainval", "calib": "calibration"}
    | {"calibration": "calibration"}
)
"""What a folder or list is called → the split that it is."""


class Classed(Record):
    """A dataset whose card says which classes it has and how models call them."""

    categories: tuple[str, ...] = ()
    """Names of the classes, which the annotations must have: all of them and no other."""
    label_map: dict[str, str | None] = {}
    """Model's class name → this dataset's, where they differ; several may be one class here. null:
    predictions of that class do not count."""


class Described(Classed):
    """A dataset below one folder."""

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    root: Path
    """Folder that everything lies below."""
    title: str = ""
    """Name for people."""
    source: str = ""
    """Where the data come from."""
    licence: str = ""
    """Terms that the data are under."""
    citation: str = ""
    """How to cite them."""
    description: str = ""
    """What they show."""
    ids: Literal["per-split"] = "per-split"
    """Image ids restart in each split."""

    def card(self) -> DatasetCard:
        """Return what a report says of this dataset; its name is the root folder's."""
        names = ("title", "source", "licence", "citation", "description")
        return DatasetCard(name=self.name, **{n: getattr(self, n) for n in names})

    @property
    def name(self) -> str:
        """Name of the root folder."""
        return self.root.resolve().name


def known_splits(names: Iterable[str]) -> dict[str, str]:
    """Return split → the one of *names* that is it, in the order of :data:`SPLIT_NAMES`."""
    there = set(names)
    found: dict[str, str] = {}
    for name, split in SPLIT_NAMES.items():
        if name in there:
            found.setdefault(split, name)
    return found


def chosen(splits: Mapping[str, Any], split: str, root: Path) -> Any:
    """Return what stands for *split*; raise DatasetError with what was probably meant."""
    if split in splits:
        return splits[split]
    meant = SPLIT_NAMES.get(split)
    close = [meant] if meant in splits else difflib.get_close_matches(split, splits, 1)
    known = ", ".join(splits) or "none"
    raise DatasetError(
        f"the dataset at {root} has no split '{split}'",
        hint=f"did you mean '{close[0]}'?" if close else f"known: {known}",
    )
