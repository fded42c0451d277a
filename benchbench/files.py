"""Write files so that a crash leaves the old one or the new one, and hash them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchbench.errors import StoreError

NOT_TORCH = (
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
"""What torch's loaders raise for a file that is not theirs, is cut off or of a newer torch."""
_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_STORE_HINT = "choose another folder with --store DIR"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space; the same command again goes on"),
    errno.EDQUOT: ("the disk quota is used up", "free some space; the same command again goes on"),
    errno.EROFS: ("the file system is read-only", _STORE_HINT),
    errno.EACCES: ("permission denied", _STORE_HINT),
    errno.ENOTDIR: (
        "a file stands where a folder is needed",
        _STORE_HINT,
    ),
    errno.EEXIST: (
        "a file stands where a folder is needed",
        _STORE_HINT,
    ),
}


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a StoreError that names *path* and what mends it."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), None))
        where = error.filename2 or error.filename or path
        if hint and Path(os.fsdecode(where)).is_relative_to(user_cache()):
            hint = hint.replace(_STORE_HINT, "set BENCHBENCH_CACHE to another folder")
        raise StoreError(f"cannot write {where}: {reason}", hint=hint) from error


def make_folder(path: Path) -> Path:
    """Make *path* and its parents; raise StoreError if that cannot be done."""
    with store_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write *data* to a temporary neighbour, flush it to disk and rename it over *path*.

    What can be made again and is checked when read need not be *durable*: it is not flushed.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    with store_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                if durable:
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


def is_file(path: Path) -> bool:
    """Return whether *path* is a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def sha256_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def plain_tensors_only() -> Iterator[None]:
    """Have ``torch.load`` refuse pickled objects in this block, whoever calls it.

    ``torch.export.load`` falls back to unpickling anything, and a pickle can run any code.
    """
    before = os.environ.get(_ONLY_WEIGHTS)
    os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ONLY_WEIGHTS]
        else:
            os.environ[_ONLY_WEIGHTS] = before


def user_cache() -> Path:
    """Return the folder of everything that can be made again (``BENCHBENCH_CACHE``)."""
    if own := os.environ.get("BENCHBENCH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchbench"
