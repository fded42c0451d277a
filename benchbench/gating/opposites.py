"""What a relative limit sets a cell against: fp32, cells of the same run, or another run's cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from benchbench.comparing import Source, open_source, pair
from benchbench.errors import UsageError
from benchbench.gating.figures import Unknown
from benchbench.store import Store
from benchbench.suite.takes import Where
from benchbench.view import CellView

FP32 = "fp32"
_NEW = "measure a new run, after a change say (run --fresh), or name another baseline"
_KEYS = ("model", "runtime", "precision", "device", "batch", "dataset")
_OF_FP32 = Where(precision=(FP32,))
Keys = tuple[str, ...]
Values = tuple[object, ...]
"""Of a cell, one for each of the keys."""


@dataclass(frozen=True, slots=True)
class Opposite:
    """A cell that another is set against."""

    source: Source
    cell: CellView
    label: str
    """With its run where that is another."""


def picks(where: Where, cell: CellView) -> bool:
    """Return whether *where* picks *cell*."""
    if where.batch is not None and cell.batch not in where.batch:
        return False
    return all(
        any(fnmatchcase(str(getattr(cell, key)), pattern) for pattern in getattr(where, key))
        for key in _KEYS
        if key != "batch"
    )


def _values(cell: CellView, keys: Keys) -> Values:
    return tuple(getattr(cell, key) for key in keys)


def _grouped(cells: Iterable[CellView], where: Where, keys: Keys) -> dict[Values, list[CellView]]:
    """Return the cells that *where* picks, in their order, by what they are in *keys*."""
    groups: dict[Values, list[CellView]] = {}
    for cell in cells:
        if picks(where, cell):
            groups.setdefault(_values(cell, keys), []).append(cell)
    return groups


@dataclass(slots=True)
class Opposites:
    """Finds them; what is read from the store is read once."""

    source: Source
    """The run that is judged."""
    store: Store
    settings: Sequence[str] = ()
    _opened: dict[str, Source] = field(default_factory=dict)
    _pairs: dict[str, dict[str, list[CellView]]] = field(default_factory=dict)
    _alike: dict[tuple[Where, Keys], dict[Values, list[CellView]]] = field(default_factory=dict)

    def of(self, cell: CellView, against: str | Where) -> tuple[Opposite, ...] | Unknown:
        """Return what *cell* is set against; Unknown where there is nothing.

        Nothing at all where *cell* is itself what others are set against. Raises
        :class:`~benchbench.errors.UsageError` for a baseline that is not there.
        """
        if isinstance(against, Where):
            return () if self._itself(against, cell) else self._here(self._like(against, cell))
        if against.lower() == FP32:
            return () if cell.precision == FP32 else self._here(self._like(_OF_FP32, cell))
        return self._elsewhere(cell, against)

    def _itself(self, where: Where, cell: CellView) -> bool:
        return picks(where, cell)

    def _like(self, where: Where, cell: CellView) -> Iterator[CellView]:
        """Yield the cells that *where* picks and that are alike in what it does not name."""
        same = tuple(key for key in (*_KEYS, "split", "task") if key not in where.model_fields_set)
        if (where, same) not in self._alike:
            self._alike[where, same] = _grouped(self.source.view.cells, where, same)
        alike = self._alike[where, same].get(_values(cell, same), [])
        return (one for one in alike if one.id != cell.id)

    def _here(self, cells: Iterator[CellView]) -> tuple[Opposite, ...] | Unknown:
        found = tuple(Opposite(self.source, one, one.label) for one in cells)
        why = "the run has no cell to set it against that differs in nothing else"
        return found or Unknown(why, "add that cell to the suite, or narrow 'where'")

    def _elsewhere(self, cell: CellView, name: str) -> tuple[Opposite, ...] | Unknown:
        other = self.opened(name)
        if name not in self._pairs:
            paired: dict[str, list[CellView]] = {}
            for theirs, mine in pair(other, self.source).pairs:
                paired.setdefault(mine.id, []).append(theirs)
            self._pairs[name] = paired
        alike = self._pairs[name].get(cell.id, [])
        if any(self._is_itself(other, one, cell) for one in alike):
            return Unknown(f"the baseline '{name}' is this run itself", _NEW)
        found = tuple(
            Opposite(other, one, f"{one.label} of {other.side.baseline or other.side.run}")
            for one in alike
        )
        why = f"{name} has no cell like it"
        return found or Unknown(why, "measure it there too, or narrow 'where'")

    def _is_itself(self, other: Source, theirs: CellView, mine: CellView) -> bool:
        """Return whether *theirs* is the measurement *mine*: a repeated run keeps its id."""
        same_run = other.view.run == self.source.view.run
        return same_run and (theirs.id, theirs.started) == (mine.id, mine.started)

    def opened(self, name: str) -> Source:
        """Return the side that *name* stands for, which is not the run itself."""
        if name not in self._opened:
            suite = self.source.view.suite
            found = open_source(name, self.store, self.settings, suite=suite)
            if found.run and self.source.run and found.run.folder == self.source.run.folder:
                raise UsageError(
                    f"the baseline '{name}' is the run that is judged, {self.source.view.run}",
                    hint="name an earlier run or a stored baseline",
                )
            self._opened[name] = found
        return self._opened[name]
