"""What a figure of a cell says about its true value: what limits are held against."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

from benchbench.comparing import Source
from benchbench.gating.looks import following
from benchbench.quantities import Quantity
from benchbench.stats.limits import Between, Estimate, Exact, Known, of_probes
from benchbench.stats.processes import FEW
from benchbench.stats.resampling import interval
from benchbench.stats.variance import t_interval, t_quantile
from benchbench.view import CellView

_LEVEL = 0.95
_RETRY = "gate with --on-inconclusive retry"
MORE_PROCESSES = f"benchbench run SUITE --processes 10, or {_RETRY}"
LONGER = "more processes, or longer ones: measure.processes.queries in the suite"
THESE = "add 'on these images' to ask about these images alone"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a figure decides nothing, and what would."""

    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a figure."""

    limit: float
    exactly: bool = False
    """About the images that were scored, not others like them."""
    looks: int = 1
    """How often fresh processes may be looked at."""


def known(found: Quantity, cell: CellView, asked: Question) -> Known | Unknown:
    """Return what *found*, a figure of *cell*, says; Unknown where it can decide nothing."""
    if found.basis == "probes" and (cell.server if found.name == "server.rate" else cell.cameras):
        return _searched(found, cell, asked.limit)
    if found.value is None:
        return _absent(found, cell)
    if asked.exactly or found.basis in ("counted", "one run"):
        return Exact(found.value)
    if found.basis == "one process":
        return Unknown("one process says nothing of how processes differ", _several(found.name))
    if found.basis == "images":
        return _of_images(found)
    return _of_interval(found, cell, asked.looks)


def _absent(found: Quantity, cell: CellView) -> Unknown:
    """Return why there is no figure: that of the processes, where they were taken."""
    for one in cell.processes.percentiles if cell.processes else ():
        if found.name == f"latency.p{one.percentile:g}" and one.reason:
            return Unknown(one.reason, LONGER)
    why = found.reason or "it was not measured"
    # A meter that cannot read, say, is no better for being asked again.
    unasked = found.basis in ("one process", "one run") or "the suite" in why
    return Unknown(why, _taking(found.name) if unasked else None)


def _of_images(found: Quantity) -> Known | Unknown:
    if found.value is None or not found.se:
        return Unknown(found.reason or "its error over other images is not known", THESE)
    return Estimate(found.value, found.se)


def _of_interval(found: Quantity, cell: CellView, looks: int) -> Known | Unknown:
    """Return the mean behind a t interval of processes, rounds or trials."""
    assert found.value is not None
    if found.low is None or found.high is None or found.level is None or not found.n:
        return Unknown(found.reason or "it has no interval", _taking(found.name))
    if found.low >= found.high or found.n < 2:
        return Unknown("its interval has no width, which says nothing of its error")
    if _pooled(found, cell):
        return Between.of(found.low, found.high, found.level)
    t, df = t_quantile(found.n - 1, (1 + found.level) / 2), found.n - 1
    if found.basis == "trials":
        return Estimate(found.value, (found.high - found.low) / 2 / t, df)
    # The interval is symmetric on the log scale, and its middle is the mean.
    middle, se = sqrt(found.low * found.high), log(found.high / found.low) / 2 / t
    return Estimate(middle, se, df, log=True, looks=looks)


def _pooled(found: Quantity, cell: CellView) -> bool:
    """Return whether a percentile is of all processes' queries together: not a t interval."""
    several = cell.processes.percentiles if cell.processes else ()
    return any(
        found.name == f"latency.p{one.percentile:g}" and one.method == "pooled processes"
        for one in several
    )


def _searched(found: Quantity, cell: CellView, limit: float) -> Known | Unknown:
    """Return what the probes of a search say of *limit*."""
    if found.name == "server.rate":
        server = cell.server[0]
        return of_probes(server.probes, 1 - server.percentile / 100, limit)
    return of_probes(cell.cameras[0].probes, cell.cameras[0].miss_share, limit)


def by_class(found: Quantity, source: Source, cell: CellView) -> Quantity:
    """Return *found*, accuracy of one class, with its error over the draws of the images."""
    made = source.resamples(cell.id)
    of = (found.subject or "").removeprefix("class=")
    if made is None or found.name not in made.by_class or of not in made.classes:
        why = "this evaluator keeps nothing to draw this class's figure from"
        return found.model_copy(update={"reason": why})
    one = interval(made.by_class[found.name].column(made.classes.index(of)), made.draws)
    update = one.model_dump(include={"se", "low", "high", "level", "reason"})
    return found.model_copy(update={**update, "n": one.images})


def by_processes(found: Quantity, source: Source, cell: CellView) -> Quantity:
    """Return *found*, a throughput, over fresh processes where there are several.

    It is the inverse of a process's mean latency, times what a query holds; the interval is
    Student's of the logarithms, as a comparison's.
    """
    means = [one.figures.get("latency.mean", 0.0) for one in source.processes(cell.id)]
    if found.value is None or cell.latency is None or len(means) < 2 or min(means) <= 0:
        return found
    if (mean := t_interval([-log(one) for one in means], _LEVEL)).value is None:
        return found
    images_ms = found.value * cell.latency.mean_ms
    low, high = (None if end is None else images_ms * exp(end) for end in (mean.low, mean.high))
    update = {"low": low, "high": high, "level": _LEVEL, "n": len(means), "basis": "processes"}
    return found.model_copy(update={**update, "value": images_ms * exp(mean.value)})


_CLOSER = {
    "images": "more images: four times as many halve the interval",
    "trials": "more or longer trials: measure.energy in the suite",
    "probes": "a longer search: 'seconds' of the scenario in the suite",
}


def closer(found: Quantity) -> str | None:
    """Return what would make the interval of *found* narrower."""
    if found.basis in ("processes", "rounds"):
        return f"benchbench run SUITE --processes {following(found.n or 0)}, or {_RETRY}"
    return _CLOSER.get(found.basis)


def few(found: Quantity) -> bool:
    """Return whether a figure rests on so few processes that it must not fail a build alone."""
    return found.basis in ("processes", "rounds") and (found.n or 0) < FEW


def words(found: Quantity, *, exactly: bool = False) -> str:
    """Return what a figure rests on: ``200 images``, ``10 processes``, ``one run``."""
    if exactly:
        return f"these {found.n} images" if found.n else "these images"
    if found.basis in ("counted", "one run", "one process") or found.n is None:
        return found.basis
    return f"{found.n} {found.basis}"


def _several(name: str) -> str:
    if name in ("latency.p50", "latency.p90", "latency.p99", "speedup", "throughput"):
        return MORE_PROCESSES
    if name.startswith("latency."):
        return "limit latency.p50, p90 or p99, which several processes give"
    return "limit latency.p50 (several processes), server.rate or cameras (searches) instead"


def _taking(name: str) -> str | None:
    if name.startswith("latency.p") or name == "speedup":
        return MORE_PROCESSES
    if name.startswith(("energy", "server", "cameras", "offline", "multi-stream")):
        return f"ask for it in the suite: measure.{_ASKED.get(name.partition('.')[0], '')}"
    return None


_ASKED = {
    "energy": "energy",
    "server": "server",
    "cameras": "cameras",
    "offline": "offline",
    "multi-stream": "multi_stream",
}
