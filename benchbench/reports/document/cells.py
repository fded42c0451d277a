"""The tables of cells: the main figures, every metric, accuracy by class, reduced precision."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.reports import energy, evidence, processes, sureness, wording
from benchbench.reports.document.choice import MOST_LISTED, cut
from benchbench.reports.document.grids import TONES, keys, said, seat
from benchbench.reports.document.model import Column, Grid, Line, Place
from benchbench.reports.figures.classes import class_name
from benchbench.reports.grouping import (
    Group,
    Rung,
    accuracies,
    accuracy,
    finite,
    front,
    ladder,
)
from benchbench.reports.tables import digits, span, within
from benchbench.reports.wording import ABSENT, significant
from benchbench.view import CellView, Interval

MOST_CLASSES, MOST_COLUMNS = 40, 6
_UNMETERED = "no meter was asked for"


def main(group: Group, anchor: str) -> Grid:
    """Return the figures that matter most, a row a cell; those on the Pareto front are strong."""
    shown = cut(group, MOST_LISTED)
    metered = any(cell.energy for cell in group.cells)
    best = {cell.id for cell in front(group.cells)}
    name = wording.metric_name(group.primary, group.lower) if group.primary else "accuracy"
    columns = [
        Column(name), Column("p50, ms", unit="ms"), Column("p99, ms", unit="ms"),
        Column("images/s", unit="images/s"),
        *([Column("J/image, gross", unit="J")] if metered else []),
        Column("Memory", unit="bytes"), Column("Artifact", unit="bytes"),
    ]  # fmt: skip
    lines = []
    for cell in shown.cells:
        places = (score(cell, strong=cell.id in best), p50(cell), p99(cell), rate(cell),
                  *([joules(cell)] if metered else []), memory(cell), artifact(cell))  # fmt: skip
        lines.append(Line(*_heads(cell, places), keys=keys(cell)))
    caption = f"{group.title}: single-stream latency; [95 % interval]; in bold the Pareto front"
    more = len(group.cells) - len(shown.cells)
    return Grid(wording.short(caption, 200), "Cell", tuple(columns), tuple(lines), anchor, more)


def _heads(cell: CellView, places: tuple[Place, ...]) -> tuple[str, tuple[Place, ...], str]:
    name, beside = seat(cell, evidence.signs(cell))
    return name, places, beside


Ends = tuple[float | None, float | None]


def _number(value: float | None, told: str, reason: str, ends: Ends = (None, None)) -> Place:
    if finite(value) is None:
        return Place(ABSENT, reason=reason)
    low, high = map(finite, ends)
    return Place(told, value, low, high)


def score(cell: CellView, *, strong: bool = False) -> Place:
    """Return the primary metric with half its interval."""
    value, found = accuracy(cell), cell.intervals.get(cell.primary or "")
    if value is None:
        return Place(ABSENT, reason=wording.accuracy_absence(cell))
    return _scored(value, found, strong)


def _scored(value: float, found: Interval | None, strong: bool = False) -> Place:
    half = sureness.half(found)
    low, high = (found.low, found.high) if found and half else (None, None)
    return Place(wording.fraction(value), value, finite(low), finite(high), half, strong=strong)


def p50(cell: CellView) -> Place:
    """Return the median: over processes where they were taken, else of the latency pass."""
    several = processes.typical(cell)
    if several and cell.processes:
        wall = cell.processes.wall
        return Place(several.text, several.value, finite(wall.low_ms), finite(wall.high_ms),
                     several.detail)  # fmt: skip
    return _percentile(cell, "p50")


def p99(cell: CellView) -> Place:
    """Return the p99 of the latency pass, or why the sample does not carry one."""
    return _percentile(cell, "p99")


def _percentile(cell: CellView, name: str) -> Place:
    late = cell.latency
    value = finite(getattr(late, f"{name}_ms")) if late else None
    if late is None or value is None:
        reason = wording.withheld(late, name) if late else wording.untimed(cell)
        return Place(ABSENT, reason=reason)
    ends = within(late, name)
    low, high = ends or (None, None)
    beside = f"{span(ends)}, within one process" if ends else "one process"
    return Place(significant(value, digits(ends)), value, low, high, beside)


def rate(cell: CellView) -> Place:
    """Return images a second over the latency pass."""
    value = cell.latency.throughput_ips if cell.latency else None
    return _number(value, significant(value), wording.untimed(cell))


def memory(cell: CellView) -> Place:
    """Return the most memory that inference took."""
    value = cell.memory.get("inference")
    gone = wording.absence(cell) if cell.status != "measured" else "memory is not recorded"
    return _number(value, wording.size(value), gone)


def artifact(cell: CellView) -> Place:
    """Return the size of the file that was scored and timed."""
    value = cell.artifact.bytes if cell.artifact else None
    return _number(value, wording.size(value), wording.unfiled(cell))


def joules(cell: CellView) -> Place:
    """Return the gross energy an image by the first meter that could tell, with its scope."""
    known = [view for view in cell.energy if finite(view.gross_j_per_image.value) is not None]
    if not known:
        reason = energy.why(cell.energy[0]) if cell.energy else _UNMETERED
        reason = wording.absence(cell) if cell.status != "measured" else reason
        return Place(ABSENT, reason=wording.short(reason, 300))
    found = known[0].gross_j_per_image
    ends = (found.low, found.high)
    beside = ", ".join(text for text in (span(ends), energy.scope(known[0])) if text)
    return Place(significant(found.value, digits(ends)), found.value, finite(found.low),
                 finite(found.high), beside)  # fmt: skip


# --- accuracy ----------------------------------------------------------------------------


def metrics(group: Group, anchor: str) -> Grid | None:
    """Return every metric of accuracy, a row a cell; None where there is but one."""
    scored = [cell for cell in cut(group, MOST_LISTED).cells if accuracies(cell)]
    names = tuple(dict.fromkeys(name for cell in scored for name in accuracies(cell)))
    if len(names) < 2:
        return None
    shown = names[:8]
    columns = tuple(Column(wording.metric_name(name, group.lower)) for name in shown)
    lines = tuple(
        Line(*_heads(cell, tuple(_metric(cell, name) for name in shown)), keys=keys(cell))
        for cell in scored
    )
    rest = ", ".join(wording.metric_name(name) for name in names[8:24])
    caption = "Accuracy by every metric" + (f"; in report.json also {rest}" if rest else "")
    measured = sum(bool(accuracies(cell)) for cell in group.cells)
    return Grid(caption, "Cell", columns, lines, anchor, measured - len(scored))


def _metric(cell: CellView, name: str) -> Place:
    value = finite(cell.metrics.get(name))
    if value is None:
        return Place(ABSENT, reason=wording.short(cell.reasons.get(name, _UNSCORED), 300))
    return _scored(value, cell.intervals.get(name))


_UNSCORED = "the evaluator gives no value"


def classes(group: Group, metric: str, anchor: str) -> Grid | None:
    """Return accuracy by class, a column a cell of at most six; None where there is none."""
    found = [cell for cell in group.cells if cell.per_class.get(metric)]
    shown = cut(Group(group.dataset, group.split, group.task, group.batch, tuple(found)),
                MOST_COLUMNS).cells  # fmt: skip
    names = tuple(dict.fromkeys(name for cell in shown for name in cell.per_class[metric]))
    if not names:
        return None
    columns = tuple(Column(" · ".join(seat(cell, evidence.signs(cell)))) for cell in shown)
    lines = tuple(
        Line(wording.short(name, 60), tuple(_by_class(cell, metric, name) for cell in shown))
        for name in names[:MOST_CLASSES]
    )
    few = f"; {len(shown)} of {len(found):,} cells" if len(shown) < len(found) else ""
    caption = f"{class_name(metric)} by class{few}"
    return Grid(caption, "Class", columns, lines, anchor, max(len(names) - MOST_CLASSES, 0))


def _by_class(cell: CellView, metric: str, name: str) -> Place:
    value = finite(cell.per_class[metric].get(name))
    return _number(value, wording.fraction(value), "the evaluator gives no value for this class")


# --- reduced precision -------------------------------------------------------------------


def precision(group: Group, anchor: str) -> Grid | None:
    """Return each cell against fp32 of the same model, runtime and device; None without any."""
    rungs = ladder(group.cells)
    if not rungs:
        return None
    name = wording.metric_name(group.primary, group.lower) if group.primary else "accuracy"
    columns = (
        Column(f"Δ {name}"), Column("Shown", "left", 1.3), Column("Speed against fp32"),
        Column("p50, this", unit="ms"), Column("p50, fp32", unit="ms"),
        Column("Remark", "left", 2.0),
    )  # fmt: skip
    ids = {cell.id for cell in cut(group, MOST_LISTED).cells}
    kept = [rung for rung in rungs if rung.cell.id in ids]
    lines = tuple(
        Line(*_heads(rung.cell, _rung(rung)), keys=keys(rung.cell)) for rung in kept
    )  # fmt: skip
    caption = "Against fp32 of the same model, runtime and device"
    return Grid(caption, "Cell", columns, lines, anchor, len(rungs) - len(kept))


def _rung(rung: Rung) -> tuple[Place, ...]:
    reason, found = rung.reason or "the run gives no reason", rung.cell.comparison
    change, speed, fast = rung.accuracy_delta, rung.speed, rung.cell.speedup
    ends = (found.low, found.high) if found else (None, None)
    own, base = rung.medians_ms
    shown = sureness.verdict(found)
    return (
        _number(change, wording.delta(change), reason, ends),
        said(shown, sureness.bounds(found), TONES.get(found.verdict, "") if found else ""),
        Place(wording.ratio(speed), speed, fast.low if fast else None, fast.high if fast else None,
              wording.interval(fast) if fast else f"{wording.ONE_EACH}, no interval")
        if speed is not None else Place(ABSENT, reason=reason),
        _number(own, wording.milliseconds(own), reason),
        _number(base, wording.milliseconds(base), reason),
        Place(evidence.remark(rung) or "as asked"),
    )  # fmt: skip


def strongest(cells: Sequence[CellView]) -> str:
    """Return the metric by class that most of *cells* have; empty without any."""
    names = [name for cell in cells for name in cell.per_class]
    return max(sorted(set(names)), key=names.count, default="")
