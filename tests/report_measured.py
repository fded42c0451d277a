"""A run in which everything was taken that can be: processes, turns, load, energy, a soak.

Like :mod:`tests.report_fixture`, whose cells these are: the numbers are invented, to be rendered
and never to be quoted. Some takes failed, some meters could not measure, one name is hostile.
"""

from __future__ import annotations

import math

from benchbench.conditions_view import Beside, Change, ChangesView, ConditionsView, SoakView
from benchbench.definitions_view import Complexity, LatencyFigure
from benchbench.energy_view import EnergyFigure, EnergyQuality, EnergyView
from benchbench.load_view import (
    CamerasView,
    LoadProbe,
    MultiStreamView,
    OfflineRate,
    OfflineView,
    ServerView,
)
from benchbench.turns_view import (
    ProcessesView,
    ProcessFigure,
    ProcessPercentile,
    RatioView,
    TurnsView,
)
from benchbench.types import Caveat, Failure, Record
from benchbench.view import CellView, ColdStart, Cost, LatencyView, RunView, Untaken
from tests import report_fixture as fixture
from tests.report_fixture import HOSTILE

TIMEOUT = Failure(
    code="timeout",
    stage="latency",
    message="the worker took longer than 60 s",
    hint="raise measure.timeout_s",
)


def _scaled(record: Record, names: tuple[str, ...], factor: float) -> dict[str, float | None]:
    values = {name: getattr(record, name) for name in names}
    return {name: value and round(value * factor, 4) for name, value in values.items()}


def processes(median: float, count: int) -> ProcessesView:
    """Return *count* processes around *median* ms; one alone has no interval."""
    medians = [round(median * (1 + 0.02 * math.sin(i * 2.4)), 4) for i in range(count)]
    some = count > 1
    wall = ProcessFigure(
        median_ms=median, level=0.95, medians_ms=tuple(medians),
        low_ms=round(median * 0.987, 4) if some else None,
        high_ms=round(median * 1.0145, 4) if some else None,
        cv=0.0141 if some else None, noisy=False if some else None,
        reason=None if some else "one process has no interval",
    )  # fmt: skip
    cpu = wall.model_copy(update=_scaled(wall, ("median_ms", "low_ms", "high_ms"), 0.97))
    p99 = ProcessPercentile(percentile=99, value_ms=None, reason="p99 needs 662 effective queries")
    p90 = ProcessPercentile(percentile=90, value_ms=round(median * 1.05, 4), low_ms=median * 1.02,
                            high_ms=median * 1.09, method="pooled processes")  # fmt: skip
    grade = "too few" if count < 5 else "exploratory" if count < 10 else "full"
    return ProcessesView(
        processes=count, grade=grade, wall=wall, cpu=cpu, percentiles=(p90, p99)
    )  # fmt: skip


def turns(a: str, b: str, ratio: float | None, verdict: str, **more: object) -> TurnsView:
    """Return *b* against *a* over eight pairs, *ratio* times as long."""
    logs = [] if ratio is None else [math.log(ratio) + 0.012 * math.sin(i * 1.9) for i in range(8)]
    reason = "one pair has no interval: two are needed" if ratio is None else None
    wall = RatioView(
        ratio=ratio, reason=reason, level=0.9 if ratio else None, log_sd=0.012 if ratio else None,
        low=ratio and ratio * 0.985, high=ratio and ratio * 1.016,
    )  # fmt: skip
    cpu = wall.model_copy(update=_scaled(wall, ("ratio", "low", "high"), 1.01))
    body = {"a": a, "b": b, "pairs": 8 if ratio else 1, "wall": wall, "cpu": cpu, "margin": 0.05,
            "verdict": verdict, "faster": None if ratio is None else ratio < 0.98, "alpha": 0.05,
            "looks": 1, "settled_by": "looks", "order_effect": 1.004 if ratio else None,
            "log_ratios": tuple(round(x, 5) for x in logs), "reason": reason}  # fmt: skip
    return TurnsView.model_validate(body | more)


def _probe(level: float, over: float, verdict: str, **more: object) -> LoadProbe:
    body = {"level": level, "queries": 1200, "effective_queries": 700.0, "latency_ms": 18.0 + level / 3,
            "interval_ms": (17.1 + level / 3, 19.5 + level / 3), "over": over,
            "over_interval": (over * 0.6, min(1.0, over * 1.5 + 0.004)), "verdict": verdict,
            "offered_qps": level * 1.01, "achieved_qps": level * 0.99,
            "lateness_p99_ms": 0.031}  # fmt: skip
    return LoadProbe.model_validate(body | more)


