"""Every figure of every cell as columns: value, interval, and why a figure is absent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.quantities import Named, Quantity, known_names, quantity
from benchbench.reports.wording import caveat_line, short
from benchbench.reports.workbook.book import Value
from benchbench.view import CellView, RunView

KEYS = (
    "Cell", "Model", "Runtime", "Precision", "Device", "Batch", "Dataset", "Split", "Task",
    "Status", "Primary metric", "Cell id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run by name, a row a cell."""

    cells: tuple[CellView, ...]
    names: tuple[str, ...]
    """Of those that some cell has."""
    found: tuple[tuple[Quantity, ...], ...]
    """A row a cell, a column a name."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Return the heads of :attr:`rows`, with units."""
        told = [head for at, name in enumerate(self.names) for head in self._heads(at, name)]
        return (*KEYS, *told, "Doubts")

    def _heads(self, at: int, name: str) -> tuple[str, ...]:
        unit = self._unit(at)
        named = f"{name}, {unit}" if unit else name
        ends = (f"{name} low", f"{name} high", f"{name} interval of") if self._spans(at) else ()
        return (named, *ends)

    def _unit(self, at: int) -> str:
        column = [row[at] for row in self.found]
        units = {one.currency or one.unit for one in column if one.value is not None}
        return ", ".join(sorted(units)) if units != {"×"} else "times"

    def _spans(self, at: int) -> bool:
        return any(row[at].low is not None or row[at].high is not None for row in self.found)

    def rows(self) -> Iterable[tuple[Value, ...]]:
        """Yield the values under :attr:`heads`."""
        for cell, row in zip(self.cells, self.found, strict=True):
            told = [value for at, one in enumerate(row) for value in self._values(at, one)]
            doubts = "; ".join(caveat_line(caveat) for caveat in cell.caveats)
            yield (*_keys(cell), *told, doubts)

    def _values(self, at: int, one: Quantity) -> tuple[Value, ...]:
        if not self._spans(at):
            return (one.value,)
        spanned = one.low is not None or one.high is not None
        return (one.value, one.low, one.high, one.basis if spanned else None)

    def reasons(self) -> Iterable[tuple[Value, ...]]:
        """Yield cell, figure, and why it or its interval is absent."""
        for cell, row in zip(self.cells, self.found, strict=True):
            for one in row:
                if one.reason:
                    what = "value" if one.value is None else "interval"
                    yield (short(cell.label, 200), one.name, what, one.reason)


def figures(run: RunView) -> Figures:
    """Return the figures of *run*; a name that no cell has a value of is left out."""
    every = tuple(known_names(run.cells))
    table = [tuple(_quantity(cell, name) for name in every) for cell in run.cells]
    kept = [at for at in range(len(every)) if any(row[at].value is not None for row in table)]
    return Figures(
        run.cells,
        tuple(every[at] for at in kept),
        tuple(tuple(row[at] for at in kept) for row in table),
    )


def _quantity(cell: CellView, name: str) -> Quantity:
    """Return a figure of *cell*; of a metric that only other cells have, why it has none."""
    if name in cell.metrics or name in _fixed():
        return quantity(cell, Named(name))
    gone = "its evaluator does not give it" if cell.status == "measured" else "it was not measured"
    return Quantity(name=name, unit="", higher_is_better=True, basis="images", reason=gone)


def _fixed() -> frozenset[str]:
    return frozenset(known_names(()))


def _keys(cell: CellView) -> tuple[Value, ...]:
    names: Sequence[Value] = (
        short(cell.label, 300), cell.model, cell.runtime, cell.precision, cell.device, cell.batch,
        cell.dataset, cell.split, cell.task, cell.status, cell.primary, cell.id,
    )  # fmt: skip
    return tuple(names)


def by_class(run: RunView) -> Iterable[tuple[Value, ...]]:
    """Yield cell, metric, class and value of every accuracy by class."""
    for cell in run.cells:
        for metric, values in cell.per_class.items():
            for name, value in values.items():
                yield (short(cell.label, 200), metric, name, value)
