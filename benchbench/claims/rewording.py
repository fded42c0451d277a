"""What a claim says beside its figures, set against what its run gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from benchbench.claims.citing import wrong
from benchbench.claims.passages import Sentence
from benchbench.claims_view import Claim, ClaimedCell

Words = Literal["same", "agreeing", "doubtful", "differs"]
"""``agreeing``: other words with the same numbers, names and verdict in the same order;
``doubtful``: no number or name is wrong, and whether it says the same only a reader can tell."""
_FACTS = ("suite", "measured", "quantity", "family", "arrays", "raw")
_TOLD = ("settings", "doubts")
"""Of a cell: words."""
_TEXTS = ("sentence", "footnote", "footnote_long")
_PARTS = re.compile(r"[^\s()\[\];,:|'\"]+")
_NEUTRAL = frozenset(
    "a an the of on in at by for with its is are was were has have had reaches gives and".split()
)
"""Words that another version may write otherwise without saying anything else."""
_LONGEST = 120


def facts(claim: Claim, new: Claim) -> Iterator[str]:
    """Yield what *claim* says of its cells, machine and samples that its run does not give."""
    for name in _FACTS:
        if getattr(claim, name) != getattr(new, name):
            yield _apart(name, getattr(claim, name), getattr(new, name))
    for name, ours, theirs in (
        ("cell", claim.cell, new.cell), ("against", claim.against, new.against),
    ):  # fmt: skip
        if (ours is None) != (theirs is None):
            yield _apart(name, ours, theirs)
        if ours is not None and theirs is not None:
            yield from _cells(name, ours, theirs)


def _cells(name: str, ours: ClaimedCell, theirs: ClaimedCell) -> Iterator[str]:
    for field in ClaimedCell.model_fields:
        pair = (getattr(ours, field), getattr(theirs, field))
        if field not in _TOLD and pair[0] != pair[1]:
            yield _apart(f"{name} {field}", *pair)


def _apart(name: str, ours: object, theirs: object) -> str:
    if name == "arrays":
        return "arrays: not those that the figure derives from"
    return f"{name}: claimed '{str(ours)[:_LONGEST]}', the run has '{str(theirs)[:_LONGEST]}'"


def reworded(claim: Claim, new: Claim) -> tuple[Words, tuple[str, ...]]:
    """Return how the words of *claim* stand to those of *new*, and what to say of it.

    Of the same version they follow from the figures, so that other words are altered ones.
    """
    pairs = [(name, old, told) for name, old, told in _texts(claim, new) if old != told]
    if not pairs:
        return "same", ()
    if claim.version == new.version:
        return "differs", tuple(f"the {name} is not what the run gives" for name, _, _ in pairs)
    said = Sentence(claim.sentence, 1, "", ())
    faults = [f"the sentence: {message}" for _, message, _ in wrong(said, [new])]
    faults += [fault for name, old, told in pairs for fault in _foreign(name, old, told)]
    if faults:
        return "differs", tuple(faults)
    here = f"benchbench {new.version} words it: {new.sentence}"
    if all(_content(old) == _content(told) for _, old, told in pairs):
        return "agreeing", (here,)
    name = next(name for name, old, told in pairs if _content(old) != _content(told))
    why = f"the figures hold, but the {name} has other words than this version would write"
    return "doubtful", (why, here)


def _texts(claim: Claim, new: Claim) -> Iterator[tuple[str, str, str]]:
    """Yield what is told in words: its name, as claimed, and as it is."""
    for name in _TEXTS:
        old, told = getattr(claim, name), getattr(new, name)
        for version in {claim.version, new.version} if name != "sentence" else ():
            old, told = (one.replace(f"benchbench {version}", "benchbench") for one in (old, told))
        yield name.replace("_long", ""), old, told
    for ours, theirs in ((claim.cell, new.cell), (claim.against, new.against)):
        if ours is not None and theirs is not None:
            yield "conditions", _told(ours), _told(theirs)


def _told(cell: ClaimedCell) -> str:
    return "; ".join((*(f"{one.name}: {one.text}" for one in cell.settings), *cell.doubts))


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word.lower() not in _NEUTRAL]


def _words(text: str) -> list[str]:
    return [part.rstrip(".").lower() for part in _PARTS.findall(text)]


def _foreign(name: str, old: str, new: str) -> Iterator[str]:
    """Yield numbers, precisions and names with digits that this version would not write."""
    known = set(_words(new))
    for word in dict.fromkeys(_words(old)):
        if word not in known and re.search(r"\d", word):
            yield f"the {name} says '{word[:60]}', which this version would not write"
