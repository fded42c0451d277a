"""Carry out a plan: cell by cell, each result stored as it ends."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchbench.artifacts import Artifact, ArtifactCache
from benchbench.errors import StoreError
from benchbench.locks import Lock, device_lock, locked
from benchbench.protocols import Executor
from benchbench.store import PlannedCell, Run, Store, utc_now
from benchbench.types import (
    Cell,
    Elsewhere,
    Event,
    Failure,
    Job,
    JobKind,
    Outcome,
    Result,
    Status,
    Take,
    Taken,
    digest,
)
from benchbench.worker.results import REFERENCE_FILE, read_build, read_measured, read_took

Kept = TypeVar("Kept")


class Watcher(Protocol):
    """Sees a run go by; draws, logs, or does nothing."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Note that a cell is about to run."""

    def event(self, cell: Cell, event: Event) -> None:
        """Take a worker's stage or progress."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Take a stored result; *reused* if it was there before."""

    def taking(self, take: Take, cell: Cell, index: int, total: int) -> None:
        """Note that one more measurement of a cell is about to be taken."""

    def taken(self, taken: Taken, cell: Cell, index: int, total: int) -> None:
        """Note what came of it."""


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


@dataclass(frozen=True, slots=True)
class _Made:
    """Something that a worker makes: how, where it is kept, what failures call it."""

    kind: JobKind
    key: str
    name: str
    step: int | None = None
    images: int | None = None
    take: Take | None = None
    other: Cell | None = None


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
    ends: float | None = None
    """``time.monotonic()`` at which nothing new begins; None for no budget."""
    expected_s: Mapping[str, float] = field(default_factory=dict)
    """How long each cell (by id) is thought to last; only asked under a budget."""
    _failed_builds: dict[str, Failure] = field(default_factory=dict)

    def all(self, cells: tuple[PlannedCell, ...]) -> bool:
        """Run what is missing of *cells*; return False if stopped before the end."""
        for index, planned in enumerate(cells):
            if self.interrupts.stop:
                return False
            result = self._done(planned)
            reused = result is not None
            if result is None:
                if planned.not_run is None and not self.fits(
                    self.expected_s.get(planned.cell.id, 0.0)
                ):
                    continue
                result, reused = self._one(planned, index, len(cells))
            self.watcher.end(result, index, len(cells), reused=reused)
        return not self.interrupts.stop

    def fits(self, seconds: float) -> bool:
        """Return whether there is time left for something that lasts *seconds*."""
        return self.ends is None or time.monotonic() + seconds < self.ends

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

    def take(self, take: Take, cell: Cell, other: Cell | None = None) -> Taken:
        """Take one more measurement of *cell*, against *other* for a pair, and store it.

        Its artifacts are those of the cell; those of another run's cell are found, never built
        anew. Every way to fail becomes a Taken.
        """
        done = self.taken(take)
        if done is not None:
            return done
        with ExitStack() as stack:
            for device in sorted({cell.device, other.device if other else cell.device}):
                lock = stack.enter_context(Lock(device_lock(device)))
                if not self._acquire(lock, cell):
                    return self.run.put_taken(self._untaken(take, _interrupted("wait")))
            done = self.taken(take)  # another process may have taken it meanwhile
            return done or self.run.put_taken(self._take(take, cell, other))

    def taken(self, take: Take) -> Taken | None:
        """Return what came of *take* before, unless it is to be tried again."""
        found = self.run.taken(take.id)
        if found is None or (found.failure and not self.keep_failures):
            return None
        return found if found.failure or self.run.intact(found) else None

    def _take(self, take: Take, cell: Cell, other: Cell | None) -> Taken:
        started, begun = time.monotonic(), utc_now()
        artifacts: dict[str, Path] = {}
        apart = take.elsewhere is not None
        for one in (cell, *((other,) if other and not apart else ())):
            facts = self._chain(one, artifacts)
            if isinstance(facts, Failure):
                return self._untaken(take, facts, time.monotonic() - started, begun)
        if other and take.elsewhere:
            lost = self._find(other, take.elsewhere, artifacts)
            if lost:
                return self._untaken(take, lost, time.monotonic() - started, begun)

        def keep(folder: Path, outcome: Outcome) -> Taken:
            took = read_took(folder)
            arrays = {name: self.run.put_array(folder / f"{name}.npz") for name in took.arrays}
            own = {n: getattr(took, n) for n in type(took).model_fields if n != "arrays"}
            return Taken(
                take=take,
                environment=self.environment,
                wall_s=outcome.wall_s,
                arrays=arrays,
                **own,
            )

        made = _Made("take", "", take.kind, take=take, other=other)
        found = self._work(cell, made, keep, artifacts)
        if isinstance(found, Failure):
            return self._untaken(take, found, time.monotonic() - started, begun)
        return found

    def _find(self, cell: Cell, elsewhere: Elsewhere, artifacts: dict[str, Path]) -> Failure | None:
        """Add the artifact that another run measured to *artifacts*; return why it is not there."""
        for step in cell.chain[-1:]:
            found = ArtifactCache(self.cache).find(step.key)
            if found is None or found.sha256 != elsewhere.artifact:
                return Failure(
                    code="absent",
                    stage="find the baseline's artifact",
                    message=f"the cache has not the file that {elsewhere.run} measured any more",
                    hint="measure both in one run",
                )
            artifacts[step.key] = found.main
        return None

    def _untaken(
        self, take: Take, failure: Failure, wall_s: float = 0.0, started: str | None = None
    ) -> Taken:
        return Taken(
            take=take,
            environment=self.environment,
            started=started or utc_now(),
            wall_s=wall_s,
            failure=failure,
        )

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
        facts = self._chain(cell, artifacts)
        if isinstance(facts, Failure):
            return failed(facts)
        interrupted = self._reference(cell, artifacts)
        found = interrupted or self._measure(cell, artifacts)
        return failed(found) if isinstance(found, Failure) else _with_facts(found, facts)

    def _chain(
        self, cell: Cell, artifacts: dict[str, Path], steps: int | None = None
    ) -> list[dict[str, Any]] | Failure:
        """Find or build the first *steps* artifacts of the chain (all by default).

        Their main files are added to *artifacts*; returns what their builds recorded.
        """
        facts = []
        for number, step in enumerate(cell.chain[:steps]):
            built = self._kept(
                cell, _Made("build", step.key, str(step.conversion["kind"]), number), artifacts
            )
            if isinstance(built, Failure):
                return built
            artifacts[step.key] = built.main
            facts.append(built.facts)
        return facts

    def built(self, cell: Cell) -> tuple[Artifact, dict[str, Any]] | Failure:
        """Return the last artifact of the cell's chain and what each conversion recorded."""
        facts = self._chain(cell, {})
        if isinstance(facts, Failure):
            return facts
        artifact = ArtifactCache(self.cache).find(cell.chain[-1].key)
        assert artifact is not None
        return artifact, {str(one["conversion"]["kind"]): one.get("recorded", {}) for one in facts}

    def outputs(self, cell: Cell, images: int) -> Path | Failure:
        """Return the file of the raw outputs of the cell's artifact on its first *images*."""
        return self._after_chain(cell, "outputs", images, None)

    def sensitivity(self, cell: Cell, images: int, step: int) -> Path | Failure:
        """Return the file with what quantizing each layer costs, for *step* of the chain."""
        return self._after_chain(cell, "sensitivity", images, step)

    def _after_chain(
        self, cell: Cell, kind: JobKind, images: int, steps: int | None
    ) -> Path | Failure:
        artifacts: dict[str, Path] = {}
        with Lock(device_lock(cell.device)) as lock:
            if not self._acquire(lock, cell):
                return _interrupted("wait")
            built = self._chain(cell, artifacts, steps)
            if isinstance(built, Failure):
                return built
            key = digest([kind, cell.id, images, steps, [s.key for s in cell.chain], cell.spec])
            made = self._kept(cell, _Made(kind, key, kind, steps, images), artifacts)
        return made if isinstance(made, Failure) else made.main

    def _reference(self, cell: Cell, artifacts: dict[str, Path]) -> Failure | None:
        """Find or make the outputs to compare with; without them there is only no comparison."""
        if cell.reference is None:
            return None
        built = self._kept(cell, _Made("reference", cell.reference.key, "reference"), artifacts)
        if isinstance(built, Artifact):
            artifacts[cell.reference.key] = built.main
            return None
        return built if built.code == "interrupted" else None

    def _kept(self, cell: Cell, what: _Made, artifacts: dict[str, Path]) -> Artifact | Failure:
        """Return an artifact from the cache, or make it; never fail twice for one."""
        if what.key in self._failed_builds:
            return self._failed_builds[what.key]
        try:
            with locked(self.cache / "locks" / f"{what.key}.lock"):
                found = ArtifactCache(self.cache).find(what.key)
                built = found or self._build(cell, what, artifacts)
        except StoreError as error:  # a full cache costs only the cells that need it
            stage = f"{what.name}: keep"
            built = Failure(code=error.code, stage=stage, message=error.message, hint=error.hint)
        if isinstance(built, Failure) and built.code != "interrupted":
            self._failed_builds[what.key] = built
        return built

    def _build(self, cell: Cell, what: _Made, artifacts: dict[str, Path]) -> Artifact | Failure:
        def keep(folder: Path, _: Outcome) -> Artifact:
            main, facts = read_build(folder)
            return ArtifactCache(self.cache).commit(what.key, folder / "artifact", main, facts)

        built = self._work(cell, what, keep, artifacts)
        if isinstance(built, Failure):
            told = {
                "stage": f"{what.name}: {built.stage}",
                "message": f"{what.name}: {built.message}",
            }
            return built.model_copy(update=told)
        return built

    def _measure(self, cell: Cell, artifacts: dict[str, Path]) -> Result | Failure:
        def keep(folder: Path, outcome: Outcome) -> Result:
            measured = read_measured(folder)
            self._keep_reference(cell, folder / "artifact" / REFERENCE_FILE)
            arrays = {name: self.run.put_array(folder / f"{name}.npz") for name in measured.arrays}
            taken = {n: getattr(measured, n) for n in type(measured).model_fields if n != "arrays"}
            return Result(
                cell=cell,
                environment=self.environment,
                wall_s=outcome.wall_s,
                arrays=arrays,
                **taken,
            )

        return self._work(cell, _Made("measure", "", "measure"), keep, artifacts)

    def _keep_reference(self, cell: Cell, outputs: Path) -> None:
        """Keep what the cell's run gives others to compare with; without it they make it."""
        given = cell.provides
        if given is None or not outputs.is_file():
            return
        facts = {"kind": "reference", "images": given.images}
        with contextlib.suppress(StoreError), locked(self.cache / "locks" / f"{given.key}.lock"):
            cache = ArtifactCache(self.cache)
            if cache.find(given.key) is None:
                cache.commit(given.key, outputs.parent, outputs, facts)

    def _work(
        self,
        cell: Cell,
        what: _Made,
        keep: Callable[[Path, Outcome], Kept],
        artifacts: dict[str, Path],
    ) -> Kept | Failure:
        """Run one job in a worker and *keep* what it left; its folder goes away in any case."""
        folder = self.store.work_folder()
        job = Job(
            kind=what.kind,
            cell=cell,
            step=what.step,
            images=what.images,
            take=what.take,
            other=what.other,
            folder=folder.resolve(),
            cache=self.cache.resolve(),
            artifacts={key: path.resolve() for key, path in artifacts.items()},
            timeout_s=cell.spec["measure"]["timeout_s"],
            memory_limit_mb=cell.spec["measure"]["memory_limit_mb"],
        )
        try:
            outcome = self._execute(job)
            name = f"{cell.id}-{what.take.id}" if what.take else cell.id
            self.run.put_log(name, folder / "worker.log")
            if outcome.failure:
                return outcome.failure
            return _taken(keep, folder, outcome)
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


def _taken(keep: Callable[[Path, Outcome], Kept], folder: Path, outcome: Outcome) -> Kept | Failure:
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
