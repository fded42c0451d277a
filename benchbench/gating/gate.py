"""The gate over a run: judge, measure more where that was asked for, judge again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from benchbench import turnbook
from benchbench.assemble import run_view
from benchbench.comparing import of_run, open_source
from benchbench.gate_view import GateView, LimitView, OnInconclusive
from benchbench.gating.judging import Judge
from benchbench.gating.opposites import FP32, Opposites
from benchbench.gating.retrying import Wanted, why_not
from benchbench.gating.verdicts import Judged, decided, exit_code, verdict
from benchbench.stats.limits import ALPHA
from benchbench.store import Run, Store
from benchbench.suite.gates import LoadedGate
from benchbench.view import RunView

Measure = Callable[[Wanted], tuple[str, ...]]
"""Measures more of a run; returns what is left, in words."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a gate is decided."""

    alpha: float = ALPHA
    on_inconclusive: OnInconclusive = "fail"
    baseline: str | None = None
    admit: tuple[str, ...] = ()


@dataclass(slots=True)
class _Gate:
    """One gate while it is decided."""

    run: Run
    store: Store
    entries: Sequence[LoadedGate]
    options: Options
    view: RunView
    admitted: tuple[str, ...] = ()

    def judged(self) -> list[Judged]:
        """Judge every limit as the run stands now."""
        source = of_run(self.run, view=self.view)
        judge = Judge(
            source=source,
            opposites=Opposites(source, self.store),
            baseline=self.options.baseline,
            admit=self.options.admit,
            retries=self.options.on_inconclusive == "retry",
        )
        found = judge.all(self.entries)
        self.admitted = tuple(sorted(judge.used))
        return found


def gate(
    run: Run, store: Store, entries: Sequence[LoadedGate], options: Options, measure: Measure
) -> RunView:
    """Return *run* with the verdict over its limits.

    *measure* is called where the options ask for a retry and more measuring may settle a limit.
    Raises :class:`~benchbench.errors.UsageError` for limits that fit no cell, or a baseline that is
    not there.
    """
    made = _Gate(run, store, entries, options, run_view(run))
    if options.baseline and options.baseline.lower() != FP32:
        # Also where no limit needs it: the verdict names it.
        open_source(options.baseline, store, suite=made.view.suite)
    judged = made.judged()
    limits = decided(judged, options.alpha)
    left: tuple[str, ...] = ()
    if options.on_inconclusive == "retry":
        limits, left = _retried(made, judged, limits, measure)
    return made.view.model_copy(update={"gate": _gate_view(made, limits, left)})


def _retried(
    made: _Gate, judged: Sequence[Judged], limits: tuple[LimitView, ...], measure: Measure
) -> tuple[tuple[LimitView, ...], tuple[str, ...]]:
    """Return the limits after more was measured, and what is left."""
    wanted = _wanted(judged, limits, made.options.alpha)
    if not wanted:
        return limits, ()
    why = why_not(made.run, wanted.cells)
    if why:
        return limits, (f"nothing more was measured: {why}",)
    left = measure(wanted)
    made.view = run_view(made.run)
    again = decided(made.judged(), made.options.alpha)
    return tuple(_marked(limits, again)), left


def _wanted(judged: Sequence[Judged], limits: Iterable[LimitView], alpha: float) -> Wanted:
    """Return what would settle what is open, or rests on too few processes to fail a build.

    Pairs are taken until they would decide even if every limit that has a p-value, or may get one,
    shared *alpha*: Holm's correction asks no more.
    """
    wanted = Wanted()
    asked = sum(not one.exact and (not one.settled or one.wants) for one in judged)
    for one, limit in zip(judged, limits, strict=True):
        if limit.outcome == "inconclusive" or (limit.outcome == "fail" and one.few):
            wanted.processes.update(one.processes)
            if one.turns:
                family = ceil(asked * one.turns.looks * turnbook.ALPHA / alpha)
                wanted.turns.append(replace(one.turns, questions=max(family, 1)))
            wanted.energies.update(one.energies)
    return wanted


def _marked(before: Iterable[LimitView], after: Iterable[LimitView]) -> Iterable[LimitView]:
    """Yield *after*, those marked that rest on more than *before*."""
    for old, new in zip(before, after, strict=True):
        more = (old.basis, old.p_holds) != (new.basis, new.p_holds)
        yield new.model_copy(update={"retried": more})


def _gate_view(made: _Gate, limits: tuple[LimitView, ...], left: tuple[str, ...]) -> GateView:
    found, how = verdict(limits), made.options.on_inconclusive
    return GateView(
        run=made.view.run,
        suite=made.view.suite,
        title=made.view.title,
        created=made.view.created,
        baseline=made.options.baseline,
        outcome=found,
        on_inconclusive=how,
        exit_code=exit_code(found, how),
        alpha=made.options.alpha,
        limits=limits,
        admitted=made.admitted,
        left=(*left, *_untouched(made.view, limits)),
    )


def _untouched(view: RunView, limits: Iterable[LimitView]) -> list[str]:
    """Return the failed cells that no limit is about, in words."""
    about = {one.cell for one in limits}
    failed = [one for one in view.cells if one.status == "failed" and one.id not in about]
    return [f"{cell.label} failed, and no limit is about it" for cell in failed]
