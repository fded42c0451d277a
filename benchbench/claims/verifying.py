"""A claim formed anew from raw samples, and set against what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory

from benchbench import __version__
from benchbench.claims.asking import Wanted
from benchbench.claims.making import make
from benchbench.claims.rewording import facts, reworded
from benchbench.claims_view import Checked, Claim, ClaimFigure, Verification
from benchbench.comparing import Source, of_run
from benchbench.errors import BenchbenchError, StoreError, UsageError
from benchbench.files import make_folder, write_json
from benchbench.quantities import named
from benchbench.store import Run, Store

TOLERANCE = 1e-6
"""Relative: sums in another order, or another build of a library, may move the last digits."""
_CODES: dict[Checked, int] = {"verified": 0, "reworded": 0, "differs": 1, "unverifiable": 2}
_FIGURES = ("value", "low", "high", "level", "n", "own", "other")
_WORDS = ("basis", "unit", "scale", "design", "outcome", "higher_is_better", "looks", "currency")


def verify(store: Store, claim: Claim) -> Verification:
    """Return whether *claim* follows from the raw samples that the store keeps.

    Each of its arrays is checked against its SHA-256, then the figure is formed anew in a copy of
    the run that holds links to what was stored and nothing that was derived. What the claim says of
    its cells, machine and samples is compared whatever version made it; its words are those of this
    version, or another's (:mod:`benchbench.claims.rewording`).
    """
    run = Run(store.folder / "runs" / claim.run)
    if claim.run != Path(claim.run).name or not (run.folder / "manifest.json").is_file():
        return _told(claim, "unverifiable", f"the store has no run {claim.run}")
    altered = [*_altered(run, claim)]
    if altered:
        return _told(claim, "unverifiable", *altered)
    try:
        with _bare(run, claim) as bare:
            return _compared(claim, of_run(bare))
    except UsageError as error:
        return _told(claim, "differs", f"it cannot be claimed any more: {error.message}")
    except BenchbenchError as error:
        return _told(claim, "unverifiable", error.message)


def _told(
    claim: Claim, outcome: Checked, *reasons: str, new: ClaimFigure | None = None
) -> Verification:
    return Verification(
        id=claim.id, run=claim.run, title=claim.title, outcome=outcome,
        exit_code=_CODES[outcome], reasons=reasons, old=claim.figure, new=new,
        old_version=claim.version, new_version=__version__, arrays=len(claim.arrays),
    )  # fmt: skip


def _altered(run: Run, claim: Claim) -> Iterator[str]:
    for ref in claim.arrays:
        try:
            run.array(ref)
        except StoreError as error:
            yield error.message


# --- a run without what was derived ------------------------------------------------------


@contextmanager
def _bare(run: Run, claim: Claim) -> Iterator[Run]:
    """Yield a run of the claim's cells alone: links to what was stored, nothing derived."""
    with TemporaryDirectory(prefix="benchbench-claim-") as folder:
        bare = Run(make_folder(Path(folder) / run.id))
        cells = {claim.cell.id, *([claim.against.id] if claim.against else [])}
        manifest = run.manifest()
        kept = tuple(one for one in manifest.cells if one.cell.id in cells)
        _narrowed(bare, "manifest.json", manifest.model_copy(update={"cells": kept}))
        # Every comparison stays: they share the chance of a wrong verdict, and with it the rule by
        # which each of them stopped.
        _narrowed(bare, "asked.json", run.asked())
        for name in ("arrays", "invocations"):
            (bare.folder / name).symlink_to((run.folder / name).resolve())
        make_folder(bare.folder / "cells")
        for cell in cells & {path.stem for path in (run.folder / "cells").glob("*.json")}:
            _link(run, bare, f"cells/{cell}.json")
        make_folder(bare.folder / "takes")
        for taken in run.all_taken():
            if taken.take.cell in cells and taken.take.against in (None, *cells):
                _link(run, bare, f"takes/{taken.take.id}.json")
        yield bare


def _narrowed(bare: Run, name: str, record: object) -> None:
    from benchbench.types import Record

    assert isinstance(record, Record)
    write_json(bare.folder / name, json.loads(record.model_dump_json()))


def _link(run: Run, bare: Run, name: str) -> None:
    (bare.folder / name).symlink_to((run.folder / name).resolve())


# --- old and new -------------------------------------------------------------------------


def _compared(claim: Claim, source: Source) -> Verification:
    cells = {cell.id: cell for cell in source.cells}
    missing = [one.label for one in (claim.cell, claim.against) if one and one.id not in cells]
    if missing:
        return _told(claim, "unverifiable", f"the run has no cell '{missing[0][:80]}' any more")
    name = named(claim.quantity)
    against = cells[claim.against.id] if claim.against else None
    new = make(source, Wanted(name, cells[claim.cell.id], against))
    reasons = [*_apart(claim.figure, new.figure), *facts(claim, new)]
    if new.id != claim.id:
        reasons.append(f"the run was measured anew: its claim is {new.id}")
    other, said = reworded(claim, new)
    if reasons or other == "differs":
        return _told(claim, "differs", *reasons, *said, new=new.figure)
    if not new.raw:
        why = "no raw samples are kept of this figure: the run's record alone still says it"
        told = said if other == "doubtful" else ()
        return _told(claim, "unverifiable", why, *told, new=new.figure)
    if other == "same":
        return _told(claim, "verified", new=new.figure)
    made = _told(claim, "reworded", *said, new=new.figure)
    return made.model_copy(update={"exit_code": 1}) if other == "doubtful" else made


def _apart(old: ClaimFigure, new: ClaimFigure) -> Iterator[str]:
    """Yield what two figures differ in."""
    for name in _FIGURES:
        ours, theirs = getattr(old, name), getattr(new, name)
        if not _same(ours, theirs):
            yield f"{name}: claimed {_number(ours)}, derived anew {_number(theirs)}"
    for name in _WORDS:
        ours, theirs = getattr(old, name), getattr(new, name)
        if ours != theirs:
            yield f"{name}: claimed '{ours}', derived anew '{theirs}'"


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.9g}"
