"""The raw samples that a figure derives from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchbench.claims_view import ClaimFigure
from benchbench.compare_view import Delta
from benchbench.comparing import Source
from benchbench.quantities import Named, Quantity
from benchbench.store import Run
from benchbench.types import ArrayRef, TakeKind

_OWN = ("latency.mean", "throughput", "cost.million")
"""Figures of the cell's own latency pass alone."""
_KINDS: dict[str, TakeKind] = {
    "offline": "offline", "server": "server", "cameras": "cameras", "multi-stream": "multi-stream",
    "energy": "energy",
}  # fmt: skip


def of_figure(source: Source, cell: str, found: Quantity) -> tuple[ArrayRef, ...]:
    """Return the arrays below one figure of a cell; none where it is read from a record."""
    return _ordered(_single(source, cell, found))


def _single(source: Source, cell: str, found: Quantity) -> Iterator[ArrayRef]:
    head = found.name.partition(".")[0]
    if found.name == "latency.first":
        return  # timed as a stage of the record: no samples are kept of it
    if found.basis == "images":
        yield from _scored(source, cell)
    elif found.name in _OWN or (head == "latency" and found.basis == "one process"):
        yield from _named(source, cell, ("samples",))
    elif head == "latency":
        yield from _taken(source, cell, "process", "samples")
    elif head in _KINDS:
        kind = _KINDS[head]
        yield from _taken(source, cell, kind, "energy" if kind == "energy" else "load")


def of_change(source: Source, a: str, b: str, found: Delta) -> tuple[ArrayRef, ...]:
    """Return the arrays below a change of *b* against *a*, two cells of one run."""
    return _ordered(_changed(source, a, b, found))


def _changed(source: Source, a: str, b: str, found: Delta) -> Iterator[ArrayRef]:
    if found.design == "turns":
        yield from _turns(source, a, b, "energy" if found.family == "energy" else "turns")
        return
    for cell in (a, b):
        if found.design == "images":
            yield from _scored(source, cell)
        elif found.design == "rounds":
            yield from _taken(source, cell, "process", "samples")
        elif found.design == "trials":
            yield from _taken(source, cell, "energy", "energy")


def _scored(source: Source, cell: str) -> Iterator[ArrayRef]:
    yield from _named(source, cell, ("tally", "slices"))


def _named(source: Source, cell: str, names: Iterable[str]) -> Iterator[ArrayRef]:
    result = source.run.result(cell) if source.run else None
    if result:
        yield from (result.arrays[name] for name in names if name in result.arrays)


def _taken(source: Source, cell: str, kind: TakeKind, name: str) -> Iterator[ArrayRef]:
    for one in source.taken(cell):
        if one.take.kind == kind and one.failure is None and name in one.arrays:
            yield one.arrays[name]


def _turns(source: Source, a: str, b: str, name: str) -> Iterator[ArrayRef]:
    run = source.run
    if run is None:
        return
    for compared in run.asked().compared:
        ends = {compared.baseline, compared.candidate}
        if compared.elsewhere is None and ends == {a, b}:
            taken = (run.taken(take) for take in compared.takes)
            yield from (
                one.arrays[name]
                for one in taken
                if one and one.failure is None and name in one.arrays
            )


def _ordered(found: Iterable[ArrayRef]) -> tuple[ArrayRef, ...]:
    return tuple(sorted({one.sha256: one for one in found}.values(), key=lambda one: one.sha256))


def traces(run: Run | None, cells: Iterable[str], figure: ClaimFigure) -> list[object]:
    """Return what tells one measurement from another where no raw samples are kept."""
    started = [result.started for cell in cells if run and (result := run.result(cell))]
    return [*started, figure.value]


def is_raw(source: Source, cell: str, wanted: Named, basis: str) -> bool:
    """Return whether a figure of accuracy can be formed from the stored tally."""
    if basis != "images":
        return True
    kind, _, of = (wanted.subject or "").partition("=")
    if kind == "slice":
        part = source.slices(cell).get(of)
        return part is not None and part.sample is not None
    found = source.resamples(cell)
    if found is None:
        return False
    if kind == "class":
        return wanted.name in found.by_class and of in found.classes
    return wanted.name in found.metrics


def of_tally(source: Source, cell: str, wanted: Named) -> float | None:
    """Return a figure of accuracy as the stored tally gives it; None where it gives none."""
    kind, _, of = (wanted.subject or "").partition("=")
    if kind == "slice":
        part = source.slices(cell).get(of)
        return float(part.sample.value) if part and part.sample else None
    found = source.resamples(cell)
    if found is None:
        return None
    if kind == "class":
        sample = found.by_class.get(wanted.name)
        known = sample is not None and of in found.classes
        return float(sample.column(found.classes.index(of)).value) if sample and known else None
    sample = found.metrics.get(wanted.name)
    return float(sample.value) if sample else None
