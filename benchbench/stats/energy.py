"""Figures of energy from the raw columns that :mod:`benchbench.measure.energy` keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.energy_view import EnergyFigure, EnergyView
from benchbench.stats.energy_quality import doubts, quality
from benchbench.stats.energy_spans import LEAST_TICKS, Measured, update_period_s

__all__ = ["LEAST_TICKS", "not_measured", "summarise", "update_period_s"]
FAKE = "FAKE"
"""A device whose name has this word is a test's; its figures are never shown."""
LEVEL = 0.95


def not_measured(meter: str, reason: str) -> EnergyView:
    """Return the view where the meter cannot measure: every figure None, with *reason*."""
    none = EnergyFigure(reason=reason)
    return EnergyView(
        meter=meter,
        gross_j_per_image=none,
        net_j_per_image=none,
        images_per_joule=none,
        average_w=none,
        peak_reason=reason,
        idle_reason=reason,
        reason=reason,
    )


def summarise(
    columns: Mapping[str, NDArray[Any]], meter: str, *, allow_fake: bool = False
) -> EnergyView:
    """Return the figures of *columns* (see :func:`benchbench.measure.energy.measure`).

    *meter* is the plug-in's name. A device whose name says FAKE has no figures unless *allow_fake*,
    which is for tests.
    """
    about = json.loads(str(columns["about"][0]))
    measured = Measured(columns, about)
    if FAKE in about["identity"].get("name", "") and not allow_fake:
        reason = f"the device '{about['identity']['name']}' is a test's: it drew nothing"
        return not_measured(meter, reason).model_copy(update={"identity": about["identity"]})
    found = quality(measured)
    return EnergyView(
        meter=meter,
        scope=about["scope"],
        identity=about["identity"],
        **_energies(measured),
        **_powers(measured),
        quality=found,
        caveats=doubts(measured),
        reason=about["reason"],
    )


def _energies(measured: Measured) -> dict[str, EnergyFigure]:
    withheld = measured.withheld()
    if withheld:
        none = EnergyFigure(reason=withheld)
        names = ("gross_j_per_image", "net_j_per_image", "images_per_joule", "average_w")
        return dict.fromkeys(names, none)
    joules, images, span_s = measured.joules, measured.images, measured.span_s
    net = EnergyFigure(reason=measured.idle_withheld())
    if measured.idle_w is not None:
        net = figure((joules - measured.idle_w * span_s) / images)
    return {
        "gross_j_per_image": figure(joules / images),
        "net_j_per_image": net,
        "images_per_joule": figure(images / joules),
        "average_w": figure(joules / span_s),
    }


def _powers(measured: Measured) -> dict[str, Any]:
    peak, peak_reason = measured.peak_w()
    memory = measured.highest("memory_used_bytes")
    return {
        "peak_w": peak,
        "peak_reason": peak_reason,
        "idle_w": measured.idle_w,
        "idle_j": None if measured.idle_w is None else float(measured.idle_j.sum()),
        "idle_reason": measured.idle_withheld(),
        "temperature_c": measured.highest("temperature_c"),
        "memory_used_bytes": None if memory is None else int(memory),
    }


def figure(values: NDArray[np.float64], level: float = LEVEL) -> EnergyFigure:
    """Return mean, Student's t interval, median and spread of *values*, one a trial; at least one.

    The interval says how trials of one process differ; processes and boards differ beside.
    """
    mean = float(values.mean())
    low = high = None
    if len(values) > 1:
        from scipy.stats import t

        reach = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        low, high = mean - float(reach), mean + float(reach)
    return EnergyFigure(
        value=mean,
        low=low,
        high=high,
        level=level,
        median=float(np.median(values)),
        spread=float(np.ptp(values)),
    )
