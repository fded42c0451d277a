"""Geometry of the panels of a page: linear axes, strokes, dots and intervals, as plain numbers.

Templates draw them. A page may hold dozens of panels, so each is a few kilobytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 320, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 312, 8, 178
"""The corners of the plotting area in pixels."""
COLOURS = 8
"""The style sheet names so many, ``--s0`` …"""
_DASHES = ("", "6 3", "2 2.5", "8 2.5 2 2.5")


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from *low* to *high* onto *start* to *end*."""

    low: float
    high: float
    start: float = 0.0
    end: float = 100.0

    def at(self, value: float) -> float:
        """Return the position of *value*, clipped to the scale."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + (self.end - self.start) * min(max(share, 0.0), 1.0), 1)

    def ticks(self, most: int = 6) -> tuple[tuple[float, str], ...]:
        """Return position and text of round values: steps of 1, 2 or 5 × 10ⁿ."""
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / most))
        step = next(power * unit for unit in (1, 2, 5, 10) if span / (power * unit) <= most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return tuple(
            (self.at(n * step), f"{n * step:.{decimals}f}".replace("-", "−"))
            for n in range(first, last + 1)
        )


@dataclass(frozen=True, slots=True)
class Key:
    """How a line is drawn, and what it stands for."""

    name: str
    colour: str
    dash: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of a panel."""

    key: Key
    path: str
    dots: tuple[tuple[float, float], ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()
    """x, and the two ends of an interval."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A panel with its axes."""

    title: str
    x_name: str
    y_name: str
    x: Axis
    y: Axis
    strokes: tuple[Stroke, ...]
    diagonal: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """What the panel shows, for those who do not see it."""
        return f"{self.title}: {self.y_name} over {self.x_name}, {len(self.strokes)} lines"


def axes(x: tuple[float, float], y: tuple[float, float]) -> tuple[Axis, Axis]:
    """Return the axes of a panel with these limits; y grows upwards."""
    return Axis(*x, LEFT, RIGHT), Axis(*y, BOTTOM, TOP)


def key(name: str, colour: int, dash: int) -> Key:
    """Return how the line number *colour* of dash number *dash* is drawn."""
    return Key(name, f"var(--s{min(colour, COLOURS - 1)})", _DASHES[dash % len(_DASHES)])


def path(stretches: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return an SVG path through the points of each stretch."""
    return "".join("M" + " ".join(f"{x:g},{y:g}" for x, y in points) for points in stretches)


def padded(low: float, high: float, least: float = 0.02) -> tuple[float, float]:
    """Return limits with some room on both sides, never narrower than *least*."""
    pad = max((high - low) * 0.08, least / 2)
    return low - pad, high + pad