def server() -> ServerView:
    """Return a search that met 84 queries a second and missed 96."""
    gone = {"latency_ms": None, "interval_ms": None, "given_up": True, "queries": 310,
            "withheld": "the rest was not started"}  # fmt: skip
    return ServerView(
        percentile=99, bound_ms=50, streams=2, highest_met_qps=84.0, lowest_missed_qps=96.0,
        probes=(_probe(60, 0.0, "met"), _probe(84, 0.0042, "met"), _probe(90, 0.011, "undecided"),
                _probe(96, 0.19, "missed", **gone)),
    )  # fmt: skip


def unbounded() -> ServerView:
    """Return a search in which every rate that was tried missed the bound."""
    return ServerView(
        percentile=99, bound_ms=20, streams=1, highest_met_qps=None, lowest_missed_qps=10.0,
        reasons={"highest_met_qps": "10 queries/s, the lowest tried, is missed: 21 % over"},
        probes=(_probe(10, 0.21, "missed"),),
    )  # fmt: skip


def cameras(met: int | None = 6) -> CamerasView:
    """Return a search over cameras, of which *met* keep their deadlines."""
    reasons = {} if met else {"highest_met": "1 camera, the fewest tried, is missed"}
    return CamerasView(
        fps=30, deadline_ms=33.3, miss_share=0.01, drop_late=True, streams=2, highest_met=met,
        lowest_missed=8 if met else 1, reasons=reasons, worst_camera={6: 0.006, 8: 0.23, 1: 0.4},
        probes=(_probe(6, 0.004, "met"), _probe(8, 0.18, "missed", dropped=212, lateness_p99_ms=None))
        if met else (_probe(1, 0.4, "missed"),),
    )  # fmt: skip


def offline() -> OfflineView:
    """Return throughput by one, two and four streams; the last pass was too short."""
    rates = [(1, 118.2, (116.9, 119.6)), (2, 201.4, (198.8, 204.2)), (4, 187.0, None)]
    return OfflineView(
        batch=8, best_streams=2, images_per_s=201.4,
        rates=tuple(OfflineRate(streams=s, queries=240, images_per_s=r, interval=i,
                                segments=20 if i else 1) for s, r, i in rates),
    )  # fmt: skip


def multi_stream() -> MultiStreamView:
    """Return a pass of eight images a query whose p99 is withheld."""
    return MultiStreamView(
        samples=8, streams=2, queries=270, effective_queries=201.5, p50_ms=41.2, p90_ms=43.9,
        p99_ms=None, intervals_ms={"p50": (40.9, 41.6)}, images_per_s=193.0,
        withheld={"p99": "270 queries are worth 201 independent ones; p99 needs 662"},
    )  # fmt: skip


def _joules(value: float, **more: object) -> EnergyFigure:
    return EnergyFigure(value=value, low=value * 0.98, high=value * 1.021, median=value,
                        spread=value * 0.03, **more)  # fmt: skip


def energy(joules: float) -> EnergyView:
    """Return a figure of the CPU package with grade B."""
    quality = EnergyQuality(
        method="counter", resolution_j=6.1e-5, update_period_s=0.00098, ticks_per_window=9100.0,
        window_s=9.2, trials=3, baseline_drift=-0.081, observer_cpu_share=0.0021, tick_bound=1.1e-4,
        power_to_counter=1.002, grade="B",
        grade_reasons=("the two idle baselines differ", "fewer than 5 windows"),
    )  # fmt: skip
    return EnergyView(
        meter="rapl", scope="CPU package 0", identity={"name": "RAPL", "counters": "package-0"},
        gross_j_per_image=_joules(joules), net_j_per_image=_joules(joules * 0.71),
        images_per_joule=_joules(1 / joules), average_w=_joules(41.3), peak_w=None,
        peak_reason="RAPL counts energy; it gives no instantaneous power", idle_w=11.9, idle_j=119.2,
        temperature_c=71.0, quality=quality,
        caveats=(Caveat(code="baselines_differ", figures={"before_w": 12.4, "after_w": 11.4}),
                 Caveat(code="few_trials", figures={"trials": 3})),
    )  # fmt: skip


