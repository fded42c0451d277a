"""What a gate says, in sentences and in the order of urgency."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from benchbench import units
from benchbench.gate_view import GateOutcome, GateView, LimitView
from benchbench.reports.wording import plural, short

_ORDER: tuple[GateOutcome, ...] = ("fail", "inconclusive", "pass")
WORDS: dict[GateOutcome, str] = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE"}


def urgent(limits: Iterable[LimitView]) -> list[LimitView]:
    """Return *limits*: broken, undecided, held; in each, the farthest beyond its limit first."""
    return sorted(
        limits, key=lambda one: (_ORDER.index(one.outcome), -_beyond(one), one.name, one.cell)
    )


def _beyond(limit: LimitView) -> float:
    """Return by what share of itself *limit* is exceeded; infinite where there is no figure."""
    figure = limit.value if limit.kind == "absolute" else limit.change
    if figure is None or not math.isfinite(figure):
        return math.inf
    excess = figure - limit.limit if limit.sense == "at most" else limit.limit - figure
    return excess / (abs(limit.limit) or 1.0)


def counted(gate: GateView) -> str:
    """Return how many limits hold, are broken and are undecided."""
    found = Counter(limit.outcome for limit in gate.limits)
    told = [
        f"{found['fail']} broken" if found["fail"] else "",
        f"{found['inconclusive']} undecided" if found["inconclusive"] else "",
        f"{found['pass']} shown to hold",
    ]
    return f"{plural(len(gate.limits), 'limit')}: {', '.join(part for part in told if part)}"


def stops(gate: GateView, limit: LimitView) -> bool:
    """Return whether *limit* is among what makes the gate's exit code other than 0."""
    if limit.outcome == "inconclusive":
        return gate.exit_code != 0 and gate.on_inconclusive != "pass"
    return limit.outcome == "fail"


def called(limit: LimitView) -> str:
    """Return what its suite calls the limit: its name, else its text."""
    return limit.name.rpartition(f" · {limit.label}")[0] or limit.text


def titled(limit: LimitView) -> str:
    """Return the name of the limit, with its text behind it where that is another."""
    name = called(limit)
    return name if name == limit.text else f"{name} ({limit.text})"


def sentence(limit: LimitView) -> str:
    """Return the figure, the limit, and why there is no verdict, on one line."""
    parts = [
        _figure(limit),
        f"the limit is {limit.sense} {_shown(limit, limit.limit)}",
        _evidence(limit),
        limit.reason or "",
        "more was measured to settle it" if limit.retried else "",
        f"to settle it: {limit.hint}" if limit.hint else "",
    ]
    return "; ".join(short(part, 400) for part in parts if part)


def _figure(limit: LimitView) -> str:
    name = short(limit.quantity, 120)
    if limit.kind == "relative":
        if limit.change is None:
            return f"{name} has no change to show"
        other, told = short(limit.against or "the baseline", 120), _shown(limit, limit.change)
        if limit.scale == "ratio":
            return f"{name} is {told} that of {other}{interval(limit)}"
        return f"{name} changed by {told} against {other}{interval(limit)}"
    if limit.value is None:
        return f"{name} has no value"
    return f"{name} is {_shown(limit, limit.value)}{interval(limit)}"


def measured(limit: LimitView) -> str:
    """Return the figure that the limit is about, with its unit; a dash where there is none."""
    figure = limit.value if limit.kind == "absolute" else limit.change
    return "–" if figure is None else _shown(limit, figure)


def bound(limit: LimitView) -> str:
    """Return the limit itself, with its unit."""
    return f"{limit.sense} {_shown(limit, limit.limit)}"


def interval(limit: LimitView) -> str:
    """Return the interval and what it rests on, in brackets; nothing where there is no figure."""
    figure, low, high = limit.value, limit.low, limit.high
    if limit.kind == "relative":
        figure, low, high = limit.change, limit.change_low, limit.change_high
    if figure is None:
        return ""
    told = []
    if low is not None and high is not None:
        level = f"{100 * limit.level:g} % " if limit.level else ""
        told.append(f"{level}interval {_shown(limit, low)} to {_shown(limit, high)}")
    if limit.basis:
        told.append(limit.basis)
    return f" ({'; '.join(told)})" if told else ""


def _shown(limit: LimitView, figure: float) -> str:
    if limit.kind == "relative" and limit.scale == "ratio":
        return f"{figure:.4g} ×"
    sign = "+" if limit.kind == "relative" and figure > 0 else ""
    told = units.show(figure, limit.unit)
    if figure != limit.limit and told == units.show(limit.limit, limit.unit):
        told = f"{figure:.6g} {limit.unit}".rstrip()  # rounded, it would look as if it were equal
    return sign + told


def _evidence(limit: LimitView) -> str:
    if limit.outcome != "fail" or limit.p_broken_adjusted is None:
        return ""
    return f"p = {limit.p_broken_adjusted:.2g} after Holm's correction"
