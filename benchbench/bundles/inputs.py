"""The model files that a run's cells were made from, and what was built of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchbench.artifacts import ArtifactCache
from benchbench.bundles.collecting import Inputs
from benchbench.bundles.format import LeftOut
from benchbench.errors import BenchbenchError
from benchbench.files import sha256_file
from benchbench.store import Manifest, Run
from benchbench.suite.load import LoadedSuite
from benchbench.types import Cell

Trail = tuple[str | int, ...]
_PATHS = ("models", "runtimes", "conversions")
_PACKAGE = "package:"
_NOT_ASKED = "--with-models was not given"
_CHANGED = "it changed since it was measured"


def add_models(inputs: Inputs, run: Run, loaded: LoadedSuite | None, *, wanted: bool) -> None:
    """Add the files that the suite's models name, or say why they are left out."""
    known = _fingerprints(run.manifest())
    for index, model in enumerate(loaded.suite.models if loaded else ()):
        _model(inputs, model, index, known.get(model.name, {}), wanted=wanted)
    for part in _PATHS[1:]:
        for index, entry in enumerate(getattr(loaded.suite, part) if loaded else ()):
            for trail, path in paths(entry, (part, index)):
                _place(inputs, trail, path, {}, wanted=wanted)
    if loaded is None:
        for name, found in known.items():
            why = "the run's suite cannot be loaded here: its files are not known"
            inputs.left_out.append(LeftOut(what=f"model {name}", why=why, sha256=_hashes(found)))


def _model(
    inputs: Inputs, model: Any, index: int, known: Mapping[str, str], *, wanted: bool
) -> None:
    found = list(paths(model, ("models", index)))
    changed = wanted and found and _changed(model, known)
    for trail, path in found:
        if changed:
            _leave(inputs, trail, path, _CHANGED, known)
        else:
            _place(inputs, trail, path, known, wanted=wanted)
    if not found:
        why = "no file of its own: it is made or fetched by its plug-in"
        left = LeftOut(what=f"model {model.name}", why=why, sha256=_hashes(known))
        inputs.left_out.append(left)


def _changed(model: Any, known: Mapping[str, str]) -> bool:
    """Return whether a model's files are others than those that were measured."""
    try:
        source = getattr(model, "source", None) or model.predictions
        return dict(source.fingerprint()) != {k: v for k, v in known.items() if k != "kind"}
    except BenchbenchError:
        return False  # a file is missing: that is told of the file


def paths(value: Any, trail: Trail) -> Iterator[tuple[Trail, Path]]:
    """Yield every path below *value*, with the trail that ``--set`` takes joined by dots."""
    if isinstance(value, Path):
        yield trail, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from paths(getattr(value, name), (*trail, name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from paths(item, (*trail, str(name)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from paths(item, (*trail, index))


def _place(
    inputs: Inputs, trail: Trail, path: Path, known: Mapping[str, str], *, wanted: bool
) -> None:
    """Add a file, or all files of a folder, with the files beside it that belong to it."""
    if str(path).startswith(_PACKAGE):
        what = f"file {path.name}"
        left = LeftOut(what=what, why="it is a part of an installed package", sha256=_hashes(known))
        inputs.left_out.append(left)
    elif not wanted:
        _leave(inputs, trail, path, _NOT_ASKED, known)
    elif not path.exists():
        _leave(inputs, trail, path, "it is not there any more, seen from this folder", known)
    else:
        key = ".".join(map(str, trail))
        folder = f"models/{key}"
        every = [inputs.add(f"{folder}/{name}", file) for name, file in _files(path, known)]
        if all(every):
            inputs.places[key] = f"{folder}/{path.name}"
        else:
            _leave(inputs, trail, path, "a bundle cannot hold a file of such a name", known)


def _files(path: Path, known: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for part in sorted(path.rglob("*")):
            if part.is_file():
                yield f"{path.name}/{part.relative_to(path).as_posix()}", part
        return
    yield path.name, path
    for name, sha256 in known.items():
        beside = path.parent / name
        if name != path.name and beside.is_file() and sha256_file(beside) == sha256:
            yield name, beside


def _leave(inputs: Inputs, trail: Trail, path: Path, why: str, known: Mapping[str, str]) -> None:
    key = ".".join(map(str, trail))
    hashes = _hashes(known)
    own = {path.name: hashes[path.name]} if path.name in hashes else hashes
    inputs.left_out.append(LeftOut(what=f"file {path.name}", why=why, sha256=own, key=key))


def _fingerprints(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Return what each model's content was when its cells were planned."""
    found: dict[str, dict[str, str]] = {}
    for planned in manifest.cells:
        told = planned.cell.protocol.get("model") or {}
        found[planned.cell.model] = {str(k): str(v) for k, v in told.items()}
    return found


def _hashes(known: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in known.items() if _is_digest(value)}


def _is_digest(value: str) -> bool:
    return len(value) == 64 and set(value) <= set("0123456789abcdef")


def add_artifacts(inputs: Inputs, run: Run, cache: Path) -> None:
    """Add what was built of the models, from the cache."""
    store = ArtifactCache(cache)
    for key, (cell, measured) in _built(run).items():
        found = store.find(key)
        why = None
        if found is None:
            why = "it is not in the cache any more; it can be built again"
        elif measured is not None and found.sha256 != measured:
            why = "it was built again since: this is not the file that was measured"
        folder = store.root / key
        files = [] if why else [path for path in sorted(folder.rglob("*")) if path.is_file()]
        names = [f"artifacts/{key}/{path.relative_to(folder).as_posix()}" for path in files]
        added = [inputs.add(name, path) for name, path in zip(names, files, strict=True)]
        if added and all(added):
            inputs.artifacts.append(key)
        else:
            told = {"measured": measured} if measured else {}
            what = f"artifact of {cell.label}"
            inputs.left_out.append(LeftOut(what=what, why=why or "no such names", sha256=told))


def _built(run: Run) -> dict[str, tuple[Cell, str | None]]:
    """Return the artifacts of the run by key: a cell, and the SHA-256 of what was measured."""
    found: dict[str, tuple[Cell, str | None]] = {}
    for result in run.results():
        steps = result.cell.chain
        for step in steps:
            found.setdefault(step.key, (result.cell, None))
        if steps and result.artifact:
            found[steps[-1].key] = (result.cell, result.artifact.sha256)
    return found
