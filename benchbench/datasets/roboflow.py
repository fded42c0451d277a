"""Roboflow's COCO export: a folder a split, with its images and its annotation file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchbench.datasets.coco import read_coco
from benchbench.datasets.described import Described, chosen, known_splits
from benchbench.errors import DatasetError
from benchbench.files import is_file
from benchbench.types import DatasetFiles, DatasetSplit, TaskName

ANNOTATIONS = "_annotations.coco.json"


class Roboflow(Described):
    """Reads a Roboflow export in COCO format; only its root folder is needed."""

    def splits(self) -> Sequence[str]:
        """Return the splits whose folders are there: ``train``, ``validation``, ``test``."""
        return tuple(self._folders())

    def locate(self, split: str, task: TaskName, cache: Path) -> DatasetFiles:
        """Return where *split* lies; nothing is generated, so *task* and *cache* do not matter."""
        del task, cache
        folder = self.root / chosen(self._folders(), split, self.root)
        return DatasetFiles(images=folder, annotations=folder / ANNOTATIONS)

    def load(self, split: str, task: TaskName, cache: Path) -> DatasetSplit:
        """Read and validate *split*; raise :class:`~benchbench.errors.DatasetError`."""
        files = self.locate(split, task, cache)
        return read_coco(files.annotations, files.images, name=self.name, split=split, task=task)

    def _folders(self) -> Mapping[str, str]:
        there = {path.parent.name for path in self.root.glob(f"*/{ANNOTATIONS}") if is_file(path)}
        if not there:
            raise DatasetError(
                f"no folder below {self.root} holds '{ANNOTATIONS}'",
                hint="give the unpacked export's own folder, the one that holds 'train' or 'valid'",
            )
        return known_splits(there)
