"""Whether a bundle is what was packed: every name, every hash, every record in it."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from benchbench.bundles.archive import Archive, check_end, opened, shown
from benchbench.bundles.collecting import read_json
from benchbench.bundles.format import (
    BUNDLE_SCHEMA,
    ENVIRONMENT,
    FREE_BYTES,
    MANIFEST,
    MAX_BYTES,
    MAX_JSON_BYTES,
    MAX_RATIO,
    SETTINGS,
    SUITE,
    SUMS,
    VIEW,
    BundleManifest,
)
from benchbench.bundles.outcome import Checked
from benchbench.bundles.writing import sums
from benchbench.errors import StoreError
from benchbench.files import make_folder, sha256_file, store_errors
from benchbench.store import Run
from benchbench.types import ArrayRef

_NEEDED = (SUITE, SETTINGS, VIEW, ENVIRONMENT, "run/manifest.json")


def check(path: Path) -> tuple[Checked, BundleManifest | None]:
    """Return what is wrong with the bundle at *path*, thing by thing, and its manifest.

    Nothing in it is run. The manifest is None where it cannot be read. Raises
    :class:`~benchbench.errors.StoreError` if *path* is no archive that can be looked into.
    """
    with opened(path) as archive:
        problems = list(archive.faults)
        manifest = None
        if not problems:
            manifest = _manifest(archive, problems)
        if manifest is not None:
            problems += _altered(archive, manifest)
        if manifest is not None and not problems:
            problems += _inside(archive, manifest)
        return _checked(path, archive, manifest, problems), manifest


def _checked(
    path: Path, archive: Archive, manifest: BundleManifest | None, problems: list[str]
) -> Checked:
    return Checked(
        bundle=str(path),
        sha256=sha256_file(path),
        bytes=path.stat().st_size,
        files=len(archive.sizes),
        run=manifest.run if manifest else None,
        packed_by=manifest.benchbench if manifest else None,
        problems=tuple(problems),
        left_out=manifest.left_out if manifest else (),
    )


def _manifest(archive: Archive, problems: list[str]) -> BundleManifest | None:
    """Return the manifest; None, and a problem more, if it is not one."""
    try:
        body = read_json(archive.read(MANIFEST, MAX_JSON_BYTES), MANIFEST)
        number = body.get("schema_number") if isinstance(body, dict) else None
        if isinstance(number, int) and number > BUNDLE_SCHEMA:
            problems.append(
                f"{MANIFEST} has format {number}; this benchbench reads up to {BUNDLE_SCHEMA}"
            )
            return None
        return BundleManifest.model_validate(body)
    except StoreError as error:
        problems.append(error.message)
    except (ValidationError, RecursionError) as error:
        problems.append(f"{MANIFEST} is not one of a bundle: {shown(_first(error))}")
    return None


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
    return type(error).__name__


def _altered(archive: Archive, manifest: BundleManifest) -> Iterator[str]:
    """Yield what is not what the manifest and ``SHA256SUMS`` say."""
    listed = manifest.files.keys()
    for name in sorted({*listed, *_NEEDED} - archive.sizes.keys()):
        yield f"{shown(name)} is missing"
    for name in sorted(set(_NEEDED) - listed):
        yield f"{name} is not in {MANIFEST}"
    for name in sorted(archive.sizes.keys() - listed - {MANIFEST, SUMS}):
        yield f"{shown(name)} is not in {MANIFEST}"
    for name in sorted(listed & archive.sizes.keys()):
        yield from _file(archive, name, manifest)
    yield from _sums(archive, manifest)


def _file(archive: Archive, name: str, manifest: BundleManifest) -> Iterator[str]:
    expected = manifest.files[name]
    if archive.sizes[name] != expected.bytes:
        yield f"{shown(name)} has {archive.sizes[name]} bytes, not {expected.bytes}"
        return
    try:
        found = archive.packed(name)
    except StoreError as error:
        yield error.message
        return
    if found != expected:
        yield f"{shown(name)} is not what was packed: its SHA-256 differs"
    base = name.rpartition("/")[2]
    if name.startswith("run/arrays/") and base != f"{found.sha256}.npz":
        yield f"{shown(name)} is not named by its content"


def _sums(archive: Archive, manifest: BundleManifest) -> Iterator[str]:
    try:
        text = archive.read(MANIFEST, MAX_JSON_BYTES)
        if archive.read(SUMS, MAX_JSON_BYTES) != sums(manifest, text):
            yield f"{SUMS} does not agree with {MANIFEST}"
    except StoreError as error:
        yield error.message


# --- what the files hold -----------------------------------------------------------------


def unpack(archive: Archive, names: Iterable[str], folder: Path) -> None:
    """Write entries of a checked archive below *folder*, none of which may be there yet."""
    for name in names:
        target = folder / name
        make_folder(target.parent)
        with store_errors(target), target.open("xb") as file:
            for chunk in archive.chunks(name):
                file.write(chunk)


def _inside(archive: Archive, manifest: BundleManifest) -> list[str]:
    """Return what does not fit together in files that are all as they were packed."""
    problems = [*_foreign(archive, manifest)]
    for name in (VIEW, SETTINGS, ENVIRONMENT):
        try:
            read_json(archive.read(name, MAX_JSON_BYTES), name)
        except StoreError as error:
            problems.append(error.message)
    if problems:
        return problems
    with tempfile.TemporaryDirectory() as temporary:
        stored = [name for name in archive.sizes if name.startswith("run/")]
        unpack(archive, stored, Path(temporary))
        problems += _records(Run(Path(temporary) / "run"), manifest, archive)
    return problems


def _foreign(archive: Archive, manifest: BundleManifest) -> Iterator[str]:
    """Yield what the manifest names as a model or dataset and the bundle does not hold."""
    folders = {*manifest.places.values(), *(one.root for one in manifest.data.values())}
    folders |= {f"artifacts/{key}" for key in manifest.artifacts}
    for folder in sorted(folders):
        top = folder.partition("/")[0]
        held = any(name == folder or name.startswith(f"{folder}/") for name in archive.sizes)
        if top not in ("models", "data", "artifacts") or ".." in folder.split("/") or not held:
            yield f"{MANIFEST} names {shown(folder)}, which the bundle does not hold"


def _records(run: Run, manifest: BundleManifest, archive: Archive) -> list[str]:
    """Return what is wrong with the stored run."""
    problems: list[str] = []
    for path in sorted((run.folder / "arrays").glob("*.npz")):
        problems += _array(path)
    try:
        problems += _plan(run, manifest, archive)
        run.last_invocation()
        run.asked()
        problems += _held(run, "cells", {one.cell.id: one.arrays for one in run.results()})
        problems += _held(run, "takes", {one.take.id: one.arrays for one in run.all_taken()})
    except StoreError as error:
        problems.append(error.message.replace(f"{run.folder}/", "run/"))
    return problems


def _plan(run: Run, manifest: BundleManifest, archive: Archive) -> Iterator[str]:
    plan = run.manifest()
    if (plan.run, plan.suite) != (manifest.run, manifest.suite):
        yield f"run/manifest.json is of {shown(plan.run)}, {MANIFEST} of {manifest.run}"
    text = archive.read(SUITE, MAX_JSON_BYTES)
    if text != plan.suite_text.encode() or hashlib.sha256(text).hexdigest() != plan.suite_sha256:
        yield f"{SUITE} is not the suite that was run"
    if read_json(archive.read(SETTINGS, MAX_JSON_BYTES), SETTINGS) != plan.settings:
        yield f"{SETTINGS} is not what the suite was run with"


def _held(run: Run, part: str, found: Mapping[str, Mapping[str, ArrayRef]]) -> Iterator[str]:
    """Yield what is not named as what it holds, and what is referred to and not there."""
    for name in sorted({path.stem for path in (run.folder / part).glob("*.json")} ^ set(found)):
        yield f"run/{part}: {shown(name)} and its file's name differ"
    for name, refs in found.items():
        for ref in refs.values():
            held = run.folder / "arrays" / f"{ref.sha256}.npz"
            if ref.path != f"arrays/{ref.sha256}.npz" or not held.is_file():
                yield f"run/{part}/{shown(name)}.json needs {shown(ref.path)}, which is not there"


def _array(path: Path) -> Iterator[str]:
    """Yield what keeps an array file from being read: it is an archive of its own."""
    told, size = f"run/arrays/{path.name}", path.stat().st_size
    try:
        with path.open("rb") as file:
            check_end(file, told)
            entries = zipfile.ZipFile(file).infolist()
    except (StoreError, zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        yield getattr(error, "message", f"{told} is not an array file")
        return
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES or total > max(FREE_BYTES, MAX_RATIO * size):
        yield f"{told}: {size} bytes unpack to {total}: that is no measurement"
