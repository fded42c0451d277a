"""Which cells of a run may be compared with which, and what that comparison gives.

Nothing here infers: differences and ratios are those of the point estimates in the cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchbench.folding import kept
from benchbench.types import Caveat, Precision
from benchbench.view import CellView, RunView

BASELINE: Precision = "fp32"
"""The precision that every ladder starts from."""
_WENT = {"failed": "failed", "not_run": "was not run", "compiled": "was only compiled"}
ASKED = ("precision", "provider", "device")
"""What may run otherwise than asked, the gravest for a reader first."""
COVERAGE = "coverage."
"""Metrics whose names begin so tell what ran, not how well it predicts."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that answer the same question: same dataset, split, task and batch."""

    dataset: str
    split: str
    task: str
    batch: int
    cells: tuple[CellView, ...]

    @property
    def title(self) -> str:
        """Dataset, split and task; the batch where it is not 1."""
        tail = "" if self.batch == 1 else f" · batch {self.batch}"
        return f"{self.dataset} {self.split} · {self.task}{tail}"

    @property
    def primary(self) -> str | None:
        """Name of the accuracy metric that most cells put first; None without any score."""
        names = [cell.primary for cell in self.cells if accuracy(cell) is not None]
        return max(sorted({n for n in names if n}), key=names.count, default=None)

    @property
    def lower(self) -> frozenset[str]:
        """Names of the metrics of which less is better."""
        return frozenset(name for cell in self.cells for name in cell.lower_is_better)

    @property
    def plotted(self) -> tuple[CellView, ...]:
        """Cells that have both a median latency and the group's primary metric."""
        name = self.primary
        return tuple(
            cell
            for cell in self.cells
            if cell.primary == name and accuracy(cell) is not None and median_ms(cell) is not None
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """A cell against the fp32 cell of the same model, runtime, device and dataset."""

    cell: CellView
    baseline: CellView | None
    accuracy_delta: float | None
    """Cell minus baseline, as a fraction of 1."""
    time_ratio: float | None
    """Median latency of the cell over that of the baseline; below 1 is faster."""
    reason: str | None
    """Why a figure is None."""

    @property
    def worse(self) -> bool:
        """True if the cell's accuracy is worse than the baseline's."""
        return (self.accuracy_delta or 0.0) * sense(self.cell) < 0

    @property
    def speed(self) -> float | None:
        """How many times as fast the cell is; above 1 is faster."""
        if self.time_ratio is None:
            return None
        return self.cell.speedup.ratio if self.cell.speedup else 1 / self.time_ratio

    @property
    def medians_ms(self) -> tuple[float | None, float | None]:
        """Medians of the cell and of the baseline: of processes where the speed rests on them."""
        pick = _pick(self.cell)
        return pick(self.cell), None if self.baseline is None else pick(self.baseline)

    @property
    def sound(self) -> bool:
        """True if both cells ran as asked, so that their names may stand for what ran."""
        return not differs(self.cell) and not (self.baseline and differs(self.baseline))


def finite(value: float | None) -> float | None:
    """Return *value*, or None where it is absent, NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def accuracy(cell: CellView) -> float | None:
    """Return the cell's primary metric as a fraction of 1, or None."""
    return finite(cell.metrics.get(cell.primary)) if cell.primary else None


def sense(cell: CellView) -> int:
    """Return 1 if more of the cell's primary metric is better, -1 if less is."""
    return -1 if cell.primary in cell.lower_is_better else 1


def merit(cell: CellView) -> float | None:
    """Return the cell's accuracy, its sign turned where less is better; None without any."""
    value = accuracy(cell)
    return None if value is None else value * sense(cell)


def median_ms(cell: CellView) -> float | None:
    """Return the median latency in milliseconds if it is published and positive, or None.

    Of several processes where they were taken, else of the latency pass.
    """
    value = finite(cell.processes.wall.median_ms) if cell.processes else None
    return value if value is not None and value > 0 else pass_ms(cell)


def pass_ms(cell: CellView) -> float | None:
    """Return the p50 of the latency pass in milliseconds if it is positive, or None."""
    value = finite(cell.latency.p50_ms) if cell.latency else None
    return value if value is not None and value > 0 else None


def differs(cell: CellView) -> bool:
    """Return True if something else ran than was asked: provider, device or precision."""
    return bool(departures(cell))


def departures(cell: CellView) -> tuple[str, ...]:
    """Return which of :data:`ASKED` ran otherwise than asked; of a compiled cell, as admitted."""
    place = cell.placement if cell.status != "compiled" else None
    return tuple(
        kind
        for kind in ASKED
        if kind in cell.admitted
        or (place is not None and getattr(place, kind) != getattr(place, f"requested_{kind}"))
    )


def proxy(cell: CellView) -> bool:
    """Return True if what ran was derived and not observed, or stands for another target."""
    told = any(caveat.code == "proxy" for caveat in cell.caveats)
    return told or (cell.placement is not None and cell.placement.evidence == "proxy")


def accuracies(cell: CellView) -> dict[str, float | None]:
    """Return the metrics of accuracy, without those of coverage."""
    return {k: v for k, v in cell.metrics.items() if not k.startswith(COVERAGE)}


def variant(cell: CellView) -> str:
    """Return the cell's name without its model: runtime, precision, device and batch."""
    tail = "" if cell.device == "cpu" else f" · {cell.device}"
    return f"{cell.runtime} · {cell.precision}{tail}" + (
        f" · batch {cell.batch}" if cell.batch != 1 else ""
    )


def groups(run: RunView) -> tuple[Group, ...]:
    """Split the run's cells by dataset, split, task and batch, in order of appearance.

    Folded cells are in no group: :mod:`benchbench.folding`.
    """
    found: dict[tuple[str, str, str, int], list[CellView]] = {}
    for cell in kept(run.cells):
        found.setdefault((cell.dataset, cell.split, cell.task, cell.batch), []).append(cell)
    return tuple(Group(*key, tuple(cells)) for key, cells in found.items())


def front(cells: Iterable[CellView]) -> tuple[CellView, ...]:
    """Return the Pareto front of accuracy and median latency, fastest first.

    A cell is dominated if another is at least as good in both and better in one. Cells without
    one of the two figures are left out, and those that ran otherwise than asked: their names do
    not say what is fast or accurate.
    """
    points = [
        (m, -a, c)
        for c in cells
        if (m := median_ms(c)) and (a := merit(c)) is not None and not differs(c)
    ]
    points.sort(key=lambda point: point[:2])
    kept: list[tuple[float, float, CellView]] = []
    for point in points:
        if not kept or point[1] < kept[-1][1] or point[:2] == kept[-1][:2]:
            kept.append(point)
    return tuple(cell for _, _, cell in kept)


def ladder(cells: Sequence[CellView]) -> tuple[Rung, ...]:
    """Compare each cell with the fp32 cell of the same model, runtime, device and dataset."""
    baselines = {_seat(cell): cell for cell in cells if cell.precision == BASELINE}
    return tuple(
        _rung(cell, baselines.get(_seat(cell))) for cell in cells if cell.precision != BASELINE
    )


def _seat(cell: CellView) -> tuple[str, ...]:
    names = (cell.model, cell.runtime, cell.device, cell.dataset, cell.split, cell.task)
    return (*names, str(cell.batch))


def _rung(cell: CellView, baseline: CellView | None) -> Rung:
    reason = _incomparable(cell, baseline)
    if reason is not None or baseline is None:
        return Rung(cell, baseline, None, None, reason)
    ours, theirs = accuracy(cell), accuracy(baseline)
    pick = _pick(cell)
    time, base_time = pick(cell), pick(baseline)
    delta = None if ours is None or theirs is None else ours - theirs
    ratio = None if time is None or base_time is None else time / base_time
    missing = [
        text
        for text, value in (
            ("accuracy is missing on one side", delta),
            ("p50 is missing on one side", ratio),
        )
        if value is None
    ]
    return Rung(cell, baseline, delta, ratio, "; ".join(missing) or None)


def _pick(cell: CellView) -> Callable[[CellView], float | None]:
    """Return which median its speed is of: over processes, or of one latency pass."""
    return median_ms if cell.speedup and cell.speedup.rounds else pass_ms


def _incomparable(cell: CellView, baseline: CellView | None) -> str | None:
    """Return why nothing may be computed from the two cells, or None."""
    if cell.status != "measured":
        return f"this cell {_WENT[cell.status]}"
    if baseline is None:
        return f"the suite has no {BASELINE} cell in this runtime"
    if baseline.status != "measured":
        return f"the {BASELINE} cell {_WENT[baseline.status]}"
    if cell.primary != baseline.primary:
        return "the two cells are scored by different metrics"
    if _copies(cell) != _copies(baseline):
        return "one of the two runs copies inside the timed call, the other does not"
    return None


def _copies(cell: CellView) -> bool:
    return cell.placement is not None and cell.placement.copies_inside_run


def shared_caveats(cells: Iterable[CellView]) -> tuple[Caveat, ...]:
    """Return the caveats that every measured cell carries with the same figures."""
    measured = [cell for cell in cells if cell.status == "measured"]
    if len(measured) < 2:
        return ()
    return tuple(
        caveat
        for caveat in measured[0].caveats
        if all(caveat in other.caveats for other in measured[1:])
    )
