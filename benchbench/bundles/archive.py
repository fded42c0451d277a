"""Look into a stranger's archive without trusting what it says of itself."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from benchbench.bundles.format import (
    FREE_BYTES,
    MAX_BYTES,
    MAX_DIRECTORY_BYTES,
    MAX_ENTRIES,
    MAX_RATIO,
    Packed,
    name_fault,
)
from benchbench.errors import StoreError

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CHUNK = 1 << 20
_UTF8, _ENCRYPTED = 0x800, 0x1
_HINT = "ask whoever sent it for the file again, and for its SHA-256"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError)
"""What :mod:`zipfile` raises for content that is not what the archive's list says."""


class Archive:
    """An open archive of which every entry may be read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, faults: tuple[str, ...]) -> None:
        self.path, self._archive = path, archive
        self.faults = faults
        """What is wrong with its entries; what they hold is read only if there is nothing."""
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}

    def read(self, name: str, limit: int) -> bytes:
        """Return a file's bytes; raise StoreError if it is not there, damaged or larger."""
        if self.sizes.get(name, limit + 1) > limit:
            told = "is too large" if name in self.sizes else "is missing"
            raise StoreError(f"{self.path}: {name} {told}", hint=_HINT)
        return b"".join(self.chunks(name))

    def packed(self, name: str) -> Packed:
        """Return hash and size of what a file really holds; raise StoreError if damaged."""
        digest, size = hashlib.sha256(), 0
        for chunk in self.chunks(name):
            digest.update(chunk)
            size += len(chunk)
        return Packed(sha256=digest.hexdigest(), bytes=size)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes, never more than its declared size."""
        try:
            with self._archive.open(name) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except _DAMAGE as error:
            raise StoreError(
                f"{self.path}: {name} cannot be read: {_reason(error)}", hint=_HINT
            ) from None


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open the archive at *path*; raise StoreError for what is none, or too large to look into."""
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {_reason(error)}", hint="check the path") from None
    with file:
        check_end(file, str(path))
        try:
            archive = zipfile.ZipFile(file)
        except (*_DAMAGE, ValueError, struct.error) as error:
            raise StoreError(f"{path} is not a bundle: {_reason(error)}", hint=_HINT) from None
        with archive:
            yield Archive(path, archive, entry_faults(archive.infolist(), path.stat().st_size))


def check_end(file: BinaryIO, told: str) -> None:
    """Read the end of an archive, before anything allocates what it claims to list.

    Raises StoreError if it is no ZIP archive, or lists more than a bundle may hold.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - (1 << 16) - _END.size))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise StoreError(f"{told} is not a ZIP archive, or was cut off", hint=_HINT)
    _, _, _, _, entries, directory, _, _ = _END.unpack_from(tail, at)
    if (found := _end64(tail, at, file, size)) is not None:
        entries, directory = found
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY_BYTES:
        raise StoreError(
            f"{told} lists {entries} files in {directory} bytes; a bundle holds at most"
            f" {MAX_ENTRIES} in {MAX_DIRECTORY_BYTES}",
            hint=_HINT,
        )


def _end64(tail: bytes, at: int, file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Return entries and bytes of the list as a ZIP64 end gives them, where there is one."""
    if at < _LOCATOR.size or tail[at - _LOCATOR.size :][:4] != b"PK\6\7":
        return None
    _, _, offset, _ = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
    # zipfile looks right before the locator, whatever the offset says: both are bounded
    places = (min(offset, size), size - (len(tail) - at) - _LOCATOR.size - _END64.size)
    found = []
    for place in places:
        file.seek(max(0, place))
        data = file.read(_END64.size)
        if len(data) == _END64.size and data[:4] == b"PK\6\6":
            fields = _END64.unpack(data)
            found.append((fields[7], fields[8]))
    return (max(one for one, _ in found), max(one for _, one in found)) if found else None


def entry_faults(entries: Sequence[zipfile.ZipInfo], archive_bytes: int) -> tuple[str, ...]:
    """Return what is wrong with an archive's entries, by their list alone."""
    found = [f"'{shown(info.filename)}' {fault}" for info in entries if (fault := _fault(info))]
    counts = Counter(info.filename for info in entries)
    found += [f"'{shown(name)}' is there {n} times" for name, n in counts.items() if n > 1]
    above = {
        "/".join(parts[:end])
        for name in counts
        for parts in [name.split("/")]
        for end in range(1, len(parts))
    }
    found += [f"'{shown(name)}' is a file and a folder" for name in counts if name in above]
    total = sum(info.file_size for info in entries)
    if total > MAX_BYTES or total > max(FREE_BYTES, MAX_RATIO * archive_bytes):
        found.append(f"{archive_bytes} bytes unpack to {total}: that is no bundle's content")
    return tuple(found)


def _fault(info: zipfile.ZipInfo) -> str | None:
    name, mode = info.orig_filename, info.external_attr >> 16
    if not name.isascii() and not info.flag_bits & _UTF8:
        return "is not named in UTF-8"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type}"
    if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        return "is a link or a folder, not a file"
    return name_fault(name)


def shown(name: str) -> str:
    """Return a name from a stranger as printable text of bounded length."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _reason(error: Exception) -> str:
    return shown(getattr(error, "strerror", None) or str(error) or type(error).__name__)
