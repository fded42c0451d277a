"""The verdict of a gate in the terminal."""

from __future__ import annotations

from math import inf

import click

from benchbench.cli.table import plain
from benchbench.gate_view import GateOutcome, GateView, LimitView
from benchbench.gating import counted
from benchbench.units import show

_WORDS: dict[GateOutcome, tuple[str, str]] = {
    "fail": ("FAIL", "red"),
    "inconclusive": ("INCONCLUSIVE", "yellow"),
    "pass": ("PASS", "green"),
}
_TOLD: dict[GateOutcome, str] = {
    "fail": "broken",
    "inconclusive": "undecided",
    "pass": "shown to hold",
}
_LONGEST = 120
_MOST = 20
"""Cells that are told of one limit and reason."""


def print_gate(gate: GateView) -> None:
    """Print the verdict, then what is broken or undecided and what settles it, then the rest."""
    counts = counted(gate)
    told = ", ".join(f"{count} {_TOLD[name]}" for name, count in counts.items() if count)
    limits = "limit" if len(gate.limits) == 1 else "limits"
    click.echo(f"{_word(gate.outcome)}  {plain(gate.run)}: {len(gate.limits)} {limits}: {told}")
    if gate.baseline:
        click.echo(f"      against {plain(gate.baseline)} where a limit names no other")
    for alike in (*_by_text(gate, "fail"), *_by_text(gate, "inconclusive")):
        _print_open(alike)
    click.echo("")
    for alike in _by_text(gate, "pass"):
        _print_passes(alike)
    for left in gate.left:
        click.echo(f"left: {plain(left)}")
    if gate.admitted:
        click.echo(f"admitted: {', '.join(plain(key) for key in gate.admitted)}")
    click.echo(f"exit {gate.exit_code}{_why(gate)}")


def _word(outcome: GateOutcome) -> str:
    word, color = _WORDS[outcome]
    return click.style(word, fg=color, bold=True)


def _why(gate: GateView) -> str:
    if gate.exit_code == 130:
        return ": stopped before the end"
    if gate.outcome != "inconclusive":
        return ""
    if gate.exit_code == 0:
        return ": undecided limits count as passed (--on-inconclusive pass)"
    return ": undecided limits count as failed (--on-inconclusive pass lets them through)"


def _short(text: str) -> str:
    told = plain(text)
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"


def _by_text(gate: GateView, outcome: GateOutcome) -> list[list[LimitView]]:
    """Return the limits of one verdict, those together that are written alike."""
    found: dict[tuple[str, int | None], list[LimitView]] = {}
    for one in gate.limits:
        if one.outcome == outcome:
            found.setdefault((one.text, one.line), []).append(one)
    return list(found.values())


def _print_open(limits: list[LimitView]) -> None:
    """Print a limit that is not shown to hold, cell by cell, and each reason once."""
    first = limits[0]
    place = f"  ({plain(first.file)}:{first.line})" if first.file and first.line else ""
    click.echo(f"\n{_word(first.outcome)}  {_name(first)}{place}")
    told: dict[tuple[str | None, str | None], list[LimitView]] = {}
    for one in limits:
        told.setdefault((one.reason, one.hint), []).append(one)
    for (reason, hint), cells in told.items():
        for one in cells[:_MOST]:
            again = " (measured again)" if one.retried else ""
            click.echo(f"  {_short(one.label)}: {figure(one)}{again}")
        if len(cells) > _MOST:
            click.echo(f"  … and {len(cells) - _MOST} more cells; --json has them all")
        for name, text in (("why", reason), ("do", hint)):
            if text:
                click.echo(f"    {name}: {plain(text)}")


def _print_passes(limits: list[LimitView]) -> None:
    """Print a limit that is shown to hold on some cells: the one that came closest."""
    closest = max(limits, key=lambda one: (one.p_holds or 0.0, -_distance(one)))
    cells = f"{len(limits)} cells, closest " if len(limits) > 1 else ""
    told = f"{cells}{_short(closest.label)}: {figure(closest)}"
    click.echo(f"{_word('pass')}  {_name(closest)}  {told}")


def _distance(one: LimitView) -> float:
    """Return how far the figure, or its change, lies from the limit."""
    told = one.change if one.kind == "relative" else one.value
    return inf if told is None else abs(told - one.limit)


def _name(one: LimitView) -> str:
    """Return the limit as it is called, and as it is written where that is something else."""
    called = one.name.partition(f" · {one.label}")[0]
    return _short(one.text if called == one.text else f"{called}: {one.text}")


def figure(one: LimitView) -> str:
    """Return the figure with its interval, and what it rests on."""
    if one.kind == "relative":
        value, low, high = one.change, one.change_low, one.change_high
    else:
        value, low, high = one.value, one.low, one.high
    if value is None:
        told = "no figure" if one.kind == "absolute" else "no change is known"
    else:
        told = _shown(one, value)
    if low is not None and high is not None:
        told += f" ({_shown(one, low)} to {_shown(one, high)}{_tested(one, low, high)})"
    beside = [one.basis] if one.basis and value is not None else []
    beside += [f"against {_short(one.against)}"] if one.against else []
    return "; ".join([told, *beside])


def _tested(one: LimitView, low: float, high: float) -> str:
    """Return the p-value that decides, where the two-sided interval beside it holds the limit."""
    p = {"pass": one.p_holds, "fail": one.p_broken_adjusted}.get(one.outcome)
    if p is None or not low <= one.limit <= high:
        return ""
    level = f"{100 * one.level:g} %; " if one.level else ""
    return f"; {level}one-sided p {p:.2g}"


def _shown(one: LimitView, value: float) -> str:
    if one.kind == "absolute":
        return show(value, one.unit)
    if one.scale == "ratio":
        return f"{100 * (value - 1):+.1f} %"
    return f"{100 * value:+.2f} points" if one.unit == "" else f"{value:+.3g} {one.unit}"
