"""Gates made by hand: for tests of what is made from them. Their numbers are invented."""

from __future__ import annotations

from typing import Any

from benchbench.gate_view import GateOutcome, GateView, LimitView, OnInconclusive
from benchbench.view import CellView, RunView
from tests.report_fixture import HOSTILE, cells, run

EXIT: dict[GateOutcome, int] = {"pass": 0, "fail": 1, "inconclusive": 4}


def limit(cell: CellView, text: str, outcome: GateOutcome, /, **more: Any) -> LimitView:
    """Return a limit on *cell*; *more* replaces fields."""
    body = {
        "name": f"{more.get('text', text)} · {cell.label}", "text": text, "file": "suites/edge.yaml", "line": 31,
        "cell": cell.id, "label": cell.label, "quantity": "latency.p99", "unit": "ms",
        "kind": "absolute", "sense": "at most", "limit": 12.0, "value": 11.2, "low": 10.9,
        "high": 11.6, "level": 0.95, "basis": "10 processes", "outcome": outcome,
    }  # fmt: skip
    return LimitView.model_validate(body | more)


def broken(cell: CellView, **more: Any) -> LimitView:
    """Return an absolute limit that is shown to be broken."""
    told = {"value": 13.4, "low": 13.1, "high": 13.7, "p_holds": 0.9999, "p_broken": 0.0004,
            "p_broken_adjusted": 0.0016, "caveats": ("unsteady",)}  # fmt: skip
    return limit(cell, "latency.p99 <= 12 ms", "fail", **(told | more))


def slower(cell: CellView, outcome: GateOutcome = "fail", **more: Any) -> LimitView:
    """Return a relative limit on latency, as a ratio."""
    told = {
        "kind": "relative", "quantity": "latency.p50", "limit": 1.03, "scale": "ratio",
        "value": 10.62, "against": "main: nanodet-plus-m · onnxruntime · fp32", "against_value": 10.0,
        "change": 1.062, "change_low": 1.041, "change_high": 1.083, "basis": "8 pairs",
        "low": None, "high": None, "line": 32, "retried": True, "p_broken_adjusted": 0.003,
    }  # fmt: skip
    return limit(cell, "no more than 3 % slower", outcome, **(told | more))


def lost(cell: CellView, outcome: GateOutcome = "pass", **more: Any) -> LimitView:
    """Return a relative limit on accuracy, as a difference."""
    told = {
        "kind": "relative", "quantity": "AP", "unit": "", "sense": "at least", "limit": -0.005,
        "scale": "difference", "value": 0.511, "against": "main", "against_value": 0.512,
        "change": -0.001, "change_low": -0.003, "change_high": 0.001, "basis": "240 images",
        "low": None, "high": None, "line": 33, "p_holds": 0.0001,
    }  # fmt: skip
    return limit(cell, "no more than 0.5 points of AP lost", outcome, **(told | more))


def undecided(cell: CellView, **more: Any) -> LimitView:
    """Return a limit on a percentile of one process."""
    told = {"value": 11.9, "basis": "one process", "low": None, "high": None, "level": None,
            "reason": "one process cannot show it: the process is the unit",
            "hint": "run --processes 10"}  # fmt: skip
    return limit(cell, "latency.p99 <= 12 ms", "inconclusive", **(told | more))


def without_figure(cell: CellView, **more: Any) -> LimitView:
    """Return a limit on a cell that failed."""
    told = {"value": None, "low": None, "high": None, "level": None, "basis": "",
            "reason": "the cell failed: killed by signal 11"}  # fmt: skip
    return limit(cell, "latency.p99 <= 12 ms", "fail", **(told | more))


def gate(
    limits: tuple[LimitView, ...],
    on_inconclusive: OnInconclusive = "fail",
    **more: Any,
) -> GateView:
    """Return the gate over *limits*, with the outcome and exit code that follow."""
    found = {one.outcome for one in limits}
    outcome: GateOutcome = (
        "fail" if "fail" in found else "inconclusive" if "inconclusive" in found else "pass"
    )
    code = EXIT[outcome]
    if outcome == "inconclusive" and on_inconclusive == "pass":
        code = 0
    body = {
        "run": run().run, "suite": "edge-detectors", "created": "2026-11-22T09:20:00Z",
        "baseline": "main", "outcome": outcome, "on_inconclusive": on_inconclusive,
        "exit_code": code, "alpha": 0.05, "limits": limits,
    }  # fmt: skip
    return GateView.model_validate(body | more)


def gated(found: GateView | None = None, cells_: tuple[CellView, ...] | None = None) -> RunView:
    """Return a run with a gate: by default one of every kind of verdict."""
    view = run(cells() if cells_ is None else cells_)
    return view.model_copy(update={"gate": found or mixed()})


def mixed(on_inconclusive: OnInconclusive = "fail") -> GateView:
    """Return a gate with every kind of verdict."""
    every = cells()
    limits = (
        limit(every[7], "latency.p99 <= 12 ms", "pass", p_holds=0.001),
        broken(every[6]),
        undecided(every[9]),
        slower(every[8]),
        lost(every[2]),
        without_figure(every[12]),
    )
    return gate(limits, on_inconclusive, left=("2 limits: the budget of 20 min is used up",))


COMMANDS = (
    "::set-output name=x::y",
    "\n::error::injected\n::add-path::/evil",
    "##[add-path]/evil",
    "::warning file=a,line=1::b",
    "a\r\n::stop-commands::token",
    "x -bencher-ignore",
    "[[ATTACHMENT|/etc/passwd]]",
    'it\'s "quoted" `code` | pipe # hash \\ $(id) {brace}',
    "]]>&<!-- \ud800 \ufffe \x00 \u2028",
)
"""Names that try to be commands of what reads the files."""


def hostile() -> RunView:
    """Return a run and a gate with hostile names everywhere."""
    base, names = cells()[7], (*HOSTILE, *COMMANDS, HOSTILE[0])
    found = tuple(
        base.model_copy(
            update={
                "id": f"{index:064x}", "label": name, "model": name, "dataset": name, "split": name,
                "runtime": name, "primary": name, "metrics": {name: 0.4, "coverage.precision": 1.0},
            }
        )
        for index, name in enumerate(names)
    )  # fmt: skip
    limits = tuple(
        made.model_copy(update={"name": name, "text": name, "against": name, "reason": name,
                                "hint": name, "file": name, "label": name, "basis": name,
                                "quantity": name, "caveats": (name,)})
        for cell, name in zip(found, names, strict=True)
        for made in (broken(cell), undecided(cell), slower(cell, "pass"))
    )  # fmt: skip
    made = gate(limits, baseline=HOSTILE[1], left=names, admitted=names)
    view = gated(made, found)
    wild = {"suite": HOSTILE[0], "title": HOSTILE[4], "run": COMMANDS[1], "created": COMMANDS[4],
            "environment": {"cpu": {"model": COMMANDS[7]}, "git": {"commit": COMMANDS[1]}}}  # fmt: skip
    return view.model_copy(update=wild)
