"""A checked bundle on disk, apart from the runs of this machine.

::

    <folder>/runs/<run>/…        the stored run, so that <folder> is a store of its own
             files/models/…      what the suite's paths are set to
             files/data/…
             cache/artifacts/…   built artifacts; each is verified before it is used
             rebuilt/            what was built here in their place
             view.json
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from benchbench.bundles.archive import opened
from benchbench.bundles.checking import unpack
from benchbench.bundles.format import VIEW, BundleManifest
from benchbench.files import make_folder, store_errors
from benchbench.store import Run


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Where a bundle lies."""

    folder: Path
    run: Run

    @property
    def files(self) -> Path:
        """Folder that the places in the manifest count from."""
        return self.folder / "files"

    @property
    def cache(self) -> Path:
        """A cache of the bundle's own: a stranger's artifacts never enter the user's."""
        return self.folder / "cache"

    @property
    def empty_cache(self) -> Path:
        """A cache with nothing in it: everything is built here."""
        return self.folder / "rebuilt"

    @property
    def view(self) -> bytes:
        """The stated figures."""
        return (self.folder / VIEW).read_bytes()


def unpacked(path: Path, manifest: BundleManifest, folder: Path) -> Unpacked:
    """Unpack the checked bundle at *path* as *folder*; what stood there is replaced.

    Raises :class:`~benchbench.errors.StoreError` if it cannot be written.
    """
    make_folder(folder.parent)
    staged = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        with opened(path) as archive:
            kept = [name for name in archive.sizes if _kept(name)]
            unpack(archive, kept, staged)
        with store_errors(folder):
            _arrange(staged, manifest)
            if folder.exists():
                shutil.rmtree(folder)
            staged.replace(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Unpacked(folder, Run(folder / "runs" / manifest.run))


def _kept(name: str) -> bool:
    return name == VIEW or name.startswith(("run/", "models/", "data/", "artifacts/"))


def _arrange(staged: Path, manifest: BundleManifest) -> None:
    for source, target in (
        ("run", f"runs/{manifest.run}"),
        ("models", "files/models"),
        ("data", "files/data"),
        ("artifacts", "cache/artifacts"),
    ):
        if (staged / source).is_dir():
            (staged / target).parent.mkdir(parents=True, exist_ok=True)
            (staged / source).rename(staged / target)
