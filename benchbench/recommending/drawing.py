"""Joint draws of the figures of a run's cells: what each could be, as far as its measurement tells.

Accuracy takes the stored bootstrap draws of images, the same of all cells; times and energies are
drawn from Student's t of processes and trials; what a search left between two ends is drawn
uniformly in the logarithm. Figures of one cell that stem from the same processes move together.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchbench.confidence import Resamples, resamples
from benchbench.errors import UsageError
from benchbench.quantities import Basis, Named, Quantity, absence, quantity
from benchbench.recommend_view import Bound
from benchbench.slice_confidence import Slice, slices
from benchbench.stats.choice import (
    Values,
    bracket,
    constant,
    recentred,
    shared_order,
    student,
    uniforms,
)
from benchbench.stats.resampling import Sample, withheld
from benchbench.store import Run
from benchbench.types import Result
from benchbench.view import CellView

_UNKNOWN: Mapping[Basis, str] = {
    "one process": "one process: its spread is not known",
    "one run": "one run: its spread is not known",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a cell, and its draws; without draws where it is absent."""

    quantity: Quantity
    draws: Values | None
    """(D,)."""
    note: str | None = None
    """Why the draws are all alike, although the figure could be another."""
    fault: UsageError | None = None
    """Why the cell could not have the figure, whatever is measured."""
    bound: Bound | None = None
    """Where the value is but an end of what the figure can be, which; *note* says why."""

    @property
    def told(self) -> str | None:
        """The note, with what the value is an end of."""
        return f"{self.bound} this: {self.note}" if self.bound else self.note


@dataclass
class Sampler:
    """Draws figures of the cells of one run; equal questions get equal draws."""

    run: Run | None
    """Where accuracy's draws are kept; None draws accuracy from its standard error, unpaired."""
    results: Mapping[str, Result]
    draws: int
    seed: int
    _kept: dict[str, Resamples | None] = field(default_factory=dict)
    _slices: dict[str, Mapping[str, Slice]] = field(default_factory=dict)

    def figure(self, cell: CellView, wanted: Named) -> Figure:
        """Return a figure of *cell*; absent, with the reason, where the cell does not know it."""
        try:
            found = quantity(cell, wanted)
        except UsageError as fault:
            return Figure(_none(cell, wanted, fault), None, fault=fault)
        if found.value is None or not math.isfinite(found.value):
            return Figure(_absent(found), None)
        if found.basis == "images":
            return self._of_images(cell, found)
        if found.basis in ("processes", "rounds", "trials") and found.low is not None:
            return Figure(found, self._of_units(cell, found))
        if found.basis == "probes":
            return self._of_probes(cell, found)
        note = _UNKNOWN.get(found.basis)
        if note is None and found.basis != "counted":
            note = found.reason or "its spread is not known"
        return Figure(found, constant(found.value, self.draws), note)

    def _of_images(self, cell: CellView, found: Quantity) -> Figure:
        assert found.value is not None
        sample = self._sample(cell, found)
        if sample is not None:
            own, images = sample
            order = shared_order(len(own.replicates), self.draws, self.seed, images)
            told = _with_interval(found, own)
            return Figure(told, recentred(found.value, own.replicates, order))
        if found.se and found.low is not None:
            return Figure(found, self._of_units(cell, found))
        why = found.reason or "nothing is kept to resample"
        return Figure(found, constant(found.value, self.draws), f"its spread is not known: {why}")

    def _sample(self, cell: CellView, found: Quantity) -> tuple[Sample, bytes] | None:
        """Return the bootstrap sample with what tells its images; None where there is none."""
        kind, _, name = (found.subject or "").partition("=")
        if self.run is None or not any(one.se for one in cell.intervals.values()):
            return None
        if kind == "slice":
            part = self._slices_of(self.run, cell).get(name)
            if part is None or part.sample is None or withheld(part.sample, len(part.images)):
                return None
            return part.sample, _told(part.images)
        kept = self._resamples(self.run, cell)
        if kept is None:
            return None
        sample = kept.metrics.get(found.name)
        if kind == "class":
            per_class = kept.by_class.get(found.name)
            known = per_class is not None and name in kept.classes
            sample = per_class.column(kept.classes.index(name)) if per_class and known else None
        if sample is None or withheld(sample, len(kept.images)):
            return None
        return sample, _told(kept.images)

    def _resamples(self, run: Run, cell: CellView) -> Resamples | None:
        if cell.id not in self._kept:
            self._kept[cell.id] = resamples(run, self.results[cell.id])
        return self._kept[cell.id]

    def _slices_of(self, run: Run, cell: CellView) -> Mapping[str, Slice]:
        if cell.id not in self._slices:
            self._slices[cell.id] = slices(run, self.results[cell.id])
        return self._slices[cell.id]

    def _of_units(self, cell: CellView, found: Quantity) -> Values:
        """Return draws of a t interval over processes, rounds or trials; normal over images."""
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        df = math.inf if found.basis == "images" else max((found.n or 2) - 1, 1)
        source = "processes" if found.basis == "rounds" else found.basis
        worse = uniforms(self.draws, self.seed, cell.id, source)
        quantiles = 1 - worse if found.higher_is_better else worse
        return student(found.value, (found.low, found.high), found.level or 0.95, df, quantiles)

    def _of_probes(self, cell: CellView, found: Quantity) -> Figure:
        assert found.value is not None
        met, missed = found.low or found.value, found.high
        if missed is None or missed <= met:
            why = found.reason or "no higher load was tried"
            return Figure(found, constant(found.value, self.draws), why, bound="at least")
        quantiles = uniforms(self.draws, self.seed, cell.id, found.full_name)
        whole = found.unit == "cameras"
        return Figure(found, bracket(met, missed, quantiles, whole=whole))


def _none(cell: CellView, wanted: Named, fault: UsageError) -> Quantity:
    return Quantity(
        name=wanted.name,
        subject=wanted.subject,
        unit="",
        higher_is_better=True,
        basis="one run",
        reason=absence(cell) or fault.message,
    )


def _absent(found: Quantity) -> Quantity:
    reason = found.reason or "no reason is given"
    if found.value is not None:
        reason = f"the value is {found.value}"
    return found.model_copy(update={"value": None, "low": None, "high": None, "reason": reason})


def _told(images: tuple[int, ...]) -> bytes:
    return hashlib.sha256(np.asarray(images, np.int64).tobytes()).digest()


def _with_interval(found: Quantity, sample: Sample) -> Quantity:
    """Return a class's figure with the interval that no view carries."""
    if found.low is not None or found.value is None:
        return found
    se = float(np.nanstd(sample.replicates, ddof=1))
    reach = 1.959963984540054 * se
    update = {
        "se": se,
        "low": found.value - reach,
        "high": found.value + reach,
        "level": 0.95,
        "reason": None,
    }
    return found.model_copy(update=update)
