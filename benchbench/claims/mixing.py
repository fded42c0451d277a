"""Figures that stand side by side and were not measured alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from benchbench.claims_view import Claim, ClaimedCell

_TIMED = ("latency", "energy")


def mixed(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """Yield, for the first pair of claims that were not measured alike, its second and why."""
    for a, b in combinations(claims, 2):
        apart = list(_apart(a, b))
        if apart:
            yield b.id, f"{a.id} and {b.id} were not measured alike: {'; '.join(apart)}"
            return


def _apart(a: Claim, b: Claim) -> Iterator[str]:
    ours, theirs = a.cell, b.cell
    timed = a.family in _TIMED and b.family in _TIMED
    if timed:
        yield from _keys(ours, theirs, ("machine", "threads", "batch", "device"))
    if timed and a.family != b.family:
        return
    if a.family == b.family == "accuracy":
        if ours.data != theirs.data:
            yield f"data {_of(ours)} and {_of(theirs)}"
        yield from _keys(ours, theirs, ("evaluator",))
    alike = a.family == b.family and ours.model == theirs.model
    if alike and a.family != "size" and ours.protocol != theirs.protocol:
        yield "another protocol of the same model"
    for cell in (ours, theirs):
        if cell.ran != cell.precision and ours.id != theirs.id:
            yield f"'{cell.label[:60]}' was asked at {cell.precision} and ran at {cell.ran}"


def _of(cell: ClaimedCell) -> str:
    return f"{cell.dataset[:40]} ({cell.split[:20]}, {cell.images} images)"


def _keys(ours: ClaimedCell, theirs: ClaimedCell, keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        pair = (getattr(ours, key), getattr(theirs, key))
        if pair[0] != pair[1] and None not in pair:
            yield f"{key} {_told(ours, key)} and {_told(theirs, key)}"


def _told(cell: ClaimedCell, key: str) -> str:
    if key != "machine":
        return str(getattr(cell, key))[:60]
    words = next((one.text for one in cell.settings if one.name == "machine"), "")
    return f"{words[:60]} [{cell.machine}]"
