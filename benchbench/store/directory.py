"""Runs on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from benchbench.errors import StoreError, UsageError
from benchbench.files import make_folder, sha256_file, store_errors, write_atomic, write_json
from benchbench.locks import locked
from benchbench.plugins import suggest
from benchbench.store.migrations import migrate
from benchbench.suite.variables import parse_settings
from benchbench.types import (
    ArrayRef,
    Asked,
    Cell,
    Compared,
    DatasetCard,
    Failure,
    Record,
    Result,
    Taken,
)

RecordType = TypeVar("RecordType", bound=Record)


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the microsecond: it sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class PlannedCell(Record):
    """A cell of a run; ``not_run`` says why it cannot be measured here."""

    cell: Cell
    not_run: Failure | None = None


class Manifest(Record):
    """What a run was meant to measure."""

    schema_number: int = 1
    run: str
    suite: str
    title: str = ""
    description: str = ""
    suite_text: str
    suite_file: str
    suite_sha256: str
    settings: dict[str, Any] = {}
    created: str
    environment_key: str
    datasets: tuple[DatasetCard, ...] = ()
    cells: tuple[PlannedCell, ...]


class Invocation(Record):
    """One ``benchbench run``."""

    started: str
    command_line: tuple[str, ...]
    environment: dict[str, Any]


class Run:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.folder.name

    def manifest(self) -> Manifest:
        """Return the run's manifest."""
        return _read(self.folder / "manifest.json", Manifest)

    def prepare(self) -> Run:
        """Make the run's folders."""
        for name in ("cells", "takes", "arrays", "logs", "invocations"):
            make_folder(self.folder / name)
        return self

    def begin(self, manifest: Manifest, invocation: Invocation) -> None:
        """Make the folders, write the manifest if it is new, and note the invocation."""
        self.prepare()
        path = self.folder / "manifest.json"
        if not path.is_file():
            write_json(path, manifest.model_dump(mode="json"))
        name = f"{invocation.started.replace(':', '')}-{uuid4().hex[:6]}.json"
        write_json(self.folder / "invocations" / name, invocation.model_dump(mode="json"))

    def last_used(self) -> str:
        """Return when the run was last invoked; it sorts as text."""
        names = sorted(path.name for path in (self.folder / "invocations").glob("*.json"))
        return names[-1] if names else ""

    def last_invocation(self) -> Invocation:
        """Return the newest invocation."""
        paths = sorted((self.folder / "invocations").glob("*.json"))
        if not paths:
            raise StoreError(f"the run {self.id} has no invocation", hint="run its suite again")
        return _read(paths[-1], Invocation)

    def result(self, cell_id: str) -> Result | None:
        """Return the stored result of a cell, or None."""
        path = self.folder / "cells" / f"{cell_id}.json"
        return _read(path, Result) if path.is_file() else None

    def results(self) -> Iterator[Result]:
        """Yield every stored result."""
        for path in sorted((self.folder / "cells").glob("*.json")):
            yield _read(path, Result)

    def put(self, result: Result) -> Result:
        """Store *result*; a failure never replaces a measurement. Return what is stored then."""
        path = self.folder / "cells" / f"{result.cell.id}.json"
        with locked(self.folder / "cells" / f".{result.cell.id}.lock"):
            before = self.result(result.cell.id)
            if before and before.status == "measured" and result.status != "measured":
                return before
            write_json(path, result.model_dump(mode="json"))
        return result

    def taken(self, take_id: str) -> Taken | None:
        """Return what came of a take, or None."""
        path = self.folder / "takes" / f"{take_id}.json"
        return _read(path, Taken) if path.is_file() else None

    def all_taken(self) -> Iterator[Taken]:
        """Yield what came of every take."""
        for path in sorted((self.folder / "takes").glob("*.json")):
            yield _read(path, Taken)

    def put_taken(self, taken: Taken) -> Taken:
        """Store *taken* unless it is measured already. Return what is stored then.

        Samples that a verdict may have been drawn from are never replaced while they are whole.
        """
        folder = make_folder(self.folder / "takes")
        with locked(folder / f".{taken.take.id}.lock"):
            before = self.taken(taken.take.id)
            if before and before.failure is None and (taken.failure or self.intact(before)):
                return before
            write_json(folder / f"{taken.take.id}.json", taken.model_dump(mode="json"))
        return taken

    def asked(self) -> Asked:
        """Return what the suite asks beside the cells."""
        path = self.folder / "asked.json"
        return _read(path, Asked) if path.is_file() else Asked()

    def put_asked(self, asked: Asked) -> None:
        """Store what the suite asks beside the cells.

        A comparison that was once looked at after every pair stays under that rule: its pairs were
        seen. What a retry asked for stays, after what is asked now.
        """
        before = {one.id: one for one in self.asked().compared}
        now = [_as_before(one, before.pop(one.id, one)) for one in asked.compared]
        retried = (one for one in before.values() if one.retried)
        kept = asked.model_copy(update={"compared": (*now, *retried)})
        write_json(self.folder / "asked.json", kept.model_dump(mode="json"))

    def put_array(self, source: Path) -> ArrayRef:
        """Move an array file into the run under the name of its content."""
        digest = sha256_file(source)
        target = self.folder / "arrays" / f"{digest}.npz"
        with store_errors(target):
            size = source.stat().st_size
            with source.open("rb") as file:
                os.fsync(file.fileno())
            source.replace(target)
        return ArrayRef(path=f"arrays/{digest}.npz", sha256=digest, bytes=size)

    def keep_array(self, data: bytes) -> ArrayRef:
        """Store the bytes of an array file under the name of their content."""
        temporary = self.folder / "arrays" / f".{uuid4().hex[:12]}.npz"
        write_atomic(temporary, data)
        return self.put_array(temporary)

    def array(self, ref: ArrayRef) -> bytes:
        """Return the bytes of a stored array; raise StoreError if they are not what was stored."""
        path = self.folder / ref.path
        if path.parent != self.folder / "arrays":
            raise StoreError(
                f"{self.folder}: the array path '{ref.path}' leaves the run",
                hint="run the suite again: it measures this cell anew",
            )
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(
                f"cannot read {path}: {error.strerror}",
                hint="run the suite again: it measures this cell anew",
            ) from None
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise StoreError(
                f"{path} is not what was stored: its SHA-256 differs",
                hint="run the suite again: it measures this cell anew",
            )
        return data

    def intact(self, result: Result | Taken) -> bool:
        """Return whether every array of *result* is what was stored."""
        try:
            for ref in result.arrays.values():
                self.array(ref)
        except StoreError:
            return False
        return True

    def put_log(self, cell_id: str, source: Path) -> None:
        """Keep what a worker printed."""
        if source.is_file() and source.stat().st_size:
            write_atomic(self.folder / "logs" / f"{cell_id}.log", source.read_bytes()[-1_000_000:])

    def adopt(self, other: Run, result: Result) -> Result:
        """Take over a result that another run of this store measured."""
        self._adopt_arrays(other, result.arrays.values())
        return self.put(result)

    def adopt_taken(self, other: Run, taken: Taken) -> Taken:
        """Take over a take of another run of this store."""
        self._adopt_arrays(other, taken.arrays.values())
        return self.put_taken(taken)

    def _adopt_arrays(self, other: Run, refs: Iterable[ArrayRef]) -> None:
        for ref in refs:
            target = self.folder / ref.path
            if not target.is_file():
                with store_errors(target):
                    _link_or_copy(other.folder / ref.path, target)


