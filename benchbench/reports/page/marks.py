"""Marks of cells: the shape tells the precision, the colour the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.reports import pareto
from benchbench.types import AskedPrecision

PATHS = {
    "circle": "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9Z",
    "square": "M3 3h8v8H3Z",
    "diamond": "M7 1l4.2 6L7 13L2.8 7Z",
    "triangle-up": "M7 2l5.2 9.6H1.8Z",
    "triangle-down": "M7 12L1.8 2.4h10.4Z",
    "triangle-right": "M12 7L2.4 12.2V1.8Z",
    "triangle-left": "M2 7L11.6 1.8V12.2Z",
    "cross": "M5.2 2h3.6v3.2H12v3.6H8.8V12H5.2V8.8H2V5.2h3.2Z",
}
"""Shape → SVG path in a 14 × 14 box."""


def shape(precision: AskedPrecision) -> str:
    """Return the SVG path of a precision's mark in a 14 × 14 box."""
    return PATHS[pareto.SHAPES[precision]]


def shades(runtimes: Iterable[str], every: Sequence[str]) -> dict[str, str]:
    """Return runtime → class of the style sheet that has its colour."""
    return {name: f"r{min(every.index(name), pareto.COLOURS - 1)}" for name in runtimes}