def unmetered(meter: str, reason: str) -> EnergyView:
    """Return what a meter that cannot measure gives."""
    none = EnergyFigure(reason=reason)
    return EnergyView(
        meter=meter, gross_j_per_image=none, net_j_per_image=none, images_per_joule=none,
        average_w=none, peak_reason=reason, idle_reason=reason, reason=reason,
    )  # fmt: skip


def soak(burst: float) -> SoakView:
    """Return ten minutes in which latency rises by a fifth after two."""
    seconds = [round(2.0 * i, 1) for i in range(300)]
    trace = [
        round(burst * (1.0 if at < 121 else 1.21) * (1 + 0.015 * math.sin(i * 2.1)), 4)
        for i, at in enumerate(seconds)
    ]
    found = Change(query=12_900, at_s=121.0, before_ms=burst, after_ms=burst * 1.21, ratio=1.21)
    return SoakView(
        queries=58_210, seconds=600.0, burst_s=10.0, burst_ms=burst,
        sustained_ms=round(burst * 1.21, 3), ratio=1.21,
        changes=ChangesView(found=(found,), points=300), throttle_events=14,
        beside=(Beside(name="cpu_mhz", burst=3190.0, sustained=2590.0, at_s=(0.0, 60.0, 120.0),
                       values=(3190.0, 2800.0, 2590.0)),
                Beside(name="temperature_c", burst=58.0, sustained=91.0),
                Beside(name="load_1m", burst=1.02, sustained=1.94)),
        trace_s=tuple(seconds), trace_ms=tuple(trace),
    )  # fmt: skip


def short_soak() -> SoakView:
    """Return a soak that was too short to tell anything."""
    none = ChangesView(found=None, points=4, reason="4 medians are too few to look for a change")
    return SoakView(queries=9, seconds=4.0, burst_s=10.0, reason="9 queries are too few",
                    changes=none)  # fmt: skip


def conditions(*, bare: bool = False) -> ConditionsView:
    """Return what surrounded a pass; of a *bare* machine almost nothing can be read."""
    told = {
        "wall_over_cpu": 1.02, "swapped_bytes": 0, "pressure_cpu": 0.013, "pressure_memory": 0.0,
        "pressure_io": 0.0004, "others_cpu": 0.041, "steal": 0.002, "cgroup_throttled_s": 0.4,
        "cgroup_throttled_periods": 7, "frequency_mhz_before": 3192.0,
        "frequency_mhz_after": 3010.0, "temperature_c_before": 51.0, "temperature_c_after": 64.0,
        "thermal_throttle_events": 0, "load_1m": 1.2,
    }  # fmt: skip
    why = dict.fromkeys(told, "this kernel does not tell")
    return ConditionsView(
        wall_s=4.21, cpu_s=4.12, involuntary_switches=38, voluntary_switches=1204, major_faults=0,
        **({"absent": why} if bare else told),
    )  # fmt: skip


def definitions(p50: float) -> tuple[LatencyFigure, ...]:
    """Return three figures of other tools, one of which cannot be formed."""
    source = "NVIDIA/TensorRT samples/common/sampleReporting.cpp 10.9"
    return (
        LatencyFigure(tool="trtexec", name="Host Latency", statistic="median", value=p50,
                      stages=("upload", "run", "download"), definition="the sum of H2D, GPU compute "
                      "and D2H time of a query", source=source),
        LatencyFigure(tool="trtexec", name="GPU Compute Time", statistic="median", value=None,
                      clock="device", definition="time between two device events",
                      source=source, reason="the device gives no times of its own"),
        LatencyFigure(tool="Ultralytics", name="inference", statistic="mean", value=p50 * 1.01,
                      unit="ms/image", stages=("run",), definition="mean of the forward pass",
                      source="ultralytics/engine/validator.py 8.3"),
    )  # fmt: skip


def complexity(*, bare: bool = False) -> Complexity:
    """Return counts of a small detector, or none with the reason."""
    if bare:
        return Complexity(reason="the file cannot be read: unknown opset 99")
    return Complexity(parameters=1_172_352, macs=897_000_000, flops=1_794_000_000,
                      counted_by="onnx 1.23.2", counted_in="onnx fp32, the source of the artifact",
                      uncounted=("GridSample",))  # fmt: skip


def decoded(cell: CellView) -> LatencyView:
    """Return the cell's pass with intervals of its percentiles, and with decoding timed."""
    late = cell.latency
    spans = {
        name: (round(value * 0.991, 4), round(value * 1.012, 4))
        for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms")
        if (value := getattr(late, name)) is not None
    }
    stages = {"decode": 4.11} | late.stages_ms
    return late.model_copy(update={"intervals_ms": spans, "stages_ms": stages})