def _as_before(now: Compared, before: Compared) -> Compared:
    rule = before.rule if before.rule == "sequence" else now.rule
    return now.model_copy(update={"rule": rule, "retried": now.retried or before.retried})


def _named(run_id: str, name: str) -> bool:
    """Return whether *name* is the suite's name of *run_id*, or a prefix that reaches its hash."""
    suite, _, rest = run_id.rpartition("-")
    return name == suite or (bool(rest) and run_id.startswith(name) and len(name) > len(suite))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(source, target)


class Store:
    """A folder of runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def _runs(self) -> Path:
        return self.folder / "runs"

    def prepare(self) -> None:
        """Make the store, or raise StoreError if it cannot be written."""
        _check_text(self.folder)
        make_folder(self._runs)
        make_folder(self.folder / "work")
        self._sweep()
        probe = self.folder / "work" / f".probe-{uuid4().hex[:8]}"
        write_atomic(probe, b"benchbench")
        probe.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove workers' folders that a crash left more than a day ago."""
        old = time.time() - 86_400
        for path in (self.folder / "work").iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < old:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def work_folder(self) -> Path:
        """Make an empty folder for one worker."""
        return make_folder(self.folder / "work" / uuid4().hex[:12])

    def runs(self) -> list[Run]:
        """Return every run, the one used last first."""
        if not self._runs.is_dir():
            return []
        found = [Run(path) for path in self._runs.iterdir() if (path / "manifest.json").is_file()]
        return sorted(found, key=lambda run: run.last_used(), reverse=True)

    def run(self, name: str, settings: Iterable[str] = ()) -> Run:
        """Return a run by id, prefix or suite name, or the one used last for ``latest``.

        *settings* narrow a suite's name or ``latest`` to the runs that were made with them.
        """
        runs = self.runs()
        if not runs:
            raise UsageError(
                f"the store {self.folder} has no runs", hint="benchbench run quickstart"
            )
        exact = [run for run in runs if run.id == name]
        if exact:
            return exact[0]
        found = [run for run in runs if name == "latest" or _named(run.id, name)]
        if not found:
            known = [*(run.id for run in runs), "latest"]
            raise UsageError(f"no run '{name}' in {self.folder}", hint=suggest(name, known))
        wanted = parse_settings(settings).items()
        for run in found:  # a manifest is read only if it matters: an old one may be damaged
            if not wanted or wanted <= run.manifest().settings.items():
                return run
        raise UsageError(
            f"no run '{name}' was made with {' '.join(settings)}",
            hint=f"its runs: {', '.join(run.id for run in found[:5])}",
        )

    def series(self, base: str) -> list[Run]:
        """Return the runs named *base*, *base*.2, *base*.3 …, newest last."""
        found = []
        for number in range(1, 10_000):
            folder = self._runs / (base if number == 1 else f"{base}.{number}")
            if not (folder / "manifest.json").is_file():
                break
            found.append(Run(folder))
        return found

    def scratch(self, *names: str) -> Run:
        """Return a place for results that belong to no run: diagnoses, sensitivities."""
        return Run(self.folder.joinpath("scratch", *names)).prepare()

    def new(self, base: str) -> Run:
        """Return the next run named after *base*; its folder is not made yet."""
        taken = len(self.series(base))
        return Run(self._runs / (base if not taken else f"{base}.{taken + 1}"))


def _check_text(folder: Path) -> None:
    try:
        str(folder.resolve()).encode()
    except UnicodeEncodeError:
        raise StoreError(
            f"the store's path {str(folder)!r} is not text in UTF-8, and results name files by it",
            hint="choose another folder with --store DIR",
        ) from None


_FRESH = "run the suite with --fresh to start over"
_WAYS_OUT: dict[type[Record], str] = {
    Result: f"delete it and run the suite again to measure only its cell, or {_FRESH}",
    Taken: f"delete it and run the suite again to measure only this, or {_FRESH}",
    Invocation: "run the suite again",
}


def _read(path: Path, kind: type[RecordType]) -> RecordType:
    try:
        return kind.model_validate(migrate(kind.__name__, json.loads(path.read_bytes()), path))
    except OSError as error:
        raise StoreError(
            f"cannot read {path}: {error.strerror}", hint="see who may read it"
        ) from None
    except (ValueError, ValidationError, RecursionError) as error:
        raise StoreError(
            f"{path} is not a stored {kind.__name__.lower()}: {str(error).splitlines()[0]}",
            hint=f"it was edited or damaged; {_WAYS_OUT.get(kind, _FRESH)}",
        ) from None
