"""What a recommendation takes for granted, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchbench.recommend_view import Bound, LeftOut
from benchbench.recommending.costs import RATE_NAMES
from benchbench.recommending.money import Money
from benchbench.recommending.tabling import Table


def notes(
    table: Table, money: Money, without: Sequence[str], left_out: Sequence[LeftOut]
) -> Iterator[str]:
    """Yield a sentence an assumption."""
    yield from _spreads(table)
    names = {one.quantity for one in (*table.requirements, table.aim)}
    if names & {"cost.million", "cost.device", "cost.owned"}:
        yield f"Frames are counted by {RATE_NAMES[money.rate]}."
    if names & {"cost.device", "cost.owned"} and money.life_h:
        yield f"A device lasts {money.life_h:,.0f} hours of full load."
    if names & {"cost.energy", "cost.owned"}:
        yield from _scopes(table)
    yield from _batches(table)
    yield from _ties(table)
    yield from _against(table)
    codes = {code for code in without if not any(code in one.reason for one in left_out)}
    for code in sorted(codes):
        yield f"No cell has the caveat '{code}' that --without names."


def _spreads(table: Table) -> Iterator[str]:
    """Yield which figures were taken as they are, and which stem from a search."""
    rows = [*zip(table.requirements, table.figures, strict=True), (table.aim, table.objectives)]
    found: dict[tuple[str, str], int] = {}
    for asked, row in rows:
        counted: dict[tuple[str, str], int] = {}
        for one in row:
            if one.note:
                key = asked.quantity, _why(one.bound, one.note)
                counted[key] = counted.get(key, 0) + 1
        found |= counted
    for (name, why), count in found.items():
        yield f"{name} is taken as it is ({count} of {len(table.cells)} cells): {why}."
    if any(one.quantity.low is not None and one.quantity.basis == "probes" and not one.note
           for _, row in rows for one in row):  # fmt: skip
        yield (
            "What a search found lies between a load that was met and one that was missed: drawn"
            " uniformly in the logarithm."
        )


def _why(bound: Bound | None, note: str) -> str:
    """Return *note*; of an end of a search one sentence for all cells, whatever their loads."""
    if bound is None:
        return note
    more, mark = ("more", "≥") if bound == "at least" else ("less", "≤")
    return f"no load was found that is missed, so it may be {more} ({mark})"


def _scopes(table: Table) -> Iterator[str]:
    scopes = {view.scope for cell in table.cells for view in cell.energy[:1] if view.scope}
    if scopes:
        yield f"Energy is that of {', '.join(sorted(scopes))} alone, not of the whole machine."


def _batches(table: Table) -> Iterator[str]:
    batches = sorted({cell.batch for cell in table.cells})
    names = [one.quantity for one in (*table.requirements, table.aim)]
    if len(batches) > 1 and any("latency" in name for name in names):
        told = ", ".join(map(str, batches))
        yield f"The cells have batches of {told}: a latency is that of the whole batch."


def _ties(table: Table) -> Iterator[str]:
    for alike in table.ties:
        names = [table.cells[i].label for i in alike]
        together = sum(float(table.p_best[i]) for i in alike)
        yield (
            f"{', '.join(names[:-1])} and {names[-1]} tie in every draw: each has its part of the"
            f" {100 * together:.0f} % that they have together."
        )


def _against(table: Table) -> Iterator[str]:
    """Yield where the objective goes against what is better."""
    better = next(
        (one.quantity.higher_is_better for one in table.objectives if one.draws is not None), None
    )
    if better is not None and better != table.higher:
        word = "more" if better else "less"
        yield f"Of {table.aim.quantity}, {word} is better; you asked to {table.aim.sense} it."
