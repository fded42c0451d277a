"""Changes of latency: by turns, by rounds of fresh processes, by a canary, or a trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.baselines import Process
from benchbench.compare_view import Delta
from benchbench.comparing.ends import SAME, Two, as_ratio, logs, mean_of, points, ratio_of, welch
from benchbench.comparing.sides import Source
from benchbench.stats import sequential
from benchbench.stats.canary import LEAST_PROCESSES
from benchbench.turns_view import TurnsView

_OF_PROCESSES = {"throughput": "latency.mean"}
"""Figures that are the inverse of one that processes tell."""
_ALONE = (
    "one process on a side says nothing of how processes differ: take pairs or rounds of processes"
)
_APART = (
    "two jobs, and no {} fresh processes with a canary on both sides that would tell the machine's"
    " change from the model's"
)


def timed(two: Two, base: Delta, level: float) -> Delta:
    """Return the ratio b / a by the best design that was measured, at best a trend elsewhere."""
    if two.same:
        return points(base, reason=SAME)
    designs = (of_turns, _of_rounds if two.together else _of_canaries)
    for design in designs:
        found = design(two, base, level)
        if found is not None:
            return found
    why = _ALONE if two.together else _APART.format(LEAST_PROCESSES)
    return points(base, design="trend", outcome="trend", reason=why)


# --- pairs that took turns ---------------------------------------------------------------


def of_turns(two: Two, base: Delta, level: float) -> Delta | None:
    """Return the ratio over pairs of processes that took turns, None where there are none.

    Of ``latency.p50``, and of ``energy`` where a meter watched the turns.
    """
    if base.quantity not in ("latency.p50", "energy"):
        return None
    told = turns_between(two, base.quantity, base.subject)
    if told is None:
        return None
    values = np.array(told.log_ratios, np.float64)
    found = mean_of(values, _looks(told))
    if found is None:
        return None
    made = as_ratio(base, found, level, "turns", f"{len(values)} pairs", inverse=told.inverse)
    return _anytime(made, values, level, told.inverse) if told.watched else made


@dataclass(frozen=True, slots=True)
class Turns:
    """The pairs of two cells that took turns."""

    view: TurnsView
    log_ratios: tuple[float, ...]
    """Of time or of energy, in order, the view's *b* over its *a*."""
    inverse: bool
    """Whether the view's *a* is what is compared with its *b*."""
    source: Source
    """Where the pairs are stored."""

    @property
    def watched(self) -> bool:
        """Whether the pairs were looked at one by one."""
        return self.view.settled_by == "sequence"


def turns_between(two: Two, name: str, subject: str | None = None) -> Turns | None:
    """Return the pairs that tell ``latency.p50`` or ``energy`` of two cells; None below two.

    Of two runs they are stored in the one whose gate let its cell take turns with the other's.
    """
    for inverse, source in ((False, two.b), (True, two.a)):
        for view in source.view.turns:
            found = _told(view, name, subject)
            if len(found) > 1 and _is_of(view, two, inverse=inverse):
                return Turns(view, found, inverse, source)
    return None


def without_energy(two: Two, subject: str | None = None) -> str | None:
    """Return why pairs that a meter was to watch tell no energy; None where none were, or some do.

    *subject*: ``meter=KIND`` asks about that meter alone.
    """
    for inverse, source in ((False, two.b), (True, two.a)):
        for view in source.view.turns:
            asked = view.energy_meter and subject in (None, f"meter={view.energy_meter}")
            failed = view.log_ratios and not view.energy_log_ratios
            if asked and failed and _is_of(view, two, inverse=inverse):
                return f"{view.energy_meter}: {view.energy_reason}"
    return None


def _told(view: TurnsView, name: str, subject: str | None) -> tuple[float, ...]:
    """Return the log ratios of a figure, those that a verdict rests on."""
    if name != "energy":
        return view.log_ratios[: view.pairs]
    asked = subject in (None, f"meter={view.energy_meter}")
    return view.energy_log_ratios[: view.energy_pairs or 0] if asked else ()


def _is_of(view: TurnsView, two: Two, *, inverse: bool) -> bool:
    """Return whether *view* is of *two*, its baseline being *b* where *inverse*."""
    ours = (two.b, two.b_cell, two.a_cell) if inverse else (two.a, two.a_cell, two.b_cell)
    source, baseline, candidate = ours
    if (view.a, view.b) != (baseline.id, candidate.id):
        return False
    if view.elsewhere is None or two.together:
        return view.elsewhere is None and two.together
    digest = baseline.artifact.sha256 if baseline.artifact else ""
    return (view.elsewhere.run, view.elsewhere.artifact) == (source.view.run, digest)


