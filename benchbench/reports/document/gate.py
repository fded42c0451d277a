"""What a gate said of the run: the verdict, and every limit."""

from __future__ import annotations

from collections import Counter

from benchbench.gate_view import GateOutcome, GateView, LimitView
from benchbench.reports.document.choice import MOST_LISTED
from benchbench.reports.document.grids import TONES, said
from benchbench.reports.document.model import Callout, Column, Grid, Line, Part, Place, text
from benchbench.reports.grouping import finite
from benchbench.reports.wording import ABSENT, plural, short, significant

WORDS: dict[GateOutcome, str] = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE"}
_MEANT: dict[GateOutcome, str] = {
    "pass": "shown to hold", "fail": "shown to be broken or without a figure",
    "inconclusive": "neither shown to hold nor to be broken",
}  # fmt: skip
_MOST = 5


def verdict(view: GateView) -> Callout:
    """Return the verdict with its counts, and the limits that decide it."""
    found = Counter(limit.outcome for limit in view.limits)
    counts = "; ".join(f"{found[kind]:,} {_MEANT[kind]}" for kind in WORDS if found[kind])
    told = [text(f"Of {plural(len(view.limits), 'limit')}: {counts or 'none'}.")]
    deciding = [limit for limit in view.limits if limit.outcome == view.outcome != "pass"]
    told += [text(_line(limit)) for limit in deciding[:_MOST]]
    if len(deciding) > _MOST:
        told.append(text(f"and {len(deciding) - _MOST:,} more."))
    tone = TONES[view.outcome]
    return Callout(f"Gate: {WORDS[view.outcome]}", tuple(told), tone)


def _line(limit: LimitView) -> str:
    why = f": {short(limit.reason, 200)}" if limit.reason else ""
    return f"{short(limit.text, 120)}, {short(limit.label, 80)}{why}"


def limits(view: GateView) -> Part:
    """Return the table of limits, those that failed first."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    ranked = sorted(view.limits, key=lambda limit: order[limit.outcome])
    columns = (
        Column("Verdict", "left", 1.2), Column("Found"), Column("Limit"), Column("Unit", "left"),
        Column("Rests on", "left", 1.4), Column("Why, and what would settle it", "left", 2.4),
    )  # fmt: skip
    lines = tuple(_row(limit) for limit in ranked[:MOST_LISTED])
    caption = f"Limits, each at a chance of error of at most {view.alpha:g}"
    more = max(len(ranked) - MOST_LISTED, 0)
    grid = Grid(caption, "Limit on a cell", columns, lines, "table-gate", more)
    return Part("Gate", "gate", (verdict(view), grid))


def _row(limit: LimitView) -> Line:
    relative = limit.kind == "relative"
    value, low, high = (
        (limit.change, limit.change_low, limit.change_high)
        if relative
        else (limit.value, limit.low, limit.high)
    )
    beside = "" if finite(low) is None else f"[{significant(low)}, {significant(high)}]"
    if relative and limit.against:
        beside = "; ".join(t for t in (beside, f"against {short(limit.against, 60)}") if t)
    reason = short(limit.reason or "the gate gives no reason", 300)
    found = Place(significant(value), value, finite(low), finite(high), beside)
    told = "; ".join(short(part, 200) for part in (limit.reason, limit.hint) if part)
    places = (
        Place(WORDS[limit.outcome], tone=TONES[limit.outcome], strong=True),
        found if finite(value) is not None else Place(ABSENT, reason=reason),
        Place(f"{limit.sense} {significant(limit.limit)}", limit.limit),
        Place("ratio" if limit.scale == "ratio" else limit.unit or "fraction of 1"),
        said(short(limit.basis, 80)),
        Place(told or "nothing: it is settled"),
    )
    return Line(short(limit.text, 120), places, short(limit.label, 80))
