"""What each fresh process of a cell measured, in a few numbers, beside its canary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.columns import unpack_samples
from benchbench.speeds import read_rounds
from benchbench.stats.latency import query_ns
from benchbench.stats.percentiles import autocorrelation_time, least_queries
from benchbench.store import Run
from benchbench.types import Record, Result, Samples, Taken

_PERCENTILES = (90, 95, 99)


class Process(Record):
    """One fresh process of a cell."""

    number: int
    """Of the round: processes of one number ran in the same minutes."""
    figures: dict[str, float]
    """``latency.p50``, ``latency.mean`` and the percentiles that it is long enough for, in ms."""
    canary_ms: tuple[float, ...] = ()
    """Median of each part of the canary; empty where it was not run."""


def processes(run: Run) -> dict[str, tuple[Process, ...]]:
    """Return every cell's fresh processes, in order, where it has some."""
    by_cell: dict[str, list[Taken]] = defaultdict(list)
    for taken in run.all_taken():
        by_cell[taken.take.cell].append(taken)
    found = {cell: of_takes(run, taken) for cell, taken in by_cell.items()}
    return {cell: made for cell, made in found.items() if made}


def of_takes(run: Run, taken: Iterable[Taken]) -> tuple[Process, ...]:
    """Return the fresh processes among *taken*, which is of one cell."""
    (rounds,) = [*read_rounds(run, taken).values()] or [{}]
    made = (_process(number, samples) for number, samples in sorted(rounds.items()))
    return tuple(one for one in made if one.figures)


def first_pass(run: Run, result: Result) -> Process | None:
    """Return the process of a cell's own first pass; None where it was not timed."""
    ref = result.arrays.get("samples")
    return _process(0, unpack_samples(run.array(ref))) if ref else None


def _process(number: int, samples: Samples) -> Process:
    return Process(
        number=number,
        figures=_figures(query_ns(samples) / 1e6),
        canary_ms=_canary(samples.canary_ns),
    )


def _figures(query_ms: NDArray[np.float64]) -> dict[str, float]:
    if not len(query_ms) or not (query_ms > 0).all():
        return {}
    found = {"latency.p50": float(np.median(query_ms)), "latency.mean": float(query_ms.mean())}
    worth = len(query_ms) / autocorrelation_time(query_ms)
    for percentile in _PERCENTILES:
        if worth >= least_queries(percentile):
            found[f"latency.p{percentile}"] = float(np.percentile(query_ms, percentile))
    return found


def _canary(parts_ns: NDArray[np.int64]) -> tuple[float, ...]:
    if not parts_ns.size:
        return ()
    medians: Sequence[float] = (np.median(parts_ns, axis=1) / 1e6).tolist()
    return tuple(medians) if min(medians) > 0 else ()
