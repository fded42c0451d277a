"""The footnote of a claim: what a reader needs to judge it."""

from __future__ import annotations

from collections.abc import Iterator

from benchbench.claims.wording import design
from benchbench.claims_view import Claim, ClaimedCell

_SHORT = ("data", "machine", "placement", "evaluator", "timing")


def footnote(claim: Claim, *, long: bool) -> str:
    """Return the footnote; the short form leaves out protocol and software."""
    parts = [_count(claim), *_settings(claim, long=long), *_remarks(claim)]
    doubts = [*_doubts(claim)]
    if doubts:
        parts.append(f"caveats: {', '.join(doubts)}")
    parts.append(f"run {claim.run}, measured {claim.measured[:10]}, benchbench {claim.version}")
    return "; ".join(part for part in parts if part) + "."


def _count(claim: Claim) -> str:
    figure = claim.figure
    if claim.against is not None:
        return design(figure)
    if figure.n is None:
        return f"basis: {figure.basis}"
    what = "queries of one process" if figure.basis == "one process" else figure.basis
    what = what if figure.basis != "probes" else "levels of load tried"
    return f"n = {figure.n} {what}"


def _settings(claim: Claim, *, long: bool) -> Iterator[str]:
    theirs = {one.name: one.text for one in claim.against.settings} if claim.against else {}
    for one in claim.cell.settings:
        if not long and one.name not in _SHORT:
            continue
        other = theirs.get(one.name, one.text)
        told = one.text if other == one.text else f"{one.text} | the other: {other}"
        yield f"{one.name}: {told}"


def _remarks(claim: Claim) -> Iterator[str]:
    figure = claim.figure
    if figure.outcome == "inconclusive":
        yield "that no difference was shown does not show that there is none"
    if claim.against is not None and figure.design not in ("counted", ""):
        yield "asked by itself: the interval is not corrected for other comparisons of the run"
    if not claim.raw:
        yield "read from the run's record: no raw samples are kept to form it anew"


def _doubts(claim: Claim) -> Iterator[str]:
    yield from claim.cell.doubts
    if claim.against is None:
        return
    known: ClaimedCell = claim.cell
    yield from (f"of the other: {one}" for one in claim.against.doubts if one not in known.doubts)
