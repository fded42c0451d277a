"""Write files so that a crash leaves the old one or the new one, and hash them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchbench.errors import StoreError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space; the same command again goes on"),
    errno.EDQUOT: ("the disk quota is used up", "free some space; the same command again goes on"),
    errno.EROFS: ("the file system is read-only", "choose another folder with --store DIR"),
    errno.EACCES: ("permission denied", "choose another folder with --store DIR"),
    errno.ENOTDIR: (
        "a file stands where a folder is needed",
        "choose another folder with --store DIR",
    ),
    errno.EEXIST: (
        "a file stands where a folder is needed",
        "choose another folder with --store DIR",
    ),
}


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a StoreError that names *path* and what mends it."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), None))
        where = error.filename or path
        raise StoreError(f"cannot write {where}: {reason}", hint=hint) from error


def make_folder(path: Path) -> Path:
    """Make *path* and its parents; raise StoreError if that cannot be done."""
    with store_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, data: bytes) -> None:
    """Write *data* to a temporary neighbour, flush it to disk and rename it over *path*."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    with store_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write *value* as JSON, atomically; NaN is refused."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text.encode())


def sha256_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def user_cache() -> Path:
    """Return the folder of everything that can be made again (``BENCHBENCH_CACHE``)."""
    if own := os.environ.get("BENCHBENCH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchbench"
