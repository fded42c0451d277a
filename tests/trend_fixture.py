"""Histories that look measured, made by formula: for tests of reports and for looking at them."""

from __future__ import annotations

import math

from benchbench.history_view import ChangePoint, Different, HistoryView, Part, Point, SeriesView
from benchbench.view import RunView
from tests.report_fixture import HOSTILE, small

MODELS = ("fcos-r50", "nanodet-plus-m", "yolox-s")


def point(at: int, value: float | None, half: float = 0.03, **changes: object) -> Point:
    """Return the run of day *at*; its interval is *value* ± *half* of it."""
    found = {
        "run": f"line-{at:06x}",
        "measured": f"2026-{9 + at // 28:02d}-{1 + at % 28:02d}T10:00:00.000000Z",
        "commit": f"{at * 7919:09x}" + "0" * 31,
        "dirty": at == 3,
        "environment": "9f3a",
        "status": "failed" if value is None else "measured",
        "value": value,
        "low": None if value is None else value * (1 - half),
        "high": None if value is None else value * (1 + half),
        "level": 0.95,
        "basis": "processes",
        "n": 10,
        "reason": "the worker was killed by signal 11" if value is None else None,
    }
    return Point.model_validate(found | changes)


def noise(at: int) -> float:
    return 1 + 0.006 * math.sin(at * 2.4)


def change(at: int, ratio: float, points: tuple[Point, ...], **changes: object) -> ChangePoint:
    found = {
        "at": at, "first": at, "last": at, "before_run": points[at - 1].run,
        "run": points[at].run, "before_commit": points[at - 1].commit,
        "commit": points[at].commit, "scale": "ratio", "change": ratio, "low": ratio - 0.02,
        "high": ratio + 0.02, "level": 0.95, "p": 1e-6, "p_adjusted": 3e-6,
        "outcome": "worse" if ratio > 1 else "better",
        "differing": (Different(key="versions.onnxruntime", before="1.25.0", after="1.26.0"),),
    }  # fmt: skip
    return ChangePoint.model_validate(found | changes)


def series(model: str = MODELS[0], count: int = 24, **changes: object) -> SeriesView:
    """Return a cell that gets slower, fails once, moves to another machine, and gets faster."""
    at_new, at_fast = count // 3, 5 * count // 6
    begin = count // 2

    def value(at: int) -> float | None:
        if at == count // 4:
            return None
        step = 1.12 if at_new <= at < begin else 1.0
        step *= 1.6 if begin <= at < at_fast else 1.3 if at >= at_fast else 1.0
        return 18.4 * step * noise(at)

    points = tuple(
        point(at, value(at), baselines=("main",) if at == count - 3 else ()) for at in range(count)
    )
    broken = (Different(key="environment.cpu.model", before="Xeon 8480C", after="EPYC 9654"),)
    how = {"tested": True, "least": 1.03, "least_scale": "ratio"}
    found = {
        "label": f"{model} · onnxruntime · fp32 · cpu · batch 1",
        "model": model, "runtime": "onnxruntime", "precision": "fp32", "device": "cpu",
        "batch": 1, "dataset": "inspection-line", "split": "test", "task": "detection",
        "quantity": "latency.p50", "unit": "ms", "higher_is_better": False, "points": points,
        "parts": (
            Part(begin=0, end=begin, **how),
            Part(begin=begin, end=count, broken_by=broken, **how),
        ),
        "changes": (change(at_new, 1.12, points), change(at_fast, 0.8125, points)),
    }  # fmt: skip
    return SeriesView.model_validate(found | changes)


def quiet(model: str = MODELS[1], count: int = 9) -> SeriesView:
    """Return a cell that does not change."""
    points = tuple(point(at, 0.412 + 0.002 * math.sin(at), 0.03, basis="images", n=240)
                   for at in range(count))  # fmt: skip
    part = Part(begin=0, end=count, tested=True, least=0.006, least_scale="difference")
    return series(model, points=points, parts=(part,), changes=(), quantity="map", unit="",
                  higher_is_better=True)  # fmt: skip


def few(model: str = MODELS[2]) -> SeriesView:
    """Return a cell of too few runs."""
    points = tuple(point(at, 31.0 + at, low=None, high=None) for at in range(3))
    part = Part(begin=0, end=3, tested=False, reason="3 figures; two levels need 6")
    return series(model, points=points, parts=(part,), changes=())


def bare(model: str = "never") -> SeriesView:
    """Return a cell that never had a figure."""
    points = tuple(point(at, None) for at in range(4))
    part = Part(begin=0, end=4, tested=False, reason="no figure")
    return series(model, points=points, parts=(part,), changes=())


def history(*cells: SeriesView, **changes: object) -> HistoryView:
    found = {
        "suite": "line", "quantity": cells[0].quantity if cells else "latency.p50", "runs": 24,
        "tested": sum(part.tested for one in cells for part in one.parts), "alpha": 0.05,
        "level": 0.95, "series": cells,
    }  # fmt: skip
    return HistoryView.model_validate(found | changes)


def trending(run: RunView | None = None) -> RunView:
    """Return a run with the trends of two figures."""
    views = (history(series(), few(), bare(), unread=("line-0badc0: cell.json is not JSON",)),
             history(quiet()))  # fmt: skip
    return (run or small()).model_copy(update={"trends": views})


def crowded(cells: int = 200, runs: int = 24) -> RunView:
    """Return a run with two figures of many cells, the last of which changed."""
    calm = [quiet(f"model-{at:03d}", runs) for at in range(cells - 1)]
    views = (history(*calm, series("changed", runs)), history(*calm, quiet("last", runs)))
    return small().model_copy(update={"trends": views})


def hostile_trends() -> RunView:
    """Return a run whose trends are named by someone who means harm."""
    found = []
    for name in (*HOSTILE, "../../etc/passwd", "C:\\x\x00y"):
        points = tuple(
            one.model_copy(update={
                "run": name, "environment": name, "basis": name,
                "baselines": (name,) if one.baselines else (),
                "measured": name, "commit": name, "also": (name,), "reason": name,
            })
            for one in series(name).points
        )  # fmt: skip
        other = (Different(key=name, before=name, after=name),) * 9
        made = change(8, 1.1, points, differing=other)
        texts = dict.fromkeys(("model", "runtime", "precision", "device", "dataset", "split"), name)
        found.append(series(**texts, label=name, task=name, quantity=name, points=points,
                            unit="currency", currency=name, changes=(made,)))  # fmt: skip
    views = tuple(history(one, few(), suite=name, quantity=name, unread=(name,) * 9)
                  for one, name in zip(found, HOSTILE, strict=False))  # fmt: skip
    return small().model_copy(update={"trends": (*views, history(*found[len(HOSTILE) :]))})
