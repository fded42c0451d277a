"""Geometry of the small figures: scales, strips, sparklines and stacked bars, as plain numbers.

Coordinates are per cent of the figure's width and pixels of its height; templates draw them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchbench.reports.grouping import finite, pass_ms
from benchbench.reports.wording import EVERY_STAGE, PERCENTILES, STAGES
from benchbench.view import CellView, LatencyView

SPARK_HEIGHT = 28
SPARK_POINTS = 100
"""At most so many points a sparkline, medians of neighbours: a page holds many."""


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic scale from *low* to *high* (both positive) onto 0..100 %."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the position of *value* in per cent, clipped to the scale."""
        span = math.log(self.high / self.low)
        place = math.log(max(value, self.low) / self.low) / span
        return round(100 * min(place, 1.0), 2)

    def ticks(self, most: int = 7) -> tuple[float, ...]:
        """Return at most *most* round values inside the scale: 1, 2, 5 × 10ⁿ, or finer ones."""
        coarse = [1.0, 2.0, 5.0]
        for steps in (coarse, [float(n) for n in range(1, 10)], [n / 10 for n in range(10, 100)]):
            inside = self._inside(steps)
            if len(inside) >= 3:
                break
        return tuple(inside[:: max(1, -(-len(inside) // most))])

    def _inside(self, steps: Sequence[float]) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every = [float(f"{step}e{power}") for power in powers for step in steps]
        return [value for value in every if self.low <= value <= self.high]


def scale_of(values: Iterable[float], margin: float = 0.06) -> LogScale | None:
    """Return a scale around the positive *values*, or None if there is none."""
    positive = [value for value in values if finite(value) is not None and value > 0]
    if not positive:
        return None
    low, high = min(positive), max(positive)
    pad = max((high / low) ** margin, 1.1)
    return LogScale(low / pad, high * pad)


@dataclass(frozen=True, slots=True)
class Strip:
    """One latency pass on a shared scale; positions in per cent."""

    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float
    marks: tuple[tuple[str, float], ...]
    """Percentiles beyond the median that the run publishes; a withheld one is not drawn."""


def strip(latency: LatencyView, scale: LogScale) -> Strip | None:
    """Return the strip of *latency*, or None if the run holds no quantiles."""
    found = latency.quantiles_ms
    if len(found) < 5 or any(finite(value) is None for value in found):
        return None
    last = len(found) - 1
    low, q1, median, q3, high = (scale.at(found[round(last * s)]) for s in (0, 0.25, 0.5, 0.75, 1))
    published = [(name, finite(getattr(latency, f"{name}_ms"))) for name in PERCENTILES[1:]]
    marks = tuple((name, scale.at(value)) for name, value in published if value is not None)
    return Strip(low, q1, median, q3, high, marks)


@dataclass(frozen=True, slots=True)
class Spark:
    """A pass in time order: an SVG path and the range it spans, in milliseconds."""

    path: str
    middle: float
    low_ms: float
    high_ms: float


def spark(latency: LatencyView) -> Spark | None:
    """Return the trace of *latency* between its own lowest and highest point, or None."""
    trace = _thin([v for v in latency.trace_ms if finite(v) is not None])
    if len(trace) < 2:
        return None
    low, high = min(trace), max(trace)
    span = (high - low) or 1.0

    def height(value: float) -> float:
        return round(2 + (SPARK_HEIGHT - 4) * (1 - (value - low) / span), 1)

    step = 100 / (len(trace) - 1)
    points = " ".join(f"{i * step:.4g},{height(v):g}" for i, v in enumerate(trace))
    middle = height(median(trace))
    return Spark(f"M{points}", middle, low, high)


def _thin(values: Sequence[float]) -> list[float]:
    size = -(-len(values) // SPARK_POINTS) or 1
    return [median(values[i : i + size]) for i in range(0, len(values), size)]


@dataclass(frozen=True, slots=True)
class Stack:
    """Stage medians as per cent of their own sum; an absent stage has no part in either."""

    widths: tuple[tuple[str, float], ...]
    total_ms: float
    complete: bool
    """False if a stage is absent, so that the sum is not that of the whole way."""


def stack(cell: CellView) -> Stack | None:
    """Return the stages of *cell*, or None if none was timed."""
    found = _stages(cell)
    total = sum(ms for _, ms in found)
    if total <= 0:
        return None
    widths = tuple((name, round(100 * ms / total, 3)) for name, ms in found)
    return Stack(widths, total, {name for name, _ in found} >= set(STAGES))


def stages(cells: Iterable[CellView]) -> tuple[str, ...]:
    """Return the stages that a table of *cells* needs: decoding only where it was timed."""
    decoded = any(name == "decode" for cell in cells for name, _ in _stages(cell))
    return EVERY_STAGE if decoded else STAGES


def _stages(cell: CellView) -> list[tuple[str, float]]:
    values = cell.latency.stages_ms if cell.latency else {}
    pairs = ((name, finite(values.get(name))) for name in EVERY_STAGE)
    return [(name, ms) for name, ms in pairs if ms is not None]


def latency_scale(cells: Iterable[CellView]) -> LogScale | None:
    """Return a scale that holds every sample quantile and median of *cells*."""
    values: list[float] = []
    for cell in cells:
        quantiles = cell.latency.quantiles_ms if cell.latency else ()
        values += [v for v in (*quantiles[:1], *quantiles[-1:], pass_ms(cell)) if v]
    return scale_of(values)
