"""What is installed: the files that each distribution owns, and whether they are still its own."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owned:
    """A file as the installer recorded it."""

    digest: str
    """``sha256=…`` in URL-safe base64, ``""`` where none was recorded."""
    bytes: int | None


@cache
def owned(name: str) -> Mapping[str, Owned]:
    """Return path below site-packages → file, for all that *name* recorded; empty if unknown.

    Compiled Python files and scripts outside site-packages are left out: installers write them.
    """
    rows = csv.reader((_read(name, "RECORD") or "").splitlines())
    return {
        row[0]: Owned(row[1], int(row[2]) if row[2].isdigit() else None)
        for row in rows
        if len(row) == 3 and not row[0].endswith(".pyc") and not row[0].startswith(("..", "/"))
    }


def modules(name: str) -> tuple[str, ...]:
    """Return the top-level modules that *name* installs, the one of its own name alone if any."""
    found = {path.partition("/")[0] for path in owned(name) if path.count("/") == 1}
    packages = {top for top in found if f"{top}/__init__.py" in owned(name)}
    files = {
        path.partition(".")[0] for path in owned(name) if re.fullmatch(r"\w+\.(py|[^/]*so)", path)
    }
    same = re.sub(r"[-.]+", "_", name).lower()
    named = tuple(top for top in packages | files if top.lower() == same)
    return named or tuple(sorted(packages | files))


def altered(name: str) -> tuple[str, ...]:
    """Return the files of *name* that are missing or of another size than recorded."""
    folder = root(name)
    # Others, conda for one, patch files after they took over the list of a wheel.
    exact = (_read(name, "INSTALLER") or "").strip() in ("pip", "uv")
    sizes = {path: _size(folder / path) for path, file in owned(name).items() if file.bytes}
    return tuple(
        path
        for path, size in sizes.items()
        if size is None or (exact and size != owned(name)[path].bytes)
    )


def shared(one: str, other: str) -> tuple[str, ...]:
    """Return the paths that two distributions both own and record with different contents."""
    theirs = owned(other)
    return tuple(
        path
        for path, file in owned(one).items()
        if path in theirs and file.digest != theirs[path].digest
    )


def root(name: str) -> Path:
    """Return the folder below which the files of *name* lie."""
    found = _distribution(name)
    return Path(str(found.locate_file(""))) if found else Path()


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _read(name: str, file: str) -> str | None:
    found = _distribution(name)
    return found.read_text(file) if found else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