def _looks(told: Turns) -> int:
    """Return how often the pairs could have been looked at, over which the level is shared."""
    view, run = told.view, told.source.run
    if told.watched:
        asked = run.asked().compared if run else ()
        ends = (view.a, view.b, view.elsewhere)
        most = [
            one.most_pairs for one in asked if (one.baseline, one.candidate, one.elsewhere) == ends
        ]
        return max([view.pairs, *most])
    if view.wall.level is None or view.wall.level >= 1:
        return max(view.looks, 1)
    return max(round(2 * view.alpha / (1 - view.wall.level)), 1)


def _anytime(made: Delta, values: NDArray[np.float64], level: float, inverse: bool) -> Delta:
    """Return *made* with an interval and a p-value that hold whenever one stopped.

    The p-value is the inverse of the evidence (:mod:`benchbench.stats.sequential`), twice that of
    the better side.
    """
    bounds = sequential.bounds(values.tolist(), (1 - level) / 2)
    t = float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values))))
    evidence = max(sequential.log_evidence(side, len(values)) for side in (t, -t))
    ends: tuple[float | None, float | None] = (None, None)
    if bounds.low is not None and bounds.high is not None:
        low, high = (-bounds.high, -bounds.low) if inverse else (bounds.low, bounds.high)
        ends = (ratio_of(low), ratio_of(high))
    return made.model_copy(
        update={
            "low": ends[0],
            "high": ends[1],
            "p": min(1.0, 2 * ratio_of(-evidence)),
            "basis": f"{len(values)} pairs, looked at one by one",
            "reason": bounds.reason,
        }
    )


# --- fresh processes ---------------------------------------------------------------------


def _of_rounds(two: Two, base: Delta, level: float) -> Delta | None:
    """Return the paired t interval over rounds of both cells' log figures."""
    name = _OF_PROCESSES.get(base.quantity, base.quantity)
    ours, theirs = (
        {one.number: one.figures[name] for one in side if name in one.figures}
        for side in (two.a.processes(two.a_cell.id), two.b.processes(two.b_cell.id))
    )
    common = sorted(ours.keys() & theirs.keys())
    a, b = logs([ours[n] for n in common]), logs([theirs[n] for n in common])
    found = mean_of(b - a) if a is not None and b is not None else None
    if found is None:
        return None
    inverse = base.quantity in _OF_PROCESSES
    return as_ratio(base, found, level, "rounds", f"{len(common)} rounds", inverse=inverse)


def _of_canaries(two: Two, base: Delta, level: float) -> Delta | None:
    """Return the change of processes' log figures, each less the log of its own canary."""
    name = _OF_PROCESSES.get(base.quantity, base.quantity)
    sides = (two.a.processes(two.a_cell.id), two.b.processes(two.b_cell.id))
    ours, theirs = (calibrated(side, name) for side in sides)
    if min(len(ours), len(theirs)) < LEAST_PROCESSES:
        return None
    found = welch(ours, theirs)
    if found is None:
        return None
    basis = f"{len(ours)} and {len(theirs)} processes beside canaries"
    inverse = base.quantity in _OF_PROCESSES
    return as_ratio(base, found, level, "canary", basis, inverse=inverse)


def calibrated(processes: Sequence[Process], name: str) -> NDArray[np.float64]:
    """Return (P,): each process's log figure less the mean log of its canary's parts."""
    return np.array(
        [
            np.log(one.figures[name]) - np.mean(np.log(one.canary_ms))
            for one in processes
            if one.canary_ms and one.figures.get(name, 0.0) > 0
        ],
        np.float64,
    )


def canary_change(two: Two) -> float | None:
    """Return how many times as long the canary took beside b as beside a; None without one.

    Geometric mean over its parts and over the processes of each side.
    """
    sides = (two.a.canaries(two.a_cell.id), two.b.canaries(two.b_cell.id))
    if two.same or not all(sides):
        return None
    a, b = (np.mean([np.mean(np.log(one.canary_ms)) for one in side]) for side in sides)
    return float(np.exp(b - a))