def _first(cell: CellView) -> CellView:
    return cell.model_copy(
        update={
            "latency": decoded(cell),
            "processes": processes(8.31, 10),
            "conditions": conditions(),
            "changes": ChangesView(found=(), points=300),
            "cold": ColdStart(load_s=1.84, first_ms=31.9),
            "multi_stream": (multi_stream(),),
            "server": (server(), unbounded()),
            "offline": (offline(),),
            "cameras": (cameras(),),
            "soak": (soak(8.3),),
            "energy": (energy(0.342), unmetered("nvml", "libnvidia-ml.so.1 is not installed")),
            "costs": (
                Cost(per_million=0.217, currency="EUR", images_per_s=201.4, basis="offline",
                     per_hour=0.157, source="list price of a two-core machine, 2026-10"),
            ),
            "complexity": complexity(),
            "definitions": definitions(8.31),
            "untaken": (Untaken(kind="process", number=11, failure=TIMEOUT),),
        }
    )  # fmt: skip


def _second(cell: CellView) -> CellView:
    return cell.model_copy(
        update={
            "processes": processes(3.78, 6),
            "speedup": cell.speedup.model_copy(update={"rounds": 6, "cause": "code"}),
            "conditions": conditions(bare=True),
            "changes": short_soak().changes,
            "cold": ColdStart(load_s=None, first_ms=9.1, reason="the load was not timed"),
            "offline": (offline(),),
            "cameras": (cameras(None),),
            "soak": (short_soak(),),
            "energy": (energy(0.151),),
            "complexity": complexity(bare=True),
            "definitions": definitions(3.78),
            "untaken": (
                Untaken(kind="server", number=1, failure=TIMEOUT),
                Untaken(kind="pair", number=3, against=HOSTILE[0], failure=TIMEOUT),
            ),
        }
    )  # fmt: skip


def measured() -> RunView:
    """Return the run: two cells with all, one with processes too few, one as it always was."""
    every = fixture.cells()
    base, small, third, plain = every[9], every[10], every[7], every[8]
    cells = (_first(base), _second(small),
             third.model_copy(update={"processes": processes(9.9, 1)}), plain)  # fmt: skip
    pairs = (
        turns(base.id, small.id, 0.4551, "pass"),
        turns(base.id, third.id, 1.183, "regression"),
        turns(third.id, plain.id, None, "inconclusive", reason="one pair: two are needed"),
    )
    left = ("energy of nanodet-plus-m · openvino · int8 by nvml: the budget of 20 min was spent",)
    return fixture.run(cells).model_copy(update={"turns": pairs, "left": left})


def hostile_measured() -> RunView:
    """Return the same with every text replaced by one that tries to break out."""
    view = measured()
    first = view.cells[0]
    bad = HOSTILE[0]
    failure = Failure(code=bad, stage=bad, message=HOSTILE[1], hint=HOSTILE[4])
    figure = definitions(1.0)[0].model_copy(
        update={"tool": bad, "name": HOSTILE[4], "definition": HOSTILE[1], "source": HOSTILE[2]}
    )
    whole = first.model_copy(
        update={
            "label": HOSTILE[4], "model": bad, "definitions": (figure,),
            "energy": (unmetered(bad, HOSTILE[4]), energy(0.3).model_copy(update={
                "scope": bad, "identity": {bad: HOSTILE[1]}, "reason": HOSTILE[3],
                "caveats": (Caveat(code=bad, figures={bad: bad}),),
            })),
            "costs": (first.costs[0].model_copy(update={"currency": bad, "source": bad}),),
            "complexity": Complexity(parameters=1, counted_by=bad, counted_in=bad,
                                     uncounted=(bad,)),
            "soak": (soak(2.0).model_copy(update={"beside": (
                Beside(name=bad, burst=1.0, sustained=math.inf, at_s=(0.0, 1.0), values=(1.0, math.inf)),)}),),
            "untaken": (Untaken(kind="pair", number=1, against=bad, failure=failure),),
        }
    )  # fmt: skip
    pair = turns(bad, whole.id, math.nan, "inconclusive", reason=HOSTILE[4])
    return view.model_copy(
        update={"cells": (whole, *view.cells[1:]), "turns": (pair,), "left": HOSTILE}
    )
