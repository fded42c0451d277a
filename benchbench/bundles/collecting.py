"""What goes into a run's bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchbench import __version__
from benchbench.bundles.format import (
    ENVIRONMENT,
    LOCK,
    README,
    SETTINGS,
    SUITE,
    VIEW,
    BundleManifest,
    Data,
    LeftOut,
    Packed,
    name_fault,
    run_file,
)
from benchbench.bundles.words import lock, readme
from benchbench.bundles.writing import Members, json_bytes, packed
from benchbench.errors import StoreError, UsageError
from benchbench.store import Manifest, Run
from benchbench.view import RunView


@dataclass(slots=True)
class Inputs:
    """What the measured cells were made from, as far as it is packed."""

    members: dict[str, bytes | Path] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    data: dict[str, Data] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)

    def add(self, name: str, path: Path) -> bool:
        """Add the file *path* as *name*; return False where no bundle can hold that name."""
        if name_fault(name) is not None:
            return False
        self.members[name] = path
        return True


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that is to be written, hashed."""

    members: Members
    manifest: BundleManifest
    licences: Mapping[str, str]
    """Title of each dataset whose data are packed → its licence; empty where none is stated."""

    @property
    def bytes_by_part(self) -> dict[str, int]:
        """Size of each top-level folder, before compression; single files are ``files``."""
        found: dict[str, int] = {}
        for name, one in self.manifest.files.items():
            part = name.partition("/")[0] if "/" in name else "files"
            found[part] = found.get(part, 0) + one.bytes
        return found


def collect(
    run: Run, view: RunView, reports: Mapping[str, bytes], inputs: Inputs, *, logs: bool
) -> Content:
    """Return what the bundle of *run* holds.

    *view* is derived of the run, *reports* by file name. Raises
    :class:`~benchbench.errors.UsageError` for a run without results,
    :class:`~benchbench.errors.StoreError` for one that was damaged.
    """
    manifest = run.manifest()
    members: dict[str, bytes | Path] = {**_run_files(run, logs=logs), **inputs.members}
    members |= {f"report/{name}": data for name, data in reports.items()}
    members |= _described(run, manifest, view)
    left = [*inputs.left_out, *([] if logs else [LeftOut(what="logs", why="--no-logs was given")])]
    models = bool(inputs.places or inputs.artifacts)
    text = readme(run.id, left, models=models, data=bool(inputs.data))
    members[README] = text.encode()
    return Content(
        members=members,
        manifest=BundleManifest(
            run=run.id,
            suite=manifest.suite,
            title=manifest.title,
            created=manifest.created,
            benchbench=__version__,
            files=_hashed(members),
            left_out=tuple(left),
            places=inputs.places,
            data=inputs.data,
            artifacts=tuple(sorted(inputs.artifacts)),
        ),
        licences={manifest.datasets[int(i)].name: manifest.datasets[int(i)].licence
                  for i in inputs.data if int(i) < len(manifest.datasets)},
    )  # fmt: skip


def _hashed(members: Members) -> dict[str, Packed]:
    return {name: packed(members[name]) for name in sorted(members)}


def _run_files(run: Run, *, logs: bool) -> dict[str, Path]:
    """Return the run's own files: no locks, nothing derived, no array that nothing refers to."""
    arrays = _arrays(run)
    found = {}
    for path in sorted(run.folder.rglob("*")):
        name = path.relative_to(run.folder).as_posix()
        if not path.is_file() or path.is_symlink() or not run_file(name):
            continue
        if path.name.startswith(".") or (name.startswith("arrays/") and name not in arrays):
            continue
        if logs or not name.startswith("logs/"):
            found[f"run/{name}"] = path
    return found


def _arrays(run: Run) -> set[str]:
    """Return the arrays that results and takes refer to, each read and found whole."""
    results = list(run.results())
    if not results:
        raise UsageError(
            f"the run {run.id} has no results", hint="benchbench run SUITE goes on with it"
        )
    held = [*(one.arrays for one in results), *(one.arrays for one in run.all_taken())]
    refs = [ref for arrays in held for ref in arrays.values()]
    for ref in refs:
        run.array(ref)
    return {ref.path for ref in refs}


def _described(run: Run, manifest: Manifest, view: RunView) -> dict[str, bytes]:
    """Return what says how the run was made and what came of it."""
    facts = run.last_invocation().environment
    found = {
        SUITE: manifest.suite_text.encode(),
        SETTINGS: json_bytes(manifest.settings),
        ENVIRONMENT: json_bytes(facts),
        LOCK: lock(facts, _installed(facts)).encode(),
        VIEW: json_bytes(view.document()),
    }
    for index, card in enumerate(manifest.datasets):
        found[f"datasets/{index}.json"] = json_bytes(card.model_dump(mode="json"))
    return found


def _installed(facts: Mapping[str, Any]) -> dict[str, str] | None:
    """Return every distribution that is installed here; None if this is not what measured."""
    from benchbench.measure import environment

    here = environment.collect(Path.cwd())
    same = ("key", "packages", "python", "benchbench")
    if any(here.get(part) != facts.get(part) for part in same):
        return None
    found = {one.metadata["Name"]: one.version for one in distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower) if name}


def default_name(run: Run) -> str:
    """Return the file name of a run's bundle."""
    return f"{run.id}.bundle.zip"


def read_json(data: bytes, told: str) -> Any:
    """Parse JSON from a stranger; raise StoreError for what is none."""
    try:
        return json.loads(data, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise StoreError(f"{told} is not JSON: {why}", hint="ask for the file again") from None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")
