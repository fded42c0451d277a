"""How many times as fast each cell is as the fp32 cell that differs from it in nothing else.

From rounds of fresh processes where both were taken in some, else from one process each. The canary
that ran beside both tells whether the machine itself changed between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.columns import unpack_samples
from benchbench.stats.canary import LEAST_PROCESSES, canary_ratio, cause
from benchbench.stats.latency import query_ns
from benchbench.stats.ratio import METHOD, ROUNDS, speedup, speedup_of_rounds
from benchbench.store import Run
from benchbench.types import Caveat, Result, Samples, Taken
from benchbench.view import CellView, Speedup

Rounds = Mapping[int, Samples]
"""Samples of the fresh processes of a cell, by the number of the round."""


def read_rounds(run: Run, taken: Iterable[Taken]) -> dict[str, Rounds]:
    """Return the samples of the fresh processes among *taken*, by cell."""
    found: dict[str, dict[int, Samples]] = {}
    for one in sorted(taken, key=lambda one: one.take.number):
        if one.take.kind == "process" and not one.failure:
            samples = unpack_samples(run.array(one.arrays["samples"]))
            found.setdefault(one.take.cell, {})[one.take.number] = samples
    return dict(found)


def with_speedups(
    run: Run,
    cells: Iterable[CellView],
    results: Mapping[str, Result],
    rounds: Mapping[str, Rounds],
) -> tuple[CellView, ...]:
    """Return *cells*, each with its speed against fp32 where both were timed."""
    cells = tuple(cells)
    bases = {_likeness(cell): cell for cell in cells if cell.precision == "fp32" and cell.latency}
    found = []
    for cell in cells:
        base = bases.get(_likeness(cell)) if cell.precision != "fp32" and cell.latency else None
        both = (base, cell) if base else ()
        sides = [_side(run, results[one.id], rounds.get(one.id, {})) for one in both]
        found.append(_with_speedup(cell, base.id, *sides) if base else cell)
    return tuple(found)


def _likeness(cell: CellView) -> tuple[Any, ...]:
    return (cell.model, cell.runtime, cell.device, cell.batch, cell.dataset, cell.split)


def _side(run: Run, result: Result, rounds: Rounds) -> tuple[Samples, Rounds]:
    return unpack_samples(run.array(result.arrays["samples"])), rounds


def _with_speedup(
    cell: CellView, base: str, slow: tuple[Samples, Rounds], fast: tuple[Samples, Rounds]
) -> CellView:
    common = sorted(slow[1].keys() & fast[1].keys())
    both = [[side[1][number] for number in common] for side in (slow, fast)]
    several = len(common) > 1
    ratio = _of_rounds(*both) if several else speedup(_query_ms(slow[0]), _query_ms(fast[0]))
    if ratio is None:
        return cell
    canaries = [[one.canary_ns for one in side] for side in both]
    if not several:
        canaries = [[side[0].canary_ns] for side in (slow, fast)]
    made = Speedup(
        against=base,
        ratio=ratio[0],
        low=ratio[1],
        high=ratio[2],
        method=ROUNDS if several else METHOD,
        rounds=len(common) if several else None,
    )
    return _judged(cell, made, canaries)


def _of_rounds(
    slow: Sequence[Samples], fast: Sequence[Samples]
) -> tuple[float, float, float] | None:
    medians = [np.array([np.median(_query_ms(one)) for one in side]) for side in (slow, fast)]
    return speedup_of_rounds(*medians)


def _judged(
    cell: CellView, made: Speedup, canaries: Sequence[Sequence[NDArray[np.int64]]]
) -> CellView:
    """Return *cell* with its speed, and a doubt where the machine changed between the two.

    The process is the unit: a canary of one process differs from another's on a machine that did
    not change, so few processes prove no drift; they leave the cause open.
    """
    if not all(one.size for side in canaries for one in side):
        return cell.model_copy(update={"speedup": made})
    canary = canary_ratio(*canaries)
    why = cause(1 / made.high, 1 / made.low, canary)
    if min(map(len, canaries)) < LEAST_PROCESSES:
        why = "unclear" if why == "runner" else why
        return cell.model_copy(update={"speedup": made.model_copy(update={"cause": why})})
    update: dict[str, Any] = {"speedup": made.model_copy(update={"cause": why})}
    moved = {part.part: part.ratio for part in canary.parts if part.moved and part.ratio}
    if moved:
        figures: dict[str, float | int | str] = {f"{k}_ratio": v for k, v in moved.items()}
        update["caveats"] = (*cell.caveats, Caveat(code="runner_drift", figures=figures))
    return cell.model_copy(update=update)


def _query_ms(samples: Samples) -> NDArray[np.float64]:
    return query_ns(samples) / 1e6
