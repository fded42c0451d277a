"""Carry out a plan: cell by cell, each result stored as it ends."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchbench.artifacts import Artifact, ArtifactCache
from benchbench.errors import StoreError
from benchbench.locks import Lock, device_lock, locked
from benchbench.protocols import Executor
from benchbench.store import PlannedCell, Run, Store, utc_now
from benchbench.types import Cell, Event, Failure, Job, JobKind, Outcome, Result, Status
from benchbench.worker.results import read_build, read_measured

Kept = TypeVar("Kept")


class Watcher(Protocol):
    """Sees a run go by; draws, logs, or does nothing."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Note that a cell is about to run."""

    def event(self, cell: Cell, event: Event) -> None:
        """Take a worker's stage or progress."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Take a stored result; *reused* if it was there before."""


class Interrupts(Protocol):
    """Decides what ctrl-C means: give up this cell, or stop the run."""

    stop: bool

    def armed(self) -> AbstractContextManager[None]:
        """Within this, ctrl-C raises KeyboardInterrupt; outside, it may only set ``stop``."""

    def hit(self) -> None:
        """Note that a cell was given up for ctrl-C."""


@dataclass(slots=True)
class StopAtOnce:
    """One ctrl-C stops the run, after the cell is recorded."""

    stop: bool = False

    def armed(self) -> AbstractContextManager[None]:
        """Leave ctrl-C as Python has it."""
        return nullcontext()

    def hit(self) -> None:
        """Stop."""
        self.stop = True


