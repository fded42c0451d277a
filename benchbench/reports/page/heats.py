"""Tables of accuracy by class, a column a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchbench.reports import evidence, wording
from benchbench.reports.grouping import Group, finite
from benchbench.reports.page.figures import Figure
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class Heat:
    """A table of per-class accuracy: three header rows, then a row a class."""

    metric: str
    cells: tuple[CellView, ...]
    """Of the columns."""
    models: tuple[tuple[str, int], ...]
    runtimes: tuple[tuple[str, int], ...]
    precisions: tuple[str, ...]
    """With the signs of the cell."""
    edges: frozenset[int]
    """Columns that begin a model."""
    lower: bool
    """True if less is better."""
    top: float
    """The figure of the strongest colour: 1, or the largest where figures exceed it."""
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]


def heats(group: Group) -> Iterable[Heat]:
    """Yield one table a metric; the primary metric where it is given by class, else every one."""
    names = list(dict.fromkeys(name for cell in group.cells for name in cell.per_class))
    primary = group.primary
    for name in [primary] if primary in names else names:
        cells = sorted(
            (cell for cell in group.cells if name in cell.per_class),
            key=lambda c: (c.model, c.runtime, c.device),
        )
        yield _heat(str(name), cells)


def _heat(metric: str, cells: Sequence[CellView]) -> Heat:
    classes = dict.fromkeys(name for cell in cells for name in cell.per_class[metric])
    lower = {name for cell in cells for name in cell.lower_is_better}
    return Heat(
        metric=wording.metric_name(metric, lower),
        cells=tuple(cells),
        lower=metric in lower,
        top=max(
            [1.0, *(v for c in cells for k in c.per_class[metric].values() if (v := finite(k)))]
        ),
        models=_spans((cell.model,) for cell in cells),
        runtimes=_spans((cell.runtime, cell.model, cell.device) for cell in cells),
        precisions=tuple(f"{c.precision}\u00a0{evidence.signs(c)}".rstrip() for c in cells),
        edges=frozenset(i for i in range(1, len(cells)) if cells[i].model != cells[i - 1].model),
        rows=tuple((k, tuple(_class_figure(cell, metric, k) for cell in cells)) for k in classes),
    )


def _spans(keys: Iterable[tuple[str, ...]]) -> tuple[tuple[str, int], ...]:
    return tuple((key[0], len(list(run))) for key, run in groupby(keys))


def _class_figure(cell: CellView, metric: str, name: str) -> Figure:
    found = cell.per_class[metric]
    value = finite(found.get(name))
    reason = "" if value is not None else "the evaluator gives no value for this class"
    return Figure(wording.fraction(value), value, reason)
