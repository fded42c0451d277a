"""Write an archive so that equal content gives equal bytes."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchbench.bundles.format import MANIFEST, SUMS, BundleManifest, Packed
from benchbench.errors import StoreError
from benchbench.files import make_folder, store_errors

Members = Mapping[str, bytes | Path]
"""Name in the bundle → its content, or the file that holds it."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can hold: nothing is said of when it was packed."""
_CHUNK = 1 << 20


def packed(content: bytes | Path) -> Packed:
    """Return hash and size of *content*; raise StoreError if its file cannot be read."""
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(content):
        digest.update(chunk)
        size += len(chunk)
    return Packed(sha256=digest.hexdigest(), bytes=size)


def json_bytes(value: Any) -> bytes:
    """Return *value* as JSON text, always the same for equal values."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sums(manifest: BundleManifest, manifest_text: bytes) -> bytes:
    """Return the text of ``SHA256SUMS``."""
    found = {name: one.sha256 for name, one in manifest.files.items()}
    found[MANIFEST] = hashlib.sha256(manifest_text).hexdigest()
    return "".join(f"{found[name]}  {name}\n" for name in sorted(found)).encode()


def write_bundle(path: Path, members: Members, manifest: BundleManifest) -> None:
    """Write *members* and what says of them to *path*; a crash leaves the old file or none.

    Raises :class:`~benchbench.errors.StoreError` where it cannot be written, or a file changed
    since it was hashed.
    """
    text = json_bytes(manifest.model_dump(mode="json"))
    every = {**members, MANIFEST: text, SUMS: sums(manifest, text)}
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    with store_errors(path):
        try:
            with zipfile.ZipFile(temporary, "w") as archive:
                for name in sorted(every):
                    _add(archive, name, every[name], manifest.files.get(name))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _add(
    archive: zipfile.ZipFile, name: str, content: bytes | Path, expected: Packed | None
) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    digest = hashlib.sha256()
    large = expected is not None and expected.bytes >= 1 << 31
    with archive.open(info, "w", force_zip64=large) as file:
        for chunk in _chunks(content):
            digest.update(chunk)
            file.write(chunk)
    if expected and digest.hexdigest() != expected.sha256:
        raise StoreError(
            f"{content if isinstance(content, Path) else name} changed while it was packed",
            hint="bundle the run when nothing writes to it any more",
        )


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    try:
        with content.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise StoreError(
            f"cannot read {content}: {error.strerror}", hint="see who may read it"
        ) from None
