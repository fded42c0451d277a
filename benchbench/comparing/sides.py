"""The sides of a comparison: a run, some of its cells, a baseline, or the run of a git commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchbench import baselines
from benchbench.assemble import run_view
from benchbench.baselines import Baseline, Process
from benchbench.baselines.processes import first_pass, of_takes
from benchbench.compare_view import Side
from benchbench.comparing.choosing import chosen
from benchbench.comparing.commits import run_of_commit
from benchbench.confidence import Resamples, resamples
from benchbench.errors import BenchbenchError, StoreError, UsageError
from benchbench.files import is_file
from benchbench.plugins import suggest
from benchbench.slice_confidence import Slice, slices
from benchbench.store import Run, Store
from benchbench.types import Taken
from benchbench.view import CellView, RunView

_GIT = "git:"
_KEPT = 16
"""Cells whose draws are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Source:
    """One side: the figures of its cells, and what lies below them."""

    side: Side
    view: RunView
    cells: tuple[CellView, ...]
    """Those that were selected."""
    run: Run | None
    """None for a baseline that is kept as a file."""
    baseline: Baseline | None = None
    whole: bool = True
    """Whether all cells were selected."""
    _draws: dict[str, Resamples | None] = field(default_factory=dict, compare=False, repr=False)
    _takes: dict[str, list[Taken]] = field(default_factory=dict, compare=False, repr=False)

    def resamples(self, cell_id: str) -> Resamples | None:
        """Return a cell's accuracy on each draw of its images; None where it was not kept.

        Raises :class:`~benchbench.errors.StoreError` where what is stored was damaged.
        """
        if cell_id not in self._draws:
            while len(self._draws) >= _KEPT:
                self._draws.pop(next(iter(self._draws)))
            self._draws[cell_id] = self._resampled(cell_id)
        return self._draws[cell_id]

    def _resampled(self, cell_id: str) -> Resamples | None:
        if self.run is None:
            return self.baseline.resamples(cell_id) if self.baseline else None
        result = self.run.result(cell_id)
        try:
            return resamples(self.run, result) if result and result.scores else None
        except StoreError:
            raise
        except BenchbenchError:
            return None

    def slices(self, cell_id: str) -> dict[str, Slice]:
        """Return a cell's slices with their draws, those that were kept."""
        if self.baseline is not None:
            return self.baseline.slices_of(cell_id)
        result = self.run.result(cell_id) if self.run else None
        return slices(self.run, result) if self.run and result else {}

    def processes(self, cell_id: str) -> tuple[Process, ...]:
        """Return what each fresh process of a cell measured, in the order of the rounds."""
        if self.run is None:
            return self.baseline.processes.get(cell_id, ()) if self.baseline else ()
        return of_takes(self.run, self.taken(cell_id))

    def canaries(self, cell_id: str) -> tuple[Process, ...]:
        """Return the processes of a cell that a canary ran beside, its first pass if no other."""
        found = self.processes(cell_id)
        if not found and self.run is not None:
            result = self.run.result(cell_id)
            one = first_pass(self.run, result) if result else None
            found = (one,) if one else ()
        return tuple(one for one in found if one.canary_ms)

    def taken(self, cell_id: str) -> list[Taken]:
        """Return what was taken of a cell after its first pass."""
        if not self._takes and self.run is not None:
            for one in self.run.all_taken():
                self._takes.setdefault(one.take.cell, []).append(one)
        return self._takes.get(cell_id, [])


def same_job(a: Source, b: Source) -> bool:
    """Return whether both sides are of one run, or of one baseline."""
    if a is b:
        return True
    if a.run is not None and b.run is not None:
        return a.run.folder == b.run.folder
    if a.baseline is None or b.baseline is None:
        return False
    return (a.view.run, a.baseline.saved) == (b.view.run, b.baseline.saved)


def of_run(run: Run, text: str = "", view: RunView | None = None) -> Source:
    """Return all cells of *run* as a side; *view* spares reading it."""
    view = view or run_view(run)
    return Source(_side(text or run.id, view), view, view.cells, run)


