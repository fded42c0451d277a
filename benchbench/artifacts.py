"""Content-addressed cache of built artifacts.

An artifact's address is a digest of everything it depends on; its folder holds the files and
``artifact.json`` with their hashes. An artifact is verified each time before it is used: one that
was damaged is moved aside and built again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchbench.errors import StoreError
from benchbench.files import make_folder, sha256_file, store_errors, write_json

ARTIFACT_SCHEMA = 1
_MANIFEST = "artifact.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact."""

    main: Path
    sha256: str
    """Digest of the main file."""
    bytes: int
    """Size of all its files."""
    facts: dict[str, Any]
    """What its builder recorded: conversion, versions, seconds, log."""


def _verified(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of *folder* if every file is what it says."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_bytes())
        sound = (
            manifest["schema"] == ARTIFACT_SCHEMA
            and manifest["main"] in manifest["files"]
            and isinstance(manifest["facts"], dict)
            and all(
                sha256_file(folder / name) == digest for name, digest in manifest["files"].items()
            )
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if sound else None


def _move(source: Path, target: Path) -> None:
    """Move a folder, to another file system too, where ``shutil`` would hide the error's number."""
    try:
        os.rename(source, target)  # noqa: PTH104 - nothing may stand at the target
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        target.mkdir()
        for path in sorted(source.rglob("*")):
            copy = target / path.relative_to(source)
            if path.is_dir():
                copy.mkdir()
            else:
                shutil.copyfile(path, copy)


class ArtifactCache:
    """Artifacts below ``<cache>/artifacts``."""

    def __init__(self, cache: Path) -> None:
        self.root = cache / "artifacts"

    def known(self, key: str) -> bool:
        """Return whether an artifact is there, without verifying it."""
        return (self.root / key / _MANIFEST).is_file()

    def find(self, key: str) -> Artifact | None:
        """Return the verified artifact *key*; None if it is absent or was damaged."""
        folder = self.root / key
        if not folder.is_dir():
            return None
        manifest = _verified(folder)
        if manifest is None:
            self._set_aside(folder)
            return None
        main = folder / manifest["main"]
        size = sum((folder / name).stat().st_size for name in manifest["files"])
        return Artifact(main, manifest["files"][manifest["main"]], size, manifest["facts"])

    def commit(self, key: str, built: Path, main: Path, facts: dict[str, Any]) -> Artifact:
        """Move the folder *built* into the cache; another's equal artifact may be there first."""
        files = {
            str(path.relative_to(built)): sha256_file(path)
            for path in sorted(built.rglob("*"))
            if path.is_file()
        }
        name = str(main.relative_to(built))
        write_json(
            built / _MANIFEST,
            {"schema": ARTIFACT_SCHEMA, "key": key, "main": name, "files": files, "facts": facts},
        )
        make_folder(self.root)
        with store_errors(self.root):
            staged = self.root / f".{key}.{uuid4().hex[:8]}.tmp"
            try:
                _move(built, staged)
                with contextlib.suppress(OSError):  # it exists: another's equal artifact
                    os.rename(staged, self.root / key)  # noqa: PTH104 - unlike move, never into it
            finally:
                shutil.rmtree(staged, ignore_errors=True)
        found = self.find(key)
        if found is None:  # a damaged twin stood there and was set aside: ours is gone too
            raise StoreError(
                f"the artifact {self.root / key} was damaged while it was stored",
                hint="run the same command again",
            )
        return found

    def _set_aside(self, folder: Path) -> None:
        aside = folder.with_name(f".damaged-{folder.name}-{uuid4().hex[:8]}")
        try:
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        except OSError:
            return


def stored_bytes(main: Path, key: str) -> int:
    """Return the size of all files of the artifact *key* that *main* belongs to."""
    folder = next(parent for parent in main.parents if parent.name == key)
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
    return sum(path.stat().st_size for path in files)
