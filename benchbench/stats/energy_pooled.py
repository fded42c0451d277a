"""Energy of several takes that were made alike: fresh processes, each with trials of its own.

Their trials stand together for the mean and its interval, as those of one process do, unless the
processes differ by more than their trials do. Then the trials are no independent witnesses, and
there is no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchbench.energy_view import EnergyFigure, EnergyQuality, EnergyView
from benchbench.stats.energy import figure
from benchbench.stats.energy_quality import MANY_TRIALS
from benchbench.stats.energy_spans import Measured

Floats = NDArray[np.float64]
Number = TypeVar("Number", int, float)
DIFFER = 0.05
"""Chance, with processes that are alike, of calling them different."""
_FEW = "few_trials"
_APART = "the processes differ by more than their trials do (F test): their trials give no interval"


def per_trial(measured: Measured) -> dict[str, Floats]:
    """Return the figures of a take, each (T,); none of net energy where idle power is not known."""
    joules, images, span_s = measured.joules, measured.images, measured.span_s
    found = {
        "gross_j_per_image": joules / images,
        "images_per_joule": images / joules,
        "average_w": joules / span_s,
    }
    if measured.idle_w is not None:
        found["net_j_per_image"] = (joules - measured.idle_w * span_s) / images
    return found


def differ(takes: Sequence[Floats]) -> bool:
    """Return whether the means of *takes* differ by more than their trials (one-way F test)."""
    total = sum(map(len, takes))
    if len(takes) < 2 or total <= len(takes):
        return False
    from scipy.special import fdtrc

    grand = float(np.concatenate(takes).mean())
    between = sum(len(one) * (float(one.mean()) - grand) ** 2 for one in takes)
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in takes)
    degrees = len(takes) - 1, total - len(takes)
    if within == 0:
        return between > 0
    ratio = (between / degrees[0]) / (within / degrees[1])
    return float(fdtrc(*degrees, ratio)) < DIFFER


def pooled(views: Sequence[EnergyView], trials: Sequence[Mapping[str, Floats]]) -> EnergyView:
    """Return the energy of takes that all have figures; *trials*: of each, as :func:`per_trial`.

    Of what is read beside, the highest; of the doubts and of the grade, the worst.
    """
    first = views[0]
    names = ("gross_j_per_image", "net_j_per_image", "images_per_joule", "average_w")
    idle_w = [view.idle_w for view in views if view.idle_w is not None]
    idle_j = [view.idle_j for view in views if view.idle_j is not None]
    quality = _quality([view.quality for view in views if view.quality])
    enough = quality is not None and quality.trials >= MANY_TRIALS
    doubts = {doubt.code: doubt for view in reversed(views) for doubt in view.caveats}
    return first.model_copy(
        update={
            **{name: _figure(name, first, trials) for name in names},
            "peak_w": _most([view.peak_w for view in views]),
            "idle_w": float(np.mean(idle_w)) if idle_w else None,
            "idle_j": sum(idle_j) if idle_j else None,
            "temperature_c": _most([view.temperature_c for view in views]),
            "memory_used_bytes": _most([view.memory_used_bytes for view in views]),
            "quality": quality,
            "caveats": tuple(v for code, v in doubts.items() if code != _FEW or not enough),
        }
    )


def _most(values: Sequence[Number | None]) -> Number | None:
    return max((value for value in values if value is not None), default=None)


def _figure(name: str, first: EnergyView, trials: Sequence[Mapping[str, Floats]]) -> EnergyFigure:
    known = [one[name] for one in trials if name in one]
    if not known:
        own: EnergyFigure = getattr(first, name)
        return own
    found = figure(np.concatenate(known))
    if differ(known):
        return found.model_copy(update={"low": None, "high": None, "reason": _APART})
    return found


def _quality(each: Sequence[EnergyQuality]) -> EnergyQuality | None:
    """Return the quality over all takes: the shortest window, the worst grade."""
    if not each:
        return None
    total = sum(one.trials for one in each)
    reasons = dict.fromkeys(reason for one in each for reason in one.grade_reasons)
    return each[0].model_copy(
        update={
            "trials": total,
            "window_s": _least([one.window_s for one in each]),
            "ticks_per_window": _least([one.ticks_per_window for one in each]),
            "baseline_drift": max(
                (one.baseline_drift for one in each if one.baseline_drift is not None),
                key=abs,
                default=None,
            ),
            "observer_cpu_share": _most([one.observer_cpu_share for one in each]),
            "tick_bound": _most([one.tick_bound for one in each]),
            "grade": max((one.grade for one in each if one.grade), default=None),
            "grade_reasons": tuple(reasons),
        }
    )


def _least(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
