"""The annotations and images that a run's cells were evaluated and calibrated on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.bundles.collecting import Inputs
from benchbench.bundles.format import Data, LeftOut, name_fault
from benchbench.contents import HashCache, contents, drawn, limited
from benchbench.errors import BenchbenchError, DatasetError
from benchbench.store import Run
from benchbench.suite.load import LoadedSuite
from benchbench.types import Cell, DatasetSplit, Image, digest


def add_data(
    inputs: Inputs, run: Run, loaded: LoadedSuite | None, cache: Path, *, wanted: bool
) -> None:
    """Add annotations and images of what was evaluated and calibrated on, or say why not."""
    cells = [planned.cell for planned in run.manifest().cells]
    for index, entry in enumerate(loaded.suite.datasets if loaded else ()):
        assert loaded is not None
        names = {entry.name, *(made for made, base in loaded.bases.items() if base == entry.name)}
        used = _unlike([cell for cell in cells if cell.dataset in names])
        if entry.name in loaded.bases or not used:
            continue
        why = "--with-data was not given"
        if wanted:
            why = _dataset(inputs, index, loaded.datasets[entry.name], used, cache) or ""
        if why:
            key = f"datasets.{index}.source.root" if entry.source is not None else None
            has_root = isinstance(getattr(entry.source, "root", None), Path)
            inputs.left_out.append(_left_data(used[0], why, key if has_root else None))
    if loaded is None:
        why = "the run's suite cannot be loaded here: its files are not known"
        first = {cell.dataset: cell for cell in cells}
        inputs.left_out += [_left_data(cell, why, None) for cell in first.values()]


def _unlike(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell for each way in which *cells* read their dataset."""
    found: dict[str, Cell] = {}
    for cell in cells:
        spec = cell.spec
        parts = [cell.split, cell.task, spec["images"], cell.start is None, spec.get("calibration")]
        found.setdefault(digest([*parts, spec["dataset_digest"]]), cell)
    return list(found.values())


def _left_data(cell: Cell, why: str, key: str | None) -> LeftOut:
    told = cell.protocol.get("dataset") or {}
    what = f"dataset {cell.dataset}, split {cell.split}: {told.get('images', '?')} images"
    content = {"annotations and images": str(cell.spec["dataset_digest"])}
    return LeftOut(what=what, why=why, sha256=content, key=key)


def _dataset(
    inputs: Inputs, index: int, plugin: Any, cells: Sequence[Cell], cache: Path
) -> str | None:
    """Add a dataset's files; return why that cannot be done.

    What was chosen is laid out in an empty folder and read from there: only if that is what the
    cells were evaluated on does it go into the bundle.
    """
    root = getattr(plugin, "root", None)
    if not isinstance(root, Path):
        return "it has no folder of files: its plug-in makes or fetches it"
    try:
        for whole in (False, True):
            files = _chosen(plugin, cells, cache, whole=whole)
            if why := _unfit(files, root):
                return why
            if _enough(plugin, files, root, cells):
                break
        else:
            return "the files changed since, or its kind needs more than annotations and images"
    except BenchbenchError as error:
        return f"it cannot be read here: {error.message}"
    for path in files:
        inputs.add(f"data/{index}/{path.relative_to(root).as_posix()}", path)
    options = plugins.own_fields(plugin, "datasets")
    source = {name: value for name, value in options.items() if name != "root"}
    inputs.data[str(index)] = Data(source=source, root=f"data/{index}")
    return None


def _unfit(files: Sequence[Path], root: Path) -> str | None:
    """Return why *files* cannot be packed below one folder."""
    for path in files:
        if not path.is_relative_to(root):
            return f"{path.name} does not lie below the dataset's root"
        if name_fault(f"data/0/{path.relative_to(root).as_posix()}") is not None:
            return "a bundle cannot hold a file of such a name"
    return None


def _chosen(plugin: Any, cells: Sequence[Cell], cache: Path, *, whole: bool) -> list[Path]:
    """Return annotations and images of the cells' splits: the *whole* splits, or what was used."""
    found: dict[Path, None] = {}
    for cell in cells:
        for split, kept in _splits(plugin, cell, cache):
            files = plugin.locate(split.split, cell.task, cache)
            found[files.annotations] = None
            images = split.images if whole else kept
            found |= dict.fromkeys(image.path for image in images)
    return list(found)


def _splits(
    plugin: Any, cell: Cell, cache: Path
) -> Iterator[tuple[DatasetSplit, tuple[Image, ...]]]:
    """Yield each split that a cell needs, and its images that it needs."""
    split = plugin.load(cell.split, cell.task, cache)
    yield split, limited(split, cell.spec["images"]).images
    asked = cell.spec.get("calibration")
    if asked:
        split = plugin.load(asked["split"], cell.task, cache)
        yield split, drawn(split, asked["images"], asked["seed"]).images


def _enough(plugin: Any, files: Sequence[Path], root: Path, cells: Sequence[Cell]) -> bool:
    """Return whether *files* alone are the dataset that *cells* were evaluated on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        for path in files:
            target = folder / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            _linked(path, target)
        moved = plugin.model_copy(update={"root": folder})
        try:
            digests = [_digest(moved, cell, Path(name)) for cell in cells]
        except DatasetError:
            return False
        return digests == [cell.spec["dataset_digest"] for cell in cells]


def _digest(plugin: Any, cell: Cell, cache: Path) -> str:
    splits = list(_splits(plugin, cell, cache))
    split = limited(splits[0][0], cell.spec["images"])
    files = plugin.locate(cell.split, cell.task, cache)
    pixels = cell.start is not None
    return contents(split, files.annotations, HashCache(cache), pixels=pixels).digest


def _linked(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)
