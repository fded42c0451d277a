"""From a run to the baseline that stands for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchbench.baselines.format import Baseline, KeptDraws, KeptSample, KeptSlice, Packed
from benchbench.baselines.processes import processes
from benchbench.confidence import Resamples, resamples
from benchbench.errors import BenchbenchError, UsageError
from benchbench.slice_confidence import Slice, slices
from benchbench.store import Run, utc_now
from benchbench.types import digest
from benchbench.view import CellView, RunView

CLASS_BYTES = SLICE_BYTES = 400_000
"""Draws by class, and those by slice, are kept where all of them together stay below this."""
_DRAWN = (
    "curves", "matrices", "soak", "definitions", "loadgen", "conditions", "changes", "parity",
    "class_comparisons",
)  # fmt: skip
"""Fields of a cell that comparisons do not look at."""
_OF_THIS_DAY = ("load_average", "python")


def make(run: Run, view: RunView, name: str, *, all_metrics: bool = False) -> Baseline:
    """Return *run* as a baseline; of accuracy the primary metric's draws, or *all_metrics*'.

    Raises :class:`~benchbench.errors.UsageError` where the run has no measured cell.
    """
    if not any(cell.status == "measured" for cell in view.cells):
        raise UsageError(
            f"the run {run.id} has no measured cell", hint="finish it first: benchbench run SUITE"
        )
    images: dict[str, Packed] = {}
    draws: dict[str, KeptDraws] = {}
    for cell in view.cells:
        found = _resampled(run, cell)
        if found is not None:
            key = digest(list(found.images))[:16]
            images[key] = Packed.of(np.array(found.images, np.int64), "<i8")
            names = list(found.metrics) if all_metrics else [str(cell.primary)]
            draws[cell.id] = _kept(found, key, names, str(cell.primary))
    draws, left_out = _bounded(draws)
    sliced, of_slices, more = _sliced(run, view)
    return Baseline(
        name=name,
        saved=utc_now(),
        view=trimmed(view),
        cells=tuple(one.cell for one in run.manifest().cells),
        processes=processes(run),
        images=images | of_slices,
        draws=draws,
        slices=sliced,
        left_out=(*left_out, *more),
    )


def _bounded(draws: dict[str, KeptDraws]) -> tuple[dict[str, KeptDraws], tuple[str, ...]]:
    """Return *draws* without those by class if these are too large, and what was left out."""
    size = sum(len(one.draws.data) for kept in draws.values() for one in kept.by_class.values())
    if size <= CLASS_BYTES:
        return draws, ()
    bare = {
        cell: kept.model_copy(update={"classes": (), "by_class": {}})
        for cell, kept in draws.items()
    }
    told = f"the draws by class: {size / 1000:.0f} kB, above {CLASS_BYTES // 1000} kB"
    return bare, (told,)


_Sliced = tuple[dict[str, dict[str, KeptSlice]], dict[str, Packed], tuple[str, ...]]


def _sliced(run: Run, view: RunView) -> _Sliced:
    """Return the slices of each cell, the images that they draw from, and what is left out."""
    images: dict[str, Packed] = {}
    kept: dict[str, dict[str, KeptSlice]] = {}
    for cell in (cell for cell in view.cells if cell.slices):
        for part in _slices(run, cell):
            key = digest(list(part.images))[:16]
            images[key] = Packed.of(np.array(part.images, np.int64), "<i8")
            kept.setdefault(cell.id, {})[part.kept.name] = _kept_slice(part, key)
    packed = [one.sample.draws for parts in kept.values() for one in parts.values()]
    size = sum(len(one.data) for one in (*packed, *images.values()))
    if size > SLICE_BYTES:
        told = f"the draws by slice: {size / 1000:.0f} kB, above {SLICE_BYTES // 1000} kB"
        return {}, {}, (told,)
    return kept, images, ()


def _slices(run: Run, cell: CellView) -> list[Slice]:
    """Return the slices of *cell* that can be drawn again."""
    result = run.result(cell.id)
    try:
        made = slices(run, result) if result else {}
    except BenchbenchError:
        return []
    return [one for one in made.values() if one.sample is not None]


def _kept_slice(part: Slice, images: str) -> KeptSlice:
    assert part.sample is not None
    assert part.draws is not None
    return KeptSlice(images=images, seed=part.draws.seed, sample=KeptSample.of(part.sample, "<f4"))


def _resampled(run: Run, cell: CellView) -> Resamples | None:
    result = run.result(cell.id) if cell.status == "measured" and cell.primary else None
    try:
        return resamples(run, result) if result else None
    except BenchbenchError:
        return None


def _kept(found: Resamples, images: str, names: Iterable[str], primary: str) -> KeptDraws:
    """Return the draws of metrics, and by class those of the primary one, or of the first."""
    of_class = primary if primary in found.by_class else next(iter(found.by_class), None)
    by_class = {} if of_class is None else {of_class: found.by_class[of_class]}
    return KeptDraws(
        images=images,
        replicates=found.draws.replicates,
        seed=found.draws.seed,
        metrics={
            name: KeptSample.of(found.metrics[name], "<f8")
            for name in names
            if name in found.metrics
        },
        classes=found.classes if by_class else (),
        by_class={name: KeptSample.of(one, "<f4") for name, one in by_class.items()},
    )


def trimmed(view: RunView) -> RunView:
    """Return *view* without what is only for drawing, and without what is of one day."""
    facts = {k: v for k, v in view.environment.items() if k not in _OF_THIS_DAY}
    return view.model_copy(
        update={
            "suite_text": "",
            "command_line": (),
            "environment": facts,
            "gate": None,
            "cells": tuple(_trimmed(cell) for cell in view.cells),
        }
    )


def _trimmed(cell: CellView) -> CellView:
    fields = CellView.model_fields
    update: dict[str, Any] = {name: fields[name].get_default() for name in _DRAWN}
    if cell.latency:
        plain = {"quantiles_ms": (), "trace_ms": ()}
        update["latency"] = cell.latency.model_copy(update=plain)
    return cell.model_copy(update=update)
