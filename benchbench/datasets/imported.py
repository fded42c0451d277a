"""Datasets in other formats: written once as a COCO file into the cache, then read as one.

The cached file is keyed by the options and by path, size and modification time of every source
file, so that a changed label is imported again, and hashes and scores see one annotation file.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from benchbench.datasets.coco import read_coco
from benchbench.datasets.described import Described
from benchbench.datasets.draft import Draft
from benchbench.errors import DatasetError
from benchbench.types import DatasetFiles, DatasetSplit, TaskName, digest

IMPORTER = 2
"""Raise it when an importer writes something else: it is part of the cache's path."""
MAX_FILES = 2_000_000


class Imported(Described):
    """A dataset that is imported; see the module's text."""

    format_name: ClassVar[str]
    dense: ClassVar[bool] = False
    """Whether every pixel that has a class is annotated: the rest is void."""

    @abstractmethod
    def images_folder(self, split: str) -> Path | None:
        """Return the folder that file names are relative to; None for the draft's own."""

    @abstractmethod
    def inputs(self, split: str) -> Any:
        """Return what the COCO file of *split* depends on beside the options, as JSON."""

    @abstractmethod
    def convert(self, split: str, draft: Draft) -> None:
        """Write *split* into *draft*; raise :class:`~benchbench.errors.DatasetError`."""

    def locate(self, split: str, task: TaskName, cache: Path) -> DatasetFiles:
        """Return where *split* lies; imports it on first use and where its sources changed."""
        del task
        images = self.images_folder(split)
        root, name = str(self.root.resolve()), self.format_name
        parts = [name, IMPORTER, root, self.model_dump_json(), split, self.inputs(split)]
        folder = cache / "imported" / f"{name}-{digest(parts)[:24]}"
        if not folder.is_dir():
            self._import(folder, split)
        return DatasetFiles(
            images=folder / "images" if images is None else images,
            annotations=folder / "annotations.json",
        )

    def load(self, split: str, task: TaskName, cache: Path) -> DatasetSplit:
        """Read and validate *split*; raise :class:`~benchbench.errors.DatasetError`."""
        files = self.locate(split, task, cache)
        found = read_coco(files.annotations, files.images, name=self.name, split=split, task=task)
        notes = json.loads(files.annotations.with_name("notes.json").read_bytes())
        return replace(found, notes={**notes, **found.notes}, dense=self.dense)

    def _import(self, folder: Path, split: str) -> None:
        """Write into a neighbour, then rename: a folder that is there is whole."""
        staged = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
        try:
            staged.mkdir(parents=True)
            draft = Draft(staged)
            self.convert(split, draft)
            draft.save()
            os.rename(staged, folder)  # noqa: PTH104 - fails if another process was first
        except OSError as error:
            if not folder.is_dir():
                raise DatasetError(
                    f"cannot import '{split}' of {self.root} into {folder}: {error}",
                    hint="check the dataset's files; BENCHBENCH_CACHE names a folder with space",
                ) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the files below *folder* that end so, in order; hidden ones and linked folders aside.

    Raises :class:`~benchbench.errors.DatasetError` if the folder is absent or holds too many.
    """
    if not folder.is_dir():
        raise DatasetError(f"the folder {folder} does not exist", hint="check the dataset's paths")
    endings = tuple(suffixes)
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(place, name)
            for name in sorted(names)
            if name.lower().endswith(endings) and not name.startswith(".")
        ]
        if len(found) > MAX_FILES:
            raise DatasetError(
                f"{folder} holds more than {MAX_FILES} files", hint="give a smaller folder"
            )
    return found


def stamps(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Return path, size and modification time of each file; zeros for one that is absent."""
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return str(path), 0, 0
    return str(path), status.st_size, status.st_mtime_ns


def within(root: Path, path: Path, what: str) -> Path:
    """Return *path*, which *what* names, without ``..``; raise DatasetError if it leaves *root*."""
    if path.resolve().is_relative_to(root.resolve()):
        return root / os.path.relpath(path, root)
    raise DatasetError(
        f"{what} is {path}, which leads out of {root}",
        hint="give a 'root' that holds the whole dataset",
    )
