"""From ranked hits to the area under precision over recall, as several tools form it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Interpolation = Literal["step", "linear", "linear-cut"]
Area = Callable[[Flags, int], float]
"""From (D,) hits by falling score and the number of objects, above 0, to the area."""

_RECALLS = np.linspace(0, 1, 101)


def recall_precision(hit: Flags, objects: int) -> tuple[Floats, Floats]:
    """Return (D,) recall and precision after each detection."""
    true, place = np.cumsum(hit), np.arange(1, len(hit) + 1)
    return true / objects, true / place


def envelope(precision: Floats) -> Floats:
    """Return the greatest precision at this or any greater recall."""
    return np.asarray(np.maximum.accumulate(precision[::-1])[::-1])


def trapezoids(x: Floats, y: Floats) -> float:
    """Return the area under the straight lines between points, *x* ascending."""
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def _step(hit: Flags, objects: int) -> float:
    """Return pycocotools' area: precision at the first recall from each of 101 on."""
    true, place = np.cumsum(hit), np.arange(1, len(hit) + 1)
    precision = envelope(true / (place + np.spacing(1)))
    at = np.searchsorted(true / objects, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def _linear(hit: Flags, objects: int) -> float:
    """Return the area under straight lines from recall 0, precision 1 to recall 1, precision 0."""
    return _trapezoids(hit, objects, [])


def _linear_cut(hit: Flags, objects: int) -> float:
    """Return the same, but with precision 0 from just beyond the last recall on."""
    return _trapezoids(hit, objects, [int(hit.sum()) / objects])


def _trapezoids(hit: Flags, objects: int, drop: list[float]) -> float:
    if not len(hit):
        return 0.0
    recall, precision = recall_precision(hit, objects)
    x = np.concatenate([[0.0], recall, drop, [1.0]])
    y = envelope(np.concatenate([[1.0], precision, [0.0] * len(drop), [0.0]]))
    return trapezoids(_RECALLS, np.interp(_RECALLS, x, y))


AREAS: Mapping[Interpolation, Area] = {"step": _step, "linear": _linear, "linear-cut": _linear_cut}
