"""From single limits to the verdict over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchbench.gate_view import GateOutcome, GateView, LimitView, OnInconclusive
from benchbench.gating.retrying import Turns
from benchbench.stats.limits import adjust, outcome, together

PASSED, FAILED, UNDECIDED = 0, 1, 4


@dataclass(frozen=True, slots=True)
class Judged:
    """One limit on one cell before the others are known."""

    view: LimitView
    """Its outcome stands where *settled*."""
    settled: bool = False
    """Whether the outcome needs no test: the cell failed, or nothing is known."""
    exact: bool = False
    """Whether the figure is compared as it is, without any error."""
    few: bool = False
    """Whether it rests on too few processes to fail a build."""
    processes: dict[str, int] = field(default_factory=dict)
    """Cells of which fresh processes would tell more → how many they have."""
    turns: Turns | None = None
    """Cells of which pairs would tell more."""
    energies: tuple[tuple[str, str], ...] = ()
    """Cells of which more energy would tell more, each with the kind of the meter."""

    @property
    def wants(self) -> bool:
        """Whether there is something to measure that would tell more."""
        return bool(self.processes or self.turns or self.energies)


def decided(judged: Sequence[Judged], alpha: float) -> tuple[LimitView, ...]:
    """Return the limits with their verdicts, corrected over all of them; names made unique."""
    broken = [None if one.settled else one.view.p_broken for one in judged]
    adjusted = adjust(broken, [one.exact for one in judged])
    views = [_decided(one, p, alpha) for one, p in zip(judged, adjusted, strict=True)]
    return tuple(_named(views))


def _decided(one: Judged, adjusted: float | None, alpha: float) -> LimitView:
    view = one.view
    if one.settled:
        return view
    found = outcome(view.p_holds, adjusted, alpha)
    update = {"p_broken_adjusted": adjusted, "outcome": found}
    if found != "inconclusive":
        return view.model_copy(update={**update, "reason": None, "hint": None})
    reason = view.reason or _unsettled(view, adjusted, alpha)
    return view.model_copy(update={**update, "reason": reason})


def _unsettled(view: LimitView, adjusted: float | None, alpha: float) -> str:
    if adjusted is not None and view.p_broken is not None and view.p_broken <= alpha < adjusted:
        return "it looks broken, but among so many limits chance alone may do that"
    return "the figure is too near the limit for its error"


def _named(views: Sequence[LimitView]) -> list[LimitView]:
    """Return *views* with a number after each name that another has too."""
    counts, seen = Counter(one.name for one in views), Counter[str]()
    named = []
    for one in views:
        seen[one.name] += 1
        tail = f" ({seen[one.name]})" if counts[one.name] > 1 else ""
        named.append(one.model_copy(update={"name": one.name + tail}))
    return named


def verdict(limits: Sequence[LimitView]) -> GateOutcome:
    """Return the verdict over *limits*."""
    return together([one.outcome for one in limits])


def exit_code(found: GateOutcome, on_inconclusive: OnInconclusive) -> int:
    """Return what the command ends with; see docs/gates.md."""
    if found == "inconclusive":
        return PASSED if on_inconclusive == "pass" else UNDECIDED
    return FAILED if found == "fail" else PASSED


def counted(gate: GateView) -> dict[GateOutcome, int]:
    """Return how many limits have each verdict."""
    found = Counter(one.outcome for one in gate.limits)
    return {name: found[name] for name in ("fail", "inconclusive", "pass")}