@dataclass(slots=True)
class Runner:
    """Runs the cells of one run."""

    run: Run
    store: Store
    cache: Path
    executor: Executor
    environment: str
    watcher: Watcher
    interrupts: Interrupts = field(default_factory=StopAtOnce)
    keep_failures: bool = False
    debug: bool = False
    _failed_builds: dict[str, Failure] = field(default_factory=dict)

    def all(self, cells: tuple[PlannedCell, ...]) -> bool:
        """Run what is missing of *cells*; return False if stopped before the end."""
        for index, planned in enumerate(cells):
            if self.interrupts.stop:
                return False
            result = self._done(planned)
            reused = result is not None
            if result is None:
                result, reused = self._one(planned, index, len(cells))
            self.watcher.end(result, index, len(cells), reused=reused)
        return not self.interrupts.stop

    def _done(self, planned: PlannedCell) -> Result | None:
        result = self.run.result(planned.cell.id)
        if result is None:
            return None
        if result.status in ("measured", "compiled"):
            return result if self.run.intact(result) else None
        return result if result.status == "failed" and self.keep_failures else None

    def _one(self, planned: PlannedCell, index: int, total: int) -> tuple[Result, bool]:
        cell = planned.cell
        if planned.not_run:
            return self.run.put(self._unmeasured(cell, "not_run", planned.not_run)), False
        self.watcher.begin(cell, index, total)
        with Lock(device_lock(cell.device)) as lock:
            if not self._acquire(lock, cell):
                return self.run.put(self._unmeasured(cell, "failed", _interrupted("wait"))), False
            done = self._done(planned)  # another process may have measured it meanwhile
            if done is not None:
                return done, True
            return self.run.put(self._attempt(cell)), False

    def _acquire(self, lock: Lock, cell: Cell) -> bool:
        """Wait for the device; return False if ctrl-C came first."""
        waiting = Event(stage=f"waiting for another run on {cell.device}")
        try:
            with self.interrupts.armed():
                lock.acquire(lambda: self.watcher.event(cell, waiting))
        except KeyboardInterrupt:
            self.interrupts.hit()
            return False
        return True

    def _attempt(self, cell: Cell) -> Result:
        """Build what is missing, then measure; every way to fail becomes a Result."""
        started, begun = time.monotonic(), utc_now()

        def failed(failure: Failure) -> Result:
            wall_s = time.monotonic() - started
            return self._unmeasured(cell, "failed", failure, wall_s, begun)

        artifacts: dict[str, Path] = {}
        facts: list[dict[str, Any]] = []
        for number, step in enumerate(cell.chain):
            kind = str(step.conversion["kind"])
            built = self._kept_artifact(cell, step.key, kind, number, artifacts)
            if isinstance(built, Failure):
                return failed(built)
            artifacts[step.key] = built.main
            facts.append(built.facts)
        interrupted = self._reference(cell, artifacts)
        found = interrupted or self._measure(cell, artifacts)
        return failed(found) if isinstance(found, Failure) else _with_facts(found, facts)

    def _reference(self, cell: Cell, artifacts: dict[str, Path]) -> Failure | None:
        """Find or make the outputs to compare with; without them there is only no comparison."""
        if cell.reference is None:
            return None
        built = self._kept_artifact(cell, cell.reference.key, "reference", None, artifacts)
        if isinstance(built, Artifact):
            artifacts[cell.reference.key] = built.main
            return None
        return built if built.code == "interrupted" else None

    def _kept_artifact(
        self, cell: Cell, key: str, kind: str, number: int | None, artifacts: dict[str, Path]
    ) -> Artifact | Failure:
        """Return an artifact from the cache, or build it; never fail twice for one.

        *number* is the step of the chain, None for the reference outputs.
        """
        if key in self._failed_builds:
            return self._failed_builds[key]
        try:
            with locked(self.cache / "locks" / f"{key}.lock"):
                cache = ArtifactCache(self.cache)
                built = cache.find(key) or self._build(cell, key, kind, number, artifacts)
        except StoreError as error:  # a full cache costs only the cells that need it
            built = Failure(
                code=error.code, stage=f"{kind}: keep", message=error.message, hint=error.hint
            )
        if isinstance(built, Failure) and built.code != "interrupted":
            self._failed_builds[key] = built
        return built

    def _build(
        self, cell: Cell, key: str, kind: str, number: int | None, artifacts: dict[str, Path]
    ) -> Artifact | Failure:
        def keep(folder: Path, _: Outcome) -> Artifact:
            main, facts = read_build(folder)
            return ArtifactCache(self.cache).commit(key, folder / "artifact", main, facts)

        work: JobKind = "reference" if number is None else "build"
        built = self._work(cell, work, keep, artifacts, number)
        if isinstance(built, Failure):
            return built.model_copy(
                update={"stage": f"{kind}: {built.stage}", "message": f"{kind}: {built.message}"}
            )
        return built

    def _measure(self, cell: Cell, artifacts: dict[str, Path]) -> Result | Failure:
        def keep(folder: Path, outcome: Outcome) -> Result:
            measured = read_measured(folder)
            arrays = {name: self.run.put_array(folder / f"{name}.npz") for name in measured.arrays}
            taken = {n: getattr(measured, n) for n in type(measured).model_fields if n != "arrays"}
            return Result(
                cell=cell,
                environment=self.environment,
                wall_s=outcome.wall_s,
                arrays=arrays,
                **taken,
            )

        return self._work(cell, "measure", keep, artifacts)

    def _work(
        self,
        cell: Cell,
        kind: JobKind,
        keep: Callable[[Path, Outcome], Kept],
        artifacts: dict[str, Path],
        step: int | None = None,
    ) -> Kept | Failure:
        """Run one job in a worker and *keep* what it left; its folder goes away in any case."""
        folder = self.store.work_folder()
        job = Job(
            kind=kind,
            cell=cell,
            step=step,
            folder=folder.resolve(),
            cache=self.cache.resolve(),
            artifacts={key: path.resolve() for key, path in artifacts.items()},
            timeout_s=cell.spec["measure"]["timeout_s"],
            memory_limit_mb=cell.spec["measure"]["memory_limit_mb"],
        )
        try:
            outcome = self._execute(job)
            self.run.put_log(cell.id, folder / "worker.log")
            if outcome.failure:
                return outcome.failure
            return _kept(keep, folder, outcome)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _execute(self, job: Job) -> Outcome:
        stage = "start"

        def on_event(event: Event) -> None:
            nonlocal stage
            stage = event.stage
            self.watcher.event(job.cell, event)

        started = time.monotonic()
        try:
            with self.interrupts.armed():
                return self.executor.run(job, on_event)
        except KeyboardInterrupt:
            self.interrupts.hit()
            wall_s = time.monotonic() - started
            return Outcome(failure=_interrupted(stage), wall_s=wall_s, stage=stage)

    def _unmeasured(
        self,
        cell: Cell,
        status: Status,
        failure: Failure,
        wall_s: float = 0.0,
        started: str | None = None,
    ) -> Result:
        return Result(
            cell=cell,
            status=status,
            environment=self.environment,
            started=started or utc_now(),
            wall_s=wall_s,
            failure=failure,
        )


def _with_facts(result: Result, facts: list[dict[str, Any]]) -> Result:
    """Return *result* with what its artifact's builds recorded."""
    if result.artifact is None or not facts:
        return result
    by_kind = {str(one["conversion"]["kind"]): one for one in facts}
    artifact = result.artifact.model_copy(
        update={
            "build_s": {kind: float(one["seconds"]) for kind, one in by_kind.items()},
            "facts": {k: one["recorded"] for k, one in by_kind.items() if one.get("recorded")},
        }
    )
    return result.model_copy(update={"artifact": artifact})


def _kept(keep: Callable[[Path, Outcome], Kept], folder: Path, outcome: Outcome) -> Kept | Failure:
    try:
        return keep(folder, outcome)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        return Failure(
            code="exception",
            stage=outcome.stage,
            message="the worker ended without an error and left no usable result: "
            f"{type(error).__name__} {str(error)[:300]}",
            hint="something in the model or a plug-in ended the process",
        )


def _interrupted(stage: str) -> Failure:
    return Failure(
        code="interrupted",
        stage=stage,
        message="interrupted by ctrl-C",
        hint="the same command again measures it",
    )
