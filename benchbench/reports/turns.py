"""Cells compared by processes that take turns, in words: ratios, verdicts and why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchbench.reports.drawing import LogScale, scale_of
from benchbench.reports.evidence import placed
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Lane,
    Row,
    Section,
    Table,
    Value,
    columns,
    level,
    number,
    ratio_span,
    section,
    table,
    times,
    words,
)
from benchbench.reports.wording import ABSENT, percent, plural, short
from benchbench.turns_view import GateVerdict, RatioView, TurnsView
from benchbench.view import CellView, RunView

VERDICTS: Mapping[GateVerdict, str] = {
    "pass": "PASS", "regression": "REGRESSION", "inconclusive": "INCONCLUSIVE",
}  # fmt: skip
NOT_MEASURED = "not measured"
_HEADS = (
    "turns",
    "Comparisons by turn-taking",
    (
        "Two fresh workers alive at once take turns, pair by pair. The ratio is the "
        "candidate’s time over the baseline’s: below 1, the candidate is faster. PASS: not "
        "slower by more than the margin. REGRESSION: shown to be slower, and by more than "
        "the margin at the best estimate. INCONCLUSIVE: neither can be said. No verdict "
        "rests on the ratio of CPU time. The level of an interval is 90 % or more: the 5 % of "
        "wrong verdicts are shared by all comparisons and by all looks at their pairs."
    ),
)
_ENERGY = (
    "Energy an image, candidate over baseline, in turns of their own: all that was drawn while one "
    "side worked and the other slept; [the interval that the verdict rests on]"
)
_DRAWING = "Dots are the pairs; dashed lines stand at 1 and at 1 plus the margin."


def named_by(run: RunView) -> dict[str, str]:
    """Return the name of each cell by its id."""
    return {cell.id: placed(cell, run.cells) for cell in run.cells}


def names(view: TurnsView, by_id: Mapping[str, str]) -> tuple[str, str]:
    """Return how candidate and baseline are called, the latter with its run if that is another.

    The id of a cell that the run has not.
    """
    candidate, baseline = (by_id.get(one, short(one, 16)) for one in (view.b, view.a))
    if view.elsewhere is not None:
        baseline = f"{short(view.elsewhere.label, 160)} of {short(view.elsewhere.run, 80)}"
    return candidate, baseline


def measured(figure: RatioView) -> str:
    """Return ``0.61 × [0.60, 0.62] (98.8 %)``, its level in brackets, or a dash."""
    text = times(figure.ratio, figure.low, figure.high)
    ends = ratio_span(figure.low, figure.high)
    sure = f" ({level(figure.level)})" if ends and level(figure.level) else ""
    return f"{text} {ends}".rstrip() + sure


def turns(run: RunView) -> Section | None:
    """Return the section; None if no cells took turns."""
    scale = scale_of([v for view in run.turns for v in _drawn(view)])
    ticks = _ticks(scale) if scale else ()
    heads = columns(
        Head("Verdict", "text"), "Wall time ratio", Head("Ratio, log scale", "lane", ticks),
        "Pairs", "Margin", "CPU time ratio", "First over second",
    )  # fmt: skip
    by_id, cells = named_by(run), {cell.id: cell for cell in run.cells}
    rows = [_row(view, by_id, cells, scale) for view in run.turns]
    caption = "Candidate over baseline; [the interval that the verdict rests on]"
    tables = [table(caption, heads, rows, "Candidate"), _energies(run)]
    return section(_HEADS, tables, drawing=_DRAWING)


def _energies(run: RunView) -> Table:
    """Return the table of energy; it has no rows where no meter was asked for."""
    heads = columns(
        Head("Verdict", "text"), "Energy ratio", "Wall time ratio", "Pairs", "Margin",
        Head("Meter", "text"),
    )  # fmt: skip
    by_id, cells = named_by(run), {cell.id: cell for cell in run.cells}
    rows = (_energy_row(view, by_id, cells) for view in run.turns if view.energy_meter)
    return table(_ENERGY, heads, rows, "Candidate")


def _energy_row(view: TurnsView, by_id: Mapping[str, str], cells: Mapping[str, CellView]) -> Row:
    candidate, baseline = names(view, by_id)
    reason = view.energy_reason
    figure = view.energy or RatioView(ratio=None, reason=reason)
    values = (
        words(
            VERDICTS[view.energy_verdict] if view.energy_verdict else NOT_MEASURED,
            short(reason or "", 300),
            view.energy_verdict or "",
        ),
        _ratio(figure, reason),
        _ratio(view.wall, view.reason),
        number(view.energy_pairs, reason, text=f"{view.energy_pairs or 0:,}"),
        number(view.margin, text=percent(view.margin)),
        words(short(view.energy_meter or "", 40), short(view.energy_scope or "", 60)),
    )
    return Row(candidate, values, cells.get(view.b), f"against {baseline}")


def _row(
    view: TurnsView, by_id: Mapping[str, str], cells: Mapping[str, CellView], scale: LogScale | None
) -> Row:
    candidate, baseline = names(view, by_id)
    values = (
        verdict(view),
        _ratio(view.wall, view.reason),
        _lane(view, scale),
        number(view.pairs, text=f"{view.pairs:,}", detail=_settled(view)),
        number(view.margin, text=percent(view.margin)),
        _ratio(view.cpu, view.reason),
        number(
            view.order_effect,
            "one side went first every time",
            text=times(view.order_effect, 1.0, 1.0),
        ),
    )
    return Row(candidate, values, cells.get(view.b), f"against {baseline}")


def verdict(view: TurnsView) -> Value:
    """Return the verdict, with whether the candidate is faster, or why nothing can be said."""
    told = [short(view.reason, 300)] if view.reason else []
    told += ["shown to be faster"] if view.faster else []
    return words(VERDICTS[view.verdict], "; ".join(told), view.verdict)


def _ratio(figure: RatioView, otherwise: str | None) -> Value:
    reason = figure.reason or otherwise
    ends = ratio_span(figure.low, figure.high)
    detail = f"{level(figure.level)} {ends}".strip() if ends else short(reason or "", 160)
    text = times(figure.ratio, figure.low, figure.high)
    return number(figure.ratio, reason, text=text, detail=detail, ends=(figure.low, figure.high))


def _settled(view: TurnsView) -> str:
    """Return how often one looked, and how many pairs were taken beyond those that settled it."""
    taken = len(view.log_ratios)
    more = f"; {taken:,} were taken" if taken > view.pairs else ""
    if view.settled_by == "sequence":
        return f"{plural(view.looks, 'look')}, after every pair{more}"
    most = _planned(view)
    told = f"{view.looks:,} of {plural(most, 'look')}"
    return (told if most > view.looks else plural(view.looks, "look")) + more


def _planned(view: TurnsView) -> int:
    """Return how many looks share the chance of a wrong verdict, taken or not."""
    share = finite(view.wall.level)
    if share is None or share >= 1:
        return view.looks
    return max(round(2 * view.alpha / (1 - share)), view.looks)


def _drawn(view: TurnsView) -> Sequence[float]:
    pairs = (math.exp(min(max(one, -20.0), 20.0)) for one in view.log_ratios if math.isfinite(one))
    found = (view.wall.ratio, view.wall.low, view.wall.high, 1.0, 1.0 + view.margin)
    return [*pairs, *(v for v in map(finite, found) if v is not None)]


def _ticks(scale: LogScale) -> tuple[tuple[float, str], ...]:
    """Return the ticks of *scale*, 1 among them, and none that would touch it."""
    one = scale.at(1.0)
    others = [(scale.at(tick), f"{tick:g}") for tick in scale.ticks(6)]
    return ((one, "1"), *((place, text) for place, text in others if abs(place - one) > 9))


def _lane(view: TurnsView, scale: LogScale | None) -> Value:
    if scale is None:
        return Value(ABSENT)
    middle, low, high = (
        None if (known := finite(v)) is None else scale.at(known)
        for v in (view.wall.ratio, view.wall.low, view.wall.high)
    )
    rules = (scale.at(1.0), scale.at(1.0 + view.margin))
    pairs = (math.exp(min(max(v, -20.0), 20.0)) for v in view.log_ratios if math.isfinite(v))
    return Value("", drawn=Lane(middle, low, high, tuple(scale.at(v) for v in pairs), rules))


# --- in a sentence -----------------------------------------------------------------------


def told(run: RunView) -> str:
    """Return the verdicts in a sentence, regressions by name; empty if no cells took turns."""
    if not run.turns:
        return ""
    return " ".join(part for part in (_told_time(run), _told_energy(run)) if part)


def _told_energy(run: RunView) -> str:
    """Return the verdicts of energy; where there are none, why."""
    metered = [view for view in run.turns if view.energy_meter]
    found = [view for view in metered if view.energy_verdict]
    if not metered:
        return ""
    if not found:
        return f"Energy not measured: {short(metered[0].energy_reason or ABSENT, 160)}."
    return f"Energy an image: {_counted([view.energy_verdict for view in found])}."


def _counted(verdicts: Sequence[GateVerdict | None]) -> str:
    return ", ".join(
        f"{verdicts.count(kind)} {word}" for kind, word in VERDICTS.items() if kind in verdicts
    )


def _told_time(run: RunView) -> str:
    by_id = named_by(run)
    text = _counted([view.verdict for view in run.turns])
    slower = [view for view in run.turns if view.verdict == "regression"]
    if slower:
        return f"{text}; {_slowed(slower, by_id)}."
    faster = [v for v in run.turns if v.faster and finite(v.wall.ratio) is not None]
    if faster:
        best = min(faster, key=lambda view: view.wall.ratio or 1.0)
        candidate, baseline = names(best, by_id)
        return f"{text}; {candidate} takes {measured(best.wall)} the time of {baseline}."
    return f"{text}."


def _slowed(slower: Sequence[TurnsView], by_id: Mapping[str, str]) -> str:
    worst = sorted(slower, key=lambda view: -(view.wall.ratio or 0.0))
    told = [
        f"{candidate} takes {measured(view.wall)} the time of {baseline}"
        for view in worst[:2]
        for candidate, baseline in [names(view, by_id)]
    ]
    more = f" and {len(worst) - 2} more" if len(worst) > 2 else ""
    return "; ".join(told) + more