def of_baseline(baseline: Baseline, text: str = "") -> Source:
    """Return all cells of *baseline* as a side."""
    view = baseline.view
    side = _side(text or baseline.name, view).model_copy(update={"baseline": baseline.name})
    return Source(side, view, view.cells, None, baseline)


def _side(text: str, view: RunView) -> Side:
    git: Any = view.environment.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    return Side(
        text=text,
        run=view.run,
        title=view.title,
        created=view.created,
        commit=str(commit) if commit else None,
    )


def open_source(
    text: str, store: Store, settings: Sequence[str] = (), *, suite: str | None = None
) -> Source:
    """Return the side that *text* names.

    A run (id, prefix, suite's name, ``latest``), a baseline's name, the path of a baseline's file,
    or ``git:REF``; each with ``#CELLS`` picks cells. ``run:`` and ``baseline:`` before a name tell
    the two apart. *settings* as for :meth:`benchbench.store.Store.run`; *suite* narrows ``git:`` to
    runs of that suite. Raises :class:`~benchbench.errors.UsageError` for what is not there or may
    mean two things, :class:`~benchbench.errors.StoreError` for a damaged file.
    """
    name, picked = _split(text)
    whole = _opened(name, store, settings, suite)
    whole = replace(whole, side=whole.side.model_copy(update={"text": text}))
    if picked is None:
        return whole
    return replace(whole, cells=chosen(whole.view, picked, text), whole=False)


def open_both(a: str, b: str, store: Store, settings: Sequence[str] = ()) -> tuple[Source, Source]:
    """Return both sides; ``git:`` then means a run of the other side's suite."""
    if a.startswith(_GIT):
        theirs = open_source(b, store, settings)
        return open_source(a, store, settings, suite=theirs.view.suite), theirs
    ours = open_source(a, store, settings)
    return ours, open_source(b, store, settings, suite=ours.view.suite)


def _split(text: str) -> tuple[str, str | None]:
    if _is_path(text):
        return text, None
    name, separator, picked = text.partition(".json#") if ".json#" in text else text.partition("#")
    return name + (".json" if separator == ".json#" else ""), picked if separator else None


def _is_path(text: str) -> bool:
    """Return whether *text* names a file, and not a run or a baseline of the store."""
    return text.endswith(".json") or ("/" in text and is_file(Path(text)))


def _opened(name: str, store: Store, settings: Sequence[str], suite: str | None) -> Source:
    kind, _, rest = name.partition(":")
    if f"{kind}:" == _GIT and rest:
        return of_run(run_of_commit(store, rest, suite))
    if kind == "run" and rest:
        return of_run(store.run(rest, settings))
    if kind == "baseline" and rest:
        return of_baseline(baselines.find(store, rest))
    if _is_path(name):
        return of_baseline(baselines.read(Path(name)))
    return _by_name(name, store, settings)


def _by_name(name: str, store: Store, settings: Sequence[str]) -> Source:
    """Return the run or the baseline of this name."""
    kept = baselines.names(store)
    if name not in kept:
        return of_run(_run(name, store, settings, kept))
    try:
        store.run(name, settings)
    except UsageError:
        return of_baseline(baselines.find(store, name))
    raise UsageError(
        f"'{name}' is a run and a baseline",
        hint=f"write run:{name} or baseline:{name}",
    )


_CELLS = "*?=·"
"""What stands in patterns of cells, and in no run's name."""


def _run(name: str, store: Store, settings: Sequence[str], kept: Sequence[str]) -> Run:
    try:
        return store.run(name, settings)
    except UsageError as error:
        if any(sign in name for sign in _CELLS):
            hint = f"cells stand behind a run: 'latest#{name}'"
            raise UsageError(error.message, hint=hint) from error
        runs = [run.id for run in store.runs()]
        if not kept or not runs or settings:
            raise
        raise UsageError(
            f"no run or baseline '{name}' in {store.folder}",
            hint=suggest(name, [*runs, *kept, "latest"]),
        ) from error
