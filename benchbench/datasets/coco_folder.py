"""Whether the images that a file names lie in the folder that is given for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from benchbench.datasets.coco_file import CocoFile, Item, shown
from benchbench.errors import DatasetError
from benchbench.files import is_file
from benchbench.types import Image


def check_name(item: Item, file_name: str) -> None:
    """Check that *file_name* cannot lead out of the folder it is relative to."""
    if escapes(file_name):
        raise item.fault(
            f"'file_name' {shown(file_name)} may lead out of the image folder",
            hint="file names are relative to it, with '/' between folders and without '..';"
            " 'file_names: name' reads only their last part",
        )
    if len(file_name) > 1024 or not PurePosixPath(file_name).parts:
        raise item.fault(f"'file_name' {shown(file_name)} is not the name of a file")


def escapes(name: str) -> bool:
    """Return whether the file *name* may lead out of the folder it is relative to."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name


def check_folder(file: CocoFile, folder: Path, images: Sequence[Image]) -> None:
    """Check that every image is a file inside *folder*, symbolic links followed."""
    if not folder.is_dir():
        raise DatasetError(
            f"the image folder {folder} does not exist",
            hint="check the dataset's 'root' and 'images'",
        )
    inside = _containment(folder)
    missing = []
    for image in images:
        mode = _mode(image.path)
        if mode is None or not stat.S_ISREG(mode):
            missing.append(image.file_name)
        elif not inside(image.path):
            raise file.fault(
                f"image {image.id}: '{image.file_name}' is a link that leads out of {folder}",
                hint="copy the file into the image folder, or give the folder it really lies in",
            )
    if missing:
        more = ", …" if len(missing) > 5 else ""
        raise file.fault(
            f"{len(missing)} of {len(images)} image files are not in {folder}:"
            f" {', '.join(missing[:5])}{more}",
            hint=_where(folder, missing[0]),
        )


def _where(folder: Path, file_name: str) -> str:
    """Return what would find the missing *file_name*, if it lies near *folder*."""
    name = PurePosixPath(file_name).name
    if is_file(folder.parent / file_name):
        return f"the names begin with '{folder.name}/': give the folder above it as 'images'"
    if is_file(folder / name):
        return "they lie there without their folders: set 'file_names: name'"
    if is_file(folder / name.partition("-")[2]):
        return "they lie there without upload prefix: set 'file_names: original-name'"
    return "fetch the images, or give the right 'images' folder"


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - Path.stat costs twice as much
    except (OSError, ValueError):
        return None


def _containment(folder: Path) -> Callable[[Path], bool]:
    """Return a test whether a file really lies in *folder*; a folder is resolved once."""
    root = folder.resolve()
    folders: dict[str, bool] = {}

    def inside(path: Path) -> bool:
        if path.is_symlink():
            return path.resolve().is_relative_to(root)
        parent = os.path.dirname(path)  # noqa: PTH120 - called once an image
        if parent not in folders:
            folders[parent] = Path(parent).resolve().is_relative_to(root)
        return folders[parent]

    return inside
