"""Classification as a folder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.datasets.described import chosen, known_splits
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft
from benchbench.datasets.imported import Imported, files_below, stamps
from benchbench.errors import DatasetError


class ImageFolder(Imported):
    """Imports images whose class is the folder they lie in."""

    format_name: ClassVar[str] = "image-folder"

    folders: dict[str, Path] | None = None
    """Split name → folder of the classes' folders; by default ``train``, ``val`` … in the root."""
    names: dict[str, str] = {}
    """Folder name → class name, where they differ."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, by option or as folders are there."""
        return tuple(self._folders())

    def images_folder(self, split: str) -> Path | None:
        """Return the folder of the split."""
        return self._folder(split)

    def inputs(self, split: str) -> Any:
        """Return what the images and the classes are."""
        return [self._classes(), stamps(path for path, _ in self._images(split))]

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each image into one annotation: its class."""
        classes = self._classes()
        ids = draft.categories([self.names.get(name, name) for name in classes])
        folder = self._folder(split)
        for path, name in self._images(split):
            frame = draft.image(path, path.relative_to(folder).as_posix())
            draft.annotation(frame, ids[self.names.get(name, name)], area=0, iscrowd=0)

    def _folder(self, split: str) -> Path:
        found: Path = self.root / chosen(self._folders(), split, self.root)
        return found

    def _folders(self) -> Mapping[str, Path]:
        if self.folders is not None:
            return self.folders
        found = known_splits(_subfolders(self.root))
        return {split: Path(name) for split, name in found.items()}

    def _classes(self) -> list[str]:
        """Return the classes' folders of all splits, by alphabet: ids are the same in each."""
        every = {
            name for path in self._folders().values() for name in _subfolders(self.root / path)
        }
        return sorted(every)

    def _images(self, split: str) -> list[tuple[Path, str]]:
        """Return each image of *split* with its class's folder."""
        folder = self._folder(split)
        found = [
            (path, name)
            for name in _subfolders(folder)
            for path in files_below(folder / name, IMAGE_SUFFIXES)
        ]
        if not found:
            raise DatasetError(
                f"no folder below {folder} holds images",
                hint="each class is a folder of images in it",
            )
        return found


def _subfolders(folder: Path) -> list[str]:
    try:
        found = [path.name for path in folder.iterdir() if path.is_dir()]
    except OSError as error:
        raise DatasetError(
            f"the folder {folder} cannot be read: {error.strerror}",
            hint="check the dataset's paths",
        ) from None
    return sorted(name for name in found if not name.startswith("."))
