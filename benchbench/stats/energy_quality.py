"""What makes a figure of energy doubtful, and the grade that follows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchbench.energy_view import EnergyQuality, Grade
from benchbench.stats.energy_spans import Measured
from benchbench.types import Caveat

UNLIKE = 0.05
"""Baselines, or integral and counter, that differ by more than this share: a caveat."""
MANY_TICKS, MANY_TRIALS = 100, 5
"""Updates in a window, and windows, that grade A takes."""
NAMES = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Bits of ``throttle_reasons``; NVML's names, which other meters may use."""
_THERMAL = 0x20 | 0x40
_WORST = {
    "mig": "the board is shared by MIG instances",
    "other_processes": "other processes used the device",
    "processes_unknown": "it is not known whether other processes used the device",
    "power_disagrees": "counter and sampled power differ",
    "counter_wrap": "the counter may have turned round unseen",
}
"""Caveats that leave open what was counted."""
_LESSER = {
    "throttled": "the device was throttled",
    "baselines_differ": "the two idle baselines differ",
    "few_trials": f"fewer than {MANY_TRIALS} windows",
}


def quality(measured: Measured) -> EnergyQuality:
    """Return how the figures came to be; the grade is None where there are no figures."""
    grade, reasons = _grade(measured)
    spans = measured.span_s
    return EnergyQuality(
        method="counter" if measured.counts else "integrated power",
        resolution_j=measured.resolution_j,
        update_period_s=measured.period_s,
        ticks_per_window=measured.ticks,
        window_s=float(spans.min()) if len(spans) else None,
        trials=len(spans),
        baseline_drift=_drift(measured),
        observer_cpu_share=measured.observer_cpu_share(),
        tick_bound=_tick_bound(measured),
        power_to_counter=_power_to_counter(measured),
        grade=grade,
        grade_reasons=reasons,
    )


def doubts(measured: Measured) -> tuple[Caveat, ...]:
    """Return the meter's own doubts and those that the samples raise."""
    own = [Caveat.model_validate(one) for one in measured.about["doubts"]]
    return (*own, *_spans(measured), *_throttling(measured))


def _spans(measured: Measured) -> Iterator[Caveat]:
    drift, ratio = _drift(measured), _power_to_counter(measured)
    if drift is not None and abs(drift) > UNLIKE:
        before, after = measured.idle_each_w.tolist()
        yield Caveat(code="baselines_differ", figures={"before_w": before, "after_w": after})
    if ratio is not None and abs(ratio - 1) > UNLIKE:
        yield Caveat(code="power_disagrees", figures={"integral_over_counter": ratio})
    if 0 < len(measured.span_s) < MANY_TRIALS:
        yield Caveat(code="few_trials", figures={"trials": len(measured.span_s)})


def _throttling(measured: Measured) -> Iterator[Caveat]:
    flags = measured.sampled("throttled")
    if not flags.any():
        return
    bits = int(np.bitwise_or.reduce(measured.sampled("throttle_reasons").astype(np.int64)))
    figures: dict[str, float | int | str] = {"share": float((flags > 0).mean())}
    if bits:
        figures["reasons"] = ", ".join(name for bit, name in NAMES.items() if bits & bit)
    yield Caveat(code="throttled", figures=figures)
    highest = measured.highest("temperature_c")
    if bits & _THERMAL:
        yield Caveat(code="thermal", figures={} if highest is None else {"temperature_c": highest})


def _drift(measured: Measured) -> float | None:
    if not measured.idle_w:
        return None
    before, after = measured.idle_each_w.tolist()
    return float((after - before) / measured.idle_w)


def _power_to_counter(measured: Measured) -> float | None:
    """Return the integral over the counter; None where they are not two."""
    integral = measured.power_integral_j
    total = float(measured.joules.sum())
    return integral / total if measured.counts and integral is not None and total > 0 else None


def _tick_bound(measured: Measured) -> float | None:
    """Return one update over the shortest window: power is taken to be the window's average."""
    step_s = measured.period_s if measured.counts else measured.about["plan"]["sample_s"]
    if step_s is None or not len(measured.span_s):
        return None
    return float(step_s / measured.span_s.min())


def _grade(measured: Measured) -> tuple[Grade | None, tuple[str, ...]]:
    """Return the grade by the rule of docs/energy.md, and what keeps it from A."""
    if measured.withheld():
        return None, ()
    codes = sorted({caveat.code for caveat in doubts(measured)} - {"thermal"})  # it is throttled
    worst = [_WORST[code] for code in codes if code in _WORST]
    if not measured.counts:
        worst.append("power was sampled and integrated: there is no counter")
    lesser = [_LESSER.get(code, f"the caveat {code}") for code in codes if code not in _WORST]
    if measured.ticks is not None and measured.ticks < MANY_TICKS:
        lesser.append(f"fewer than {MANY_TICKS} updates of the counter in a window")
    if measured.counts and _power_to_counter(measured) is None:
        lesser.append("no power samples stand beside the counter")
    if measured.idle_w is None:
        lesser.append("no idle power is known")
    grade: Grade = "C" if worst else "B" if lesser else "A"
    return grade, (*worst, *lesser)
