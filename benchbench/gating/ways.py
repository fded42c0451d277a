"""How the pairs of a retry are taken: as the suite's comparisons ask, by a meter of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.suite.takes import ComparisonEntry, Where
from benchbench.taken import energy_takes
from benchbench.takes import matches
from benchbench.types import Cell, Taken


@dataclass(frozen=True, slots=True)
class Ways:
    """How pairs of a run's cells may be taken."""

    entries: Sequence[ComparisonEntry]
    """The comparisons of the run's suite."""
    taken: Sequence[Taken] = ()
    """What was taken of the run's cells."""

    def here(self, baseline: Cell, candidate: Cell) -> ComparisonEntry:
        """Return how two cells of the run take turns."""
        return _first(
            [
                one
                for one in self.entries
                if matches(one.baseline, baseline) and matches(one.candidate, candidate)
            ]
        )

    def apart(self, candidate: Cell, meter: str | None) -> ComparisonEntry:
        """Return how *candidate* takes turns with another run's cell, by a *meter* of this kind.

        As the suite's comparison that has the cell as its candidate, before all one with such a
        meter; the meter is otherwise the one that took the cell's energy.
        """
        about = [one for one in self.entries if matches(one.candidate, candidate)]
        alike = [one for one in about if meter is not None and _kind(one) == meter]
        if alike:
            return alike[0]
        own = self._meter(candidate, meter)
        if own is None:
            return _first(about).model_copy(update={"meter": None})
        return ComparisonEntry.model_validate(dict(_first(about)) | {"meter": own})

    def _meter(self, cell: Cell, kind: str | None) -> dict[str, Any] | None:
        """Return the meter of this kind, with its options, that measured the energy of *cell*."""
        own = (one for one in self.taken if one.take.cell == cell.id)
        for alike in energy_takes(own):
            meter: dict[str, Any] = alike[0].take.options["meter"]
            if alike[0].failure is None and meter["kind"] == kind:
                return meter
        return None


def _kind(entry: ComparisonEntry) -> str | None:
    told = entry.model_dump(mode="json", include={"meter"})["meter"]
    return str(told["kind"]) if told else None


def _first(entries: Sequence[ComparisonEntry]) -> ComparisonEntry:
    return entries[0] if entries else ComparisonEntry(baseline=Where(), candidate=Where())
