"""The numbers behind figures, for formats whose readers can edit charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchbench.energy_view import EnergyFigure, EnergyView
from benchbench.reports.document.model import Axis, Chart, Point, Series
from benchbench.reports.energy import scope
from benchbench.reports.evidence import named
from benchbench.reports.figures.classes import by_class, class_name
from benchbench.reports.figures.ends import accuracy_span, median_span
from benchbench.reports.figures.energy import measured
from benchbench.reports.figures.sheet import Plate
from benchbench.reports.figures.style import SHADES
from benchbench.reports.grouping import Group, accuracy, finite, median_ms, pass_ms, variant
from benchbench.reports.tables import within
from benchbench.reports.wording import metric_name, short
from benchbench.view import CellView

MOST_SERIES = 6


def chart(plate: Plate, group: Group, runtimes: Sequence[str]) -> Chart | None:
    """Return the chart of *plate*; None where readers gain nothing from editing one."""
    if plate.kind == "tradeoff":
        return _tradeoff(plate.cells, group, runtimes)
    if plate.kind == "latency":
        return _latency(plate.cells)
    if plate.kind == "classes":
        return _classes(plate.cells, group)
    return _energy(plate.cells) if plate.kind == "energy" else None


def _tradeoff(cells: Sequence[CellView], group: Group, runtimes: Sequence[str]) -> Chart:
    own = [name for name in runtimes if any(cell.runtime == name for cell in cells)]
    series = tuple(
        Series(short(name, 40), tuple(_spot(c) for c in cells if c.runtime == name),
               SHADES[min(runtimes.index(name), len(SHADES) - 1)])
        for name in own
    )  # fmt: skip
    y = Axis(metric_name(group.primary, group.lower))
    return Chart("scatter", Axis("p50 latency, ms", log=True, unit="ms"), y, series)


def _spot(cell: CellView) -> Point:
    low, high = accuracy_span(cell) or (None, None)
    left, right = median_span(cell) or (None, None)
    return Point(median_ms(cell) or 0.0, accuracy(cell) or 0.0, left, right, low, high, named(cell))


def _latency(cells: Sequence[CellView]) -> Chart | None:
    several = [cell for cell in cells if median_span(cell)]
    single = [cell for cell in cells if not median_span(cell) and median_ms(cell) is not None]
    series = (
        _bars("p50 over fresh processes", several, median_ms, median_span),
        _bars("p50 of one process", single, median_ms, _own),
    )
    return Chart("bars", Axis("Cell"), Axis("p50 latency, ms", unit="ms"), _filled(series))


def _own(cell: CellView) -> tuple[float, float] | None:
    """Return the interval within the latency pass, where the bar is of that pass."""
    own = cell.latency is not None and pass_ms(cell) == median_ms(cell)
    return within(cell.latency, "p50") if cell.latency and own else None


def _bars(
    name: str,
    cells: Sequence[CellView],
    value: Callable[[CellView], float | None],
    ends: Callable[[CellView], tuple[float, float] | None],
) -> Series:
    points = []
    for cell in cells:
        low, high = ends(cell) or (None, None)
        points.append(Point(named(cell), value(cell) or 0.0, low=low, high=high))
    return Series(name, tuple(points))


def _filled(series: Sequence[Series]) -> tuple[Series, ...]:
    return tuple(one for one in series if one.points)


def _classes(cells: Sequence[CellView], group: Group) -> Chart:
    metric = by_class(group.primary)
    series = tuple(
        Series(f"{variant(cell)}", tuple(
            Point(short(name, 40), value)
            for name, raw in cell.per_class.get(metric, {}).items()
            if (value := finite(raw)) is not None
        ))
        for cell in cells[:MOST_SERIES]
    )  # fmt: skip
    return Chart("bars", Axis("Class"), Axis(class_name(metric)), _filled(series))


def _energy(cells: Sequence[CellView]) -> Chart:
    own = tuple({cell.id: cell for cell in cells}.values())
    found = [(cell, cell.energy[at]) for cell, at in measured(own)]
    gross = [(_metered(cell, view), view.gross_j_per_image) for cell, view in found]
    net = [(_metered(cell, view), view.net_j_per_image) for cell, view in found]
    series = (_joules("gross", gross), _joules("net of idle", net))
    return Chart("bars", Axis("Cell"), Axis("J an image", unit="J"), _filled(series))


def _metered(cell: CellView, view: EnergyView) -> str:
    return f"{named(cell)}, {scope(view)}"


def _joules(name: str, found: Sequence[tuple[str, EnergyFigure]]) -> Series:
    points = (
        Point(text, figure.value, low=figure.low, high=figure.high)
        for text, figure in found
        if figure.value is not None
    )
    return Series(name, tuple(points))
