"""Intervals and comparisons in words: how far a figure may move, and what a difference shows."""

from __future__ import annotations

from collections.abc import Iterable

from benchbench.reports.grouping import finite
from benchbench.reports.wording import ABSENT, delta, fraction, plural, short
from benchbench.view import CellView, Comparison, Interval

SAID = {"inconclusive": "no difference shown"}
"""Verdicts that read otherwise than they are called."""


def half(found: Interval | None) -> str:
    """Return half an interval: ``± 0.031``; empty where there is none."""
    if found is None or finite(found.value) is None or finite(found.high) is None:
        return ""
    return f"± {(found.high or 0.0) - (found.value or 0.0):.3f}"


def valued(found: Interval) -> str:
    """Return ``0.412 ± 0.031``, without the second part where there is no interval."""
    return f"{fraction(found.value)} {half(found)}".rstrip()


def bounds(found: Comparison | None) -> str:
    """Return ``95 % −0.062 to −0.020``; empty where there is no interval."""
    if found is None or finite(found.low) is None or finite(found.high) is None:
        return ""
    return f"{found.level * 100:g} % {delta(found.low)} to {delta(found.high)}"


def verdict(found: Comparison | None) -> str:
    """Return what a comparison shows, or why it shows nothing."""
    if found is None:
        return "not compared"
    if not bounds(found):
        return f"no interval: {short(found.reason or 'the run gives no reason', 200)}"
    return SAID.get(found.verdict, found.verdict)


def probability(found: Comparison | None) -> str:
    """Return the corrected p-value with its family: ``p = 0.003 over 5``."""
    p = finite(found.p_adjusted) if found else None
    if found is None or p is None:
        return ABSENT
    told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{told} over {found.family:,}"


def method(cell: CellView) -> dict[str, str]:
    """Return how the intervals of *cell* and its comparisons were made, for the protocol card."""
    told = {}
    if cell.intervals:
        told["intervals"] = "; ".join(_kinds(cell.intervals.values()))
    compared = (cell.comparison, *cell.class_comparisons, *(s.comparison for s in cell.slices))
    found = [one for one in compared if one is not None]
    if found:
        ways = dict.fromkeys(
            f"paired on the same {plural(one.images, 'image')}, "
            f"{_way(one.method)}, {one.level * 100:g} %, {plural(one.replicates, 'replicate')}"
            for one in found
        )
        told["comparisons"] = f"{'; '.join(ways)}; p-values corrected by Holm over each family"
    return told


def _kinds(found: Iterable[Interval]) -> list[str]:
    return list(
        dict.fromkeys(
            f"bootstrap over {plural(one.images, 'image')}, {_way(one.method)}, "
            f"{one.level * 100:g} %, {plural(one.replicates, 'replicate')}, seed {one.seed}, "
            f"{short(one.scope, 40)}"
            for one in found
        )
    )


def _way(name: str) -> str:
    return {"normal": "value ± z·SE", "percentile": "percentiles of the draws"}.get(name, name)
